// Where a bench keeps files: below STARLING_BENCH_DIR, or else where temporary files go.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <unistd.h>

#include "crdt/assert.hpp"

namespace starling::bench {

/// Goes with what is in it.
class Directory {
  public:
    Directory() {
        const char* under = std::getenv("STARLING_BENCH_DIR");
        std::string name = (under == nullptr ? std::filesystem::temp_directory_path() : std::filesystem::path(under)) /
                           "starling-bench-XXXXXX";
        STARLING_ASSERT(mkdtemp(name.data()) != nullptr, "there is a directory for the bench");
        path = name;
    }
    ~Directory() {
        std::error_code error;
        std::filesystem::remove_all(path, error);
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    std::filesystem::path path;
};

}  // namespace starling::bench
