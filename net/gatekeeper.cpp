#include "net/gatekeeper.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include <sodium.h>

namespace starling::net {
namespace {

constexpr const char* zap_address = "inproc://zeromq.zap.01";
// Request: version, id, domain, address, routing id, mechanism, credentials. Reply: version, id, status, text, user id,
// metadata.
constexpr std::size_t request_parts = 7;
constexpr std::size_t reply_parts = 6;

}  // namespace

std::string user_id_of(const CurveKey& key) {
    return crdt::to_hex(key);
}

std::optional<CurveKey> key_of_user_id(std::string_view user_id) {
    CurveKey key{};
    std::size_t size = 0;
    if (user_id.size() != key.size() * 2 ||
        sodium_hex2bin(key.data(), key.size(), user_id.data(), user_id.size(), nullptr, &size, nullptr) != 0) {
        return std::nullopt;
    }
    return key;
}

Gatekeeper::Gatekeeper(zmq::context_t& context, const PeerTable& peers, DoorCounters& counters)
    : peers_(peers),
      counters_(counters),
      socket_(context, zmq::socket_type::rep),
      readable_(socket_),
      refilled_(Clock::now()) {
    socket_.set(zmq::sockopt::linger, 0);
    socket_.bind(zap_address);
}

void Gatekeeper::suspect(const CurveKey& key, Clock::time_point now) {
    if (suspects_.size() >= suspects_max && !suspects_.contains(key)) {
        auto oldest = std::min_element(suspects_.begin(), suspects_.end(),
                                       [](const auto& a, const auto& b) { return a.second.last < b.second.last; });
        suspects_.erase(oldest);
    }
    auto& record = suspects_[key];
    if (now - record.last > denied_for) record.failures = 0;
    ++record.failures;
    record.last = now;
}

bool Gatekeeper::admits(const CurveKey& key, Clock::time_point now) {
    auto refuse = [&](DoorRefusal why) {
        ++counters_.refused[std::size_t(why)];
        return false;
    };
    if (blocked_.contains(key)) return refuse(DoorRefusal::denied);
    if (auto at = suspects_.find(key); at != suspects_.end()) {
        if (now - at->second.last > denied_for) {
            suspects_.erase(at);
        } else if (at->second.failures >= door_failures_max) {
            return refuse(DoorRefusal::denied);
        }
    }
    if (peers_.knows(key)) return true;
    const double passed = std::chrono::duration<double>(now - refilled_).count();
    refilled_ = now;
    unknown_left_ = std::min(unknown_keys_burst, unknown_left_ + passed * unknown_keys_per_second);
    if (unknown_left_ < 1) return refuse(DoorRefusal::too_many);
    unknown_left_ -= 1;
    return true;
}

bool Gatekeeper::pump(Clock::time_point now) {
    for (int count = 0; count < requests_per_poll_max; ++count) {
        std::array<zmq::message_t, request_parts> request;
        std::size_t parts = 0;
        zmq::message_t part;
        bool more = true;
        while (more && receive_part(socket_, part)) {
            more = part.more();
            if (parts < request_parts) request[parts] = std::move(part);
            ++parts;
        }
        if (parts == 0) {
            readable_.emptied();
            return count > 0;
        }
        // Anything but CURVE is turned away before it gets here; this says it again.
        CurveKey key{};
        bool admitted =
            parts == request_parts && request[5].to_string_view() == "CURVE" && request[6].size() == key.size();
        if (admitted) {
            std::memcpy(key.data(), request[6].data(), key.size());
            admitted = admits(key, now);
        }
        const std::string user_id = admitted ? user_id_of(key) : "";
        const std::array<std::string_view, reply_parts> reply{
            "1.0", request[1].to_string_view(), admitted ? "200" : "400", "", user_id, ""};
        for (std::size_t at = 0; at < reply_parts; ++at) {
            const int flags = ZMQ_DONTWAIT | (at + 1 < reply_parts ? ZMQ_SNDMORE : 0);
            uninterrupted([&] { return zmq_send(socket_.handle(), reply[at].data(), reply[at].size(), flags); });
        }
    }
    return true;
}

void Gatekeeper::check() const {
    STARLING_ASSERT(suspects_.size() <= suspects_max, "suspects are bounded");
}

}  // namespace starling::net
