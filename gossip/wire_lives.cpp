#include "gossip/wire_lives.hpp"

#include <algorithm>

#include "crdt/limits.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::size_t key_bytes = sizeof(NodeKey), life_bytes = sizeof(Life);
constexpr std::size_t bound_bytes = key_bytes + life_bytes;

void append_life(Bytes& bytes, Life life) {
    for (std::size_t i = 0; i < life_bytes; ++i) bytes.push_back(char(life >> (56 - 8 * i)));
}
Life life_at(BytesView bytes) {
    Life life = 0;
    for (std::size_t i = 0; i < life_bytes; ++i) life = life << 8 | std::uint8_t(bytes[i]);
    return life;
}

Bytes bound_text(const ReplicaId& bound) {
    Bytes text(bound.node.begin(), bound.node.end());
    append_life(text, bound.life);
    return text;
}
ReplicaId bound_of(BytesView text) {
    ReplicaId bound;
    std::copy(text.begin(), text.begin() + key_bytes, bound.node.begin());
    bound.life = life_at(text.substr(key_bytes));
    return bound;
}

/// How much it shares with the bound before, and the rest without the zeros at its end.
void write_bound(Writer& out, const ReplicaId& bound, Bytes& before) {
    const auto text = bound_text(bound);
    const auto shared =
        std::size_t(std::mismatch(text.begin(), text.end(), before.begin(), before.end()).first - text.begin());
    BytesView rest(text);
    rest.remove_prefix(shared);
    while (!rest.empty() && rest.back() == '\0') rest.remove_suffix(1);
    out.uint(shared).str(rest);
    before = text;
}
ReplicaId read_bound(FrameReader& in, Bytes& before) {
    const auto shared = in.uint(bound_bytes);
    const auto rest = in.str(bound_bytes);
    if (!in.ok() || shared + rest.size() > bound_bytes) return in.fail(), ReplicaId{};
    before.resize(shared);
    before.append(rest).resize(bound_bytes, '\0');
    return bound_of(before);
}

constexpr std::uint64_t range_asks = 1, range_begins = 2, range_is_last = 4;

}  // namespace

void write_replicas(Writer& out, const std::vector<ReplicaId>& replicas) {
    std::vector<std::pair<const NodeKey*, Bytes>> nodes;
    for (const auto& id : replicas) {
        if (nodes.empty() || *nodes.back().first != id.node) nodes.emplace_back(&id.node, Bytes{});
        append_life(nodes.back().second, id.life);
    }
    out.array(2 * nodes.size());
    for (const auto& [node, lives] : nodes) {
        out.bin({reinterpret_cast<const char*>(node->data()), node->size()});
        out.bin(lives);
    }
}

std::vector<ReplicaId> read_replicas(FrameReader& in) {
    std::vector<ReplicaId> replicas;
    const auto items = in.array(2 * replicas_named_max);
    if (items % 2 != 0) in.fail();
    for (std::size_t i = 0; i < items && in.ok(); i += 2) {
        const auto node = in.bin(key_bytes);
        auto lives = in.bin(replicas_named_max * life_bytes);
        if (node.size() != key_bytes || lives.empty() || lives.size() % life_bytes != 0) in.fail();
        if (lives.size() / life_bytes > replicas_named_max - replicas.size()) in.fail();
        if (!in.ok()) break;
        ReplicaId id;
        std::copy(node.begin(), node.end(), id.node.begin());
        if (!replicas.empty() && !(replicas.back().node < id.node)) in.fail();
        for (; !lives.empty() && in.ok(); lives.remove_prefix(life_bytes)) {
            id.life = life_at(lives);
            if (!replicas.empty() && !(replicas.back() < id)) in.fail();
            replicas.push_back(id);
        }
    }
    if (!in.ok()) replicas.clear();
    return replicas;
}

void write_lines(Writer& out, const Version& lines) {
    std::vector<ReplicaId> replicas;
    replicas.reserve(lines.size());
    for (const auto& [id, seq] : lines) replicas.push_back(id);
    write_replicas(out, replicas);
    out.array(lines.size());
    for (const auto& [id, seq] : lines) out.uint(seq);
}

Version read_lines(FrameReader& in, Seq seq_min) {
    Version lines;
    const auto replicas = read_replicas(in);
    if (in.array(replicas_named_max) != replicas.size()) in.fail();
    for (const auto& id : replicas) {
        const auto seq = in.uint(seq_max);
        if (seq < seq_min) in.fail();
        if (!in.ok()) break;
        lines.emplace_hint(lines.end(), id, seq);
    }
    return lines;
}

void write_ranges(Writer& out, const std::vector<Range>& ranges) {
    Bytes bound(bound_bytes, '\0');
    ReplicaId end;  // of the range before
    out.array(ranges.size());
    for (const auto& range : ranges) {
        const bool begins = range.ids.from != end;
        out.array(1 + (begins ? 2 : 0) + (range.ids.to ? 2 : 0) + (range.asks ? 0 : 1));
        out.uint((range.asks ? range_asks : 0) | (begins ? range_begins : 0) | (range.ids.to ? 0 : range_is_last));
        if (begins) write_bound(out, range.ids.from, bound);
        if (range.ids.to) write_bound(out, *range.ids.to, bound);
        if (!range.asks) out.uint(range.sum);
        end = range.ids.to.value_or(ReplicaId{});
    }
}

std::vector<Range> read_ranges(FrameReader& in) {
    std::vector<Range> ranges;
    Bytes bound(bound_bytes, '\0');
    ReplicaId end;
    for (auto many = in.array(ranges_max); many > 0 && in.ok(); --many) {
        const auto items = in.array(6);
        const auto form = in.uint(2 * range_is_last - 1);
        const auto has = [&](std::uint64_t flag) { return (form & flag) != 0; };
        if (items != 1U + (has(range_begins) ? 2 : 0) + (has(range_is_last) ? 0 : 2) + (has(range_asks) ? 0 : 1))
            in.fail();
        if (!ranges.empty() && !ranges.back().ids.to) in.fail();  // nothing is after all that is left
        Range range;
        range.ids.from = end;
        range.asks = has(range_asks);
        if (has(range_begins)) {
            range.ids.from = read_bound(in, bound);
            if (!(end < range.ids.from)) in.fail();
        }
        if (!has(range_is_last)) {
            range.ids.to = read_bound(in, bound);
            if (!(range.ids.from < *range.ids.to)) in.fail();
            end = *range.ids.to;
        }
        if (!range.asks) range.sum = in.uint();
        ranges.push_back(range);
    }
    return ranges;
}

bool lines_fit(const Ranges& message) {
    auto line = message.lines.begin();
    for (const auto& range : message.ranges) {
        while (line != message.lines.end() && line->first < range.ids.from) ++line;
        for (; line != message.lines.end() && range.ids.reaches(line->first); ++line) {
            if (!range.asks || line->second == 0) return false;
        }
    }
    return true;
}

std::vector<ReplicaId> replicas_of(const Difference& piece) {
    std::vector<ReplicaId> replicas;
    for (const auto& [id, top] : piece.tops) replicas.push_back(id);
    for (const auto& [id, head] : piece.heads) replicas.push_back(id);
    for (const auto& [id, runs] : piece.inside) replicas.push_back(id);
    for (const auto& [id, runs] : piece.outside) replicas.push_back(id);
    for (const auto& [dot, entry] : piece.entries) {
        if (replicas.empty() || replicas.back() != dot.replica) replicas.push_back(dot.replica);
    }
    std::sort(replicas.begin(), replicas.end());
    replicas.erase(std::unique(replicas.begin(), replicas.end()), replicas.end());
    return replicas;
}

}  // namespace starling::gossip
