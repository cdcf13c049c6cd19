// SQLite on a store::Disk: what SQLite calls a VFS.
#pragma once

#include <string>

#include "store/disk.hpp"

namespace starling::store {

/// The disk under a name that SQLite knows, while this lives. Thread rule: that of SQLite's list of VFSs: any.
class DiskVfs {
  public:
    explicit DiskVfs(Disk& disk);
    ~DiskVfs();
    DiskVfs(const DiskVfs&) = delete;
    DiskVfs& operator=(const DiskVfs&) = delete;
    const std::string& name() const { return name_; }

  private:
    struct Methods;
    Disk& disk_;
    std::string name_;
    std::unique_ptr<Methods> methods_;
};

}  // namespace starling::store
