#include "net/door.hpp"

#include <algorithm>

#include <sodium.h>

#include "net/byte_order.hpp"

namespace starling::net {
namespace {

constexpr std::string_view door_domain = "starling door 1";
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

/// Over the domain, both ends and the frames so far. Every part has a length fixed by the version, so no two lists of
/// parts give the same input; the kind byte of the last frame tells the direction.
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

/// node key, boot, port, nonce: the same in HELLO and WELCOME.
void put_introduction(Bytes& out, const Introduction& self) {
    std::array<std::uint8_t, 32 + 8 + 2 + door_nonce_bytes> part{};
    std::copy(self.node.begin(), self.node.end(), part.begin());
    put_be64(part.data() + 32, self.boot);
    put_be16(part.data() + 40, self.port);
    randombytes_buf(part.data() + 42, door_nonce_bytes);
    out += view(part);
}

Introduction get_introduction(BytesView part) {
    Introduction who;
    std::copy_n(raw(part), who.node.size(), who.node.begin());
    who.boot = get_be64(raw(part) + 32);
    who.port = get_be16(raw(part) + 40);
    return who;
}

bool is_frame(BytesView frame, FrameKind kind, std::size_t size) {
    return frame.size() == size && raw(frame)[0] == std::uint8_t(kind) && raw(frame)[1] == door_version;
}

std::variant<Introduction, DoorRefusal> checked(const Introduction& who, const CurveKey& shown) {
    auto curve = curve_key_of(who.node);
    if (!curve || *curve != shown || who.port == 0) return DoorRefusal::wrong_key;
    return who;
}

}  // namespace

Bytes Door::hello(const CurveEnds& ends) const {
    Bytes out;
    put_kind(out, FrameKind::hello);
    out += view(mesh_id_);
    put_introduction(out, self_);
    out += view(tag_of(key_, ends, {out}));
    return out;
}

Bytes Door::welcome(const CurveEnds& ends, BytesView hello) const {
    Bytes out;
    put_kind(out, FrameKind::welcome);
    put_introduction(out, self_);
    out += view(tag_of(key_, ends, {hello, out}));
    return out;
}

Bytes Door::ready(const CurveEnds& ends, BytesView hello, BytesView welcome) const {
    Bytes out;
    put_kind(out, FrameKind::ready);
    out += view(tag_of(key_, ends, {hello, welcome, out}));
    return out;
}

std::variant<Introduction, DoorRefusal> Door::check_hello(const CurveEnds& ends, BytesView frame) const {
    if (!is_frame(frame, FrameKind::hello, hello_bytes)) return DoorRefusal::malformed;
    if (frame.substr(2, mesh_id_.size()) != view(mesh_id_)) return DoorRefusal::other_mesh;
    if (!tag_holds(frame, tag_of(key_, ends, {without_tag(frame)}))) return DoorRefusal::no_proof;
    return checked(get_introduction(frame.substr(2 + mesh_id_.size())), ends.dialler);
}

std::variant<Introduction, DoorRefusal> Door::check_welcome(const CurveEnds& ends, BytesView hello,
                                                            BytesView frame) const {
    if (!is_frame(frame, FrameKind::welcome, welcome_bytes)) return DoorRefusal::malformed;
    if (!tag_holds(frame, tag_of(key_, ends, {hello, without_tag(frame)}))) return DoorRefusal::no_proof;
    return checked(get_introduction(frame.substr(2)), ends.acceptor);
}

bool Door::check_ready(const CurveEnds& ends, BytesView hello, BytesView welcome, BytesView frame) const {
    return is_frame(frame, FrameKind::ready, ready_bytes) &&
           tag_holds(frame, tag_of(key_, ends, {hello, welcome, without_tag(frame)}));
}

}  // namespace starling::net
