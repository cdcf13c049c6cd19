// Writes the first inputs of every target into DIR/<target>/: real messages where a target reads bytes, random
// decisions where it reads a story. scripts/fuzz --seeds keeps of them what covers anything new. Usage: fuzz-seeds DIR
#include <filesystem>
#include <fstream>
#include <random>

#include "crdt/difference.hpp"
#include "gossip/wire.hpp"
#include "tests/fuzz/pair.hpp"

using namespace starling;
using namespace starling::crdt;
using namespace starling::fuzz;

namespace {

constexpr int stories = 150;  // a target
constexpr std::size_t story_bytes = 240;

class Folder {
  public:
    explicit Folder(std::filesystem::path path) : path_(std::move(path)) { std::filesystem::create_directories(path_); }
    void add(BytesView bytes) {
        std::ofstream(path_ / std::to_string(next_++), std::ios::binary)
            .write(bytes.data(), std::streamsize(bytes.size()));
    }

  private:
    std::filesystem::path path_;
    int next_ = 1;
};

Bytes random_story(std::mt19937_64& random) {
    Bytes story;
    for (auto size = 1 + random() % story_bytes; size > 0; --size) story.push_back(char(random()));
    return story;
}

/// So many that a part lists them itself.
Difference of_many_lives() {
    Difference piece;
    for (Life life = 0; life < 260; ++life) piece.tops[{{9}, life}] = {1 + life, life};
    piece.outside = {{{{9}, 7}, {{1, 2}}}};
    return piece;
}

/// Messages as two nodes with a past would send them.
std::vector<gossip::Message> messages(std::mt19937_64& random) {
    const auto story = random_story(random);
    Choices choices(reinterpret_cast<const std::uint8_t*>(story.data()), story.size());
    Pair pair(choices);
    std::vector<Changeset> sent;
    cut(pair.a, sent);
    cut(pair.b, sent);
    sent.push_back(strange(honest, 1, choices));
    const auto& state = pair.a.state();
    auto difference = answer(pair.b, state.version(), {});
    difference.base.clear();
    return {
        gossip::Hello{1, state.version(), state.fingerprint(), 7, {8, 9}},
        gossip::Hello{1, state.version(), state.fingerprint(), 7, {8, 9}, 5, state.version_hash()},
        gossip::Digest{2, {{actor(0), 1}, {actor(1), 9}}, {}, {}},
        gossip::Digest{3, {}, {actor(1)}, gossip::Summary{state.version_hash(), state.fingerprint(), 7, {8, 9}}},
        gossip::HelloRequest{},
        gossip::HelloRequest{{8, 9}, true},
        gossip::Changesets{3, {actor(1)}, sent},
        gossip::Pull{3, {{actor(0), 1, 9}, {actor(1), 2, 300}}},
        gossip::DiffOpen{5, 77, state.version(), live_dots(state)},
        gossip::DiffPart{5, false, 0, true, difference},
        gossip::DiffPart{5, false, 0, false, {}, gossip::Comparison{8, 1, true, {1, 2}, "of the set", "of changes"}},
        gossip::DiffPart{5, true, 1, true, {}, {}, {{3, 2}, {7, 1}, {12, 9}, {30, 1}, {90, 4}}, Fingerprint{3, 4}},
        gossip::DiffSketch{5, gossip::CompareBy::sketch, {11, 2}, 3, {5, 6}, "nine byte"},
        gossip::DiffSketch{5, gossip::CompareBy::live_dots, {}, 0, {}, {}},
        gossip::DiffMore{5, 3, 5, {{1, 1}, {9, 2}}},
        gossip::DiffSums{5, "further sums"},
        gossip::DiffCells{5, {{4, 1}, {400, 2}, {500, 1}}, "contents"},
        gossip::DiffOpen{5, 77, {}, live_dots(state), state.version_hash()},
        gossip::DiffBase{5, 1, state.version()},
        gossip::DiffPart{5, false, 0, true, of_many_lives()},
        gossip::Ranges{6,
                       3,
                       gossip::GaveUp::no,
                       {{{{}, {{{2}, 0}}}, false, 7}, {{{{2}, 0}, {{{2}, 9}}}, false, 8}, {{{{3}, 0}, {}}, true, 0}},
                       {{{{2}, 10}, 0}, {{{4}, 1}, 2}, {{{4}, 2}, 3}}},
        gossip::Ranges{6,
                       0,
                       gossip::GaveUp::no,
                       {},
                       {},
                       gossip::RangesHead{1, state.version_hash(), state.fingerprint(), 7, {8, 9}, 5}},
        gossip::Ranges{6, 4, gossip::GaveUp::sender_asks, {}, {}},
        gossip::DiffAck{5, true, 0},
        gossip::DiffEnd{5, gossip::DiffEndReason::busy},
        gossip::OverlayMessage{gossip::Shuffle{{actor(0).node}, "10.0.0.1:1", 3, {{actor(1).node, "10.0.0.2:1", 9}}}},
        gossip::OverlayMessage{gossip::Answer{gossip::AskVerdict::refused, true, {{actor(1).node, "10.0.0.2:1", 9}}}},
        gossip::OverlayMessage{gossip::Ask{gossip::AskPurpose::probe, {7, 9}}},
        gossip::OverlayMessage{gossip::Pulse{{7, 9}}},
        gossip::OverlayMessage{gossip::Farewell{{{actor(1).node, "10.0.0.2:1", 9}}}}};
}

void add_messages(const std::filesystem::path& root, std::mt19937_64& random) {
    Folder wire(root / "wire"), changesets(root / "changeset"), differences(root / "difference");
    for (int i = 0; i < stories / 4; ++i) {
        for (const auto& message : messages(random)) {
            gossip::RefSender refs;
            const auto frame = gossip::encode(0, message, refs);
            wire.add(frame);
            if (const auto* several = std::get_if<gossip::Changesets>(&message)) {
                for (const auto& changeset : several->changesets) changesets.add(encode_changeset(changeset));
            }
            // A difference of bytes: mode 3, an empty past, nothing written meanwhile.
            if (std::holds_alternative<gossip::DiffPart>(message)) differences.add(Bytes("\x03\x00\x00", 3) + frame);
        }
    }
    for (int i = 0; i < stories; ++i) differences.add(random_story(random));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    const std::filesystem::path root = argv[1];
    std::mt19937_64 random(1);
    add_messages(root, random);
    for (const auto* target : {"apply", "join", "engine", "state", "compare", "door", "seal"}) {
        Folder folder(root / target);
        for (int i = 0; i < stories; ++i) folder.add(random_story(random));
        for (const auto* text : {"\0localhost:80", "\0[fe80::1%lo]:4711",
                                 "\0"
                                 "127.0.0.1:65535"})
            if (BytesView(target) == "door") folder.add(Bytes(1, '\0') + Bytes(text + 1));
    }
    return 0;
}
