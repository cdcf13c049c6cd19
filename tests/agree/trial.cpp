#include "tests/agree/trial.hpp"

#include <algorithm>
#include <map>

#include "agree/register.hpp"

namespace starling::agree_trial {

using namespace agree;

namespace {

constexpr std::uint64_t faults_us = 8'000'000;     ///< how long faults befall
constexpr std::uint64_t heal_us_max = 10'000'000;  ///< within which every node must be served after it
constexpr std::uint64_t ttl_us = 600'000;
const char* const keys[] = {"a", "b"};

crdt::Bytes bytes_of(const List& list) {
    crdt::Bytes bytes;
    for (const auto number : list) bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
    return bytes;
}
List list_of(const std::optional<crdt::Bytes>& value) {
    List list(value ? value->size() / 4 : 0);
    for (std::size_t i = 0; i < list.size(); ++i)
        std::copy_n(value->data() + 4 * i, 4, reinterpret_cast<char*>(&list[i]));
    return list;
}

/// A resource that checks tokens: it refuses lower ones than it has seen.
struct FencedStore {
    std::uint64_t highest = 0;
    std::map<std::uint64_t, Claim> holders;  ///< who was accepted under a token
};

class Trial : public World {
  public:
    Trial(std::uint64_t seed, const Plan& plan)
        : World(seed, plan.nodes, plan.voters), plan_(plan), clients_(plan.nodes), claims_(plan.nodes) {
        weather_.sync_lies = plan.sync_lies;
    }

    Verdict run();

  private:
    struct Open {
        std::string key;
        std::size_t call;  ///< place in the history of its key
        Operation again;   ///< to retry it
    };
    struct Client {
        std::map<OperationId, Open> open;
        std::map<std::string, List> told;
        std::uint64_t served_us = 0;  ///< when it was last told that something is done
    };

    void started(std::size_t place) override;
    void crashed(std::size_t place) override;
    void result(std::size_t place, const OperationResult& result) override;
    void stepped(std::size_t place) override;

    void think(std::size_t place);
    void call(std::size_t place);
    Operation operation_of(const Call& call) const;
    void contend(std::size_t place);
    void write_fenced(std::size_t place);
    void fault();
    void befall(std::uint64_t which, std::size_t place);
    void change_voters(std::size_t place);
    void set_clocks();
    void judge();
    bool served_since(std::uint64_t time_us) const;
    std::string unserved(std::uint64_t time_us) const;
    void violated(const std::string& what) {
        if (!verdict_.violation) verdict_.violation = what;
    }

    Plan plan_;
    Verdict verdict_;
    std::map<std::string, std::vector<Call>> history_;
    std::vector<Client> clients_;
    std::vector<std::optional<Claim>> claims_;  ///< what each node's holder calls itself: a name for the store
    std::uint64_t moment_ = 0;                  ///< orders begins and ends
    std::uint32_t last_number_ = 0;
    bool healed_ = false;
    FencedStore store_;
    std::uint64_t last_held_us_ = 0;
    std::optional<std::size_t> erased_;
};

// -- clients

void Trial::started(std::size_t place) {
    think(place);
    contend(place);
}

void Trial::think(std::size_t place) {
    at_node(place, now_us() + random_.between(1'000, healed_ ? 2'000'000 : 300'000), [this, place] {
        if (verdict_.violation) return;
        for (auto calls = random_.between(1, 3); calls > 0; --calls) call(place);
        flush(place);
        think(place);
    });
}

Operation Trial::operation_of(const Call& call) const {
    Operation operation;
    if (call.kind == Call::Kind::append) {
        operation.change = [number = call.number](const auto& value) {
            auto list = list_of(value);
            list.push_back(number);
            return write(bytes_of(list));
        };
    } else if (call.kind == Call::Kind::swap) {
        operation.change = [number = call.number, expected = call.expected](const auto& value) {
            return list_of(value) == expected ? write(bytes_of({number})) : keep();
        };
    }
    return operation;
}

void Trial::call(std::size_t place) {
    auto& client = clients_[place];
    const std::string key = keys[random_.below(std::size(keys))];
    auto& history = history_[key];
    Call call;
    const auto draw = random_.below(10);
    call.kind = draw < 4 ? Call::Kind::read : (draw < 8 ? Call::Kind::append : Call::Kind::swap);
    if (history.size() > 150 && !healed_) call.kind = Call::Kind::read;
    call.number = ++last_number_;
    if (call.kind == Call::Kind::swap) call.expected = client.told[key];
    call.begin = ++moment_;
    auto operation = operation_of(call);
    operation.key = key;
    operation.deadline_us = local(nodes_[place]).mono_us + random_.between(20'000, 1'500'000);
    const auto id = nodes_[place].proposer->submit(operation, local(nodes_[place]).mono_us);
    STARLING_ASSERT(id, "few operations wait");
    ++verdict_.tally.calls;
    client.open.emplace(*id, Open{key, history.size(), std::move(operation)});
    history.push_back(std::move(call));
}

void Trial::result(std::size_t place, const OperationResult& result) {
    auto& client = clients_[place];
    const auto at = client.open.find(result.id);
    if (at == client.open.end()) return;
    auto& open = at->second;
    auto& call = history_[open.key][open.call];
    auto& tally = verdict_.tally;
    if (result.outcome == Outcome::outcome_unknown) {
        ++tally.unknown;
        if (random_.chance(500)) {  // the same operation again: it may still take effect once
            auto again = open.again;
            again.retry = result.retry;
            again.deadline_us = local(nodes_[place]).mono_us + random_.between(100'000, 2'000'000);
            (void)nodes_[place].proposer->submit(std::move(again), local(nodes_[place]).mono_us);
            return;
        }
    } else if (result.outcome == Outcome::no_majority) {
        ++tally.no_majority;
        // It says that nothing happened: as a call that ended, what it would have done must not be seen.
        call.kind = Call::Kind::read;
        call.after.reset();
        call.end = ++moment_;
    } else {
        ++tally.done;
        tally.recovered += result.recovered ? 1 : 0;
        client.served_us = now_us();
        call.end = ++moment_;
        if (!result.recovered) {
            call.after = list_of(result.value);
            client.told[open.key] = *call.after;
        }
        if (call.kind == Call::Kind::swap) call.changed = result.changed;
    }
    client.open.erase(at);
}

void Trial::crashed(std::size_t place) {
    clients_[place].open.clear();  // whoever asked was not told: it may take effect
    claims_[place].reset();
}

// -- the lock, and what it guards

void Trial::contend(std::size_t place) {
    at_node(place, now_us() + random_.between(10'000, 1'500'000), [this, place] {
        const auto now = local(nodes_[place]);
        auto& lock = *nodes_[place].lock;
        if (lock.idle()) {
            LockWish wish;
            wish.ttl_us = random_.between(ttl_us / 3, ttl_us);
            wish.deadline_us = now.mono_us + random_.between(200'000, 4'000'000);
            wish.once = random_.chance(200);
            wish.fair = random_.chance(500);
            claims_[place] = Claim{{nodes_[place].key, nodes_[place].life}, ++last_number_};
            lock.acquire(wish, now);
        } else if (random_.chance(300)) {
            lock.release(now);
        }
        flush(place);
        contend(place);
    });
}

/// A holder decides to write, and the write arrives later, whatever happened to the holder meanwhile.
void Trial::write_fenced(std::size_t place) {
    const auto token = nodes_[place].lock->token();
    const auto claim = *claims_[place];
    const auto takes = random_.chance(100) ? random_.below(3'000'000) : random_.below(50'000);
    at(now_us() + takes, [this, token, claim] {
        if (token < store_.highest) {
            ++verdict_.tally.fenced_refused;
            return;
        }
        ++verdict_.tally.fenced_writes;
        store_.highest = token;
        const auto [holder, first] = store_.holders.emplace(token, claim);
        if (holder->second != claim) violated("two holders were accepted under token " + std::to_string(token));
    });
}

void Trial::stepped(std::size_t place) {
    auto& transition = nodes_[place].transition;
    if (transition && transition->stage() == Transition::Stage::done) {
        ++verdict_.tally.changed_voters;
        transition.reset();
    }
    for (const auto& event : nodes_[place].lock->take_events()) {
        if (std::holds_alternative<LockLost>(event)) ++verdict_.tally.lost;
        if (!std::holds_alternative<LockAcquired>(event)) continue;
        ++verdict_.tally.acquired;
        const auto token = nodes_[place].lock->token();
        if (!store_.holders.empty() && token > store_.holders.rbegin()->first) ++verdict_.tally.handed_on;
    }
    if (!nodes_[place].lock->holds(local(nodes_[place]))) return;
    last_held_us_ = now_us();
    if (random_.chance(100)) write_fenced(place);
    if (!plan_.steady_clocks) return;
    for (std::size_t other = 0; other < nodes_.size(); ++other) {
        if (other != place && nodes_[other].up && nodes_[other].lock->holds(local(nodes_[other])))
            violated("two nodes believe that they hold the lock");
    }
}

// -- faults

void Trial::set_clocks() {
    for (auto& node : nodes_) {
        const auto drift = plan_.steady_clocks ? 40U : 300U;
        node.rate_permille = random_.between(1000 - drift, 1000 + drift);
        node.offset_us = random_.below(1'000'000'000);
        node.wall_offset_us = std::int64_t(random_.below(4'000'000)) - 2'000'000;
    }
}

void Trial::fault() {
    at(now_us() + random_.between(50'000, 500'000), [this] {
        if (healed_) return;
        befall(random_.below(12), random_.below(nodes_.size()));
        fault();
    });
}

void Trial::befall(std::uint64_t which, std::size_t place) {
    auto& node = nodes_[place];
    auto& tally = verdict_.tally;
    const auto for_a_while = now_us() + random_.between(50'000, 2'000'000);
    if (which == 0) {
        ++tally.splits;
        split();
        at(for_a_while, [this] { std::fill(group_.begin(), group_.end(), 0); });
    } else if (which == 1) {
        weather_.loss_permille = random_.below(400);
        weather_.repeat_permille = random_.below(300);
        weather_.late_permille = random_.below(100);
        at(for_a_while, [this] { weather_ = Weather{.sync_lies = plan_.sync_lies}; });
    } else if (which <= 4 && node.up) {
        ++tally.crashes;
        crash(place);
        if (plan_.erased && !erased_ && node.known.names(voter(place))) {
            ++tally.erased;
            erase(place);
            erased_ = place;
        }
        at(for_a_while, [this, place] {
            if (!nodes_[place].up) start(place);
        });
    } else if (which <= 6) {
        ++tally.pauses;
        pause(place, now_us() + random_.between(10'000, 3 * ttl_us));
    } else if (which == 7) {
        weather_.sync_us_most = random_.between(1'000, 200'000);
    } else if (which == 8) {
        ++tally.jumps;
        node.wall_offset_us += std::int64_t(random_.below(20'000'000)) - 10'000'000;
        if (!plan_.steady_clocks) jump(place, random_.below(2'000'000));
    } else if (node.up && node.paused_until_us <= now_us() && (plan_.voter_changes || erased_)) {
        change_voters(place);
    }
}

void Trial::change_voters(std::size_t place) {
    auto& node = nodes_[place];
    if (node.transition) return;
    std::vector<Voter> target;
    if (erased_) {  // the voters of before, with the life that one of them has now
        for (std::size_t other = 0; other < plan_.voters; ++other) target.push_back(voter(other));
    } else {
        std::vector<std::size_t> places(nodes_.size());
        for (std::size_t i = 0; i < places.size(); ++i) places[i] = i;
        random_.shuffle(places);
        places.resize(std::min(1 + 2 * random_.below(3), (nodes_.size() - 1) / 2 * 2 + 1));
        for (const auto other : places) target.push_back(voter(other));
        std::sort(target.begin(), target.end());
    }
    node.transition = std::make_unique<Transition>(*node.proposer, target, TransitionLimits{}, local(node).mono_us);
    ++verdict_.tally.transitions;
    flush(place);
}

// -- the whole

bool Trial::served_since(std::uint64_t time_us) const {
    return std::all_of(clients_.begin(), clients_.end(), [&](const auto& c) { return c.served_us > time_us; }) &&
           last_held_us_ > time_us + 2 * ttl_us;  // later than anybody can believe who was not told since
}

/// Who is not served, and what everybody knows.
std::string Trial::unserved(std::uint64_t time_us) const {
    std::string text = "not every node was served in time after all was healed\n";
    if (last_held_us_ <= time_us + 2 * ttl_us) text += "nobody got the lock\n";
    for (std::size_t place = 0; place < nodes_.size(); ++place) {
        const auto& node = nodes_[place];
        const auto& held = node.acceptor->standpoint();
        const auto& record = node.proposer->record();
        text += "node " + std::to_string(place) + (clients_[place].served_us > time_us ? "" : ", not served,") +
                " proposes in epoch " + std::to_string(record.epoch) + ", accepts in epoch " +
                std::to_string(held.record ? held.record->epoch : 0) + (held.went_back ? ", went back" : "") +
                (record.names(voter(place)) ? ", votes" : "") + ", " + std::to_string(node.proposer->waiting()) +
                " operations wait, distrusts " + std::to_string(node.proposer->went_back().size()) + "\n";
    }
    const auto cell = nodes_[0].acceptor->cells().find("lock");
    if (cell == nodes_[0].acceptor->cells().end() || cell->second.accepted.none()) return text;
    const auto record = decode_lock(decode_register(cell->second.held)->value);
    return text + "the lock as node 0 knows it: " + (record->holder ? "held, " : "free, ") +
           std::to_string(record->waiting.size()) + " wait\n";
}

void Trial::judge() {
    for (const auto& [key, calls] : history_) {
        auto told = calls;
        std::erase_if(told, [](const Call& call) {  // what explains nothing
            return call.kind == Call::Kind::read && (call.end == UINT64_MAX || !call.after);
        });
        if (!linearizable(told)) violated("register " + key + " is not linearizable\n" + to_string(told));
    }
}

Verdict Trial::run() {
    set_clocks();
    for (std::size_t place = 0; place < nodes_.size(); ++place) start(place);
    fault();
    for (std::uint64_t slice = 1; slice <= 20 && !verdict_.violation; ++slice) run_until(faults_us * slice / 20);
    healed_ = true;
    heal();
    weather_.sync_lies = plan_.sync_lies;
    const auto begin = now_us();
    while (!verdict_.violation && !served_since(begin)) {
        if (now_us() - begin >= heal_us_max) violated(unserved(begin));
        run_until(now_us() + 50'000);
    }
    verdict_.tally.heal_us_most = now_us() - begin;
    judge();
    verdict_.trace = trace();
    return verdict_;
}

}  // namespace

Verdict run_trial(std::uint64_t seed, const Plan& plan) {
    return Trial(seed, plan).run();
}

}  // namespace starling::agree_trial
