// Who a node is: one Ed25519 key pair, made on the device and never leaving it. The X25519 pair that CURVE needs is
// derived from it, so a node has one name, and a peer that knows the name can check the CURVE key it is talking to.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <variant>

#include "crdt/ids.hpp"
#include "crdt/result.hpp"
#include "net/secret.hpp"
#include "net/signing.hpp"

namespace starling::net {

using crdt::Bytes;
using crdt::BytesView;
using crdt::Fault;
using crdt::FaultCode;
using crdt::NodeKey;
using crdt::Result;

/// The value of a Result that only says "it is done".
using Done = std::monostate;

/// An X25519 public key, raw.
using CurveKey = std::array<std::uint8_t, 32>;

/// The X25519 public key of a node; nothing where `node` is no valid Ed25519 key (not on the curve, or of small order).
/// About 50 µs.
std::optional<CurveKey> curve_key_of(const NodeKey& node);

/// The key pair of a node. Immutable after construction, so it may be read from any thread; secrets are wiped on
/// destruction. Invariant: the public keys belong to the secrets, and curve_public() == *curve_key_of(node_key()).
class Identity {
  public:
    /// A new key pair from the system's random source.
    static Identity generate();
    /// Reads what save() wrote. Faults: not_available (no file, or not readable), refused (others may read it),
    /// malformed.
    static Result<Identity> load(const std::filesystem::path& path);
    /// Writes the seed with mode 0600, whole or not at all, and syncs it. Refuses to overwrite an existing file.
    Result<Done> save(const std::filesystem::path& path) const;

    const NodeKey& node_key() const { return node_key_; }
    const CurveKey& curve_public() const { return curve_public_; }
    const Secret<32>& curve_secret() const { return curve_secret_; }
    /// Signs these bytes as this node (net/signing.hpp). The same bytes give the same signature. About 30 µs.
    Signature sign(BytesView message) const;
    void check() const;

  private:
    explicit Identity(const Secret<32>& seed);

    Secret<32> seed_;
    Secret<64> sign_secret_;
    Secret<32> curve_secret_;
    NodeKey node_key_{};
    CurveKey curve_public_{};
};

}  // namespace starling::net
