#include "net/secret_file.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "net/key_seal.hpp"

namespace starling::net {
namespace {

constexpr std::size_t file_bytes_max = 2 * (secret_bytes_max + KeySeal::overhead_bytes) + 256;
constexpr std::size_t checksum_bytes = 16;
constexpr std::string_view sealed_suffix = ".sealed";                       // of the label
constexpr std::string_view draft_infix = ".draft-", next_suffix = ".next";  // of files that are being written

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
std::string line_of(std::string_view label, std::span<const std::uint8_t> bytes) {
    std::array<std::uint8_t, checksum_bytes> sum{};
    crypto_generichash(sum.data(), sum.size(), bytes.data(), bytes.size(),
                       reinterpret_cast<const unsigned char*>(label.data()), label.size());
    std::string line;
    line.reserve(file_bytes_max);  // so that growing leaves no copy behind
    line += label;
    line += ' ';
    append_hex(line, bytes.data(), bytes.size());
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

/// What a line of this label holds; nothing where it is none, is damaged, or holds more than fits.
std::optional<std::size_t> read_line(std::string_view line, std::string_view label, std::span<std::uint8_t> into) {
    const std::size_t around = label.size() + 1 + 1 + 2 * checksum_bytes + 1;
    if (line.size() < around || !line.starts_with(label)) return std::nullopt;
    const auto hex = line.substr(label.size() + 1, line.size() - around);
    std::size_t got = 0;
    if (sodium_hex2bin(into.data(), into.size(), hex.data(), hex.size(), nullptr, &got, nullptr) != 0)
        return std::nullopt;
    std::string want = line_of(label, into.first(got));
    const bool whole = line == want;
    wipe(want.data(), want.size());
    return whole ? std::optional(got) : std::nullopt;
}

/// Reads the whole file. It holds secrets: wipe it.
Result<std::string> read_owned(const std::filesystem::path& path) {
    Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file) return system_fault("cannot open", path);
    struct stat status{};
    if (::fstat(file.get(), &status) != 0) return system_fault("cannot read", path);
    if (!S_ISREG(status.st_mode)) return malformed(path, "not a regular file");
    if ((status.st_mode & 077) != 0) {
        return Fault{FaultCode::refused, path.string() + " may be read by others: chmod 600 it"};
    }
    std::string text(file_bytes_max, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
        ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_fault("cannot read", path);
        if (got == 0) break;
        size += std::size_t(got);
    }
    text.resize(size);
    return text;
}

Result<std::size_t> read_sealed(const std::filesystem::path& path, std::string_view line, std::string_view label,
                                std::span<std::uint8_t> into, const KeySeal* seal) {
    if (seal == nullptr) return malformed(path, "sealed, and nothing to open it with");
    std::array<std::uint8_t, secret_bytes_max + KeySeal::overhead_bytes> sealed{};
    const auto count = read_line(line, std::string(label).append(sealed_suffix), sealed);
    if (!count) return malformed(path, "damaged: its checksum does not match");
    const auto opened = seal->open(label, BytesView(reinterpret_cast<const char*>(sealed.data()), *count), into);
    if (!opened) return malformed(path, "not sealed by the key of this directory, or of another length");
    return *opened;
}

/// Whole or not at all.
Result<Done> write_line(const std::filesystem::path& path, std::string line) {
    std::uint64_t tag = 0;
    randombytes_buf(&tag, sizeof tag);
    std::filesystem::path draft = path;
    draft += std::string(draft_infix) + std::to_string(tag);

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

}  // namespace

void start_sodium() {
    static const int started = sodium_init();
    STARLING_ASSERT(started >= 0, "libsodium has a random source");
}

Result<Done> write_secret_file(const std::filesystem::path& path, std::string_view label,
                               std::span<const std::uint8_t> bytes, const KeySeal* seal) {
    start_sodium();
    STARLING_ASSERT(bytes.size() <= secret_bytes_max, "a secret file is small");
    if (seal == nullptr) return write_line(path, line_of(label, bytes));
    const auto sealed = seal->seal(label, BytesView(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    return write_line(path, line_of(std::string(label).append(sealed_suffix),
                                    {reinterpret_cast<const std::uint8_t*>(sealed.data()), sealed.size()}));
}

Result<std::size_t> read_secret_file(const std::filesystem::path& path, std::string_view label,
                                     std::span<std::uint8_t> into, const KeySeal* seal) {
    start_sodium();
    auto line = read_owned(path);
    if (!line) return line.fault();
    Result<std::size_t> result = malformed(path, "not a secret file of this kind");
    if (line->starts_with(std::string(label).append(sealed_suffix))) {
        result = read_sealed(path, *line, label, into, seal);
    } else if (line->starts_with(label)) {
        const auto count = read_line(*line, label, into);
        result = count ? Result<std::size_t>(*count)
                       : Result<std::size_t>(malformed(path, "damaged: its checksum does not match"));
    }
    wipe(line->data(), line->size());
    return result;
}

Result<Done> seal_secret_file(const std::filesystem::path& path, std::string_view label, const KeySeal& seal) {
    auto line = read_owned(path);
    if (!line) return line.fault();
    const bool sealed = line->starts_with(std::string(label).append(sealed_suffix));
    wipe(line->data(), line->size());
    if (sealed) return Done{};
    Secret<secret_bytes_max> bytes;
    const auto count = read_secret_file(path, label, {bytes.data(), bytes.size()}, nullptr);
    if (!count) return count.fault();
    return replace_secret_file(path, label, {bytes.data(), *count}, &seal);
}

Result<Done> replace_secret_file(const std::filesystem::path& path, std::string_view label,
                                 std::span<const std::uint8_t> bytes, const KeySeal* seal) {
    auto next = path;
    next += next_suffix;
    ::unlink(next.c_str());
    if (auto written = write_secret_file(next, label, bytes, seal); !written) return written;
    if (::rename(next.c_str(), path.c_str()) != 0) return system_fault("cannot replace", path);
    if (!sync_directory(path)) return system_fault("cannot sync the directory of", path);
    return Done{};
}

bool is_sealed(const std::filesystem::path& path) {
    const auto line = read_owned(path);
    return line && line->substr(0, line->find(' ')).ends_with(sealed_suffix);
}

void remove_drafts(const std::filesystem::path& directory) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
        const auto name = entry.path().filename().string();
        if (name.find(draft_infix) != std::string::npos || name.ends_with(next_suffix))
            std::filesystem::remove(entry.path(), ignored);
    }
}

}  // namespace starling::net
