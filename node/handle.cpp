#include <starling/handles.hpp>

#include "crdt/codec.hpp"
#include "crdt/views.hpp"
#include "node/convert.hpp"
#include "node/core.hpp"

namespace starling {

Handle::Handle(detail::CorePtr core, Type type, std::string key)
    : core_(std::move(core)), type_(type), key_(std::move(key)) {}

std::int64_t Handle::read_total() const {
    return core_->read([&](const peer::Peer& peer) { return crdt::Counter::read(peer.state(), key_); });
}

bool Handle::read_presence(std::string_view field) const {
    return core_->read([&](const peer::Peer& peer) {
        return type_ == Type::flag ? crdt::Flag::read(peer.state(), key_)
                                   : crdt::Set::contains(peer.state(), key_, field);
    });
}

std::optional<std::string> Handle::read_value(std::string_view field) const {
    return core_->read([&](const peer::Peer& peer) {
        return type_ == Type::register_ ? crdt::Register::get(peer.state(), key_)
                                        : crdt::Map::get(peer.state(), key_, field);
    });
}

std::vector<std::string> Handle::read_fields() const {
    return core_->read([&](const peer::Peer& peer) {
        std::vector<std::string> fields;
        peer.state().each_field(detail::to_inner(type_), key_,
                                [&](const crdt::SlotView& slot, const auto&) { fields.emplace_back(slot.field); });
        return fields;
    });
}

std::vector<std::pair<std::string, std::string>> Handle::read_items() const {
    return core_->read([&](const peer::Peer& peer) { return crdt::Map::items(peer.state(), key_); });
}

std::vector<std::string> Handle::read_values() const {
    return core_->read([&](const peer::Peer& peer) { return crdt::MultiValue::get(peer.state(), key_); });
}

std::vector<detail::RawJournalEntry> Handle::read_journal(const Version& since) const {
    const auto seen = detail::to_inner(since);
    return core_->read([&](const peer::Peer& peer) {
        std::vector<detail::RawJournalEntry> entries;
        for (const auto* entry : crdt::Journal::read(peer.state(), key_)) {
            if (crdt::covers(seen, entry->dot())) continue;
            entries.push_back(
                {detail::to_public(entry->dot()), detail::to_public_stamp(entry->stamp), std::string(entry->value())});
        }
        return entries;
    });
}

Commit Handle::write(detail::Operation operation, std::string_view field, std::string value) const {
    return core_->transact([&](Tx& tx) { tx.apply(*this, operation, field, std::move(value)); });
}

Subscription Handle::watch_key(std::function<void(const Changes&)> changed) const {
    core_->require_open();
    return Subscription(core_->watchers().add(key_, type_, std::move(changed)));
}

Counter::Counter(detail::CorePtr core, std::string key) : Handle(std::move(core), Type::counter, std::move(key)) {}

Commit Counter::add(std::int64_t amount) const {
    return core().transact([&](Tx& tx) { tx.add(*this, amount); });
}

Flag::Flag(detail::CorePtr core, std::string key) : Handle(std::move(core), Type::flag, std::move(key)) {}

Commit Flag::enable() const {
    return write(detail::Operation::insert, {}, {});
}
Commit Flag::disable() const {
    return write(detail::Operation::remove, {}, {});
}

// -- what writes and watches return
// --------------------------------------------------------------------------------------

void Commit::durable() const {
    durable(std::chrono::milliseconds::max());
}

bool Commit::durable(std::chrono::milliseconds timeout) const {
    if (!core_) throw Error(Errc::not_durable);
    return core_->wait_durable(detail::to_inner(last_), timeout);
}

void Commit::durable(std::error_code& error) const noexcept {
    error.clear();
    try {
        durable();
    } catch (const Error& thrown) {
        error = thrown.code();
    }
}

std::future<void> Commit::when_durable() const {
    if (!core_) throw Error(Errc::not_durable);
    return core_->when_durable(detail::to_inner(last_));
}

Subscription::Subscription(std::shared_ptr<detail::Watcher> watcher) : watcher_(std::move(watcher)) {}
Subscription::Subscription(Subscription&& other) noexcept = default;

Subscription& Subscription::operator=(Subscription&& other) noexcept {
    if (this != &other) {
        reset();
        watcher_ = std::move(other.watcher_);
    }
    return *this;
}

Subscription::~Subscription() {
    reset();
}

void Subscription::reset() noexcept {
    const auto watcher = std::move(watcher_);
    if (!watcher) return;
    if (const auto home = watcher->home.lock()) {
        const bool may_wait = !detail::inside_transaction() && !detail::inside_change();
        home->remove(*watcher, may_wait);
    }
}

}  // namespace starling
