#include "crdt/state.hpp"

#include <algorithm>

#include "crdt/assert.hpp"
#include "crdt/codec.hpp"
#include "crdt/mutant.hpp"

namespace starling::crdt {

// -- hashes
// --------------------------------------------------------------------------------------------------------------

namespace {

constexpr std::size_t replica_bytes = 40;

/// The node's key, then the life in big-endian order.
WideHash hash_of(const ReplicaId& id) {
    WideHash hash(fingerprint_key, true);
    char bytes[replica_bytes];
    std::copy(id.node.begin(), id.node.end(), bytes);
    for (int i = 0; i < 8; ++i) bytes[32 + i] = char(id.life >> (56 - 8 * i));
    hash.padded({bytes, sizeof bytes});
    return hash;
}

Fingerprint line_hash(WideHash hash, Seq seen) {
    if (seen == 0) return {};
    hash.word(seen);
    return hash.after(replica_bytes + 8);
}

/// A journal's entries share one slot, unless they have a name of their own.
bool in_table(const Entry& entry) {
    return entry.type() != Type::journal || entry.field() != packed_nil();
}

}  // namespace

Origin::Origin(const ReplicaId& its_id, NodeLives& its_node) : id(its_id), node(&its_node), hash(hash_of(its_id)) {}

Fingerprint entry_hash(const Entry& entry) {
    auto hash = entry.origin->hash;
    hash.word(entry.seq);
    hash.word(entry.stamp);
    hash.word(entry.depth);
    hash.word(entry.type_number | std::uint64_t(entry.key_size) << 8 | std::uint64_t(entry.field_size) << 24 |
              std::uint64_t(entry.value_size) << 40);
    hash.padded({entry.text(), entry.text_bytes()});
    return hash.after(replica_bytes + 4 * 8 + (entry.text_bytes() + 7) / 8 * 8);
}

Fingerprint version_line_hash(const ReplicaId& id, Seq seen) {
    return line_hash(hash_of(id), seen);
}

Fingerprint version_hash(const Version& version) {
    Fingerprint sum;
    for (const auto& [id, seq] : version) sum += version_line_hash(id, seq);
    return sum;
}

LooseEntry loose(const Entry& entry) {
    return {Slot(entry.slot()), entry.stamp, entry.depth, Bytes(entry.value())};
}

// -- reading
// -------------------------------------------------------------------------------------------------------------

const State::Journal& State::journal(BytesView key) const {
    static const Journal none;
    auto at = journals_.find(key);
    return at == journals_.end() ? none : at->second;
}

std::vector<Bytes> State::keys(Type type, BytesView prefix) const {
    std::vector<Bytes> found;
    if (type == Type::journal) {
        for (auto at = journals_.lower_bound(prefix); at != journals_.end() && at->first.starts_with(prefix); ++at)
            found.push_back(at->first);
        return found;
    }
    Bytes from(prefix);
    for (bool more = true; more;) {
        more = false;
        slots_.each_from({type, from, {}}, [&](const SlotView& slot, const SlotEntries&) {
            more = slot.type == type && slot.key.starts_with(prefix);
            if (more) found.emplace_back(slot.key);
            return false;
        });
        if (more) from = found.back() + '\0';  // the next key, over all fields of this one
    }
    return found;
}

const Origin* State::origin(const ReplicaId& id) const {
    auto at = origins_.find(id);
    return at == origins_.end() ? nullptr : &at->second;
}

const Entry* State::find(const Dot& dot) const {
    const auto* from = origin(dot.replica);
    const auto handle = from == nullptr ? 0 : from->live.find(dot.seq);
    return handle == 0 ? nullptr : &arena_.at(handle);
}

Seq State::seen(const ReplicaId& id) const {
    const auto* known = origin(id);
    return known == nullptr ? 0 : known->seen;
}

Stamp State::last_stamp(const ReplicaId& id) const {
    const auto* known = origin(id);
    return known == nullptr ? 0 : known->last_stamp;
}

Fingerprint State::node_lines(const NodeKey& node) const {
    const auto at = nodes_.find(node);
    return at == nodes_.end() ? Fingerprint() : at->second.lines;
}

Version State::version() const {
    Version version;
    each_life([&](const ReplicaId& id, Seq seen, Stamp) {
        if (seen > 0) version.emplace_hint(version.end(), id, seen);
    });
    return version;
}

// -- writing
// -------------------------------------------------------------------------------------------------------------

Origin& State::touch(const ReplicaId& id) {
    const auto at = origins_.lower_bound(id);
    if (at != origins_.end() && at->first == id) return at->second;
    auto& node = nodes_[id.node];
    ++node.lives, ++lives_;
    return origins_.try_emplace(at, id, id, node)->second;
}

void State::count_in(Origin& origin, const Entry& entry) {
    const auto hash = entry_hash(entry);
    origin.sum += hash;
    fingerprint_ += hash;
}

void State::index(Handle handle, const HashedSlot& slot) {
    auto& entry = arena_.at(handle);
    if (entry.type() == Type::journal) {
        auto at = journals_.find(entry.key());
        if (at == journals_.end()) at = journals_.try_emplace(Bytes(entry.key())).first;
        at->second.insert(at->second.end(), &entry);  // most are the newest
    }
    if (in_table(entry)) slots_.link(handle, slot);
    origin_of(entry).live.set(entry.seq, handle);
    if (tracks_) touched_.push_back({&origin_of(entry), entry.seq});
    ++live_count_;
}

Handle State::insert(Origin& origin, Seq seq, const HashedSlot& slot, Stamp stamp, Depth depth, BytesView value,
                     bool sealed) {
    const auto handle = make(slot.slot, value);
    admit(handle, 0, origin, seq, slot.hash, stamp, depth, sealed);
    return handle;
}

void State::admit(Handle handle, Handle instead, Origin& origin, Seq seq, std::uint32_t slot_hash, Stamp stamp,
                  Depth depth, bool sealed) {
    auto& entry = arena_.at(handle);
    entry.origin = &origin;
    entry.seq = seq;
    entry.stamp = stamp;
    entry.depth = depth;
    entry.sealed = sealed;
    const HashedSlot slot{entry.slot(), slot_hash};
    if (instead == 0) {
        index(handle, slot);
    } else {
        const auto& old = arena_.at(instead);
        slots_.replace(instead, handle, slot);
        origin_of(old).live.clear(old.seq);
        origin.live.set(seq, handle);
        if (tracks_) touched_.insert(touched_.end(), {{&origin_of(old), old.seq}, {&origin, seq}});
        count_out(origin_of(old), old);
    }
    if (sealed) count_in(origin, entry);
}

void State::count_out(Origin& origin, const Entry& entry) {
    if (!entry.sealed && !mutant(Mutant::open_window_counts)) return;
    if (mutant(Mutant::fingerprint_only_grows)) return;
    const auto hash = entry_hash(entry);
    origin.sum -= hash;
    fingerprint_ -= hash;
}

void State::detach(Handle handle) {
    auto& entry = arena_.at(handle);
    auto& origin = origin_of(entry);
    if (entry.type() == Type::journal) {
        const auto at = journals_.find(entry.key());
        at->second.erase(&entry);
        if (at->second.empty() && !mutant(Mutant::empty_journals_stay)) journals_.erase(at);
    }
    if (in_table(entry)) slots_.unlink(handle);
    origin.live.clear(entry.seq);
    if (tracks_) touched_.push_back({&origin, entry.seq});
    --live_count_;
    count_out(origin, entry);
}

void State::attach(Handle handle) {
    auto& entry = arena_.at(handle);
    index(handle, slots_.hashed(entry.slot()));
    if (entry.sealed) count_in(origin_of(entry), entry);
}

void State::seal(Handle handle, Depth depth) {
    auto& entry = arena_.at(handle);
    STARLING_ASSERT(!entry.sealed, "an entry is sealed once");
    if (entry.depth != depth && !mutant(Mutant::window_keeps_depth)) {
        // A journal is ordered by depth, among other things. The index of seqs, over which a caller may go, stays as it
        // is.
        const bool ordered = entry.type() == Type::journal && !mutant(Mutant::journal_keeps_place);
        if (ordered) {
            auto& journal = journals_.find(entry.key())->second;
            auto node = journal.extract(&entry);
            entry.depth = depth;
            journal.insert(std::move(node));
        }
        entry.depth = depth;
    }
    entry.sealed = true;
    count_in(origin_of(entry), entry);
}

void State::raise(Origin& origin, Seq seen, Stamp last_stamp) {
    STARLING_ASSERT(seen >= origin.seen, "a version never goes back");
    const auto line = line_hash(origin.hash, seen);
    if (!mutant(Mutant::version_hash_only_grows)) version_hash_ -= origin.version_line;
    version_hash_ += line;
    origin.node->lines -= origin.version_line;
    origin.node->lines += line;
    origin.version_line = line;
    origin.seen = seen;
    origin.last_stamp = last_stamp;
}

// -- check
// ---------------------------------------------------------------------------------------------------------------

void State::check_origin(const Origin& origin) const {
    Fingerprint sum;
    origin.live.check();
    origin.live.each([&](Seq seq, Handle handle) {
        const auto& entry = arena_.at(handle);
        STARLING_ASSERT(entry.origin == &origin && entry.seq == seq, "an entry is filed under its dot");
        if (entry.sealed) sum += entry_hash(entry);
        if (entry.type() == Type::journal) {
            STARLING_ASSERT(journal(entry.key()).contains(&entry), "a live entry is in its journal");
        }
        if (!in_table(entry)) return;
        const auto in_slot = entries(entry.slot());
        STARLING_ASSERT(std::find(in_slot.begin(), in_slot.end(), &entry) != in_slot.end(),
                        "a live entry is in its slot");
    });
    STARLING_ASSERT(sum == origin.sum, "an origin's sum is that of its live entries");
    STARLING_ASSERT(origin.version_line == version_line_hash(origin.id, origin.seen), "a line's hash is kept");
}

void State::check() const {
    Fingerprint total, versions;
    std::map<NodeKey, NodeLives> nodes;
    std::size_t live = 0, indexed = slots_.check();
    for (const auto& [id, origin] : origins_) {
        STARLING_ASSERT(id == origin.id, "an origin is filed under its name");
        check_origin(origin);
        total += origin.sum;
        versions += origin.version_line;
        nodes[id.node].lines += origin.version_line;
        ++nodes[id.node].lives;
        live += origin.live.size();
    }
    for (const auto& [key, entries] : journals_) {
        STARLING_ASSERT(!entries.empty(), "no journal is empty");
        indexed += std::size_t(std::ranges::count_if(entries, [](const auto* entry) { return !in_table(*entry); }));
    }
    STARLING_ASSERT(live == indexed && live == live_count_, "the indexes hold the live entries and nothing else");
    STARLING_ASSERT(total == fingerprint_, "the fingerprint is the sum of the live entries");
    STARLING_ASSERT(versions == version_hash_, "the version hash is the sum of the seen seqs");
    STARLING_ASSERT(nodes == nodes_ && lives_ == origins_.size(), "a node has the lines of its lives");
}

}  // namespace starling::crdt
