#include "node/core.hpp"

#include <algorithm>

#include <sodium.h>

#include "crdt/assert.hpp"
#include "net/secret_file.hpp"
#include "node/convert.hpp"
#include "node/sealer.hpp"

namespace starling::detail {

namespace {

constexpr std::uint64_t clock_warning_us = 60'000'000;  // for one node at most so often

// The node whose transaction this thread is in.
thread_local const Core* transacting = nullptr;

class Transacting {
  public:
    explicit Transacting(const Core& core) { transacting = &core; }
    ~Transacting() { transacting = nullptr; }
    Transacting(const Transacting&) = delete;
    Transacting& operator=(const Transacting&) = delete;
};

std::uint64_t random_life() {
    std::uint64_t life = 0;
    randombytes_buf(&life, sizeof life);
    return life;
}

std::uint64_t age_us(std::chrono::hours age) {
    constexpr std::uint64_t hour_us = 3'600'000'000;
    return std::uint64_t(std::clamp<std::int64_t>(age.count(), 0, wait_max.count())) * hour_us;
}

peer::Options peer_options(const Options& options, const crdt::NodeKey& node) {
    peer::Options made;
    made.node = node;
    made.limits.flush_window_us = std::uint64_t(std::max<std::int64_t>(0, options.flush_window.count()));
    made.limits.log_bytes_max = options.log_bytes_max;
    made.limits.log_age_us_max = age_us(options.log_age_max);
    made.random = random_life;
    made.overlay = gossip::OverlayLimits{};
    return made;
}

std::unique_ptr<net::Transport> open_transport(const Options& options, std::vector<std::string> addresses,
                                               const net::Identity& identity, const net::Membership& own) {
    net::TransportOptions made;
    made.listen_address = options.listen_address;
    made.listen_port = options.listen_port;
    made.static_peers = std::move(addresses);
    made.discovery = options.discovery;
    if (options.discovery_port != 0) made.discovery_port = options.discovery_port;
    made.interfaces = options.interfaces;
    made.links_on_demand = true;
    auto transport = net::Transport::open(made, identity, own);
    if (transport) return std::move(*transport);
    const auto& fault = transport.fault();
    const bool network = fault.code == crdt::FaultCode::not_available;
    throw Error(network ? Errc::network_unavailable : Errc::invalid_argument, fault.what);
}

}  // namespace

bool inside_transaction() {
    return transacting != nullptr;
}

// -- opening and closing
// -------------------------------------------------------------------------------------------------

struct Core::Parts {
    std::optional<Directory> dir;
    net::Identity identity;
    Settled settled;
    std::unique_ptr<store::Store> store;
    std::unique_ptr<peer::Peer> peer;
    std::map<std::string, std::string, std::less<>> snapshots;
    std::unique_ptr<net::Transport> transport;
    peer::Voter voter;
};

CorePtr Core::open(const Options& options) {
    net::start_sodium();
    std::optional<Directory> dir;
    if (!options.dir.empty()) dir.emplace(options.dir);
    if (dir) dir->unlock(options.unlock);
    const auto identity = dir ? dir->identity() : net::Identity::generate();
    auto settled = settle_membership(dir ? &*dir : nullptr, identity, options.mesh);
    auto addresses = options.peers;
    const auto add = [&](const std::vector<std::string>& more) {
        for (const auto& address : more) {
            if (std::ranges::find(addresses, address) == addresses.end()) addresses.push_back(address);
        }
    };
    add(settled.addresses);
    if (dir) add(dir->peers());
    auto made = peer_options(options, identity.node_key());
    made.sealer = std::make_shared<const KeySealer>(identity);
    made.mesh = settled.membership.mesh.mesh_id();
    std::unique_ptr<store::Store> store;
    if (dir) store = open_store(dir->path());
    std::map<std::string, std::string, std::less<>> snapshots;
    if (store) snapshots = stored_snapshots(*store);
    auto peer = store ? open_peer(std::move(made), *store, options) : std::make_unique<peer::Peer>(std::move(made));
    auto transport = open_transport(options, std::move(addresses), identity, settled.membership);
    const bool founds = dir ? dir->names_first_voter() : options.mesh.empty();
    auto voter = open_voter(identity.node_key(), store.get(), founds, options.vote_in_memory ? random_life() : 0);
    if (dir && founds) dir->first_voter_named();
    Parts parts{std::move(dir),       identity,        std::move(settled),
                std::move(store),     std::move(peer), std::move(snapshots),
                std::move(transport), std::move(voter)};
    CorePtr core(new Core(options, std::move(parts)));
    if (core->storage_) core->storage_->start();
    core->open_records();
    core->network_->start();
    return core;
}

Core::Core(const Options& options, Parts parts)
    : dir_(std::move(parts.dir)),
      identity_(parts.identity),
      node_key_(identity_.node_key()),
      membership_(std::move(parts.settled)),
      secret_(membership_.membership.mesh),
      book_(membership_.membership.mesh.trust()),
      log_(options.log),
      wrong_clock_(options.wrong_clock),
      peer_(std::move(parts.peer)),
      snapshots_(std::move(parts.snapshots)),
      unstored_bytes_max_(options.unstored_bytes_max),
      queues_({node_key_, random_life()}),
      watchers_(std::make_shared<Watchers>([log = log_](const std::string& line) { log(LogLevel::error, line); })),
      agreement_(std::make_unique<Agreement>(node_key_, std::move(parts.voter), agreement_hooks())),
      storage_(parts.store ? std::make_unique<Storage>(static_cast<StorageDriver&>(*this), std::move(parts.store))
                           : nullptr),
      network_(std::make_unique<Network>(static_cast<NetworkDriver&>(*this), std::move(parts.transport), log_)) {
    if (is_over(membership_.standing))
        log_(LogLevel::warning, "this node's certificate is over: no peer lets it in until it joins with another code");
}

Core::~Core() {
    close();
}

void Core::close() {
    STARLING_ASSERT(transacting != this, "a node is not destroyed inside its own transaction");
    STARLING_ASSERT(!inside_change(), "no node is destroyed inside the function of a change");
    const std::lock_guard once(closing_);
    {
        const std::lock_guard lock(mutex_);
        if (closed_) return;
        closed_ = true;
        changed_.notify_all();
    }
    agreement_->leave();
    network_->stop();
    if (storage_) {
        storage_->stop();
        store_is_closed();
    }
    watchers_->stop();
    const std::lock_guard kept(telling_);  // whoever keeps the mesh's secret there
    dir_.reset();
}

AgreementHooks Core::agreement_hooks() {
    return {[this] {
                if (storage_) storage_->work();
            },
            [this] { network_->wake(); },
            [this](std::function<void()> task) { return watchers_->post(std::move(task)); }, random_life};
}

std::string Core::invite(const Invitation& invitation) const {
    require_open();
    require_unrevoked();
    return detail::invite(membership_, secret(), invitation, network_->figures().addresses);
}

void Core::require_open() const {
    if (read([&](const peer::Peer&) { return closed_; })) throw Error(Errc::closed);
}

void Core::require_may_wait() const {
    require_not_changing();
    if (inside_transaction() || watchers_->on_watcher_thread()) throw Error(Errc::would_deadlock);
}

bool Core::look_inside() const {
    require_not_changing();
    if (transacting != nullptr && transacting != this)
        throw Error(Errc::nested_transaction, "another node cannot be read inside transact");
    return transacting == this;
}

// -- writing
// -------------------------------------------------------------------------------------------------------------

Commit Core::transact(const std::function<void(Tx&)>& write) {
    require_not_changing();
    if (inside_transaction()) throw Error(Errc::nested_transaction);
    if (membership_.standing.role < Role::writer) throw Error(Errc::role_forbids);
    // Whatever becomes of the transaction, since the peer may have begun a life or cut its window before it. The
    // network thread that this wakes needs the lock.
    struct Note {
        Network& network;
        bool owed = false;
        ~Note() {
            if (owed) network.written();
        }
    } note{*network_};
    std::unique_lock lock(mutex_);
    if (storage_) wait_for_the_disk(lock);
    if (closed_) throw Error(Errc::closed);
    note.owed = true;
    const auto window = [&] {
        const auto& replica = peer_->replica();
        return replica.window_open() ? replica.state().seen(*replica.self()) + 1 : 0;
    };
    const auto opened_before = window();
    const Transacting here(*this);
    std::optional<Error> error;
    auto commit = peer_->write(present(), [&](crdt::Transaction& transaction) {
        Tx::Inner inner{*this, transaction, {}};
        Tx tx(inner);
        write(tx);
        error = std::move(inner.error);
    });
    if (!commit) throw Error(error ? *error : disk_trouble_ ? *disk_trouble_ : error_of(commit.fault()));
    if (commit->wrote) {
        watchers_->happened({peer_->state(), commit->changes, to_public(node_key_), true});
        change_log_.record(commit->changes, commit->last);
        changed();
    }
    // Of a window that it knows of, the network thread has nothing to learn.
    note.owed = opened_before == 0 || window() != opened_before;
    const auto last = to_public(commit->last);
    auto version = commit->wrote ? Version({{last.replica, last.seq}}) : to_public(peer_->version());
    return {std::move(version), commit->wrote, last, shared_from_this()};
}

/// Whatever asks for a fingerprint: it says something only while no window is open. The lock is held.
void Core::settle() {
    if (!closed_ && peer_->settle(present())) network_->written();
}

// -- what comes in
// -------------------------------------------------------------------------------------------------------

std::vector<gossip::Effects> Core::handle(const gossip::Input& input) {
    const std::lock_guard lock(mutex_);
    feed(input);
    const auto& newest = effects_.back();
    if (storage_ && (!newest.persist.empty() || newest.replaced > 0)) storage_->work();
    return std::exchange(effects_, {});
}

/// The lock is held.
void Core::feed(const gossip::Input& input) {
    const auto now = present();
    auto effects = peer_->handle(input, now);
    for (const auto& one : effects.delivered) delivered(one, now);
    if (storage_) {
        for (const auto& changeset : effects.persist) unstored_bytes_ += store::row_bytes(*changeset);
    }
    effects_.push_back(std::move(effects));
    changed();
}

gossip::Status Core::peer_status() {
    const std::lock_guard lock(mutex_);
    return peer_->status();
}

void Core::delivered(const gossip::Delivered& delivered, const gossip::Now& now) {
    if (delivered.written_here) return;  // the watchers were told when it was written
    const auto& origin = delivered.origin;
    if (touch_records(delivered.changes)) origin ? book_.note(peer_->state(), *origin) : book_.note(peer_->state());
    watchers_->happened(
        {peer_->state(), delivered.changes, origin ? std::optional(to_public(origin->node)) : std::nullopt, false});
    const auto seen = origin ? peer_->state().seen(*origin) : 0;
    if (seen > 0) change_log_.record(delivered.changes, crdt::Dot{*origin, seen});
    if (!origin && change_log_.recording()) change_log_.record(delivered.changes, peer_->state().version());
    if (seen > 0 && peer_->state().last_stamp(*origin) > now.wall_us + crdt::clock_lead_us_max)
        warn_of_clock(origin->node, now);
}

void Core::warn_of_clock(const crdt::NodeKey& node, const gossip::Now& now) {
    std::erase_if(warned_mono_us_, [&](const auto& w) { return w.second + clock_warning_us <= now.mono_us; });
    if (!warned_mono_us_.emplace(node, now.mono_us).second) return;
    watchers_->post([log = log_, told = wrong_clock_, id = to_public(node)] {
        log(LogLevel::warning,
            "the clock of " + id.short_name() + " is more than a minute ahead, or this one's is behind");
        if (told) told(id);
    });
}

// -- waiting
// -------------------------------------------------------------------------------------------------------------

void Core::changed() {
    if (waiters_ > 0) changed_.notify_all();
}

bool Core::wait(std::chrono::milliseconds timeout, const std::function<bool()>& met) {
    require_may_wait();
    std::unique_lock lock(mutex_);
    ++waiters_;
    const auto until = std::chrono::steady_clock::now() + std::min<std::chrono::milliseconds>(timeout, wait_max);
    const bool done = changed_.wait_until(lock, until, [&] { return closed_ || met(); });
    --waiters_;
    if (done && !met()) throw Error(Errc::closed);
    return done;
}

bool Core::wait_synced(std::chrono::milliseconds timeout) {
    return wait(timeout, [&] { return !closed_ && peer_->synced(); });
}

bool Core::wait_until(const crdt::Version& version, std::chrono::milliseconds timeout) {
    return wait(timeout, [&] { return crdt::covers(peer_->version(), version); });
}

void Core::check() const {
    read([this](const peer::Peer& peer) {
        peer.check();
        change_log_.check();
    });
    agreement_->check();
    watchers_->check();
}

}  // namespace starling::detail
