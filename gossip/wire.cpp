#include "gossip/wire.hpp"

#include "crdt/limits.hpp"
#include "gossip/wire_diff.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

// The kind of a message is its place in the variant.
template <std::size_t Kind>
using Of = std::variant_alternative_t<Kind, Message>;

// -- the parts that several messages share
// ------------------------------------------------------------------------------

void write_version(Writer& out, const Version& version, RefSender& refs) {
    out.array(2 * version.size());
    for (const auto& [id, seq] : version) out.uint(refs.number(id)).uint(seq);
}

Version read_version(FrameReader& in) {
    Version version;
    const auto items = in.array(2 * link_refs_max);
    if (items % 2 != 0) in.fail();
    for (std::size_t i = 0; i < items && in.ok(); i += 2) {
        const auto id = in.ref();
        const auto seq = in.uint(seq_max);
        if (seq == 0 || !version.emplace(id, seq).second) in.fail();
    }
    return version;
}

void write_fingerprint(Writer& out, const Fingerprint& sum) {
    out.words(sum.high, sum.low);
}
Fingerprint read_fingerprint(FrameReader& in) {
    const auto [high, low] = in.words();
    return {high, low};
}

constexpr std::size_t whole_items = 7;
constexpr std::size_t continued_items = 9;  // the body as what it shares with the one before, and the rest

void write_changeset(Writer& out, const Changeset& changeset, RefSender& refs) {
    const auto number = refs.number(changeset.origin);
    const auto* before = refs.bodies.before(number, changeset.first);
    const auto shared = before != nullptr ? shared_ends(changeset.body, *before) : SharedEnds{};
    const bool continued = shared.front + shared.back >= shared_bytes_min;
    out.array(continued ? continued_items : whole_items).uint(number);
    out.uint(changeset.first).uint(changeset.count).uint(changeset.depth);
    out.array(2 * changeset.deps.size());
    for (const auto& dep : changeset.deps) out.uint(refs.number(dep.replica)).uint(dep.seq);
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

Bytes read_continued_body(FrameReader& in, const Bytes* before) {
    if (before == nullptr) in.undefine();
    const auto front = in.uint(kept_body_bytes_max);
    const auto back = in.uint(kept_body_bytes_max);
    const auto middle = in.str(changeset_bytes_max);
    if (!in.ok() || front + back > before->size() || front + back + middle.size() > changeset_bytes_max)
        return in.fail(), Bytes{};
    return before->substr(0, front).append(middle).append(*before, before->size() - back);
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
    const auto deps = in.array(2 * changeset_deps_max);
    if (deps % 2 != 0) in.fail();
    for (std::size_t i = 0; i < deps && in.ok(); i += 2) {
        const auto replica = in.ref();
        changeset.deps.push_back({replica, in.uint(seq_max)});
    }
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

// -- one writer and one reader a message
// ---------------------------------------------------------------------------------

void write(Writer& out, const Hello& hello, RefSender& refs) {
    out.array(3);
    write_version(out, hello.version, refs);
    write_fingerprint(out, hello.fingerprint);
    out.uint(hello.neighbourhood);
}
void read(FrameReader& in, Hello& hello, SpaceId) {
    in.tuple(3);
    hello.version = read_version(in);
    hello.fingerprint = read_fingerprint(in);
    hello.neighbourhood = in.uint();
}

void write(Writer& out, const Digest& digest, RefSender& refs) {
    out.array(4);
    write_fingerprint(out, digest.version_hash);
    write_fingerprint(out, digest.fingerprint);
    out.uint(digest.neighbourhood);
    write_version(out, digest.changed, refs);
}
void read(FrameReader& in, Digest& digest, SpaceId) {
    in.tuple(4);
    digest.version_hash = read_fingerprint(in);
    digest.fingerprint = read_fingerprint(in);
    digest.neighbourhood = in.uint();
    digest.changed = read_version(in);
}

void write(Writer& out, const HelloRequest&, RefSender&) {
    out.array(0);
}
void read(FrameReader& in, HelloRequest&, SpaceId) {
    in.tuple(0);
}

void write(Writer& out, const Changesets& message, RefSender& refs) {
    out.array(3).uint(message.pull).array(message.gone.size());
    for (const auto& id : message.gone) out.uint(refs.number(id));
    out.array(message.changesets.size());
    for (const auto& changeset : message.changesets) write_changeset(out, changeset, refs);
}
void read(FrameReader& in, Changesets& message, SpaceId space) {
    in.tuple(3);
    message.pull = in.uint();
    for (auto gone = in.array(link_refs_max); gone > 0 && in.ok(); --gone) message.gone.push_back(in.ref());
    for (auto many = in.array(message_items_max); many > 0 && in.ok(); --many)
        message.changesets.push_back(read_changeset(in, space));
}

void write(Writer& out, const Pull& pull, RefSender& refs) {
    out.array(2).uint(pull.id).array(3 * pull.ranges.size());
    for (const auto& range : pull.ranges) out.uint(refs.number(range.origin)).uint(range.from).uint(range.to);
}
void read(FrameReader& in, Pull& pull, SpaceId) {
    in.tuple(2);
    pull.id = in.uint();
    const auto items = in.array(3 * link_refs_max);
    if (items % 3 != 0) in.fail();
    for (std::size_t i = 0; i < items && in.ok(); i += 3) {
        PullRange range{in.ref(), in.uint(seq_max), 0};
        range.to = in.uint(seq_max);
        if (range.from == 0 || range.to < range.from) in.fail();
        if (!pull.ranges.empty() && !(pull.ranges.back().origin < range.origin)) in.fail();  // each origin once
        pull.ranges.push_back(range);
    }
}

void write(Writer& out, const DiffOpen& open, RefSender& refs) {
    out.array(3).uint(open.session);
    write_version(out, open.base, refs);
    write_dots(out, open.staged, refs);
}
void read(FrameReader& in, DiffOpen& open, SpaceId) {
    in.tuple(3);
    open.session = in.uint();
    open.base = read_version(in);
    open.staged = read_dots(in);
}

void write(Writer& out, const DiffPart& part, RefSender& refs) {
    out.array(5).uint(part.session).boolean(part.finish).uint(part.number).boolean(part.last);
    write_piece(out, part.piece, refs);
}
void read(FrameReader& in, DiffPart& part, SpaceId) {
    in.tuple(5);
    part.session = in.uint();
    part.finish = in.boolean();
    part.number = in.uint(message_items_max);
    part.last = in.boolean();
    part.piece = read_piece(in);
}

void write(Writer& out, const DiffAck& ack, RefSender&) {
    out.array(3).uint(ack.session).boolean(ack.finish).uint(ack.number);
}
void read(FrameReader& in, DiffAck& ack, SpaceId) {
    in.tuple(3);
    ack.session = in.uint();
    ack.finish = in.boolean();
    ack.number = in.uint(message_items_max);
}

void write(Writer& out, const DiffEnd& end, RefSender&) {
    out.array(2).uint(end.session).uint(std::uint64_t(end.reason));
}
void read(FrameReader& in, DiffEnd& end, SpaceId) {
    in.tuple(2);
    end.session = in.uint();
    end.reason = DiffEndReason(in.uint(2));
}

void write(Writer& out, const OverlayMessage& message, RefSender&) {
    write_overlay(out, message);
}
void read(FrameReader& in, OverlayMessage& message, SpaceId) {
    message = read_overlay(in);
}

template <std::size_t Kind = 0>
Message read_kind(std::size_t kind, FrameReader& in, SpaceId space) {
    if constexpr (Kind < std::variant_size_v<Message>) {
        if (kind != Kind) return read_kind<Kind + 1>(kind, in, space);
        Of<Kind> message;
        read(in, message, space);
        return message;
    } else {
        return HelloRequest{};  // unreachable: the kind was checked
    }
}

}  // namespace

Bytes encode(SpaceId space, const Message& message, RefSender& refs) {
    Writer body;
    std::visit([&](const auto& m) { write(body, m, refs); }, message);
    const auto definitions = refs.take_definitions();
    Writer frame;
    frame.array(5).uint(wire_version).uint(space).uint(message.index()).array(2 * definitions.size());
    for (const auto& [number, id] : definitions) frame.uint(number).replica(id);
    frame.raw(body.take());
    return frame.take();
}

Result<Message> decode(SpaceId space, BytesView frame, RefReceiver& refs) {
    FrameReader in(frame, refs);
    in.tuple(5);
    const auto version = in.uint();
    if (in.ok() && version != wire_version) return Fault{FaultCode::unknown_kind, "another wire version"};
    const auto its_space = in.uint(UINT32_MAX);
    const auto kind = in.uint();
    const auto definitions = in.array(2 * link_refs_max);
    if (definitions % 2 != 0) in.fail();
    for (std::size_t i = 0; i < definitions && in.ok(); i += 2) {
        const auto number = in.uint();
        const auto id = in.replica();
        if (in.ok() && !refs.define(number, id)) in.fail();
    }
    if (!in.ok()) return Fault{FaultCode::malformed, "malformed frame"};
    if (its_space != space) return Fault{FaultCode::refused, "another space"};
    if (kind >= std::variant_size_v<Message>) return Fault{FaultCode::unknown_kind, "an unknown message kind"};
    auto message = read_kind(kind, in, space);
    if (in.undefined()) return Fault{FaultCode::not_available, "a number without a definition"};
    if (!in.done()) return Fault{FaultCode::malformed, "malformed message"};
    return message;
}

std::size_t wire_bytes(const LooseEntry& entry) {
    return 40 + entry.slot.key.size() + entry.slot.field.size() + entry.value.size();
}

std::size_t wire_bytes(const Changeset& changeset) {
    return 40 + 14 * changeset.deps.size() + 5 * changeset.refs.size() + changeset.body.size();
}

}  // namespace starling::gossip
