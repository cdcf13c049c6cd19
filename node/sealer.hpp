// What the engine signs and verifies with (gossip/seal.hpp): the node's own key, Ed25519 and BLAKE2b-256.
#pragma once

#include "gossip/seal.hpp"
#include "net/identity.hpp"
#include "net/signing.hpp"

namespace starling::detail {

/// Signs nothing. Thread-safe.
class SealVerifier : public gossip::Sealer {
  public:
    gossip::ChainHead hash(std::span<const crdt::BytesView> parts) const override { return net::digest256(parts); }
    gossip::SealSignature sign(crdt::BytesView) const override {
        STARLING_ASSERT(false, "who only verifies has no key");
        return {};
    }
    bool verify(const crdt::NodeKey& node, crdt::BytesView bytes,
                const gossip::SealSignature& signature) const override {
        return net::verify(node, bytes, signature);
    }
};

/// Thread-safe.
class KeySealer final : public SealVerifier {
  public:
    explicit KeySealer(const net::Identity& identity) : identity_(identity) {}
    gossip::SealSignature sign(crdt::BytesView bytes) const override { return identity_.sign(bytes); }

  private:
    net::Identity identity_;
};

}  // namespace starling::detail
