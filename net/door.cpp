#include "net/door.hpp"

#include <algorithm>

#include <sodium.h>

#include "net/byte_order.hpp"

namespace starling::net {
namespace {

constexpr std::string_view door_domain = "starling door 3";
constexpr std::size_t door_nonce_bytes = 16;
constexpr std::size_t door_tag_bytes = 32;
using Tag = std::array<std::uint8_t, door_tag_bytes>;

const std::uint8_t* raw(BytesView bytes) {
    return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

template <std::size_t N>
BytesView view(const std::array<std::uint8_t, N>& bytes) {
    return BytesView(reinterpret_cast<const char*>(bytes.data()), N);
}

/// Over the domain, both ends and the frames so far. Every part has a length fixed by the version, or says its own, so
/// no two lists of parts give the same input; the kind byte of the last frame tells the direction.
Tag tag_of(const Secret<32>& key, const CurveEnds& ends, std::initializer_list<BytesView> said) {
    crypto_generichash_state state;
    crypto_generichash_init(&state, key.data(), key.size(), door_tag_bytes);
    auto take = [&](BytesView part) { crypto_generichash_update(&state, raw(part), part.size()); };
    take(door_domain);
    take(view(ends.dialler));
    take(view(ends.acceptor));
    for (auto part : said) take(part);
    Tag tag{};
    crypto_generichash_final(&state, tag.data(), tag.size());
    sodium_memzero(&state, sizeof state);
    return tag;
}

BytesView without_tag(BytesView frame) {
    return frame.substr(0, frame.size() - door_tag_bytes);
}

bool tag_holds(BytesView frame, const Tag& want) {
    return sodium_memcmp(raw(frame) + frame.size() - door_tag_bytes, want.data(), door_tag_bytes) == 0;
}

void put_kind(Bytes& out, FrameKind kind) {
    out.push_back(char(kind));
    out.push_back(char(door_version));
}

constexpr std::size_t introduction_bytes = 32 + 8 + 2 + 8 + door_nonce_bytes;

Introduction get_introduction(BytesView part) {
    Introduction who;
    std::copy_n(raw(part), who.node.size(), who.node.begin());
    who.boot = get_be64(raw(part) + 32);
    who.port = get_be16(raw(part) + 40);
    who.wall_ms = get_be64(raw(part) + 42);
    return who;
}

/// A chain, the number of tags, and the tags, to the end.
bool is_hello(BytesView frame) {
    constexpr auto before = hello_bytes - 1 - door_tag_bytes;
    if (frame.size() < hello_bytes || raw(frame)[0] != std::uint8_t(FrameKind::hello) || raw(frame)[1] != door_version)
        return false;
    const auto chain = chain_size(frame.substr(before));
    if (!chain || frame.size() <= before + *chain) return false;
    const std::size_t tags = raw(frame)[before + *chain];
    return tags >= 1 && tags <= secrets_kept_max && frame.size() == before + *chain + 1 + tags * door_tag_bytes;
}

/// What all tags of a HELLO are over, and the tags.
std::pair<BytesView, BytesView> halves(BytesView hello) {
    constexpr auto before = hello_bytes - 1 - door_tag_bytes;
    const auto said = before + *chain_size(hello.substr(before)) + 1;
    return {hello.substr(0, said), hello.substr(said)};
}

/// `fixed` is its size without a chain, which is what goes before the tag.
bool is_frame(BytesView frame, FrameKind kind, std::size_t fixed) {
    if (frame.size() < 2 || raw(frame)[0] != std::uint8_t(kind) || raw(frame)[1] != door_version) return false;
    if (kind == FrameKind::ready || kind == FrameKind::revoked) return frame.size() == fixed;
    return frame.size() > fixed && chain_size(frame.substr(fixed - door_tag_bytes)) == frame.size() - fixed;
}

}  // namespace

void Door::set_secrets(const MeshSecret& mesh) {
    keys_.clear();
    for (const auto& keys : mesh.all()) keys_.push_back(keys.door);
}

/// node key, boot, port, clock, nonce, chain: the same in HELLO and WELCOME.
Bytes Door::introduction(std::uint64_t wall_ms) const {
    std::array<std::uint8_t, introduction_bytes> part{};
    std::copy(self_.node.begin(), self_.node.end(), part.begin());
    put_be64(part.data() + 32, self_.boot);
    put_be16(part.data() + 40, self_.port);
    put_be64(part.data() + 42, wall_ms);
    randombytes_buf(part.data() + 50, door_nonce_bytes);
    return Bytes(view(part)).append(chain_);
}

Bytes Door::hello(const CurveEnds& ends, std::uint64_t wall_ms) const {
    Bytes out;
    put_kind(out, FrameKind::hello);
    out += view(trust_.mesh);
    out += introduction(wall_ms);
    out.push_back(char(keys_.size()));
    const auto said = out;
    for (const auto& key : keys_) out += view(tag_of(key, ends, {said}));
    return out;
}

Bytes Door::welcome(const Secret<32>& key, const CurveEnds& ends, BytesView hello, std::uint64_t wall_ms) const {
    Bytes out;
    put_kind(out, FrameKind::welcome);
    out += introduction(wall_ms);
    out += view(tag_of(key, ends, {hello, out}));
    return out;
}

Bytes Door::ready(const Secret<32>& key, const CurveEnds& ends, BytesView hello, BytesView welcome) {
    Bytes out;
    put_kind(out, FrameKind::ready);
    out += view(tag_of(key, ends, {hello, welcome, out}));
    return out;
}

/// `part` is an introduction and what follows it. What costs least comes first.
std::variant<Guest, DoorRefusal> Door::checked(BytesView part, const Secret<32>& key, const CurveKey& shown,
                                               std::uint64_t now_s) const {
    const auto who = get_introduction(part);
    const auto curve = curve_key_of(who.node);
    if (!curve || *curve != shown || who.port == 0) return DoorRefusal::wrong_key;
    const auto after = part.substr(introduction_bytes);
    const auto chain = decode_chain(after.substr(0, chain_size(after).value_or(0)));
    if (!chain) return DoorRefusal::malformed;
    const auto standing = standing_of(trust_, *chain, who.node);
    if (!standing || standing->what != Subject::node) return DoorRefusal::no_certificate;
    if (expired(standing->terms, now_s)) return DoorRefusal::expired;
    return Guest{who, *standing, *chain, key};
}

std::variant<Guest, DoorRefusal> Door::check_hello(const CurveEnds& ends, BytesView frame, std::uint64_t now_s) const {
    if (!is_hello(frame)) return DoorRefusal::malformed;
    if (frame.substr(2, trust_.mesh.size()) != view(trust_.mesh)) return DoorRefusal::other_mesh;
    const auto [said, tags] = halves(frame);
    for (const auto& key : keys_) {
        const auto want = tag_of(key, ends, {said});
        for (auto left = tags; !left.empty(); left.remove_prefix(door_tag_bytes)) {
            if (tag_holds(left.substr(0, door_tag_bytes), want))
                return checked(said.substr(2 + trust_.mesh.size()), key, ends.dialler, now_s);
        }
    }
    return DoorRefusal::no_proof;
}

std::variant<Guest, DoorRefusal> Door::check_welcome(const CurveEnds& ends, BytesView hello, BytesView frame,
                                                     std::uint64_t now_s) const {
    if (!is_frame(frame, FrameKind::welcome, welcome_bytes)) return DoorRefusal::malformed;
    const auto said = without_tag(frame);
    for (const auto& key : keys_) {
        if (tag_holds(frame, tag_of(key, ends, {hello, said})))
            return checked(said.substr(2), key, ends.acceptor, now_s);
    }
    return DoorRefusal::no_proof;
}

Bytes Door::revoked(const Secret<32>& key, const CurveEnds& ends, BytesView hello) {
    Bytes out;
    put_kind(out, FrameKind::revoked);
    out += view(tag_of(key, ends, {hello, out}));
    return out;
}

bool Door::check_revoked(const CurveEnds& ends, BytesView hello, BytesView frame) const {
    return is_frame(frame, FrameKind::revoked, ready_bytes) && std::ranges::any_of(keys_, [&](const auto& key) {
               return tag_holds(frame, tag_of(key, ends, {hello, without_tag(frame)}));
           });
}

bool Door::check_ready(const Secret<32>& key, const CurveEnds& ends, BytesView hello, BytesView welcome,
                       BytesView frame) {
    return is_frame(frame, FrameKind::ready, ready_bytes) &&
           tag_holds(frame, tag_of(key, ends, {hello, welcome, without_tag(frame)}));
}

}  // namespace starling::net
