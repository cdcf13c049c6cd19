// What the engine signs and verifies with (gossip/seal.hpp): the node's own key, Ed25519 and BLAKE2b-256.
#pragma once

#include "gossip/seal.hpp"
#include "net/identity.hpp"
#include "net/signing.hpp"

namespace starling::detail {

/// Thread-safe.
class KeySealer final : public gossip::Sealer {
  public:
    explicit KeySealer(const net::Identity& identity) : identity_(identity) {}

    gossip::ChainHead hash(crdt::BytesView bytes) const override { return net::digest256(bytes); }
    gossip::SealSignature sign(crdt::BytesView bytes) const override { return identity_.sign(bytes); }
    bool verify(const crdt::NodeKey& node, crdt::BytesView bytes,
                const gossip::SealSignature& signature) const override {
        return net::verify(node, bytes, signature);
    }

  private:
    net::Identity identity_;
};

}  // namespace starling::detail
