#include "tests/crdt/proof/twin.hpp"

#include <algorithm>
#include <array>

namespace starling::proof::twin {

namespace {

constexpr std::array<Kind, 7> kinds{Kind::counter, Kind::set,  Kind::map,    Kind::one,
                                    Kind::many,    Kind::flag, Kind::journal};
constexpr std::array<char, 7> letters{'c', 's', 'm', 'r', 'v', 'f', 'j'};

bool fielded(Kind kind) {
    return kind == Kind::set || kind == Kind::map;
}
std::string key_name(Kind kind, int key) {
    return letters[std::size_t(kind)] + std::to_string(key);
}

bool within(const Dots& small, const Dots& large) {
    return std::includes(large.begin(), large.end(), small.begin(), small.end());
}

}  // namespace

void Twin::begin(std::size_t place, int life, std::string name, bool survives) {
    if (place >= nodes_.size()) nodes_.resize(place + 1);
    auto& node = nodes_[place];
    node.life = life;
    node.window.clear();
    node.waiting.clear();
    if (!survives) node.seen.clear();
    names_[life] = std::move(name);
}

Dots Twin::visible(const Node& node) const {
    auto all = node.seen;
    all.insert(node.window.begin(), node.window.end());
    return all;
}

/// What was put there and what nobody, as far as this node has seen, took away.
Dots Twin::live_in(const Node& node, Kind kind, int key, std::optional<int> field) const {
    const auto all = visible(node);
    Dots live;
    for (const auto& dot : all) {
        const auto& wish = deeds_.at(dot).wish;
        if (wish.grow && wish.kind == kind && wish.key == key && (!field || wish.field == *field)) live.insert(dot);
    }
    for (const auto& dot : all) {
        for (const auto& removed : deeds_.at(dot).removed) live.erase(removed);
    }
    return live;
}

std::uint64_t Twin::depth(const Node& node) const {
    std::uint64_t deepest = 0;
    for (const auto& dot : node.seen) deepest = std::max(deepest, deeds_.at(dot).depth);
    return deepest;
}

void Twin::grow(Node& node, Deed& deed, const Dot& dot) const {
    const auto& wish = deed.wish;
    const auto there =
        live_in(node, wish.kind, wish.key, fielded(wish.kind) ? std::optional(wish.field) : std::nullopt);
    if (wish.kind == Kind::journal) return;
    if (wish.kind != Kind::counter) {
        deed.removed = there;
        return;
    }
    deed.total = wish.value;
    for (const auto& other : there) {
        if (other.first != dot.first) continue;
        deed.removed.insert(other);
        deed.total += deeds_.at(other).total;
    }
}

/// False where nothing is to be taken away.
bool Twin::shrink(const Node& node, Deed& deed) const {
    const auto& wish = deed.wish;
    const auto there =
        live_in(node, wish.kind, wish.key, fielded(wish.kind) ? std::optional(wish.field) : std::nullopt);
    if (there.empty()) return false;
    deed.removed = there;
    if (wish.kind != Kind::journal) return true;
    const auto order = in_causal_order(there);
    const auto last = std::size_t(std::uint8_t(wish.value)) % order.size();
    deed.removed = Dots(order.begin(), order.begin() + std::ptrdiff_t(last) + 1);
    return true;
}

void Twin::write(std::size_t place, const std::vector<Wish>& wishes, std::uint64_t stamp) {
    auto& node = nodes_[place];
    for (auto wish : wishes) {
        if (wish.kind == Kind::counter) wish.grow = true;  // a counter only counts
        Deed deed{wish, {}, 0, stamp, depth(node) + 1};
        int seq = 1;
        for (const auto& dot : visible(node)) {
            if (dot.first == node.life) seq = std::max(seq, dot.second + 1);
        }
        const Dot dot{node.life, seq};
        if (wish.grow) {
            grow(node, deed, dot);
        } else if (!shrink(node, deed)) {
            continue;
        }
        deeds_[dot] = std::move(deed);
        node.window.insert(dot);
    }
}

std::optional<std::size_t> Twin::cut(std::size_t place) {
    auto& node = nodes_[place];
    if (node.window.empty()) return std::nullopt;
    const auto deeper = depth(node) + 1;
    for (const auto& dot : node.window) deeds_.at(dot).depth = deeper;
    changesets_.push_back({node.window, node.seen});
    node.seen = visible(node);
    node.window.clear();
    return changesets_.size() - 1;
}

void Twin::receive(std::size_t place, std::size_t changeset) {
    nodes_[place].waiting.push_back(changeset);
    drain(nodes_[place]);
}

void Twin::learn(std::size_t place, const Dots& dots) {
    auto& node = nodes_[place];
    node.seen.insert(dots.begin(), dots.end());
    drain(node);
}

void Twin::drain(Node& node) {
    for (bool moved = true; moved;) {
        moved = false;
        for (const auto number : node.waiting) {
            const auto& [dots, causes] = changesets_[number];
            if (within(dots, node.seen) || !within(causes, node.seen)) continue;
            node.seen.insert(dots.begin(), dots.end());
            moved = true;
        }
    }
}

std::map<int, std::uint64_t> Twin::version(std::size_t place) const {
    std::map<int, std::uint64_t> counts;  // without gaps, a count is the last seq
    for (const auto& dot : visible(nodes_[place])) ++counts[dot.first];
    return counts;
}

std::map<int, std::uint64_t> Twin::heads(std::size_t place) const {
    const auto& seen = nodes_[place].seen;
    std::map<int, std::uint64_t> heads;
    for (const auto& changeset : changesets_) {
        const auto& last = *changeset.dots.rbegin();
        const bool named = std::any_of(changesets_.begin(), changesets_.end(), [&](const Changeset& other) {
            return seen.contains(*other.dots.begin()) && other.causes.contains(last);
        });
        if (seen.contains(last) && !named) heads[last.first] = std::uint64_t(last.second);
    }
    return heads;
}

std::vector<Row> Twin::live(std::size_t place) const {
    const auto& node = nodes_[place];
    std::vector<Row> rows;
    for (const auto& dot : visible(node)) {
        const auto& [wish, removed, total, stamp, depth] = deeds_.at(dot);
        if (!wish.grow || !live_in(node, wish.kind, wish.key, std::nullopt).contains(dot)) continue;
        auto slot = key_name(wish.kind, wish.key);
        if (fielded(wish.kind)) slot += "f" + std::to_string(wish.field);
        const bool valued = wish.kind != Kind::set && wish.kind != Kind::flag;
        const auto value = wish.kind == Kind::counter ? total : valued ? wish.value : 0;
        rows.emplace_back(dot.first, dot.second, slot, stamp, depth, value);
    }
    return rows;
}

std::vector<Dot> Twin::newest_first(const Dots& dots) const {
    std::vector<Dot> order(dots.begin(), dots.end());
    const auto age = [&](const Dot& dot) { return std::tuple(deeds_.at(dot).stamp, names_.at(dot.first), dot.second); };
    std::sort(order.begin(), order.end(), [&](const Dot& a, const Dot& b) { return age(a) > age(b); });
    return order;
}

std::vector<Dot> Twin::in_causal_order(const Dots& dots) const {
    std::vector<Dot> order(dots.begin(), dots.end());
    const auto at = [&](const Dot& dot) { return std::tuple(deeds_.at(dot).depth, names_.at(dot.first), dot.second); };
    std::sort(order.begin(), order.end(), [&](const Dot& a, const Dot& b) { return at(a) < at(b); });
    return order;
}

std::string Twin::reading(const Node& node, Kind kind, int key, int fields) const {
    const auto live = live_in(node, kind, key, std::nullopt);
    const auto value = [&](const Dot& dot) { return std::to_string(deeds_.at(dot).wish.value); };
    std::string text;
    if (kind == Kind::counter) {
        std::int64_t sum = 0;  // of every single amount ever added, totals or not
        for (const auto& dot : visible(node)) {
            const auto& wish = deeds_.at(dot).wish;
            if (wish.kind == kind && wish.key == key) sum += wish.value;
        }
        return std::to_string(sum);
    }
    if (kind == Kind::flag) return live.empty() ? "off" : "on";
    if (kind == Kind::one) return live.empty() ? "" : value(newest_first(live).front());
    if (kind == Kind::many || kind == Kind::journal) {
        for (const auto& dot : kind == Kind::many ? newest_first(live) : in_causal_order(live))
            text += value(dot) + ' ';
        return text;
    }
    for (int field = 0; field < fields; ++field) {
        const auto there = live_in(node, kind, key, field);
        if (there.empty()) continue;
        text += "f" + std::to_string(field);
        if (kind == Kind::map) text += "=" + value(newest_first(there).front());
        text += ' ';
    }
    return text;
}

std::string Twin::readings(std::size_t place, int keys, int fields) const {
    std::string text;
    for (const auto kind : kinds) {
        for (int key = 0; key < keys; ++key)
            text += key_name(kind, key) + ": " + reading(nodes_[place], kind, key, fields) + '\n';
    }
    return text;
}

}  // namespace starling::proof::twin
