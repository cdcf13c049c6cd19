// Bytes that must not outlive their use: wiped when they are destroyed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace starling::net {

/// Overwrites memory in a way that the compiler may not remove.
void wipe(void* bytes, std::size_t count);

/// N secret bytes. A plain value; copying is explicit in the reader's sight only by its type, so pass it by reference.
template <std::size_t N>
class Secret {
  public:
    Secret() = default;
    explicit Secret(const std::array<std::uint8_t, N>& bytes) : bytes_(bytes) {}
    Secret(const Secret&) = default;
    Secret& operator=(const Secret&) = default;
    ~Secret() { wipe(bytes_.data(), N); }

    std::uint8_t* data() { return bytes_.data(); }
    const std::uint8_t* data() const { return bytes_.data(); }
    static constexpr std::size_t size() { return N; }
    /// Compares in constant time for secrets of one length.
    bool operator==(const Secret& other) const {
        std::uint8_t difference = 0;
        for (std::size_t at = 0; at < N; ++at) difference |= std::uint8_t(bytes_[at] ^ other.bytes_[at]);
        return difference == 0;
    }

  private:
    std::array<std::uint8_t, N> bytes_{};
};

}  // namespace starling::net
