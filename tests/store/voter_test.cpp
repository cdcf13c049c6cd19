// A voter on a store: whatever it answered it knows after a power cut, and a copy of its store is no voter.
#include "peer/voter.hpp"

#include "agree/register.hpp"
#include "tests/environment.hpp"
#include "tests/store/fixture.hpp"
#include "tests/temporary_directory.hpp"

using namespace starling;
using namespace starling::testing;
using agree::Ballot;

namespace {

const NodeKey own_key{7};

Bytes register_of(std::uint64_t number) {
    agree::Register held;
    agree::apply(held, {9, number}, Bytes(number % 50, 'v') + std::to_string(number));
    return agree::encode(held);
}

/// What was asked, and what was told by answers that left.
struct Told {
    std::uint64_t sync = 0, epoch = 0;
    struct Of {
        Ballot promised, accepted;
        Bytes held;
    };
    std::map<Bytes, Of> keys;
};

/// Requests of some proposers at one voter, whose disk takes batches of them.
class Asked {
  public:
    Asked(sim::VirtualDisk& disk, std::uint64_t seed) : disk_(disk), random_(seed) {}

    bool open() {
        close();
        asked_.clear();
        auto store = store::Store::open({"node", 0, &disk_, true, 12});
        if (!store) return false;
        store_ = std::move(*store);
        auto opened = peer::Voter::open(own_key, *store_, [this] { return random_.next(); }, true);
        if (!opened) return false;
        voter.emplace(std::move(*opened));
        voter->check();
        return true;
    }

    /// False when the disk does not go on.
    bool step() {
        ask(random_.below(12));
        hear();
        if (random_.chance(400)) return true;
        const auto items = voter->take_writes();
        if (items.empty()) return true;
        store::Batch batch;
        batch.items = items;
        for (auto more = random_.below(3); more > 0; --more) {  // requests that come while the disk is busy
            ask(random_.below(12));
            hear();
        }
        if (!store_->commit(batch)) return false;
        voter->written();
        hear();
        return true;
    }

    void close() {
        voter.reset();
        store_.reset();
    }
    /// What is not as it was told, if anything.
    std::optional<std::string> forgot() const {
        const auto& stands = voter->standpoint();
        if (stands.sync < told.sync) return "the sync counter went back";
        if (!stands.record || stands.record->epoch < told.epoch) return "a record was forgotten";
        for (const auto& [key, of] : told.keys) {
            const auto found = peek(key);
            if (found.promised < of.promised) return "a promise was forgotten";
            if (found.accepted < of.accepted) return "an accepted ballot was forgotten";
            if (found.accepted == of.accepted && found.held != of.held) return "an accepted register has changed";
        }
        return {};
    }

    std::optional<peer::Voter> voter;
    Told told;

  private:
    agree::Cell peek(const Bytes& key) const {
        const auto at = voter->cells().find(key);
        return at == voter->cells().end() ? agree::Cell{} : at->second;
    }
    void ask(std::uint64_t what) {
        agree::Request request;
        request.id = ++last_id_;
        request.voter = voter->standpoint().life;
        request.epoch = voter->standpoint().record->epoch;
        request.seen_sync = told.sync;
        const auto key = "k" + std::to_string(random_.below(4));
        counter_ += random_.below(2);
        // No two attempts have one, as of proposers' lives.
        const Ballot ballot{counter_ - std::min(counter_ - 1, random_.below(3)), {{1}, ++number_}};
        if (what == 0) {
            auto record = *voter->standpoint().record;
            ++record.epoch;
            request.body = agree::Install{record};
        } else if (what < 6) {
            request.body = agree::Prepare{key, ballot};
        } else if (what < 11) {
            request.body = agree::Accept{key, ballot, random_.chance(500), register_of(number_)};
        } else {
            request.body = agree::Read{key};
        }
        asked_[request.id] = request;
        REQUIRE(voter->ask({std::uint8_t(random_.between(20, 22))}, request));
        voter->check();
    }
    void hear() {
        for (const auto& [to, reply] : voter->take_answers()) {
            told.sync = std::max(told.sync, reply.sync);
            const auto& body = asked_.at(reply.id).body;
            if (const auto* identity = std::get_if<agree::Identity>(&reply.body)) {
                told.epoch = std::max(told.epoch, identity->record->epoch);
            } else if (std::holds_alternative<agree::Promised>(reply.body)) {
                const auto& prepare = std::get<agree::Prepare>(body);
                auto& of = told.keys[prepare.key];
                of.promised = std::max(of.promised, prepare.ballot);
            } else if (std::holds_alternative<agree::Accepted>(reply.body)) {
                const auto& accept = std::get<agree::Accept>(body);
                auto& of = told.keys[accept.key];
                of.promised = std::max(of.promised, accept.promise_next ? accept.ballot.next() : accept.ballot);
                if (accept.ballot > of.accepted) {
                    of.accepted = accept.ballot;
                    of.held = accept.held;
                }
            }
        }
    }

    sim::VirtualDisk& disk_;
    sim::Random random_;
    std::unique_ptr<store::Store> store_;
    std::map<std::uint64_t, agree::Request> asked_;
    std::uint64_t last_id_ = 0, counter_ = 1, number_ = 0;
};

/// Asks until the power goes at a change, or to the end, twice. What is wrong, if anything.
std::optional<std::string> ask_and_cut(std::uint64_t seed, std::uint64_t cut_after, bool lies, std::uint64_t& changes) {
    sim::VirtualDisk disk(sim::Random{seed ^ cut_after << 20});
    disk.lie(lies);
    Asked asked(disk, seed);
    disk.cut_after(cut_after);
    bool going = asked.open();
    for (int i = 0; i < 60 && going; ++i) going = asked.step();
    changes = disk.changes();
    for (int again = 0; again < 2; ++again) {
        disk.cut();
        const bool was_open = asked.voter.has_value();
        const auto life = was_open ? asked.voter->standpoint().life : 0;
        asked.close();
        disk.power_on();
        if (!asked.open()) return "it does not open any more";
        if (was_open && asked.voter->standpoint().life != life) return "it is another voter";
        if (auto wrong = asked.forgot()) return wrong;
        for (int i = 0; i < 10; ++i) {
            if (!asked.step()) return "it does not go on";
        }
    }
    return {};
}

}  // namespace

TEST_CASE("a voter that answered never forgets, wherever the power goes") {
    std::uint64_t changes = 0;
    const auto whole = ask_and_cut(1, UINT64_MAX >> 1, false, changes);
    REQUIRE_MESSAGE(!whole, whole.value_or(""));
    const auto all = changes;
    CHECK(all > 100);
    for (std::uint64_t at = 1; at <= all; ++at) {
        const auto wrong = ask_and_cut(1, at, false, changes);
        REQUIRE_MESSAGE(!wrong, "cut at change " << at << ": " << wrong.value_or(""));
    }
    const auto cuts = number_from("STARLING_POWER_CUTS", 300);
    sim::Random random(3);
    for (std::uint64_t seed = 1; seed <= cuts; ++seed) {
        const auto at = random.between(1, all);
        const auto wrong = ask_and_cut(seed, at, false, changes);
        REQUIRE_MESSAGE(!wrong, "seed " << seed << ", cut at change " << at << ": " << wrong.value_or(""));
    }
}

TEST_CASE("control: where syncs do nothing, voters forget") {
    std::uint64_t forgot = 0, changes = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) forgot += ask_and_cut(seed, 60 + seed, true, changes) ? 1 : 0;
    CHECK(forgot > 10);
}

TEST_CASE("what many ask of a voter is bounded, and what it drops changes nothing") {
    sim::VirtualDisk disk(sim::Random{1});
    auto store = store::Store::open({"node", 0, &disk});
    REQUIRE(bool(store));
    peer::VoterLimits limits;
    limits.registers_max = 3;
    limits.waiting_of_one_max = 2;
    limits.held_bytes_max = 200;
    auto opened = peer::Voter::open(own_key, **store, [] { return 5; }, true, limits);
    REQUIRE(bool(opened));
    auto& voter = *opened;
    const auto commit = [&] {
        store::Batch batch;
        batch.items = voter.take_writes();
        REQUIRE(bool((*store)->commit(batch)));
        voter.written();
    };
    const auto prepare = [&](const Bytes& key, std::uint8_t from, std::uint64_t counter) {
        return voter.ask({from}, {counter, 5, 1, 0, agree::Prepare{key, {counter, {{from}, 1}}}});
    };
    CHECK(prepare("a", 1, 1));
    CHECK(prepare("b", 1, 2));
    CHECK_FALSE(prepare("a", 1, 3));  // two wait for the disk already
    CHECK(prepare("c", 2, 4));
    CHECK_FALSE(prepare("d", 2, 5));  // a fourth register
    CHECK(voter.take_answers().empty());
    commit();
    CHECK(voter.take_answers().size() == 3);
    CHECK(prepare("a", 1, 6));
    const auto accept = [&](const Bytes& key, std::uint64_t counter, std::size_t bytes) {
        agree::Register held;
        agree::apply(held, {9, counter}, Bytes(bytes, 'v'));
        return voter.ask({3}, {counter, 5, 1, 0, agree::Accept{key, {counter, {{3}, 1}}, false, agree::encode(held)}});
    };
    CHECK(accept("a", 7, 100));
    CHECK_FALSE(accept("b", 8, 100));  // 200 bytes in all
    CHECK(accept("a", 9, 150));        // in place of what it held
    voter.check();
    voter.disk_failed();
    CHECK_FALSE(prepare("a", 4, 10));
    CHECK(voter.take_answers().empty());
}

TEST_CASE("in memory a voter answers at once; one without a life keeps a record and never votes") {
    peer::Voter voter(own_key, 5);
    voter.found();
    CHECK(voter.ask({1}, {1, 5, 1, 0, agree::Prepare{"k", {1, {{1}, 1}}}}));
    REQUIRE(voter.take_answers().size() == 1);
    peer::Voter keeps(own_key, 0);
    keeps.install(*voter.standpoint().record);
    CHECK(keeps.standpoint().record == voter.standpoint().record);
    CHECK(keeps.ask({1}, {1, 0, 1, 0, agree::Prepare{"k", {1, {{1}, 1}}}}));
    const auto answers = keeps.take_answers();
    REQUIRE(answers.size() == 1);
    CHECK(std::get<agree::Refused>(answers[0].reply.body).why == agree::Refusal::no_voter);
}

TEST_CASE("a voter that went back is silent, and another one when it is opened again") {
    sim::VirtualDisk disk(sim::Random{1});
    std::uint64_t draws = 10;
    const auto random = [&] { return ++draws; };
    auto store = store::Store::open({"node", 0, &disk});
    REQUIRE(bool(store));
    const agree::Prepare prepare{"k", {1, {{1}, 1}}};
    {
        auto voter = peer::Voter::open(own_key, **store, random, true);
        REQUIRE(bool(voter));
        CHECK(voter->standpoint().life == 11);
        REQUIRE(voter->ask({1}, {1, 11, 1, 0, prepare}));
        REQUIRE(voter->ask({1}, {2, 11, 1, 1'000, prepare}));  // it told that it had written more
        store::Batch batch;
        batch.items = voter->take_writes();
        REQUIRE(bool((*store)->commit(batch)));
        voter->written();
        CHECK(std::get<agree::Refused>(voter->take_answers().back().reply.body).why == agree::Refusal::went_back);
    }
    for (int opened = 0; opened < 2; ++opened) {  // the new role lasts
        auto voter = peer::Voter::open(own_key, **store, random, false);
        REQUIRE(bool(voter));
        CHECK(voter->standpoint().life == 12);
        CHECK_FALSE(voter->standpoint().went_back);
        CHECK(voter->cells().empty());
        REQUIRE(voter->standpoint().record);
        CHECK_FALSE(voter->standpoint().record->names(voter->name()));
        CHECK((*store)->items(store::Room::agreement)->size() == 1);
        REQUIRE(voter->ask({1}, {3, 12, 1, 0, prepare}));
        CHECK(std::get<agree::Refused>(voter->take_answers().back().reply.body).why == agree::Refusal::no_voter);
    }
}

TEST_CASE("a copy of a voter's store has no voter's role, and what is damaged is not opened") {
    const TemporaryDirectory scratch;
    const store::StoreOptions options{(scratch / "a").string()};
    const auto random = [draws = std::uint64_t{0}]() mutable { return ++draws; };
    {
        auto store = store::Store::open(options);
        REQUIRE(bool(store));
        auto voter = peer::Voter::open(own_key, **store, random, true);
        REQUIRE(bool(voter));
        REQUIRE(voter->ask({1}, {1, 1, 1, 0, agree::Prepare{"k", {1, {{1}, 1}}}}));
        store::Batch batch;
        batch.items = voter->take_writes();
        REQUIRE(bool((*store)->commit(batch)));
        auto copy = (*store)->backup((scratch / "copy").string());
        REQUIRE(bool(copy));
        while (*copy->step()) {
        }
        CHECK((*store)->items(store::Room::agreement)->size() == 2);
    }
    CHECK_FALSE(std::filesystem::exists(scratch / "copy-wal"));
    CHECK_FALSE(std::filesystem::exists(scratch / "copy.partial-wal"));
    const store::StoreOptions restored{(scratch / "b").string()};
    REQUIRE(bool(store::Store::restore((scratch / "copy").string(), restored)));
    // The file itself, put where a store is, is a copy as well.
    std::filesystem::create_directory(scratch / "c");
    std::filesystem::copy_file(scratch / "copy", scratch / "c" / "store.db");
    for (const auto* directory : {"b", "c"}) {
        auto store = store::Store::open({(scratch / directory).string()});
        REQUIRE(bool(store));
        CHECK((*store)->items(store::Room::agreement)->empty());
        auto voter = peer::Voter::open(own_key, **store, [] { return 99; }, false);
        REQUIRE(bool(voter));
        CHECK(voter->standpoint().life == 99);
        CHECK_FALSE(voter->standpoint().record);
    }
    auto store = store::Store::open(options);
    REQUIRE(bool(store));
    for (const auto* key : {"role", "/k"}) {
        auto item = (*store)->items(store::Room::agreement)->at(key);
        const auto sound = item;
        item[item.size() / 2] = char(item[item.size() / 2] ^ 1);
        store::Batch batch;
        batch.items.push_back({store::Room::agreement, key, item});
        REQUIRE(bool((*store)->commit(batch)));
        CHECK_FALSE(bool(peer::Voter::verify(**store)));
        const auto opened = peer::Voter::open(own_key, **store, random, false);
        REQUIRE_FALSE(bool(opened));
        CHECK(opened.fault().code == store::StoreFaultCode::corrupt);
        batch.items[0].value = sound;
        REQUIRE(bool((*store)->commit(batch)));
    }
    CHECK(bool(peer::Voter::verify(**store)));
    CHECK(bool(peer::Voter::open(own_key, **store, random, false)));
}
