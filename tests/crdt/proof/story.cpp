#include "tests/crdt/proof/story.hpp"

#include <algorithm>
#include <bit>
#include <ostream>

#include "crdt/assert.hpp"
#include "crdt/transaction.hpp"

namespace starling::proof {

namespace {

bool holds(Members members, std::size_t at) {
    return (members >> at & 1) != 0;
}

void print(std::ostream& out, Members members) {
    out << '{';
    for (std::size_t at = 0; at < 32; ++at) {
        if (holds(members, at)) out << ' ' << at;
    }
    out << " }";
}

Operation draw_operation(sim::Random& random, const std::vector<crdt::Type>& types) {
    Operation operation;
    operation.type = types[random.below(types.size())];
    operation.grow = random.chance(650);
    operation.key = random.chance(750) ? 0 : 1;
    operation.field = std::uint8_t(random.below(fields_each));
    operation.value = std::int8_t(std::int64_t(random.below(19)) - 9);
    return operation;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Story& story) {
    out << "the story (changesets are numbered in the order in which their windows close):\n";
    for (const auto& write : story.writes) {
        out << "  " << char('A' + write.by) << (write.cuts ? " closes its window," : "") << " sees ";
        print(out, write.sees);
        out << ", writes at " << write.wall << ':';
        for (const auto& operation : write.operations) out << ' ' << operation << ';';
        out << '\n';
    }
    for (const auto& [name, members] : {std::pair("a", story.a), std::pair("b", story.b), std::pair("c", story.c)}) {
        out << "  state " << name << " = ";
        print(out, members);
        out << '\n';
    }
    return out << "  orders of delivery from " << story.order << '\n';
}

Story draw_story(sim::Random random, const std::vector<crdt::Type>& types) {
    Story story;
    const bool wild_clocks = random.chance(300);
    const auto some = [&] { return Members(random.next() & random.next()); };
    story.writes.resize(random.between(2, writes_max));
    for (auto& write : story.writes) {
        write.by = std::uint8_t(random.below(writers));
        write.sees = random.chance(250) ? ~Members{0} : some();
        write.cuts = random.chance(700);
        write.wall = 1 + random.below(wild_clocks ? 10'000'000'000 : 6);
        write.operations.resize(random.between(1, 2));
        for (auto& operation : write.operations) operation = draw_operation(random, types);
    }
    story.a = Members(random.next());
    story.b = some();
    story.c = some();
    story.order = random.next();
    return story;
}

std::vector<Story> simpler(const Story& story) {
    std::vector<Story> all;
    const auto add = [&](auto change) {
        all.push_back(story);
        change(all.back());
    };
    for (std::size_t at = 0; at < story.writes.size(); ++at) {
        const auto& write = story.writes[at];
        add([&](Story& s) { s.writes.erase(s.writes.begin() + std::ptrdiff_t(at)); });
        for (std::size_t i = 0; write.operations.size() > 1 && i < write.operations.size(); ++i) {
            add([&](Story& s) { s.writes[at].operations.erase(s.writes[at].operations.begin() + std::ptrdiff_t(i)); });
        }
        if (!write.cuts) add([&](Story& s) { s.writes[at].cuts = true; });
        if (write.wall > 1) add([&](Story& s) { s.writes[at].wall = 1; });
        for (std::size_t bit = 0; bit < 32; ++bit) {
            if (holds(write.sees, bit)) add([&](Story& s) { s.writes[at].sees &= ~(Members{1} << bit); });
        }
    }
    for (auto member : {&Story::a, &Story::b, &Story::c}) {
        for (std::size_t bit = 0; bit < 32; ++bit) {
            if (holds(story.*member, bit)) add([&](Story& s) { s.*member &= ~(Members{1} << bit); });
        }
    }
    if (story.order != 0) add([](Story& s) { s.order = 0; });
    return all;
}

bool encodes_again(const crdt::Changeset& changeset) {
    const auto body = crdt::decode_body(changeset);
    return body && crdt::encode_body(changeset, *body) == changeset.body;
}

namespace {

crdt::Changeset travelled(const crdt::Changeset& sent) {
    const auto bytes = crdt::encode_changeset(sent);
    auto arrived = crdt::decode_changeset(bytes);
    STARLING_ASSERT(arrived, "a changeset of this build can be read by it");
    return *arrived;
}

}  // namespace

Travelled::Travelled(const crdt::Changeset& sent) : changeset(travelled(sent)), body(crdt::decode_body(changeset)) {
    same = changeset == sent && crdt::valid_header(changeset) && encodes_again(changeset) &&
           crdt::encode_changeset(changeset) == crdt::encode_changeset(sent);
}

/// One of those who write: a replica, and which changesets it has seen.
struct History::Writer {
    crdt::Replica replica{0};
    Members seen = 0;
    crdt::Stamp last_stamp = 0;
};

History::History(const Story& story) {
    std::vector<std::unique_ptr<Writer>> all;
    for (std::size_t place = 0; place < writers; ++place) {
        all.push_back(std::make_unique<Writer>());
        all.back()->replica.begin_life(replica_of(place));
    }
    for (const auto& write : story.writes) {
        auto& writer = *all[write.by];
        if (write.cuts) cut(writer);
        const auto sees = closed(write.sees);
        deliver(writer.replica, writer.seen, sees, story.order);
        writer.seen |= sees;
        writer.last_stamp = std::max(writer.last_stamp + 1, write.wall);
        crdt::Transaction tx(writer.replica, writer.last_stamp);
        for (const auto& operation : write.operations) perform(tx, operation);
        const auto done = tx.commit();
        STARLING_ASSERT(done, "a small transaction commits");
    }
    for (const auto& writer : all) cut(*writer);
}

void History::cut(Writer& writer) {
    const auto changeset = writer.replica.cut();
    if (!changeset) return;
    changesets_.emplace_back(*changeset).causes = writer.seen;
    writer.seen |= Members{1} << (changesets_.size() - 1);
}

Members History::closed(Members members) const {
    members &= everything();
    auto all = members;
    for (std::size_t at = 0; at < changesets_.size(); ++at) {
        if (holds(members, at)) all |= changesets_[at].causes;
    }
    return all;
}

std::unique_ptr<crdt::Replica> History::built(Members members, std::uint64_t order) const {
    auto replica = std::make_unique<crdt::Replica>(0);
    deliver(*replica, 0, members, order);
    return replica;
}

void History::deliver(crdt::Replica& replica, Members there, Members members, std::uint64_t order) const {
    for (auto left = members & ~there; left != 0;) {
        Members ready = 0;
        for (std::size_t at = 0; at < changesets_.size(); ++at) {
            if (holds(left, at) && (changesets_[at].causes & ~there) == 0) ready |= Members{1} << at;
        }
        STARLING_ASSERT(ready != 0, "a closed set can be delivered");
        for (auto skip = sim::splitmix64(order) % std::uint64_t(std::popcount(ready)); skip > 0; --skip)
            ready &= ready - 1;
        const auto& next = changesets_[std::size_t(std::countr_zero(ready))];
        replica.apply(next.changeset, next.body);
        there |= ready & -ready;
        left &= ~there;
    }
}

crdt::Difference difference_for(const crdt::Replica& into, const crdt::Replica& from, bool knowing) {
    const auto base = into.state().version();
    return knowing ? crdt::answer_knowing(from, base, crdt::live_dots(into.state()), {}) : crdt::answer(from, base, {});
}

crdt::Changes join(crdt::Replica& into, const crdt::Replica& from, bool knowing) {
    const auto difference = difference_for(into, from, knowing);
    const auto valid = crdt::valid_difference(into, difference);
    STARLING_ASSERT(valid, "an honest answer is valid");
    return crdt::apply_difference(into, difference);
}

}  // namespace starling::proof
