// Front coding: a text is written as how much of the one before it stays, and what follows. Keys of one kind share most
// of their bytes.
#pragma once

#include <algorithm>
#include <cstring>

#include "crdt/codec.hpp"
#include "crdt/mutant.hpp"

namespace starling::crdt {

/// How many bytes two texts begin with alike; eight at a time.
inline std::size_t shared_prefix(BytesView a, BytesView b) {
    const auto least = std::min(a.size(), b.size());
    std::size_t shared = 0;
    for (std::uint64_t word_a = 0, word_b = 0; shared + 8 <= least; shared += 8) {
        std::memcpy(&word_a, a.data() + shared, 8);
        std::memcpy(&word_b, b.data() + shared, 8);
        if (word_a != word_b) break;
    }
    while (shared < least && a[shared] == b[shared]) ++shared;
    return shared;
}

inline void write_front_coded(Writer& writer, BytesView previous, BytesView text) {
    const auto shared = shared_prefix(previous, text);
    writer.uint(shared).str(text.substr(shared));
}

/// What stays of a previous text, and what follows it. Fails where more could have stayed: a text has one coding.
struct FrontCoded {
    std::size_t shared = 0;
    BytesView suffix;
};
inline FrontCoded read_front_coding(Reader& reader, BytesView previous, std::size_t bytes_max) {
    const auto shared = reader.uint(previous.size());
    const auto suffix = reader.str(bytes_max);
    const bool longest = mutant(Mutant::shorter_prefixes_pass) || shared == previous.size() || suffix.empty() ||
                         previous[shared] != suffix[0];
    if (!longest || shared + suffix.size() > bytes_max) return reader.fail(), FrontCoded{};
    return {shared, suffix};
}

/// `text` = the first bytes of what it was + a suffix.
inline void read_front_coded(Reader& reader, Bytes& text, std::size_t bytes_max) {
    const auto [shared, suffix] = read_front_coding(reader, text, bytes_max);
    text.resize(shared);
    text.append(suffix);
}

}  // namespace starling::crdt
