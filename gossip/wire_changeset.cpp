#include "gossip/wire_changeset.hpp"

#include "crdt/limits.hpp"
#include "gossip/wire_digest.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::size_t whole_items = 7;
constexpr std::size_t continued_items = 9;  // the body as what it shares with the one before, and the rest

Bytes read_continued_body(FrameReader& in, const Bytes* before) {
    if (before == nullptr) in.undefine();
    const auto front = in.uint(kept_body_bytes_max);
    const auto back = in.uint(kept_body_bytes_max);
    const auto middle = in.str(changeset_bytes_max);
    if (!in.ok() || front + back > before->size() || front + back + middle.size() > changeset_bytes_max)
        return in.fail(), Bytes{};
    return before->substr(0, front).append(middle).append(*before, before->size() - back);
}

}  // namespace

void write_changeset(Writer& out, const Changeset& changeset, RefSender& refs) {
    const auto number = refs.number(changeset.origin);
    const auto* before = refs.bodies.before(number, changeset.first);
    const auto shared = before != nullptr ? shared_ends(changeset.body, *before) : SharedEnds{};
    const bool continued = shared.front + shared.back >= shared_bytes_min;
    out.array(continued ? continued_items : whole_items).uint(number);
    out.uint(changeset.first).uint(changeset.count).uint(changeset.depth);
    write_deps(out, changeset.deps, refs);
    out.array(changeset.refs.size());
    for (const auto& ref : changeset.refs) out.uint(refs.number(ref));
    const BytesView body = changeset.body;
    if (continued) {
        out.uint(shared.front).uint(shared.back);
        out.str(body.substr(shared.front, body.size() - shared.front - shared.back));
    } else {
        out.bin(body);
    }
    refs.bodies.keep(number, changeset.last(), changeset.body);
}

Changeset read_changeset(FrameReader& in, SpaceId space) {
    Changeset changeset;
    changeset.space = space;
    const auto items = in.array(continued_items);
    if (items != whole_items && items != continued_items) in.fail();
    const auto number = in.uint(link_refs_max);
    changeset.origin = in.named(number);
    changeset.first = in.uint(seq_max);
    changeset.count = in.uint(changeset_dots_max);
    changeset.depth = in.uint(depth_max);
    changeset.deps = read_deps(in);
    for (auto refs = in.array(changeset_refs_max); refs > 0 && in.ok(); --refs) changeset.refs.push_back(in.ref());
    if (items == whole_items) {
        changeset.body = in.bin(changeset_bytes_max);
    } else {
        changeset.body = read_continued_body(in, in.bodies().before(number, changeset.first));
    }
    if (in.ok() && !valid_header(changeset)) in.fail();
    if (in.ok()) in.bodies().keep(number, changeset.last(), changeset.body);
    return changeset;
}

}  // namespace starling::gossip
