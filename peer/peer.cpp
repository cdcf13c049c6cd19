#include "peer/peer.hpp"

#include "crdt/assert.hpp"
#include "gossip/engine.hpp"

namespace starling::peer {

using namespace crdt;

struct Peer::Impl {
    explicit Impl(Options options)
        : replica(options.space, {options.random(), options.random()}),
          engine(
              replica, clock,
              {options.node, options.limits, std::move(options.verify), std::move(options.random), options.overlay}) {}

    Replica replica;
    Clock clock;
    gossip::Engine engine;
};

Peer::Peer(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Peer::~Peer() = default;

gossip::Effects Peer::handle(const gossip::Input& input, gossip::Now now) {
    return impl_->engine.handle(input, now);
}

Result<Commit> Peer::write(gossip::Now now, const std::function<void(Transaction&)>& write) {
    impl_->engine.prepare_write(now);
    Transaction tx(impl_->replica, impl_->clock.next(now.wall_us));
    write(tx);
    const bool wrote = tx.wrote();
    auto changes = tx.commit();
    if (!changes) return changes.fault();
    Commit commit{version(), *changes, wrote};
    if (wrote) impl_->engine.wrote(std::move(*changes), now);
    return commit;
}

bool Peer::settle(gossip::Now now) {
    if (!impl_->replica.window_open()) return false;
    impl_->engine.settle(now);
    return true;
}

const Replica& Peer::replica() const {
    return impl_->replica;
}

Version Peer::version() const {
    auto version = impl_->replica.state().version();
    if (impl_->replica.window_open()) version[*impl_->replica.self()] += impl_->replica.window_dots();
    return version;
}

gossip::Status Peer::status() const {
    return impl_->engine.status();
}
const gossip::Counters& Peer::counters() const {
    return impl_->engine.counters();
}
bool Peer::synced() const {
    return impl_->engine.synced();
}

void Peer::check() const {
    impl_->replica.check();
    impl_->engine.check();
}

}  // namespace starling::peer
