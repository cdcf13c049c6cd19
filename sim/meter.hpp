// Measures how changesets spread through a world, whatever protocol spreads them: when each became known at each node,
// after how many hops, and what it cost. Nothing of it reaches the world.
//
// A changeset is measured from the moment its writer cut it, at the nodes that ran then and have run since. Hops are
// counted along first deliveries: one more than those of the node whose message was being handled.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "sim/paths.hpp"
#include "sim/world.hpp"

namespace starling::sim {

/// Sums over changesets; ratios are to the shortest times of the overlay as it was at the beginning.
struct Spread {
    std::uint64_t changesets = 0;      ///< cut since the beginning
    std::uint64_t measured = 0;        ///< of them, known everywhere
    std::uint64_t last_permille = 0;   ///< sum of: time of the last delivery ÷ longest shortest time
    std::uint64_t p99_permille = 0;    ///< sum of: 99th percentile of the times ÷ that of the shortest times
    std::uint64_t last_hops = 0;       ///< sum of the most hops
    std::uint64_t last_hops_most = 0;  ///< of any
    std::uint64_t last_us_most = 0;    ///< the longest time of any
};

/// Thread rule: that of its world. O(1) for each delivery, O(nodes log nodes) for each changeset.
class Meter final : public Observer {
  public:
    explicit Meter(const World& world) : world_(world), open_(world.nodes()), bases_(world.nodes()) {}

    /// Counters and changesets count from now on, over the links that there are now.
    void begin();

    void stopped(Place place) override;
    void handled(Place place, const gossip::Effects& effects) override;

    /// Changesets that are not known yet wherever they will be.
    std::size_t open() const { return open_count_; }
    const Spread& spread() const { return spread_; }
    /// What all nodes did since the beginning, those included that crashed.
    gossip::Counters counters() const;

  private:
    struct Sight {
        std::uint32_t us;
        std::uint8_t hops;
    };
    static constexpr std::uint32_t pending_us = UINT32_MAX, absent_us = UINT32_MAX - 1;
    struct Spreading {
        crdt::ReplicaId origin;
        crdt::Seq first = 0, last = 0;
        std::uint64_t cut_us = 0;
        std::size_t pending = 0;
        std::vector<Sight> sights;  ///< by place
    };
    using Spreadings = std::vector<std::unique_ptr<Spreading>>;
    struct Base {
        std::uint64_t last_us, p99_us;
    };

    bool cut_here(Place place, const crdt::ReplicaId& origin) const;
    void cut(Place place, const crdt::Changeset& changeset);
    void seen(Place place, Spreading& spreading);
    void seen_by_diff(Place place);
    std::uint8_t hops_to(Place place, const Spreading& spreading) const;
    void close_finished(Spreadings& spreadings);
    void close(const Spreading& spreading);
    const Base& base(Place place);

    const World& world_;
    bool measuring_ = false;
    std::vector<Spreadings> open_;  ///< by the writer's place, oldest first
    std::size_t open_count_ = 0;
    std::optional<Paths> paths_;
    std::vector<std::optional<Base>> bases_;
    gossip::Counters before_, gone_;
    Spread spread_;
};

}  // namespace starling::sim
