#include "crdt/life_table.hpp"

#include <algorithm>

#include "crdt/assert.hpp"
#include "crdt/mutant.hpp"

namespace starling::crdt {

namespace {

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

}  // namespace

Origin::Origin(const ReplicaId& its_id, NodeLives& its_node) : id(its_id), node(&its_node), hash(hash_of(its_id)) {}

Fingerprint version_line_hash(const ReplicaId& id, Seq seen) {
    return line_hash(hash_of(id), seen);
}

Fingerprint version_hash(const Version& version) {
    Fingerprint sum;
    for (const auto& [id, seq] : version) sum += version_line_hash(id, seq);
    return sum;
}

// -- reading
// -------------------------------------------------------------------------------------------------------------

const Origin* LifeTable::origin(const ReplicaId& id) const {
    if (const auto* found = found_.find(id)) return found;
    const auto at = origins_.find(id);
    return at == origins_.end() ? nullptr : &*at;
}

std::optional<LifeLine> LifeTable::find(const ReplicaId& id) const {
    if (const auto* awake = origin(id)) return line_of(*awake);
    const auto node = nodes_.find(id.node);
    if (node == nodes_.end()) return std::nullopt;
    const auto dormant = node->second.dormant.find(id.life);
    return dormant ? std::optional(line_of(id.node, *dormant)) : std::nullopt;
}

// -- lines
// ---------------------------------------------------------------------------------------------------------------

NodeLives& LifeTable::node_of(const ReplicaId& id) {
    return nodes_[id.node];
}

// The hash comes by value: of a reference that is only copied on, g++ 12 believes that nobody reads it (-fipa-modref),
// and leaves out what would write it.
void LifeTable::raise_line(NodeLives& node, WideHash hash, Seq from, Seq to) {
    STARLING_ASSERT(to >= from, "a version never goes back");
    const auto before = line_hash(hash, from), after = line_hash(hash, to);
    if (!mutant(Mutant::version_hash_only_grows)) version_hash_ -= before;
    version_hash_ += after;
    node.lines -= before;
    node.lines += after;
}

bool LifeTable::add(const NodeKey& key, const DormantLife& line) {
    const ReplicaId id{key, line.life};
    if (find(id)) return false;
    auto& node = node_of(id);
    ++node.lives, ++lives_;
    raise_line(node, hash_of(id), 0, line.seen);
    node.dormant.put(line);
    return true;
}

void LifeTable::raise(Origin& origin, Seq seen, Stamp last_stamp) {
    raise_line(*origin.node, origin.hash, origin.seen, seen);
    origin.seen = seen;
    origin.last_stamp = last_stamp;
}

void LifeTable::raise(const ReplicaId& id, Seq seen, Stamp last_stamp) {
    if (const auto* awake = origin(id)) return raise(writable(*awake), seen, last_stamp);
    auto& node = node_of(id);
    auto line = node.dormant.find(id.life);
    if (!line) {
        add(id.node, {id.life, seen, last_stamp, 0});
        return;
    }
    raise_line(node, hash_of(id), line->seen, seen);
    line->seen = seen;
    line->last_stamp = last_stamp;
    node.dormant.put(*line);
}

void LifeTable::set_stored(const ReplicaId& id, std::uint32_t number) {
    if (const auto* awake = origin(id)) {
        writable(*awake).stored = number;
        return;
    }
    auto& node = node_of(id);
    auto line = node.dormant.find(id.life);
    STARLING_ASSERT(line, "who gets a number is known");
    line->stored = number;
    node.dormant.put(*line);
}

// -- waking and sleeping
// -------------------------------------------------------------------------------------------------

Origin& LifeTable::touch(const ReplicaId& id) {
    if (auto* found = found_.find(id)) return *found;
    const auto next = origins_.lower_bound(id);
    if (next != origins_.end() && next->id == id) {
        found_.keep(writable(*next), origins_.size());
        return writable(*next);
    }
    auto& node = node_of(id);
    const auto dormant = node.dormant.take(id.life);
    if (!dormant) ++node.lives, ++lives_;
    auto& origin = writable(*origins_.emplace_hint(next, id, node));
    if (dormant) {
        origin.seen = dormant->seen;
        origin.last_stamp = dormant->last_stamp;
        origin.stored = dormant->stored;
        // The store may hold less; then it is asked to forget what it never had.
        origin.stored_seen = dormant->stored == 0 ? 0 : dormant->seen;
    }
    found_.keep(origin, origins_.size());
    idle(origin);
    return origin;
}

void LifeTable::idle(Origin& origin) {
    if (origin.may_be_idle || origin.pins > 0) return;
    origin.may_be_idle = true;
    idle_.push_back(&origin);
}

void LifeTable::unpin(Origin& origin) {
    STARLING_ASSERT(origin.pins > 0, "a pin is taken off once");
    if (--origin.pins == 0 && origin.live.size() == 0) idle(origin);
}

void LifeTable::rest(bool all) {
    if (idle_.size() <= (all ? 0 : idle_max)) return;
    for (auto* origin : idle_) {
        origin->may_be_idle = false;
        if (origin->live.size() == 0 && origin->pins == 0) sleep(*origin);
    }
    idle_.clear();
}

void LifeTable::sleep(const Origin& origin) {
    origin.node->dormant.put({origin.id.life, origin.seen, origin.last_stamp, origin.stored});
    found_.drop(origin);
    origins_.erase(origins_.find(origin.id));
}

// -- check
// ---------------------------------------------------------------------------------------------------------------

void LifeTable::check() const {
    std::size_t lives = 0, awake = 0;
    Fingerprint versions;
    for (const auto& [key, node] : nodes_) {
        node.dormant.check();
        Fingerprint lines;
        std::size_t here = 0;
        std::optional<Life> before;
        each_of(key, [&](const LifeLine& line) {
            STARLING_ASSERT(line.id.node == key && (!before || *before < line.id.life), "a life is kept once");
            STARLING_ASSERT(line.origin == nullptr || line.origin->node == &node, "an origin knows its node");
            before = line.id.life;
            lines += version_line_hash(line.id, line.seen);
            awake += line.origin != nullptr ? 1 : 0;
            ++here;
        });
        STARLING_ASSERT(here == node.lives && lines == node.lines, "a node has the lines of its lives");
        lives += here;
        versions += lines;
    }
    STARLING_ASSERT(lives == lives_ && awake == origins_.size(), "lives are counted");
    STARLING_ASSERT(versions == version_hash_, "the version hash is the sum of the seen seqs");
    std::size_t listed = 0;
    for (const auto& origin : origins_) {
        listed += origin.may_be_idle ? 1 : 0;
        const auto* found = found_.find(origin.id);
        STARLING_ASSERT(found == nullptr || found == &origin, "what was found last is where it was");
        STARLING_ASSERT(origin.may_be_idle || origin.pins > 0 || origin.live.size() > 0,
                        "whoever has nothing live is to be looked at");
    }
    STARLING_ASSERT(listed == idle_.size(), "those to be looked at are listed once");
}

}  // namespace starling::crdt
