// Every history of three replicas with up to five writes of one type, with every possible delivery between the writes:
// small cases hold no surprise that chance might miss.
//
// What is enumerated: for each next write, who writes it, what it does (the type's letters below), and which changesets
// its writer gets just before, as every set that causality allows and in every order that causality allows. A delivery
// changes nothing but its receiver, so one that comes earlier than its receiver's next write is the same as one that
// comes just before it, and what never comes in time comes in the heal. For the same reason two neighbouring writes of
// which the later has not seen the earlier may change places, and of all such arrangements one is kept: writers ascend.
// All orders of one set of deliveries are carried out and must make one state, from which the search goes on. Meanwhile
// a state diff from each other replica is under way: asked for before the deliveries, applied after them.
//
// Every history is healed twice, by changesets and by state diffs, and must be one state everywhere, which reads as the
// naive twin says. STARLING_PROOF_WRITES=N searches up to N writes.
#include <array>
#include <bit>
#include <deque>

#include <doctest/doctest.h>

#include "crdt/transaction.hpp"
#include "tests/crdt/proof/property.hpp"
#include "tests/crdt/proof/story.hpp"
#include "tests/crdt/proof/twin_world.hpp"

using namespace starling;
using namespace starling::proof;
using crdt::Replica;
using crdt::Type;

namespace {

constexpr std::uint64_t writes_default = 5;

/// What a writer may do. A journal is trimmed up to its first or its second entry.
std::vector<Operation> letters_of(Type type) {
    if (type == Type::counter) return {{type, true, 0, 0, 0}};
    if (type == Type::journal) return {{type, true, 0, 0, 0}, {type, false, 0, 0, 0}, {type, false, 0, 0, 1}};
    return {{type, true, 0, 0, 0}, {type, false, 0, 0, 0}};
}

struct Event {
    std::size_t writer;
    Operation operation;
    crdt::Stamp stamp;
    Travelled travelled;
};

struct Place {
    std::vector<std::size_t> inputs;  ///< events in the order in which they came, its own included
    Members known = 0;
    unsigned writes = 0;
};

class Search {
  public:
    explicit Search(Type type) : letters_(letters_of(type)) {
        for (std::size_t at = 0; at < writers; ++at) twin_.begin(at, int(at), name_in_bytes(replica_of(at)), false);
    }

    /// Visits every history that continues this one by up to `left` writes.
    void visit(std::uint64_t left) {
        if (bad_) return;
        ++histories_;
        heal();
        for (std::size_t writer = 0; left > 0 && writer < writers; ++writer) {
            for (Members sees = everything();; sees = (sees - 1) & everything()) {
                if ((sees & places_[writer].known) == places_[writer].known && closed(sees) && ascends(writer, sees))
                    write(writer, sees, left);
                if (sees == 0) break;
            }
        }
    }

    std::uint64_t histories() const { return histories_; }
    std::uint64_t orders() const { return orders_; }
    std::uint64_t diffs() const { return diffs_; }
    bool bad() const { return bad_; }

  private:
    Members everything() const { return Members((1U << events_.size()) - 1); }
    bool closed(Members members) const {
        for (std::size_t at = 0; at < events_.size(); ++at) {
            if ((members >> at & 1) != 0 && (events_[at].travelled.causes & ~members) != 0) return false;
        }
        return true;
    }

    /// Of writes that may change places, the one order is kept in which no writer follows a greater one.
    bool ascends(std::size_t writer, Members sees) const {
        for (auto at = events_.size(); at > 0; --at) {
            if ((sees >> (at - 1) & 1) != 0) return true;
            if (events_[at - 1].writer > writer) return false;
        }
        return true;
    }

    void expect(bool holds, const std::string& what) {
        if (holds || bad_) return;
        bad_ = true;
        std::string story = what + ", after:\n";
        for (std::size_t at = 0; at < events_.size(); ++at) {
            const auto& event = events_[at];
            std::ostringstream line;
            line << "  " << at << ": " << char('A' + event.writer) << ' ' << event.operation << ", having seen";
            for (std::size_t cause = 0; cause < at; ++cause) {
                if ((event.travelled.causes >> cause & 1) != 0) line << ' ' << cause;
            }
            story += line.str() + '\n';
        }
        MESSAGE(story);
    }

    /// Carries out an event at its writer.
    static std::optional<crdt::Changeset> write_into(Replica& replica, const Operation& operation, crdt::Stamp stamp) {
        crdt::Transaction tx(replica, stamp);
        perform(tx, operation);
        if (!tx.commit()) return std::nullopt;
        return replica.cut();
    }

    /// A writer's replica from nothing: it writes again what it wrote, and gets again what it got.
    std::unique_ptr<Replica> rebuilt(std::size_t place) {
        auto replica = std::make_unique<Replica>(0);
        replica->begin_life(replica_of(place));
        for (const auto at : places_[place].inputs) {
            const auto& [writer, operation, stamp, travelled] = events_[at];
            if (writer != place) {
                replica->apply(travelled.changeset, travelled.body);
            } else {
                expect(write_into(*replica, operation, stamp) == travelled.changeset, "a write cannot be repeated");
            }
        }
        return replica;
    }

    void get(Replica& replica, const std::vector<std::size_t>& order) const {
        for (const auto at : order) replica.apply(events_[at].travelled.changeset, events_[at].travelled.body);
    }

    /// Every order in which causality allows `left` to come where `there` is.
    void each_order(Members there, Members left, std::vector<std::size_t>& order,
                    const std::function<void(const std::vector<std::size_t>&)>& visit) const {
        if (left == 0) return visit(order);
        for (std::size_t at = 0; at < events_.size(); ++at) {
            if ((left >> at & 1) == 0 || (events_[at].travelled.causes & ~there) != 0) continue;
            order.push_back(at);
            each_order(there | 1U << at, left & ~(1U << at), order, visit);
            order.pop_back();
        }
    }

    static bool same(const Replica& one, const Replica& other) {
        return one.state().version_hash() == other.state().version_hash() &&
               one.state().fingerprint() == other.state().fingerprint() &&
               one.state().live_count() == other.state().live_count() && one.heads() == other.heads() &&
               one.depth() == other.depth();
    }

    /// A diff from another replica, under way while the deliveries come: as if its changesets had come after them.
    void diff_while(std::size_t asker, std::size_t answerer, const std::vector<std::size_t>& deliveries) {
        const auto by_diff = rebuilt(asker), by_changesets = rebuilt(asker);
        const auto difference = difference_for(*by_diff, *rebuilt(answerer), deliveries.size() % 2 == 0);
        get(*by_diff, deliveries);
        get(*by_changesets, deliveries);
        expect(bool(valid_difference(*by_diff, difference)), "an honest answer is refused");
        if (bad_) return;
        apply_difference(*by_diff, difference);
        auto there = places_[asker].known;
        for (const auto at : deliveries) there |= 1U << at;
        get(*by_changesets, as_written(places_[answerer].known & ~there));
        ++diffs_;
        expect(same(*by_diff, *by_changesets), "a diff makes another state than the changesets");
    }

    /// The order in which events were made is one that causality allows.
    std::vector<std::size_t> as_written(Members members) const {
        std::vector<std::size_t> order;
        for (std::size_t at = 0; at < events_.size(); ++at) {
            if ((members >> at & 1) != 0) order.push_back(at);
        }
        return order;
    }

    /// A writer gets what it is to see, in every order, and then does each thing that it may do.
    void write(std::size_t writer, Members sees, std::uint64_t left) {
        const auto before = places_[writer];
        auto& place = places_[writer];
        std::unique_ptr<Replica> first;
        std::vector<std::size_t> order, first_order;
        each_order(place.known, sees & ~place.known, order, [&](const std::vector<std::size_t>& one) {
            auto replica = rebuilt(writer);
            get(*replica, one);
            ++orders_;
            if (!first) {
                first = std::move(replica);
                first_order = one;
            } else {
                expect(same(*first, *replica), "two orders of delivery make two states");
            }
        });
        for (std::size_t other = 0; other < writers; ++other) {
            if (other != writer) diff_while(writer, other, first_order);
        }
        first->check();
        const auto live = first->state().live_count();
        place.inputs.insert(place.inputs.end(), first_order.begin(), first_order.end());
        place.known = sees;
        for (auto letter : letters_) {
            if (!letter.grow && live <= std::size_t(letter.value)) continue;  // there is nothing to take away
            if (letter.grow) letter.value = std::int8_t(10 * (1 + place.writes) + writer);
            descend(writer, letter, left);
        }
        places_[writer] = before;
    }

    void descend(std::size_t writer, const Operation& operation, std::uint64_t left) {
        const auto before = places_[writer];
        const auto twin = twin_;
        auto& place = places_[writer];
        const auto stamp = crdt::Stamp(++place.writes);  // by the writer alone, so that writes may change places
        const auto replica = rebuilt(writer);
        const auto changeset = write_into(*replica, operation, stamp);
        expect(changeset.has_value(), "a write takes no dot");
        if (bad_) return;
        events_.push_back({writer, operation, stamp, Travelled(*changeset)});
        events_.back().travelled.causes = place.known;
        expect(events_.back().travelled.same, "a changeset changes when it travels");
        place.inputs.push_back(events_.size() - 1);
        place.known |= 1U << (events_.size() - 1);
        learn(writer, place.known & ~(1U << (events_.size() - 1)));
        twin_.write(writer, {wish_of(operation)}, stamp);
        twin_.cut(writer);
        visit(left - 1);
        events_.pop_back();
        twin_ = twin;
        places_[writer] = before;
    }

    void learn(std::size_t place, Members members) {
        for (std::size_t at = 0; at < events_.size(); ++at) {
            if ((members >> at & 1) != 0) twin_.receive(place, at);
        }
    }

    void heal() {
        std::array<std::unique_ptr<Replica>, writers> by_changesets, by_diffs;
        for (std::size_t place = 0; place < writers; ++place) {
            by_diffs[place] = rebuilt(place);
            by_changesets[place] = rebuilt(place);
            get(*by_changesets[place], as_written(everything() & ~places_[place].known));
        }
        join(*by_diffs[0], *by_diffs[1]);
        join(*by_diffs[0], *by_diffs[2], true);
        join(*by_diffs[1], *by_diffs[0], true);
        join(*by_diffs[2], *by_diffs[0]);
        for (std::size_t place = 0; place < writers; ++place) {
            by_diffs[place]->check();
            expect(same(*by_changesets[0], *by_changesets[place]), "changesets do not bring replicas together");
            expect(same(*by_changesets[0], *by_diffs[place]), "state diffs do not bring replicas together");
        }
        auto twin = twin_;
        for (std::size_t at = 0; at < events_.size(); ++at) twin.receive(0, at);
        expect(readings(by_changesets[0]->state()) == twin.readings(0, keys_each, fields_each),
               "the twin reads something else");
    }

    std::vector<Operation> letters_;
    std::deque<Event> events_;
    std::array<Place, writers> places_;
    twin::Twin twin_;
    std::uint64_t histories_ = 0;
    std::uint64_t orders_ = 0;
    std::uint64_t diffs_ = 0;
    bool bad_ = false;
};

void search(Type type) {
    Search search(type);
    search.visit(number_from("STARLING_PROOF_WRITES", writes_default));
    MESSAGE(name_of(type) << ": " << search.histories() << " histories, " << search.orders() << " orders of delivery, "
                          << search.diffs() << " diffs under way");
    CHECK_FALSE(search.bad());
    CHECK(search.histories() > 1);
}

}  // namespace

TEST_CASE("exhaustive: counter") {
    search(Type::counter);
}
TEST_CASE("exhaustive: set") {
    search(Type::set);
}
TEST_CASE("exhaustive: map") {
    search(Type::map);
}
TEST_CASE("exhaustive: register") {
    search(Type::register_);
}
TEST_CASE("exhaustive: multi-value register") {
    search(Type::multi_value);
}
TEST_CASE("exhaustive: flag") {
    search(Type::flag);
}
TEST_CASE("exhaustive: journal") {
    search(Type::journal);
}
