// Who votes. The record has an epoch; an epoch's majorities are those of its voters, and while a change of voters is
// under way (a joint epoch) also of the incoming ones: every decision then has both majorities.
//
//   stable e {A B C}  ─►  joint e+1 {A B C} + {C D E}  ─►  stable e+2 {C D E}
//
// Neighbouring epochs share majorities, epochs further apart need not. So the joint epoch ends only after a majority of
// the old voters refuses the epoch before it, and every register was rewritten under both (transition.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "agree/limits.hpp"
#include "crdt/codec.hpp"
#include "crdt/ids.hpp"

namespace starling::agree {

/// An acceptor: a node, and the life of its voter's role. A store that was erased, restored or copied has another life,
/// or none, and does not vote until the record names it.
struct Voter {
    crdt::NodeKey node{};
    crdt::Life life = 0;
    auto operator<=>(const Voter&) const = default;
};

/// Epochs count from 1; 0: no record. Both lists ascend, name each node once, and have 1, 3, 5 or 7 voters.
struct VoterRecord {
    std::uint64_t epoch = 0;
    std::vector<Voter> voters;
    std::vector<Voter> incoming;  ///< empty while stable
    bool operator==(const VoterRecord&) const = default;

    bool joint() const { return !incoming.empty(); }
    bool names(const Voter& voter) const;
    /// Everyone whom a request goes to, ascending.
    std::vector<Voter> everyone() const;
    /// A majority of the voters, and of the incoming ones where there are any, for whom `yes` is true. O(voters).
    template <class Yes>
    bool majority(Yes yes) const {
        return majority_of(voters, yes) && (incoming.empty() || majority_of(incoming, yes));
    }

  private:
    template <class Yes>
    static bool majority_of(const std::vector<Voter>& among, Yes yes) {
        std::size_t votes = 0;
        for (const auto& voter : among) votes += yes(voter) ? 1 : 0;
        return votes * 2 > among.size();
    }
};

/// Can these be voters? An odd number up to seven, ascending, no node twice.
bool valid_voters(const std::vector<Voter>& voters);
bool valid(const VoterRecord& record);

/// The register that holds the record. Applications' keys do not begin like this.
inline constexpr char voters_key[] = "$voters";

void write_record(crdt::Writer& out, const VoterRecord& record);
/// Fails the reader where it is no valid record.
VoterRecord read_record(crdt::Reader& in);
/// The record as a register's value, and back; nothing where the bytes are something else.
crdt::Bytes encode(const VoterRecord& record);
std::optional<VoterRecord> decode_voters(crdt::BytesView bytes);

}  // namespace starling::agree
