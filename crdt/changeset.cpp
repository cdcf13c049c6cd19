#include "crdt/changeset.hpp"

#include <algorithm>

#include "crdt/codec.hpp"
#include "crdt/limits.hpp"

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

std::size_t shared_prefix(BytesView a, BytesView b) {
    return std::size_t(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

void write_front_coded(Writer& writer, BytesView previous, BytesView text) {
    const auto shared = shared_prefix(previous, text);
    writer.uint(shared).str(text.substr(shared));
}

/// `text` = the first `shared` bytes of what it was + a suffix.
void read_front_coded(Reader& reader, Bytes& text, std::size_t bytes_max) {
    const auto shared = reader.uint(text.size());
    const auto suffix = reader.str(bytes_max);
    if (shared + suffix.size() > bytes_max) return reader.fail();
    if (shared < text.size() && !suffix.empty() && text[shared] == suffix[0]) return reader.fail();  // not the longest
    text.resize(shared);
    text.append(suffix);
}

void write_puts(Writer& writer, const Changeset& header, const std::vector<Put>& puts) {
    Slot previous;
    Stamp stamp = 0;
    Seq next = header.first;
    bool first = true;
    for (const auto& put : puts) {
        const bool same_key = !first && put.slot.type == previous.type && put.slot.key == previous.key;
        writer.uint((same_key ? put_same_key : 0) | (put.seq != next ? put_after_gap : 0) |
                    (put.stamp_offset != stamp ? put_stamp : 0));
        if (put.seq != next) writer.uint(put.seq - next);
        if (!same_key) {
            writer.uint(std::uint64_t(put.slot.type));
            write_front_coded(writer, previous.key, put.slot.key);
        }
        write_front_coded(writer, previous.field, put.slot.field);
        if (put.stamp_offset != stamp) writer.uint(put.stamp_offset - stamp);
        writer.raw(put.value);
        previous = put.slot;
        stamp = put.stamp_offset;
        next = put.seq + 1;
        first = false;
    }
}

/// Reads one put into `put`, which holds the previous one: its key, field, stamp and seq are what this one is coded
/// from.
bool read_put(Reader& reader, std::uint64_t code, const Changeset& header, bool is_first, Put& put) {
    Seq next = is_first ? header.first : put.seq + 1;
    if ((code & put_after_gap) != 0) {
        const auto gap = reader.uint(changeset_dots_max);
        if (gap == 0) reader.fail();
        next += gap;
    }
    put.seq = next;
    if (put.seq > header.last()) reader.fail();
    if ((code & put_same_key) != 0) {
        if (is_first) reader.fail();
    } else {
        const auto before = put.slot.type;
        const auto key = put.slot.key;
        put.slot.type = Type(reader.uint(127));
        read_front_coded(reader, put.slot.key, key_bytes_max);
        if (!is_first && put.slot.type == before && put.slot.key == key) reader.fail();  // has a shorter form
    }
    read_front_coded(reader, put.slot.field, field_bytes_max);
    if (reader.ok() && !canonical_field(put.slot.field)) reader.fail();
    if ((code & put_stamp) != 0) {
        const auto delta = reader.uint();
        if (delta == 0 || delta > UINT64_MAX - put.stamp_offset) reader.fail();
        put.stamp_offset += delta;
    }
    put.value = reader.item(value_bytes_max, value_nesting_max);
    return reader.ok();
}

void write_removal(Writer& writer, const Changeset& header, const Removal& removal) {
    std::uint64_t place = 0;
    if (removal.replica != header.origin) {
        const auto at = std::lower_bound(header.refs.begin(), header.refs.end(), removal.replica);
        STARLING_ASSERT(at != header.refs.end() && *at == removal.replica, "a removal names the origin or a ref");
        place = 1 + std::uint64_t(at - header.refs.begin());
    }
    // The newest removed dot is usually near the top, so runs go downwards: from the origin's first, or from the top.
    writer.uint(removal.trim ? code_trim : code_remove).uint(place).uint(removal.runs.size());
    Seq at = place == 0 ? header.first : 0;
    if (place == 0) {
        for (auto run = removal.runs.rbegin(); run != removal.runs.rend(); ++run) {
            writer.uint(at - run->last()).uint(run->count);
            at = run->first;
        }
    } else {
        for (const auto& run : removal.runs) {
            writer.uint(run.first - at).uint(run.count);
            at = run.first + run.count;
        }
    }
}

bool read_removal(Reader& reader, std::uint64_t code, const Changeset& header, std::uint64_t& least_place,
                  Removal& removal) {
    removal.trim = code == code_trim;
    const auto place = reader.uint(header.refs.size());
    const auto order = (removal.trim ? changeset_refs_max + 1 : 0) + place + 1;
    if (!reader.ok() || order <= least_place) return reader.fail(), false;
    least_place = order;
    removal.replica = place == 0 ? header.origin : header.refs[place - 1];
    const auto runs = reader.uint(changeset_bytes_max);
    if (runs == 0) reader.fail();
    Seq at = place == 0 ? header.first : 0;
    for (std::uint64_t i = 0; i < runs && reader.ok(); ++i) {
        const auto gap = reader.uint(seq_max);
        const auto run_count = reader.uint(seq_max);
        const Seq gap_least = place == 0 && i > 0 ? 2 : 1;  // adjacent runs would be one
        if (run_count == 0 || gap < gap_least) return reader.fail(), false;
        if (place == 0) {
            if (gap + run_count > at) return reader.fail(), false;
            at -= gap + run_count - 1;
            removal.runs.push_back({at, run_count});
        } else {
            if (gap + run_count > seq_max - at) return reader.fail(), false;
            removal.runs.push_back({at + gap, run_count});
            at += gap + run_count;
        }
    }
    if (place == 0) std::reverse(removal.runs.begin(), removal.runs.end());
    return reader.ok();
}

}  // namespace

Bytes encode_body(const Changeset& header, const Body& body) {
    Writer writer;
    writer.uint(format_now);
    write_puts(writer, header, body.puts);
    for (const auto& removal : body.removals) write_removal(writer, header, removal);
    return writer.take();
}

Result<Body> decode_body(const Changeset& changeset) {
    Reader reader(changeset.body);
    const auto format = reader.uint();
    if (reader.ok() && format != format_now) return Fault{FaultCode::unknown_kind, "a newer changeset format"};
    Body body;
    Put put;
    std::uint64_t least_place = 0;
    std::size_t texts_bytes = 0;
    while (reader.ok() && !reader.done()) {
        const auto code = reader.uint();
        if (!reader.ok()) break;
        if (code < put_codes) {
            if (least_place > 0) reader.fail();  // puts come first
            if (!read_put(reader, code, changeset, body.puts.empty(), put)) break;
            texts_bytes += put.slot.key.size() + put.slot.field.size() + put.value.size();
            if (texts_bytes > changeset_texts_bytes_max) reader.fail();
            body.puts.push_back(put);
        } else if (code == code_remove || code == code_trim) {
            Removal removal;
            if (read_removal(reader, code, changeset, least_place, removal))
                body.removals.push_back(std::move(removal));
        } else {
            return Fault{FaultCode::unknown_kind, "a newer operation kind"};
        }
    }
    if (!reader.done()) return Fault{FaultCode::malformed, "malformed changeset body"};
    return body;
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

Bytes encode_changeset(const Changeset& changeset) {
    Writer writer;
    writer.array(8).uint(changeset.space).replica(changeset.origin).uint(changeset.first).uint(changeset.count);
    writer.uint(changeset.depth).array(changeset.deps.size());
    for (const auto& dep : changeset.deps) writer.array(2).replica(dep.replica).uint(dep.seq);
    writer.array(changeset.refs.size());
    for (const auto& ref : changeset.refs) writer.replica(ref);
    writer.bin(changeset.body);
    return writer.take();
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
