// Seals without cryptography: keyed SipHash in place of signatures, fast and the same everywhere. A node of the
// simulator cannot sign for another, since it is given its own sealer only; a program could.
#pragma once

#include <memory>
#include <span>

#include "crdt/hash.hpp"
#include "gossip/seal.hpp"

namespace starling::sim {

class FakeSealer final : public gossip::Sealer {
  public:
    explicit FakeSealer(const crdt::NodeKey& node) : node_(node) {}

    gossip::ChainHead hash(std::span<const crdt::BytesView> parts) const override {
        crdt::Bytes bytes;
        for (const auto part : parts) bytes.append(part);
        gossip::ChainHead head{};
        fill(head, bytes, {0x68617368, 0});
        return head;
    }
    gossip::SealSignature sign(crdt::BytesView bytes) const override {
        ++signed_count;
        return made(node_, bytes);
    }
    bool verify(const crdt::NodeKey& node, crdt::BytesView bytes,
                const gossip::SealSignature& signature) const override {
        ++verified_count;
        return made(node, bytes) == signature;
    }

    mutable std::uint64_t signed_count = 0, verified_count = 0;

  private:
    template <std::size_t Size>
    static void fill(std::array<std::uint8_t, Size>& into, crdt::BytesView bytes, crdt::HashKey key) {
        for (std::size_t at = 0; at < Size; at += 16, ++key[1]) {
            auto sum = crdt::siphash128(bytes, key);
            for (std::size_t i = 0; i < 8; ++i, sum.high >>= 8, sum.low >>= 8) {
                into[at + i] = std::uint8_t(sum.high);
                into[at + 8 + i] = std::uint8_t(sum.low);
            }
        }
    }
    static gossip::SealSignature made(const crdt::NodeKey& node, crdt::BytesView bytes) {
        const auto key = crdt::siphash128(gossip::view_of(node), {0x7369676e, 1});
        gossip::SealSignature signature{};
        fill(signature, bytes, {key.high, key.low});
        return signature;
    }

    crdt::NodeKey node_;
};

}  // namespace starling::sim
