// Whole sessions of the state diff between peers, large enough that their sets are compared by sketches, while writes
// go on, changesets come by other links and links die. What was added and never removed is there in the end, nothing
// else.
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "crdt/codec.hpp"
#include "crdt/limits.hpp"
#include "crdt/views.hpp"
#include "gossip/wire.hpp"
#include "peer/peer.hpp"

using namespace starling;
using namespace starling::crdt;

namespace {

/// Peers whose links carry frames in order, each link at its own pace.
class Storm {
  public:
    explicit Storm(std::uint64_t seed) : random_(seed) {
        limits_.log_bytes_max = 4'096;  // hardly any: what is not pushed needs a diff
        limits_.diff_part_bytes_max = 2'000;
        limits_.digest_busy_us = limits_.digest_busy_wide_us = 5'000;
        limits_.digest_idle_us = 50'000;
        limits_.diff_retry_us = 20'000;
        for (std::size_t i = 0; i < nodes; ++i) {
            peers_.push_back(std::make_unique<peer::Peer>(
                peer::Options{0, {std::uint8_t(i + 1)}, limits_, {}, [this] { return random_(); }}));
        }
    }

    void link(std::size_t a, std::size_t b, bool up) {
        if (linked_.contains({a, b}) == up) return;
        up ? (void)linked_.insert({a, b}) : (void)linked_.erase({a, b});
        wire_[{a, b}].clear();
        wire_[{b, a}].clear();
        for (const auto& [from, to] : {std::pair(a, b), std::pair(b, a)}) {
            if (up) {
                handle(from, gossip::LinkUp{{std::uint8_t(to + 1)}});
            } else {
                handle(from, gossip::LinkDown{{std::uint8_t(to + 1)}});
            }
        }
    }
    void all_links(bool up) {
        for (std::size_t a = 0; a < nodes; ++a) {
            for (std::size_t b = a + 1; b < nodes; ++b) link(a, b, up);
        }
    }
    void add(std::size_t i, std::size_t many) {
        std::vector<std::int64_t> added;
        for (; many > 0; --many) added.push_back(next_++);
        write(i, [&](Transaction& tx) {
            for (const auto element : added) Set::add(tx, "s", pack_int(element));
        });
        there_.insert(added.begin(), added.end());
    }
    /// Removes elements that this node holds.
    void remove(std::size_t i, std::size_t many, std::int64_t run) {
        std::set<std::int64_t> gone;
        for (; many > 0; --many) {
            const auto begin = std::int64_t(random_() % std::uint64_t(next_));
            for (auto element = begin; element < begin + run; ++element) {
                if (Set::contains(peers_[i]->state(), "s", pack_int(element))) gone.insert(element);
            }
        }
        write(i, [&](Transaction& tx) {
            for (const auto element : gone) Set::remove(tx, "s", pack_int(element));
        });
        for (const auto element : gone) there_.erase(element);
    }
    void step() {
        now_us_ += 1 + random_() % 700;
        for (auto& [link, frames] : wire_) {
            if (frames.empty() || random_() % 3 == 0) continue;
            const auto bytes = std::move(frames.front());
            frames.pop_front();
            handle(link.second, gossip::Received{{std::uint8_t(link.first + 1)}, bytes});
        }
        for (std::size_t i = 0; i < nodes; ++i) {
            if (wake_[i] <= now_us_) handle(i, gossip::Tick{});
        }
    }
    void trouble() {
        const auto a = random_() % nodes, b = random_() % nodes;
        if (a < b && random_() % 4 == 0) link(a, b, random_() % 3 != 0);
        if (random_() % 6 == 0) add(a, 1 + random_() % 3);
        if (random_() % 6 == 0) remove(b, 1 + random_() % 3, 1);
    }
    bool level() const {
        for (const auto& peer : peers_) {
            if (peer->version() != peers_[0]->version()) return false;
            if (peer->state().fingerprint() != peers_[0]->state().fingerprint()) return false;
        }
        return true;
    }
    /// The elements of a node are those that were added and not removed.
    bool right(std::size_t i) const {
        std::size_t found = 0;
        for (const auto element : there_) found += Set::contains(peers_[i]->state(), "s", pack_int(element)) ? 1 : 0;
        return found == there_.size() && peers_[i]->state().live_count() == found;
    }
    gossip::Counters counters() const {
        gossip::Counters sum;
        for (const auto& peer : peers_) {
            sum.diffs += peer->status().counters.diffs;
            sum.diffs_failed += peer->status().counters.diffs_failed;
            sum.malformed += peer->status().counters.malformed;
            sum.faults += peer->status().counters.faults;
        }
        return sum;
    }

    static constexpr std::size_t nodes = 3;
    std::map<std::size_t, std::size_t> kinds;  ///< of messages, by their place in the variant

  private:
    template <class Write>
    void write(std::size_t i, Write write) {
        REQUIRE(peers_[i]->write(now(), write));
        handle(i, gossip::Written{});
    }
    gossip::Now now() const { return {now_us_, 1'700'000'000'000'000 + now_us_}; }
    void handle(std::size_t i, const gossip::Input& input) {
        auto effects = peers_[i]->handle(input, now());
        if (effects.wake_us) wake_[i] = *effects.wake_us;
        for (auto& send : effects.sends) {
            const std::size_t to = send.peer[0] - 1U;
            ++kinds[std::uint8_t(send.bytes[3])];  // after the array's head, the version and the space
            wire_[{i, to}].push_back(std::move(send.bytes));
        }
    }

    std::mt19937_64 random_;
    gossip::Limits limits_;
    std::vector<std::unique_ptr<peer::Peer>> peers_;
    std::set<std::pair<std::size_t, std::size_t>> linked_;
    std::map<std::pair<std::size_t, std::size_t>, std::deque<Bytes>> wire_;
    std::map<std::size_t, std::uint64_t> wake_;
    std::uint64_t now_us_ = 1'000'000;
    std::int64_t next_ = 0;
    std::set<std::int64_t> there_;
};

}  // namespace

TEST_CASE("states that are compared by sketches meet whole, whatever happens meanwhile") {
    std::map<std::size_t, std::size_t> kinds;
    std::size_t diffs = 0;
    for (std::uint64_t seed = 0; seed < 24; ++seed) {
        CAPTURE(seed);
        std::mt19937_64 random(seed);
        Storm storm(seed);
        storm.all_links(true);
        for (int i = 0; i < 10; ++i) storm.add(std::size_t(i) % Storm::nodes, 300);
        storm.remove(0, 400, 1);
        for (int i = 0; i < 200 && !storm.level(); ++i) storm.step();
        storm.all_links(false);
        const auto run = seed % 3 == 0 ? 20 : 1;
        for (std::size_t i = 0; i < Storm::nodes; ++i) {
            const bool few = seed % 4 == 1;
            storm.remove(i, few ? 2 : std::size_t{1} << random() % 8, run);
            for (int j = 0; j < 100; ++j) {
                storm.add(i, 1);
                if (!few) storm.remove(i, 1, 1);
                storm.step();
            }
        }
        storm.all_links(true);
        for (int i = 0; i < 300; ++i) storm.step(), storm.trouble();
        storm.all_links(true);
        for (int i = 0; i < 5'000 && !storm.level(); ++i) storm.step();
        REQUIRE(storm.level());
        for (std::size_t i = 0; i < Storm::nodes; ++i) CHECK(storm.right(i));
        diffs += storm.counters().diffs;
        CHECK(storm.counters().diffs_failed == 0);
        CHECK(storm.counters().malformed == 0);
        CHECK(storm.counters().faults == 0);
        for (const auto& [kind, many] : storm.kinds) kinds[kind] += many;
    }
    CHECK(diffs > 20);
    CHECK(kinds[9] > 10);  // sketches
}

TEST_CASE("a member that claims more dots than anybody counts ends its sessions, and nothing else") {
    const NodeKey liar{2};
    std::uint64_t draw = 0, now_us = 1'000'000;
    peer::Peer victim({0, {1}, {}, {}, [&draw] { return ++draw; }});
    gossip::RefSender out;
    gossip::RefReceiver in;
    std::vector<gossip::Message> heard;
    const auto take = [&](const gossip::Effects& effects) {
        CHECK(effects.disconnect.empty());
        for (const auto& send : effects.sends) heard.push_back(*gossip::decode(0, send.bytes, in));
    };
    const auto say = [&](const gossip::Message& message) {
        now_us += 1000;
        take(victim.handle(gossip::Received{liar, gossip::encode(0, message, out)}, {now_us, now_us}));
    };
    const auto last = [&]<class Kind>(const Kind&) { return std::get<Kind>(heard.back()); };
    Version version;
    gossip::DiffPart part{0, false, 0, true, {}};
    std::vector<ReplicaId> gone;
    for (std::uint64_t life = 1; life <= 600; ++life) {
        const ReplicaId id{{7}, life};
        version[id] = seq_max - 1;
        part.piece.tops[id] = {seq_max - 1, 0};
        gone.push_back(id);
    }
    take(victim.handle(gossip::LinkUp{liar}, {now_us, now_us}));
    say(gossip::Hello{1, version, {}, 0});
    say(gossip::Changesets{last(gossip::Pull{}).id, gone, {}});
    part.session = last(gossip::DiffOpen{}).session;
    say(part);  // is applied; the other half has no axis
    CHECK(last(gossip::DiffEnd{}).reason == gossip::DiffEndReason::failed);
    CHECK(victim.version() == version);

    say(gossip::DiffOpen{4, 5, version, {}});
    CHECK(last(gossip::DiffEnd{}).reason == gossip::DiffEndReason::failed);
    const auto before = heard.size();
    say(gossip::DiffSketch{4, gossip::CompareBy::sketch, {7, 1}, 1, {}, "x"});
    CHECK(heard.size() == before);  // there is no such session
    victim.check();
}
