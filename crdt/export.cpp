#include "crdt/export.hpp"

#include <array>

#include "crdt/assert.hpp"
#include "crdt/codec.hpp"
#include "crdt/front_coding.hpp"
#include "crdt/limits.hpp"
#include "crdt/mutant.hpp"

namespace starling::crdt {

// The grammar is in docs/wire.md. An entry begins with a set of flags that say in what it differs from the one before.
namespace {

constexpr std::uint64_t state_format_now = 1;
constexpr std::uint64_t entry_same_key = 1;   // type and key are those of the previous entry
constexpr std::uint64_t entry_after_gap = 2;  // a count of skipped seqs follows
constexpr std::uint64_t entry_stamp = 4;      // a difference of stamps follows, modulo 2^64
constexpr std::uint64_t entry_depth = 8;      // a difference of depths follows, signed
constexpr std::uint64_t entry_codes = 16;
constexpr std::uint64_t origin_end = 16;
constexpr std::size_t entry_overhead_bytes = 8;  // as a rule at most, beside the texts
constexpr std::size_t entry_bytes_min = 4;       // flags, a field that is all of the one before, a value

/// What the next entry is coded from. Texts live on from one origin to the next, the rest begins anew.
struct Previous {
    Type type{};
    Bytes key, field;
    Seq seq = 0;
    Stamp stamp = 0;
    Depth depth = 0;
    void next_origin() { seq = stamp = depth = 0; }
};

void write_entry(Writer& writer, const Entry& entry, Previous& previous) {
    const bool same_key = entry.type() == previous.type && entry.key() == previous.key;
    const bool same_depth = entry.depth == previous.depth;
    writer.uint((same_key ? entry_same_key : 0) | (entry.seq != previous.seq + 1 ? entry_after_gap : 0) |
                (entry.stamp != previous.stamp ? entry_stamp : 0) | (same_depth ? 0 : entry_depth));
    if (entry.seq != previous.seq + 1) writer.uint(entry.seq - previous.seq - 1);
    if (!same_key) {
        writer.uint(std::uint64_t(entry.type()));
        write_front_coded(writer, previous.key, entry.key());
        previous.key.assign(entry.key());
    }
    write_front_coded(writer, previous.field, entry.field());
    previous.field.assign(entry.field());
    if (entry.stamp != previous.stamp) writer.uint(entry.stamp - previous.stamp);
    if (!same_depth) writer.sint(std::int64_t(entry.depth) - std::int64_t(previous.depth));
    writer.raw(entry.value());
    previous.type = entry.type();
    previous.seq = entry.seq;
    previous.stamp = entry.stamp;
    previous.depth = entry.depth;
}

/// Reads one entry into `previous`, all but its value, which it returns.
BytesView read_entry(Reader& reader, std::uint64_t code, Previous& previous) {
    const auto gap = (code & entry_after_gap) != 0 ? reader.uint(seq_max) : 0;
    if (((code & entry_after_gap) != 0 && gap == 0) || gap >= seq_max - previous.seq - 1) reader.fail();
    previous.seq += gap + 1;
    if ((code & entry_same_key) == 0) {
        const auto type = Type(reader.uint(127));
        const auto [shared, suffix] = read_front_coding(reader, previous.key, key_bytes_max);
        const bool stays = type == previous.type && suffix.empty() && shared == previous.key.size();
        if (stays && !mutant(Mutant::repeated_keys_pass)) reader.fail();  // has a shorter form
        previous.type = type;
        previous.key.resize(shared);
        previous.key.append(suffix);
    }
    read_front_coded(reader, previous.field, field_bytes_max);
    if (reader.ok() && !canonical_field(previous.field)) reader.fail();
    if ((code & entry_stamp) != 0) {
        const auto difference = reader.uint();
        if (difference == 0) reader.fail();
        previous.stamp += difference;
    }
    if ((code & entry_depth) != 0) {
        const auto difference = reader.sint().value_or(0);
        if (difference == 0 || difference > std::int64_t(depth_max) || difference < -std::int64_t(depth_max))
            reader.fail();
        if (reader.ok()) previous.depth = Depth(std::int64_t(previous.depth) + difference);
    }
    if (previous.depth == 0 || previous.depth > depth_max) reader.fail();
    return reader.item(value_bytes_max, value_nesting_max);
}

}  // namespace

Bytes encode_state(const Replica& replica) {
    STARLING_ASSERT(!replica.window_open(), "a state is exported with the window closed");
    const auto& state = replica.state();
    std::size_t lives = 0;
    state.each_life([&](const ReplicaId&, Seq seen, Stamp) { lives += seen > 0; });  // not one that wrote nothing
    // Growing by doubling would touch twice the memory. What is reserved and not used is never touched.
    std::size_t texts_bytes = 0;
    state.each_origin([&](const Origin& origin) {
        origin.live.each([&](Seq, Handle handle) { texts_bytes += state.at(handle).text_bytes(); });
    });
    Writer writer;
    writer.reserve(texts_bytes + state.live_count() * entry_overhead_bytes);
    writer.uint(state_format_now).uint(replica.space()).uint(replica.depth()).uint(state.live_count()).uint(lives);
    Previous previous;
    state.life_table().each([&](const LifeLine& line) {
        if (line.seen == 0) return;
        writer.replica(line.id).uint(line.seen).uint(line.last_stamp);
        previous.next_origin();
        if (line.origin != nullptr)
            line.origin->live.each([&](Seq, Handle handle) { write_entry(writer, state.at(handle), previous); });
        writer.uint(origin_end);
    });
    writer.uint(replica.heads().size());
    std::size_t place = 0;
    auto head = replica.heads().begin();  // ascending, as the lives are
    state.each_life([&](const ReplicaId& id, Seq seen, Stamp) {
        if (seen == 0) return;
        if (head != replica.heads().end() && head->first == id) {
            writer.uint(place).uint(seen - head->second.last).uint(replica.depth() - head->second.depth);
            ++head;
        }
        ++place;
    });
    return writer.take();
}

/// Fills an empty replica from an export.
class StateReader {
  public:
    StateReader(BytesView bytes, Replica& replica, std::size_t texts_bytes_max)
        : reader_(bytes), bytes_size_(bytes.size()), replica_(replica), texts_bytes_left_(texts_bytes_max) {}

    Result<bool> read() {
        const auto format = reader_.uint();
        if (reader_.ok() && format != state_format_now)
            return Fault{FaultCode::unknown_kind, "a newer format of states"};
        if (reader_.uint(UINT32_MAX) != replica_.space() && reader_.ok())
            return Fault{FaultCode::refused, "a state of another space"};
        replica_.depth_ = reader_.uint(depth_max);
        const auto live = reader_.uint(bytes_size_ / entry_bytes_min);
        if (reader_.ok()) replica_.state_.reserve(live);
        for (auto left = reader_.uint(); left > 0 && reader_.ok(); --left) read_origin();
        read_heads();
        if (!reader_.done() || replica_.state_.live_count() != live)
            return Fault{FaultCode::malformed, "malformed state"};
        return true;
    }

  private:
    void read_heads() {
        auto left = reader_.uint(replica_.state_.lives());
        auto next = left > 0 ? reader_.uint() : 0;
        std::size_t place = 0;
        replica_.state_.each_life([&](const ReplicaId& id, Seq seen, Stamp) {
            if (left == 0 || !reader_.ok() || place++ != next) return;
            const auto last = seen - reader_.uint(seen - 1);
            const auto depth = replica_.depth_ - reader_.uint(replica_.depth_);
            if (reader_.ok()) replica_.heads_.emplace_hint(replica_.heads_.end(), id, Head{last, depth});
            if (--left == 0) return;
            next = reader_.uint();
            if (next < place) reader_.fail();
        });
        if (left > 0) reader_.fail();  // its place is beyond the lives
    }

    void read_origin() {
        auto& state = replica_.state_;
        const auto id = reader_.replica();
        const auto seen = reader_.uint(seq_max - 1);
        const auto last_stamp = reader_.uint();
        if (seen == 0 || (last_ && !(*last_ < id))) reader_.fail();
        if (!reader_.ok()) return;
        last_ = id;
        state.raise(id, seen, mutant(Mutant::export_forgets_stamps) ? 0 : last_stamp);
        auto code = reader_.uint();
        if (!reader_.ok() || code == origin_end) return;
        state.rest();
        auto& origin = state.touch(id);
        previous_.next_origin();
        for (; reader_.ok() && code != origin_end; code = reader_.uint()) {
            if (code >= entry_codes) reader_.fail();
            read_entry_of(origin, code);
        }
        while (admitted_ != made_) admit_next(origin);
    }

    void read_entry_of(Origin& origin, std::uint64_t code) {
        auto& state = replica_.state_;
        const auto value = read_entry(reader_, code, previous_);
        const auto texts_bytes = previous_.key.size() + previous_.field.size() + value.size();
        if (is_void_slot({previous_.type, previous_.key, previous_.field})) reader_.fail();  // no changeset brings one
        if (previous_.seq > origin.seen || previous_.depth > replica_.depth_ || texts_bytes > texts_bytes_left_)
            reader_.fail();
        if (!reader_.ok()) return;
        texts_bytes_left_ -= texts_bytes;
        if (made_ - admitted_ == queue_max) admit_next(origin);
        const SlotView slot{previous_.type, previous_.key, previous_.field};
        const auto hash = state.hashed(slot).hash;
        state.prefetch_slot(hash);
        queue_[made_++ % queue_max] = {state.make(slot, value), hash, previous_.seq, previous_.stamp, previous_.depth};
    }

    void admit_next(Origin& origin) {
        const auto& next = queue_[admitted_++ % queue_max];
        replica_.state_.admit(next.entry, 0, origin, next.seq, next.hash, next.stamp, next.depth, true);
    }

    /// An entry that waits until its cell of the table has come from memory.
    struct Made {
        Handle entry;
        std::uint32_t hash;
        Seq seq;
        Stamp stamp;
        Depth depth;
    };
    static constexpr unsigned queue_max = 16;

    Reader reader_;
    std::size_t bytes_size_;
    Replica& replica_;
    Previous previous_;
    std::optional<ReplicaId> last_;  ///< the life before
    std::size_t texts_bytes_left_;
    std::array<Made, queue_max> queue_;
    unsigned made_ = 0, admitted_ = 0;
};

Result<bool> decode_state(BytesView bytes, Replica& replica, std::size_t texts_bytes_max) {
    STARLING_ASSERT(!replica.self() && replica.state().lives() == 0, "a state is read into an empty replica");
    return StateReader(bytes, replica, texts_bytes_max).read();
}

}  // namespace starling::crdt
