// Front coding: a text is written as how much of the one before it stays, and what follows. Keys of one kind share most
// of their bytes.
#pragma once

#include <algorithm>

#include "crdt/codec.hpp"
#include "crdt/mutant.hpp"

namespace starling::crdt {

inline void write_front_coded(Writer& writer, BytesView previous, BytesView text) {
    const auto least = std::min(previous.size(), text.size());
    const auto end = previous.begin() + std::ptrdiff_t(least);
    const auto shared = std::size_t(std::mismatch(previous.begin(), end, text.begin()).first - previous.begin());
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
