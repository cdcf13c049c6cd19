#include "crdt/hash.hpp"

namespace starling::crdt {

Fingerprint siphash128(std::string_view data, const HashKey& key) {
    WideHash hash(key, true);
    const auto whole = data.size() / 8 * 8;
    for (std::size_t at = 0; at < whole; at += 8) hash.word(WideHash::load(data.data() + at, 8));
    hash.word(WideHash::load(data.data() + whole, data.size() - whole) | std::uint64_t(data.size()) << 56);
    return hash.wide();
}

}  // namespace starling::crdt
