// A range coder for binary decisions whose probabilities are learnt on the way (the scheme of LZMA: G. N. N. Martin,
// 1979), and numbers made of such decisions. What comes as often as the model expects costs its entropy and hardly
// more, so nobody chooses a code beforehand: sparse, dense and clustered sets are short alike.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "crdt/ids.hpp"

namespace starling::gossip {

/// The probability that a decision is 0, learnt: fast at first, then slowly. O(1).
class AdaptiveBit {
  public:
    /// In 4,096ths, never 0 or 1.
    std::uint32_t zero_chance() const { return std::max(1U, zero_ >> 16); }
    void learn(bool bit) {
        const std::uint64_t weight = weights[seen_];
        if (seen_ + 1U < weights.size()) ++seen_;
        if (bit) {
            zero_ -= std::uint32_t(zero_ * weight >> 16);
        } else {
            zero_ += std::uint32_t((one - zero_) * weight >> 16);
        }
    }

  private:
    static constexpr std::uint32_t one = (1U << 28) - 1;
    /// 65,536 / (seen + 1.5): the mean of what was seen, until old decisions begin to fade.
    static constexpr auto weights = [] {
        std::array<std::uint32_t, 160> table{};
        for (std::uint32_t seen = 0; seen < table.size(); ++seen) table[seen] = 2 * 65'536 / (2 * seen + 3);
        return table;
    }();

    std::uint32_t zero_ = 1U << 27;  // in 2^28ths
    std::uint8_t seen_ = 0;
};

class RangeEncoder {
  public:
    void bit(bool bit, AdaptiveBit& model);
    /// The lowest `many` bits of a number, each as likely as not.
    void even_bits(std::uint64_t bits, unsigned many);
    /// The bytes; zeros at the end are left out, since a reader goes on with zeros.
    crdt::Bytes take();

  private:
    void code(bool bit, std::uint32_t bound);
    void shift();

    std::uint64_t low_ = 0;
    std::uint32_t range_ = 0xffff'ffff;
    std::uint8_t held_ = 0;         // a byte that a carry may still change
    std::uint64_t held_count_ = 0;  // it, and the 0xff bytes after it
    crdt::Bytes out_;
};

/// Reads what RangeEncoder wrote. Any bytes can be read: a caller bounds how many decisions it takes, and checks what
/// they make. Reading past the end is `overrun()`.
class RangeDecoder {
  public:
    explicit RangeDecoder(crdt::BytesView bytes);
    bool bit(AdaptiveBit& model);
    std::uint64_t even_bits(unsigned many);
    /// True once more bytes were read than an encoder could have left out.
    bool overrun() const { return past_end_ > 8; }

  private:
    bool code(std::uint32_t bound);
    std::uint8_t next();

    crdt::BytesView bytes_;
    std::size_t at_ = 0;
    std::size_t past_end_ = 0;
    std::uint32_t range_ = 0xffff'ffff;
    std::uint32_t code_ = 0;
};

/// Numbers below 2^60: how many bits, one learnt decision each, then the bits, of which the highest are learnt.
class NumberModel {
  public:
    static constexpr unsigned bits_max = 60;

    void write(RangeEncoder& out, std::uint64_t number);
    std::uint64_t read(RangeDecoder& in);

  private:
    static constexpr unsigned learnt_bits = 3;  // after the leading one
    std::array<AdaptiveBit, bits_max + 1> longer_;
    std::array<std::array<AdaptiveBit, 1 << learnt_bits>, bits_max + 1> high_;
};

}  // namespace starling::gossip
