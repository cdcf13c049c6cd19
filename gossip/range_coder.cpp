#include "gossip/range_coder.hpp"

#include <algorithm>
#include <bit>

#include "crdt/assert.hpp"

namespace starling::gossip {

namespace {

constexpr std::uint32_t range_least = 1U << 24;
constexpr unsigned chance_bits = 12;
constexpr std::size_t zeros_left_out_max = 8;  // a reader that needs more has read what nobody wrote

}  // namespace

// -- writing

void RangeEncoder::shift() {
    const bool carry = low_ >> 32 != 0;
    if (held_count_ > 0 && low_ >= 0xff00'0000U && !carry) {
        ++held_count_;
    } else {
        if (held_count_ > 0) {  // no carry reaches the first byte
            out_.push_back(char(std::uint8_t(held_ + (carry ? 1 : 0))));
            out_.append(std::size_t(held_count_ - 1), carry ? '\0' : '\xff');
        }
        held_ = std::uint8_t(low_ >> 24);
        held_count_ = 1;
    }
    low_ = (low_ & 0x00ff'ffffU) << 8;
}

void RangeEncoder::code(bool bit, std::uint32_t bound) {
    if (bit) {
        low_ += bound;
        range_ -= bound;
    } else {
        range_ = bound;
    }
    while (range_ < range_least) {
        range_ <<= 8;
        shift();
    }
}

void RangeEncoder::bit(bool bit, AdaptiveBit& model) {
    code(bit, (range_ >> chance_bits) * model.zero_chance());
    model.learn(bit);
}

void RangeEncoder::even_bits(std::uint64_t bits, unsigned many) {
    while (many-- > 0) code((bits >> many & 1) != 0, range_ >> 1);
}

crdt::Bytes RangeEncoder::take() {
    // Of the numbers that are left, the one with most zeros at its end.
    for (unsigned zeros = 32; zeros > 0; zeros -= 8) {
        const auto mask = (std::uint64_t{1} << zeros) - 1;
        const auto round = (low_ + mask) & ~mask;
        if (round - low_ >= range_) continue;
        low_ = round;
        break;
    }
    for (int bytes = 0; bytes < 5; ++bytes) shift();
    for (std::size_t left = zeros_left_out_max; left > 0 && !out_.empty() && out_.back() == '\0'; --left)
        out_.pop_back();
    return std::move(out_);
}

// -- reading

RangeDecoder::RangeDecoder(crdt::BytesView bytes) : bytes_(bytes) {
    for (int first = 0; first < 4; ++first) code_ = code_ << 8 | next();
}

std::uint8_t RangeDecoder::next() {
    if (at_ < bytes_.size()) return std::uint8_t(bytes_[at_++]);
    ++past_end_;
    return 0;
}

bool RangeDecoder::code(std::uint32_t bound) {
    const bool bit = code_ >= bound;
    if (bit) {
        code_ -= bound;
        range_ -= bound;
    } else {
        range_ = bound;
    }
    while (range_ < range_least) {
        range_ <<= 8;
        code_ = code_ << 8 | next();
    }
    return bit;
}

bool RangeDecoder::bit(AdaptiveBit& model) {
    const bool bit = code((range_ >> chance_bits) * model.zero_chance());
    model.learn(bit);
    return bit;
}

std::uint64_t RangeDecoder::even_bits(unsigned many) {
    std::uint64_t bits = 0;
    while (many-- > 0) bits = bits << 1 | (code(range_ >> 1) ? 1 : 0);
    return bits;
}

// -- numbers

void NumberModel::write(RangeEncoder& out, std::uint64_t number) {
    const auto bits = unsigned(std::bit_width(number));
    STARLING_ASSERT(bits <= bits_max, "a coded number is below 2^60");
    for (unsigned i = 0; i < bits; ++i) out.bit(true, longer_[i]);
    if (bits < bits_max) out.bit(false, longer_[bits]);
    if (bits < 2) return;
    unsigned left = bits - 1;
    unsigned place = 1;
    for (const auto end = left - std::min(left, learnt_bits); left > end;) {
        const bool bit = (number >> --left & 1) != 0;
        out.bit(bit, high_[bits][place]);
        place = 2 * place + (bit ? 1 : 0);
    }
    out.even_bits(number, left);
}

std::uint64_t NumberModel::read(RangeDecoder& in) {
    unsigned bits = 0;
    while (bits < bits_max && in.bit(longer_[bits])) ++bits;
    if (bits < 2) return bits;
    std::uint64_t number = 1;
    unsigned left = bits - 1;
    unsigned place = 1;
    for (const auto end = left - std::min(left, learnt_bits); left > end; --left) {
        const bool bit = in.bit(high_[bits][place]);
        number = number << 1 | (bit ? 1 : 0);
        place = 2 * place + (bit ? 1 : 0);
    }
    return number << left | in.even_bits(left);
}

}  // namespace starling::gossip
