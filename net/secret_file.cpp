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

void append_hex(std::string& line, const std::uint8_t* bytes, std::size_t count) {
    const std::size_t at = line.size();
    line.resize(at + count * 2 + 1);  // libsodium ends it with a zero
    sodium_bin2hex(line.data() + at, count * 2 + 1, bytes, count);
    line.pop_back();
}

/// The whole file. It holds the secret: wipe it.
std::string line_of(std::string_view label, const Secret<32>& secret) {
    std::array<std::uint8_t, checksum_bytes> sum{};
    crypto_generichash(sum.data(), sum.size(), secret.data(), secret.size(),
                       reinterpret_cast<const unsigned char*>(label.data()), label.size());
    std::string line;
    line.reserve(file_bytes_max);  // so that growing leaves no copy behind
    line += label;
    line += ' ';
    append_hex(line, secret.data(), secret.size());
    line += ' ';
    append_hex(line, sum.data(), sum.size());
    line += '\n';
    return line;
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
    std::string line = line_of(label, secret);
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
    if (line.size() > label.size() + 65 && line.starts_with(label)) {
        Secret<32> secret;
        std::size_t got = 0;
        const int read =
            sodium_hex2bin(secret.data(), secret.size(), line.data() + label.size() + 1, 64, nullptr, &got, nullptr);
        std::string want = line_of(label, secret);
        result = read == 0 && line == want
                     ? Result<Secret<32>>(secret)
                     : Result<Secret<32>>(malformed(path, "damaged: its checksum does not match"));
        wipe(want.data(), want.size());
    }
    wipe(buffer.data(), buffer.size());
    return result;
}

}  // namespace starling::net
