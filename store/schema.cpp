#include "store/schema.hpp"

#include <string>

namespace starling::store {

namespace {

// The exclusive lock is held until the file is closed: nobody else has the store open, and SQLite needs no shared
// memory for its log.
constexpr const char* settings = R"(
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA journal_size_limit = 16777216;
    PRAGMA temp_store = MEMORY;
    PRAGMA cache_size = -8192;
    PRAGMA trusted_schema = OFF;
)";

/// What makes format n + 1 of format n, by n.
constexpr const char* steps[] = {R"(
    CREATE TABLE item (room INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (room, key)) WITHOUT ROWID;
    CREATE TABLE life (chunk INTEGER PRIMARY KEY, node BLOB NOT NULL, lives BLOB NOT NULL);
    CREATE TABLE entry (origin INTEGER NOT NULL, seq INTEGER NOT NULL, type INTEGER NOT NULL, stamp INTEGER NOT NULL,
        depth INTEGER NOT NULL, key BLOB NOT NULL, field BLOB NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY (origin, seq)) WITHOUT ROWID;
    CREATE TABLE log (place INTEGER PRIMARY KEY, at INTEGER NOT NULL, changeset BLOB NOT NULL, mark BLOB, seal BLOB);
)"};
static_assert(std::size(steps) == schema_format_now);

}  // namespace

Outcome<bool> prepare_schema(Database& database, int checkpoint_pages) {
    if (auto set = database.execute(settings); !set) return set;
    const auto checkpoints = "PRAGMA wal_autocheckpoint = " + std::to_string(checkpoint_pages);
    if (auto set = database.execute(checkpoints.c_str()); !set) return set;
    // Takes the lock, whatever the file holds.
    if (auto begun = database.execute("BEGIN IMMEDIATE"); !begun) return begun;
    const auto format = database.integer("PRAGMA user_version");
    if (!format) return format.fault();
    if (*format > schema_format_now || *format < 0)
        return StoreFault{StoreFaultCode::newer_format, "a newer version of this software wrote the store (format " +
                                                            std::to_string(*format) + "): update needed"};
    for (auto from = *format; from < schema_format_now; ++from) {
        if (auto made = database.execute(steps[from]); !made) return made;
    }
    if (*format < schema_format_now) {
        const auto set = "PRAGMA user_version = " + std::to_string(schema_format_now);
        if (auto made = database.execute(set.c_str()); !made) return made;
    }
    return database.execute("COMMIT");
}

}  // namespace starling::store
