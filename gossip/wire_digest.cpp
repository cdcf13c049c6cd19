#include "gossip/wire_digest.hpp"

#include <algorithm>

#include "crdt/limits.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::uint64_t short_rises = 3;               // rises of 1 to so many stand with the distance
constexpr std::uint64_t rise_forms = short_rises + 1;  // the last one: the rest of the rise follows

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
    return origins;
}

}  // namespace starling::gossip
