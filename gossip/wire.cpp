#include "gossip/wire.hpp"

#include "crdt/limits.hpp"
#include "gossip/estimator.hpp"
#include "gossip/wire_changeset.hpp"
#include "gossip/wire_diff.hpp"
#include "gossip/wire_digest.hpp"
#include "gossip/wire_lives.hpp"
#include "gossip/wire_seal.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::size_t frame_header_bytes = 32, definition_bytes = 48;  // of a frame, roughly
constexpr std::size_t estimator_bytes_max = DifferenceEstimator::width_max * DifferenceEstimator::levels_max / 8;

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

Fingerprint fingerprint_of(BytesView bytes) {
    Fingerprint sum;
    for (std::size_t i = 0; i < 8; ++i) {
        sum.high = sum.high << 8 | std::uint8_t(bytes[i]);
        sum.low = sum.low << 8 | std::uint8_t(bytes[8 + i]);
    }
    return sum;
}

// -- one writer and one reader a message
// ---------------------------------------------------------------------------------

void write_bookmark(Writer& out, const Bookmark& bookmark) {
    out.uint(bookmark.engine).uint(bookmark.place);
}
Bookmark read_bookmark(FrameReader& in) {
    Bookmark bookmark;
    bookmark.engine = in.uint(UINT32_MAX);
    bookmark.place = in.uint();
    return bookmark;
}

constexpr std::size_t hello_items = 6;
constexpr std::size_t since_items = 2;  // what a hello that is not the whole version has besides

void write(Writer& out, const Hello& hello, RefSender& refs) {
    const bool whole = hello.since == 0;
    out.array(hello_items + (whole ? 0 : since_items)).uint(hello.number);
    write_version(out, hello.version, refs);
    write_fingerprint(out, hello.fingerprint);
    out.uint(hello.neighbourhood);
    write_bookmark(out, hello.bookmark);
    if (whole) return;
    out.uint(hello.since);
    write_fingerprint(out, hello.version_hash);
}
void read(FrameReader& in, Hello& hello, SpaceId) {
    const auto items = in.array(hello_items + since_items);
    if (items != hello_items && items != hello_items + since_items) in.fail();
    hello.number = in.uint(digest_numbers - 1);
    hello.version = read_version(in);
    hello.fingerprint = read_fingerprint(in);
    hello.neighbourhood = in.uint();
    hello.bookmark = read_bookmark(in);
    if (items == hello_items || !in.ok()) return;
    hello.since = in.uint(hello.bookmark.place);
    hello.version_hash = read_fingerprint(in);
    if (hello.since == 0) in.fail();
}

constexpr std::size_t digest_items = 3;
constexpr std::size_t summary_items = 5;

void write(Writer& out, const Digest& digest, RefSender& refs) {
    out.array(digest_items + (digest.summary ? summary_items : 0)).uint(digest.number);
    write_rises(out, digest.rises, refs);
    write_origins(out, digest.stop, refs);
    if (!digest.summary) return;
    write_fingerprint(out, digest.summary->version_hash);
    write_fingerprint(out, digest.summary->fingerprint);
    out.uint(digest.summary->neighbourhood);
    write_bookmark(out, digest.summary->bookmark);
}
void read(FrameReader& in, Digest& digest, SpaceId) {
    const auto items = in.array(digest_items + summary_items);
    if (items != digest_items && items != digest_items + summary_items) in.fail();
    digest.number = in.uint(digest_numbers - 1);
    digest.rises = read_rises(in);
    digest.stop = read_origins(in);
    if (items == digest_items || !in.ok()) return;
    auto& summary = digest.summary.emplace();
    summary.version_hash = read_fingerprint(in);
    summary.fingerprint = read_fingerprint(in);
    summary.neighbourhood = in.uint();
    summary.bookmark = read_bookmark(in);
}

void write(Writer& out, const HelloRequest& request, RefSender&) {
    out.array(3);
    write_bookmark(out, request.known);
    out.boolean(request.anew);
}
void read(FrameReader& in, HelloRequest& request, SpaceId) {
    in.tuple(3);
    request.known = read_bookmark(in);
    request.anew = in.boolean();
}

constexpr std::size_t changesets_items = 3;

void write(Writer& out, const Changesets& message, RefSender& refs) {
    out.array(changesets_items + (message.runs.empty() ? 0 : 1)).uint(message.pull).array(message.gone.size());
    for (const auto& id : message.gone) out.uint(refs.number(id));
    out.array(message.changesets.size() + message.shared.size());
    for (const auto& changeset : message.changesets) write_changeset(out, changeset, refs);
    for (const auto& changeset : message.shared) write_changeset(out, *changeset, refs);
    if (!message.runs.empty()) write_sealed_runs(out, message.runs, refs);
}
void read(FrameReader& in, Changesets& message, SpaceId space) {
    const auto items = in.array(changesets_items + 1);
    if (items < changesets_items) in.fail();
    message.pull = in.uint();
    for (auto gone = in.array(link_refs_max); gone > 0 && in.ok(); --gone) message.gone.push_back(in.ref());
    for (auto many = in.array(message_items_max); many > 0 && in.ok(); --many)
        message.changesets.push_back(read_changeset(in, space));
    if (items > changesets_items && in.ok()) message.runs = read_sealed_runs(in);
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

constexpr std::size_t open_items = 4;

void write(Writer& out, const DiffOpen& open, RefSender& refs) {
    out.array(open_items + (open.base_hash ? 1 : 0)).uint(open.session).uint(open.nonce);
    write_version(out, open.base, refs);
    write_dots(out, open.staged, refs);
    if (open.base_hash) write_fingerprint(out, *open.base_hash);
}
void read(FrameReader& in, DiffOpen& open, SpaceId) {
    const auto items = in.array(open_items + 1);
    if (items < open_items) in.fail();
    open.session = in.uint();
    open.nonce = std::uint32_t(in.uint(UINT32_MAX));
    open.base = read_version(in);
    open.staged = read_dots(in);
    if (items > open_items) open.base_hash = read_fingerprint(in);
}

constexpr std::uint64_t part_finish = 1, part_last = 2, part_comparison = 4, part_died = 8, part_stays = 16,
                        part_replicas = 32, part_seals = 64;
constexpr std::size_t part_refs_max = 256;  // of more replicas, a part brings its own list and numbers

void write(Writer& out, const DiffPart& part, RefSender& refs) {
    const auto named = replicas_of(part.piece);
    const std::uint64_t flags = (part.finish ? part_finish : 0) | (part.last ? part_last : 0) |
                                (part.comparison ? part_comparison : 0) | (part.died.empty() ? 0 : part_died) |
                                (part.stays ? part_stays : 0) | (named.size() > part_refs_max ? part_replicas : 0) |
                                (part.seals.empty() ? 0 : part_seals);
    out.array(4 + (part.comparison ? 1 : 0) + (part.died.empty() ? 0 : 3) + (part.stays ? 1 : 0) +
              (named.size() > part_refs_max ? 1 : 0) + (part.seals.empty() ? 0 : 1));
    out.uint(part.session).uint(flags).uint(part.number);
    if (named.size() > part_refs_max) {
        write_replicas(out, named);
        RefSender own;
        for (const auto& id : named) own.number(id);
        write_piece(out, part.piece, own);
    } else {
        write_piece(out, part.piece, refs);
    }
    if (part.comparison) {
        out.array(6).uint(part.comparison->nonce).uint(part.comparison->parts).boolean(part.comparison->of_rest);
        write_fingerprint(out, part.comparison->digest);
        out.bin(part.comparison->of_set).bin(part.comparison->of_changes);
    }
    if (!part.died.empty()) write_runs(out, part.died);
    if (part.stays) write_fingerprint(out, *part.stays);
    if (part.seals.empty()) return;
    out.array(part.seals.size());
    for (const auto& seal : part.seals) write_seal(out, seal);
}
Comparison read_comparison(FrameReader& in) {
    Comparison comparison;
    in.tuple(6);
    comparison.nonce = std::uint32_t(in.uint(UINT32_MAX));
    comparison.parts = in.uint(message_items_max);
    comparison.of_rest = in.boolean();
    comparison.digest = read_fingerprint(in);
    comparison.of_set = in.bin(estimator_bytes_max);
    comparison.of_changes = in.bin(estimator_bytes_max);
    return comparison;
}
void read(FrameReader& in, DiffPart& part, SpaceId) {
    const auto items = in.array(11);
    part.session = in.uint();
    const auto flags = in.uint(2 * part_seals - 1);
    const auto has = [&](std::uint64_t flag) { return (flags & flag) != 0; };
    if (items != 4U + (has(part_comparison) ? 1 : 0) + (has(part_died) ? 3 : 0) + (has(part_stays) ? 1 : 0) +
                     (has(part_replicas) ? 1 : 0) + (has(part_seals) ? 1 : 0))
        in.fail();
    part.finish = has(part_finish);
    part.last = has(part_last);
    part.number = in.uint(message_items_max);
    if (has(part_replicas)) {
        RefReceiver own;
        std::uint64_t number = 0;
        for (const auto& id : read_replicas(in)) own.define(number++, id);
        auto& links = in.use(own);
        part.piece = read_piece(in);
        in.use(links);
        if (in.undefined()) in.misuse();
    } else {
        part.piece = read_piece(in);
    }
    if (has(part_comparison)) part.comparison = read_comparison(in);
    if (has(part_died)) part.died = read_runs(in);
    if (has(part_stays)) part.stays = read_fingerprint(in);
    if (!has(part_seals)) return;
    const auto seals = in.array(diff_seals_max);
    if (seals == 0) in.fail();
    for (std::size_t i = 0; i < seals && in.ok(); ++i) part.seals.push_back(read_seal(in));
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
    end.reason = DiffEndReason(in.uint(std::uint64_t(DiffEndReason::unknown_base)));
}

void write(Writer& out, const DiffSketch& sketch, RefSender&) {
    out.array(7).uint(sketch.session).uint(std::uint64_t(sketch.by)).uint(sketch.shape.bits).uint(sketch.shape.blocks);
    out.uint(sketch.count);
    const bool with_digest = sketch.digest != Fingerprint{};
    if (with_digest) {
        write_fingerprint(out, sketch.digest);
    } else {
        out.bin({});
    }
    out.bin(sketch.sums);
}
void read(FrameReader& in, DiffSketch& sketch, SpaceId) {
    in.tuple(7);
    sketch.session = in.uint();
    sketch.by = CompareBy(in.uint(std::uint64_t(CompareBy::folded)));
    sketch.shape.bits = unsigned(in.uint(field_bits_max));
    sketch.shape.blocks = in.uint(message_items_max);
    sketch.count = in.uint(block_sums_max);
    const auto digest = in.bin(16);
    if (digest.size() == 16) {
        sketch.digest = fingerprint_of(digest);
    } else if (!digest.empty()) {
        in.fail();
    }
    sketch.sums = in.bin(sums_bytes_max);
}

void write(Writer& out, const DiffMore& more, RefSender&) {
    out.array(6).uint(more.session).uint(more.first).uint(more.count);
    write_runs(out, more.blocks);
}
void read(FrameReader& in, DiffMore& more, SpaceId) {
    in.tuple(6);
    more.session = in.uint();
    more.first = in.uint(block_sums_max);
    more.count = in.uint(block_sums_max);
    more.blocks = read_runs(in);
}

void write(Writer& out, const DiffSums& sums, RefSender&) {
    out.array(2).uint(sums.session).bin(sums.sums);
}
void read(FrameReader& in, DiffSums& sums, SpaceId) {
    in.tuple(2);
    sums.session = in.uint();
    sums.sums = in.bin(sums_bytes_max);
}

void write(Writer& out, const DiffCells& cells, RefSender&) {
    out.array(5).uint(cells.session);
    write_runs(out, cells.cells);
    out.bin(cells.contents);
}
void read(FrameReader& in, DiffCells& cells, SpaceId) {
    in.tuple(5);
    cells.session = in.uint();
    cells.cells = read_runs(in);
    cells.contents = in.bin(sums_bytes_max);
}

void write(Writer& out, const DiffBase& base, RefSender&) {
    out.array(4).uint(base.session).uint(base.number);
    write_lines(out, base.lines);
}
void read(FrameReader& in, DiffBase& base, SpaceId) {
    in.tuple(4);
    base.session = in.uint();
    base.number = in.uint(message_items_max);
    base.lines = read_lines(in, 1);
}

constexpr std::size_t ranges_items = 6;
constexpr std::size_t ranges_head_items = 7;

void write(Writer& out, const Ranges& message, RefSender&) {
    out.array(ranges_items + (message.head ? ranges_head_items : 0)).uint(message.matching).uint(message.step);
    out.uint(std::uint64_t(message.gave_up));
    write_ranges(out, message.ranges);
    write_lines(out, message.lines);
    if (!message.head) return;
    out.uint(message.head->number);
    write_fingerprint(out, message.head->version_hash);
    write_fingerprint(out, message.head->fingerprint);
    out.uint(message.head->neighbourhood);
    write_bookmark(out, message.head->bookmark);
    out.uint(message.head->lines);
}
void read(FrameReader& in, Ranges& message, SpaceId) {
    const auto items = in.array(ranges_items + ranges_head_items);
    if (items != ranges_items && items != ranges_items + ranges_head_items) in.fail();
    message.matching = in.uint();
    message.step = in.uint();
    message.gave_up = GaveUp(in.uint(std::uint64_t(GaveUp::sender_asks)));
    message.ranges = read_ranges(in);
    message.lines = read_lines(in, 0);
    if (!lines_fit(message)) in.fail();
    const bool with_head = items != ranges_items;
    if (message.step == 0 && (message.gave_up != GaveUp::no || !message.ranges.empty() || !message.lines.empty()))
        in.fail();
    if (with_head != (message.step <= 1 && message.gave_up == GaveUp::no)) in.fail();
    if (!with_head || !in.ok()) return;
    auto& head = message.head.emplace();
    head.number = in.uint(digest_numbers - 1);
    head.version_hash = read_fingerprint(in);
    head.fingerprint = read_fingerprint(in);
    head.neighbourhood = in.uint();
    head.bookmark = read_bookmark(in);
    head.lines = in.uint();
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

/// What it comes to, roughly, so that a large one is not moved while it is written.
std::size_t bytes_about(const Changesets& message) {
    std::size_t bytes = 0;
    for (const auto& changeset : message.changesets) bytes += wire_bytes(changeset);
    for (const auto& changeset : message.shared) bytes += wire_bytes(*changeset);
    for (const auto& run : message.runs) bytes += sizeof run + run.lines.size() * sizeof(SealLine);
    return bytes + frame_header_bytes;
}

}  // namespace

Bytes encode(SpaceId space, const Message& message, RefSender& refs) {
    Writer body;
    if (const auto* changesets = std::get_if<Changesets>(&message)) body.reserve(bytes_about(*changesets));
    std::visit([&](const auto& m) { write(body, m, refs); }, message);
    const auto definitions = refs.take_definitions();
    Writer head;
    head.reserve(frame_header_bytes + definition_bytes * definitions.size());
    head.array(5).uint(wire_version).uint(space).uint(message.index()).array(2 * definitions.size());
    for (const auto& [number, id] : definitions) head.uint(number).replica(id);
    auto frame = body.take();
    frame.insert(0, head.take());
    return frame;
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

void NewNames::add(const Changeset& changeset) {
    const auto name = [this](const ReplicaId& id) {
        if (!refs_.defined(id)) names_.insert(id);
    };
    name(changeset.origin);
    for (const auto& dep : changeset.deps) name(dep.replica);
    for (const auto& ref : changeset.refs) name(ref);
}

std::size_t wire_bytes(const LooseEntry& entry) {
    return 24 + entry.slot.key.size() + entry.slot.field.size() + entry.value.size();
}

std::size_t wire_bytes(const Changeset& changeset) {
    return 16 + 4 * changeset.deps.size() + 2 * changeset.refs.size() + changeset.body.size();
}

}  // namespace starling::gossip
