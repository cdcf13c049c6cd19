#include "gossip/log.hpp"

#include <algorithm>

#include "crdt/assert.hpp"
#include "crdt/mutant.hpp"
#include "gossip/wire.hpp"

namespace starling::gossip {

using crdt::ReplicaId;
using crdt::Seq;

std::size_t Log::size_of(const crdt::Changeset& changeset) {
    constexpr std::size_t record_bytes = 256;  // the structs and their containers, roughly
    return record_bytes + changeset.body.size() + changeset.deps.size() * sizeof(crdt::Dot) +
           changeset.refs.size() * sizeof(ReplicaId);
}

void Log::append(ChangesetPtr changeset, std::uint64_t now_us, Proof proof) {
    auto& records = origins_[changeset->origin];
    STARLING_ASSERT(records.empty() || records.back().changeset->last() + 1 == changeset->first, "the log has no gaps");
    bytes_ += size_of(*changeset);
    order_.emplace_back(next_place_, changeset->origin);
    const auto wire_bytes = (records.empty() ? 0 : records.back().wire_bytes) + gossip::wire_bytes(*changeset);
    records.push_back({std::move(changeset), next_place_++, now_us, wire_bytes, std::move(proof)});
}

void Log::reset(const ReplicaId& origin) {
    const auto at = origins_.find(origin);
    if (at == origins_.end()) return;
    for (const auto& record : at->second) bytes_ -= size_of(*record.changeset);
    origins_.erase(at);
}

void Log::drop_oldest() {
    const auto [place, origin] = order_.front();
    order_.pop_front();
    const auto at = origins_.find(origin);
    if (at == origins_.end() || at->second.empty() || at->second.front().place != place) return;  // reset since
    bytes_ -= size_of(*at->second.front().changeset);
    at->second.pop_front();
    if (at->second.empty()) origins_.erase(at);
}

void Log::trim(std::size_t bytes_max, std::uint64_t now_us, std::uint64_t age_us_max) {
    const auto too_old = [&] {
        const auto at = origins_.find(order_.front().second);
        if (at == origins_.end() || at->second.front().place != order_.front().first) return true;
        return at->second.front().at_us + age_us_max < now_us;
    };
    while (!order_.empty() && (bytes_ > bytes_max || too_old())) drop_oldest();
}

bool Log::serves(const ReplicaId& origin, Seq from) const {
    const auto at = origins_.find(origin);
    if (mutant(crdt::Mutant::log_serves_gaps)) return true;
    return at != origins_.end() && !at->second.empty() && at->second.front().changeset->first <= from;
}

Log::Records::const_iterator Log::from(const Records& records, Seq seq) {
    return std::lower_bound(records.begin(), records.end(), seq,
                            [](const Record& r, Seq first) { return r.changeset->first < first; });
}

std::uint64_t Log::wire_bytes(const ReplicaId& origin, Seq from) const {
    const auto at = origins_.find(origin);
    if (at == origins_.end()) return 0;
    const auto record = Log::from(at->second, from);
    if (record == at->second.end()) return 0;
    return at->second.back().wire_bytes - record->wire_bytes + gossip::wire_bytes(*record->changeset);
}

std::vector<Log::Record> Log::range(const ReplicaId& origin, Seq from, Seq to, std::size_t many) const {
    std::vector<Record> found;
    const auto at = origins_.find(origin);
    if (at == origins_.end()) return found;
    for (auto record = Log::from(at->second, from);
         record != at->second.end() && record->changeset->first <= to && found.size() < many; ++record)
        found.push_back(*record);
    return found;
}

void Log::check() const {
    std::size_t bytes = 0;
    for (const auto& [origin, records] : origins_) {
        STARLING_ASSERT(!records.empty(), "no origin without a record");
        Seq next = records.front().changeset->first;
        for (const auto& record : records) {
            STARLING_ASSERT(record.changeset->first == next, "changesets of an origin follow each other");
            next = record.changeset->last() + 1;
            const auto& proof = record.proof;
            STARLING_ASSERT(!proof.by || (proof.by->replica == origin && proof.by->last >= record.changeset->last()),
                            "what proves a changeset was signed at it or later");
            STARLING_ASSERT(!proof.sealed(*record.changeset) || proof.by->after == proof.after,
                            "a seal is of the chain that the log holds");
            bytes += size_of(*record.changeset);
        }
        std::uint64_t on_wire = 0;
        for (auto at = records.rbegin(); at != records.rend(); ++at) on_wire += gossip::wire_bytes(*at->changeset);
        STARLING_ASSERT(on_wire == wire_bytes(origin, 0), "the log knows what it takes on the wire");
    }
    STARLING_ASSERT(bytes == bytes_, "the log knows its size");
}

}  // namespace starling::gossip
