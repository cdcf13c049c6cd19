#include "sim/plan.hpp"

#include <charconv>
#include <functional>
#include <map>
#include <optional>

namespace starling::sim {

namespace {

/// What is wrong with a line; caught where lines are counted.
struct Wrong {
    std::string what;
};

struct Unit {
    std::string_view name;
    std::uint64_t size;
};

/// The words of one line, taken one after another.
class Words {
  public:
    explicit Words(std::string_view line) {
        line = line.substr(0, line.find('#'));
        while (true) {
            const auto begin = line.find_first_not_of(" \t\r");
            if (begin == std::string_view::npos) return;
            line.remove_prefix(begin);
            const auto size = std::min(line.find_first_of(" \t\r"), line.size());
            words_.push_back(line.substr(0, size));
            line.remove_prefix(size);
        }
    }

    bool more() const { return next_ < words_.size(); }
    std::string_view word(const char* meaning) {
        if (!more()) throw Wrong{std::string(meaning) + " is missing"};
        return words_[next_++];
    }
    /// Takes the next word if it is this one.
    bool is(std::string_view word) {
        const bool it = more() && words_[next_] == word;
        if (it) ++next_;
        return it;
    }
    std::uint64_t number(const char* meaning, std::uint64_t least = 0, std::uint64_t most = 1'000'000'000) {
        return measure(meaning, {{"", 1}}, "a whole number", least, most);
    }
    std::uint64_t time(const char* meaning) {
        return measure(meaning, {{"us", 1}, {"ms", 1'000}, {"s", 1'000'000}, {"m", 60'000'000}},
                       "a time such as 20ms, 3s or 2m", 0, 24 * 3'600'000'000ULL);
    }
    std::uint64_t bytes(const char* meaning) {
        return measure(meaning, {{"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", 1 << 20}},
                       "a size such as 16, 64KiB or 1MiB", 0, 1ULL << 40);
    }
    /// "1%" and "0.5%" in thousandths.
    std::uint64_t permille(const char* meaning) {
        const auto text = word(meaning);
        const auto wrong = [&] { return Wrong{said(meaning, text) + " is not a share such as 1% or 0.5%"}; };
        if (text.empty() || text.back() != '%') throw wrong();
        const auto digits = text.substr(0, text.size() - 1);
        const auto point = digits.find('.');
        const auto whole = whole_of(digits.substr(0, point));
        const auto tenths =
            point == std::string_view::npos ? std::optional<std::uint64_t>(0) : whole_of(digits.substr(point + 1));
        if (!whole || !tenths || *tenths > 9 || *whole > 100 || *whole * 10 + *tenths > 1000) throw wrong();
        return *whole * 10 + *tenths;
    }

  private:
    static std::string said(const char* meaning, std::string_view text) {
        return std::string(meaning) + ": '" + std::string(text) + "'";
    }
    static std::optional<std::uint64_t> whole_of(std::string_view digits) {
        std::uint64_t value = 0;
        const auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (bad != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
        return value;
    }
    std::uint64_t measure(const char* meaning, const std::vector<Unit>& units, const char* form, std::uint64_t least,
                          std::uint64_t most) {
        const auto text = word(meaning);
        const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
        const auto value = whole_of(text.substr(0, digits));
        for (const auto& [name, size] : units) {
            if (!value || name != text.substr(digits)) continue;
            if (*value > most / size || *value * size < least)
                throw Wrong{said(meaning, text) + " is out of range, " + std::to_string(least) + " to " +
                            std::to_string(most)};
            return *value * size;
        }
        throw Wrong{said(meaning, text) + " is not " + form};
    }

    std::vector<std::string_view> words_;
    std::size_t next_ = 0;
};

Choice choice(Words& words, const char* meaning) {
    const auto word = words.word(meaning);
    if (word == "turns") return Choice::turns;
    if (word == "uniform") return Choice::uniform;
    if (word == "zipf") return Choice::zipf;
    throw Wrong{std::string(meaning) + ": '" + std::string(word) + "' is not turns, uniform or zipf"};
}

void topology(Words& words, Plan& plan) {
    const auto name = std::string(words.word("the topology"));
    const auto topology = topology_of(name);
    if (!topology) throw Wrong{"there is no topology '" + name + "'"};
    plan.topology = *topology;
    if (words.more()) plan.degree = words.number("the degree", 2, 100);
    if (plan.degree % 2 != 0) throw Wrong{"the degree is even: it is laid in cycles"};
}

void limit(Words& words, Plan& plan) {
    auto& limits = plan.limits;
    const std::map<std::string_view, std::uint64_t*> times{
        {"flush_window", &limits.flush_window_us}, {"push_window", &limits.push_window_us},
        {"digest_busy", &limits.digest_busy_us},   {"digest_busy_wide", &limits.digest_busy_wide_us},
        {"digest_idle", &limits.digest_idle_us},   {"pull_delay", &limits.pull_delay_us},
        {"log_age", &limits.log_age_us_max}};
    const auto name = words.word("the limit");
    if (const auto at = times.find(name); at != times.end()) {
        *at->second = words.time("the limit");
    } else if (name == "log_bytes") {
        limits.log_bytes_max = words.bytes("the limit");
    } else {
        throw Wrong{"there is no limit '" + std::string(name) + "'"};
    }
}

void at(Words& words, Plan& plan) {
    using Kind = PlannedFault::Kind;
    static const std::map<std::string_view, Kind> kinds{
        {"crash", Kind::crash}, {"split", Kind::split},   {"cut", Kind::cut},    {"pause", Kind::pause},
        {"slow", Kind::slow},   {"upload", Kind::upload}, {"clock", Kind::clock}};
    PlannedFault fault;
    fault.at_us = words.time("when");
    const auto name = words.word("the fault");
    const auto kind = kinds.find(name);
    if (kind == kinds.end()) throw Wrong{"there is no fault '" + std::string(name) + "'"};
    fault.kind = kind->second;
    fault.permille = words.permille("how many");
    if (fault.kind == Kind::slow) fault.amount = words.time("the time an input takes");
    if (fault.kind == Kind::upload) fault.amount = words.bytes("the bytes a second");
    if (fault.kind == Kind::clock) fault.amount = words.time("the error");
    if (fault.kind == Kind::split && words.is("one-way")) fault.kind = Kind::split_one_way;
    if (words.is("for")) fault.for_us = words.time("how long");
    const bool ends = fault.kind == Kind::split || fault.kind == Kind::split_one_way || fault.kind == Kind::pause;
    if (ends && fault.for_us == 0) throw Wrong{"'" + std::string(name) + "' says for how long"};
    plan.faults.push_back(fault);
}

using Statement = std::function<void(Words&, Plan&)>;

const std::map<std::string_view, Statement>& statements() {
    static const std::map<std::string_view, Statement> all{
        {"nodes", [](Words& w, Plan& p) { p.nodes = w.number("the nodes", 2, plan_nodes_max); }},
        {"topology", topology},
        {"delay",
         [](Words& w, Plan& p) {
             p.network.delay_us_min = w.time("the least delay");
             p.network.delay_us_max = w.time("the greatest delay");
             if (p.network.delay_us_max < p.network.delay_us_min) throw Wrong{"the least delay is the greater one"};
         }},
        {"jitter", [](Words& w, Plan& p) { p.network.jitter_us_max = w.time("the jitter"); }},
        {"straggler",
         [](Words& w, Plan& p) {
             p.network.straggler_permille = w.permille("how many");
             p.network.straggler_us_max = w.time("how late");
         }},
        {"resend",
         [](Words& w, Plan& p) {
             p.network.resend_permille = w.permille("how many");
             if (p.network.resend_permille > 500) throw Wrong{"at most half of the messages are sent again"};
             p.network.resend_us = w.time("how late");
         }},
        {"loss", [](Words& w, Plan& p) { p.network.loss_permille = w.permille("how many"); }},
        {"duplicate", [](Words& w, Plan& p) { p.network.duplicate_permille = w.permille("how many"); }},
        {"reorder", [](Words& w, Plan& p) { p.network.reorder_permille = w.permille("how many"); }},
        {"heartbeat", [](Words& w, Plan& p) { p.network.heartbeat_us_max = w.time("the heartbeat"); }},
        {"skew", [](Words& w, Plan& p) { p.skew_us_max = w.time("the error"); }},
        {"warm", [](Words& w, Plan& p) { p.warm_us = w.time("how long"); }},
        {"writers", [](Words& w, Plan& p) { p.writers = w.number("the writers", 1, plan_nodes_max); }},
        {"writes", [](Words& w, Plan& p) { p.writes = w.number("the writes of each", 1); }},
        {"every", [](Words& w, Plan& p) { p.every_us = w.time("the time between two writes"); }},
        {"origins", [](Words& w, Plan& p) { p.origins = choice(w, "the origins"); }},
        {"keys",
         [](Words& w, Plan& p) {
             p.keys = w.number("the keys", 1, 10'000'000);
             if (w.more()) p.key_choice = choice(w, "the keys");
         }},
        {"value", [](Words& w, Plan& p) { p.value_bytes = w.number("the bytes of a value", 0, 65'536); }},
        {"churn",
         [](Words& w, Plan& p) {
             p.churn_permille = w.permille("how many a minute");
             p.churn_away_us = w.time("how long they are away");
         }},
        {"at", at},
        {"limit", limit},
        {"patience", [](Words& w, Plan& p) { p.patience_us = w.time("the patience"); }},
    };
    return all;
}

void read_line(std::string_view line, Plan& plan) {
    Words words(line);
    if (!words.more()) return;
    const auto name = words.word("a statement");
    const auto statement = statements().find(name);
    if (statement == statements().end()) throw Wrong{"there is no statement '" + std::string(name) + "'"};
    statement->second(words, plan);
    if (words.more()) throw Wrong{"'" + std::string(words.word("")) + "' is too much"};
}

}  // namespace

crdt::Result<Plan> read_plan(std::string name, std::string_view text) {
    Plan plan;
    plan.name = std::move(name);
    plan.network.straggler_permille = 0;  // nothing happens that the text does not say
    plan.network.jitter_us_max = 0;
    for (std::size_t number = 1; !text.empty(); ++number) {
        const auto size = std::min(text.find('\n'), text.size());
        try {
            read_line(text.substr(0, size), plan);
        } catch (const Wrong& wrong) {
            return crdt::Fault{crdt::FaultCode::malformed,
                               plan.name + ", line " + std::to_string(number) + ": " + wrong.what};
        }
        text.remove_prefix(std::min(size + 1, text.size()));
    }
    return plan;
}

}  // namespace starling::sim
