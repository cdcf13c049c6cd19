#include "bench/gossip/reference.hpp"

#include "crdt/assert.hpp"

namespace starling::bench::gossip {

namespace {

constexpr std::size_t number_bytes = 4;

}  // namespace

crdt::Bytes encode(const Frame& frame) {
    crdt::Bytes bytes{char(frame.kind), char(frame.round)};
    for (const auto number : frame.numbers) {
        for (std::size_t i = 0; i < number_bytes; ++i) bytes.push_back(char(number >> 8 * i));
    }
    return bytes;
}

Frame decode(crdt::BytesView bytes) {
    STARLING_ASSERT(bytes.size() % number_bytes == 2, "stations speak to their like");
    Frame frame{Kind(bytes[0]), std::uint8_t(bytes[1]), {}};
    for (std::size_t at = 2; at < bytes.size(); at += number_bytes) {
        std::uint32_t number = 0;
        for (std::size_t i = 0; i < number_bytes; ++i) number |= std::uint32_t(std::uint8_t(bytes[at + i])) << 8 * i;
        frame.numbers.push_back(number);
    }
    return frame;
}

starling::gossip::Effects Reference::handle(const starling::gossip::Input& input, starling::gossip::Now now) {
    now_us_ = now.mono_us;
    if (const auto* up = std::get_if<starling::gossip::LinkUp>(&input)) link_up(up->peer);
    if (const auto* down = std::get_if<starling::gossip::LinkDown>(&input)) link_down(down->peer);
    if (const auto* received = std::get_if<starling::gossip::Received>(&input))
        hear(received->peer, decode(received->bytes));
    for (const auto number : std::exchange(own_, {})) spread(number, 0, nullptr);
    tick();
    effects_.wake_us = wake_us();
    return std::exchange(effects_, {});
}

crdt::Result<peer::Commit> Reference::write(starling::gossip::Now, const std::function<void(crdt::Transaction&)>&) {
    crdt::Changeset changeset;
    changeset.origin = {key_, 1};
    changeset.first = ++written_;
    changeset.count = 1;
    const auto number = std::uint32_t(messages_->all.size());
    messages_->all.push_back(std::make_shared<const crdt::Changeset>(std::move(changeset)));
    known_.resize(messages_->all.size());
    known_[number] = true;
    own_.push_back(number);
    effects_.persist.push_back(messages_->all.back());
    counters_.body_bytes_applied += payload_bytes;
    return peer::Commit{{}, true, {{key_, 1}, written_}};
}

bool Reference::take(std::uint32_t number) {
    ++counters_.changesets_received;
    if (knows(number)) {
        ++counters_.changesets_redundant;
        return false;
    }
    known_.resize(messages_->all.size());
    known_[number] = true;
    effects_.persist.push_back(messages_->all[number]);
    counters_.body_bytes_applied += payload_bytes;
    return true;
}

void Reference::send(const Peer& peer, const Frame& frame) {
    auto bytes = encode(frame);
    if (frame.kind == Kind::payload) {
        ++counters_.changesets_sent;
        counters_.changeset_bytes_sent += payload_bytes;
        counters_.bytes_sent += payload_bytes;
    } else {
        counters_.control_bytes_sent += bytes.size();
    }
    counters_.bytes_sent += bytes.size();
    effects_.sends.push_back({peer, std::move(bytes)});
}

}  // namespace starling::bench::gossip
