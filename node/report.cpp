// What `status` says, gathered from the peer and from the network thread's last figures.
#include <algorithm>

#include "node/convert.hpp"
#include "node/core.hpp"
#include "node/doctor.hpp"

namespace starling::detail {

namespace {

std::string hex_of(const crdt::Fingerprint& fingerprint) {
    std::array<std::uint8_t, 16> bytes{};
    for (std::size_t at = 0; at < 8; ++at) {
        bytes[at] = std::uint8_t(fingerprint.high >> (56 - 8 * at));
        bytes[8 + at] = std::uint8_t(fingerprint.low >> (56 - 8 * at));
    }
    return crdt::to_hex(bytes);
}

PeerStatus peer_of(const gossip::LinkStatus& link, const std::vector<net::LinkCounters>& carried) {
    PeerStatus peer;
    peer.id = to_public(link.peer);
    peer.lag = link.lag;
    peer.behind = link.behind;
    peer.synced = link.synced;
    peer.bytes_in = link.bytes_in;
    peer.bytes_out = link.bytes_out;
    peer.frames_in = link.messages_in;
    peer.frames_out = link.messages_out;
    const auto at = std::ranges::find(carried, link.peer, &net::LinkCounters::peer);
    if (at == carried.end()) return peer;
    peer.address = at->address;
    peer.we_dialled = at->we_dialled;
    peer.clock_ahead = std::chrono::milliseconds(at->clock_ms);
    peer.standing = {Role(at->terms.role), std::int64_t(at->terms.expires_s)};
    peer.connected = std::chrono::duration_cast<std::chrono::milliseconds>(net::Clock::now() - at->since);
    return peer;
}

NodeCounters counters_of(const gossip::Counters& from, const net::DoorCounters& door) {
    NodeCounters to;
    to.changesets_sent = from.changesets_sent;
    to.changesets_received = from.changesets_received;
    to.changesets_redundant = from.changesets_redundant;
    to.changeset_bytes_sent = from.changeset_bytes_sent;
    to.control_bytes_sent = from.control_bytes_sent;
    to.bytes_sent = from.bytes_sent;
    to.body_bytes_applied = from.body_bytes_applied;
    to.pulls = from.pulls;
    to.diffs = from.diffs;
    to.diffs_failed = from.diffs_failed;
    to.malformed = from.malformed;
    to.refused = from.refused;
    to.clock_warnings = from.clock_warnings;
    to.faults = from.faults;
    to.update_needed = from.update_needed;
    to.unsealed = from.unsealed;
    to.seals_failed = from.seals_failed;
    to.forks = from.forks;
    to.door_admitted = door.admitted;
    for (const auto refused : door.refused) to.door_refused += refused;
    to.beacons_heard = door.beacons_heard;
    to.beacons_ignored = door.beacons_ignored;
    return to;
}

std::vector<Refusals> refusals_of(const net::DoorCounters& door) {
    std::vector<Refusals> refusals;
    for (std::size_t reason = 0; reason < net::door_refusals; ++reason) {
        if (door.refused[reason] > 0)
            refusals.push_back({std::string(net::name_of(net::DoorRefusal(reason))), door.refused[reason]});
    }
    return refusals;
}

}  // namespace

StoreStatus Core::store_status(const StorageFigures& figures, const peer::Peer& peer) const {
    StoreStatus status;
    status.file_bytes = figures.size.file;
    status.unused_bytes = figures.size.unused;
    status.write_ahead_bytes = figures.size.write_ahead;
    status.log_bytes = peer.stored_log_bytes();
    status.unstored_bytes = unstored_bytes_;
    status.commits = figures.commits;
    if (disk_trouble_) status.trouble = disk_trouble_->what();
    return status;
}

Status Core::status() {
    auto figures = network_->figures();
    Status status;
    status.id = to_public(node_key_);
    status.standing = membership_.standing;
    status.revoked = revoked(figures.door);
    status.secret_epoch = secret().newest().epoch;
    status.mesh_id = crdt::to_hex(membership_.membership.mesh.mesh_id());
    status.addresses = std::move(figures.addresses);
    status.port = figures.port;
    status.refusals = refusals_of(figures.door);
    const auto gather = [&](const peer::Peer& peer) {
        auto inner = peer.status();
        status.version = to_public(peer.version());
        status.fingerprint = hex_of(peer.state().fingerprint());
        status.live_entries = peer.state().live_count();
        status.log_bytes = inner.log_bytes;
        status.waiting_bytes = inner.waiting_bytes;
        for (const auto& link : inner.links) status.peers.push_back(peer_of(link, figures.links));
        status.counters = counters_of(inner.counters, figures.door);
        status.faults = std::move(inner.faults);
        status.full_mesh = inner.full_mesh;
        status.update_needed = inner.counters.update_needed > 0;
        status.synced = peer.synced();
        if (storage_) status.store = store_status(storage_->figures(), peer);
    };
    if (look_inside()) {
        gather(*peer_);
    } else {
        const std::lock_guard lock(mutex_);
        settle();
        gather(*peer_);
    }
    return status;
}

std::vector<Finding> Core::diagnose() {
    const auto seen = network_->figures().diagnosis;
    return findings_of(status(), seen, std::int64_t(present().wall_us / 1'000'000));
}

}  // namespace starling::detail
