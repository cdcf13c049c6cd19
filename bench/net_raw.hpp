// The raw baseline of the suite `net`: a DEALER and a ROUTER of libzmq with CURVE, over TCP on the loopback, each in a
// context and a thread of its own, as two programs would have them. No door, no window, no data behind it.
#pragma once

#include <chrono>
#include <string>
#include <thread>

#include <zmq.hpp>

#include "crdt/assert.hpp"

namespace starling::bench {

using WallClock = std::chrono::steady_clock;

inline double seconds_since(WallClock::time_point begin) {
    return std::chrono::duration<double>(WallClock::now() - begin).count();
}

/// A connected pair of raw sockets. Blocking; one thread on each side.
class RawPair {
  public:
    RawPair() {
        std::array<char, 41> server_public{}, server_secret{}, client_public{}, client_secret{};
        STARLING_ASSERT(zmq_curve_keypair(server_public.data(), server_secret.data()) == 0, "libzmq has CURVE");
        STARLING_ASSERT(zmq_curve_keypair(client_public.data(), client_secret.data()) == 0, "libzmq has CURVE");
        router_.set(zmq::sockopt::curve_server, true);
        router_.set(zmq::sockopt::curve_secretkey, server_secret.data());
        dealer_.set(zmq::sockopt::curve_serverkey, server_public.data());
        dealer_.set(zmq::sockopt::curve_publickey, client_public.data());
        dealer_.set(zmq::sockopt::curve_secretkey, client_secret.data());
        for (auto* socket : {&router_, &dealer_}) {
            socket->set(zmq::sockopt::linger, 0);
            socket->set(zmq::sockopt::sndhwm, queued_max);
            socket->set(zmq::sockopt::rcvhwm, queued_max);
        }
        router_.bind("tcp://127.0.0.1:*");
        dealer_.connect(router_.get(zmq::sockopt::last_endpoint));
        echo(1, 1);  // the handshake is over
    }

    /// Seconds until `count` messages of `bytes` each have arrived.
    double transfer(std::size_t count, std::size_t bytes) {
        const auto begin = WallClock::now();
        std::thread sender([&] {
            for (std::size_t i = 0; i < count; ++i) dealer_.send(zmq::message_t(bytes), zmq::send_flags::none);
        });
        for (std::size_t i = 0; i < count; ++i) receive(router_);
        const auto seconds = seconds_since(begin);
        sender.join();
        return seconds;
    }

    /// Seconds of `count` round trips, one after another.
    double echo(std::size_t count, std::size_t bytes) {
        std::thread other([&] {
            for (std::size_t i = 0; i < count; ++i) {
                zmq::message_t peer, payload;
                STARLING_ASSERT(router_.recv(peer) && router_.recv(payload), "a round trip has two halves");
                router_.send(peer, zmq::send_flags::sndmore);
                router_.send(payload, zmq::send_flags::none);
            }
        });
        const auto begin = WallClock::now();
        for (std::size_t i = 0; i < count; ++i) {
            dealer_.send(zmq::message_t(bytes), zmq::send_flags::none);
            receive(dealer_);
        }
        const auto seconds = seconds_since(begin);
        other.join();
        return seconds;
    }

  private:
    static constexpr int queued_max = 256;

    static void receive(zmq::socket_t& socket) {
        zmq::message_t part;
        do {
            STARLING_ASSERT(socket.recv(part), "raw messages arrive");
        } while (part.more());
    }

    zmq::context_t router_context_, dealer_context_;
    zmq::socket_t router_{router_context_, zmq::socket_type::router};
    zmq::socket_t dealer_{dealer_context_, zmq::socket_type::dealer};
};

}  // namespace starling::bench
