#include "tests/crdt/proof/schedule.hpp"

#include <algorithm>
#include <array>
#include <ostream>

#include "crdt/assert.hpp"
#include "sim/random.hpp"

namespace starling::proof {

namespace {

/// Of a hundred steps; the rest of a draw is writes that are taken back.
struct Share {
    std::uint64_t below;
    Act act;
};
constexpr std::array<Share, 9> shares{{{28, Act::write},
                                       {43, Act::cut},
                                       {71, Act::deliver},
                                       {79, Act::pull},
                                       {89, Act::hello},
                                       {92, Act::trim},
                                       {96, Act::crash},
                                       {98, Act::lie},
                                       {100, Act::undone}}};

std::vector<Operation> draw_operations(sim::Random& random, const std::vector<crdt::Type>& types) {
    std::vector<Operation> operations(random.between(1, 3));
    for (auto& operation : operations) {
        operation.type = types[random.below(types.size())];
        operation.grow = random.chance(650);
        operation.key = random.chance(750) ? 0 : 1;
        operation.field = std::uint8_t(random.below(fields_each));
        operation.value = std::int8_t(std::int64_t(random.below(19)) - 9);
    }
    return operations;
}

}  // namespace

Schedule draw_schedule(std::uint64_t seed, const std::vector<crdt::Type>& types, bool liars) {
    sim::Random random(seed);
    Schedule schedule;
    schedule.places = random.between(2, places_max);
    const bool wild_clocks = random.chance(300);
    schedule.steps.resize(random.between(5, 80));
    for (auto& step : schedule.steps) {
        const auto share = random.below(100);
        step.act = std::find_if(shares.begin(), shares.end(), [&](const Share& s) { return share < s.below; })->act;
        if (step.act == Act::lie && !liars) step.act = Act::undone;
        step.place = random.below(schedule.places);
        step.other = random.below(schedule.places);
        step.draw = random.next();
        step.wall = 1 + random.below(wild_clocks ? 10'000'000'000 : 10);
        if (step.act == Act::write || step.act == Act::undone) step.operations = draw_operations(random, types);
    }
    schedule.heal = random.next();
    return schedule;
}

std::ostream& operator<<(std::ostream& out, const Schedule& schedule) {
    static constexpr std::array<const char*, 9> words{
        "writes",        "writes and takes back", "cuts",    "gets a message",  "pulls from",
        "says hello to", "trims the log of",      "crashes", "is lied to, with"};
    out << schedule.places << " nodes\n";
    for (std::size_t at = 0; at < schedule.steps.size(); ++at) {
        const auto& step = schedule.steps[at];
        out << "  " << at << ": ";
        if (step.act == Act::deliver) {
            out << "a message arrives" << (step.draw % 8 < 6 ? "" : ", and stays under way") << '\n';
            continue;
        }
        out << char('A' + step.place) << ' ' << words[std::size_t(step.act)];
        if (step.act == Act::write || step.act == Act::undone) {
            out << " at " << step.wall << ':';
            for (const auto& operation : step.operations) out << ' ' << operation << ';';
        } else if (step.act != Act::cut && step.act != Act::crash) {
            out << ' ' << char('A' + step.other);
        }
        out << '\n';
    }
    return out;
}

namespace {

struct Message {
    enum class Kind : std::uint8_t { fresh, hello, answer, finish };
    Kind kind{};
    std::size_t to = 0;
    std::size_t number = 0;  ///< of the changeset, pin or answer
    std::size_t from = 0;    ///< of a session
    std::size_t pin = 0;     ///< that opened the session
    int life = 0;            ///< of `to` (an answer) or `from` (a hello) when it was sent
    int life_of_answerer = 0;
};

class Run {
  public:
    Run(const Schedule& schedule, const std::vector<World*>& worlds, const std::function<std::string()>& compare)
        : schedule_(schedule), worlds_(worlds), compare_(compare) {
        lives_.resize(schedule.places);
        stamps_.resize(schedule.places);
        for (std::size_t place = 0; place < schedule.places; ++place) begin(place, false);
    }

    std::string go() {
        for (std::size_t at = 0; at < schedule_.steps.size(); ++at) {
            step(schedule_.steps[at]);
            if (auto what = wrong(false); !what.empty()) return "step " + std::to_string(at) + ": " + what;
        }
        heal();
        if (!differs_.empty()) return "in the heal: " + differs_;
        return wrong(true);
    }

  private:
    /// The answer of all worlds, which must be one.
    template <class Ask>
    auto ask(Ask ask_one) {
        const auto first = ask_one(*worlds_.front());
        for (std::size_t i = 1; i < worlds_.size(); ++i) {
            if (ask_one(*worlds_[i]) != first) differs_ = "the worlds make different things of one step";
        }
        return first;
    }
    template <class Do>
    void all(Do do_one) {
        for (auto* world : worlds_) do_one(*world);
    }

    std::string wrong(bool healed) {
        if (!differs_.empty()) return differs_;
        for (auto* world : worlds_) {
            if (auto what = world->wrong(healed); !what.empty()) return what;
        }
        return compare_();
    }

    void begin(std::size_t place, bool survives) {
        lives_[place] = next_life_++;
        stamps_[place] = 0;
        all([&](World& world) { world.begin(place, lives_[place], survives); });
    }

    void write(const Step& step) {
        auto& stamp = stamps_[step.place];
        stamp = std::max(stamp + 1, step.wall);
        all([&](World& world) { world.write(step.place, step.operations, stamp, step.act == Act::undone); });
    }

    void publish(const Step& step) {
        const auto changeset = ask([&](World& world) { return world.cut(step.place); });
        if (!changeset) return;
        for (std::size_t to = 0; to < schedule_.places; ++to) {
            if (to != step.place && (step.draw >> (2 * to) & 3) != 0)
                wire_.push_back({Message::Kind::fresh, to, *changeset});
        }
    }

    void deliver(const Step& step) {
        if (wire_.empty()) return;
        const auto at = step.draw / 8 % wire_.size();
        const auto message = wire_[at];
        if (step.draw % 8 < 6) wire_.erase(wire_.begin() + std::ptrdiff_t(at));  // else it comes once more
        const bool knowing = step.draw % 3 == 0;
        const auto to = message.to;
        if (message.kind == Message::Kind::fresh) {
            all([&](World& world) { world.receive(to, message.number); });
        } else if (message.kind == Message::Kind::hello) {
            if (lives_[message.from] != message.life) return;
            const auto answer = ask([&](World& world) { return world.answer(to, message.number, knowing); });
            wire_.push_back(
                {Message::Kind::answer, message.from, answer, to, message.number, message.life, lives_[to]});
        } else if (lives_[to] == message.life) {
            all([&](World& world) { world.apply(to, message.number); });
            if (message.kind == Message::Kind::finish || lives_[message.from] != message.life_of_answerer) return;
            const auto half = ask([&](World& world) { return world.finish(to, message.number, message.pin, knowing); });
            wire_.push_back({Message::Kind::finish, message.from, half, to, 0, message.life_of_answerer, 0});
        }
    }

    void pull(const Step& step) {
        auto got = worlds_.front()->pull(step.other, step.place);
        if (!got || got->empty()) return;
        sim::Random random(step.draw);
        random.shuffle(*got);
        got->resize(random.between(1, got->size()));
        for (const auto changeset : *got) all([&](World& world) { world.receive(step.place, changeset); });
    }

    void step(const Step& step) {
        switch (step.act) {
            case Act::write:
            case Act::undone:
                return write(step);
            case Act::cut:
                return publish(step);
            case Act::deliver:
                return deliver(step);
            case Act::pull:
                if (step.other != step.place) pull(step);
                return;
            case Act::hello:
                if (step.other == step.place) return;
                wire_.push_back({Message::Kind::hello, step.other,
                                 ask([&](World& world) { return world.pin(step.place); }), step.place, 0,
                                 lives_[step.place], 0});
                return;
            case Act::trim:
                return all([&](World& world) { world.trim(step.place, lives_[step.other]); });
            case Act::crash:
                return begin(step.place, step.draw % 2 == 0);
            case Act::lie:
                if (step.other != step.place) all([&](World& world) { world.lie(step.place, step.other); });
                return;
        }
    }

    void heal() {
        sim::Random random(schedule_.heal);
        for (std::size_t place = 0; place < schedule_.places; ++place)
            ask([&](World& world) { return world.cut(place); });
        all([](World& world) { world.heal_begins(); });
        for (std::size_t round = 0; round < schedule_.places + 2; ++round) {
            for (std::size_t a = 0; a < schedule_.places; ++a) {
                for (std::size_t b = 0; b < schedule_.places; ++b) {
                    if (a != b) bring(a, b, random.chance(500));
                }
            }
        }
    }

    void bring(std::size_t a, std::size_t b, bool wants_log) {
        const auto got = worlds_.front()->pull(b, a);
        if (got && worlds_.front()->may_pull(wants_log)) {
            for (const auto changeset : *got) all([&](World& world) { world.receive(a, changeset); });
        } else {
            all([&](World& world) { world.heal_without_log(a, b); });
        }
    }

    const Schedule& schedule_;
    const std::vector<World*>& worlds_;
    const std::function<std::string()>& compare_;
    std::vector<int> lives_;
    std::vector<crdt::Stamp> stamps_;
    std::vector<Message> wire_;
    std::string differs_;
    int next_life_ = 0;
};

}  // namespace

std::string run(const Schedule& schedule, const std::vector<World*>& worlds,
                const std::function<std::string()>& compare) {
    return Run(schedule, worlds, compare).go();
}

}  // namespace starling::proof
