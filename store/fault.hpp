// What can go wrong with a store, and what is left of it then.
#pragma once

#include <string>

#include "crdt/result.hpp"

namespace starling::store {

enum class StoreFaultCode {
    in_use,         ///< another process, or another store of this one, has the directory
    exists,         ///< a copy is not written over another file
    full,           ///< no space is left; the same commit may be tried again, and succeeds once there is
    out_of_memory,  ///< likewise
    read_only,      ///< the file system, or the file, takes no writes
    io,             ///< the disk failed: what was being written may or may not be there
    corrupt,        ///< the file is not what was written
    newer_format,   ///< a newer version of this software wrote it: update needed
    failed,         ///< an earlier fault ended this store; open it again
};

struct StoreFault {
    StoreFaultCode code;
    std::string what;
};

/// A commit that met such a fault may be tried again; after any other the store is over.
inline bool may_pass(StoreFaultCode code) {
    return code == StoreFaultCode::full || code == StoreFaultCode::out_of_memory;
}

template <class T>
using Outcome = crdt::Result<T, StoreFault>;

}  // namespace starling::store
