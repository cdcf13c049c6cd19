// A fuzzer's bytes read as decisions. A changed byte changes one decision and leaves the later ones alone, and where
// the bytes end every further decision is 0: so every input is a story, and a shorter input is a shorter story.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "crdt/assert.hpp"
#include "crdt/ids.hpp"

/// One run of the target that is linked in. A property that does not hold is a STARLING_ASSERT.
// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace starling::fuzz {

class Choices {
  public:
    Choices(const std::uint8_t* data, std::size_t size) : left_(reinterpret_cast<const char*>(data), size) {}

    bool more() const { return !left_.empty(); }
    std::uint8_t byte() {
        if (left_.empty()) return 0;
        const auto first = std::uint8_t(left_[0]);
        left_.remove_prefix(1);
        return first;
    }
    /// 0 … n − 1, for n up to 256.
    std::uint64_t below(std::uint64_t n) { return byte() % n; }
    bool flag() { return (byte() & 1) != 0; }
    /// Usually small; any number, the ends of its range among them, can be had.
    std::uint64_t number() {
        const auto first = byte();
        if (first < 192) return first;
        std::uint64_t value = 0;
        for (auto more = first % 9; more > 0; --more) value = value << 8 | byte();
        return first < 224 ? value : ~value;
    }
    crdt::BytesView bytes(std::size_t size) {
        const auto view = left_.substr(0, size);
        left_.remove_prefix(view.size());
        return view;
    }
    crdt::BytesView rest() { return bytes(left_.size()); }

    /// A few bytes of `text` changed, left out or put in.
    crdt::Bytes mutated(crdt::Bytes text) {
        for (auto edits = below(5); edits > 0; --edits) {
            if (text.empty()) return text;
            const auto at = (std::size_t(byte()) << 8 | byte()) % text.size();
            switch (below(4)) {
                case 0:
                    text.erase(at, 1 + below(8));
                    break;
                case 1:
                    text.insert(at, bytes(1 + below(8)));
                    break;
                default:
                    text[at] = char(byte());
            }
        }
        return text;
    }

  private:
    crdt::BytesView left_;
};

}  // namespace starling::fuzz
