// What the log knows of seals: what it can prove to a peer.
#include <algorithm>

#include "crdt/assert.hpp"
#include "crdt/mutant.hpp"
#include "gossip/log.hpp"

namespace starling::gossip {

using crdt::ReplicaId;
using crdt::Seq;

const Log::Record* Log::top(const ReplicaId& origin) const {
    const auto at = origins_.find(origin);
    return at == origins_.end() ? nullptr : &at->second.back();
}

const Log::Record* Log::at(const ReplicaId& origin, Seq seq) const {
    const auto at = origins_.find(origin);
    if (at == origins_.end()) return nullptr;
    const auto after = Log::from(at->second, seq + 1);
    if (after == at->second.begin()) return nullptr;
    const auto& record = *std::prev(after);
    return record.changeset->last() >= seq ? &record : nullptr;
}

void Log::sealed(const SealPtr& seal) {
    const auto at = origins_.find(seal->replica);
    if (at == origins_.end()) return;
    auto& records = at->second;
    for (auto record = records.rbegin(); record != records.rend(); ++record) {
        if (record->changeset->first < seal->first) break;
        if (record->changeset->last() <= seal->last) record->proof.by = seal;
    }
}

std::vector<std::vector<Log::Record>> Log::proven(const ReplicaId& origin, Seq from, Seq to, std::size_t many) const {
    std::vector<std::vector<Record>> pieces;
    const auto at = origins_.find(origin);
    if (at == origins_.end()) return pieces;
    std::vector<Record> records;
    std::size_t provable = 0;  // of them
    StretchSize since;         // the last that is provable
    for (auto record = Log::from(at->second, from); record != at->second.end(); ++record) {
        const bool past = record->changeset->first > to || records.size() >= many;
        if (past && provable == records.size()) break;
        since.add(*record->changeset);
        if (!since.within(seal_stretch_bytes_max, seal_stretch_names_max)) break;  // nobody would take it
        records.push_back(*record);
        if (!record->proof.sealed(*record->changeset)) continue;
        provable = records.size();
        since = {};
    }
    if (!mutant(crdt::Mutant::pulls_end_unsealed)) records.resize(provable);
    for (auto& record : records) {
        const auto* before = pieces.empty() ? nullptr : &pieces.back().back();
        if (before == nullptr || before->proof.sealed(*before->changeset)) pieces.emplace_back();
        pieces.back().push_back(std::move(record));
    }
    return pieces;
}

std::vector<ChangesetPtr> Log::since_seal(const ReplicaId& origin) const {
    std::vector<ChangesetPtr> found;
    const auto at = origins_.find(origin);
    if (at == origins_.end()) return found;
    const auto& records = at->second;
    for (auto record = records.rbegin(); record != records.rend(); ++record) {
        if (!found.empty() && record->proof.sealed(*record->changeset)) break;
        found.push_back(record->changeset);
    }
    std::reverse(found.begin(), found.end());
    return found;
}

bool Log::amid_seal(const ReplicaId& origin) const {
    const auto* record = top(origin);
    return record != nullptr && record->proof.by && record->proof.by->last > record->changeset->last();
}

SealedRun Log::run_of(std::span<const Record> records) {
    STARLING_ASSERT(!records.empty(), "a run has changesets");
    std::vector<const crdt::Changeset*> changesets;
    std::vector<std::size_t> sealed;
    for (std::size_t i = 0; i < records.size(); ++i) {
        changesets.push_back(records[i].changeset.get());
        if (records[i].proof.sealed(*records[i].changeset)) sealed.push_back(i);
    }
    const auto& first = *records.front().changeset;
    SealedRun run{first.origin, records.front().proof.before, {}};
    for (const auto at : thinned(changesets, sealed)) {
        const auto& seal = *records[at].proof.by;
        SealLine line{seal.first, seal.last, {}, seal.signature};
        if (seal.first < first.first) line.before = seal.before;
        run.lines.push_back(line);
    }
    return run;
}

}  // namespace starling::gossip
