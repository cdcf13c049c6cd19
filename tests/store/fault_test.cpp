// Disks that fail: at every call of a fixed workload, in every way. A fault is never an acknowledgement.
#include "tests/store/fixture.hpp"

using namespace starling;
using namespace starling::testing;
using store::DiskError;
using store::StoreFaultCode;

namespace {

constexpr int fault_steps = 40;

struct Ending {
    std::optional<std::string> wrong;
    std::uint64_t calls = 0;
    std::uint64_t faults = 0;  ///< that the store reported
};

/// The workload with a fault at one call. Where it may pass, the commit is tried again once the disk is well.
Ending run_with_fault(const sim::VirtualDisk::DiskFault& fault) {
    Ending ending;
    sim::VirtualDisk disk(sim::Random{5});
    Workload workload(disk, 5);
    disk.fail(fault);
    auto opened = workload.open();
    if (!opened) {
        ++ending.faults;
        disk.heal();
        opened = workload.open();
        if (!opened) return ending.wrong = "not opened: " + words_of(opened.fault()), ending;
    }
    for (int i = 0; i < fault_steps && !ending.wrong; ++i) {
        auto stepped = workload.step();
        if (stepped) continue;
        ++ending.faults;
        auto& store = *workload.stored->store;
        if (!store.fault()) ending.wrong = "a fault is not remembered";
        const auto again = *workload.pending;
        if (store::may_pass(stepped.fault().code)) {
            disk.heal();
            if (auto passed = workload.carry_out(again); !passed)
                ending.wrong = "the commit did not succeed in the end: " + words_of(passed.fault());
            else if (store.fault())
                ending.wrong = "a fault that passed is still there";
            continue;
        }
        if (auto refused = store.commit(again); refused || refused.fault().code != StoreFaultCode::failed)
            ending.wrong = "a store that failed takes more";
        disk.heal();
        if (auto found = workload.reopen()) ending.wrong = "after the fault: " + *found;
    }
    ending.calls = disk.calls();
    disk.heal();
    if (ending.wrong) return ending;
    if (auto committed = workload.commit(); !committed) return ending.wrong = words_of(committed.fault()), ending;
    if (auto found = workload.reopen()) ending.wrong = "at the end: " + *found;
    return ending;
}

}  // namespace

TEST_CASE("a fault of the disk at any call is reported, and loses nothing that was acknowledged") {
    const auto calls = run_with_fault({UINT64_MAX >> 1, DiskError::io}).calls;
    REQUIRE(calls > 100);
    struct Way {
        std::string name;
        DiskError error;
        bool in_part, stays, writes_only;
    };
    for (const auto& way : {Way{"EIO once", DiskError::io, false, false, false},
                            Way{"EIO from then on", DiskError::io, false, true, false},
                            Way{"short write, EIO", DiskError::io, true, false, true},
                            Way{"ENOSPC once", DiskError::full, false, false, true},
                            Way{"ENOSPC in mid-write, until there is space", DiskError::full, true, true, true},
                            Way{"read-only from then on", DiskError::read_only, false, true, true}}) {
        std::uint64_t reported = 0;
        for (std::uint64_t at = 1; at <= calls; ++at) {
            const auto ending = run_with_fault({at, way.error, way.in_part, way.stays, way.writes_only});
            REQUIRE_MESSAGE(!ending.wrong, way.name << " at call " << at << ": " << *ending.wrong);
            reported += ending.faults > 0 ? 1 : 0;
        }
        MESSAGE(way.name << ": " << reported << " of " << calls << " calls were reported");
        CHECK(reported > calls / 4);
    }
}

TEST_CASE("faults have names") {
    const auto code_at_end = [](DiskError error) {
        sim::VirtualDisk disk(sim::Random{1});
        Workload workload(disk, 1);
        REQUIRE(bool(workload.open()));
        for (int i = 0; i < 10; ++i) REQUIRE(bool(workload.step()));
        disk.fail({1, error, false, true, true});
        auto stepped = store::Outcome<bool>(true);
        while (stepped) stepped = workload.step();
        MESSAGE(stepped.fault().what);
        return stepped.fault().code;
    };
    CHECK(code_at_end(DiskError::full) == StoreFaultCode::full);
    CHECK(code_at_end(DiskError::io) == StoreFaultCode::io);
    CHECK(code_at_end(DiskError::read_only) == StoreFaultCode::read_only);
}

TEST_CASE("a damaged file is found out, and harms nobody") {
    sim::VirtualDisk disk(sim::Random{2});
    Workload workload(disk, 2);
    REQUIRE(bool(workload.open()));
    for (int i = 0; i < 200; ++i) REQUIRE(bool(workload.step()));
    const auto batch = workload.stored->recorder->take_all(workload.stored->now_us());
    REQUIRE(bool(workload.stored->store->commit(batch)));
    const auto state = encode_state(workload.stored->replica);
    workload.stored.reset();  // a checkpoint: all is in the file
    const auto whole = disk.image();
    const auto size = whole.at("node/store.db").size();
    sim::Random random(3);
    std::uint64_t refused = 0, found = 0, unharmed = 0;
    constexpr int tries = 400;
    for (int i = 0; i < tries; ++i) {
        auto image = whole;
        auto& file = image["node/store.db"];
        const auto at = random.below(size);
        const auto bytes = std::min<std::uint64_t>(random.between(1, 64), size - at);
        for (std::uint64_t j = 0; j < bytes; ++j) file[at + j] = char(random.below(256));
        if (random.chance(50)) file.resize(random.below(size));
        disk.put(image);
        auto store = store::Store::open({"node", 0, &disk});
        if (!store) {
            ++refused;
            continue;
        }
        Replica replica(0);
        auto loaded = (*store)->load(replica);
        if (loaded) {
            for (const auto& row : loaded->log) CHECK(workload.ledger_holds(*row.changeset));
        }
        if (loaded) replica.check();
        auto verified = (*store)->verify();
        (loaded && verified ? unharmed : found) += 1;
        if (loaded && verified) CHECK(encode_state(replica) == state);
    }
    MESSAGE(refused << " refused, " << found << " found, " << unharmed << " harmed nothing, of " << tries);
    CHECK(found + refused > tries / 4);
}
