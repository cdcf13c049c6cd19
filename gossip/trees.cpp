#include "gossip/trees.hpp"

#include "crdt/assert.hpp"
#include "crdt/mutant.hpp"

namespace starling::gossip {

using crdt::mutant;
using crdt::Mutant;

LinkId Trees::up(std::size_t trees, std::optional<TreeId> own) {
    LinkId slot = 0;
    while (slot < links_.size() && links_[slot]) ++slot;
    if (slot == links_.size()) links_.emplace_back();
    const auto edge = mutant(Mutant::new_links_are_eager) ? Edge::eager : Edge::untried;
    auto& edges = links_[slot].emplace(trees, edge);
    if (own && *own < trees) edges[*own] = Edge::unknown;
    return slot;
}

void Trees::down(LinkId slot) {
    STARLING_ASSERT(slot < links_.size() && links_[slot], "a link that goes down was up");
    links_[slot].reset();
    for (auto& in : parents_) in = in == slot ? none : in;
    if (slot >= inherited_links_max || counts_.empty()) return;
    for (LinkId other = 0; other < inherited_links_max; ++other)
        counts_[slot * inherited_links_max + other] = counts_[other * inherited_links_max + slot] = {};
}

void Trees::count(LinkId in, LinkId out, Edge edge, bool on) {
    if (in >= inherited_links_max || out >= inherited_links_max || (edge != Edge::eager && edge != Edge::lazy)) return;
    if (counts_.empty()) counts_.resize(inherited_links_max * inherited_links_max);
    auto& counts = counts_[in * inherited_links_max + out];
    auto& counted = edge == Edge::eager ? counts.eager : counts.lazy;
    counted += on ? 1 : UINT32_MAX;
}

Edge Trees::edge(TreeId tree, LinkId slot) const {
    const auto& edges = links_[slot];
    return edges && tree < edges->size() ? (*edges)[tree] : Edge::unknown;
}

void Trees::set(TreeId tree, LinkId out, Edge edge) {
    auto& edges = *links_[out];
    if (tree >= edges.size()) edges.resize(tree + 1, Edge::unknown);
    count(parent(tree), out, edges[tree], false);
    edges[tree] = edge;
    count(parent(tree), out, edge, true);
}

void Trees::came(TreeId tree, LinkId in) {
    const auto before = parent(tree);
    if (before == in) return;
    if (tree >= parents_.size()) parents_.resize(tree + 1, none);
    for (LinkId out = 0; out < links_.size(); ++out) {
        count(before, out, edge(tree, out), false);
        count(in, out, edge(tree, out), true);
    }
    parents_[tree] = in;
}

bool Trees::inherits(LinkId in, LinkId out) const {
    if (in >= inherited_links_max || out >= inherited_links_max || counts_.empty()) return true;
    const auto& counts = counts_[in * inherited_links_max + out];
    const auto trees = counts.eager + counts.lazy;
    return trees < inheritance_.trees_min ||
           100 * std::uint64_t(counts.eager) >= inheritance_.percent_min * std::uint64_t(trees);
}

bool Trees::push(TreeId tree, LinkId out) {
    if (edge(tree, out) == Edge::unknown) set(tree, out, inherits(parent(tree), out) ? Edge::tried : Edge::untried);
    const auto now = edge(tree, out);
    return now == Edge::tried || now == Edge::eager;
}

void Trees::held(TreeId tree, LinkId out) {
    if (edge(tree, out) == Edge::tried) set(tree, out, Edge::eager);
}

void Trees::stop(TreeId tree, LinkId out) {
    if (!mutant(Mutant::stops_are_not_heard)) set(tree, out, Edge::lazy);
}

void Trees::graft(TreeId tree, LinkId out) {
    if (!mutant(Mutant::pulls_graft_nothing)) set(tree, out, Edge::eager);
}

void Trees::check() const {
    std::vector<Counts> counts(counts_.size());
    for (TreeId tree = 0; tree < parents_.size(); ++tree) {
        const auto in = parents_[tree];
        STARLING_ASSERT(in == none || (in < links_.size() && links_[in]), "a tree comes in through a link that is up");
        for (LinkId out = 0; out < links_.size() && out < inherited_links_max && in < inherited_links_max; ++out) {
            const auto now = edge(tree, out);
            if (now == Edge::eager) ++counts[in * inherited_links_max + out].eager;
            if (now == Edge::lazy) ++counts[in * inherited_links_max + out].lazy;
        }
    }
    STARLING_ASSERT(counts == counts_, "edges are counted by the links they come in and go out through");
}

}  // namespace starling::gossip
