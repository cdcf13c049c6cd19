#include "store/files.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

namespace starling::store {

namespace {

namespace fs = std::filesystem;

StoreFault system_fault(const std::string& path, int error) {
    const auto code = error == EEXIST                                       ? StoreFaultCode::exists
                      : error == ENOSPC || error == EDQUOT                  ? StoreFaultCode::full
                      : error == EROFS || error == EACCES || error == EPERM ? StoreFaultCode::read_only
                                                                            : StoreFaultCode::io;
    return {code, path + ": " + std::strerror(error)};
}

class Descriptor {
  public:
    Descriptor(const std::string& path, int flags, mode_t mode = 0)
        : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    explicit operator bool() const { return fd_ >= 0; }
    bool sync() const { return ::fsync(fd_) == 0; }

  private:
    int fd_;
};

/// A new name is durable when its directory is.
Outcome<bool> sync_directory(const fs::path& directory) {
    const Descriptor opened(directory.empty() ? "." : directory.string(), O_RDONLY | O_DIRECTORY);
    if (!opened || !opened.sync()) return system_fault(directory.string(), errno);
    return true;
}

Outcome<bool> make_file(const std::string& path, int flags) {
    const Descriptor made(path, O_RDWR | O_CREAT | flags, S_IRUSR | S_IWUSR);
    if (!made || !made.sync()) return system_fault(path, errno);
    return sync_directory(fs::path(path).parent_path());
}

}  // namespace

Outcome<bool> make_private_file(const std::string& directory, const std::string& path) {
    if (!file_exists(directory)) {
        const auto parent = fs::absolute(fs::path(directory)).lexically_normal().parent_path();
        std::error_code error;
        fs::create_directories(parent, error);
        if (::mkdir(directory.c_str(), S_IRWXU) != 0 && errno != EEXIST) return system_fault(directory, errno);
        if (auto synced = sync_directory(parent); !synced) return synced;
    }
    return file_exists(path) ? Outcome<bool>(true) : make_file(path, 0);
}

Outcome<bool> make_new_file(const std::string& path) {
    return make_file(path, O_EXCL);
}

Outcome<bool> rename_new_file(const std::string& from, const std::string& to) {
    if (file_exists(to)) return system_fault(to, EEXIST);
    if (::rename(from.c_str(), to.c_str()) != 0) return system_fault(to, errno);
    return sync_directory(fs::path(to).parent_path());
}

bool file_exists(const std::string& path) {
    std::error_code error;
    return fs::exists(path, error);
}

void remove_file(const std::string& path) {
    std::error_code error;
    fs::remove(path, error);
}

}  // namespace starling::store
