// Maps whose writes name a fencing token. A field's entry is [token, value], or [token] where it was erased.
#include <starling/fenced.hpp>

#include "crdt/codec.hpp"
#include "crdt/limits.hpp"
#include "crdt/views.hpp"
#include "node/convert.hpp"
#include "node/core.hpp"

namespace starling {

namespace {

std::optional<detail::Fenced> fenced_entry(crdt::BytesView bytes) {
    crdt::Reader in(bytes);
    const auto items = in.array(2);
    detail::Fenced entry;
    entry.token = in.uint(crdt::seq_max);
    if (items == 2) entry.value = in.item(bytes.size(), bytes.size());
    const bool sound = in.done() && items > 0 && entry.token > 0;
    return sound ? std::optional(std::move(entry)) : std::nullopt;
}

std::string fenced_bytes(std::uint64_t token, const std::optional<std::string>& value) {
    crdt::Writer out;
    out.array(value ? 2 : 1).uint(token);
    if (value) out.raw(*value);
    return out.take();
}

}  // namespace

/// Of the live entries that with the highest token, and among those the newest; one that is none of ours is not there.
std::optional<detail::Fenced> Handle::read_fenced(std::string_view field) const {
    return core_->read([&](const peer::Peer& peer) {
        std::optional<detail::Fenced> best;
        for (const auto& reason : crdt::explain(peer.state(), crdt::slot_of(crdt::Type::map, key_, field))) {
            auto entry = fenced_entry(reason.value);
            if (entry && (!best || entry->token > best->token)) best = std::move(entry);
        }
        return best;
    });
}

void Handle::write_fenced(Tx& tx, std::uint64_t token, std::string_view field,
                          const std::optional<std::string>& value) const {
    if (token == 0 || token > crdt::seq_max) tx.fail(Error(Errc::invalid_argument, "a token is that of a lock"));
    if (const auto found = read_fenced(field); found && found->token > token)
        tx.fail(Error(Errc::fenced,
                      key_ + ": token " + std::to_string(token) + ", there is " + std::to_string(found->token)));
    tx.apply(*this, detail::Operation::put, field, fenced_bytes(token, value));
}

Commit Handle::write_fenced(std::uint64_t token, std::string_view field,
                            const std::optional<std::string>& value) const {
    return core_->transact([&](Tx& tx) { write_fenced(tx, token, field, value); });
}

}  // namespace starling
