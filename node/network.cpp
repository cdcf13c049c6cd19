#include "node/network.hpp"

#include <algorithm>

#include "crdt/assert.hpp"
#include "node/agreement.hpp"

namespace starling::detail {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds poll_ms_max{100};     // the transport wants to be called more often than its heartbeat
constexpr milliseconds refresh_ms{100};      // how old figures may be
constexpr milliseconds report_ms{1000};      // faults are looked for this often
constexpr milliseconds penalty_ms{10'000};   // a peer that breaks the protocol is kept out this long
constexpr milliseconds linger_ms_max{300};   // for what is queued when the node closes
constexpr milliseconds linger_quiet_ms{30};  // without progress
constexpr milliseconds linger_step_ms{5};

template <class Duration>
std::uint64_t microseconds_of(Duration since) {
    return std::uint64_t(std::chrono::duration_cast<std::chrono::microseconds>(since).count());
}

template <class... Fs>
struct Overloaded : Fs... {
    using Fs::operator()...;
};

}  // namespace

gossip::Now present() {
    return {microseconds_of(std::chrono::steady_clock::now().time_since_epoch()),
            microseconds_of(std::chrono::system_clock::now().time_since_epoch())};
}

Network::Network(NetworkDriver& driver, std::unique_ptr<net::Transport> transport, Log log)
    : driver_(driver), log_(std::move(log)), transport_(std::move(transport)) {
    // The first round looks at the network cards, so that a join code made right after the open has addresses.
    for (auto& event : transport_->poll(milliseconds{0})) feed(std::move(event));
    refresh(true);
}

Network::~Network() {
    stop();
}

void Network::start() {
    thread_ = std::thread([this] { run(); });
}

void Network::stop() {
    if (!thread_.joinable()) return;
    stopping_ = true;
    transport_->waker().wake();
    thread_.join();
}

// -- notes
// ---------------------------------------------------------------------------------------------------------------

void Network::written() {
    if (!written_.exchange(true)) transport_->waker().wake();
}

void Network::wake() {
    transport_->waker().wake();
}

void Network::flush() {
    flush_ = true;
    transport_->waker().wake();
}

void Network::block(std::set<net::NodeKey> nodes) {
    {
        const std::lock_guard lock(mutex_);
        new_blocks_ = std::move(nodes);
    }
    transport_->waker().wake();
}

void Network::set_roll(net::Roll roll) {
    {
        const std::lock_guard lock(mutex_);
        new_roll_ = std::move(roll);
    }
    transport_->waker().wake();
}

void Network::set_secrets(net::MeshSecret mesh) {
    {
        const std::lock_guard lock(mutex_);
        new_secrets_ = std::move(mesh);
    }
    transport_->waker().wake();
}

void Network::add_peer(std::string address) {
    {
        const std::lock_guard lock(mutex_);
        new_peers_.push_back(std::move(address));
    }
    transport_->waker().wake();
}

NetworkFigures Network::figures() const {
    const std::lock_guard lock(mutex_);
    return figures_;
}

// -- the thread
// ----------------------------------------------------------------------------------------------------------

void Network::run() {
    take_notes();  // what was known at the open: no link is made before
    while (!stopping_) {
        auto events = transport_->poll(until_due());
        const bool links_changed = std::any_of(events.begin(), events.end(), [](const auto& event) {
            return !std::holds_alternative<net::Message>(event) && !std::holds_alternative<net::Aside>(event);
        });
        for (auto& event : events) feed(std::move(event));
        take_notes();
        tick();
        more_records_ = driver_.look_at_records();
        look_at_agreed();
        refresh(links_changed);
        report_faults();
    }
    farewell();
}

milliseconds Network::until_due() const {
    if (more_records_) return milliseconds{0};
    // Rounded up: a poll that ends too early only comes round once more, for nothing.
    const auto until = [](std::uint64_t due_us, std::uint64_t now_us) {
        return due_us <= now_us ? milliseconds{0} : milliseconds((due_us - now_us) / 1000 + 1);
    };
    const auto agreed = std::min(poll_ms_max, until(driver_.agreed().due_us(), boot_us()));
    return wake_us_ ? std::min(agreed, until(*wake_us_, present().mono_us)) : agreed;
}

void Network::feed(net::LinkEvent&& event) {
    std::visit(
        Overloaded{[&](net::LinkUp& up) {
                       log_(LogLevel::info, "linked with " + crdt::short_name(up.peer) + " at " + up.address);
                       driver_.agreed().linked(up.peer);
                       handle(gossip::LinkUp{up.peer, up.address});
                   },
                   [&](net::LinkDown& down) {
                       log_(LogLevel::info, "lost " + crdt::short_name(down.peer) + ": " + down.reason);
                       driver_.agreed().unlinked(down.peer);
                       handle(gossip::LinkDown{down.peer});
                   },
                   [&](net::Heard& heard) { handle(gossip::Candidate{{heard.peer, heard.address}}); },
                   [&](net::DialFailed& failed) { handle(gossip::ConnectFailed{failed.peer}); },
                   [&](net::Message& message) { handle(gossip::Received{message.peer, std::move(message.bytes)}); },
                   [&](net::Aside& aside) {
                       if (!driver_.agreed().received(aside.peer, aside.bytes)) keep_out(aside.peer), apply_blocks();
                   }},
        event);
}

void Network::take_notes() {
    std::vector<std::string> peers;
    std::optional<std::set<net::NodeKey>> blocks;
    std::optional<net::Roll> roll;
    std::optional<net::MeshSecret> secrets;
    {
        const std::lock_guard lock(mutex_);
        peers.swap(new_peers_);
        blocks.swap(new_blocks_);
        roll.swap(new_roll_);
        secrets.swap(new_secrets_);
    }
    if (secrets) transport_->set_secrets(*secrets);
    if (roll) transport_->set_roll(std::move(*roll));
    for (const auto& address : peers) {
        if (const auto added = transport_->add_peer(address); !added)
            log_(LogLevel::warning, "cannot add the peer " + address + ": " + added.fault().what);
    }
    if (blocks) {
        blocked_ = std::move(*blocks);
        apply_blocks();
    }
    // The note is taken back before it is acted upon: what is written meanwhile leaves another.
    if (written_.exchange(false)) handle(gossip::Written{});
    if (flush_.exchange(false)) handle(gossip::Flush{});
}

void Network::handle(const gossip::Input& input) {
    for (const auto& effects : driver_.handle(input)) perform(effects);
}

void Network::perform(const gossip::Effects& effects) {
    wake_us_ = effects.wake_us;
    // A send that is refused means that the link is going down, and its LinkDown comes with the next poll; or that the
    // message fits no frame, which the engine sees to (`gossip::frame_bytes_max`).
    for (const auto& send : effects.sends) {
        const bool sent = transport_->send(send.peer, send.bytes);
        if (!sent && send.bytes.size() > net::frame_bytes_default && !std::exchange(told_of_size_, true))
            log_(LogLevel::error, "a message is larger than a frame and is not sent: this is a fault of the program");
    }
    bool penalties = false;
    for (const auto& [peer, broke_protocol, why] : effects.disconnect) {
        if (!broke_protocol) {
            transport_->disconnect(peer, std::string(why));
            continue;
        }
        keep_out(peer);
        penalties = true;
    }
    if (penalties) apply_blocks();
    for (const auto& peer : effects.connect) transport_->connect(peer.node, peer.address);
}

void Network::keep_out(const net::NodeKey& peer) {
    log_(LogLevel::warning, crdt::short_name(peer) + " breaks the protocol and is kept out for a while");
    penalised_[peer] = net::Clock::now() + penalty_ms;
}

/// What is not taken by the link is asked again by whoever waits for it.
void Network::look_at_agreed() {
    auto& agreed = driver_.agreed();
    if (agreed.due_us() <= boot_us()) agreed.tick();
    for (const auto& [to, bytes] : agreed.take_sends()) (void)transport_->send_aside(to, bytes);
}

void Network::tick() {
    if (wake_us_ && *wake_us_ <= present().mono_us) handle(gossip::Tick{});
    const auto served = std::erase_if(penalised_, [now = net::Clock::now()](const auto& p) { return p.second <= now; });
    if (served > 0) apply_blocks();
}

void Network::apply_blocks() {
    auto blocked = blocked_;
    for (const auto& [peer, until] : penalised_) blocked.insert(peer);
    transport_->set_blocked(std::move(blocked));
}

void Network::refresh(bool now) {
    const auto time = net::Clock::now();
    if (!now && time - refreshed_ < refresh_ms) return;
    refreshed_ = time;
    NetworkFigures figures{transport_->links(), transport_->door(), transport_->local_addresses(), transport_->port(),
                           transport_->diagnose()};
    const std::lock_guard lock(mutex_);
    figures_ = std::move(figures);
}

void Network::report_faults() {
    const auto time = net::Clock::now();
    if (time - reported_ < report_ms) return;
    reported_ = time;
    const auto faults = driver_.peer_status().faults;
    const auto known = std::find(faults.rbegin(), faults.rend(), last_fault_).base();  // begin() where it is not there
    for (auto fault = known; fault != faults.end(); ++fault) log_(LogLevel::error, *fault);
    if (!faults.empty()) last_fault_ = faults.back();
}

/// Peers tell only now and then what they have read, so an empty queue cannot be waited for: the end of progress is.
void Network::farewell() {
    handle(gossip::Flush{});
    driver_.settle_store();
    handle(gossip::Tick{});
    look_at_agreed();
    const auto queued = [&] {
        std::size_t bytes = 0;
        for (const auto& link : transport_->links()) bytes += link.bytes_queued;
        return bytes;
    };
    const auto end = net::Clock::now() + linger_ms_max;
    auto quiet_end = net::Clock::now() + linger_quiet_ms;
    auto left = queued();
    while (left > 0 && net::Clock::now() < std::min(end, quiet_end)) {
        transport_->poll(linger_step_ms);
        if (const auto now_left = queued(); now_left < left) {
            left = now_left;
            quiet_end = net::Clock::now() + linger_quiet_ms;
        }
    }
    refresh(true);
}

}  // namespace starling::detail
