#include "gossip/component.hpp"

#include <algorithm>

#include "crdt/assert.hpp"
#include "crdt/hash.hpp"
#include "crdt/limits.hpp"

namespace starling::gossip {

using namespace crdt;

namespace {

constexpr std::uint64_t pulses_apart_max = 2;  // of two nodes of one component: a pulse may be under way

std::uint64_t number_of(const NodeKey& node) {
    return siphash128({reinterpret_cast<const char*>(node.data()), node.size()}, fingerprint_key).low;
}

}  // namespace

Component::Component(const NodeKey& node, const ComponentTimes& times, Now now)
    : self_(number_of(node)), times_(times) {
    forget(now);
}

bool Component::same(const ComponentLabel& a, const ComponentLabel& b) {
    return a.known() && b.known() && a.root == b.root &&
           std::max(a.pulse, b.pulse) - std::min(a.pulse, b.pulse) <= pulses_apart_max;
}

Component::Heard Component::heard(const ComponentLabel& label, Now now) {
    if (!label.known()) return held_.known() ? Heard::outdated : Heard::known;
    if (label.root == self_) {
        // An earlier run of this node is remembered: the next pulse must be newer than that.
        own_pulse_ = std::max(own_pulse_, std::min(label.pulse, seq_max - 1));
        return Heard::known;
    }
    if (held_.known() && label.root > held_.root) return Heard::outdated;
    if (held_.root == label.root && held_.pulse >= label.pulse)
        return held_.pulse == label.pulse ? Heard::known : Heard::outdated;
    const auto gone = forgotten_.find(label.root);
    if (gone != forgotten_.end() && gone->second >= label.pulse) return Heard::known;
    if (!held_.known() && label.root > self_) return Heard::known;  // this node is about to declare itself
    held_ = label;
    due_us_ = now.mono_us + times_.silence_us_max;
    return Heard::news;
}

bool Component::tick(Now now) {
    if (now.mono_us < due_us_) return false;
    if (held_.known() && held_.root != self_) {
        if (forgotten_.size() == forgotten_max) forgotten_.erase(std::prev(forgotten_.end()));
        forgotten_[held_.root] = held_.pulse;
        forget(now);
        return false;
    }
    // Pulses of a later run are greater than those of an earlier one, as long as the wall clock is roughly right.
    own_pulse_ = std::min(std::max(own_pulse_ + 1, now.wall_us / times_.pulse_us), seq_max);
    held_ = {self_, own_pulse_};
    due_us_ = now.mono_us + times_.pulse_us;
    return true;
}

void Component::forget(Now now) {
    held_ = {};
    due_us_ = now.mono_us + (((self_ >> 32) * times_.declare_us_max) >> 32);
}

void Component::check() const {
    STARLING_ASSERT(forgotten_.size() <= forgotten_max, "few forgotten roots are remembered");
    STARLING_ASSERT(!held_.known() || held_.root <= self_, "no root has a greater number than its nodes");
}

}  // namespace starling::gossip
