#include "crdt/dormant_lives.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "crdt/assert.hpp"
#include "crdt/mutant.hpp"

namespace starling::crdt {

// -- one line: a byte of widths, the life, then seq, stamp and number, each little-endian in as few bytes as it has
// -----------------------------------------------------------------------------------------------------------------

namespace {

constexpr unsigned life_bytes = 8;

// In the byte of widths: three bits each for the seq and the stamp, less one; two for the number.
constexpr unsigned number_widths[] = {0, 2, 3, 4};

unsigned width_of(std::uint64_t value) {
    return value == 0 ? 1 : unsigned(std::bit_width(value) + 7) / 8;
}
unsigned number_code(std::uint32_t number) {
    return number == 0 ? 0 : std::max(width_of(number), 2U) - 1;
}
unsigned line_size(unsigned widths) {
    return 1 + life_bytes + (widths & 7) + 1 + (widths >> 3 & 7) + 1 + number_widths[widths >> 6];
}

std::uint64_t read_word(const unsigned char*& at, unsigned width) {
    std::uint64_t word = 0;
    for (unsigned i = 0; i < width; ++i) word |= std::uint64_t(*at++) << 8 * i;
    return word;
}
void write_word(unsigned char*& at, std::uint64_t word, unsigned width) {
    for (unsigned i = 0; i < width; ++i, word >>= 8) *at++ = std::uint8_t(word);
}
Life life_at(const unsigned char* line) {
    return read_word(++line, life_bytes);
}

// Distances of stamps have a sign.
std::uint64_t folded(std::uint64_t difference) {
    return difference << 1 ^ (0 - (difference >> 63));
}
std::uint64_t unfolded(std::uint64_t coded) {
    return coded >> 1 ^ (0 - (coded & 1));
}

}  // namespace

DormantLife DormantLives::read(const unsigned char*& at, Stamp base) {
    const unsigned widths = *at++;
    DormantLife line;
    line.life = read_word(at, life_bytes);
    line.seen = read_word(at, (widths & 7) + 1);
    line.last_stamp = base + unfolded(read_word(at, (widths >> 3 & 7) + 1));
    line.stored = std::uint32_t(read_word(at, number_widths[widths >> 6]));
    return line;
}

unsigned DormantLives::write(unsigned char* at, const DormantLife& line, Stamp base) {
    const auto stamp = folded((mutant(Mutant::dormant_lives_forget_stamps) ? 0 : line.last_stamp) - base);
    const auto seen_width = width_of(line.seen), stamp_width = width_of(stamp), number = number_code(line.stored);
    const auto widths = (seen_width - 1) | (stamp_width - 1) << 3 | number << 6;
    *at++ = std::uint8_t(widths);
    write_word(at, line.life, life_bytes);
    write_word(at, line.seen, seen_width);
    write_word(at, stamp, stamp_width);
    write_word(at, line.stored, number_widths[number]);
    return line_size(widths);
}

// -- blocks
// ---------------------------------------------------------------------------------------------------------------

DormantLives::Block DormantLives::make(const DormantLife* lines, unsigned count) {
    unsigned char bytes[block_lives_max * line_bytes_max];
    const auto base = lines[count / 2].last_stamp;
    unsigned size = 0;
    for (unsigned i = 0; i < count; ++i) size += write(bytes + size, lines[i], base);
    auto piece = std::make_unique_for_overwrite<unsigned char[]>(size);
    std::memcpy(piece.get(), bytes, size);
    return {lines[0].life, base, std::move(piece), std::uint16_t(size), std::uint16_t(count)};
}

std::vector<DormantLife> DormantLives::lines_of(const Block& block) const {
    std::vector<DormantLife> lines;
    lines.reserve(block_lives_max);
    const auto* at = block.bytes.get();
    for (unsigned i = 0; i < block.lives; ++i) lines.push_back(read(at, block.base));
    return lines;
}

/// Puts bytes in the place of some others.
void DormantLives::splice(Block& block, unsigned at, unsigned taken, const unsigned char* bytes, unsigned size) {
    const auto whole = block.size - taken + size;
    if (taken == size) {
        std::memcpy(block.bytes.get() + at, bytes, size);
        return;
    }
    auto piece = std::make_unique_for_overwrite<unsigned char[]>(whole);
    std::memcpy(piece.get(), block.bytes.get(), at);
    if (size > 0) std::memcpy(piece.get() + at, bytes, size);
    std::memcpy(piece.get() + at + size, block.bytes.get() + at + taken, block.size - at - taken);
    block.bytes = std::move(piece);
    block.size = std::uint16_t(whole);
}

DormantLives::Place DormantLives::place_of(Life life) const {
    const auto after = std::upper_bound(blocks_.begin(), blocks_.end(), life,
                                        [](Life wanted, const Block& block) { return wanted < block.first; });
    const auto block = after == blocks_.begin() ? 0 : std::size_t(after - blocks_.begin()) - 1;
    if (block == blocks_.size()) return {0, 0, 0};
    const auto* bytes = blocks_[block].bytes.get();
    unsigned at = 0;
    for (; at < blocks_[block].size; at += line_size(bytes[at])) {
        const auto here = life_at(bytes + at);
        if (here < life) continue;
        return {block, at, here == life ? line_size(bytes[at]) : 0};
    }
    return {block, at, 0};
}

std::optional<DormantLife> DormantLives::find(Life life) const {
    const auto place = place_of(life);
    if (place.size == 0) return std::nullopt;
    const auto* at = blocks_[place.block].bytes.get() + place.at;
    return read(at, blocks_[place.block].base);
}

void DormantLives::put(const DormantLife& line) {
    auto place = place_of(line.life);
    if (place.size == 0) {
        ++size_;
        // Behind the last, whole blocks stay whole: what comes in order leaves no gaps.
        const bool at_end = blocks_.empty() || (place.block + 1 == blocks_.size() && place.at == blocks_.back().size);
        if (at_end && (blocks_.empty() || blocks_.back().lives == block_lives_max)) {
            blocks_.push_back(make(&line, 1));
            return;
        }
        if (blocks_[place.block].lives == block_lives_max) {
            split(place.block);
            place = place_of(line.life);
        }
        ++blocks_[place.block].lives;
    }
    auto& block = blocks_[place.block];
    unsigned char bytes[line_bytes_max];
    splice(block, place.at, place.size, bytes, write(bytes, line, block.base));
    block.first = std::min(block.first, line.life);
}

void DormantLives::split(std::size_t at) {
    const auto lines = lines_of(blocks_[at]);
    const auto half = unsigned(lines.size() / 2);
    blocks_[at] = make(lines.data(), half);
    blocks_.insert(blocks_.begin() + std::ptrdiff_t(at) + 1, make(&lines[half], unsigned(lines.size()) - half));
}

std::optional<DormantLife> DormantLives::take(Life life) {
    const auto place = place_of(life);
    if (place.size == 0) return std::nullopt;
    auto& block = blocks_[place.block];
    const auto* at = block.bytes.get() + place.at;
    const auto line = read(at, block.base);
    splice(block, place.at, place.size, nullptr, 0);
    --block.lives, --size_;
    if (block.lives > 0) block.first = life_at(block.bytes.get());
    shrink(place.block);
    return line;
}

/// A block that has become empty goes; one that fits into its neighbour twice over joins it.
void DormantLives::shrink(std::size_t at) {
    const auto erase = [&](std::size_t which) {
        blocks_.erase(blocks_.begin() + std::ptrdiff_t(which));
        if (blocks_.size() < blocks_.capacity() / 4) blocks_.shrink_to_fit();
    };
    if (blocks_[at].lives == 0) return erase(at);
    if (at + 1 == blocks_.size() && at > 0) --at;
    if (at + 1 == blocks_.size() || blocks_[at].lives + blocks_[at + 1].lives > block_lives_max / 2) return;
    auto lines = lines_of(blocks_[at]);
    const auto more = lines_of(blocks_[at + 1]);
    lines.insert(lines.end(), more.begin(), more.end());
    blocks_[at] = make(lines.data(), unsigned(lines.size()));
    erase(at + 1);
}

void DormantLives::check() const {
    std::size_t lives = 0;
    std::optional<Life> before;
    for (const auto& block : blocks_) {
        STARLING_ASSERT(block.lives > 0 && block.lives <= block_lives_max, "blocks of lives are bounded");
        const auto lines = lines_of(block);
        STARLING_ASSERT(lines.front().life == block.first, "a block is found by its first life");
        std::size_t size = 0;
        for (const auto& line : lines) {
            STARLING_ASSERT(!before || *before < line.life, "dormant lives ascend");
            before = line.life;
            unsigned char bytes[line_bytes_max];
            size += write(bytes, line, block.base);
        }
        STARLING_ASSERT(size == block.size || mutant(Mutant::dormant_lives_forget_stamps), "a block fits exactly");
        lives += lines.size();
    }
    STARLING_ASSERT(lives == size_, "dormant lives are counted");
}

}  // namespace starling::crdt
