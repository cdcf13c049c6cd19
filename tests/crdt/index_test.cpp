// Each index beside its naive twin, over seeded operations.
#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "crdt/clock.hpp"
#include "crdt/codec.hpp"
#include "crdt/seq_index.hpp"
#include "crdt/slot_index.hpp"
#include "crdt/views.hpp"

using namespace starling::crdt;

TEST_CASE("the index of seqs is a map from seq to handle") {
    std::mt19937_64 random(1);
    for (int round = 0; round < 30; ++round) {
        SeqIndex index;
        std::map<Seq, Handle> twin;
        Seq next = 1 + random() % 100;
        for (int step = 0; step < 2000; ++step) {
            const auto dice = random() % 10;
            if (dice < 5 || twin.empty()) {
                const Seq seq = dice == 0 && next > 50 ? next - random() % 50 : next++;
                if (dice == 4) next += random() % (round < 15 ? 3 : 5000);
                if (twin.contains(seq) || seq == 0) continue;
                twin[seq] = Handle(step + 1);
                index.set(seq, Handle(step + 1));
            } else {
                const auto at = std::next(twin.begin(), std::ptrdiff_t(random() % twin.size()));
                index.clear(at->first);
                twin.erase(at);
            }
            if (step % 50 == 0) index.check();
            const Seq probe = random() % (next + 10);
            CHECK(index.find(probe) == (twin.contains(probe) ? twin[probe] : 0));
        }
        CHECK(index.size() == twin.size());
        CHECK(index.top() == (twin.empty() ? 0 : twin.rbegin()->first));
        const Seq first = random() % next, last = first + random() % next;
        std::map<Seq, Handle> visited;
        index.each(first, last, [&](Seq seq, Handle handle) {
            visited[seq] = handle;
            index.clear(seq);  // what is visited may die
        });
        CHECK(visited == std::map<Seq, Handle>(twin.lower_bound(first), twin.upper_bound(last)));
        index.check();
        CHECK(index.size() == twin.size() - visited.size());
    }
}

TEST_CASE("the index of slots is a multimap in order, however lazy its order is") {
    std::mt19937_64 random(2);
    for (int round = 0; round < 20; ++round) {
        EntryArena arena;
        SlotIndex index(arena, {random(), random()});
        std::map<Slot, std::set<Handle>> twin;
        std::vector<Handle> all;
        for (int step = 0; step < 1500; ++step) {
            if (random() % 5 < 3 || all.empty()) {
                const Slot slot(Type(1 + random() % 3), "key" + std::to_string(random() % 20), pack_int(random() % 9));
                const auto handle = arena.make(slot, Bytes(random() % 100, 'v'));
                index.link(handle, index.hashed(slot));
                twin[slot].insert(handle);
                all.push_back(handle);
            } else if (random() % 2 == 0) {
                auto& old = all[random() % all.size()];
                const Slot slot(arena.at(old).slot());
                const auto handle = arena.make(slot, Bytes(random() % 100, 'w'));
                index.replace(old, handle, index.hashed(slot));
                arena.release(old);
                twin[slot].erase(old);
                twin[slot].insert(handle);
                old = handle;
            } else {
                const auto place = random() % all.size();
                const Slot slot(arena.at(all[place]).slot());
                index.unlink(all[place]);
                arena.release(all[place]);
                twin[slot].erase(all[place]);
                if (twin[slot].empty()) twin.erase(slot);
                all[place] = all.back();
                all.pop_back();
            }
            if (step % 100 != 0) continue;
            CHECK(index.check() == all.size());
            if (step % 300 != 0) continue;
            std::map<Slot, std::set<Handle>> listed;
            std::vector<Slot> order;
            index.each_from({}, [&](const SlotView& slot, const SlotEntries& entries) {
                order.emplace_back(slot);
                for (auto at = entries.begin(); at != entries.end(); ++at) listed[Slot(slot)].insert(at.handle());
                return true;
            });
            CHECK(listed == twin);
            CHECK(std::is_sorted(order.begin(), order.end()));
        }
    }
}

TEST_CASE("blocks of any size hold what was put into them, and are used again") {
    std::mt19937_64 random(3);
    EntryArena arena;
    std::vector<std::pair<Handle, Bytes>> blocks;
    for (int step = 0; step < 4000; ++step) {
        if (random() % 2 == 0 || blocks.empty()) {
            const auto size = random() % (step % 100 == 0 ? 190'000 : 2'000);
            const Bytes value(size, char(random()));
            blocks.emplace_back(arena.make({Type::map, "k", "f"}, value), value);
        } else {
            const auto place = random() % blocks.size();
            const auto& [handle, value] = blocks[place];
            CHECK(arena.at(handle).value() == value);
            arena.release(handle);
            blocks[place] = blocks.back();
            blocks.pop_back();
        }
    }
    for (const auto& [handle, value] : blocks) CHECK(arena.at(handle).value() == value);
}

TEST_CASE("large pieces of memory are aligned, whole and given back") {
    for (const auto bytes : {std::size_t{1}, own_pages_bytes_min - 1, own_pages_bytes_min, 3 * large_page_bytes + 1}) {
        for (int i = 0; i < 10; ++i) {
            const auto pages = new_pages(bytes);
            CHECK(reinterpret_cast<std::uintptr_t>(pages.get()) % 64 == 0);
            pages[0] = pages[bytes - 1] = std::byte{1};
        }
    }
    PagedVector<int> numbers;
    for (int i = 0; i < 1'000'000; ++i) numbers.push_back(i);
    CHECK(std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0}) == 499'999'500'000);
}

TEST_CASE("keys that collide under one table key do not under another: strangers cannot make a table slow") {
    // Found against a known key: 20,000 slots that share the low bits where a table of that size looks first.
    const HashKey known{1, 2};
    EntryArena arena;
    const SlotIndex finder(arena, known);
    std::vector<Bytes> fields;
    for (std::int64_t i = 0; fields.size() < 20'000; ++i) {
        auto field = pack_int(i);
        if (finder.hashed({Type::set, "s", field}).hash % 64 == 0) fields.push_back(std::move(field));
    }
    const auto crowd = [&](const HashKey& key) {
        const SlotIndex index(arena, key);
        std::map<std::uint32_t, int> places;
        for (const auto& field : fields) ++places[index.hashed({Type::set, "s", field}).hash % 32'768];
        return std::max_element(places.begin(), places.end(), [](auto& a, auto& b) { return a.second < b.second; })
            ->second;
    };
    CHECK(crowd(known) > 20);
    CHECK(crowd({3, 4}) < 16);
    Replica replica(0, {5, 6});
    replica.begin_life({{1}, 1});
    Clock clock;
    for (const auto& field : fields) {
        if (Transaction::must_cut_first(replica)) (void)replica.cut();
        Transaction tx(replica, clock.next(0));
        Set::add(tx, "s", field);
        REQUIRE(tx.commit());
    }
    (void)replica.cut();
    replica.check();
    CHECK(Set::elements(replica.state(), "s").size() == fields.size());
}
