// TEMPORARY: what crdt/state.hpp will offer.
#pragma once
#include "crdt/state.hpp"
namespace starling::gossip {
inline std::size_t lives(const crdt::State& s) {
    return s.origins().size();
}
template <class V>
void each_life(const crdt::State& s, V v) {
    for (const auto& [id, o] : s.origins()) v(id, o.seen, o.last_stamp);
}
template <class V>
void each_life_of(const crdt::State& s, const crdt::NodeKey& n, V v) {
    for (auto at = s.origins().lower_bound({n, 0}); at != s.origins().end() && at->first.node == n; ++at)
        v(at->first, at->second.seen, at->second.last_stamp);
}
template <class V>
void each_node(const crdt::State& s, V v) {
    for (auto at = s.origins().begin(); at != s.origins().end();) {
        const auto node = at->first.node;
        crdt::Fingerprint f;
        std::size_t n = 0;
        for (; at != s.origins().end() && at->first.node == node; ++at) {
            f += at->second.version_line;
            ++n;
        }
        v(node, f, n);
    }
}
}  // namespace starling::gossip
