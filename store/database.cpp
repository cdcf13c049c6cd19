#include "store/database.hpp"

#include <sqlite3.h>

#include "crdt/assert.hpp"

namespace starling::store {

namespace {

StoreFaultCode code_of(int code) {
    switch (code & 0xff) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return StoreFaultCode::in_use;
        case SQLITE_FULL:
            return StoreFaultCode::full;
        case SQLITE_NOMEM:
            return StoreFaultCode::out_of_memory;
        case SQLITE_READONLY:
        case SQLITE_PERM:
            return StoreFaultCode::read_only;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_ERROR:  // a table is not there
        case SQLITE_SCHEMA:
        case SQLITE_MISMATCH:
        case SQLITE_CONSTRAINT:
            return StoreFaultCode::corrupt;
        default:
            return code == SQLITE_IOERR_NOMEM ? StoreFaultCode::out_of_memory : StoreFaultCode::io;
    }
}

const char* words_of(StoreFaultCode code) {
    switch (code) {
        case StoreFaultCode::in_use:
            return "another process has the store open";
        case StoreFaultCode::full:
            return "no space is left on the disk";
        case StoreFaultCode::out_of_memory:
            return "the store ran out of memory";
        case StoreFaultCode::read_only:
            return "the store cannot be written: the file or the file system is read-only";
        case StoreFaultCode::corrupt:
            return "the store is damaged";
        default:
            return "the disk failed";
    }
}

StoreFault fault_of(sqlite3* handle, int code) {
    const auto kind = code_of(code);
    std::string what = words_of(kind);
    what += std::string(" (") + sqlite3_errstr(code) + ", " + std::to_string(code);
    const std::string more =
        handle != nullptr && sqlite3_extended_errcode(handle) == code ? sqlite3_errmsg(handle) : "";
    if (!more.empty() && more != sqlite3_errstr(code)) what += ": " + more;
    return {kind, what + ")"};
}

}  // namespace

// -- statements
// ----------------------------------------------------------------------------------------------------------

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

Statement& Statement::bind(int parameter, std::int64_t value) {
    STARLING_ASSERT(sqlite3_bind_int64(statement_.get(), parameter + 1, value) == SQLITE_OK, "a parameter is bound");
    return *this;
}

Statement& Statement::bind(int parameter, crdt::BytesView value) {
    // An empty view may point nowhere, which SQLite takes for NULL.
    const auto* data = value.empty() ? "" : value.data();
    const auto code = sqlite3_bind_blob64(statement_.get(), parameter + 1, data, value.size(), SQLITE_STATIC);
    STARLING_ASSERT(code == SQLITE_OK, "a parameter is bound");
    return *this;
}

Statement& Statement::bind_nothing(int parameter) {
    STARLING_ASSERT(sqlite3_bind_null(statement_.get(), parameter + 1) == SQLITE_OK, "a parameter is bound");
    return *this;
}

Outcome<bool> Statement::step() {
    const auto code = sqlite3_step(statement_.get());
    if (code == SQLITE_ROW) return true;
    if (code == SQLITE_DONE) return reset(), false;
    auto* handle = sqlite3_db_handle(statement_.get());
    auto fault = fault_of(handle, sqlite3_extended_errcode(handle));
    reset();
    return fault;
}

Outcome<bool> Statement::run() {
    while (true) {
        auto more = step();
        if (!more || !*more) return more;
    }
}

void Statement::reset() {
    sqlite3_reset(statement_.get());
}

std::int64_t Statement::integer(int column) const {
    return sqlite3_column_int64(statement_.get(), column);
}

crdt::BytesView Statement::bytes(int column) const {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
    return {data == nullptr ? "" : data, std::size_t(sqlite3_column_bytes(statement_.get(), column))};
}

bool Statement::nothing(int column) const {
    return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

// -- the database
// --------------------------------------------------------------------------------------------------------

void Database::Close::operator()(sqlite3* handle) const {
    sqlite3_close_v2(handle);
}

Outcome<Database> Database::open(const std::string& path, const std::string& vfs, bool create) {
    Database database;
    sqlite3* handle = nullptr;
    // No mutex: one thread at a time is the rule here. No shared cache.
    const auto flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE |
                       (create ? SQLITE_OPEN_CREATE : 0);
    const auto code = sqlite3_open_v2(path.c_str(), &handle, flags, vfs.empty() ? nullptr : vfs.c_str());
    database.handle_.reset(handle);
    if (code != SQLITE_OK) {
        auto fault = fault_of(handle, code);
        fault.what = path + ": " + fault.what;
        return fault;
    }
    return database;
}

Outcome<bool> Database::execute(const char* sql) {
    const auto code = sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return fault_of(handle_.get(), sqlite3_extended_errcode(handle_.get()));
    return true;
}

Outcome<Statement> Database::prepare(std::string_view sql) {
    sqlite3_stmt* statement = nullptr;
    const auto code =
        sqlite3_prepare_v3(handle_.get(), sql.data(), int(sql.size()), SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) return fault_of(handle_.get(), sqlite3_extended_errcode(handle_.get()));
    return Statement(statement);
}

Outcome<std::int64_t> Database::integer(const char* sql) {
    auto statement = prepare(sql);
    if (!statement) return statement.fault();
    auto row = statement->step();
    if (!row) return row.fault();
    return *row ? statement->integer(0) : 0;
}

StoreFault Database::fault() const {
    return fault_of(handle_.get(), sqlite3_extended_errcode(handle_.get()));
}

std::uint64_t Database::write_ahead_bytes() const {
    sqlite3_file* file = nullptr;
    sqlite3_int64 bytes = 0;
    const auto found =
        sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_JOURNAL_POINTER, static_cast<void*>(&file));
    if (found != SQLITE_OK || file == nullptr || file->pMethods == nullptr) return 0;
    return file->pMethods->xFileSize(file, &bytes) == SQLITE_OK ? std::uint64_t(bytes) : 0;
}

bool Database::in_transaction() const {
    return sqlite3_get_autocommit(handle_.get()) == 0;
}

}  // namespace starling::store
