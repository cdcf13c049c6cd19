// Seals of both kinds. Of changesets: whatever is changed in a frame of sealed ones, all that its signatures prove is
// what the origin wrote; and a seal on its own has one form. Of keys on a disk: nothing opens but what was sealed, as
// what it was sealed as.
#include <array>
#include <filesystem>

#include "gossip/wire.hpp"
#include "net/key_seal.hpp"
#include "sim/fake_sealer.hpp"
#include "tests/fuzz/actors.hpp"

using namespace starling;
using namespace starling::crdt;
using namespace starling::fuzz;

namespace {

constexpr std::size_t written = 6;  // changesets of the origin, of two dots each

/// An origin, what it wrote, and what it signed of that: two at a time.
struct Author {
    ReplicaId id = actor(0);
    gossip::Sealing sealing{std::make_shared<const sim::FakeSealer>(id.node), {}, 0};
    gossip::Changesets frame;
    std::vector<gossip::Seal> seals;

    Author() {
        std::vector<const Changeset*> all;
        for (std::size_t i = 0; i < written; ++i) frame.changesets.push_back(wrote(i));
        for (const auto& changeset : frame.changesets) all.push_back(&changeset);
        const auto proofs = sealing.chain({}, all);
        frame.runs = {{id, {}, {}}};
        for (std::size_t i = 1; i < written; i += 2) {
            gossip::Seal seal{id, all[i - 1]->first, all[i]->last(), proofs[i - 1].before, proofs[i].after, {}};
            sealing.sign(seal);
            frame.runs[0].lines.push_back({seal.first, seal.last, {}, seal.signature});
            seals.push_back(seal);
        }
    }
    bool has_written(const Changeset& changeset) const {
        return std::find(frame.changesets.begin(), frame.changesets.end(), changeset) != frame.changesets.end();
    }

  private:
    Changeset wrote(std::size_t i) const {
        Changeset changeset;
        changeset.origin = id;
        changeset.first = 1 + 2 * i;
        changeset.count = 2;
        changeset.depth = 1 + i;
        Body body;
        const auto field = pack_int(std::int64_t(i)), text = pack_str(Bytes(1 + i, 'v'));
        body.add_put(changeset.first, {Type::map, "m", field}, 1, text);
        body.add_put(changeset.last(), {Type::set, "s", field}, 2, packed_nil());
        changeset.body = encode_body(changeset, body);
        return changeset;
    }
};

/// As an engine looks at a frame.
void only_what_was_written(const Author& author, const gossip::Changesets& message) {
    for (const auto& run : message.runs) {
        std::vector<const Changeset*> its;
        for (const auto& changeset : message.changesets) {
            if (changeset.origin != run.origin) continue;
            if (!its.empty() && its.back()->last() + 1 != changeset.first) return;
            its.push_back(&changeset);
        }
        auto proofs = author.sealing.chain(run.before, its);
        if (!author.sealing.prove(run, its, proofs)) continue;
        for (const auto* changeset : its) STARLING_ASSERT(author.has_written(*changeset), "proven is what was signed");
    }
}

void changed_bytes(const Author& author, Choices& choices) {
    gossip::RefSender out;
    const auto honest = gossip::encode(0, author.frame, out);
    gossip::RefReceiver in;
    const auto message = gossip::decode(0, choices.mutated(honest), in);
    const auto* changesets = message ? std::get_if<gossip::Changesets>(&*message) : nullptr;
    if (changesets != nullptr) only_what_was_written(author, *changesets);
}

/// A frame that is in order, and says something else.
void changed_words(const Author& author, Choices& choices) {
    auto frame = author.frame;
    for (auto edits = choices.below(6); edits > 0; --edits) {
        auto& run = frame.runs[0];
        if (frame.changesets.empty() || run.lines.empty()) return;
        auto& changeset = frame.changesets[choices.below(frame.changesets.size())];
        auto& line = run.lines[choices.below(run.lines.size())];
        switch (choices.below(10)) {
            case 0:
                changeset.body[choices.below(changeset.body.size())] ^= char(choices.byte());
                break;
            case 1:
                changeset.depth += choices.below(3);
                break;
            case 2:
                changeset.deps = {{actor(1 + choices.below(3)), 1 + choices.below(3)}};
                break;
            case 3:
                frame.changesets.erase(frame.changesets.begin());
                run.before = choices.flag() ? author.seals[choices.below(author.seals.size())].after : run.before;
                break;
            case 4:
                frame.changesets.pop_back();
                break;
            case 5:
                line = {line.first, line.last, author.seals[choices.below(author.seals.size())].before, line.signature};
                break;
            case 6:
                line.signature = author.seals[choices.below(author.seals.size())].signature;
                break;
            case 7:
                line.first += choices.below(3);
                break;
            case 8:
                run.lines.erase(run.lines.begin());
                break;
            default:
                changeset.count += choices.below(2);
        }
    }
    only_what_was_written(author, frame);
}

void alone(const Author& author, Choices& choices) {
    const auto& seal = author.seals[choices.below(author.seals.size())];
    const auto honest = gossip::encode_seal(seal);
    const auto got = choices.flag() ? choices.mutated(honest) : Bytes(choices.rest());
    const auto read = gossip::decode_seal(got);
    if (!read) return;
    STARLING_ASSERT(gossip::encode_seal(*read) == got, "a seal has one form");
    STARLING_ASSERT(!author.sealing.verify(*read) ||
                        std::find(author.seals.begin(), author.seals.end(), *read) != author.seals.end(),
                    "only what was signed verifies");
    STARLING_ASSERT(!author.sealing.verify(*read) || !gossip::contradict(seal, *read),
                    "an honest origin tells one story");
}

net::KeySeal key_seal() {
    auto pattern = (std::filesystem::temp_directory_path() / "starling-fuzz-XXXXXX").string();
    STARLING_ASSERT(::mkdtemp(pattern.data()) != nullptr, "there is room for a file");
    const auto made = net::KeySeal::from_key(std::filesystem::path(pattern) / "seal", net::Secret<32>{});
    STARLING_ASSERT(bool(made), "a new file is made");
    std::filesystem::remove_all(pattern);
    return *made;
}

void keys(Choices& choices) {
    static const auto seal = key_seal();
    static const Bytes secret(64, 's'), sealed = seal.seal("node", secret);
    const bool relabelled = choices.flag();
    const auto got = choices.flag() ? choices.mutated(sealed) : Bytes(choices.rest());
    std::array<std::uint8_t, 80> text{};
    const auto size = seal.open(relabelled ? "mesh" : "node", got, text);
    STARLING_ASSERT(size.has_value() == (got == sealed && !relabelled), "only what was sealed opens");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const Author author;
    Choices choices(data, size);
    switch (choices.below(4)) {
        case 0:
            changed_bytes(author, choices);
            break;
        case 1:
            changed_words(author, choices);
            break;
        case 2:
            alone(author, choices);
            break;
        default:
            keys(choices);
    }
    return 0;
}
