// The bytes of the overlay's messages: [what, …], where `what` is the place in the variant.
#include "crdt/limits.hpp"
#include "gossip/overlay_messages.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::uint64_t age_s_max = UINT32_MAX;

template <std::size_t What>
using OverlayKind = std::variant_alternative_t<What, OverlayMessage>;

void write_node(Writer& out, const NodeKey& node) {
    out.bin({reinterpret_cast<const char*>(node.data()), node.size()});
}
NodeKey read_node(Reader& in) {
    NodeKey node{};
    const auto bytes = in.bin(node.size());
    if (bytes.size() != node.size()) return in.fail(), node;
    std::copy(bytes.begin(), bytes.end(), node.begin());
    return node;
}

void write_known(Writer& out, const KnownPeer& peer) {
    write_node(out, peer.node);
    out.bin(peer.address).uint(peer.age_s);
}
KnownPeer read_known(Reader& in) {
    KnownPeer peer;
    peer.node = read_node(in);
    peer.address = in.bin(address_bytes_max);
    peer.age_s = in.uint(age_s_max);
    return peer;
}

constexpr std::size_t known_items = 3;
void write_sample(Writer& out, const Sample& sample) {
    out.array(known_items * sample.size());
    for (const auto& peer : sample) write_known(out, peer);
}
Sample read_sample(Reader& in, std::size_t peers_max) {
    Sample sample;
    const auto items = in.array(known_items * peers_max);
    if (items % known_items != 0) in.fail();
    for (std::size_t i = 0; i < items && in.ok(); i += known_items) sample.push_back(read_known(in));
    return sample;
}

void write_path(Writer& out, const std::vector<NodeKey>& path) {
    out.array(path.size());
    for (const auto& node : path) write_node(out, node);
}
std::vector<NodeKey> read_path(Reader& in) {
    std::vector<NodeKey> path;
    for (auto left = in.array(walk_hops_max + 1); left > 0 && in.ok(); --left) path.push_back(read_node(in));
    return path;
}

void write_label(Writer& out, const ComponentLabel& label) {
    out.uint(label.root).uint(label.pulse);
}
ComponentLabel read_label(Reader& in) {
    ComponentLabel label;
    label.root = in.uint();
    label.pulse = in.uint(seq_max);
    return label;
}

// -- one writer and one reader a message
// ---------------------------------------------------------------------------------

void write(Writer& out, const Ask& ask) {
    out.array(4).uint(0).uint(std::uint64_t(ask.purpose));
    write_label(out, ask.component);
}
void read(Reader& in, Ask& ask, std::size_t items) {
    if (items != 4) in.fail();
    ask.purpose = AskPurpose(in.uint(std::uint64_t(AskPurpose::probe)));
    ask.component = read_label(in);
}

void write(Writer& out, const Answer& answer) {
    out.array(4).uint(1).uint(std::uint64_t(answer.verdict)).boolean(answer.crowded);
    write_sample(out, answer.sample);
}
void read(Reader& in, Answer& answer, std::size_t items) {
    if (items != 4) in.fail();
    answer.verdict = AskVerdict(in.uint(std::uint64_t(AskVerdict::same_component)));
    answer.crowded = in.boolean();
    answer.sample = read_sample(in, sample_peers_max);
}

void write(Writer& out, const ForwardJoin& join) {
    out.array(5).uint(2);
    write_known(out, join.joiner);
    out.uint(join.hops_left);
}
void read(Reader& in, ForwardJoin& join, std::size_t items) {
    if (items != 5) in.fail();
    join.joiner = read_known(in);
    join.hops_left = in.uint(walk_hops_max);
}

void write(Writer& out, const Shuffle& shuffle) {
    out.array(5).uint(3);
    write_path(out, shuffle.path);
    out.bin(shuffle.origin_address).uint(shuffle.hops_left);
    write_sample(out, shuffle.sample);
}
void read(Reader& in, Shuffle& shuffle, std::size_t items) {
    if (items != 5) in.fail();
    shuffle.path = read_path(in);
    if (shuffle.path.empty()) in.fail();
    shuffle.origin_address = in.bin(address_bytes_max);
    shuffle.hops_left = in.uint(walk_hops_max);
    shuffle.sample = read_sample(in, sample_peers_max);
}

void write(Writer& out, const ShuffleReply& reply) {
    out.array(3).uint(4);
    write_path(out, reply.path);
    write_sample(out, reply.sample);
}
void read(Reader& in, ShuffleReply& reply, std::size_t items) {
    if (items != 3) in.fail();
    reply.path = read_path(in);
    reply.sample = read_sample(in, sample_peers_max);
}

void write(Writer& out, const Pulse& pulse) {
    out.array(3).uint(5);
    write_label(out, pulse.component);
}
void read(Reader& in, Pulse& pulse, std::size_t items) {
    if (items != 3) in.fail();
    pulse.component = read_label(in);
}

void write(Writer& out, const Farewell& farewell) {
    out.array(2).uint(6);
    write_sample(out, farewell.instead);
}
void read(Reader& in, Farewell& farewell, std::size_t items) {
    if (items != 2) in.fail();
    farewell.instead = read_sample(in, 1);
}

constexpr std::size_t items_max = 5;

template <std::size_t What = 0>
OverlayMessage read_what(std::size_t what, Reader& in, std::size_t items) {
    if constexpr (What < std::variant_size_v<OverlayMessage>) {
        if (what != What) return read_what<What + 1>(what, in, items);
        OverlayKind<What> message;
        read(in, message, items);
        return message;
    } else {
        return in.fail(), Farewell{};
    }
}

}  // namespace

void write_overlay(Writer& out, const OverlayMessage& message) {
    std::visit([&](const auto& m) { write(out, m); }, message);
}

OverlayMessage read_overlay(Reader& in) {
    const auto items = in.array(items_max);
    return read_what(in.uint(), in, items);
}

}  // namespace starling::gossip
