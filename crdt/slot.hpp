// Where entries live: (type, key, field).
#pragma once

#include <compare>
#include <cstdint>

#include "crdt/ids.hpp"

namespace starling::crdt {

/// The types of this build. Others are ordinary entries that no view reads (rule 4).
enum class Type : std::uint8_t { counter = 1, set = 2, map = 3, register_ = 4, multi_value = 5, flag = 6, journal = 7 };

/// A slot whose bytes lie elsewhere. `field` is one canonical MessagePack scalar; nil where a key has a single slot.
struct SlotView {
    Type type{};
    BytesView key;
    BytesView field;
    auto operator<=>(const SlotView&) const = default;
};

/// A slot with bytes of its own.
struct Slot {
    Type type{};
    Bytes key;
    Bytes field;
    Slot() = default;
    Slot(Type of, Bytes its_key, Bytes its_field) : type(of), key(std::move(its_key)), field(std::move(its_field)) {}
    explicit Slot(const SlotView& view) : type(view.type), key(view.key), field(view.field) {}
    operator SlotView() const { return {type, key, field}; }  // NOLINT(google-explicit-constructor): as string to view
    auto operator<=>(const Slot&) const = default;
};

}  // namespace starling::crdt
