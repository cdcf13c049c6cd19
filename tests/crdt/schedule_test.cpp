// The rules of convergence as one random schedule after another over the real replica: flush windows with coalescing,
// causal delivery, pulls out of trimmed logs, two-way state diffs over pinned versions, duplicated and reordered
// messages, wrong clocks, crashes with new lives. After every step each replica must hold exactly what the history
// implies at its version; after a final heal all are equal.
//
// STARLING_SCHEDULE_SEEDS=N runs N schedules.
#include <memory>
#include <variant>

#include <doctest/doctest.h>

#include "crdt/clock.hpp"
#include "crdt/difference.hpp"
#include "crdt/views.hpp"
#include "sim/intent.hpp"
#include "sim/oracle.hpp"
#include "tests/environment.hpp"

using namespace starling;
using namespace starling::crdt;
using sim::Random;
using sim::Verdict;

namespace {

constexpr std::uint64_t seeds_default = 2'000;

/// A replica with the little that a peer has around it: a clock, a log, and changesets that wait for their causes.
struct Node {
    explicit Node(ReplicaId id) : id(id) { replica->begin_life(id); }

    ReplicaId id;
    std::unique_ptr<Replica> replica = std::make_unique<Replica>(0);
    Clock clock;
    std::uint64_t wall_us = 0;
    std::map<ReplicaId, std::vector<Changeset>> log;
    std::vector<Changeset> waiting;
    std::map<Dot, LooseEntry> staged;  ///< of diffs that broke off
    sim::Mirror mirror;

    const State& state() const { return replica->state(); }
    Version version() const {
        auto version = state().version();
        if (replica->window_open()) version[id] = state().seen(id) + replica->window_dots();
        return version;
    }
};

struct Fresh {
    Bytes changeset;
};
/// The asker's base, and what lives there, should the answerer want to know.
struct Hello {
    Life life;
    std::size_t from;
    Version base;
    bool knows = false;  ///< `live` is what lives at the asker
    LiveDots live;
    LiveDots staged;
};
struct Answer {
    Life life;
    std::size_t from;
    Life answerer;
    Difference difference;
    bool finish;  ///< the session's other half
};
struct Message {
    std::size_t to;
    std::variant<Fresh, Hello, Answer> what;
};

LiveDots dots_of(const std::map<Dot, LooseEntry>& entries) {
    LiveDots dots;
    for (const auto& [dot, entry] : entries) extend(dots[dot.replica], dot.seq);
    return dots;
}

class Schedule {
  public:
    explicit Schedule(std::uint64_t seed) : random_(seed), workload_(workload_options(), random_.fork()) {
        const auto count = random_.between(2, 5);
        wild_clocks_ = random_.chance(300);
        while (nodes_.size() < count) nodes_.push_back(born(nodes_.size()));
    }

    /// What went wrong, if anything.
    Verdict run() {
        for (auto steps = random_.between(5, 80); steps > 0 && !bad_; --steps) step();
        if (!bad_) heal();
        return bad_;
    }

  private:
    static sim::WorkloadOptions workload_options() { return {}; }

    void expect(const Verdict& verdict) {
        if (!bad_ && verdict) bad_ = verdict;
    }
    void expect(bool holds, const char* what) {
        if (!bad_ && !holds) bad_ = what;
    }

    std::unique_ptr<Node> born(std::size_t place) {
        NodeKey key{};
        key[0] = std::uint8_t(random_.below(256));  // the order of keys is not that of places
        key[31] = std::uint8_t(place);
        if (place < nodes_.size()) key = nodes_[place]->id.node;
        auto node = std::make_unique<Node>(ReplicaId{key, random_.next()});
        node->wall_us = 1'000'000'000 + (wild_clocks_ ? random_.below(200'000'000) : random_.below(2'000));
        return node;
    }

    void judge(Node& node) {
        node.replica->check();
        expect(oracle_.judge(node.state(), node.version()));
        expect(sim::Workload::torn(node.state()));
        if (node.replica->window_open()) return;
        for (const auto& other : nodes_) {
            if (other.get() != &node && !other->replica->window_open())
                expect(sim::judge_equals(node.state(), other->state()));
        }
    }

    /// Watchers of a changeset or a diff are told of exactly what changed.
    void judge_changes(Node& node, const Changes& changes) {
        std::set<Slot> told;
        std::set<Dot> journaled;
        for (const auto& change : changes) {
            told.insert(change.slot);
            if (change.appended) journaled.insert(*change.appended);
        }
        const auto moved = node.mirror.refresh(node.state());
        expect(moved.slots == told, "watchers are not told of exactly what changed");
        expect(moved.journaled == journaled, "watchers are not told of exactly the journal entries that came");
    }

    // -- writing
    void write(Node& node) {
        if (Transaction::must_cut_first(*node.replica)) publish(node);
        node.wall_us += random_.below(2'000);
        auto context = node.version();
        const auto stamp = node.clock.next(node.wall_us);
        Transaction tx(*node.replica, stamp);
        auto done = sim::perform(tx, node.id, seen(context, node.id) + 1, workload_.draw());
        if (random_.chance(50)) {
            tx.rollback();
            expect(node.version() == context, "a rollback takes no dot");
        } else {
            const auto changes = tx.commit();
            expect(bool(changes), "a small transaction commits");
            if (!done.operations.empty()) {
                done.stamp = sim::stamp_of(done, node.state());
                expect(done.stamp == 0 || done.stamp == stamp, "entries carry the stamp of their transaction");
                done.context = std::move(context);
                expect(oracle_.history.record(std::move(done)));
            }
        }
        node.mirror.refresh(node.state());
        judge(node);
    }

    void accept(Node& node, const Changeset& changeset) { node.log[changeset.origin].push_back(changeset); }

    void publish(Node& node) {
        const auto changeset = node.replica->cut();
        if (!changeset) return;
        accept(node, *changeset);
        for (std::size_t to = 0; to < nodes_.size(); ++to) {
            if (nodes_[to].get() != &node && random_.chance(600))
                wire_.emplace_back(to, Fresh{encode_changeset(*changeset)});
        }
        judge(node);
    }

    // -- receiving
    void receive(Node& node, const Changeset& changeset) {
        node.waiting.push_back(changeset);
        drain(node);
    }

    void drain(Node& node) {
        for (std::size_t at = 0; at < node.waiting.size();) {
            const auto& changeset = node.waiting[at];
            const auto seen = node.state().seen(changeset.origin);
            const bool old = changeset.last() <= seen;
            const auto body = decode_body(changeset);
            expect(bool(body), "an own body reads back");
            if (!old && (changeset.first != seen + 1 || node.replica->missing(changeset, body))) {
                ++at;
                continue;
            }
            const auto taken = node.waiting[at];
            node.waiting.erase(node.waiting.begin() + std::ptrdiff_t(at));
            if (old) continue;
            judge_changes(node, node.replica->apply(taken, body));
            node.clock.observe(node.state().last_stamp(taken.origin), node.wall_us);
            accept(node, taken);
            judge(node);
            at = 0;  // what waited for this one may be ready
        }
    }

    /// What a replica at `version` lacks, from the log; nothing where the log has a gap.
    static std::optional<std::vector<Changeset>> pull(const Node& node, const Version& version) {
        std::vector<Changeset> out;
        for (const auto& [id, top] : node.state().version()) {
            auto need = seen(version, id) + 1;
            const auto at = node.log.find(id);
            for (std::size_t i = 0; at != node.log.end() && i < at->second.size(); ++i) {
                const auto& changeset = at->second[i];
                if (changeset.last() < need) continue;
                if (changeset.first != need) return std::nullopt;
                out.push_back(changeset);
                need = changeset.last() + 1;
            }
            if (need <= top) return std::nullopt;
        }
        return out;
    }

    // -- the state diff
    /// Opens a session: the window is cut, so that what is named and what is held are one instant.
    Hello hello(std::size_t from) {
        auto& node = *nodes_[from];
        publish(node);
        Hello hello{node.id.life, from, node.state().version(), random_.chance(500), {}, dots_of(node.staged)};
        if (hello.knows) hello.live = live_dots(node.state());
        return hello;
    }

    Answer answer_to(std::size_t at, const Hello& hello) {
        auto& node = *nodes_[at];
        publish(node);
        auto difference = hello.knows ? answer_knowing(*node.replica, hello.base, hello.live, hello.staged)
                                      : answer(*node.replica, hello.base, hello.staged);
        return {hello.life, at, node.id.life, std::move(difference), false};
    }

    /// Applies an answer; where it was the first half, closes the session with the second.
    void take(std::size_t to, Answer answer) {
        auto& node = *nodes_[to];
        auto& difference = answer.difference;
        if (!answer.finish && random_.chance(150)) {  // the link broke when a part had come
            for (const auto& [dot, entry] : difference.entries) {
                if (random_.chance(500)) node.staged.emplace(dot, entry);
            }
            return;
        }
        for (const auto& [dot, entry] : node.staged) {
            const auto runs = difference.outside.find(dot.replica);
            if (runs != difference.outside.end() && contains(runs->second, dot.seq))
                difference.entries.emplace(dot, entry);
        }
        const auto valid = valid_difference(*node.replica, difference);
        if (!valid) return expect(Verdict(valid.fault().what));
        for (const auto& [id, top] : difference.tops) {
            if (top.seen > node.state().seen(id)) node.log[id].clear();
        }
        judge_changes(node, apply_difference(*node.replica, difference));
        std::erase_if(node.staged,
                      [&](const auto& item) { return item.first.seq <= node.state().seen(item.first.replica); });
        judge(node);
        drain(node);
        auto& peer = *nodes_[answer.from];
        if (answer.finish || peer.id.life != answer.answerer || !difference.inside_is_live) return;
        finish(to, answer);
    }

    void finish(std::size_t from, const Answer& answer) {
        auto& node = *nodes_[from];
        publish(node);
        Version base;  // of the answerer, whose live dots the answer has named
        for (const auto& [id, top] : answer.difference.tops) base[id] = top.seen;
        LiveDots live = answer.difference.inside;
        for (const auto& [id, runs] : answer.difference.outside) {
            for (const auto& run : runs) extend(live[id], run.first, run.count);
        }
        auto difference =
            random_.chance(500) ? answer_knowing(*node.replica, base, live, {}) : crdt::answer(*node.replica, base, {});
        wire_.emplace_back(answer.from, Answer{answer.answerer, from, node.id.life, std::move(difference), true});
    }

    // -- the schedule
    void deliver() {
        const auto at = random_.below(wire_.size());
        auto message = wire_[at];
        if (random_.chance(800)) wire_.erase(wire_.begin() + std::ptrdiff_t(at));  // else it comes once more
        auto& node = *nodes_[message.to];
        if (auto* fresh = std::get_if<Fresh>(&message.what)) {
            const auto changeset = decode_changeset(fresh->changeset);
            if (!changeset) return expect(Verdict(changeset.fault().what));
            expect(encode_changeset(*changeset) == fresh->changeset, "a changeset has one encoding");
            receive(node, *changeset);
        } else if (auto* hello = std::get_if<Hello>(&message.what)) {
            if (nodes_[hello->from]->id.life == hello->life)
                wire_.emplace_back(hello->from, answer_to(message.to, *hello));
        } else if (auto& answer = std::get<Answer>(message.what); node.id.life == answer.life) {
            take(message.to, std::move(answer));
        }
    }

    /// Memory is lost, or what was cut survives; the open window is lost either way, and a new life begins.
    void crash(std::size_t place) {
        auto next = born(place);
        auto& old = *nodes_[place];
        if (!old.replica->window_open() && random_.chance(500)) {
            apply_difference(*next->replica, answer(*old.replica, {}, {}));
            next->log = old.log;
            next->mirror.refresh(next->state());
        }
        nodes_[place] = std::move(next);
        judge(*nodes_[place]);
    }

    void step() {
        const auto kind = random_.below(100);
        const auto place = random_.below(nodes_.size());
        const auto other = random_.below(nodes_.size());
        auto& node = *nodes_[place];
        if (kind < 30) {
            write(node);
        } else if (kind < 45) {
            publish(node);
        } else if (kind < 72) {
            if (!wire_.empty()) deliver();
        } else if (kind < 80) {
            if (other == place) return;
            auto got = pull(*nodes_[other], node.version());
            if (!got || got->empty()) return;
            random_.shuffle(*got);
            got->resize(random_.between(1, got->size()));
            for (const auto& changeset : *got) receive(node, changeset);
        } else if (kind < 90) {
            if (other != place) wire_.emplace_back(other, hello(place));
        } else if (kind < 94) {
            node.log[nodes_[other]->id].clear();
        } else if (kind < 97) {
            crash(place);
        }
    }

    void heal() {
        for (auto& node : nodes_) publish(*node);
        for (std::size_t round = 0; round < nodes_.size() + 2; ++round) {
            for (std::size_t a = 0; a < nodes_.size(); ++a) {
                for (std::size_t b = 0; b < nodes_.size() && !bad_; ++b) {
                    if (a != b) bring(a, b);
                }
            }
        }
        for (const auto& node : nodes_) {
            expect(node->state().version() == nodes_[0]->state().version(), "versions differ after the heal");
            judge(*node);
        }
    }

    /// Brings `a` up to date from `b`.
    void bring(std::size_t a, std::size_t b) {
        const auto got = pull(*nodes_[b], nodes_[a]->version());
        if (got && random_.chance(500)) {
            for (const auto& changeset : *got) receive(*nodes_[a], changeset);
            return;
        }
        auto& node = *nodes_[a];
        const auto difference = answer(*nodes_[b]->replica, node.state().version(), {});
        const auto valid = valid_difference(*node.replica, difference);
        if (!valid) return expect(Verdict(valid.fault().what));
        judge_changes(node, apply_difference(*node.replica, difference));
        judge(node);
        drain(node);
    }

    Random random_;
    sim::Workload workload_;
    sim::Oracle oracle_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::vector<Message> wire_;
    bool wild_clocks_ = false;
    Verdict bad_;
};

std::uint64_t seeds() {
    return starling::testing::number_from("STARLING_SCHEDULE_SEEDS", seeds_default);
}

}  // namespace

TEST_CASE("random schedules: equal versions are equal states, and the state is what the history implies") {
    std::uint64_t failed = 0;
    for (std::uint64_t seed = 1; seed <= seeds() && failed < 5; ++seed) {
        const auto bad = Schedule(seed).run();
        if (!bad) continue;
        ++failed;
        MESSAGE("seed " << seed << ": " << *bad);
    }
    CHECK(failed == 0);
}
