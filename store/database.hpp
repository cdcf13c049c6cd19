// SQLite, as far as the store needs it: a connection and its statements, with faults as values.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "crdt/ids.hpp"
#include "store/fault.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace starling::store {

/// A prepared statement. Parameters and columns count from 0. Bound bytes are borrowed until the next `run` or `reset`.
/// Thread rule: that of its database.
class Statement {
  public:
    Statement() = default;
    explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

    Statement& bind(int parameter, std::int64_t value);
    Statement& bind(int parameter, crdt::BytesView value);
    Statement& bind_nothing(int parameter);

    /// The next row is there to be read; false at the end, where the statement is ready to run again.
    Outcome<bool> step();
    /// Runs to the end.
    Outcome<bool> run();
    void reset();

    std::int64_t integer(int column) const;
    /// Until the next step.
    crdt::BytesView bytes(int column) const;
    bool nothing(int column) const;

  private:
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const;
    };
    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// Thread rule: one thread at a time.
class Database {
  public:
    /// The file must be there, unless `create`. `vfs` is a name that SQLite knows; empty for the operating system.
    static Outcome<Database> open(const std::string& path, const std::string& vfs, bool create);

    Outcome<bool> execute(const char* sql);
    Outcome<Statement> prepare(std::string_view sql);
    /// The first column of the first row.
    Outcome<std::int64_t> integer(const char* sql);
    /// What the last call met.
    StoreFault fault() const;
    bool in_transaction() const;
    /// Of the log that SQLite writes ahead of the file.
    std::uint64_t write_ahead_bytes() const;
    sqlite3* handle() const { return handle_.get(); }

  private:
    struct Close {
        void operator()(sqlite3* handle) const;
    };
    std::unique_ptr<sqlite3, Close> handle_;
};

}  // namespace starling::store
