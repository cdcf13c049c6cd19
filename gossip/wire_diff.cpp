#include "gossip/wire_diff.hpp"

#include <algorithm>

#include "crdt/limits.hpp"
#include "crdt/mutant.hpp"
#include "gossip/range_coder.hpp"
#include "gossip/wire.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::uint64_t form_runs = 0;
constexpr std::uint64_t form_bitmap = 1;
constexpr std::uint64_t form_coded = 2;
constexpr std::size_t coded_runs_min = 3;  // fewer teach the coder nothing

Bytes coded_runs(const DotRuns& runs) {
    Writer out;
    Seq at = 0;
    for (const auto& run : runs) {
        out.uint(run.first - at).uint(run.count);
        at = run.last();
    }
    return out.take();
}

/// The first seq, then one bit a seq, low bits first.
Bytes coded_bitmap(const DotRuns& runs) {
    const auto first = runs.front().first;
    Bytes bits((runs.back().last() - first) / 8 + 1, '\0');
    for (const auto& run : runs) {
        for (Seq seq = run.first; seq <= run.last(); ++seq) {
            const auto at = seq - first;
            bits[at / 8] = char(std::uint8_t(bits[at / 8]) | 1U << at % 8);
        }
    }
    return bits;
}

/// Gaps and lengths by turns, each with what it learnt of its kind.
Bytes coded_ranges(const DotRuns& runs) {
    RangeEncoder out;
    NumberModel gaps, lengths;
    Seq at = 0;
    for (const auto& run : runs) {
        gaps.write(out, run.first - at - (at == 0 ? 1 : 2));
        lengths.write(out, run.count - 1);
        at = run.last();
    }
    return out.take();
}

DotRuns read_ranges(std::uint64_t many, BytesView bytes, FrameReader& in) {
    DotRuns runs;
    RangeDecoder reader(bytes);
    NumberModel gaps, lengths;
    Seq at = 0;
    for (; many > 0; --many) {
        const auto first = at + gaps.read(reader) + (at == 0 ? 1 : 2);
        const auto more = lengths.read(reader);
        if (reader.overrun() || first >= seq_max || more >= seq_max - first) return in.fail(), DotRuns{};
        runs.push_back({first, more + 1});
        at = runs.back().last();
    }
    if (runs.empty()) in.fail();
    return runs;
}

DotRuns read_plain_runs(BytesView bytes, FrameReader& in) {
    DotRuns runs;
    Reader reader(bytes);
    Seq at = 0;
    while (reader.ok() && !reader.done()) {
        const auto gap = reader.uint(seq_max);
        const auto run_count = reader.uint(seq_max);
        if (gap < (runs.empty() ? 1U : 2U) || run_count == 0 || gap + run_count > seq_max - at)
            return in.fail(), DotRuns{};
        runs.push_back({at + gap, run_count});
        at = runs.back().last();
    }
    if (!reader.ok() || runs.empty()) in.fail();
    return runs;
}

DotRuns read_bitmap(Seq first, BytesView bytes, FrameReader& in) {
    DotRuns runs;
    if (first == 0 || bytes.empty()) return in.fail(), runs;
    for (std::size_t at = 0; at < 8 * bytes.size(); ++at) {
        if ((std::uint8_t(bytes[at / 8]) >> at % 8 & 1) == 0) continue;
        if (first + at >= seq_max) return in.fail(), DotRuns{};  // bits that are not set may lie past the end
        extend(runs, first + at + (mutant(Mutant::bitmap_is_shifted) ? 1 : 0));
    }
    if (runs.empty()) in.fail();
    return runs;
}

}  // namespace

void write_runs(Writer& out, const DotRuns& runs) {
    auto form = form_runs;
    std::uint64_t first = 0;
    auto shortest = coded_runs(runs);
    const auto span = runs.empty() ? 0 : runs.back().last() - runs.front().first + 1;
    if (runs.size() >= coded_runs_min && runs.size() <= coded_runs_max) {
        if (auto coded = coded_ranges(runs); coded.size() < shortest.size()) {
            form = form_coded;
            first = runs.size();
            shortest = std::move(coded);
        }
    }
    if (span > 0 && span <= bitmap_bits_max && span / 8 + 1 < shortest.size()) {
        form = form_bitmap;
        first = runs.front().first;
        shortest = coded_bitmap(runs);
    }
    out.uint(form).uint(first).bin(shortest);
}

DotRuns read_runs(FrameReader& in) {
    const auto form = in.uint(form_coded);
    const auto first = in.uint(form == form_coded ? coded_runs_max : seq_max);
    const auto bytes = in.bin(changeset_bytes_max);
    if (!in.ok()) return {};
    if (form == form_coded) return read_ranges(first, bytes, in);
    return form == form_bitmap ? read_bitmap(first, bytes, in) : read_plain_runs(bytes, in);
}

void write_dots(Writer& out, const LiveDots& dots, RefSender& refs) {
    out.array(4 * dots.size());
    for (const auto& [id, runs] : dots) {
        out.uint(refs.number(id));
        write_runs(out, runs);
    }
}

LiveDots read_dots(FrameReader& in) {
    LiveDots dots;
    std::size_t runs = 0;
    const auto items = in.array(4 * link_refs_max);
    if (items % 4 != 0) in.fail();
    for (std::size_t i = 0; i < items && in.ok(); i += 4) {
        const auto id = in.ref();
        const auto [at, is_new] = dots.emplace(id, read_runs(in));
        runs += at->second.size();  // a few coded bytes are many runs: bounded together
        if (!is_new || runs > message_items_max) in.fail();
    }
    return dots;
}

void write_piece(Writer& out, const Difference& piece, RefSender& refs) {
    out.array(7).array(3 * piece.tops.size());
    for (const auto& [id, top] : piece.tops) out.uint(refs.number(id)).uint(top.seen).uint(top.last_stamp);
    out.array(3 * piece.heads.size());
    for (const auto& [id, head] : piece.heads) out.uint(refs.number(id)).uint(head.last).uint(head.depth);
    out.uint(piece.depth).boolean(piece.inside_is_live);
    write_dots(out, piece.inside, refs);
    write_dots(out, piece.outside, refs);
    out.array(8 * piece.entries.size());
    for (const auto& [dot, entry] : piece.entries) {
        out.uint(refs.number(dot.replica)).uint(dot.seq).uint(std::uint64_t(entry.slot.type)).bin(entry.slot.key);
        out.bin(entry.slot.field).uint(entry.stamp).uint(entry.depth).bin(entry.value);
    }
}

Difference read_piece(FrameReader& in) {
    Difference piece;
    in.tuple(7);
    const auto tops = in.array(3 * link_refs_max);
    if (tops % 3 != 0) in.fail();
    for (std::size_t i = 0; i < tops && in.ok(); i += 3) {
        const auto id = in.ref();
        const auto seen = in.uint(seq_max);
        if (!piece.tops.emplace(id, OriginTop{seen, in.uint()}).second) in.fail();
    }
    const auto heads = in.array(3 * link_refs_max);
    if (heads % 3 != 0) in.fail();
    for (std::size_t i = 0; i < heads && in.ok(); i += 3) {
        const auto id = in.ref();
        const auto last = in.uint(seq_max);
        if (!piece.heads.emplace(id, Head{last, in.uint(depth_max)}).second) in.fail();
    }
    piece.depth = in.uint(depth_max);
    piece.inside_is_live = in.boolean();
    piece.inside = read_dots(in);
    piece.outside = read_dots(in);
    const auto entries = in.array(8 * message_items_max);
    if (entries % 8 != 0) in.fail();
    for (std::size_t i = 0; i < entries && in.ok(); i += 8) {
        const auto id = in.ref();
        const auto seq = in.uint(seq_max);
        LooseEntry entry;
        entry.slot.type = Type(in.uint(127));
        entry.slot.key = in.bin(key_bytes_max);
        entry.slot.field = in.bin(field_bytes_max);
        entry.stamp = in.uint();
        entry.depth = in.uint(depth_max);
        entry.value = in.bin(value_bytes_max);
        if (!piece.entries.emplace(Dot{id, seq}, std::move(entry)).second) in.fail();
    }
    return piece;
}

// -- pieces
// --------------------------------------------------------------------------------------------------------------

namespace {

/// Fills pieces one after another, beginning a new one where the present one is full.
class Splitter {
  public:
    Splitter(const Difference& whole, std::size_t bytes_max) : bytes_max_(bytes_max), whole_(whole) { begin(); }

    Difference& room_for(std::size_t bytes) {
        if (bytes_ > 0 && bytes_ + bytes > bytes_max_) begin();
        bytes_ += bytes;
        return pieces_.back();
    }
    void add_dots(LiveDots Difference::* set, const ReplicaId& id, const DotRuns& runs) {
        std::size_t more = origin_bytes;  // once in each piece
        for (const auto& run : runs) {
            auto& dots = (room_for(run_bytes + more).*set)[id];
            more = 0;
            dots.push_back(run);
        }
    }
    std::vector<Difference> take() { return std::move(pieces_); }

  private:
    static constexpr std::size_t run_bytes = 4;      // typical; a frame has room for the worst case of twice this
    static constexpr std::size_t origin_bytes = 16;  // its life, its number and what stands before the runs

    void begin() {
        pieces_.emplace_back();
        pieces_.back().depth = whole_.depth;
        pieces_.back().inside_is_live = whole_.inside_is_live;
        bytes_ = 0;
    }

    std::size_t bytes_max_;
    std::size_t bytes_ = 0;
    const Difference& whole_;
    std::vector<Difference> pieces_;
};

bool append_runs(LiveDots& whole, LiveDots& piece) {
    for (auto& [id, runs] : piece) {
        auto& all = whole[id];
        for (const auto& run : runs) {
            if (!all.empty() && run.first <= all.back().last()) return false;
            extend(all, run.first, run.count);
        }
    }
    return true;
}

}  // namespace

std::vector<Difference> split(const Difference& whole, std::size_t bytes_max) {
    constexpr std::size_t line_bytes = 40 + 20;  // a line of a version, with the definition of its number
    Splitter splitter(whole, bytes_max);
    for (const auto& line : whole.tops) splitter.room_for(line_bytes).tops.insert(line);
    for (const auto& line : whole.heads) splitter.room_for(line_bytes).heads.insert(line);
    for (const auto& [id, runs] : whole.inside) splitter.add_dots(&Difference::inside, id, runs);
    for (const auto& [id, runs] : whole.outside) splitter.add_dots(&Difference::outside, id, runs);
    for (const auto& line : whole.entries) splitter.room_for(wire_bytes(line.second)).entries.insert(line);
    return splitter.take();
}

bool add_piece(Difference& whole, Difference piece) {
    if (!whole.tops.empty() && (whole.depth != piece.depth || whole.inside_is_live != piece.inside_is_live))
        return false;
    whole.depth = piece.depth;
    whole.inside_is_live = piece.inside_is_live;
    const auto lines = whole.tops.size() + piece.tops.size();
    const auto heads = whole.heads.size() + piece.heads.size();
    whole.tops.merge(piece.tops);
    whole.heads.merge(piece.heads);
    whole.entries.merge(piece.entries);
    return whole.tops.size() == lines && whole.heads.size() == heads && append_runs(whole.inside, piece.inside) &&
           append_runs(whole.outside, piece.outside);
}

}  // namespace starling::gossip
