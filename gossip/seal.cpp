#include "gossip/seal.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "crdt/limits.hpp"
#include "crdt/mutant.hpp"
#include "gossip/wire.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

// What bytes are hashed or signed as. Nothing else that a node signs begins so.
constexpr BytesView changeset_domain = "starling-changeset-1";
constexpr BytesView seal_domain = "starling-seal-1";

}  // namespace

void StretchSize::add(const Changeset& changeset) {
    bytes += wire_bytes(changeset);
    names += 1 + changeset.deps.size() + changeset.refs.size();
    ++changesets;
}

ChainHead Sealing::next(const ChainHead& before, const Changeset& changeset) const {
    const auto head = encode_changeset_head(changeset);
    const std::array<BytesView, 4> parts{changeset_domain, view_of(before), head, changeset.body};
    return sealer_->hash(parts);
}

Bytes Sealing::text_of(const Seal& seal) const {
    Writer out;
    out.array(8).str(seal_domain).bin(view_of(mesh_)).uint(space_).replica(seal.replica);
    out.uint(seal.first).uint(seal.last).bin(view_of(seal.before)).bin(view_of(seal.after));
    return out.take();
}

std::vector<Proof> Sealing::chain(ChainHead before, std::span<const Changeset* const> changesets) const {
    std::vector<Proof> proofs;
    proofs.reserve(changesets.size());
    for (const auto* changeset : changesets) {
        const auto after = next(before, *changeset);
        proofs.push_back({before, after, nullptr});
        before = after;
    }
    return proofs;
}

std::vector<std::size_t> thinned(std::span<const Changeset* const> changesets, std::span<const std::size_t> sealed) {
    std::vector<std::size_t> kept;
    StretchSize since;  // the last one that is kept
    std::size_t at = 0;
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        StretchSize more;
        for (; at <= sealed[i]; ++at) more.add(*changesets[at]);
        if (i > 0 && !since.with(more).within(seal_stretch_bytes, seal_stretch_names)) {
            kept.push_back(sealed[i - 1]);
            since = {};
        }
        since = since.with(more);
    }
    if (!sealed.empty()) kept.push_back(sealed.back());
    return kept;
}

namespace {

/// What was signed, if the line is about this run.
std::optional<Seal> seal_of(const SealedRun& run, const SealLine& line, std::span<const Changeset* const> changesets,
                            std::span<const Proof> proofs, std::size_t end) {
    Seal seal{run.origin, line.first, line.last, {}, proofs[end].after, line.signature};
    if (line.first < changesets.front()->first) {
        if (line.first == 0 || !line.before) return std::nullopt;
        seal.before = *line.before;
        return seal;
    }
    const auto begin = std::lower_bound(changesets.begin(), changesets.begin() + std::ptrdiff_t(end) + 1, line.first,
                                        [](const Changeset* c, Seq first) { return c->first < first; });
    if (begin == changesets.begin() + std::ptrdiff_t(end) + 1 || (*begin)->first != line.first) return std::nullopt;
    seal.before = proofs[std::size_t(begin - changesets.begin())].before;
    return seal;
}

}  // namespace

bool Sealing::prove(const SealedRun& run, std::span<const Changeset* const> changesets,
                    std::vector<Proof>& proofs) const {
    if (changesets.empty() || run.lines.empty() || run.lines.back().last != changesets.back()->last()) return false;
    if (changesets.front()->first == 1 && run.before != ChainHead{}) return false;
    std::vector<std::size_t> sealed;
    std::map<std::size_t, const SealLine*> lines;
    auto line = run.lines.begin();
    for (std::size_t i = 0; i < changesets.size(); ++i) {
        while (line != run.lines.end() && line->last < changesets[i]->last()) ++line;
        if (line == run.lines.end() || line->last != changesets[i]->last()) continue;
        sealed.push_back(i);
        lines.emplace(i, &*line);
    }
    const auto kept = thinned(changesets, sealed);
    std::vector<SealPtr> seals;
    StretchSize size;
    for (std::size_t i = 0, k = 0; i < changesets.size(); ++i) {
        size.add(*changesets[i]);
        if (!size.within(seal_stretch_bytes_max, seal_stretch_names_max)) return false;
        if (i != kept[k]) continue;
        auto seal = seal_of(run, *lines.at(i), changesets, proofs, i);
        if (!seal) return false;
        seals.push_back(std::make_shared<const Seal>(*seal));
        size = {};
        ++k;
    }
    // The last one first: where it is wrong, the others need no look.
    if (!mutant(Mutant::seals_are_believed)) {
        if (!std::all_of(seals.rbegin(), seals.rend(), [&](const SealPtr& seal) { return verify(*seal); }))
            return false;
    }
    for (std::size_t i = 0, k = 0; i < changesets.size(); ++i) {
        proofs[i].by = seals[k];
        if (i == kept[k]) ++k;
    }
    return true;
}

// -- two stories
// ---------------------------------------------------------------------------------------------------------

bool contradict(const Seal& a, const Seal& b) {
    if (a.replica != b.replica) return false;
    const auto& low = a.first <= b.first ? a : b;
    const auto& high = a.first <= b.first ? b : a;
    if (low.last < high.first) return low.last + 1 == high.first && low.after != high.before;
    return low.first != high.first || low.last != high.last || low.before != high.before || low.after != high.after;
}

// -- bytes
// ---------------------------------------------------------------------------------------------------------------

void write_seal(Writer& out, const Seal& seal) {
    out.array(6).replica(seal.replica).uint(seal.first).uint(seal.last);
    out.bin(view_of(seal.before)).bin(view_of(seal.after)).bin(view_of(seal.signature));
}

Seal read_seal(Reader& in) {
    Seal seal;
    in.tuple(6);
    seal.replica = in.replica();
    seal.first = in.uint(seq_max);
    seal.last = in.uint(seq_max);
    seal.before = read_array<32>(in);
    seal.after = read_array<32>(in);
    seal.signature = read_array<64>(in);
    if (seal.first == 0 || seal.last < seal.first) in.fail();
    return seal;
}

Bytes encode_seal(const Seal& seal) {
    Writer out;
    write_seal(out, seal);
    return out.take();
}

std::optional<Seal> decode_seal(BytesView bytes) {
    Reader in(bytes);
    auto seal = read_seal(in);
    return in.done() ? std::optional(seal) : std::nullopt;
}

}  // namespace starling::gossip
