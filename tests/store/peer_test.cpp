// Peers with stores, on links that carry everything: what waits for the disk, and what comes back from it.
#include "peer/peer.hpp"

#include <deque>

#include "gossip/wire.hpp"
#include "peer/seal_check.hpp"
#include "sim/fake_sealer.hpp"
#include "tests/store/fixture.hpp"

using namespace starling;
using namespace starling::testing;

namespace {

/// Some peers, each at the end of links to others; those with a disk commit only when told.
class Links {
  public:
    explicit Links(bool sealed = false) : sealed_(sealed) {}

    struct End {
        NodeKey name{};
        std::unique_ptr<sim::VirtualDisk> disk;
        std::unique_ptr<store::Store> store;
        std::unique_ptr<peer::Peer> peer;
        std::optional<store::Batch> failed;  ///< a batch that is to be committed again
        gossip::MeshId mesh{};
    };

    std::size_t add(bool stored, std::optional<NodeKey> name = {}) {
        const auto i = ends_.size();
        ends_.emplace_back();
        auto& end = ends_.back();
        end.name = name.value_or(NodeKey{std::uint8_t(i + 1)});
        if (stored) end.disk = std::make_unique<sim::VirtualDisk>(sim::Random{i});
        open(i);
        return i;
    }
    void open(std::size_t i) {
        auto& end = ends_[i];
        peer::Options options;
        options.node = end.name;
        options.random = [this] { return random_.next(); };
        if (sealed_) options.sealer = std::make_shared<const sim::FakeSealer>(end.name);
        options.mesh = end.mesh;
        if (end.disk == nullptr) {
            end.peer = std::make_unique<peer::Peer>(std::move(options));
            return;
        }
        auto store = store::Store::open({"node", 0, end.disk.get()});
        REQUIRE(bool(store));
        end.store = std::move(*store);
        auto peer = peer::Peer::open(std::move(options), *end.store, now(), small_limits());
        REQUIRE(bool(peer));
        end.peer = std::move(*peer);
    }
    /// The power goes, and comes back.
    void crash(std::size_t i) {
        for (std::size_t j = 0; j < ends_.size(); ++j) unlink(i, j);
        auto& end = ends_[i];
        end.disk->cut();
        end.peer.reset();
        end.store.reset();
        end.disk->power_on();
        open(i);
    }

    void link(std::size_t a, std::size_t b) {
        links_.insert({std::min(a, b), std::max(a, b)});
        handle(a, gossip::LinkUp{ends_[b].name});
        handle(b, gossip::LinkUp{ends_[a].name});
    }
    void unlink(std::size_t a, std::size_t b) {
        if (links_.erase({std::min(a, b), std::max(a, b)}) == 0) return;
        std::erase_if(wire_, [&](const auto& f) { return (f.from == a && f.to == b) || (f.from == b && f.to == a); });
        handle(a, gossip::LinkDown{ends_[b].name});
        handle(b, gossip::LinkDown{ends_[a].name});
    }

    peer::Peer& at(std::size_t i) { return *ends_[i].peer; }
    End& end(std::size_t i) { return ends_[i]; }
    template <class Write>
    peer::Commit write(std::size_t i, Write write) {
        auto commit = at(i).write(now(), write);
        REQUIRE(bool(commit));
        handle(i, gossip::Written{});
        return *commit;
    }
    peer::Commit add_to_counter(std::size_t i) {
        return write(i, [](Transaction& tx) { Counter::add(tx, "n", 1); });
    }
    /// What there is to commit is committed; false where the disk would not.
    bool commit(std::size_t i) {
        auto& end = ends_[i];
        auto batch = end.failed ? std::exchange(end.failed, {}) : at(i).take_batch(now());
        if (!batch) return true;
        if (!end.store->commit(*batch)) {
            end.failed = std::move(batch);
            return false;
        }
        handle(i, gossip::DurableUpTo{batch->place});
        return true;
    }
    /// Time passes. Nobody commits.
    void run(std::uint64_t ms) {
        for (const auto until_us = now_us_ + ms * 1'000; now_us_ < until_us; now_us_ += 1'000) {
            for (; !wire_.empty(); wire_.pop_front()) {
                const auto frame = wire_.front();
                handle(frame.to, gossip::Received{ends_[frame.from].name, frame.bytes});
            }
            for (std::size_t i = 0; i < ends_.size(); ++i) {
                handle(i, gossip::Tick{});
                at(i).check();
            }
        }
    }
    void run_and_commit(std::uint64_t ms) {
        for (std::uint64_t i = 0; i < ms; ++i) {
            run(1);
            for (std::size_t j = 0; j < ends_.size(); ++j) commit(j);
        }
    }
    gossip::Now now() const { return {now_us_, 1'700'000'000'000'000 + now_us_}; }
    void handle(std::size_t i, const gossip::Input& input) {
        auto effects = at(i).handle(input, now());
        for (auto& send : effects.sends) {
            // Of two with one name, the one that has the link.
            for (std::size_t j = 0; j < ends_.size(); ++j) {
                if (ends_[j].name == send.peer && links_.contains({std::min(i, j), std::max(i, j)}))
                    wire_.push_back({i, j, std::move(send.bytes)});
            }
        }
    }

  private:
    struct Frame {
        std::size_t from, to;
        Bytes bytes;
    };
    bool sealed_;
    sim::Random random_{1};
    std::deque<End> ends_;
    std::set<std::pair<std::size_t, std::size_t>> links_;
    std::deque<Frame> wire_;
    std::uint64_t now_us_ = 1'000'000;
};

std::int64_t count(const peer::Peer& peer) {
    return Counter::read(peer.state(), "n");
}

}  // namespace

TEST_CASE("own changesets and what a node says it holds wait for the disk; what others wrote passes at once") {
    Links links;
    const auto stored = links.add(true), left = links.add(false), right = links.add(false);
    links.link(stored, left);
    links.link(stored, right);
    links.run_and_commit(200);
    const auto commit = links.add_to_counter(stored);
    links.run(1'000);
    CHECK(count(links.at(stored)) == 1);
    CHECK_FALSE(links.at(stored).durable(commit.last));
    CHECK(links.at(left).version().empty());
    CHECK(links.at(left).status().links[0].behind == 0);  // it has not even heard of it

    links.add_to_counter(left);
    links.run(1'000);
    CHECK(count(links.at(right)) == 1);                // passed on
    CHECK(links.at(left).status().links[0].lag == 1);  // but not acknowledged
    CHECK_FALSE(links.at(left).synced());

    REQUIRE(links.commit(stored));
    CHECK(links.at(stored).durable(commit.last));
    links.run_and_commit(1'000);
    for (const auto i : {stored, left, right}) {
        CHECK(count(links.at(i)) == 2);
        CHECK(links.at(i).synced());
    }
}

TEST_CASE("a hello waits for the disk, and a pull does not get what is not on it, whatever it asks for") {
    Links links;
    const auto stored = links.add(true), other = links.add(false);
    const auto first = links.add_to_counter(stored);
    links.run_and_commit(50);
    links.add_to_counter(stored);
    links.run(50);
    links.link(stored, other);
    links.run(500);
    CHECK(links.at(other).version().empty());

    const NodeKey curious{99};
    gossip::RefSender refs_out;
    gossip::RefReceiver refs_in;
    links.handle(stored, gossip::LinkUp{curious});
    const auto pull = gossip::encode(0, gossip::Pull{1, {{first.last.replica, 1, 1'000}}}, refs_out);
    const auto effects = links.at(stored).handle(gossip::Received{curious, pull}, links.now());
    std::size_t got = 0;
    for (const auto& send : effects.sends) {
        auto answer = gossip::decode(0, send.bytes, refs_in);
        REQUIRE(bool(answer));
        const auto* changesets = std::get_if<gossip::Changesets>(&*answer);
        REQUIRE(changesets != nullptr);
        for (const auto& changeset : changesets->changesets) CHECK(changeset.last() <= first.last.seq);
        got += changesets->changesets.size();
    }
    CHECK(got == 1);
    links.run_and_commit(500);
    CHECK(count(links.at(other)) == 2);
}

TEST_CASE("what was not durable when the power went is nowhere, and no dot is used twice") {
    Links links;
    const auto stored = links.add(true), other = links.add(false);
    links.link(stored, other);
    const auto first = links.add_to_counter(stored);
    links.run_and_commit(300);
    CHECK(count(links.at(other)) == 1);
    const auto second = links.add_to_counter(stored);
    links.run(300);
    links.crash(stored);
    CHECK(count(links.at(stored)) == 1);
    const auto third = links.add_to_counter(stored);
    CHECK(third.last.replica != first.last.replica);
    CHECK(second.last.replica == first.last.replica);
    links.link(stored, other);
    links.run_and_commit(500);
    CHECK(count(links.at(stored)) == 2);
    CHECK(count(links.at(other)) == 2);
    CHECK(links.at(other).status().counters.faults == 0);
}

TEST_CASE("two copies of a disk under one name write apart and meet later: both keep all that either wrote") {
    Links links;
    const auto hub = links.add(false);
    const auto original = links.add(true);
    links.link(hub, original);
    for (int i = 0; i < 3; ++i) links.add_to_counter(original);
    links.run_and_commit(300);
    const auto image = links.end(original).disk->image();
    const auto copy = links.add(true, links.end(original).name);
    links.end(copy).peer.reset();
    links.end(copy).store.reset();
    links.end(copy).disk->put(image);
    links.open(copy);
    links.unlink(hub, original);
    CHECK(count(links.at(copy)) == 3);
    const auto one = links.add_to_counter(original), other = links.add_to_counter(copy);
    CHECK(one.last.replica.node == other.last.replica.node);
    CHECK(one.last.replica.life != other.last.replica.life);
    for (int i = 0; i < 4; ++i) links.add_to_counter(copy);
    for (const auto who : {copy, original, copy, original, copy}) {
        links.link(hub, who);
        links.run_and_commit(600);
        links.unlink(hub, who);
    }
    for (const auto i : {hub, original, copy}) {
        CHECK(count(links.at(i)) == 3 + 1 + 5);
        CHECK(links.at(i).status().counters.faults == 0);
        CHECK(links.at(i).state().fingerprint() == links.at(hub).state().fingerprint());
    }
}

TEST_CASE("a full disk stops writing and nothing else, until there is space") {
    Links links;
    const auto stored = links.add(true), other = links.add(false);
    links.link(stored, other);
    links.run_and_commit(100);
    links.end(stored).disk->fail({1, store::DiskError::full, true, true, true});
    const auto first = links.add_to_counter(stored);
    links.run(50);
    REQUIRE_FALSE(links.commit(stored));
    auto& end = links.end(stored);
    CHECK(end.store->fault()->code == store::StoreFaultCode::full);
    end.peer->refuse_writes(end.store->fault()->what);
    const auto refused = end.peer->write(links.now(), [](Transaction& tx) { Counter::add(tx, "n", 1); });
    REQUIRE_FALSE(bool(refused));
    CHECK(refused.fault().what.find("no space is left") != std::string::npos);
    links.add_to_counter(other);
    links.run_and_commit(500);
    CHECK(count(*end.peer) == 2);  // it still listens
    CHECK(count(links.at(other)) == 1);
    CHECK_FALSE(end.peer->durable(first.last));
    end.disk->heal();
    REQUIRE(links.commit(stored));
    end.peer->refuse_writes({});
    links.add_to_counter(stored);
    links.run_and_commit(500);
    CHECK(end.peer->durable(first.last));
    CHECK(count(links.at(other)) == 3);
    links.crash(stored);
    CHECK(count(links.at(stored)) == 3);
}

TEST_CASE("a node that comes back serves others out of the log that it kept, and its clock goes on") {
    Links links;
    const auto stored = links.add(true);
    for (int i = 0; i < 20; ++i) {
        links.write(stored, [&](Transaction& tx) { Map::put(tx, "m", pack_int(i), pack_int(i)); });
        links.run_and_commit(5);
    }
    links.write(stored, [&](Transaction& tx) { Map::put(tx, "m", pack_str("late"), pack_int(1)); });
    links.run_and_commit(10);
    const auto version = links.at(stored).version();
    links.handle(stored, gossip::Flush{});
    auto last = links.at(stored).take_last_batch(links.now());
    REQUIRE(last.has_value());
    REQUIRE(bool(links.end(stored).store->commit(*last)));
    links.crash(stored);
    CHECK(links.at(stored).version() == version);
    CHECK(links.at(stored).state().touched_count() == 0);  // nothing was to be replayed
    const auto newcomer = links.add(false);
    links.link(stored, newcomer);
    links.run_and_commit(1'000);
    CHECK(links.at(newcomer).version() == version);
    CHECK(links.at(newcomer).counters().diffs == 0);
    CHECK(links.at(newcomer).counters().changesets_received >= 20);
}

TEST_CASE("in memory mode there is nothing to commit") {
    Links links;
    const auto peer = links.add(false);
    const auto commit = links.add_to_counter(peer);
    links.run(50);
    CHECK_FALSE(links.at(peer).take_batch(links.now()));
    CHECK_FALSE(links.at(peer).take_last_batch(links.now()));
    CHECK_FALSE(links.at(peer).durable(commit.last));
}

TEST_CASE("what a disk holds is proven to the next peer after the power went, and nothing is signed twice") {
    Links links(true);
    const auto writer = links.add(true), relay = links.add(true);
    links.link(writer, relay);
    for (int i = 0; i < 5; ++i) {
        links.add_to_counter(writer);
        links.run_and_commit(20);
    }
    links.add_to_counter(writer);  // neither durable nor sealed
    links.run(20);
    links.crash(writer);
    links.crash(relay);
    const auto next = links.add(false);
    links.link(relay, next);
    links.run_and_commit(500);
    CHECK(count(links.at(next)) == 5);
    CHECK(links.at(next).counters().diffs == 0);  // out of the log
    links.link(writer, relay);
    links.run_and_commit(200);
    links.add_to_counter(writer);
    links.run_and_commit(500);
    for (const auto i : {writer, relay, next}) {
        CHECK(count(links.at(i)) == 6);
        const auto counters = links.at(i).counters();
        CHECK(counters.seals_failed + counters.unsealed + counters.forks == 0);
    }
}

TEST_CASE("the proof of two histories outlives the power") {
    const NodeKey liar{77};
    const auto sealer = std::make_shared<const sim::FakeSealer>(liar);
    const gossip::Sealing sealing(sealer, {}, 0);
    const auto told = [&](std::uint64_t depth) {
        Changeset changeset;
        changeset.origin = {liar, 1};
        changeset.first = changeset.count = 1;
        changeset.depth = depth;
        changeset.body = encode_body(changeset, {});
        gossip::Seal seal{changeset.origin, 1, 1, {}, sealing.next({}, changeset), {}};
        sealing.sign(seal);
        gossip::SealedRun run{changeset.origin, {}, {{1, 1, {}, seal.signature}}};
        return gossip::Changesets{0, {}, {changeset}, {run}};
    };
    Links links(true);
    const auto node = links.add(true);
    gossip::RefSender refs;
    links.handle(node, gossip::LinkUp{liar});
    for (const std::uint64_t depth : {1, 2})
        links.handle(node, gossip::Received{liar, gossip::encode(0, told(depth), refs)});
    REQUIRE(links.at(node).status().forks.size() == 1);
    REQUIRE(links.commit(node));
    links.crash(node);
    const auto status = links.at(node).status();
    REQUIRE(status.forks.size() == 1);
    CHECK(status.forks[0].conclusive());
    CHECK(status.forks[0].here.replica.node == liar);
}

TEST_CASE("a check finds a seal that is not its origin's, and changesets that are not what was signed") {
    Links links(true);
    const auto a = links.add(true), b = links.add(true);
    links.link(a, b);
    for (int i = 0; i < 5; ++i) {
        links.add_to_counter(a);
        links.run_and_commit(50);
    }
    auto& end = links.end(b);
    end.peer.reset();
    const auto verifier = std::make_shared<const sim::FakeSealer>(end.name);
    const auto check = [&] {
        end.store.reset();
        auto store = store::Store::open({"node", 0, end.disk.get()});
        REQUIRE(bool(store));
        end.store = std::move(*store);
        return peer::check_seals(*end.store, verifier);
    };
    const auto verified = check();
    REQUIRE(bool(verified));
    CHECK(*verified >= 5);
    Replica replica(0, {});
    const auto loaded = end.store->load(replica);
    REQUIRE(bool(loaded));
    const auto sealed =
        std::find_if(loaded->log.begin(), loaded->log.end(), [](const auto& row) { return !row.seal.empty(); });
    REQUIRE(sealed != loaded->log.end());
    const auto said_of = [&](const Changeset& changeset, const Bytes& seal) {
        store::Batch batch;
        batch.place = loaded->place;
        batch.log.push_back({sealed->place, sealed->at_us, std::make_shared<const Changeset>(changeset), seal});
        REQUIRE(bool(end.store->commit(batch)));
        const auto checked = check();
        return checked ? std::string() : checked.fault().what;
    };
    auto changed = *sealed->changeset;
    changed.depth += 1;
    CHECK(said_of(changed, sealed->seal).find("not what was signed") != std::string::npos);
    auto seal = gossip::decode_seal(sealed->seal);
    REQUIRE(seal);
    seal->signature[0] ^= 1;
    CHECK(said_of(*sealed->changeset, gossip::encode_seal(*seal)).find("signature") != std::string::npos);
    CHECK(said_of(*sealed->changeset, "no seal").find("is not that of its changeset") != std::string::npos);
    CHECK(said_of(*sealed->changeset, sealed->seal).empty());
}

TEST_CASE("data that comes into another mesh is not handed on with the seals of the one before") {
    Links links(true);
    const auto writer = links.add(true), moved = links.add(true);
    links.link(writer, moved);
    for (int i = 0; i < 5; ++i) {
        links.add_to_counter(writer);
        links.run_and_commit(20);
    }
    links.end(moved).mesh = {9};
    links.crash(moved);
    const auto verifier = std::make_shared<const sim::FakeSealer>(links.end(moved).name);
    const auto member = links.add(false);
    links.end(member).mesh = {9};
    links.open(member);
    links.link(moved, member);
    links.add_to_counter(moved);
    links.run_and_commit(2'000);
    CHECK(count(links.at(member)) == 6);
    CHECK(links.at(member).counters().seals_failed == 0);
    CHECK(links.at(member).counters().diffs > 0);
    // Both meshes' seals are good for a check, and nothing else is.
    links.end(moved).peer.reset();
    const auto verified = peer::check_seals(*links.end(moved).store, verifier);
    REQUIRE(bool(verified));
    CHECK(*verified >= 6);
}
