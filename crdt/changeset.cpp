#include "crdt/changeset.hpp"

#include <algorithm>

#include "crdt/codec.hpp"
#include "crdt/front_coding.hpp"
#include "crdt/limits.hpp"
#include "crdt/mutant.hpp"

namespace starling::crdt {

namespace {

// A body is: format, then operations, each a code and its items. A put's code is a set of flags.
constexpr std::uint64_t format_now = 1;
constexpr std::uint64_t put_same_key = 1;   // type and key are those of the previous put
constexpr std::uint64_t put_after_gap = 2;  // a count of skipped seqs follows
constexpr std::uint64_t put_stamp = 4;      // a stamp delta follows
constexpr std::uint64_t put_codes = 8;
constexpr std::uint64_t code_remove = 8;
constexpr std::uint64_t code_trim = 9;

/// Appends to `texts` a text that is coded from the piece of `texts` at `previous`. Returns its size.
std::size_t unfold(Reader& reader, Bytes& texts, std::size_t previous, std::size_t previous_size,
                   std::size_t bytes_max) {
    const auto [shared, suffix] =
        read_front_coding(reader, BytesView(texts).substr(previous, previous_size), bytes_max);
    if (shared > 0) texts.append(texts, previous, shared);
    texts.append(suffix);
    return shared + suffix.size();
}

/// Reads bodies. Holds the put that was read last: what the next one is coded from.
class BodyReader {
  public:
    BodyReader(const Changeset& header, Body& body) : reader_(header.body), header_(header), body_(body) {}

    Result<bool> read() {
        const auto format = reader_.uint();
        if (reader_.ok() && format != format_now) return Fault{FaultCode::unknown_kind, "a newer changeset format"};
        while (reader_.ok() && !reader_.done()) {
            const auto code = reader_.uint();
            if (!reader_.ok()) break;
            if (code < put_codes) {
                put(code);
            } else if (code == code_remove || code == code_trim) {
                removal(code == code_trim);
            } else {
                return Fault{FaultCode::unknown_kind, "a newer operation kind"};
            }
        }
        if (!reader_.done()) return Fault{FaultCode::malformed, "malformed changeset body"};
        return true;
    }

  private:
    void put(std::uint64_t code);
    void removal(bool trim);
    void read_runs(Removal& removal);

    Reader reader_;
    const Changeset& header_;
    Body& body_;
    std::uint64_t least_order_ = 0;  ///< removals ascend from here; 0: none yet
    Put last_;
};

void BodyReader::put(std::uint64_t code) {
    auto& texts = body_.texts;
    const bool is_first = body_.puts.empty();
    Put put;
    put.seq = is_first ? header_.first : last_.seq + 1;
    if ((code & put_after_gap) != 0) {
        const auto gap = reader_.uint(changeset_dots_max);
        if (gap == 0) reader_.fail();
        put.seq += gap;
    }
    if (put.seq > header_.last() || least_order_ > 0) reader_.fail();  // puts come first
    put.text = std::uint32_t(texts.size());
    const auto last_key = last_.text;
    if ((code & put_same_key) != 0) {
        if (is_first) return reader_.fail();
        put.type = last_.type;
        put.key_size = last_.key_size;
        texts.append(texts, last_key, last_.key_size);
    } else {
        put.type = Type(reader_.uint(127));
        put.key_size = std::uint16_t(unfold(reader_, texts, last_key, last_.key_size, key_bytes_max));
        const auto key = BytesView(texts).substr(put.text);
        if (!mutant(Mutant::repeated_keys_pass) && !is_first && put.type == last_.type &&
            key == BytesView(texts).substr(last_key, last_.key_size))
            reader_.fail();  // has a shorter form
    }
    const auto last_field = last_key + last_.key_size;
    put.field_size = std::uint16_t(unfold(reader_, texts, last_field, last_.field_size, field_bytes_max));
    if (reader_.ok() && !mutant(Mutant::any_field_passes) &&
        !canonical_field(BytesView(texts).substr(put.text + put.key_size)))
        reader_.fail();
    put.stamp_offset = last_.stamp_offset;
    if ((code & put_stamp) != 0) {
        const auto delta = reader_.uint();
        if (delta == 0 || delta > UINT64_MAX - put.stamp_offset) reader_.fail();
        if (!mutant(Mutant::stamps_are_not_read)) put.stamp_offset += delta;
    }
    const auto value = reader_.item(value_bytes_max, value_nesting_max);
    put.value_size = std::uint32_t(value.size());
    texts.append(value);
    if (texts.size() > changeset_texts_bytes_max) reader_.fail();
    if (!reader_.ok()) return;
    body_.puts.push_back(put);
    last_ = put;
}

void BodyReader::removal(bool trim) {
    Removal removal;
    removal.trim = trim;
    removal.place = std::uint32_t(reader_.uint(header_.refs.size()));
    const auto order = (trim ? changeset_refs_max + 1 : 0) + removal.place + 1;
    if (order <= least_order_) return reader_.fail();
    least_order_ = order;
    removal.run = std::uint32_t(body_.runs.size());
    read_runs(removal);
    if (reader_.ok()) body_.removals.push_back(removal);
}

/// The origin's runs go downwards from the changeset's first dot, since what is removed is usually new; others'
/// upwards.
void BodyReader::read_runs(Removal& removal) {
    const bool own = removal.place == 0;
    const auto runs = reader_.uint(changeset_bytes_max);
    if (runs == 0) return reader_.fail();
    Seq at = own ? header_.first : 0;
    for (std::uint64_t i = 0; i < runs && reader_.ok(); ++i) {
        const auto gap = reader_.uint(seq_max);
        const auto run_count = reader_.uint(seq_max);
        const Seq gap_least = own && i > 0 ? 2 : 1;  // adjacent runs would be one
        if (run_count == 0 || gap < gap_least) return reader_.fail();
        if (own) {
            if (gap + run_count > at) return reader_.fail();
            at -= gap + run_count - 1;
            body_.runs.push_back({at, run_count});
        } else {
            if (gap + run_count > seq_max - at) return reader_.fail();
            body_.runs.push_back({at + gap, run_count});
            at += gap + run_count;
        }
    }
    removal.runs = std::uint32_t(body_.runs.size()) - removal.run;
    if (own && !mutant(Mutant::own_runs_reversed)) std::reverse(body_.runs.begin() + removal.run, body_.runs.end());
}

}  // namespace

void Body::add_put(Seq seq, const SlotView& slot, Stamp stamp_offset, BytesView value) {
    puts.push_back({seq, stamp_offset, std::uint32_t(texts.size()), std::uint32_t(value.size()),
                    std::uint16_t(slot.key.size()), std::uint16_t(slot.field.size()), slot.type});
    texts.append(slot.key).append(slot.field).append(value);
}

void Body::add_removal(std::uint32_t place, bool trim, std::span<const DotRun> runs_to_add) {
    removals.push_back({place, trim, std::uint32_t(runs.size()), std::uint32_t(runs_to_add.size())});
    runs.insert(runs.end(), runs_to_add.begin(), runs_to_add.end());
}

BodyWriter::BodyWriter(Seq first_of_changeset) : first_(first_of_changeset), next_(first_of_changeset) {
    writer_.uint(format_now);
}

void BodyWriter::put(Seq seq, const SlotView& slot, Stamp stamp_offset, BytesView value) {
    const bool same_key = any_ && slot.type == type_ && slot.key == key_;
    writer_.uint((same_key ? put_same_key : 0) | (seq != next_ ? put_after_gap : 0) |
                 (stamp_offset != stamp_ ? put_stamp : 0));
    if (seq != next_) writer_.uint(seq - next_);
    if (!same_key) {
        writer_.uint(std::uint64_t(slot.type));
        write_front_coded(writer_, key_, slot.key);
        key_.assign(slot.key);
        type_ = slot.type;
    }
    write_front_coded(writer_, field_, slot.field);
    field_.assign(slot.field);
    if (stamp_offset != stamp_) writer_.uint(stamp_offset - stamp_);
    writer_.raw(value);
    stamp_ = stamp_offset;
    next_ = seq + 1;
    any_ = true;
}

void BodyWriter::removal(std::uint32_t place, bool trim, std::span<const DotRun> runs) {
    writer_.uint(trim ? code_trim : code_remove).uint(place).uint(runs.size());
    if (place == 0) {
        Seq at = first_;
        for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
            writer_.uint(at - run->last()).uint(run->count);
            at = run->first;
        }
        return;
    }
    Seq at = 0;
    for (const auto& run : runs) {
        writer_.uint(run.first - at).uint(run.count);
        at = run.first + run.count;
    }
}

Bytes encode_body(const Changeset& header, const Body& body) {
    BodyWriter writer(header.first);
    for (const auto& put : body.puts) writer.put(put.seq, body.slot(put), put.stamp_offset, body.value(put));
    for (const auto& removal : body.removals) writer.removal(removal.place, removal.trim, body.runs_of(removal));
    return writer.take();
}

Result<Body> decode_body(const Changeset& changeset) {
    Body body;
    if (auto read = decode_body(changeset, body); !read) return read.fault();
    return body;
}

Result<bool> decode_body(const Changeset& changeset, Body& body) {
    body.clear();
    body.texts.reserve(changeset.body.size() + changeset.body.size() / 8);  // keys are in full there
    return BodyReader(changeset, body).read();
}

Result<bool> valid_header(const Changeset& changeset) {
    const auto bad = [](const char* what) { return Fault{FaultCode::malformed, what}; };
    if (changeset.first == 0 || changeset.count == 0 || changeset.count > changeset_dots_max ||
        changeset.first > seq_max - changeset.count)
        return bad("dots out of range");
    if (changeset.depth == 0 || changeset.depth > depth_max) return bad("depth out of range");
    if (changeset.body.size() > changeset_bytes_max) return Fault{FaultCode::too_large, "body too large"};
    if (changeset.deps.size() > changeset_deps_max || changeset.refs.size() > changeset_refs_max)
        return Fault{FaultCode::too_large, "too many dependencies or references"};
    const ReplicaId* previous = nullptr;
    for (const auto& dep : changeset.deps) {
        if (dep.seq == 0 || dep.seq > seq_max || dep.replica == changeset.origin) return bad("bad dependency");
        if (previous != nullptr && !(*previous < dep.replica)) return bad("dependencies out of order");
        previous = &dep.replica;
    }
    previous = nullptr;
    for (const auto& ref : changeset.refs) {
        if (ref == changeset.origin) return bad("bad reference");
        if (previous != nullptr && !(*previous < ref)) return bad("references out of order");
        previous = &ref;
    }
    return true;
}

Bytes encode_changeset_head(const Changeset& changeset) {
    Writer writer;
    writer.array(8).uint(changeset.space).replica(changeset.origin).uint(changeset.first).uint(changeset.count);
    writer.uint(changeset.depth).array(changeset.deps.size());
    for (const auto& dep : changeset.deps) writer.array(2).replica(dep.replica).uint(dep.seq);
    writer.array(changeset.refs.size());
    for (const auto& ref : changeset.refs) writer.replica(ref);
    writer.bin_head(changeset.body.size());
    return writer.take();
}

Bytes encode_changeset(const Changeset& changeset) {
    auto bytes = encode_changeset_head(changeset);
    bytes.append(changeset.body);
    return bytes;
}

Result<Changeset> decode_changeset(BytesView bytes) {
    Reader reader(bytes);
    Changeset changeset;
    reader.tuple(8);
    changeset.space = SpaceId(reader.uint(UINT32_MAX));
    changeset.origin = reader.replica();
    changeset.first = reader.uint(seq_max);
    changeset.count = reader.uint(changeset_dots_max);
    changeset.depth = reader.uint(depth_max);
    for (auto deps = reader.array(changeset_deps_max); deps > 0 && reader.ok(); --deps) {
        reader.tuple(2);
        const auto replica = reader.replica();
        changeset.deps.push_back({replica, reader.uint(seq_max)});
    }
    for (auto refs = reader.array(changeset_refs_max); refs > 0 && reader.ok(); --refs)
        changeset.refs.push_back(reader.replica());
    changeset.body = reader.bin(changeset_bytes_max);
    if (!reader.done()) return Fault{FaultCode::malformed, "malformed changeset"};
    if (auto valid = valid_header(changeset); !valid) return valid.fault();
    return changeset;
}

}  // namespace starling::crdt
