// A few transports in one thread, on the loopback alone, and what they reported.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <sys/types.h>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "net/transport.hpp"
#include "tests/temporary_directory.hpp"

namespace starling::net {

using testing::TemporaryDirectory;

inline TransportOptions loopback_options() {
    TransportOptions options;
    options.interfaces = {"lo"};
    // Tests of other programs may run at the same time; each process listens for beacons on a port of its own.
    options.discovery_port = std::uint16_t(20000 + ::getpid() % 30000);
    options.redial_ms_max = std::chrono::milliseconds(500);
    return options;
}

struct SmallNode {
    Identity identity;
    std::unique_ptr<Transport> transport;
    std::set<NodeKey> linked;
    std::vector<Message> messages;
    std::vector<Aside> asides = {};
    std::size_t ups = 0, downs = 0;
    std::string last_reason, last_address;
    bool orderly = true;  // LinkUp and LinkDown took turns, and messages came only between them

    const NodeKey& key() const { return identity.node_key(); }
    bool has(const SmallNode& other) const { return linked.contains(other.key()); }
    void take(const LinkEvent& event) {
        if (const auto* up = std::get_if<LinkUp>(&event)) {
            orderly = orderly && linked.insert(up->peer).second;
            last_address = up->address;
            ++ups;
        } else if (const auto* down = std::get_if<LinkDown>(&event)) {
            orderly = orderly && linked.erase(down->peer) == 1;
            last_reason = down->reason;
            ++downs;
        } else if (const auto* aside = std::get_if<Aside>(&event)) {
            orderly = orderly && linked.contains(aside->peer);
            asides.push_back(*aside);
        } else {
            const auto& message = std::get<Message>(event);
            orderly = orderly && linked.contains(message.peer);
            messages.push_back(message);
        }
    }
};

/// A mesh with its admin key at hand.
struct Founded {
    Identity admin = Identity::generate();
    MeshSecret secret = MeshSecret::founded_by(admin);

    Membership member(const NodeKey& node, const Terms& terms = {}) const {
        return {secret, issued({admin, {}}, secret.mesh_id(), Subject::node, node, terms)};
    }
    JoinCode invitation(const Terms& terms = {}, std::vector<std::string> addresses = {}) const {
        auto key = Identity::generate();
        auto chain = issued({admin, {}}, secret.mesh_id(), Subject::invitation, key.node_key(), terms);
        return {secret, {std::move(key), std::move(chain)}, std::move(addresses)};
    }
};

class SmallMesh : public Founded {
  public:
    std::vector<std::unique_ptr<SmallNode>> nodes;

    SmallNode& add(const TransportOptions& options, const Identity& identity = Identity::generate()) {
        return add(options, identity, member(identity.node_key()));
    }
    SmallNode& add(const TransportOptions& options, const Identity& identity, const Membership& own) {
        nodes.push_back(std::make_unique<SmallNode>(
            SmallNode{identity, open(options, identity, own), {}, {}, {}, 0, 0, {}, {}, true}));
        return *nodes.back();
    }
    std::unique_ptr<Transport> open(const TransportOptions& options, const Identity& identity) const {
        return open(options, identity, member(identity.node_key()));
    }
    static std::unique_ptr<Transport> open(const TransportOptions& options, const Identity& identity,
                                           const Membership& own) {
        auto opened = Transport::open(options, identity, own);
        REQUIRE_MESSAGE(opened, (opened ? "" : opened.fault().what));
        return std::move(*opened);
    }
    void turn() {
        for (auto& node : nodes) {
            if (!node->transport) continue;
            for (const auto& event : node->transport->poll(std::chrono::milliseconds(1))) node->take(event);
            node->transport->check();
            CHECK(node->orderly);
        }
    }
    /// Polls everybody until it holds; false when it does not in a time that is far longer than it ever needs.
    bool run_until(const std::function<bool()>& holds) {
        const auto give_up = Clock::now() + std::chrono::seconds(20);
        while (!holds()) {
            if (Clock::now() > give_up) return false;
            turn();
        }
        return true;
    }
    void run_for(std::chrono::milliseconds time) {
        const auto until = Clock::now() + time;
        while (Clock::now() < until) turn();
    }
    bool full() const {
        for (const auto& a : nodes) {
            for (const auto& b : nodes) {
                if (a != b && a->transport && b->transport && !a->has(*b)) return false;
            }
        }
        return true;
    }
};

}  // namespace starling::net
