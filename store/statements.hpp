// The statements of a store, prepared once.
#pragma once

#include "store/batch.hpp"
#include "store/database.hpp"
#include "store/rows.hpp"
#include "store/store.hpp"

namespace starling::store {

inline const crdt::Bytes fold_key = "fold";

struct Store::Statements {
    Statement begin, commit;
    Statement erase_entry, insert_entry, insert_log, trim_log, put_chunk, put_item, erase_item;
    Statement items_of, chunks, entries, log;

    Outcome<bool> prepare(Database& database);

    Outcome<bool> put_entry(const EntryRow& row);
    Outcome<bool> put_log(const LogRow& row, const std::optional<Mark>& mark);
    Outcome<bool> put(const Item& item);
};

}  // namespace starling::store
