#include "crdt/entry.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "crdt/assert.hpp"
#include "crdt/limits.hpp"
#include "crdt/mutant.hpp"
#include "crdt/prefetch.hpp"
#include "crdt/state.hpp"

namespace starling::crdt {

static_assert(sizeof(Entry) == 48, "with a short key, field and value an entry fills one cache line");
static_assert(seq_max <= std::uint64_t{1} << 53 && depth_max < std::uint64_t{1} << 54, "numbers fit their bits");
static_assert(key_bytes_max < 1 << 11 && field_bytes_max < 1 << 13 && value_bytes_max < 1 << 18,
              "sizes fit their bits");

Dot Entry::dot() const {
    return {origin->id, seq};
}

bool CausalOrder::operator()(const Entry* a, const Entry* b) const {
    if (a->depth != b->depth && !mutant(Mutant::journal_ignores_depth)) return a->depth < b->depth;
    return a->origin == b->origin ? a->seq < b->seq : a->origin->id < b->origin->id;
}

Handle EntryArena::make(const SlotView& slot, BytesView value) {
    const auto bytes = sizeof(Entry) + slot.key.size() + slot.field.size() + value.size();
    const auto handle = take((bytes + unit_bytes - 1) / unit_bytes);
    auto& entry = at(handle);
    entry.key_size = slot.key.size() & ((1 << 11) - 1);
    entry.field_size = slot.field.size() & ((1 << 13) - 1);
    entry.value_size = value.size() & ((1 << 18) - 1);
    STARLING_ASSERT(sizeof(Entry) + entry.text_bytes() == bytes, "texts are within the limits");
    entry.type_number = std::uint8_t(slot.type);
    auto* text = std::copy(slot.key.begin(), slot.key.end(), entry.text());
    text = std::copy(slot.field.begin(), slot.field.end(), text);
    std::copy(value.begin(), value.end(), text);
    return handle;
}

std::size_t EntryArena::units_of(const Entry& entry) {
    const auto bytes = sizeof(Entry) + entry.text_bytes();
    return (bytes + unit_bytes - 1) / unit_bytes;
}

std::size_t EntryArena::class_of(std::size_t& units) {
    if (units <= exact_units_max) return units;
    // Eight classes to each doubling: at most an eighth of a block lies idle.
    const auto shift = unsigned(std::bit_width(units - 1)) - 4;
    const auto step = std::size_t{1} << shift;
    units = (units + step - 1) / step * step;
    return exact_units_max + (shift - 3) * 8 + (units >> shift) - 8;
}

void EntryArena::add_chunk(std::size_t units_min) {
    STARLING_ASSERT(chunks_.size() < (std::size_t{1} << (32 - chunk_bits)), "entries take at most 32 GiB");
    const auto shift = std::min<std::size_t>(growth_bits * chunks_.size(), chunk_bits);
    fresh_units_ = std::min(std::max(first_units << shift, std::bit_ceil(units_min)), std::size_t{1} << chunk_bits);
    fresh_ = Handle(chunks_.size()) << chunk_bits;
    chunks_.push_back(new_pages(fresh_units_ * unit_bytes));
    if (fresh_ != 0) return;
    fresh_ += 64 / unit_bytes;  // handle 0 is none
    fresh_units_ -= 64 / unit_bytes;
}

Handle EntryArena::take(std::size_t units) {
    const auto asked = units;
    auto& free = free_[class_of(units)];
    if (mutant(Mutant::blocks_are_cut_short)) units = asked;
    if (free != 0) {
        const auto handle = free;
        std::memcpy(&free, &at(handle), sizeof free);
        if (free != 0) prefetch(&at(free));  // the next one to be taken
        return handle;
    }
    if (fresh_units_ < units) add_chunk(units + 64 / unit_bytes);
    const auto handle = fresh_;
    fresh_ += Handle(units);
    fresh_units_ -= units;
    return handle;
}

void EntryArena::release(Handle handle) {
    auto units = units_of(at(handle));
    auto& free = free_[class_of(units)];
    std::memcpy(&at(handle), &free, sizeof free);
    free = handle;
}

}  // namespace starling::crdt
