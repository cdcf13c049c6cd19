// The judge of a world: lives at every node, sees every effect, and holds what readers and watchers see against the
// history. Its first verdict stays.
#pragma once

#include <vector>

#include "sim/intent.hpp"
#include "sim/oracle.hpp"
#include "sim/world.hpp"

namespace starling::sim {

/// Invariants that it demands, at every node after every input:
///  - the version is one that the history allows: whole transactions, causes before effects;
///  - the state is what the history implies there: nothing lost, nothing risen, nothing torn;
///  - the version goes only forward;
///  - equal versions are equal states;
///  - watchers are told of everything that changed, and of a transaction in one piece;
///  - a disk holds what was durable, and all that left the node;
///  - no peer breaks the protocol or contradicts rule 1.
/// Thread rule: that of its world.
class Checker final : public Observer {
  public:
    /// `check_every`: the costly checks of all structures run at every so many inputs that changed something.
    /// `liars`: what some nodes send is tampered with, so that others may notice it.
    Checker(const World& world, std::uint64_t check_every, bool liars = false);

    /// Writes down a committed transaction, before the peer handles what follows from it.
    void record(LocalTransaction transaction);

    void started(Place place) override;
    void stopped(Place place) override;
    void handled(Place place, const gossip::Effects& effects) override;

    /// What went wrong first, if anything did.
    const Verdict& verdict() const { return verdict_; }
    void fail(Place place, const std::string& what);
    const Oracle& oracle() const { return oracle_; }

    /// All nodes run, hold no open window, and are at one version.
    bool converged() const;
    /// What any running node holds: what must survive when nothing is lost from here on.
    crdt::Version surviving() const;

  private:
    struct Seat {
        Mirror mirror;
        crdt::Version version;
        crdt::Fingerprint version_hash, fingerprint;
        std::uint64_t window_dots = 0;
    };
    void expect(Place place, const Verdict& verdict);
    void judge_told(Place place, const crdt::Version& before, const gossip::Effects& effects);
    void judge_whole(Place place, const LocalTransaction& transaction, const gossip::Effects& effects);
    void judge_left(Place place);
    void judge_against_others(Place place);
    void judge_counters(Place place);

    const World& world_;
    std::uint64_t check_every_;
    bool liars_;
    std::uint64_t changes_ = 0;
    Oracle oracle_;
    std::vector<Seat> seats_;
    Verdict verdict_;
};

}  // namespace starling::sim
