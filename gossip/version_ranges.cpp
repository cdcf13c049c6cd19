#include "gossip/version_ranges.hpp"

#include <algorithm>

#include "crdt/assert.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::size_t range_bytes = 24, range_line_bytes = 12, range_node_bytes = 36;  // in a message, typically
constexpr std::size_t node_bytes = 32, range_id_bytes = 40;

std::uint8_t byte_of(const ReplicaId& id, std::size_t at) {
    if (at < node_bytes) return id.node.at(at);
    return std::uint8_t(id.life >> (56 - 8 * (at - node_bytes)));
}

/// Parts of a range, one after another, each with about as many lines.
class RangeCutter {
  public:
    RangeCutter(const IdRange& range, std::size_t lines_each) : lines_each_(lines_each), end_(range.to) {
        part_.ids.from = range.from;
    }
    /// Next in order: lines from `first` to `last`.
    void add(const ReplicaId& first, const ReplicaId& last, std::size_t lines, std::uint64_t sum) {
        if (lines_ >= lines_each_) {
            part_.ids.to = between(last_, first);
            parts_.push_back(part_);
            part_ = {{*part_.ids.to, {}}, false, 0};
            lines_ = 0;
        }
        lines_ += lines;
        part_.sum += sum;
        last_ = last;
    }
    std::vector<Range> take() {
        part_.ids.to = end_;
        parts_.push_back(part_);
        return std::move(parts_);
    }

  private:
    std::size_t lines_each_;
    std::optional<ReplicaId> end_;
    Range part_;
    std::size_t lines_ = 0;
    ReplicaId last_;
    std::vector<Range> parts_;
};

}  // namespace

ReplicaId between(const ReplicaId& last, const ReplicaId& next) {
    ReplicaId bound;
    for (std::size_t at = 0; at < range_id_bytes; ++at) {
        const auto byte = byte_of(next, at);
        if (at < node_bytes) {
            bound.node.at(at) = byte;
        } else {
            bound.life |= std::uint64_t(byte) << (56 - 8 * (at - node_bytes));
        }
        if (byte != byte_of(last, at)) break;
    }
    return bound;
}

// -- a version at an instant

PinnedVersion::PinnedVersion(const State& state, const Origins& origins, const Seqs& seqs)
    : state_(state), origins_(origins), seqs_(seqs) {
    STARLING_ASSERT(seqs.based(), "a pinned version is based on the state's");
    state.each_node([&](const NodeKey& key, const Fingerprint& of_now, std::size_t lines) {
        auto sum = of_now;
        origins_.each_of(key, [&](const ReplicaId& id, OriginId origin) {
            const auto now = state_.seen(id), then = seqs_.at(origins_, origin);
            if (then == 0 && state_.knows(id)) --lines;  // also where nothing is there yet, as of a life that begins
            if (now == then) return;
            sum -= version_line_hash(id, now);
            sum += version_line_hash(id, then);
        });
        if (lines > 0) nodes_.push_back({key, lines, sum.low});
        lines_ += lines;
    });
}

Seq PinnedVersion::seen(const ReplicaId& id) const {
    const auto origin = origins_.find(id);
    return origin ? seqs_.at(origins_, *origin) : state_.seen(id);
}

/// Of one node at a time, in order: ranges ascend, so that the next one begins where the last one ended.
const PinnedVersion::Lives& PinnedVersion::lives_of(const NodeKey& node) const {
    if (looked_at_ == node) return lives_;
    looked_at_ = node;
    lives_.clear();
    state_.each_life_of(node, [&](const ReplicaId& id, Seq now, Stamp) {
        const auto origin = origins_.find(id);
        if (const auto then = origin ? seqs_.at(origins_, *origin) : now; then > 0) lives_.emplace_back(id.life, then);
    });
    return lives_;
}

std::vector<PinnedVersion::Node>::const_iterator PinnedVersion::first_in(const IdRange& range) const {
    return std::lower_bound(nodes_.begin(), nodes_.end(), range.from.node,
                            [](const Node& node, const NodeKey& key) { return node.key < key; });
}

template <class Whole, class Line>
void PinnedVersion::walk(const IdRange& range, Whole whole, Line line) const {
    for (auto node = first_in(range); node != nodes_.end() && range.reaches({node->key, 0}); ++node) {
        const bool inside = !(ReplicaId{node->key, 0} < range.from) && (!range.to || node->key < range.to->node);
        if (inside && whole(*node)) continue;
        const auto& lives = lives_of(node->key);
        const auto first = range.from.node == node->key ? range.from.life : 0;
        for (auto at = std::lower_bound(lives.begin(), lives.end(), std::pair<Life, Seq>(first, 0)); at != lives.end();
             ++at) {
            const ReplicaId id{node->key, at->first};
            if (!range.reaches(id)) break;
            if (!line(id, at->second)) return;
        }
    }
}

PinnedVersion::Total PinnedVersion::total(const IdRange& range) const {
    Total total;
    walk(
        range,
        [&](const Node& node) {
            total.lines += node.lines;
            total.sum += node.sum;
            return true;
        },
        [&](const ReplicaId& id, Seq seq) {
            ++total.lines;
            total.sum += version_line_hash(id, seq).low;
            return true;
        });
    return total;
}

Version PinnedVersion::lines_in(const IdRange& range, std::size_t lines_max) const {
    Version lines;
    walk(
        range, [](const Node&) { return false; },
        [&](const ReplicaId& id, Seq seq) {
            lines.emplace_hint(lines.end(), id, seq);
            return lines.size() < lines_max;
        });
    return lines;
}

std::vector<Range> PinnedVersion::parts(const IdRange& range) const {
    const auto each = std::max<std::size_t>(1, (total(range).lines + range_parts - 1) / range_parts);
    RangeCutter cutter(range, each);
    walk(
        range,
        [&](const Node& node) {
            if (node.lines > each) return false;
            cutter.add({node.key, 0}, {node.key, UINT64_MAX}, node.lines, node.sum);
            return true;
        },
        [&](const ReplicaId& id, Seq seq) {
            cutter.add(id, id, 1, version_line_hash(id, seq).low);
            return true;
        });
    return cutter.take();
}

// -- one message and the next

namespace {

/// Fills one message; where that is full, what is left of the order becomes one range.
class RangesReply {
  public:
    explicit RangesReply(const PinnedVersion& mine) : mine_(mine) {}

    bool full() const { return bytes_ >= ranges_bytes; }
    void take_sum(const Range& range) {
        const auto total = mine_.total(range.ids);
        if (total.sum == range.sum) return;
        if (total.lines > range_lines_max) {
            for (const auto& part : mine_.parts(range.ids)) add(part);
            return;
        }
        add({range.ids, true, 0});
        for (const auto& [id, seq] : mine_.lines_in(range.ids, range_lines_max)) add(id, seq);
    }
    /// The other's lines of a range, all of them. Returns where it stopped, if the message is full.
    std::optional<ReplicaId> take_lines(const IdRange& range, const Version& lines) {
        auto theirs = lines.lower_bound(range.from);
        const auto beyond = range.to ? lines.lower_bound(*range.to) : lines.end();
        // Each of mine is one of theirs, or fills the message.
        const auto room = (ranges_bytes - bytes_) / range_line_bytes + 2;
        const auto mine = mine_.lines_in(range, room + std::size_t(std::distance(theirs, beyond)));
        for (auto at = mine.begin();;) {
            const bool more_theirs = theirs != lines.end() && range.reaches(theirs->first);
            if (at == mine.end() && !more_theirs) return std::nullopt;
            const auto id = at == mine.end() || (more_theirs && theirs->first < at->first) ? theirs->first : at->first;
            if (full()) return id;
            const auto my_seq = at != mine.end() && at->first == id ? (at++)->second : 0;
            const auto their_seq = more_theirs && theirs->first == id ? (theirs++)->second : 0;
            if (my_seq == their_seq) continue;
            reply_.theirs[id] = their_seq;
            add(id, my_seq);
        }
    }
    /// All from there on.
    void leave(const ReplicaId& from) {
        const IdRange rest{from, {}};
        reply_.ranges.push_back({rest, false, mine_.total(rest).sum});
    }
    RangesAnswer take() { return std::move(reply_); }
    RangesAnswer& reply() { return reply_; }

  private:
    void add(const Range& range) {
        reply_.ranges.push_back(range);
        bytes_ += range_bytes;
    }
    void add(const ReplicaId& id, Seq seq) {
        bytes_ += range_line_bytes + (reply_.lines.empty() || last_node_ != id.node ? range_node_bytes : 0);
        last_node_ = id.node;
        reply_.lines[id] = seq;
    }

    const PinnedVersion& mine_;
    RangesAnswer reply_;
    NodeKey last_node_{};
    std::size_t bytes_ = 0;
};

}  // namespace

RangesAnswer answer_ranges(const PinnedVersion& mine, const std::vector<Range>& ranges, const Version& lines) {
    RangesReply reply(mine);
    auto told = lines.begin();  // lines outside of all ranges that ask
    const auto take_told = [&](const std::optional<ReplicaId>& before) {
        for (; told != lines.end() && (!before || told->first < *before); ++told) {
            if (mine.seen(told->first) != told->second) reply.reply().theirs[told->first] = told->second;
        }
    };
    std::optional<ReplicaId> stopped;
    for (const auto& range : ranges) {
        if (!stopped && reply.full()) stopped = range.ids.from;
        if (!range.asks) {
            if (!stopped) reply.take_sum(range);
            continue;
        }
        take_told(range.ids.from);
        if (!stopped) stopped = reply.take_lines(range.ids, lines);
        while (told != lines.end() && range.ids.reaches(told->first)) ++told;
    }
    take_told(std::nullopt);
    if (stopped) reply.leave(*stopped);
    return reply.take();
}

}  // namespace starling::gossip
