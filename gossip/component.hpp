// Which component of the overlay this node is in. Two nodes that meet can tell by it whether a link between them would
// join two halves of a split mesh or only be one more inside one of them.
//
// The node with the smallest number in a component is its root and pulses; the pulse is flooded along the links. A root
// that falls silent is forgotten, and the node with the smallest number among those that are left declares itself: it
// waits in proportion to its number, so that most nodes hear of a smaller one before their turn comes.
#pragma once

#include <map>
#include <optional>

#include "gossip/io.hpp"
#include "gossip/overlay_messages.hpp"

namespace starling::gossip {

struct ComponentTimes {
    std::uint64_t pulse_us = 10'000'000;        ///< between two pulses of a root
    std::uint64_t silence_us_max = 25'000'000;  ///< of a root, before it is forgotten
    std::uint64_t declare_us_max = 4'000'000;   ///< the greatest number waits this long before it declares itself root
};

/// Invariants: a label once held and forgotten is not taken up again without a new pulse; memory is bounded. Thread
/// rule: one thread at a time. Every call is O(log forgotten_max).
class Component {
  public:
    Component(const crdt::NodeKey& node, const ComponentTimes& times, Now now);

    /// Not known while a root is being found.
    ComponentLabel label() const { return held_; }
    /// Two known labels of which one may be a few pulses older.
    static bool same(const ComponentLabel& a, const ComponentLabel& b);

    /// `news` is to be passed on; to one who said what is `outdated` the own label is to be said.
    enum class Heard : std::uint8_t { news, known, outdated };
    Heard heard(const ComponentLabel& label, Now now);
    /// Forgets a silent root, declares itself, pulses. True: the label is new and is to be flooded.
    bool tick(Now now);
    std::uint64_t due_us() const { return due_us_; }
    void check() const;

  private:
    void forget(Now now);

    static constexpr std::size_t forgotten_max = 8;

    std::uint64_t self_;
    ComponentTimes times_;
    ComponentLabel held_;
    std::uint64_t own_pulse_ = 0;  ///< the last one of this node, also while another is root
    std::uint64_t due_us_ = 0;     ///< the next pulse, or the end of the root's silence, or of the wait
    std::map<std::uint64_t, std::uint64_t> forgotten_;  ///< root → its last pulse
};

}  // namespace starling::gossip
