#include "sim/history.hpp"

#include <algorithm>
#include <tuple>

namespace starling::sim {

namespace {

bool newer(const LivePut& a, const LivePut& b) {
    return std::tie(a.stamp, a.dot) > std::tie(b.stamp, b.dot);
}

}  // namespace

const LivePut* Implied::winner(const crdt::Slot& slot) const {
    const auto at = live.find(slot);
    return at == live.end() ? nullptr : &*std::min_element(at->second.begin(), at->second.end(), newer);
}

std::vector<LivePut> Implied::newest_first(const crdt::Slot& slot) const {
    const auto at = live.find(slot);
    if (at == live.end()) return {};
    auto puts = at->second;
    std::sort(puts.begin(), puts.end(), newer);
    return puts;
}

std::size_t Implied::live_count() const {
    std::size_t count = 0;
    for (const auto& [slot, puts] : live) count += puts.size();
    return count;
}

std::optional<std::string> History::record(LocalTransaction transaction) {
    auto& life = lives_[transaction.origin];
    const auto next = life.empty() ? 1 : life.back().last() + 1;
    if (transaction.operations.empty()) return "a transaction without operations is none";
    if (transaction.first != next)
        return "a transaction began at " + name_of(crdt::Dot{transaction.origin, transaction.first}) + " where " +
               std::to_string(next) + " was next";
    for (const auto& operation : transaction.operations) {
        for (const auto& dot : operation.observed) {
            const bool own = dot.replica == transaction.origin && dot.seq <= transaction.last();
            if (!own && this->transaction(dot) == nullptr) return "nobody wrote " + name_of(dot) + ", yet it was seen";
        }
    }
    life.push_back(std::move(transaction));
    return std::nullopt;
}

const std::vector<LocalTransaction>& History::transactions(const crdt::ReplicaId& replica) const {
    static const std::vector<LocalTransaction> none;
    const auto at = lives_.find(replica);
    return at == lives_.end() ? none : at->second;
}

const LocalTransaction* History::transaction(const crdt::Dot& dot) const {
    const auto& life = transactions(dot.replica);
    const auto at = std::lower_bound(life.begin(), life.end(), dot.seq,
                                     [](const LocalTransaction& t, crdt::Seq seq) { return t.last() < seq; });
    return at == life.end() || dot.seq < at->first ? nullptr : &*at;
}

crdt::Version History::written() const {
    crdt::Version version;
    for (const auto& [replica, life] : lives_) {
        if (!life.empty()) version[replica] = life.back().last();
    }
    return version;
}

std::optional<std::string> History::impossible(const crdt::Version& version) const {
    for (const auto& [replica, seq] : version) {
        if (seq == 0) continue;
        const auto* last = transaction({replica, seq});
        if (last == nullptr) return "version covers " + name_of(crdt::Dot{replica, seq}) + ", which nobody wrote";
        if (last->last() != seq)
            return "version ends inside a transaction: " + name_of(crdt::Dot{replica, seq}) + " of …" +
                   std::to_string(last->last());
        for (const auto& [cause, needed] : last->context) {  // contexts of a replica only grow: the last one says all
            if (crdt::seen(version, cause) < needed)
                return "version covers " + name_of(crdt::Dot{replica, seq}) + " without its cause " +
                       name_of(crdt::Dot{cause, needed});
        }
    }
    return std::nullopt;
}

Implied History::implied(const crdt::Version& version) const {
    std::map<crdt::ReplicaId, std::vector<bool>> dead;
    for (const auto& [replica, seq] : version) dead[replica].resize(seq + 1);
    const auto each_covered = [&](auto visit) {
        for (const auto& [replica, top] : version) {
            for (const auto& transaction : transactions(replica)) {
                if (transaction.last() > top) break;
                auto seq = transaction.first;
                for (const auto& operation : transaction.operations) visit(transaction, seq++, operation);
            }
        }
    };
    Implied implied;
    each_covered([&](const auto&, crdt::Seq, const Operation& operation) {
        for (const auto& dot : operation.observed) {
            if (crdt::covers(version, dot)) dead[dot.replica][dot.seq] = true;
        }
        if (operation.slot.type == crdt::Type::counter) implied.counters[operation.slot.key] += operation.amount;
    });
    each_covered([&](const LocalTransaction& transaction, crdt::Seq seq, const Operation& operation) {
        if (!operation.puts || dead[transaction.origin][seq]) return;
        implied.live[operation.slot].push_back(
            {{transaction.origin, seq}, transaction.stamp, &operation, &transaction});
    });
    return implied;
}

std::string name_of(const crdt::Dot& dot) {
    return crdt::short_name(dot.replica) + "/" + std::to_string(dot.seq);
}

std::string name_of(const crdt::Version& version) {
    std::string text;
    for (const auto& [replica, seq] : version) text += (text.empty() ? "" : " ") + name_of(crdt::Dot{replica, seq});
    return "{" + text + "}";
}

std::string name_of(const crdt::Slot& slot) {
    static constexpr const char* types[] = {"?", "counter", "set", "map", "register", "multi-value", "flag", "journal"};
    const auto type = std::size_t(slot.type);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(slot.field.data());
    return std::string(types[type < std::size(types) ? type : 0]) + " " + slot.key + "[" +
           crdt::to_hex({bytes, slot.field.size()}) + "]";
}

}  // namespace starling::sim
