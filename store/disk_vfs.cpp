#include "store/disk_vfs.hpp"

#include <atomic>
#include <cstring>
#include <new>

#include <sqlite3.h>

#include "crdt/assert.hpp"

namespace starling::store {

namespace {

constexpr int sector_bytes = 512;
constexpr int name_bytes_max = 512;

struct VfsFile {
    sqlite3_file base;
    DiskFile* file;
    int level;  ///< of SQLite's locks; the disk knows one, which any of them takes
};

DiskFile& file_of(sqlite3_file* file) {
    return *reinterpret_cast<VfsFile*>(file)->file;
}

int sqlite_code_of(DiskError error, int otherwise) {
    switch (error) {
        case DiskError::none:
            return SQLITE_OK;
        case DiskError::full:
            return SQLITE_FULL;
        case DiskError::read_only:
            return SQLITE_READONLY;
        case DiskError::short_read:
            return SQLITE_IOERR_SHORT_READ;
        default:
            return otherwise;
    }
}

// -- files
int close_file(sqlite3_file* file) {
    auto* vfs_file = reinterpret_cast<VfsFile*>(file);
    if (vfs_file->level > SQLITE_LOCK_NONE) vfs_file->file->unlock();
    delete vfs_file->file;
    vfs_file->file = nullptr;
    return SQLITE_OK;
}
int read_file(sqlite3_file* file, void* into, int bytes, sqlite3_int64 from) {
    return sqlite_code_of(file_of(file).read(static_cast<char*>(into), std::size_t(bytes), std::uint64_t(from)),
                          SQLITE_IOERR_READ);
}
int write_file(sqlite3_file* file, const void* data, int bytes, sqlite3_int64 at) {
    return sqlite_code_of(file_of(file).write(static_cast<const char*>(data), std::size_t(bytes), std::uint64_t(at)),
                          SQLITE_IOERR_WRITE);
}
int truncate_file(sqlite3_file* file, sqlite3_int64 bytes) {
    return sqlite_code_of(file_of(file).truncate(std::uint64_t(bytes)), SQLITE_IOERR_TRUNCATE);
}
int sync_file(sqlite3_file* file, int) {
    return sqlite_code_of(file_of(file).sync(), SQLITE_IOERR_FSYNC);
}
int size_of_file(sqlite3_file* file, sqlite3_int64* bytes) {
    std::uint64_t size = 0;
    const auto error = file_of(file).size(size);
    *bytes = sqlite3_int64(size);
    return sqlite_code_of(error, SQLITE_IOERR_FSTAT);
}
int lock_file(sqlite3_file* file, int level) {
    auto* vfs_file = reinterpret_cast<VfsFile*>(file);
    if (level <= vfs_file->level) return SQLITE_OK;
    if (vfs_file->level == SQLITE_LOCK_NONE && !vfs_file->file->lock()) return SQLITE_BUSY;
    vfs_file->level = level;
    return SQLITE_OK;
}
int unlock_file(sqlite3_file* file, int level) {
    auto* vfs_file = reinterpret_cast<VfsFile*>(file);
    if (level >= vfs_file->level) return SQLITE_OK;
    if (level == SQLITE_LOCK_NONE) vfs_file->file->unlock();
    vfs_file->level = level;
    return SQLITE_OK;
}
int reserved(sqlite3_file* file, int* held) {
    *held = reinterpret_cast<VfsFile*>(file)->level >= SQLITE_LOCK_RESERVED ? 1 : 0;
    return SQLITE_OK;
}
int control(sqlite3_file*, int, void*) {
    return SQLITE_NOTFOUND;
}
int sector_size(sqlite3_file*) {
    return sector_bytes;
}
/// As SQLite takes it of any disk: a write leaves alone what is beside it.
int characteristics(sqlite3_file*) {
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

// Version 1: no shared memory. The store locks its file for itself, and then SQLite needs none for its log.
const sqlite3_io_methods file_methods = {1,         close_file,   read_file,       write_file,  truncate_file,
                                         sync_file, size_of_file, lock_file,       unlock_file, reserved,
                                         control,   sector_size,  characteristics, nullptr,     nullptr,
                                         nullptr,   nullptr,      nullptr,         nullptr};

// -- the file system
Disk& disk_of(sqlite3_vfs* vfs) {
    return *static_cast<Disk*>(vfs->pAppData);
}
int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    auto* vfs_file = reinterpret_cast<VfsFile*>(file);
    *vfs_file = {};
    if (name == nullptr) return SQLITE_CANTOPEN;  // temporary: pragma temp_store keeps them in memory
    auto opened = disk_of(vfs).open(name, (flags & SQLITE_OPEN_CREATE) != 0);
    if (opened == nullptr) return SQLITE_CANTOPEN;
    vfs_file->file = opened.release();
    vfs_file->base.pMethods = &file_methods;
    if (out_flags != nullptr) *out_flags = flags;
    return SQLITE_OK;
}
int delete_file(sqlite3_vfs* vfs, const char* name, int) {
    if (!disk_of(vfs).exists(name)) return SQLITE_IOERR_DELETE_NOENT;
    return sqlite_code_of(disk_of(vfs).remove(name), SQLITE_IOERR_DELETE);
}
int access_file(sqlite3_vfs* vfs, const char* name, int, int* yes) {
    *yes = disk_of(vfs).exists(name) ? 1 : 0;
    return SQLITE_OK;
}
int full_name(sqlite3_vfs*, const char* name, int bytes, char* into) {
    if (int(std::strlen(name)) >= bytes) return SQLITE_CANTOPEN;
    std::strcpy(into, name);
    return SQLITE_OK;
}
int randomness(sqlite3_vfs* vfs, int bytes, char* into) {
    for (int i = 0; i < bytes; ++i) into[i] = char(disk_of(vfs).random() >> 32);
    return bytes;
}
int sleep_us(sqlite3_vfs*, int us) {
    return us;
}
int present(sqlite3_vfs*, double* days) {
    *days = 2'460'000.5;
    return SQLITE_OK;
}
int last_error(sqlite3_vfs*, int, char*) {
    return 0;
}

std::atomic<std::uint64_t> next_name{1};

}  // namespace

struct DiskVfs::Methods {
    sqlite3_vfs vfs{};
};

DiskVfs::DiskVfs(Disk& disk)
    : disk_(disk), name_("starling-disk-" + std::to_string(next_name++)), methods_(std::make_unique<Methods>()) {
    auto& vfs = methods_->vfs;
    vfs.iVersion = 1;
    vfs.szOsFile = sizeof(VfsFile);
    vfs.mxPathname = name_bytes_max;
    vfs.zName = name_.c_str();
    vfs.pAppData = &disk_;
    vfs.xOpen = open_file;
    vfs.xDelete = delete_file;
    vfs.xAccess = access_file;
    vfs.xFullPathname = full_name;
    vfs.xRandomness = randomness;
    vfs.xSleep = sleep_us;
    vfs.xCurrentTime = present;
    vfs.xGetLastError = last_error;
    STARLING_ASSERT(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK, "a VFS is registered");
}

DiskVfs::~DiskVfs() {
    sqlite3_vfs_unregister(&methods_->vfs);
}

}  // namespace starling::store
