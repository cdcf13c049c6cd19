#include "tests/crdt/proof/engine.hpp"

#include <algorithm>

#include "crdt/codec.hpp"
#include "crdt/transaction.hpp"

namespace starling::proof {

void Engine::begin(std::size_t place, int life, bool survives) {
    if (place >= nodes_.size()) nodes_.resize(place + 1);
    auto& node = nodes_[place];
    node.id = replica_of(place, crdt::Life(life));
    lives_[node.id] = life;
    node.replica = std::make_unique<crdt::Replica>(0);
    node.waiting.clear();
    if (!survives) {
        node.log.clear();
        node.disk.clear();
    }
    for (const auto& [is_answer, number] : node.disk) {  // from nothing, as a store is opened
        if (is_answer) {
            apply_difference(*node.replica, answers_[number]);
        } else {
            node.replica->apply(changesets_[number].changeset, changesets_[number].body);
        }
    }
    node.replica->begin_life(node.id);
}

void Engine::write(std::size_t place, const std::vector<Operation>& operations, crdt::Stamp stamp, bool undone) {
    crdt::Transaction tx(*nodes_[place].replica, stamp);
    for (const auto& operation : operations) perform(tx, operation);
    if (undone) return tx.rollback();
    if (!tx.commit()) fault_ = "a small transaction fails";
}

std::optional<std::size_t> Engine::cut(std::size_t place) {
    auto& node = nodes_[place];
    const auto changeset = node.replica->cut();
    if (!changeset) return std::nullopt;
    const auto number = changesets_.size();
    if (!changesets_.emplace_back(*changeset).same) fault_ = "a changeset changes when it travels";
    node.log[node.id].push_back(number);
    node.disk.push_back({false, number});
    return number;
}

void Engine::receive(std::size_t place, std::size_t changeset) {
    nodes_[place].waiting.push_back(changeset);
    drain(nodes_[place]);
}

void Engine::drain(Node& node) {
    for (std::size_t at = 0; at < node.waiting.size();) {
        const auto number = node.waiting[at];
        const auto& [changeset, body, causes, same] = changesets_[number];
        const auto seen = node.replica->state().seen(changeset.origin);
        const bool old = changeset.last() <= seen;
        if (!old && (changeset.first != seen + 1 || node.replica->missing(changeset, body))) {
            ++at;
            continue;
        }
        node.waiting.erase(node.waiting.begin() + std::ptrdiff_t(at));
        if (old) continue;
        node.replica->apply(changeset, body);
        node.log[changeset.origin].push_back(number);
        node.disk.push_back({false, number});
        at = 0;  // what waited for this one may be ready
    }
}

std::optional<std::vector<std::size_t>> Engine::pull(std::size_t place, std::size_t asker) {
    const auto& node = nodes_[place];
    const auto& there = nodes_[asker].replica->state();
    std::vector<std::size_t> out;
    for (const auto& [id, top] : node.replica->state().version()) {
        auto need = there.seen(id) + 1;
        const auto at = node.log.find(id);
        for (std::size_t i = 0; at != node.log.end() && i < at->second.size(); ++i) {
            const auto& changeset = changesets_[at->second[i]].changeset;
            if (changeset.last() < need) continue;
            if (changeset.first != need) return std::nullopt;
            out.push_back(at->second[i]);
            need = changeset.last() + 1;
        }
        if (need <= top) return std::nullopt;
    }
    return out;
}

void Engine::trim(std::size_t place, int life) {
    std::erase_if(nodes_[place].log, [&](const auto& item) { return life_of(item.first) == life; });
}

std::size_t Engine::pin(std::size_t place) {
    cut(place);
    const auto& state = nodes_[place].replica->state();
    pins_.push_back({state.version(), live_dots(state)});
    return pins_.size() - 1;
}

std::size_t Engine::answer(std::size_t place, std::size_t pin, bool knowing) {
    return answer_to(place, pins_[pin], knowing);
}

std::size_t Engine::answer_to(std::size_t place, const Pin& pin, bool knowing) {
    cut(place);
    const auto& replica = *nodes_[place].replica;
    const auto& [base, live] = pin;
    answers_.push_back(knowing ? answer_knowing(replica, base, live, {}) : crdt::answer(replica, base, {}));
    return answers_.size() - 1;
}

void Engine::apply(std::size_t place, std::size_t answer) {
    auto& node = nodes_[place];
    const auto& difference = answers_[answer];
    if (!valid_difference(*node.replica, difference)) {
        fault_ = "an honest answer is refused";
        return;
    }
    for (const auto& [id, top] : difference.tops) {
        if (top.seen > node.replica->state().seen(id)) node.log[id].clear();
    }
    apply_difference(*node.replica, difference);
    node.disk.push_back({true, answer});
    drain(node);
}

std::size_t Engine::finish(std::size_t place, std::size_t answer, std::size_t, bool knowing) {
    const auto& difference = answers_[answer];
    Pin theirs;  // the answer has named their version, and what lives there
    for (const auto& [id, top] : difference.tops) theirs.base[id] = top.seen;
    theirs.live = difference.inside;
    for (const auto& [id, runs] : difference.outside) {
        for (const auto& run : runs) extend(theirs.live[id], run.first, run.count);
    }
    return answer_to(place, theirs, knowing && difference.inside_is_live);
}

std::string Engine::wrong(bool healed) {
    if (!fault_.empty()) return fault_;
    for (const auto& node : nodes_) {
        node.replica->bookkeeping().rest(true);  // as soon as it can be
        node.replica->check();
    }
    for (std::size_t b = 1; b < nodes_.size(); ++b) {
        for (std::size_t a = 0; a < b; ++a) {
            if (nodes_[a].replica->window_open() || nodes_[b].replica->window_open()) continue;
            const auto &one = nodes_[a].replica->state(), &other = nodes_[b].replica->state();
            const bool equal = one.version() == other.version();
            if (healed && !equal) return "versions differ after the heal";
            if (equal != (one.version_hash() == other.version_hash())) return "a version hash is wrong";
            if (equal && one.fingerprint() != other.fingerprint()) return "equal versions, unequal states";
        }
    }
    return {};
}

std::map<int, std::uint64_t> Engine::version(std::size_t place) const {
    const auto& node = nodes_[place];
    std::map<int, std::uint64_t> version;
    for (const auto& [id, seq] : node.replica->state().version()) version[life_of(id)] = seq;
    if (node.replica->window_open())
        version[life_of(node.id)] = node.replica->state().seen(node.id) + node.replica->window_dots();
    return version;
}

std::map<int, std::uint64_t> Engine::heads(std::size_t place) const {
    std::map<int, std::uint64_t> heads;
    for (const auto& [id, head] : nodes_[place].replica->heads()) heads[life_of(id)] = head.last;
    return heads;
}

std::vector<Row> Engine::live(std::size_t place) const {
    std::vector<Row> rows;
    nodes_[place].replica->state().each_live([&](const crdt::Dot& dot, const crdt::LooseEntry& entry) {
        auto slot = entry.slot.key;
        if (entry.slot.type == crdt::Type::set || entry.slot.type == crdt::Type::map)
            slot += entry.slot.field.substr(1);
        rows.emplace_back(life_of(dot.replica), dot.seq, slot, entry.stamp, entry.depth,
                          crdt::integer_value(entry.value).value_or(0));
    });
    std::sort(rows.begin(), rows.end());
    return rows;
}

std::string Engine::readings(std::size_t place) const {
    return proof::readings(nodes_[place].replica->state());
}

}  // namespace starling::proof
