#include "net/secret_file.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

namespace starling::net {
namespace {

constexpr std::size_t file_bytes_max = 512;
constexpr std::size_t checksum_bytes = 16;
using Checksum = std::array<std::uint8_t, checksum_bytes>;

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    explicit operator bool() const { return fd_ >= 0; }
    int get() const { return fd_; }

  private:
    int fd_;
};

Fault system_fault(const char* doing, const std::filesystem::path& path) {
    const char* why = std::strerror(errno);
    return Fault{FaultCode::not_available, std::string(doing) + " " + path.string() + ": " + why};
}

Checksum checksum_of(std::string_view label, const Secret<32>& secret) {
    Checksum sum{};
    crypto_generichash(sum.data(), sum.size(), secret.data(), secret.size(),
                       reinterpret_cast<const unsigned char*>(label.data()), label.size());
    return sum;
}

std::string hex(const std::uint8_t* bytes, std::size_t count) {
    std::string text(count * 2 + 1, '\0');
    sodium_bin2hex(text.data(), text.size(), bytes, count);
    text.pop_back();
    return text;
}

bool unhex(std::string_view text, std::uint8_t* out, std::size_t count) {
    std::size_t got = 0;
    return text.size() == count * 2 &&
           sodium_hex2bin(out, count, text.data(), text.size(), nullptr, &got, nullptr) == 0 && got == count;
}

bool write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return false;
        bytes.remove_prefix(std::size_t(wrote));
    }
    return true;
}

bool sync_directory(const std::filesystem::path& path) {
    auto parent = path.parent_path();
    Descriptor dir(::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return dir && ::fsync(dir.get()) == 0;
}

Fault malformed(const std::filesystem::path& path, const char* what) {
    return Fault{FaultCode::malformed, path.string() + ": " + what};
}

}  // namespace

void start_sodium() {
    static const int started = sodium_init();
    STARLING_ASSERT(started >= 0, "libsodium has a random source");
}

Result<Done> write_secret_file(const std::filesystem::path& path, std::string_view label, const Secret<32>& secret) {
    start_sodium();
    std::string line = std::string(label) + ' ' + hex(secret.data(), secret.size()) + ' ' +
                       hex(checksum_of(label, secret).data(), checksum_bytes) + '\n';
    std::uint64_t tag = 0;
    randombytes_buf(&tag, sizeof tag);
    std::filesystem::path draft = path;
    draft += ".draft-" + std::to_string(tag);

    Result<Done> result = Done{};
    {
        Descriptor file(::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (!file) {
            result = system_fault("cannot create", draft);
        } else if (!write_all(file.get(), line) || ::fsync(file.get()) != 0) {
            result = system_fault("cannot write", draft);
        }
    }
    wipe(line.data(), line.size());
    // link() and not rename(): it fails where the name is taken, so no secret is ever lost to a second save.
    if (result && ::link(draft.c_str(), path.c_str()) != 0) {
        result = errno == EEXIST ? Result<Done>(Fault{FaultCode::refused, path.string() + " exists already"})
                                 : Result<Done>(system_fault("cannot create", path));
    }
    ::unlink(draft.c_str());
    if (result && !sync_directory(path)) result = system_fault("cannot sync the directory of", path);
    return result;
}

Result<Secret<32>> read_secret_file(const std::filesystem::path& path, std::string_view label) {
    start_sodium();
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file) return system_fault("cannot open", path);
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) return system_fault("cannot read", path);
    if (!S_ISREG(status.st_mode)) return malformed(path, "not a regular file");
    if ((status.st_mode & 077) != 0) {
        return Fault{FaultCode::refused, path.string() + " may be read by others: chmod 600 it"};
    }
    std::array<char, file_bytes_max> buffer{};
    std::size_t size = 0;
    while (size < buffer.size()) {
        ssize_t got = ::read(file.get(), buffer.data() + size, buffer.size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_fault("cannot read", path);
        if (got == 0) break;
        size += std::size_t(got);
    }
    std::string_view line(buffer.data(), size);
    Result<Secret<32>> result = malformed(path, "not a secret file of this kind");
    const std::size_t want = label.size() + 1 + 64 + 1 + checksum_bytes * 2 + 1;
    if (line.size() == want && line.substr(0, label.size()) == label && line.back() == '\n') {
        Secret<32> secret;
        Checksum sum{};
        auto rest = line.substr(label.size() + 1);
        bool read = unhex(rest.substr(0, 64), secret.data(), 32) &&
                    unhex(rest.substr(65, checksum_bytes * 2), sum.data(), sum.size());
        if (read && sum == checksum_of(label, secret)) {
            result = secret;
        } else {
            result = malformed(path, "damaged: its checksum does not match");
        }
    }
    wipe(buffer.data(), buffer.size());
    return result;
}

}  // namespace starling::net
