// One node and what its links may throw at it: honest frames of a second node, some of them changed, lost or out of
// order, and frames of a stranger who knows the grammar. The node's invariants hold after each.
#include <array>
#include <deque>
#include <memory>

#include "crdt/codec.hpp"
#include "crdt/views.hpp"
#include "gossip/wire.hpp"
#include "peer/peer.hpp"
#include "tests/fuzz/actors.hpp"

using namespace starling;
using namespace starling::crdt;
using namespace starling::fuzz;

namespace {

constexpr int steps_max = 64;

/// A message that says anything, in the right form.
gossip::Message strange_message(Choices& choices) {
    const auto version = [&] {
        Version lines;
        for (auto many = choices.below(4); many > 0; --many)
            lines[actor(choices.below(actors))] = 1 + choices.below(20);
        return lines;
    };
    const auto bookmark = [&] { return gossip::Bookmark{choices.below(4), choices.below(16)}; };
    switch (choices.below(15)) {
        case 0: {
            gossip::Hello hello{choices.below(gossip::digest_numbers),
                                version(),
                                {choices.number(), choices.number()},
                                choices.number(),
                                bookmark()};
            hello.since = std::min(choices.below(4), hello.bookmark.place);
            if (hello.since != 0) hello.version_hash = {choices.number(), choices.number()};
            return hello;
        }
        case 1: {
            const auto lines = version();
            gossip::Digest digest{choices.below(gossip::digest_numbers), {}, {}, {}};
            for (const auto& [id, seq] : lines) {
                digest.rises.push_back({id, seq});
                if (choices.flag()) digest.stop.push_back(id);
            }
            if (choices.flag())
                digest.summary = {
                    version_hash(lines), {choices.number(), choices.number()}, choices.number(), bookmark()};
            return digest;
        }
        case 2:
            return gossip::HelloRequest{bookmark(), choices.flag()};
        case 3: {
            gossip::Changesets message{choices.below(4), {}, {}};
            if (choices.flag()) message.gone.push_back(actor(choices.below(actors)));
            for (auto many = choices.below(3); many > 0; --many) {
                const auto number = choices.below(actors);
                message.changesets.push_back(strange(number, 1 + choices.below(6), choices));
            }
            return message;
        }
        case 4: {
            gossip::Pull pull{choices.number(), {}};
            for (std::uint64_t number = 0; number < actors; ++number) {
                const Seq from = 1 + choices.below(6);
                if (choices.flag()) pull.ranges.push_back({actor(number), from, from + choices.below(9)});
            }
            return pull;
        }
        case 5:
            return gossip::DiffOpen{choices.below(4),
                                    choices.byte(),
                                    version(),
                                    {{actor(choices.below(actors)), {{1, 3}}}},
                                    choices.flag() ? std::optional(version_hash(version())) : std::nullopt};
        case 6: {
            gossip::DiffPart part{choices.below(4), choices.flag(), choices.below(3), choices.flag(), {}};
            part.piece.depth = choices.below(5);
            for (const auto& [id, seq] : version()) part.piece.tops[id] = {seq, choices.below(9)};
            if (choices.flag()) part.comparison = {choices.byte(), choices.below(3), choices.flag(), {}, "1234", "12"};
            if (choices.flag()) part.died = {{1 + choices.below(5), 1 + choices.below(5)}};
            if (choices.flag()) part.stays = Fingerprint{choices.number(), choices.number()};
            return part;
        }
        case 7:
            return gossip::DiffAck{choices.below(4), choices.flag(), choices.below(4)};
        case 8:
            return gossip::DiffSketch{choices.below(4),
                                      gossip::CompareBy(choices.below(4)),
                                      {7 + unsigned(choices.below(8)), choices.number()},
                                      choices.below(65),
                                      {choices.number(), 1},
                                      Bytes(choices.bytes(choices.below(64)))};
        case 9:
            return gossip::DiffMore{choices.below(4), choices.below(9), choices.below(9), {{1 + choices.below(4), 1}}};
        case 10:
            return gossip::DiffSums{choices.below(4), Bytes(choices.bytes(choices.below(64)))};
        case 11:
            return gossip::DiffCells{choices.below(4), {{1 + choices.below(99), 2}}, Bytes(choices.bytes(4))};
        case 12: {
            gossip::Ranges ranges{choices.below(4), choices.below(6), gossip::GaveUp(choices.below(3)), {}, version()};
            for (auto many = choices.below(3); many > 0; --many) {
                gossip::Range range{{actor(choices.below(actors)), {}}, choices.flag(), choices.number()};
                if (choices.flag()) range.ids.to = actor(choices.below(actors));
                ranges.ranges.push_back(range);
            }
            if (choices.below(4) == 0) return ranges;  // what is said may be out of place
            if (ranges.step == 0) ranges = {ranges.matching, 0, gossip::GaveUp::no, {}, {}};
            if (ranges.step <= 1 && ranges.gave_up == gossip::GaveUp::no)
                ranges.head = {choices.below(gossip::digest_numbers),
                               version_hash(version()),
                               {choices.number(), choices.number()},
                               choices.number(),
                               bookmark(),
                               choices.below(9)};
            return ranges;
        }
        case 13:
            return gossip::DiffBase{choices.below(4), choices.below(3), version()};
        default:
            return gossip::DiffEnd{choices.below(4), gossip::DiffEndReason(choices.below(4))};
    }
}

/// Nodes 0 and 1 are real and linked; node 2 is the stranger, linked to node 0.
class Story {
  public:
    explicit Story(Choices& choices) : choices_(choices) {
        gossip::Limits limits;
        limits.log_bytes_max = 4096;  // so that the log ends soon and diffs are needed
        limits.waiting_bytes_max = 4096;
        limits.diff_part_bytes_max = 256;
        limits.diff_open_lines_max = 1;  // so that bases go in parts
        limits.diff_base_part_lines = 1;
        limits.diff_base_lines_max = 4;
        limits.hello_lines_max = 2;  // so that ranges are compared
        limits.quiet_rises_max = 2;
        limits.numbered_lives_max = 4;
        for (std::size_t i = 0; i < honest; ++i)
            peers_.at(i) =
                std::make_unique<peer::Peer>(peer::Options{0, actor(i).node, limits, {}, [this] { return ++random_; }});
        handle(0, gossip::LinkUp{actor(1).node});
        handle(1, gossip::LinkUp{actor(0).node});
        handle(0, gossip::LinkUp{stranger_});
    }

    void step() {
        switch (choices_.below(8)) {
            case 0:
                return handle(0, gossip::Received{stranger_, Bytes(choices_.bytes(choices_.byte()))});
            case 1:
            case 2: {
                auto frame = gossip::encode(0, strange_message(choices_), refs_);
                if (choices_.below(4) == 0) frame = choices_.mutated(frame);
                return handle(0, gossip::Received{stranger_, frame});
            }
            case 3:
                now_us_ += std::uint64_t{1} << choices_.below(25);
                return handle(choices_.below(honest), gossip::Tick{});
            case 4:
                return write(choices_.below(honest));
            case 5:
                return relink();
            default:
                return carry();
        }
    }

  private:
    gossip::Now now() const { return {now_us_, 1'700'000'000'000'000 + now_us_}; }

    void handle(std::size_t i, const gossip::Input& input) {
        auto effects = peers_.at(i)->handle(input, now());
        for (auto& send : effects.sends) {
            if (send.peer != stranger_) wire_.push_back({1 - i, std::move(send.bytes)});
        }
        peers_.at(i)->check();
    }
    void write(std::size_t i) {
        const auto field = pack_int(choices_.byte());
        (void)peers_.at(i)->write(now(), [&](Transaction& tx) {
            Set::add(tx, "s", field);
            Map::put(tx, "m", field, field);
            if (choices_.flag()) Journal::append(tx, "j", field);
        });
        handle(i, gossip::Written{});
    }
    void relink() {
        const auto peer = choices_.flag() ? stranger_ : actor(1).node;
        if (peer == stranger_) refs_ = {};
        handle(0, gossip::LinkDown{peer});
        if (choices_.flag()) handle(0, gossip::LinkUp{peer});
    }
    /// One frame of the link between the two real nodes arrives, whole, changed or not at all.
    void carry() {
        if (wire_.empty()) return;
        auto frame = std::move(wire_.front());
        wire_.pop_front();
        const auto fate = choices_.below(8);
        if (fate == 7) return;
        if (fate == 6) frame.bytes = choices_.mutated(frame.bytes);
        handle(frame.to, gossip::Received{actor(1 - frame.to).node, std::move(frame.bytes)});
    }

    struct Frame {
        std::size_t to;
        Bytes bytes;
    };
    Choices& choices_;
    std::array<std::unique_ptr<peer::Peer>, honest> peers_;
    std::deque<Frame> wire_;
    NodeKey stranger_ = actor(honest).node;
    gossip::RefSender refs_;
    std::uint64_t now_us_ = 1'000'000;
    std::uint64_t random_ = 0;
};

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Choices choices(data, size);
    Story story(choices);
    for (int step = 0; step < steps_max && choices.more(); ++step) story.step();
    return 0;
}
