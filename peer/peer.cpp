#include "peer/peer.hpp"

#include <algorithm>

#include "crdt/assert.hpp"
#include "gossip/engine.hpp"
#include "peer/seal_check.hpp"

namespace starling::peer {

using namespace crdt;

namespace {

gossip::EngineOptions engine_options(Options& options) {
    gossip::EngineOptions made{options.node, options.limits, std::move(options.verify), std::move(options.random),
                               options.overlay};
    made.sealer = std::move(options.sealer);
    made.mesh = options.mesh;
    return made;
}

// -- what is kept of seals besides those in the log: by a letter and the replica
constexpr char top_letter = 't', fork_letter = 'f';

Bytes key_of(char letter, const ReplicaId& id) {
    Writer out;
    out.replica(id);
    return letter + out.take();
}

Bytes encode_fork(const gossip::Fork& fork) {
    return pack_str(gossip::encode_seal(fork.here)) + pack_str(gossip::encode_seal(fork.there));
}

/// Items that cannot be read are left out: they only prove what may be proven again.
void read_seals(const std::map<Bytes, Bytes>& items, gossip::EngineOptions& into) {
    for (const auto& [key, value] : items) {
        if (key.starts_with(top_letter)) {
            if (auto seal = gossip::decode_seal(value)) into.tops.push_back(*seal);
        } else if (key.starts_with(fork_letter)) {
            Reader in(value);
            auto here = gossip::decode_seal(in.str(value.size()));
            auto there = gossip::decode_seal(in.str(value.size()));
            if (here && there && in.done()) into.forks.push_back({*here, *there});
        }
    }
}

/// The data was in another mesh as well: seals of that prove nothing here, and whoever handed them on would be blamed.
void leave_out_foreign(gossip::EngineOptions& made, SpaceId space) {
    const gossip::Sealing sealing(made.sealer, made.mesh, space);
    const auto foreign = [&](const gossip::Seal& seal) { return !sealing.verify(seal); };
    for (auto& row : made.log) {
        const auto seal = gossip::decode_seal(row.seal);
        if (seal && foreign(*seal)) row.seal.clear();
    }
    std::erase_if(made.tops, foreign);
    std::erase_if(made.forks, [&](const auto& fork) { return foreign(fork.here) || foreign(fork.there); });
}

/// When something of `at_us` wall time happened, as monotonic time; 0 where that is before its beginning.
std::uint64_t monotonic(std::uint64_t at_us, gossip::Now now) {
    const auto age_us = now.wall_us - std::min(now.wall_us, at_us);
    return now.mono_us - std::min(now.mono_us, age_us);
}

}  // namespace

struct Peer::Impl {
    explicit Impl(Options options)
        : replica(options.space, {options.random(), options.random()}),
          engine(std::make_unique<gossip::Engine>(replica, clock, engine_options(options))) {}
    Impl(SpaceId space, const HashKey& table_key) : replica(space, table_key) {}

    Replica replica;
    Clock clock;
    std::optional<store::Recorder> recorder;
    std::unique_ptr<gossip::Engine> engine;
    std::optional<std::string> refusal;  ///< why nothing can be written

    /// Seals go with the changeset that they end with; those that end with none are of tops.
    void record_seals(const gossip::Effects& effects) {
        for (const auto& id : effects.tops_gone) recorder->put({store::Room::seals, key_of(top_letter, id), {}});
        for (const auto& seal : effects.seals) record(*seal);
        for (const auto& fork : effects.forks)
            recorder->put({store::Room::seals, key_of(fork_letter, fork.here.replica), encode_fork(fork)});
    }
    void record(const gossip::Seal& seal) {
        auto bytes = gossip::encode_seal(seal);
        if (recorder->sealed(seal.replica, seal.last, bytes)) return;
        recorder->put({store::Room::seals, key_of(top_letter, seal.replica), std::move(bytes)});
    }
    /// What is written is signed before, so that whatever leaves was never signed otherwise.
    void seal_own() {
        for (const auto& seal : engine->seal_own()) record(*seal);
    }
};

Peer::Peer(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Peer::Peer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Peer::~Peer() = default;

store::Outcome<std::unique_ptr<Peer>> Peer::open(Options options, store::Store& store, gossip::Now now,
                                                 const store::RecorderLimits& limits, const store::Progress& progress) {
    const HashKey table_key{options.random(), options.random()};
    auto impl = std::make_unique<Impl>(options.space, table_key);
    auto loaded = store.load(impl->replica, progress);
    if (!loaded) return loaded.fault();
    // What is written from now on is later than what was written before.
    Stamp last = 0;
    impl->replica.state().each_life([&](const auto&, Seq, Stamp stamp) { last = std::max(last, stamp); });
    impl->clock.observe(last, now.wall_us);
    auto made = engine_options(options);
    made.durable_place = loaded->place;
    for (auto& row : std::exchange(loaded->log, {}))
        made.log.push_back({std::move(row.changeset), monotonic(row.at_us, now), std::move(row.seal)});
    auto seals = store.items(store::Room::seals);
    if (!seals) return seals.fault();
    read_seals(*seals, made);
    const auto meshes = meshes_of(store);
    if (!meshes) return meshes.fault();
    const bool was_here = std::ranges::find(*meshes, made.mesh) != meshes->end();
    if (made.sealer && meshes->size() > (was_here ? 1 : 0)) leave_out_foreign(made, options.space);
    impl->recorder.emplace(impl->replica, std::move(*loaded), limits);
    if (made.sealer && !was_here) impl->recorder->put(item_of(made.mesh));
    impl->engine = std::make_unique<gossip::Engine>(impl->replica, impl->clock, std::move(made));
    return std::unique_ptr<Peer>(new Peer(std::move(impl)));
}

gossip::Effects Peer::handle(const gossip::Input& input, gossip::Now now) {
    auto effects = impl_->engine->handle(input, now);
    if (auto& recorder = impl_->recorder) {
        for (const auto& changeset : effects.persist) recorder->applied(changeset, now.wall_us);
        impl_->record_seals(effects);
        for (auto left = effects.replaced; left > 0; --left) recorder->replaced();
        STARLING_ASSERT(recorder->place() == effects.place, "the store is told of everything");
    }
    return effects;
}

// -- with a store
// --------------------------------------------------------------------------------------------------------

std::optional<store::Batch> Peer::take_batch(gossip::Now now) {
    if (!impl_->recorder || impl_->engine->owes_effects()) return {};
    impl_->seal_own();
    return impl_->recorder->take(now.wall_us);
}

std::optional<store::Batch> Peer::take_last_batch(gossip::Now now) {
    if (!impl_->recorder || impl_->engine->owes_effects() || impl_->replica.window_open()) return {};
    impl_->seal_own();
    return impl_->recorder->take_all(now.wall_us);
}

Seq Peer::durable_seen(const ReplicaId& own) const {
    return impl_->recorder ? impl_->engine->durable_seen(own) : 0;
}
bool Peer::durable(const Dot& own) const {
    return impl_->recorder && own.seq <= impl_->engine->durable_seen(own.replica);
}

void Peer::keep(store::Item item) {
    if (impl_->recorder) impl_->recorder->put(std::move(item));
}

store::Place Peer::place() const {
    return impl_->recorder ? impl_->recorder->place() : 0;
}

std::size_t Peer::stored_log_bytes() const {
    return impl_->recorder ? impl_->recorder->log_bytes() : 0;
}

void Peer::refuse_writes(std::optional<std::string> why) {
    impl_->refusal = std::move(why);
}

// -- writing and reading
// -------------------------------------------------------------------------------------------------

Result<Commit> Peer::write(gossip::Now now, const std::function<void(Transaction&)>& write) {
    if (impl_->refusal) return Fault{FaultCode::refused, *impl_->refusal};
    impl_->engine->prepare_write(now);
    Transaction tx(impl_->replica, impl_->clock.next(now.wall_us));
    write(tx);
    const bool wrote = tx.wrote();
    auto changes = tx.commit();
    if (!changes) return changes.fault();
    const auto& self = *impl_->replica.self();
    Commit commit{*changes, wrote, {self, impl_->replica.state().seen(self) + impl_->replica.window_dots()}};
    if (wrote) impl_->engine->wrote(std::move(*changes), now);
    return commit;
}

bool Peer::settle(gossip::Now now) {
    if (!impl_->replica.window_open()) return false;
    impl_->engine->settle(now);
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
    return impl_->engine->status();
}
const gossip::Counters& Peer::counters() const {
    return impl_->engine->counters();
}
bool Peer::synced() const {
    return impl_->engine->synced();
}

void Peer::check() const {
    impl_->replica.check();
    impl_->engine->check();
    if (impl_->recorder) impl_->recorder->check();
}

}  // namespace starling::peer
