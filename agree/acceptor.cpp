#include "agree/acceptor.hpp"

#include "agree/register.hpp"
#include "crdt/mutant.hpp"

namespace starling::agree {

using namespace crdt;

Acceptor::Acceptor(const NodeKey& self, Standpoint standpoint, Cells cells)
    : self_(self), standpoint_(std::move(standpoint)), cells_(std::move(cells)) {
    check();
}

AcceptorEffects Acceptor::handle(const Request& request) {
    write_.reset();
    AcceptorEffects effects;
    auto body = answer(request);
    effects.reply = {request.id, standpoint_.life, standpoint_.sync, std::move(body)};
    effects.write = std::exchange(write_, std::nullopt);
    return effects;
}

ReplyBody Acceptor::answer(const Request& request) {
    if (auto refusal = refused(request)) return *refusal;
    return std::visit([&](const auto& body) { return on(body); }, request.body);
}

std::optional<Refused> Acceptor::refused(const Request& request) {
    if (std::holds_alternative<Identify>(request.body)) return std::nullopt;
    if (request.voter != standpoint_.life) return Refused{Refusal::no_voter, {}, {}};
    if (request.seen_sync > standpoint_.sync && !standpoint_.went_back) {
        standpoint_.went_back = true;
        wrote(nullptr);
    }
    if (standpoint_.went_back) return Refused{Refusal::went_back, {}, {}};
    if (std::holds_alternative<Install>(request.body)) return std::nullopt;

    const auto& record = standpoint_.record;
    const auto epoch = record ? record->epoch : 0;
    if (request.epoch > epoch) return Refused{Refusal::new_epoch, {}, {}};
    if (request.epoch < epoch && !mutant(Mutant::old_epochs_pass)) return Refused{Refusal::old_epoch, {}, record};
    if (!record || !record->names({self_, standpoint_.life})) return Refused{Refusal::no_voter, {}, {}};
    return std::nullopt;
}

ReplyBody Acceptor::on(const Prepare& prepare) {
    auto at = cells_.find(prepare.key);
    if (at != cells_.end()) {
        const auto& cell = at->second;
        // The same prepare again is granted again, unless its accept has been here already.
        if (prepare.ballot < cell.promised || prepare.ballot == cell.accepted)
            return Refused{Refusal::ballot, cell.promised, {}};
        if (prepare.ballot == cell.promised) return Promised{cell.accepted, cell.held};
    } else {
        at = cells_.try_emplace(prepare.key).first;
    }
    at->second.promised = prepare.ballot;
    if (!mutant(Mutant::promises_are_not_synced)) wrote(&*at);
    return Promised{at->second.accepted, at->second.held};
}

ReplyBody Acceptor::on(const Accept& accept) {
    auto& entry = *cells_.try_emplace(accept.key).first;
    auto& cell = entry.second;
    if (accept.ballot == cell.accepted) return Accepted{};  // said before; the answer was lost
    if (accept.ballot < cell.promised) return Refused{Refusal::ballot, cell.promised, {}};
    cell.accepted = accept.ballot;
    cell.promised = accept.promise_next && !mutant(Mutant::next_is_not_promised) ? accept.ballot.next() : accept.ballot;
    cell.held = accept.held;
    if (!mutant(Mutant::accepts_are_not_synced)) wrote(&entry);
    return Accepted{};
}

ReplyBody Acceptor::on(const Read& read) {
    const auto at = cells_.find(read.key);
    return at == cells_.end() ? Held{} : Held{at->second.accepted, at->second.held};
}

ReplyBody Acceptor::on(const ListKeys& list) {
    Keys page;
    auto at = cells_.upper_bound(list.after);
    if (list.after.empty()) at = cells_.begin();  // the empty key is one, too
    for (; at != cells_.end() && page.keys.size() < page_keys_max; ++at) page.keys.push_back(at->first);
    page.more = at != cells_.end();
    return page;
}

ReplyBody Acceptor::on(const Install& install) {
    if (!standpoint_.record || standpoint_.record->epoch < install.record.epoch) {
        standpoint_.record = install.record;
        wrote(nullptr);
    }
    return Identity{standpoint_.record};
}

void Acceptor::wrote(const Cells::value_type* cell) {
    STARLING_ASSERT(standpoint_.sync < count_max, "nobody writes 2^53 times");
    ++standpoint_.sync;
    write_ = AcceptorWrite{standpoint_, {}};
    if (cell != nullptr) write_->cell.emplace(*cell);
}

void Acceptor::check() const {
    STARLING_ASSERT(!standpoint_.record || valid(*standpoint_.record), "an installed record is valid");
    for (const auto& [key, cell] : cells_) {
        STARLING_ASSERT(cell.accepted <= cell.promised, "what was accepted was promised");
        STARLING_ASSERT(cell.accepted.none() == cell.held.empty(), "what was accepted is held");
    }
}

}  // namespace starling::agree
