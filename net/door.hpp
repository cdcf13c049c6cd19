// What is said at the door. CURVE has already proved that each side holds the key it showed; the door proves that both
// know the secret of the mesh and which device (node key) the CURVE key belongs to. Three frames: HELLO from the
// dialler, WELCOME from the acceptor, READY from the dialler. Each carries a keyed BLAKE2b tag over everything said so
// far, both CURVE keys and the direction, so that none can be replayed, reflected or moved to another connection.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <variant>

#include "net/beacon.hpp"
#include "net/mesh.hpp"
#include "net/transport.hpp"

namespace starling::net {

constexpr std::uint8_t door_version = 1;
constexpr std::size_t door_frame_bytes_max = 256;  // of any later version as well

/// The first byte of every frame.
enum class FrameKind : std::uint8_t { hello = 1, welcome = 2, ready = 3, data = 4, alive = 5 };

/// What one side says of itself.
struct Introduction {
    NodeKey node{};
    BootId boot = 0;
    std::uint16_t port = 0;  ///< where it listens
};

constexpr std::size_t hello_bytes = 1 + 1 + 16 + 32 + 8 + 2 + 16 + 32;
constexpr std::size_t welcome_bytes = 1 + 1 + 32 + 8 + 2 + 16 + 32;
constexpr std::size_t ready_bytes = 1 + 1 + 32;
static_assert(hello_bytes <= door_frame_bytes_max && welcome_bytes <= door_frame_bytes_max);

/// Both ends of one connection, as CURVE showed them.
struct CurveEnds {
    CurveKey dialler{};
    CurveKey acceptor{};
};

/// The pure part of the door: writes and checks frames, holds no connection. May be used from any thread.
class Door {
  public:
    Door(const MeshSecret& mesh, const Introduction& self)
        : mesh_id_(mesh.mesh_id()), key_(mesh.door_key()), self_(self) {}

    Bytes hello(const CurveEnds& ends) const;
    Bytes welcome(const CurveEnds& ends, BytesView hello) const;
    Bytes ready(const CurveEnds& ends, BytesView hello, BytesView welcome) const;

    /// Who is at the door, or why they are refused. The tag is checked before anything costly.
    std::variant<Introduction, DoorRefusal> check_hello(const CurveEnds& ends, BytesView frame) const;
    std::variant<Introduction, DoorRefusal> check_welcome(const CurveEnds& ends, BytesView hello,
                                                          BytesView frame) const;
    bool check_ready(const CurveEnds& ends, BytesView hello, BytesView welcome, BytesView frame) const;

  private:
    MeshId mesh_id_;
    Secret<32> key_;
    Introduction self_;
};

}  // namespace starling::net
