#include "gossip/wire_digest.hpp"

#include <algorithm>
#include <functional>

#include "crdt/limits.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::uint64_t short_rises = 3;               // rises of 1 to so many stand with the distance
constexpr std::uint64_t rise_forms = short_rises + 1;  // the last one: the rest of the rise follows

/// In the order of replicas, in which no replica stands twice.
template <class Item, class Name>
void put_in_order(FrameReader& in, std::vector<Item>& items, Name name) {
    const auto before = [&](const Item& a, const Item& b) { return std::invoke(name, a) < std::invoke(name, b); };
    std::sort(items.begin(), items.end(), before);
    const auto twice =
        std::adjacent_find(items.begin(), items.end(), [&](const Item& a, const Item& b) { return !before(a, b); });
    if (twice != items.end()) in.fail();
}

}  // namespace

void write_rises(Writer& out, const std::vector<Rise>& rises, RefSender& refs) {
    std::vector<std::pair<std::uint64_t, Seq>> numbered;
    std::size_t items = 0;
    for (const auto& rise : rises) {
        numbered.emplace_back(refs.number(rise.origin), rise.by);
        items += rise.by <= short_rises ? 1 : 2;
    }
    std::sort(numbered.begin(), numbered.end());
    out.array(items);
    std::uint64_t next = 0;
    for (const auto& [number, by] : numbered) {
        const auto form = std::min(by - 1, short_rises);
        out.uint(rise_forms * (number - next) + form);
        if (form == short_rises) out.uint(by - 1 - short_rises);
        next = number + 1;
    }
}

std::vector<Rise> read_rises(FrameReader& in) {
    std::vector<Rise> rises;
    std::uint64_t next = 0;
    for (auto items = in.array(2 * link_refs_max); items > 0 && in.ok(); --items) {
        const auto word = in.uint(rise_forms * link_refs_max);
        const auto number = next + word / rise_forms;
        auto by = word % rise_forms + 1;
        if (by > short_rises) {
            if (--items == 0) in.fail();
            by += in.uint(seq_max);
        }
        const auto origin = in.named(number);
        if (by > seq_max) in.fail();
        rises.push_back({origin, by});
        next = number + 1;
    }
    put_in_order(in, rises, &Rise::origin);
    return rises;
}

void write_origins(Writer& out, const std::vector<ReplicaId>& origins, RefSender& refs) {
    std::vector<std::uint64_t> numbers;
    for (const auto& origin : origins) numbers.push_back(refs.number(origin));
    std::sort(numbers.begin(), numbers.end());
    out.array(numbers.size());
    std::uint64_t next = 0;
    for (const auto number : numbers) {
        out.uint(number - next);
        next = number + 1;
    }
}

std::vector<ReplicaId> read_origins(FrameReader& in) {
    std::vector<ReplicaId> origins;
    std::uint64_t next = 0;
    for (auto items = in.array(link_refs_max); items > 0 && in.ok(); --items) {
        const auto number = next + in.uint(link_refs_max);
        origins.push_back(in.named(number));
        next = number + 1;
    }
    put_in_order(in, origins, std::identity());
    return origins;
}

void write_deps(Writer& out, const std::vector<Dot>& deps, RefSender& refs) {
    std::vector<std::pair<std::uint64_t, Seq>> numbered;
    for (const auto& dep : deps) numbered.emplace_back(refs.number(dep.replica), dep.seq);
    std::sort(numbered.begin(), numbered.end());
    out.array(2 * numbered.size());
    std::uint64_t next = 0;
    for (const auto& [number, seq] : numbered) {
        out.uint(number - next).uint(seq);
        next = number + 1;
    }
}

std::vector<Dot> read_deps(FrameReader& in) {
    std::vector<Dot> deps;
    const auto items = in.array(2 * changeset_deps_max);
    if (items % 2 != 0) in.fail();
    std::uint64_t next = 0;
    for (std::size_t i = 0; i < items && in.ok(); i += 2) {
        const auto number = next + in.uint(link_refs_max);
        const auto replica = in.named(number);
        deps.push_back({replica, in.uint(seq_max)});
        next = number + 1;
    }
    put_in_order(in, deps, &Dot::replica);
    return deps;
}

}  // namespace starling::gossip
