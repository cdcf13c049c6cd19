// The judge of one reader: holds a state against what the history implies at its version, entry by entry and through
// the views that applications read.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "crdt/state.hpp"
#include "sim/history.hpp"

namespace starling::sim {

/// What is wrong, in words; nothing when all is well.
using Verdict = std::optional<std::string>;

/// Thread rule: one thread at a time.
class Oracle {
  public:
    History history;

    /// A reader that sees `version`, an open window included, must see exactly what the history implies. O(history).
    Verdict judge(const crdt::State& state, const crdt::Version& version);

  private:
    Verdict judge_entries(const crdt::State& state, const Implied& implied) const;
    Verdict judge_views(const crdt::State& state, const Implied& implied) const;
    Verdict judge_journals(const crdt::State& state, const Implied& implied);
    Verdict judge_depth(const crdt::Entry& entry, const crdt::State& state);

    std::map<crdt::Dot, crdt::Depth> depths_;  ///< of journal entries that left their window: fixed for ever
};

/// Two replicas with closed windows and equal versions hold equal live entries (rule 1).
Verdict judge_equals(const crdt::State& a, const crdt::State& b);

/// What became different between two readings of a state.
struct Moved {
    std::set<crdt::Slot> slots;     ///< whose live dots changed
    std::set<crdt::Dot> journaled;  ///< journal entries that came
};

/// Remembers a state's live dots, so that what changed can be held against what watchers were told.
class Mirror {
  public:
    /// What changed since the last call. O(live).
    Moved refresh(const crdt::State& state);

  private:
    std::map<crdt::Slot, std::vector<crdt::Dot>> dots_;
};

}  // namespace starling::sim
