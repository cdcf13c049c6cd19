// The tables, and how those of an older format become those of today.
#pragma once

#include "store/database.hpp"

namespace starling::store {

inline constexpr std::int64_t schema_format_now = 1;

/// Settings of the connection, then the tables: made, brought up to date, or refused as those of a newer format.
Outcome<bool> prepare_schema(Database& database, int checkpoint_pages);

}  // namespace starling::store
