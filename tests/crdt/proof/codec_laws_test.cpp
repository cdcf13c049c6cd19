// Encodings as properties: what is written reads back as it was, and what can be read has exactly one encoding, so that
// a changeset that went through strange hands is either the one that was sent or none at all. And the clock of rule 5.
#include <limits>

#include <doctest/doctest.h>

#include "crdt/changeset.hpp"
#include "crdt/clock.hpp"
#include "crdt/limits.hpp"
#include "tests/crdt/proof/property.hpp"
#include "tests/crdt/proof/story.hpp"

using namespace starling;
using namespace starling::crdt;
using namespace starling::proof;

namespace {

/// Numbers at the edges of their encodings and of their limits.
std::uint64_t edge(sim::Random& random, std::uint64_t most) {
    const auto bits = random.below(65);
    const auto near = bits == 64 ? std::numeric_limits<std::uint64_t>::max() : std::uint64_t{1} << bits;
    return std::min(most, near - random.below(2));
}

ReplicaId stranger(sim::Random& random) {
    ReplicaId id;
    for (auto& byte : id.node) byte = std::uint8_t(random.next());
    id.life = edge(random, UINT64_MAX);
    return id;
}

Changeset draw_header(sim::Random random) {
    Changeset header;
    header.space = SpaceId(edge(random, UINT32_MAX));
    header.origin = stranger(random);
    header.count = std::max<std::uint64_t>(1, edge(random, changeset_dots_max));
    header.first = std::max<Seq>(1, edge(random, seq_max - header.count));
    header.depth = std::max<Depth>(1, edge(random, depth_max));
    std::set<ReplicaId> deps, refs;
    for (auto left = random.below(4); left > 0; --left) deps.insert(stranger(random));
    for (auto left = random.below(4); left > 0; --left) refs.insert(stranger(random));
    for (const auto& id : deps) header.deps.push_back({id, std::max<Seq>(1, edge(random, seq_max))});
    header.refs.assign(refs.begin(), refs.end());
    header.body.resize(random.below(300));
    for (auto& byte : header.body) byte = char(random.next());
    return header;
}

std::string broken_header(const Changeset& header) {
    if (!valid_header(header)) return "a header within all limits is refused";
    const auto bytes = encode_changeset(header);
    const auto back = decode_changeset(bytes);
    if (!back) return "a changeset does not read back: " + back.fault().what;
    if (*back != header) return "a changeset reads back as another one";
    return encode_changeset(*back) == bytes ? "" : "a changeset has two encodings";
}

/// A changeset of a story, with some bytes changed, cut off or put in.
struct Mangled {
    Changeset changeset;
};
std::ostream& operator<<(std::ostream& out, const Mangled& mangled) {
    for (const auto byte : mangled.changeset.body) out << unsigned(std::uint8_t(byte)) << ' ';
    return out << "of dots " << mangled.changeset.first << " … " << mangled.changeset.last();
}

Mangled draw_mangled(sim::Random random) {
    const History history(draw_story(random.fork(), all_types()));
    if (history.changesets().empty()) return {};
    auto changeset = history.changesets()[random.below(history.changesets().size())].changeset;
    for (auto left = random.below(3); left > 0 && !changeset.body.empty(); --left) {
        const auto at = random.below(changeset.body.size());
        const auto kind = random.below(4);
        if (kind == 0) {
            changeset.body.erase(at, 1);
        } else if (kind == 1) {
            changeset.body.insert(at, 1, char(random.below(16)));
        } else {
            changeset.body[at] = kind == 2 ? char(random.below(16)) : char(random.next());
        }
    }
    return {changeset};
}

std::string broken_body(const Mangled& mangled) {
    const auto body = decode_body(mangled.changeset);
    return !body || encodes_again(mangled.changeset) ? "" : "a body that can be read has another encoding";
}

struct Reading {
    Stamp stamp;
    std::uint64_t wall_us;
};
std::ostream& operator<<(std::ostream& out, const Reading& reading) {
    return out << "stamp " << reading.stamp << " at " << reading.wall_us;
}

std::vector<Reading> draw_readings(sim::Random random) {
    std::vector<Reading> readings(random.between(1, 8));
    for (auto& [stamp, wall] : readings) {
        wall = edge(random, std::uint64_t{1} << 52);
        stamp = random.chance(500) ? edge(random, std::uint64_t{1} << 62) : wall + random.below(2 * clock_lead_us_max);
    }
    return readings;
}

/// Rule 5: no received stamp drags a clock further than a minute ahead of the wall, and own stamps only grow.
std::string broken_clock(const std::vector<Reading>& readings) {
    Clock clock;
    for (const auto& [stamp, wall] : readings) {
        const auto before = clock.last();
        const bool told = clock.observe(stamp, wall);
        if (told != (stamp > wall + clock_lead_us_max)) return "a wrong clock is not told, or a right one is";
        if (clock.last() > std::max(before, wall + clock_lead_us_max)) return "a stamp drags the clock away";
        if (clock.last() < before || (!told && clock.last() < stamp)) return "the clock forgets what it saw";
        const auto last = clock.last();
        if (clock.next(wall) <= last || clock.last() < wall) return "a stamp is not later than what was seen";
    }
    return {};
}

template <class Value>
std::vector<Value> nothing_simpler(const Value&) {
    return {};
}

}  // namespace

TEST_CASE("laws: decode after encode is the identity for headers within all limits") {
    CHECK(holds_for_all(
        "headers", [](sim::Random random) { return Mangled{draw_header(random)}; }, nothing_simpler<Mangled>,
        [](const Mangled& drawn) { return broken_header(drawn.changeset); }));
}

TEST_CASE("laws: a body that can be read has one encoding, whatever became of it on its way") {
    CHECK(holds_for_all("mangled bodies", draw_mangled, nothing_simpler<Mangled>, broken_body));
}

TEST_CASE("laws: rule 5, the clock is not dragged away and never goes back") {
    CHECK(holds_for_all("clocks", draw_readings, nothing_simpler<std::vector<Reading>>, broken_clock));
}
