#include "net/transport.hpp"

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <sys/resource.h>
#include <system_error>

#include <sodium.h>

#include "net/dialler.hpp"
#include "net/discovery.hpp"
#include "net/gatekeeper.hpp"
#include "net/links.hpp"
#include "net/listener.hpp"
#include "net/peer_table.hpp"
#include "net/secret_file.hpp"

namespace starling::net {
namespace {

constexpr int port_attempts_max = 16;  // to find a number that is free in TCP and UDP
constexpr std::size_t frame_bytes_least = 1024;
constexpr Milliseconds heartbeat_ms_max{60000};
constexpr std::size_t links_most = 4096;
constexpr std::size_t sockets_per_dial = 3;  // the DEALER and both ends of its monitor
constexpr std::size_t door_slots_least = 4;

std::optional<Fault> fault_in(const TransportOptions& options) {
    auto bad = [](const char* what) { return Fault{FaultCode::malformed, what}; };
    auto sane = [](Milliseconds value) { return value.count() > 0 && value <= heartbeat_ms_max; };
    if (options.frame_bytes_max < frame_bytes_least) return bad("frame_bytes_max is too small");
    if (options.frame_bytes_max > window_bytes / 2) return bad("frame_bytes_max is more than half of the window");
    if (options.link_bytes_max < options.frame_bytes_max + frame_weight_bytes)
        return bad("link_bytes_max is less than one frame");
    if (options.links_max == 0 || options.links_max > links_most) return bad("links_max is out of range");
    if (options.door_slots_max == 0 || options.door_slots_max > links_most)
        return bad("door_slots_max is out of range");
    if (!sane(options.handshake_ms_max) || !sane(options.heartbeat_ms) || !sane(options.heartbeat_timeout_ms)) {
        return bad("a heartbeat or handshake time is out of range");
    }
    if (options.redial_ms_min.count() < 4 || options.redial_ms_max < options.redial_ms_min) {
        return bad("the redial times are out of range");
    }
    if (!options.listen_address.empty() && !numeric_address(HostPort{options.listen_address, 1})) {
        return bad("listen_address is not a numeric address");
    }
    if (options.discovery && options.discovery_port == 0) return bad("discovery_port is 0");
    return std::nullopt;
}

/// A crowd at the door may use a quarter of the descriptors that this process may open, so that the rest of it goes on.
std::size_t door_slots_of(const TransportOptions& options) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return options.door_slots_max;
    return std::min(options.door_slots_max, std::max(door_slots_least, std::size_t(limit.rlim_cur) / 4));
}

SocketLimits limits_of(const TransportOptions& options) {
    return {options.frame_bytes_max, int(options.handshake_ms_max.count()), int(options.heartbeat_timeout_ms.count())};
}

std::vector<Secret<32>> beacon_keys_of(const MeshSecret& mesh) {
    std::vector<Secret<32>> keys;
    for (const auto& each : mesh.all()) keys.push_back(each.beacon);
    return keys;
}

BootId random_boot() {
    BootId boot = 0;
    while (boot == 0) randombytes_buf(&boot, sizeof boot);
    return boot;
}

class MeshTransport final : public Transport {
  public:
    MeshTransport(const TransportOptions& options, const Identity& identity)
        : options_(options),
          identity_(identity),
          boot_(random_boot()),
          peers_(identity.node_key(), options.redial_ms_min, options.redial_ms_max) {
        const auto sockets = sockets_per_dial * (options.links_max + dials_at_once_max) + 64;
        context_.set(zmq::ctxopt::max_sockets, int(sockets));
        gatekeeper_ = std::make_unique<Gatekeeper>(context_, peers_, counters_);
        dialler_ = std::make_unique<Dialler>(context_, identity_, limits_of(options));
    }

    Result<Done> start(const Membership& own);
    std::vector<LinkEvent> poll(Milliseconds timeout) override;
    bool send(const NodeKey& peer, BytesView bytes) override;
    bool send_aside(const NodeKey& peer, BytesView bytes) override;
    void connect(const NodeKey& peer, const std::string& address) override;
    void disconnect(const NodeKey& peer, const std::string& reason) override;
    void set_blocked(std::set<NodeKey> peers) override;
    void set_roll(Roll roll) override;
    void set_secrets(const MeshSecret& mesh) override;
    Result<Done> add_peer(const std::string& address) override { return discovery_->add_static(address, Clock::now()); }
    Waker& waker() override { return waker_; }
    std::uint16_t port() const override { return listener_->port(); }
    std::vector<std::string> local_addresses() const override;
    std::vector<LinkCounters> links() const override { return links_->counters(); }
    DoorCounters door() const override;
    Diagnosis diagnose() const override;
    void check() const override;

  private:
    Result<Done> bind(const MeshSecret& mesh);
    struct Woken {
        bool by_waker = false, by_beacons = false;
    };
    bool step(Clock::time_point now, bool beacons);
    void hear(Clock::time_point now);
    Woken wait(Clock::time_point now, Clock::time_point until);

    TransportOptions options_;
    Identity identity_;
    BootId boot_;
    Waker waker_;
    DoorCounters counters_;
    PeerTable peers_;
    zmq::context_t context_{1};
    std::unique_ptr<Gatekeeper> gatekeeper_;
    std::unique_ptr<Listener> listener_;
    std::unique_ptr<Dialler> dialler_;
    std::unique_ptr<Discovery> discovery_;
    std::unique_ptr<Links> links_;
    std::vector<Readable*> sockets_;
    std::vector<pollfd> polled_;
};

Result<Done> MeshTransport::bind(const MeshSecret& mesh) {
    auto listener = Listener::open(
        context_, {options_.listen_address, options_.listen_port, limits_of(options_), door_slots_of(options_)},
        identity_, *gatekeeper_, counters_);
    if (!listener) return listener.fault();
    auto discovery =
        Discovery::open({identity_.node_key(), boot_, beacon_keys_of(mesh), options_.discovery, options_.listen_address,
                         (*listener)->port(), options_.discovery_port, options_.interfaces},
                        Clock::now());
    if (!discovery) return discovery.fault();
    listener_ = std::move(*listener);
    discovery_ = std::move(*discovery);
    return Done{};
}

Result<Done> MeshTransport::start(const Membership& own) {
    Result<Done> bound = bind(own.mesh);
    for (int attempt = 1; !bound && options_.listen_port == 0 && attempt < port_attempts_max; ++attempt)
        bound = bind(own.mesh);
    if (!bound) return bound;
    for (const auto& peer : options_.static_peers) {
        if (auto added = add_peer(peer); !added) return added;
    }
    Links::Settings settings;
    settings.curve = identity_.curve_public();
    settings.self = {identity_.node_key(), boot_, listener_->port()};
    settings.frame_bytes_max = options_.frame_bytes_max;
    settings.link_bytes_max = options_.link_bytes_max;
    settings.links_max = options_.links_max;
    settings.handshake_ms_max = options_.handshake_ms_max;
    settings.heartbeat_ms = options_.heartbeat_ms;
    settings.heartbeat_timeout_ms = options_.heartbeat_timeout_ms;
    settings.on_demand = options_.links_on_demand;
    if (options_.links_on_demand) peers_.dial_on_demand();
    links_ = std::make_unique<Links>(settings, own, *listener_, *dialler_, peers_);
    return Done{};
}

void MeshTransport::hear(Clock::time_point now) {
    for (const auto& heard : discovery_->listen()) {
        const NodeKey& node = heard.beacon.node;
        // Former members know earlier secrets, and could fill the table with nodes that they made up.
        const bool stale = heard.secret > 0 && !links_->is_member(node);
        const auto what =
            stale || links_->shuns(node) ? PeerTable::Heard::refused : peers_.hear(heard.beacon, heard.address, now);
        ++(what == PeerTable::Heard::fresh ? counters_.beacons_heard : counters_.beacons_ignored);
        if (what == PeerTable::Heard::fresh) links_->heard(node, heard.address);
        // Without an answer, a node whose clock was set back between two runs could not come here for a long time. The
        // answer tells nothing that a beacon does not.
        const bool unlisted = stale && !links_->shuns(node);  // the door looks closer
        const bool asks =
            heard.beacon.asks && (what == PeerTable::Heard::fresh || what == PeerTable::Heard::old_run || unlisted);
        if (asks && !links_->linked(node)) discovery_->answer(heard.source, heard.secret, now);
    }
}

/// True: there is more to be read.
bool MeshTransport::step(Clock::time_point now, bool beacons) {
    links_->at(now);
    discovery_->set_links(links_->size(), now);
    discovery_->pump(now, [&](const NodeKey& node) { return links_->linked(node); });
    if (beacons) hear(now);
    const bool more_accepted = listener_->pump(now, *links_);
    const bool more_dialled = dialler_->pump(*links_);
    links_->pump(now);
    return more_accepted || more_dialled;
}

MeshTransport::Woken MeshTransport::wait(Clock::time_point now, Clock::time_point until) {
    polled_.clear();
    sockets_.clear();
    polled_.push_back({waker_.descriptor(), POLLIN, 0});
    for (int descriptor : discovery_->descriptors()) polled_.push_back({descriptor, POLLIN, 0});
    const auto first = polled_.size();
    listener_->collect(sockets_);
    dialler_->collect(sockets_);
    for (const auto* socket : sockets_) {
        if (socket->maybe()) until = now;
        polled_.push_back({socket->descriptor(), POLLIN, 0});
    }
    const auto left = std::chrono::ceil<Milliseconds>(until - now);
    const int ready = ::poll(polled_.data(), nfds_t(polled_.size()), int(std::max<Milliseconds::rep>(0, left.count())));
    STARLING_ASSERT(ready >= 0 || errno == EINTR || errno == ENOMEM, "what is waited for is there");
    Woken woken;
    if (ready <= 0) return woken;
    for (std::size_t i = 0; i < sockets_.size(); ++i) {
        if (polled_[first + i].revents != 0) sockets_[i]->look();
    }
    for (std::size_t i = 1; i < first; ++i) woken.by_beacons = woken.by_beacons || polled_[i].revents != 0;
    woken.by_waker = polled_.front().revents != 0;
    if (woken.by_waker) waker_.clear();
    return woken;
}

std::vector<LinkEvent> MeshTransport::poll(Milliseconds timeout) {
    auto now = Clock::now();
    const auto deadline = now + std::clamp(timeout, Milliseconds(0), Milliseconds(heartbeat_ms_max));
    bool more = false;
    while (true) {
        auto until = std::min({deadline, discovery_->due_at(), listener_->due_at(), links_->due_at()});
        if (more || links_->has_events()) until = now;
        const auto woken = wait(now, until);
        now = Clock::now();
        more = step(now, woken.by_beacons);
        if (links_->has_events() || woken.by_waker || now >= deadline) return links_->take_events();
    }
}

bool MeshTransport::send(const NodeKey& peer, BytesView bytes) {
    links_->at(Clock::now());
    return links_->send(peer, bytes);
}

bool MeshTransport::send_aside(const NodeKey& peer, BytesView bytes) {
    links_->at(Clock::now());
    return links_->send_aside(peer, bytes);
}

void MeshTransport::connect(const NodeKey& peer, const std::string& address) {
    links_->at(Clock::now());
    links_->connect(peer, address);
}

void MeshTransport::disconnect(const NodeKey& peer, const std::string& reason) {
    links_->at(Clock::now());
    links_->disconnect(peer, reason);
}

void MeshTransport::set_blocked(std::set<NodeKey> peers) {
    const auto now = Clock::now();
    std::set<CurveKey> curves;
    for (const auto& peer : peers) {
        if (auto curve = curve_key_of(peer)) curves.insert(*curve);
    }
    gatekeeper_->set_blocked(std::move(curves));
    links_->at(now);
    links_->set_blocked(std::move(peers));
    discovery_->hurry(now);
}

void MeshTransport::set_roll(Roll roll) {
    links_->at(Clock::now());
    links_->set_roll(std::move(roll));
}

void MeshTransport::set_secrets(const MeshSecret& mesh) {
    links_->set_secrets(mesh);
    discovery_->set_beacon_keys(beacon_keys_of(mesh));
    discovery_->hurry(Clock::now());
}

std::vector<std::string> MeshTransport::local_addresses() const {
    std::vector<std::string> outside, inside;
    for (const auto& card : discovery_->cards()) {
        auto& into = card.loopback ? inside : outside;
        for (const auto& own : card.v4) into.push_back(SocketAddress(own.address, port()).text());
        for (const auto& own : card.v6) {
            // A link-local address means nothing without the name that the card has on the other machine.
            if (!IN6_IS_ADDR_LINKLOCAL(&own)) into.push_back(SocketAddress(own, 0, port()).text());
        }
    }
    outside.insert(outside.end(), inside.begin(), inside.end());
    return outside;
}

DoorCounters MeshTransport::door() const {
    DoorCounters counters = counters_;
    counters.beacons_ignored += discovery_->ignored();
    counters.told_revoked = links_->told_revoked();
    return counters;
}

Diagnosis MeshTransport::diagnose() const {
    auto diagnosis = discovery_->diagnose();
    for (const auto& [peer, failed] : links_->failed_dials()) diagnosis.dials.push_back(failed);
    return diagnosis;
}

void MeshTransport::check() const {
    identity_.check();
    peers_.check();
    gatekeeper_->check();
    listener_->check();
    discovery_->check();
    links_->check();
}

}  // namespace

std::string_view name_of(DoorRefusal reason) {
    switch (reason) {
        case DoorRefusal::no_curve:
            return "no CURVE";
        case DoorRefusal::denied:
            return "denied";
        case DoorRefusal::too_many:
            return "too many";
        case DoorRefusal::silent:
            return "silent";
        case DoorRefusal::malformed:
            return "malformed";
        case DoorRefusal::other_mesh:
            return "other mesh";
        case DoorRefusal::wrong_key:
            return "wrong key";
        case DoorRefusal::no_proof:
            return "no proof";
        case DoorRefusal::duplicate:
            return "duplicate";
        case DoorRefusal::no_certificate:
            return "no certificate";
        case DoorRefusal::expired:
            return "expired";
        case DoorRefusal::used_up:
            return "used up";
        case DoorRefusal::revoked:
            return "revoked";
        case DoorRefusal::count_:
            break;
    }
    return "?";
}

Result<std::unique_ptr<Transport>> Transport::open(const TransportOptions& options, const Identity& identity,
                                                   const Membership& own) {
    if (auto fault = fault_in(options)) return *fault;
    start_sodium();
    try {
        auto transport = std::make_unique<MeshTransport>(options, identity);
        if (auto started = transport->start(own); !started) return started.fault();
        return std::unique_ptr<Transport>(std::move(transport));
    } catch (const zmq::error_t& error) {
        return Fault{FaultCode::not_available, std::string("the network cannot be opened: ") + error.what()};
    } catch (const std::system_error& error) {
        return Fault{FaultCode::not_available, std::string("the network cannot be opened: ") + error.what()};
    }
}

}  // namespace starling::net
