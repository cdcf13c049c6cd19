#include "tests/fuzz/actors.hpp"

#include <array>

#include "crdt/assert.hpp"
#include "crdt/codec.hpp"
#include "crdt/limits.hpp"
#include "crdt/transaction.hpp"
#include "crdt/views.hpp"

namespace starling::fuzz {

using namespace crdt;

ReplicaId actor(std::uint64_t number) {
    return {{std::uint8_t(number + 1)}, number + 1};
}

// -- honest replicas
// -----------------------------------------------------------------------------------------------------

namespace {

Bytes small_field(Choices& choices) {
    return pack_int(std::int64_t(choices.below(3)));
}

void operate(Transaction& tx, Choices& choices) {
    const BytesView key = choices.flag() ? "k" : "key";
    switch (choices.below(16)) {
        case 0:
            return Counter::add(tx, key, std::int64_t(choices.number()));
        case 1:
        case 2:
            return Set::add(tx, key, small_field(choices));
        case 3:
            return Set::remove(tx, key, small_field(choices));
        case 4:
        case 5:
            return Map::put(tx, key, small_field(choices), pack_int(std::int64_t(choices.number())));
        case 6:
            return Map::erase(tx, key, small_field(choices));
        case 7:
            return Register::set(tx, key, pack_str(choices.bytes(choices.below(40))));
        case 8:
            return Register::clear(tx, key);
        case 9:
            return MultiValue::set(tx, key, pack_int(choices.byte()));
        case 10:
            return MultiValue::clear(tx, key);
        case 11:
            return Flag::set(tx, key, choices.flag());
        case 12:
        case 13:
            return Journal::append(tx, key, pack_int(choices.byte()));
        case 14: {
            const auto entries = explain(tx.state(), slot_of(Type::journal, key));
            if (!entries.empty()) tx.trim(key, entries[choices.below(entries.size())].dot);
            return;
        }
        default:  // what a transaction refuses, or what another build's types are
            return tx.put({Type(choices.below(128)), Bytes(choices.bytes(choices.below(8))),
                           Bytes(choices.bytes(1 + choices.below(4)))},
                          Bytes(choices.bytes(1 + choices.below(4))));
    }
}

}  // namespace

void write(Replica& replica, std::uint64_t number, Choices& choices, std::vector<Changeset>& out) {
    if (!replica.self()) replica.begin_life(actor(number));
    if (Transaction::must_cut_first(replica)) cut(replica, out);
    while (!replica.window_open() && replica.heads_full()) out.push_back(replica.merge_heads());
    // Own stamps only grow, and a clock set wrong makes them leap.
    const auto version = replica.state().version();
    const Stamp stamp = (seen(version, actor(number)) + replica.window_dots()) * 10 + choices.below(10);
    Transaction tx(replica, stamp);
    for (auto operations = 1 + choices.below(3); operations > 0; --operations) operate(tx, choices);
    if (choices.below(8) == 7) return tx.rollback();
    (void)tx.commit();
}

void cut(Replica& replica, std::vector<Changeset>& out) {
    if (auto changeset = replica.cut()) out.push_back(std::move(*changeset));
}

// -- strangers
// -----------------------------------------------------------------------------------------------------------

namespace {

/// A body written from its grammar (docs/wire.md), valid in most of what it says.
class BodyText {
  public:
    BodyText(const Changeset& header, Choices& choices) : choices_(choices) {
        out_.uint(choices.below(32) == 31 ? 2 : 1);  // the format
        at_ = header.first;
        for (auto puts = choices.below(4); puts > 0 && at_ <= header.last(); --puts) put();
        for (std::uint64_t trim = 0; trim < 2; ++trim) {
            for (std::uint64_t place = 0; place <= header.refs.size(); ++place) {
                if (choices.below(3) == 0) removal(trim, place);
            }
        }
        if (choices.below(64) == 63) out_.uint(10);  // an operation kind of a newer build
    }
    Bytes take() { return out_.take(); }

  private:
    void front_coded(Bytes& before, const Bytes& text) {
        const auto shared =
            std::size_t(std::mismatch(before.begin(), before.end(), text.begin(), text.end()).first - before.begin());
        out_.uint(shared).str(BytesView(text).substr(shared));
        before = text;
    }
    void put() {
        const auto gap = choices_.below(4) == 3 ? 1 + choices_.below(2) : 0;
        const Stamp leap = choices_.flag() ? 0 : choices_.number();
        // The type, key and field of a stranger are those that honest replicas write too, or the mesh's own.
        static constexpr std::array<const char*, 4> keys{"k", "key", "k2", "$mesh/k"};
        const Bytes key = keys.at(choices_.below(keys.size()));
        const auto type = choices_.below(9);
        const bool keyed = type == std::uint64_t(Type::set) || type == std::uint64_t(Type::map);
        const auto field = keyed ? small_field(choices_) : packed_nil();
        const bool same = key == key_ && type == type_;
        out_.uint((same ? 1U : 0U) | (gap > 0 ? 2U : 0U) | (leap > 0 ? 4U : 0U));
        if (gap > 0) out_.uint(gap);
        at_ += gap + 1;
        if (!same) {
            out_.uint(type);
            front_coded(key_, key);
            type_ = type;
        }
        front_coded(field_, field);
        if (leap > 0) out_.uint(leap);
        if (choices_.below(8) == 7) {
            out_.raw(choices_.bytes(1 + choices_.below(8)));
        } else {
            out_.sint(std::int64_t(choices_.number()));
        }
    }
    void removal(std::uint64_t trim, std::uint64_t place) {
        const auto runs = 1 + choices_.below(2);
        out_.uint(8 + trim).uint(place).uint(runs);
        for (std::uint64_t run = 0; run < runs; ++run)
            out_.uint((place == 0 && run > 0 ? 2 : 1) + choices_.below(3)).uint(1 + choices_.below(3));
    }

    Choices& choices_;
    Writer out_;
    Seq at_ = 0;
    std::uint64_t type_ = 128;
    Bytes key_, field_;
};

}  // namespace

Changeset strange(std::uint64_t number, Seq next, Choices& choices) {
    Changeset changeset;
    changeset.origin = actor(number);
    changeset.first = next;
    changeset.count = 1 + choices.below(5);
    changeset.depth = std::clamp<Depth>(choices.number(), 1, depth_max);
    const auto deps = choices.byte(), refs = choices.byte();
    for (std::uint64_t other = 0; other < actors; ++other) {
        if (other == number) continue;
        if ((deps >> other & 1) != 0 && deps < 128) changeset.deps.push_back({actor(other), 1 + choices.below(6)});
        if ((refs >> other & 1) != 0) changeset.refs.push_back(actor(other));
    }
    switch (choices.below(8)) {
        case 0:
            changeset.body = choices.bytes(choices.below(64));
            break;
        case 1:
            changeset.body = choices.mutated(BodyText(changeset, choices).take());
            break;
        default:
            changeset.body = BodyText(changeset, choices).take();
    }
    STARLING_ASSERT(valid_header(changeset), "a stranger's header is valid");
    return changeset;
}

// -- delivery
// ------------------------------------------------------------------------------------------------------------

void deliver(Replica& replica, std::vector<Changeset>& inbox) {
    for (bool progress = true; progress;) {
        progress = false;
        for (auto at = inbox.begin(); at != inbox.end();) {
            const auto& changeset = *at;
            const auto body = decode_body(changeset);
            const bool newer = !body && body.fault().code == FaultCode::unknown_kind;
            const bool covered = changeset.last() <= replica.state().seen(changeset.origin);
            const bool waits = !covered && !newer && replica.missing(changeset, body);
            if (!covered && !newer && !waits) {
                replica.apply(changeset, body);
                progress = true;
            }
            at = waits ? std::next(at) : inbox.erase(at);
        }
    }
}

void must_be_equal(const Replica& a, const Replica& b) {
    const auto &x = a.state(), &y = b.state();
    STARLING_ASSERT(x.version() == y.version() && x.version_hash() == y.version_hash(), "the versions are equal");
    STARLING_ASSERT(x.fingerprint() == y.fingerprint() && x.live_count() == y.live_count(),
                    "equal versions hold equal states");
    STARLING_ASSERT(a.heads() == b.heads() && a.depth() == b.depth(), "equal versions have equal heads");
    x.each_live([&](const Dot&, const LooseEntry& entry) {
        STARLING_ASSERT(reading(x, entry.slot) == reading(y, entry.slot), "equal states read the same");
    });
}

}  // namespace starling::fuzz
