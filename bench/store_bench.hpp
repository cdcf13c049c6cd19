// What the parts of the suite `store` share.
#pragma once

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>

#include "bench/directory.hpp"
#include "bench/figure.hpp"
#include "bench/measure.hpp"
#include "crdt/assert.hpp"
#include "store/store.hpp"

namespace starling::bench {

namespace fs = std::filesystem;
using crdt::Bytes;

constexpr std::size_t value_bytes = 100;

template <class T>
T value_of(store::Outcome<T> outcome) {
    if (!outcome) std::cerr << outcome.fault().what << "\n";
    STARLING_ASSERT(bool(outcome), "the disk of a bench works");
    return std::move(*outcome);
}

inline double wall_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Handed to the operating system by this process so far.
inline std::uint64_t bytes_written() {
    std::ifstream io("/proc/self/io");
    std::string name;
    std::uint64_t value = 0;
    while (io >> name >> value) {
        if (name == "wchar:") return value;
    }
    return 0;
}

class Raw {
  public:
    explicit Raw(const fs::path& path) : database_(value_of(store::Database::open(path.string(), "", true))) {
        value_of(
            database_.execute("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = "
                              "FULL; CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)"));
        begin_ = value_of(database_.prepare("BEGIN IMMEDIATE"));
        insert_ = value_of(database_.prepare("INSERT OR REPLACE INTO t VALUES (?, ?)"));
        commit_ = value_of(database_.prepare("COMMIT"));
    }
    void commit(std::size_t records, std::size_t keys) {
        const Bytes value(value_bytes, 'v');
        value_of(begin_.run());
        for (std::size_t i = 0; i < records; ++i)
            value_of(insert_.bind(0, std::int64_t(++id_ % keys)).bind(1, value).run());
        value_of(commit_.run());
    }

  private:
    store::Database database_;
    store::Statement begin_, insert_, commit_;
    std::size_t id_ = 0;
};

/// So many threads that each write a value and wait until it is durable, again and again: a whole node, beside raw
/// SQLite whose writers leave their values to one thread that commits all that came.
void writers_1(const Options& options);
void writers_8(const Options& options);
void writers_64(const Options& options);
void writers_compacting(const Options& options);
/// Of a whole node's journal: append, replay, read back.
void events_1m(const Options& options);
void events_each(const Options& options);
/// The lives of nodes that restart daily; the same with a counter that every life added to.
void lives(const Options& options);
void lives_counting(const Options& options);

}  // namespace starling::bench
