// The disk under a store, where it is not the operating system's: the simulator's, which loses power, and those of the
// tests, which fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace starling::store {

enum class DiskError { none, io, full, read_only, short_read };

/// An open file. Every call may fail, and a write may have been carried out in part then.
class DiskFile {
  public:
    virtual ~DiskFile() = default;
    /// `short_read` where the file ends before; what is missing is to be filled with zeros.
    virtual DiskError read(char* into, std::size_t bytes, std::uint64_t from) = 0;
    virtual DiskError write(const char* data, std::size_t bytes, std::uint64_t at) = 0;
    virtual DiskError truncate(std::uint64_t bytes) = 0;
    /// What was written is durable when it returns without an error.
    virtual DiskError sync() = 0;
    virtual DiskError size(std::uint64_t& bytes) = 0;
    /// Held by at most one open file of this name; false where another holds it.
    virtual bool lock() = 0;
    virtual void unlock() = 0;
};

/// Files by name. Thread rule: one thread at a time. It outlives the stores on it.
class Disk {
  public:
    virtual ~Disk() = default;
    /// nullptr where there is no such file and `create` is false, or where the disk fails.
    virtual std::unique_ptr<DiskFile> open(const std::string& name, bool create) = 0;
    virtual DiskError remove(const std::string& name) = 0;
    virtual bool exists(const std::string& name) = 0;
    /// Chance, which SQLite tells an old log from a new one by.
    virtual std::uint64_t random() = 0;
};

}  // namespace starling::store
