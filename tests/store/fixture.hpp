// A replica with a store under it, as a peer has it, and what must be found in the store again.
#pragma once

#include <map>
#include <memory>
#include <string>

#include <doctest/doctest.h>

#include "crdt/clock.hpp"
#include "crdt/difference.hpp"
#include "crdt/export.hpp"
#include "crdt/views.hpp"
#include "sim/disk.hpp"
#include "store/store.hpp"

namespace starling::testing {

using namespace starling::crdt;

/// Small enough that a few writes begin a fold, that a fold takes several commits, and that the log is trimmed.
inline store::RecorderLimits small_limits() {
    store::RecorderLimits limits;
    limits.log_bytes_max = 4'000;
    limits.fold_log_bytes = 1'500;
    limits.fold_rows_min = 3;
    return limits;
}

inline std::string words_of(const store::StoreFault& fault) {
    return fault.what + " [" + std::to_string(int(fault.code)) + "]";
}

/// One open of a store.
class Stored {
  public:
    using Opened = store::Outcome<std::unique_ptr<Stored>>;
    static Opened open(const store::StoreOptions& options, const NodeKey& node, sim::Random random,
                       const store::RecorderLimits& limits = small_limits()) {
        auto opened = store::Store::open(options);
        if (!opened) return opened.fault();
        std::unique_ptr<Stored> stored(new Stored(node, random, options.space));
        auto loaded = (*opened)->load(stored->replica);
        if (!loaded) return loaded.fault();
        stored->log = loaded->log;
        stored->store = std::move(*opened);
        stored->recorder.emplace(stored->replica, std::move(*loaded), limits);
        return stored;
    }

    store::Mark mark() const { return {replica.state().version_hash(), replica.state().fingerprint()}; }

    /// One transaction of some writes, cut.
    store::ChangesetPtr write() {
        if (!replica.self()) {
            ReplicaId self{node_, random_.next()};
            replica.begin_life(self);
        }
        if (random_.chance(200)) {
            Transaction given_up(replica, clock_.next(now_us()));
            write_one(given_up);
        }
        Transaction tx(replica, clock_.next(now_us()));
        for (auto left = random_.between(1, 4); left > 0; --left) write_one(tx);
        REQUIRE(bool(tx.commit()));
        auto cut = replica.cut();
        if (!cut) return nullptr;
        auto changeset = std::make_shared<const Changeset>(std::move(*cut));
        recorder->applied(changeset, now_us());
        return changeset;
    }
    /// Another's changeset, unless it is here already.
    void hear(const store::ChangesetPtr& changeset) {
        const auto body = decode_body(*changeset);
        if (changeset->last() <= replica.state().seen(changeset->origin)) return;
        replica.bookkeeping().rest(true);
        REQUIRE_FALSE(replica.missing(*changeset, body));
        static_cast<void>(replica.apply(*changeset, body));
        recorder->applied(changeset, now_us());
    }
    void diff_with(const Replica& other) {
        const auto difference = answer(other, replica.state().version(), {});
        REQUIRE(bool(valid_difference(replica, difference)));
        static_cast<void>(apply_difference(replica, difference));
        recorder->replaced();
    }
    std::uint64_t now_us() { return now_us_ += 1'000; }

    Replica replica;
    std::unique_ptr<store::Store> store;
    std::optional<store::Recorder> recorder;
    std::vector<store::LogRow> log;

  private:
    Stored(const NodeKey& node, sim::Random random, SpaceId space) : replica(space), node_(node), random_(random) {}

    void write_one(Transaction& tx) {
        const auto field = pack_int(std::int64_t(random_.below(12)));
        const auto number = random_.below(1000);
        const auto text = Bytes(random_.below(60), 'x') + std::to_string(number);
        switch (random_.below(7)) {
            case 0:
                return Counter::add(tx, "count", 1);
            case 1:
                return Set::add(tx, "set", field);
            case 2:
                return Set::remove(tx, "set", field);
            case 3:
                return Map::erase(tx, "map", field);
            case 4:
                return Journal::append(tx, "journal", pack_str(text));
            default:
                return Map::put(tx, "map", field, pack_str(text));
        }
    }

    NodeKey node_;
    sim::Random random_;
    Clock clock_;
    std::uint64_t now_us_ = 1'700'000'000'000'000;
};

/// Writes on two nodes that hear each other, one of which has a disk. What it says is durable is written down outside,
/// as an application would that trusts it.
class Workload {
  public:
    Workload(sim::VirtualDisk& disk, std::uint64_t seed) : disk_(disk), random_(seed), other_random_(random_.fork()) {
        other_.begin_life({{9}, 77});
    }

    store::StoreOptions options() { return {"node", 0, &disk_, true, checkpoint_pages}; }
    int checkpoint_pages = 12;  ///< a few commits
    store::Outcome<bool> open() {
        auto opened = Stored::open(options(), {1}, random_.fork());
        if (!opened) return opened.fault();
        stored = std::move(*opened);
        return true;
    }

    /// Something happens, and is committed if `commit`.
    store::Outcome<bool> step() {
        const auto what = random_.below(10);
        if (what < 5) {
            if (auto changeset = stored->write()) own(changeset);
        } else if (what < 9) {
            for (auto left = random_.between(1, 3); left > 0; --left) write_elsewhere();
            for (const auto& changeset : others_) hear(changeset);
        } else {
            for (auto left = random_.between(1, 3); left > 0; --left) write_elsewhere();
            stored->diff_with(other_);
        }
        if (random_.chance(300)) return true;  // a commit of more than one
        return commit();
    }
    store::Outcome<bool> commit() {
        auto batch = stored->recorder->take(stored->now_us());
        if (!batch) return true;
        marks_[batch->place] = stored->mark();
        return carry_out(*batch);
    }
    /// Also again, after a fault that may pass.
    store::Outcome<bool> carry_out(const store::Batch& batch) {
        pending = batch;
        auto committed = stored->store->commit(batch);
        if (!committed) return committed;
        pending.reset();
        acknowledged_ = batch.place;
        // Only now does what was written here leave.
        for (const auto& changeset : std::exchange(unsent_, {})) {
            const auto body = decode_body(*changeset);
            if (!other_.missing(*changeset, body)) static_cast<void>(other_.apply(*changeset, body));
        }
        return committed;
    }

    /// Opens what the disk holds by now and holds it against what was acknowledged. What is wrong, if anything.
    std::optional<std::string> reopen() {
        stored.reset();
        pending.reset();
        unsent_.clear();
        if (auto opened = open(); !opened) return words_of(opened.fault());
        const auto place = stored->recorder->place();
        if (place < acknowledged_)
            return "acknowledged up to " + std::to_string(acknowledged_) + ", found " + std::to_string(place);
        const auto mark = marks_.find(place);
        const auto expected = mark == marks_.end() ? store::Mark{} : mark->second;
        if (place > 0 && mark == marks_.end()) return "half a commit was found";
        if (stored->mark() != expected) return "the state is not the one that was written";
        stored->replica.check();
        stored->recorder->check();
        for (const auto& row : stored->log) {
            if (!ledger_holds(*row.changeset)) return "a changeset has changed";
        }
        return {};
    }
    /// Was it written like this?
    bool ledger_holds(const Changeset& changeset) const {
        const auto at = ledger_.find({changeset.origin, changeset.first});
        return at != ledger_.end() && at->second == encode_changeset(changeset);
    }
    std::optional<std::string> dots_used_twice;
    std::unique_ptr<Stored> stored;
    std::optional<store::Batch> pending;  ///< that was not committed

  private:
    void own(const store::ChangesetPtr& changeset) {
        unsent_.push_back(changeset);
        note(*changeset);
    }
    void note(const Changeset& changeset) {
        const auto [at, is_new] = ledger_.try_emplace({changeset.origin, changeset.first}, encode_changeset(changeset));
        if (!is_new && at->second != encode_changeset(changeset)) dots_used_twice = "a dot was used twice";
    }
    /// What depends on more than is here is left for a diff.
    void hear(const store::ChangesetPtr& changeset) {
        const auto body = decode_body(*changeset);
        if (changeset->first != stored->replica.state().seen(changeset->origin) + 1) return;
        if (!stored->replica.missing(*changeset, body)) stored->hear(changeset);
    }
    void write_elsewhere() {
        Transaction tx(other_, ++stamp_);
        const auto field = pack_int(std::int64_t(other_random_.below(12)));
        other_random_.chance(300) ? Map::erase(tx, "map", field) : Map::put(tx, "map", field, pack_int(stamp_ % 100));
        if (other_random_.chance(200)) Counter::add(tx, "count", 5);
        REQUIRE(bool(tx.commit()));
        if (auto cut = other_.cut()) {
            others_.push_back(std::make_shared<const Changeset>(std::move(*cut)));
            note(*others_.back());
        }
    }

    sim::VirtualDisk& disk_;
    sim::Random random_, other_random_;
    Replica other_{0};
    std::int64_t stamp_ = 0;
    std::vector<store::ChangesetPtr> others_, unsent_;
    std::map<store::Place, store::Mark> marks_;
    std::map<Dot, Bytes> ledger_;
    store::Place acknowledged_ = 0;
};

}  // namespace starling::testing
