// The state diff: what brings a replica up to date where the log cannot. Inside the common version every difference is
// a removal, so one run-coded set of live dots says it all; outside it the live entries themselves are sent.
//
// The asker names a version at which its window was cut (the base). The answerer's part is pinned: version, heads, live
// dots and entries come from one instant (rule 6). The asker may have moved on when the answer arrives; rule 7 says how
// it is applied then.
#pragma once

#include <map>
#include <vector>

#include "crdt/replica.hpp"

namespace starling::crdt {

/// What an answer says of one origin.
struct OriginTop {
    Seq seen = 0;
    Stamp last_stamp = 0;  ///< so that the next changeset's stamps can be decoded
    bool operator==(const OriginTop&) const = default;
};

using LiveDots = std::map<ReplicaId, DotRuns>;

struct Difference {
    Version base;                         ///< of the asker, pinned
    std::map<ReplicaId, OriginTop> tops;  ///< of the answerer, pinned: its version
    Heads heads;                          ///< of the answerer
    Depth depth = 0;                      ///< the greatest the answerer applied
    bool inside_is_live = true;           ///< else `inside` holds what died at the answerer
    LiveDots inside;                      ///< dots within the base
    LiveDots outside;                     ///< live dots past the base
    std::map<Dot, LooseEntry> entries;    ///< of the dots outside; may lack those the asker has staged
    bool operator==(const Difference&) const = default;
};

/// The live dots of a replica, as runs. O(live).
LiveDots live_dots(const State& state);

/// Answers an asker at `base`. The window must be closed. Entries whose dots are in `staged` are left out. O(live).
Difference answer(const Replica& replica, const Version& base, const LiveDots& staged);
/// The same, for an asker whose live dots within its base are known: says only which of them died. O(live).
Difference answer_knowing(const Replica& replica, const Version& base, const LiveDots& live_at_asker,
                          const LiveDots& staged);

/// What is wrong with an answer from outside, if anything: bounds, order, entries without a dot or dots without an
/// entry. Entries may be missing only where `replica` covers the dot by now.
Result<bool> valid_difference(const Replica& replica, const Difference& difference);

/// Applies a valid answer in one step (rule 7). Returns what changed. O(live + sent).
Changes apply_difference(Replica& replica, const Difference& difference);

}  // namespace starling::crdt
