// Signatures and hashes, by the published vectors, and what must not pass.
#include "net/signing.hpp"

#include "net/identity.hpp"
#include "tests/net/small_mesh.hpp"

namespace starling::net {
namespace {

template <std::size_t N>
std::array<std::uint8_t, N> from_hex(std::string_view text) {
    REQUIRE(text.size() == 2 * N);
    std::array<std::uint8_t, N> bytes{};
    for (std::size_t at = 0; at < N; ++at)
        bytes[at] = std::uint8_t(std::stoul(std::string(text.substr(2 * at, 2)), nullptr, 16));
    return bytes;
}

TEST_CASE("a published signature of Ed25519 is taken, and nothing near it") {  // RFC 8032, 7.1, test 2
    const auto node = from_hex<32>("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    const auto signature = from_hex<64>(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
    CHECK(verify(node, "\x72", signature));
    CHECK(!verify(node, "\x73", signature));
    CHECK(!verify(node, "", signature));
    for (std::size_t bit = 0; bit < 8 * signature.size(); bit += 3) {
        auto other = signature;
        other[bit / 8] ^= std::uint8_t(1 << bit % 8);
        CHECK(!verify(node, "\x72", other));
    }
    // The order added to the second half: the same equation, in a form that is not canonical.
    auto other = signature;
    const auto order = from_hex<32>("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    unsigned carry = 0;
    for (std::size_t at = 0; at < 32; ++at) {
        carry += unsigned(other[32 + at]) + order[at];
        other[32 + at] = std::uint8_t(carry);
        carry >>= 8;
    }
    CHECK(!verify(node, "\x72", other));
    NodeKey none{};
    CHECK(!verify(none, "\x72", signature));
    CHECK(!verify(none, "\x72", Signature{}));
}

TEST_CASE("what a node signs is verified under its key alone, and signing repeats") {
    const auto identity = Identity::generate(), other = Identity::generate();
    const auto signature = identity.sign("words");
    CHECK(verify(identity.node_key(), "words", signature));
    CHECK(!verify(other.node_key(), "words", signature));
    CHECK(!verify(identity.node_key(), "words ", signature));
    CHECK(identity.sign("words") == signature);
    CHECK(identity.sign("word") != signature);
    CHECK(verify(identity.node_key(), "", identity.sign("")));
}

TEST_CASE("the hash is BLAKE2b of 32 bytes") {
    CHECK(digest256("") == from_hex<32>("0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"));
    CHECK(digest256("abc") == from_hex<32>("bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319"));
}

}  // namespace
}  // namespace starling::net
