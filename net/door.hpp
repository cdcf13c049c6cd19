// What is said at the door. CURVE has already proved that each side holds the key it showed; the door proves that both
// know the secret of the mesh, which device (node key) the CURVE key belongs to, and by a certificate chain that the
// device is a member. Three frames: HELLO from the
// dialler, WELCOME from the acceptor, READY from the dialler. Each carries a keyed BLAKE2b tag over everything said so
// far, both CURVE keys and the direction, so that none can be replayed, reflected or moved to another connection.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "net/beacon.hpp"
#include "net/mesh.hpp"
#include "net/transport.hpp"

namespace starling::net {

constexpr std::uint8_t door_version = 3;
constexpr std::size_t door_frame_bytes_max = 1024;  // of any later version as well

/// The first byte of every frame.
enum class FrameKind : std::uint8_t { hello = 1, welcome = 2, ready = 3, data = 4, alive = 5, revoked = 6, aside = 32 };

/// What one side says of itself.
struct Introduction {
    NodeKey node{};
    BootId boot = 0;
    std::uint16_t port = 0;     ///< where it listens
    std::uint64_t wall_ms = 0;  ///< its wall clock, since 1970, as it says this; not of one's own introduction
};

/// Who is let in, and as what.
struct Guest {
    Introduction introduction;
    Standing standing;
    Chain chain;
    Secret<32> key;  ///< the door key that both know: of the acceptor's secrets the newest that the dialler knows too
};

/// Without the chain; HELLO with one tag, and it has one for each secret that the dialler knows.
constexpr std::size_t hello_bytes = 1 + 1 + 16 + 32 + 8 + 2 + 8 + 16 + 1 + 32;
constexpr std::size_t welcome_bytes = 1 + 1 + 32 + 8 + 2 + 8 + 16 + 32;
constexpr std::size_t ready_bytes = 1 + 1 + 32;
static_assert(hello_bytes + (secrets_kept_max - 1) * 32 + chain_bytes_max <= door_frame_bytes_max);

/// Both ends of one connection, as CURVE showed them.
struct CurveEnds {
    CurveKey dialler{};
    CurveKey acceptor{};
};

/// The pure part of the door: writes and checks frames, holds no connection. May be used from any thread.
class Door {
  public:
    Door(const Membership& own, const Introduction& self)
        : trust_(own.mesh.trust()), chain_(encode_chain(own.chain)), self_(self) {
        set_secrets(own.mesh);
    }
    /// Of the same mesh.
    void set_secrets(const MeshSecret& mesh);

    Bytes hello(const CurveEnds& ends, std::uint64_t wall_ms) const;
    /// `key`: the guest's, here and below.
    Bytes welcome(const Secret<32>& key, const CurveEnds& ends, BytesView hello, std::uint64_t wall_ms) const;
    static Bytes ready(const Secret<32>& key, const CurveEnds& ends, BytesView hello, BytesView welcome);

    /// Who is at the door, or why they are refused. The tag is checked before anything costly; the chain takes some
    /// 60 µs a certificate. `now_s` is wall-clock time since 1970, against which certificates end.
    std::variant<Guest, DoorRefusal> check_hello(const CurveEnds& ends, BytesView frame, std::uint64_t now_s) const;
    std::variant<Guest, DoorRefusal> check_welcome(const CurveEnds& ends, BytesView hello, BytesView frame,
                                                   std::uint64_t now_s) const;
    /// What a dialler is told whose chain was revoked: any member can say so of anybody, so it is a hint.
    static Bytes revoked(const Secret<32>& key, const CurveEnds& ends, BytesView hello);
    bool check_revoked(const CurveEnds& ends, BytesView hello, BytesView frame) const;
    static bool check_ready(const Secret<32>& key, const CurveEnds& ends, BytesView hello, BytesView welcome,
                            BytesView frame);

    /// Of the secrets that it was given the newest? Who knows only an earlier one was away, or put out.
    bool is_newest(const Secret<32>& key) const { return key == keys_.front(); }

  private:
    Bytes introduction(std::uint64_t wall_ms) const;
    std::variant<Guest, DoorRefusal> checked(BytesView part, const Secret<32>& key, const CurveKey& shown,
                                             std::uint64_t now_s) const;

    Trust trust_;
    std::vector<Secret<32>> keys_;  // the newest first
    Bytes chain_;
    Introduction self_;
};

}  // namespace starling::net
