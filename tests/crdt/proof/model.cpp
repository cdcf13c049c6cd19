#include "tests/crdt/proof/model.hpp"

#include <algorithm>
#include <sstream>

namespace starling::proof {

namespace {

constexpr std::uint64_t ended = 1'000'000'000;  ///< the version of an ended replica: every dot is covered for ever
constexpr int liar = 1'000'000;

std::uint64_t seen(const std::map<int, std::uint64_t>& version, int replica) {
    const auto at = version.find(replica);
    return at == version.end() ? 0 : at->second;
}

/// "s0f1": the key, and the field where there is one.
std::string slot_name(const Operation& operation) {
    std::string name{proof::name_of(operation.type)[0], char('0' + operation.key)};
    const bool fielded = operation.type == crdt::Type::set || operation.type == crdt::Type::map;
    if (fielded) name += std::string{'f', char('0' + operation.field)};
    return name;
}

}  // namespace

bool Model::covers(const Version& version, const Dot& dot) {
    return dot.second <= seen(version, dot.first);
}

void Model::begin(std::size_t place, int life, bool survives) {
    if (place >= nodes_.size()) {
        nodes_.resize(place + 1);
        nodes_[place].id = life;
        return;
    }
    if (liars_) return;
    auto& node = nodes_[place];
    Node next;
    next.id = life;
    if (survives) {  // what was cut survives; the open window was never acknowledged
        next.version = node.version;
        next.log = node.log;
        next.heads = node.heads;
        next.limit = node.limit;
        next.live = implied(node, false);
    } else if (bug_ == Bug::reuse) {
        next.id = node.id;
    }
    node = std::move(next);
}

// -- writing

void Model::write(std::size_t place, const std::vector<Operation>& operations, crdt::Stamp, bool undone) {
    if (undone) return;
    auto& node = nodes_[place];
    for (const auto& operation : operations) {
        const auto slot = slot_name(operation);
        std::set<Dot> removed;
        for (const auto& [dot, at] : node.live) {
            if (at == slot) removed.insert(dot);
        }
        if (!operation.grow && removed.empty()) continue;  // changes nothing, and is no operation
        for (const auto& dot : removed) node.live.erase(dot);
        const auto seq = seen(node.version, node.id) + node.window.size() + 1;
        if (operation.grow) node.live[{node.id, seq}] = slot;
        node.window.push_back({seq, operation.grow ? std::optional(slot) : std::nullopt, removed});
    }
}

/// Closes the window: superseded puts are dropped, every removal is kept.
std::optional<std::size_t> Model::cut(Node& node, const Version& ends) {
    if (node.window.empty() && ends.empty()) return std::nullopt;
    if (node.window.empty()) node.window.push_back({seen(node.version, node.id) + 1, std::nullopt, {}});
    Changeset changeset{node.id, node.window.front().seq, node.window.size(), node.heads, {}, {}, ends};
    changeset.deps.erase(node.id);
    std::set<Dot> all_removed;
    for (const auto& written : node.window) all_removed.insert(written.removed.begin(), written.removed.end());
    for (const auto& [seq, slot, removed] : node.window) {
        const bool superseded = all_removed.contains({node.id, seq});
        if (slot && !superseded) changeset.puts[seq] = *slot;
        if (bug_ == Bug::lostremoves && slot && superseded) continue;
        changeset.removes.insert(removed.begin(), removed.end());
    }
    for (const auto& written : node.window) changeset.removes.erase({node.id, written.seq});
    if (bug_ == Bug::emptychange && changeset.puts.empty()) changeset.count = 0;
    node.window.clear();
    node.version[node.id] = changeset.last();
    changesets_.push_back(std::move(changeset));
    history_.push_back(changesets_.size() - 1);
    accept(node, changesets_.size() - 1);
    return changesets_.size() - 1;
}

// -- applying

void Model::accept(Node& node, std::size_t number) {
    const auto& changeset = changesets_[number];
    node.log[changeset.origin].push_back(number);
    std::erase_if(node.heads, [&](const auto& head) { return seen(changeset.deps, head.first) >= head.second; });
    node.heads[changeset.origin] = changeset.last();
    for (const auto& [replica, last] : changeset.ends) end(node, replica, last);
}

/// Every dot of the replica is covered for ever; its entries past `last` are dropped; the lowest wins.
void Model::end(Node& node, int replica, std::uint64_t last) {
    const auto at = node.limit.try_emplace(replica, last).first;
    at->second = std::min(at->second, last);
    node.version[replica] = ended;
    node.heads.erase(replica);
    node.log.erase(replica);
    std::erase_if(node.live,
                  [&](const auto& entry) { return entry.first.first == replica && entry.first.second > at->second; });
}

bool Model::ready(const Node& node, const Changeset& changeset) const {
    if (seen(node.version, changeset.origin) + 1 != changeset.first) return false;
    const auto covered = [&](const Dot& dot) { return covers(node.version, dot); };
    return bug_ == Bug::nodeps || (std::all_of(changeset.deps.begin(), changeset.deps.end(), covered) &&
                                   std::all_of(changeset.removes.begin(), changeset.removes.end(), covered));
}

bool Model::acceptable(const Node& node, std::size_t number) const {
    const auto& changeset = changesets_[number];
    if (ready(node, changeset)) return true;
    if (changeset.count != 0 || seen(node.version, changeset.origin) + 1 < changeset.first) return false;
    const auto at = node.log.find(changeset.origin);  // without a dot only the log tells whether it has come before
    return at == node.log.end() || std::count(at->second.begin(), at->second.end(), number) == 0;
}

void Model::receive(std::size_t place, std::size_t changeset) {
    nodes_[place].waiting.push_back(changeset);
    drain(nodes_[place]);
}

void Model::drain(Node& node) {
    for (std::size_t at = 0; at < node.waiting.size();) {
        const auto number = node.waiting[at];
        const auto& changeset = changesets_[number];
        const bool old = changeset.count != 0 && changeset.last() <= seen(node.version, changeset.origin);
        if (!old && !acceptable(node, number)) {
            ++at;
            continue;
        }
        node.waiting.erase(node.waiting.begin() + std::ptrdiff_t(at));
        if (old) continue;
        for (const auto& dot : changeset.removes) node.live.erase(dot);
        for (const auto& [seq, slot] : changeset.puts) node.live[{changeset.origin, seq}] = slot;
        auto& top = node.version[changeset.origin];
        top = std::max(top, changeset.last());
        accept(node, number);
        at = 0;
    }
}

std::optional<std::vector<std::size_t>> Model::pull(std::size_t place, std::size_t asker) {
    const auto& node = nodes_[place];
    std::vector<std::size_t> out;
    for (const auto& [origin, top] : node.version) {
        auto need = seen(nodes_[asker].version, origin) + 1;
        if (top == ended && need <= ended) return std::nullopt;  // an end record travels by diff
        const auto log = node.log.find(origin);
        for (std::size_t i = 0; log != node.log.end() && i < log->second.size(); ++i) {
            const auto& changeset = changesets_[log->second[i]];
            if (changeset.last() < need) continue;
            if (changeset.first != need) return std::nullopt;
            out.push_back(log->second[i]);
            need = changeset.last() + 1;
        }
        if (need <= top) return std::nullopt;
    }
    return out;
}

// -- the state diff

/// What is advertised and what is held are one instant, with no window open.
Model::Pin Model::pinned(Node& node) {
    if (bug_ != Bug::openwindow) cut(node, {});
    auto version = node.version;
    if (!node.window.empty()) version[node.id] += node.window.size();
    return {version, node.live, node.heads, node.limit};
}

/// What the owner of `mine` answers to a peer pinned at `theirs`: entries outside its version, its dots that died here.
Model::Difference Model::difference(const Pin& mine, const Pin& theirs) {
    Difference diff{theirs.version, mine.version, {}, {}, mine.heads, mine.limit};
    for (const auto& [dot, slot] : mine.live) {
        if (!covers(theirs.version, dot)) diff.entries[dot] = slot;
    }
    for (const auto& [dot, slot] : theirs.live) {
        if (covers(mine.version, dot) && !mine.live.contains(dot)) diff.removed.insert(dot);
    }
    return diff;
}

std::size_t Model::pin(std::size_t place) {
    pins_.push_back(pinned(nodes_[place]));
    return pins_.size() - 1;
}

std::size_t Model::answer(std::size_t place, std::size_t pin, bool) {
    auto mine = pinned(nodes_[place]);
    answers_.push_back({difference(mine, pins_[pin]), mine});
    return answers_.size() - 1;
}

std::size_t Model::finish(std::size_t place, std::size_t answer, std::size_t pin, bool) {
    auto& node = nodes_[place];
    auto mine = pinned(node);
    if (bug_ == Bug::unpinned) mine = {pins_[pin].version, node.live, pins_[pin].heads, pins_[pin].limit};
    answers_.push_back({difference(mine, answers_[answer].pin), mine});
    return answers_.size() - 1;
}

void Model::apply(std::size_t place, std::size_t answer) {
    auto& node = nodes_[place];
    const auto& diff = answers_[answer].difference;
    const auto before = node.version;
    for (const auto& dot : diff.removed) node.live.erase(dot);
    if (bug_ != Bug::nointerval) {
        std::erase_if(node.live, [&](const auto& entry) {
            return !covers(diff.base, entry.first) && covers(diff.version, entry.first) &&
                   !diff.entries.contains(entry.first);
        });
    }
    for (const auto& [dot, slot] : diff.entries) {
        if (!covers(node.version, dot) || bug_ == Bug::resurrect) node.live[dot] = slot;
    }
    join_heads(node, diff, before);
    for (const auto& [replica, seq] : diff.version) {
        if (seq <= seen(node.version, replica)) continue;
        node.version[replica] = seq;
        node.log[replica].clear();
    }
    for (const auto& [replica, last] : diff.limit) end(node, replica, last);
    drain(node);
}

/// Heads join as live entries do.
void Model::join_heads(Node& node, const Difference& diff, const Version& before) const {
    Version merged;
    for (const auto& head : node.heads) {
        if (!covers(diff.version, head) || seen(diff.heads, head.first) == head.second) merged.insert(head);
    }
    for (const auto& head : diff.heads) {
        if (covers(before, head) && seen(node.heads, head.first) != head.second) continue;
        auto& last = merged[head.first];
        last = std::max(last, head.second);
    }
    node.heads = std::move(merged);
}

// -- lies, and what ends them

void Model::lie(std::size_t place, std::size_t other) {
    if (!liars_ || nodes_.size() < 3) return;
    for (const auto& [to, slot] : {std::pair(place, "x"), std::pair(other, "y")}) {
        const auto seq = seen(nodes_[to].version, liar) + 1;
        changesets_.push_back({liar, seq, 1, {}, {{seq, slot}}, {}, {}});
        receive(to, changesets_.size() - 1);
    }
}

/// Proof was found: the liar is ended, which obliges diffs on every link.
void Model::heal_begins() {
    if (liars_) cut(nodes_[0], {{liar, 0}});
}

void Model::heal_without_log(std::size_t place, std::size_t peer) {
    if (bug_ != Bug::noforce || !liars_) return World::heal_without_log(place, peer);
    auto &node = nodes_[place], &from = nodes_[peer];
    for (const auto& [replica, last] : from.limit) end(node, replica, last);
    for (const auto& [origin, log] : from.log) {
        for (const auto changeset : log) receive(place, changeset);
    }
}

// -- judging

Model::Live Model::implied(const Node& node, bool with_window) const {
    Live live;
    std::set<Dot> dead;
    for (const auto number : history_) {
        const auto& changeset = changesets_[number];
        const auto last = changeset.count == 0 ? changeset.first : changeset.last();
        if (!covers(node.version, {changeset.origin, last})) continue;
        dead.insert(changeset.removes.begin(), changeset.removes.end());
        for (const auto& [seq, slot] : changeset.puts) live[{changeset.origin, seq}] = slot;
    }
    std::erase_if(live, [&](const auto& entry) { return dead.contains(entry.first); });
    for (std::size_t i = 0; with_window && i < node.window.size(); ++i) {
        for (const auto& dot : node.window[i].removed) live.erase(dot);
        if (node.window[i].slot) live[{node.id, node.window[i].seq}] = *node.window[i].slot;
    }
    return live;
}

std::string Model::wrong(bool healed) {
    if (liars_ && !healed) return {};
    for (const auto& node : nodes_) {
        if (!liars_ && node.live != implied(node, true)) return "a replica does not hold what its version implies";
        for (const auto& other : nodes_) {
            if (!node.window.empty() || !other.window.empty()) continue;
            if (healed && node.version != other.version) return "versions differ after the heal";
            if (node.version == other.version && node.live != other.live) return "equal versions, unequal live sets";
        }
    }
    return {};
}

Model::Version Model::version(std::size_t place) const {
    auto version = nodes_[place].version;
    if (!nodes_[place].window.empty()) version[nodes_[place].id] += nodes_[place].window.size();
    std::erase_if(version, [](const auto& line) { return line.second == 0; });
    return version;
}

}  // namespace starling::proof
