// What keeps the keys of a directory from whoever has its disk: they are encrypted under a key that a passphrase gives
// (Argon2id, RFC 9106), or that the application keeps elsewhere (a TPM, a key ring). What a passphrase needs besides is
// in a file of its own, which also tells a wrong passphrase from a damaged key.
#pragma once

#include <array>
#include <filesystem>
#include <string_view>

#include "net/identity.hpp"
#include "net/secret.hpp"

namespace starling::net {

constexpr std::size_t passphrase_bytes_max = 1024;
/// What a passphrase costs whoever tries one: memory, and passes over it. Some 0.1 s, and as much for each guess.
constexpr std::size_t argon_bytes = std::size_t{64} << 20;
constexpr unsigned long long argon_passes = 3;
constexpr std::size_t argon_bytes_max = std::size_t{1} << 30;  ///< that a file may ask for
constexpr unsigned long long argon_passes_max = 64;

/// Immutable, readable from any thread, wiped on destruction.
class KeySeal {
  public:
    /// Reads the file, or makes it where there is none. Faults: refused (the wrong passphrase or key, or one where the
    /// file is for the other), malformed (the file), not_available, too_large (passphrase, or what the file asks for).
    static Result<KeySeal> from_passphrase(const std::filesystem::path& file, std::string_view passphrase);
    static Result<KeySeal> from_key(const std::filesystem::path& file, const Secret<32>& key);

    /// `label` says what it is: nothing opens as something else.
    Bytes seal(std::string_view label, BytesView bytes) const;
    /// Into the beginning of `into`, which is large enough for all of `sealed`; nothing where it is not sealed so.
    std::optional<std::size_t> open(std::string_view label, BytesView sealed, std::span<std::uint8_t> into) const;

    static constexpr std::size_t overhead_bytes = 24 + 16;

  private:
    explicit KeySeal(const Secret<32>& key) : key_(key) {}
    static Result<KeySeal> checked(const std::filesystem::path& file, const Secret<32>& key, BytesView proof);

    Secret<32> key_;
};

}  // namespace starling::net
