// A member gone bad, as far as its links reach: bytes that promise much, nonsense by the million, versions without
// end, replicas that are nobody's, state diffs that lie. Nodes live on, with the memory that they had, and honest ones
// have the same data. STARLING_MALFORMED_MESSAGES=N sends so many.
#include <algorithm>
#include <fstream>
#include <memory>
#include <random>

#include <doctest/doctest.h>

#include "agree/lock_record.hpp"
#include "agree/register.hpp"
#include "agree/voters.hpp"
#include "crdt/export.hpp"
#include "gossip/wire.hpp"
#include "tests/environment.hpp"
#include "tests/gossip/fixture.hpp"

using namespace starling;
using namespace starling::gossip;
using namespace starling::testing;

namespace {

constexpr std::size_t growth_bytes_max = std::size_t{32} << 20;  // of the process, what sanitizers keep included
constexpr std::uint64_t malformed_default = 1'000'000;
constexpr std::uint64_t made_up = 100'000;

/// Of this process: "VmRSS" now, "VmHWM" the most since it was forgotten.
std::size_t memory_bytes(const std::string& figure) {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with(figure + ":")) return std::stoull(line.substr(figure.size() + 1)) << 10;
    }
    return 0;
}
std::size_t resident_bytes() {
    return memory_bytes("VmRSS");
}
/// From now on the most counts anew; where the system does not let it, the most of the whole run counts.
void forget_most() {
    std::ofstream("/proc/self/clear_refs") << "5";
}

/// A node, and one link to a member that says what it likes.
class Tried {
  public:
    Tried() : peer_(options()) { link(); }

    void link() {
        out_ = {};
        handle(LinkUp{liar});
    }
    void unlink() { handle(LinkDown{liar}); }
    void hear(Bytes frame) { handle(Received{liar, std::move(frame)}); }
    void hear(const Message& message) { hear(encode(0, message, out_)); }
    void pass(std::uint64_t us) {
        now_us_ += us;
        handle(Tick{});
    }
    void handle(const Input& input) {
        now_us_ += 1'000;
        const auto effects = peer_.handle(input, {now_us_, 1'700'000'000'000'000 + now_us_});
        hung_up += effects.disconnect.size();
    }
    peer::Peer* operator->() { return &peer_; }

    const NodeKey liar{9};
    std::size_t hung_up = 0;

  private:
    static peer::Options options() {
        peer::Options made;
        made.node = {1};
        made.random = [n = std::uint64_t(0)]() mutable { return ++n; };
        made.sealer = std::make_shared<const sim::FakeSealer>(made.node);
        return made;
    }
    RefSender out_;
    std::uint64_t now_us_ = 1'000'000;
    peer::Peer peer_;
};

/// Short, and promise much: depth without end, and counts of what is not there.
std::vector<Bytes> bombs() {
    std::vector<Bytes> all;
    for (const char* head : {"\x91", "\x81\xc0", "\x92\xc0", "\xdd\0\0\0\1"}) {
        const Bytes one(head, head[0] == '\xdd' ? 5 : std::char_traits<char>::length(head));
        Bytes deep;
        while (deep.size() < frame_bytes_max - 64) deep += one;
        all.push_back(deep);
    }
    for (const char kind : {'\xdd', '\xdf', '\xc6', '\xdb', '\xc9'}) {
        for (const char* count :
             {"\xff\xff\xff\xff", "\x7f\xff\xff\xff", "\x00\xff\xff\xff", "\x00\x1f\xff\xfe", "\x00\x0f\xff\xff"})
            all.push_back(Bytes(1, kind) + Bytes(count, 4));
    }
    return all;
}

/// What two members with a past say to each other.
std::vector<Bytes> honest_frames() {
    std::vector<Bytes> frames;
    Limits limits;
    limits.log_bytes_max = 1'000;  // so that state diffs are among them
    Mesh mesh(3, limits, true);
    mesh.tamper = [&](std::size_t, Bytes frame) {
        frames.push_back(frame);
        return frame;
    };
    mesh.link(0, 1);
    for (int i = 0; i < 12; ++i) {
        (void)mesh.write(std::size_t(i % 2), [&](Transaction& tx) {
            Map::put(tx, "m", pack_int(i), pack_str(Bytes(40, char('a' + i))));
            Set::add(tx, "s", pack_int(i));
            Counter::add(tx, "c", i);
        });
        mesh.run(20'000);
    }
    mesh.link(1, 2);
    mesh.run(3'000'000);
    REQUIRE(mesh.equal());
    REQUIRE(mesh[2].counters().diffs > 0);
    return frames;
}

/// Everything that reads what came from others, besides the door (tests/fuzz/door.cpp).
void decode_everything(BytesView bytes) {
    RefReceiver refs;
    (void)decode(0, bytes, refs);
    (void)decode_changeset(bytes);
    Changeset changeset;
    changeset.origin = {{7}, 1};
    changeset.first = changeset.count = 1;
    changeset.body = Bytes(bytes);
    (void)decode_body(changeset);
    (void)valid_value(bytes);
    (void)canonical_field(bytes);
    (void)decode_seal(bytes);
    Replica replica(0);
    (void)decode_state(bytes, replica, frame_bytes_max);
    (void)agree::decode_voters(bytes);
    (void)agree::decode_register(bytes);
    (void)agree::decode_lock(Bytes(bytes));
}

/// Reads what a member sends, and writes it as a liar would; the numbers of its links are kept in order meanwhile.
class Liar {
  public:
    using Lie = std::function<void(Message&)>;
    Liar(std::size_t who, Lie lie) : who_(who), lie_(std::move(lie)) {}

    Bytes operator()(std::size_t from, Bytes frame) {
        if (from != who_) return frame;
        auto message = decode(0, frame, in_);
        if (!message) return frame;
        lie_(*message);
        out_.begin_anew();
        return encode(0, *message, out_);
    }

  private:
    std::size_t who_;
    Lie lie_;
    RefReceiver in_;
    RefSender out_;
};

}  // namespace

TEST_CASE("decoder bombs are refused before they cost memory, wherever in a message they stand") {
    const auto frames = honest_frames();
    const auto before = resident_bytes();
    forget_most();
    for (const auto& bomb : bombs()) {
        decode_everything(bomb);
        for (std::size_t i = 0; i < frames.size(); i += 1 + frames.size() / 12) {
            const auto& frame = frames[i];
            for (std::size_t at = 0; at < frame.size(); at += 1 + frame.size() / 40)
                decode_everything(frame.substr(0, at) + bomb);
        }
    }
    CHECK(memory_bytes("VmHWM") < before + growth_bytes_max);

    Tried tried;
    for (const auto& bomb : bombs()) {
        tried.hear(bomb);
        tried->check();
    }
    CHECK(tried->counters().malformed + tried->counters().refused >= bombs().size() / 2);
    CHECK(tried.hung_up > 0);
    CHECK(tried->state().live_count() == 0);
}

TEST_CASE("a million malformed messages end nothing and stay nowhere") {
    const auto frames = honest_frames();
    const auto messages = starling::testing::number_from("STARLING_MALFORMED_MESSAGES", malformed_default);
    Tried tried;
    std::mt19937_64 random(1);
    std::size_t before = 0;
    for (std::uint64_t sent = 0; sent < messages; ++sent) {
        auto frame = frames[random() % frames.size()];
        for (auto changes = 1 + random() % 3; changes > 0; --changes) {
            const auto at = random() % frame.size();
            if (random() % 4 == 0) {
                frame = frame.substr(0, at) + Bytes(random() % 3, char(random())) +
                        frame.substr(std::min(at + 1, frame.size()));
            } else {
                frame[at] = char(random());
            }
            if (frame.empty()) frame = "x";
        }
        tried.hear(std::move(frame));
        if (sent % 500 == 499) {  // a node hangs up at the first; this one comes back
            tried.unlink();
            tried.pass(30'000'000);
            tried->check();
            tried.link();
            if (before != 0) continue;
            before = resident_bytes();
            forget_most();
        }
    }
    CHECK(tried->counters().malformed > messages / 4);
    CHECK(tried.hung_up > 0);
    CHECK(memory_bytes("VmHWM") < before + growth_bytes_max);
    CHECK(tried->state().live_count() <= 36);  // what reached it whole, and was signed by who wrote it
}

TEST_CASE("who claims versions without end keeps no data from anybody") {
    std::mt19937_64 random(2);
    for (int world = 0; world < 24; ++world) {
        INFO("world " << world);
        Limits limits;
        if (world % 2 == 1) limits.log_bytes_max = 2'000;
        if (world % 3 == 1) limits.hello_lines_max = limits.hello_lines_unasked_max = 1;
        Mesh mesh(4, limits, true);
        std::size_t lies = 0;
        const auto claim = [&](Seq seq) { return ++lies, random() % 2 == 0 ? seq_max - 1 : seq + 1'000'000; };
        mesh.tamper = Liar(0, [&](Message& message) {
            if (auto* hello = std::get_if<Hello>(&message)) {
                for (auto& [id, seq] : hello->version) seq = claim(seq);
            } else if (auto* digest = std::get_if<Digest>(&message)) {
                for (auto& rise : digest->rises) rise.by = claim(rise.by);
            } else if (auto* ranges = std::get_if<Ranges>(&message)) {
                for (auto& [id, seq] : ranges->lines) seq = claim(seq);
            }
        });
        mesh.link_all();
        std::uint64_t written = 0;
        for (int round = 0; round < 30; ++round) {
            const auto place = random() % 4;
            REQUIRE(mesh.write(place, [](Transaction& tx) { Counter::add(tx, "c", 1); }));
            ++written;
            if (round == 15) mesh.unlink(1, 2);
            mesh.run(random() % 100'000);
        }
        mesh.run(40'000'000);
        CHECK(lies > 0);
        for (std::size_t i = 1; i < 4; ++i) {
            CHECK(mesh[i].version() == mesh[1].version());
            CHECK(mesh.state(i).fingerprint() == mesh.state(1).fingerprint());
            CHECK(Counter::read(mesh.state(i), "c") == std::int64_t(written));
        }
    }
}

TEST_CASE("a hundred thousand made-up replicas are nobody, and are forgotten with the link that named them") {
    constexpr std::uint64_t at_once = 5'000;
    Tried tried;
    std::uint64_t digests = 0;
    Life life = 0;
    const auto name_them = [&] {
        for (std::uint64_t named = 0; named < made_up; named += at_once) {
            Digest digest{++digests % digest_numbers, {}, {}, {}};
            for (std::uint64_t i = 0; i < at_once; ++i) digest.rises.push_back({{{8}, ++life}, 1 + i});
            tried.hear(digest);
        }
        tried->check();
    };
    std::vector<std::size_t> memory;
    for (int round = 0; round < 4; ++round) {
        name_them();
        tried.unlink();
        tried.pass(120'000'000);
        memory.push_back(resident_bytes());
        tried.link();
        digests = 0;
    }
    CHECK(memory.back() < memory.front() + growth_bytes_max);
    CHECK(tried->version().empty());
    CHECK(tried->status().numbered_lives < made_up / 2);

    // Their changesets, sealed by who is not them.
    const Sealing sealing(std::make_shared<const sim::FakeSealer>(tried.liar), {}, 0);
    for (Life other = 1; other <= 1'000; ++other) {
        Changeset changeset;
        changeset.origin = {{8}, other};
        changeset.first = changeset.count = changeset.depth = 1;
        changeset.body = encode_body(changeset, Body{});
        Seal seal{changeset.origin, 1, 1, {}, sealing.next({}, changeset), {}};
        sealing.sign(seal);
        const SealedRun run{changeset.origin, {}, {{1, 1, {}, seal.signature}}};
        tried.hear(Changesets{0, {}, {changeset}, {run}});
        if (tried.hung_up > 0) {
            tried.unlink();
            tried.link();
        }
    }
    CHECK(tried->version().empty());
    CHECK(tried->counters().seals_failed > 0);
    CHECK(tried->status().waiting == 0);
}

TEST_CASE(
    "a state diff from a liar removes none of the mesh's records and blames nobody, and honest data still comes") {
    Limits limits;
    limits.log_bytes_max = 1'000;
    for (int lie = 0; lie < 4; ++lie) {
        INFO("lie " << lie);
        Mesh mesh(3, limits, true);
        (void)mesh.write(1, [](Transaction& tx) { tx.publish("$mesh/members", pack_str("me"), pack_int(1)); });
        mesh.link(0, 1);
        mesh.run();
        mesh.unlink(0, 1);
        for (int i = 0; i < 12; ++i) {
            (void)mesh.write(0, put("a", i));
            mesh.run(10'000);
        }
        std::size_t lies = 0;
        mesh.tamper = Liar(0, [&](Message& message) {
            auto* part = std::get_if<DiffPart>(&message);
            if (part == nullptr) return;
            ++lies;
            auto& piece = part->piece;
            if (lie == 0) {  // everything is dead
                piece.inside_is_live = true;
                piece.inside.clear();
                part->comparison.reset();
            } else if (lie == 1) {  // there is nothing
                piece.entries.clear();
                piece.outside.clear();
            } else if (lie == 2) {  // more than was ever signed
                for (auto& [id, top] : piece.tops) top.seen += 1'000;
            } else {  // in another's name
                for (auto& [id, top] : piece.tops) top.last_stamp += 1'000'000'000;
                piece.tops[{mesh.name(2), 77}] = {500, 1};
            }
        });
        mesh.link(0, 1);
        mesh.run(5'000'000);
        CHECK(lies > 0);
        CHECK(mesh.state(1).live_count() >= 1);
        CHECK(Map::get(mesh.state(1), "$mesh/members", pack_str("me")) == pack_int(1));
        (void)mesh.write(2, put("honest", 1));
        mesh.link(1, 2);
        mesh.run(5'000'000);
        CHECK(Map::get(mesh.state(1), "map", pack_str("honest")) == pack_int(1));
        CHECK(mesh[1].counters().forks == 0);
    }
}

TEST_CASE("clocks ten years ahead and ten years behind pin no key, drag no clock and keep no data back") {
    constexpr std::int64_t ten_years_us = std::int64_t{3'652} * 24 * 3600 * 1'000'000;
    constexpr std::size_t right = 0, also_right = 1, ahead = 2, behind = 3;
    Mesh mesh(4, {}, true);
    mesh.clock_error_us = {{ahead, ten_years_us}, {behind, -ten_years_us}};
    mesh.link_all();
    const auto all_read = [&](const char* field, std::int64_t value) {
        mesh.run(2'000'000);
        CHECK(mesh.equal());
        for (std::size_t i = 0; i < 4; ++i) CHECK(Map::get(mesh.state(i), "map", pack_str(field)) == pack_int(value));
    };
    // Whoever has seen a value writes over it, whatever the clocks.
    std::int64_t value = 0;
    for (const auto writer : {ahead, right, behind, ahead, behind, also_right}) {
        (void)mesh.write(writer, put("f", ++value));
        all_read("f", value);
    }
    const auto stamp_of = [&](const char* field) {
        const auto named = pack_str(field);
        return Map::winner(mesh.state(right).entries(SlotView{Type::map, "map", named}))->stamp;
    };
    (void)mesh.write(right, put("g", 1));
    all_read("g", 1);
    CHECK(stamp_of("g") <= mesh.now().wall_us + clock_lead_us_max + 1'000'000);
    // A write that nobody has seen wins by its stamp, until somebody writes who has.
    for (const auto other : {right, also_right, behind}) mesh.unlink(ahead, other);
    (void)mesh.write(ahead, put("h", 100));
    (void)mesh.write(behind, put("h", 200));
    (void)mesh.write(right, put("h", 300));
    for (const auto other : {right, also_right, behind}) mesh.link(ahead, other);
    all_read("h", 100);
    CHECK(stamp_of("h") > mesh.now().wall_us + std::uint64_t(ten_years_us) / 2);
    (void)mesh.write(behind, put("h", 400));
    all_read("h", 400);
    CHECK(mesh[right].counters().clock_warnings > 0);
    CHECK(mesh.disconnects == 0);
}
