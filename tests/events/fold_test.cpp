// Projections beside a twin that folds everything from the beginning, each time.
#include "tests/events/story.hpp"

// The public names come after those of the inside, which the story uses without a qualifier.
#include <stdexcept>

#include <starling/projection.hpp>

#include "node/convert.hpp"

using namespace starling;
using namespace starling::testing;

namespace {

/// The names of what was folded, in order: a state that forgives nothing.
using Names = std::vector<std::string>;

std::string name_of_event(const starling::Dot& dot) {
    return dot.to_string();
}

detail::RawPage raw_page(const State& state, const FeedPage& page) {
    detail::RawPage raw;
    for (const auto* entry : page.entries) {
        raw.events.push_back({std::string(entry->key()),
                              {entry->depth, detail::to_public(entry->dot())},
                              detail::to_public_stamp(entry->stamp),
                              {},
                              std::string(entry->value())});
    }
    raw.next = detail::to_public(page.next);
    raw.more = page.more;
    raw.held = detail::to_public(state.version());
    return raw;
}

class Folding {
  public:
    Folding(Story& story, std::size_t peer, ProjectionOptions options)
        : story_(&story), peer_(peer), options_(std::move(options)) {
        open();
    }
    void open() {
        detail::FoldParts parts;
        parts.read = [this](const Cursor& cursor, std::size_t limit) {
            story_->settle(peer_);
            const auto& state = story_->mesh.state(peer_);
            return raw_page(state, read_feed(state, {"orders/", true, detail::to_inner(cursor.version()), limit,
                                                     options_.any_order}));
        };
        parts.initial = Names();
        parts.fold = [this](std::any& state, const detail::RawEvent& event) {
            if (fail_after && (*fail_after)-- == 0) throw std::runtime_error("on purpose");
            std::any_cast<Names>(&state)->push_back(name_of_event(event.position.dot));
        };
        parts.encode = [](const std::any& state) { return encode(*std::any_cast<Names>(&state)); };
        parts.decode = [](std::string_view bytes) -> std::optional<std::any> {
            auto names = decode<Names>(bytes);
            return names ? std::optional<std::any>(*names) : std::nullopt;
        };
        fold_ = detail::make_fold(std::move(parts), options_);
    }
    detail::Fold& fold() { return *fold_; }
    Names names() {
        Names names;
        detail::look(*fold_,
                     [&](const std::any& state, const starling::Version&) { names = *std::any_cast<Names>(&state); });
        return names;
    }
    Names twin() {
        story_->settle(peer_);
        Names names;
        for (const auto& one : naive_feed(story_->mesh.state(peer_), {"orders/", true, {}, 0, false}))
            names.push_back(name_of_event(detail::to_public(one.dot)));
        return names;
    }

    std::optional<std::uint64_t> fail_after;

  private:
    Story* story_;
    std::size_t peer_;
    ProjectionOptions options_;
    std::shared_ptr<detail::Fold> fold_;
};

ProjectionOptions small(SnapshotStore* snapshots, std::size_t peer) {
    ProjectionOptions options;
    options.checkpoint_events = 3;
    options.checkpoints_max = 4;
    options.snapshots = snapshots;
    options.name = "names-" + std::to_string(peer);
    return options;
}

}  // namespace

TEST_CASE("a projection is always what folding from the beginning gives, whatever comes late") {
    ProjectionCounters sum;
    std::size_t snapshots_read = 0;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        CAPTURE(seed);
        Story story(seed);
        MemorySnapshots snapshots;
        std::vector<std::unique_ptr<Folding>> foldings;
        for (std::size_t i = 0; i < Story::peers; ++i)
            foldings.push_back(std::make_unique<Folding>(story, i, small(&snapshots, i)));
        const auto note = [&](Folding& folding) {
            const auto counters = detail::counters_of(folding.fold());
            sum.folded += counters.folded;
            sum.went_back += counters.went_back;
            sum.from_start += counters.from_start;
            snapshots_read += counters.from_snapshot ? 1 : 0;
        };
        for (int step = 0; step < 150; ++step) {
            story.go_on();
            auto& folding = *foldings[story.pick(Story::peers)];
            switch (story.pick(12)) {
                case 0:
                    detail::snapshot(folding.fold());
                    break;
                case 1:  // the program ends, and begins again
                    note(folding);
                    folding.open();
                    break;
                case 2:
                    detail::rebuild(folding.fold());
                    CHECK(folding.names() == folding.twin());
                    break;
                case 3:
                case 4:
                case 5:
                case 6:
                    detail::update(folding.fold());
                    CHECK(folding.names() == folding.twin());
                    break;
                default:
                    break;
            }
        }
        story.meet();
        for (auto& folding : foldings) {
            detail::update(folding->fold());
            CHECK(folding->names() == folding->twin());
            CHECK(folding->names() == foldings[0]->names());
            note(*folding);
        }
    }
    CHECK(sum.went_back > 100);
    CHECK(sum.from_start < sum.went_back);
    CHECK(snapshots_read > 10);
}

TEST_CASE("a fold that does not care for the order never goes back, and folds each event once") {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        CAPTURE(seed);
        Story story(seed);
        auto options = small(nullptr, 0);
        options.any_order = true;
        Folding folding(story, 0, options);
        for (int step = 0; step < 150; ++step) {
            story.go_on();
            if (step % 5 == 0) detail::update(folding.fold());
        }
        story.meet();
        detail::update(folding.fold());
        const auto names = folding.names();
        CHECK(detail::counters_of(folding.fold()).folded == names.size());
        CHECK(detail::counters_of(folding.fold()).went_back == 0);
        CHECK(std::set<std::string>(names.begin(), names.end()).size() == names.size());
        CHECK(names.size() >= folding.twin().size() / 2);
    }
}

TEST_CASE("late events cost what lies after the checkpoint before them, with few checkpoints kept") {
    Story story(1);
    story.mesh.unlink(0, 1);
    story.mesh.unlink(0, 2);
    ProjectionOptions options;
    options.checkpoint_events = 10;
    options.checkpoints_max = 6;
    Folding folding(story, 0, options);
    const auto append = [&](std::size_t i, int events) {
        for (int at = 0; at < events; ++at) {
            REQUIRE(
                bool(story.mesh.write(i, [](Transaction& tx) { crdt::Journal::append(tx, "orders/0", pack_int(1)); })));
            story.settle(i);  // a depth for each
        }
    };
    append(0, 2'000);
    append(1, 1'990);
    detail::update(folding.fold());
    CHECK(detail::counters_of(folding.fold()).folded == 2'000);
    story.mesh.link(0, 1);
    story.mesh.run(5'000'000);
    detail::update(folding.fold());
    CHECK(folding.names() == folding.twin());
    CHECK(folding.names().size() == 3'990);
    // The other's events go from the very beginning: all had to be folded again.
    CHECK(detail::counters_of(folding.fold()).from_start == 1);
    story.mesh.unlink(0, 1);
    append(0, 30);
    append(1, 15);
    detail::update(folding.fold());
    const auto before = detail::counters_of(folding.fold());
    story.mesh.link(0, 1);
    story.mesh.run(5'000'000);
    detail::update(folding.fold());
    CHECK(folding.names() == folding.twin());
    const auto after = detail::counters_of(folding.fold());
    CHECK(after.went_back == before.went_back + 1);
    CHECK(after.from_start == before.from_start);
    CHECK(after.folded - before.folded < 200);  // of 4,035
}

TEST_CASE("an exception out of a fold leaves a state of whole events, and the next update goes on") {
    Story story(3);
    Folding folding(story, 0, small(nullptr, 0));
    for (int at = 0; at < 20; ++at)
        REQUIRE(bool(story.mesh.write(0, [](Transaction& tx) { crdt::Journal::append(tx, "orders/0", pack_int(1)); })));
    folding.fail_after = 8;
    CHECK_THROWS_AS(detail::update(folding.fold()), std::runtime_error);
    folding.fail_after.reset();
    CHECK(folding.names().size() <= 8);
    detail::update(folding.fold());
    CHECK(folding.names() == folding.twin());
    CHECK(folding.names().size() == 20);
}

TEST_CASE("a snapshot that is damaged, or of another fold, is not taken") {
    Story story(4);
    MemorySnapshots snapshots;
    auto options = small(&snapshots, 0);
    for (int at = 0; at < 20; ++at)
        REQUIRE(bool(story.mesh.write(0, [](Transaction& tx) { crdt::Journal::append(tx, "orders/0", pack_int(1)); })));
    {
        Folding folding(story, 0, options);
        detail::update(folding.fold());
        detail::snapshot(folding.fold());
    }
    Folding again(story, 0, options);
    CHECK(detail::counters_of(again.fold()).from_snapshot);
    CHECK(again.names().size() == 20);
    CHECK(detail::update(again.fold()) == 0);
    const auto bytes = *snapshots.load(options.name);
    auto other = options;
    other.fold_number = 1;
    Folding changed(story, 0, other);
    CHECK_FALSE(detail::counters_of(changed.fold()).from_snapshot);
    for (std::size_t size = 0; size < bytes.size(); size += 7) {
        snapshots.save(options.name, bytes.substr(0, size));
        Folding damaged(story, 0, options);
        CHECK_FALSE(detail::counters_of(damaged.fold()).from_snapshot);
        CHECK(detail::update(damaged.fold()) == 20);
    }
}
