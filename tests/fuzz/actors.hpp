// Who acts in the stories of the fuzz targets: replicas that write honestly, and strangers whose changesets have a
// valid header and say whatever they like.
#pragma once

#include <vector>

#include "crdt/difference.hpp"
#include "crdt/replica.hpp"
#include "tests/fuzz/choices.hpp"

namespace starling::fuzz {

/// Actors 0 and 1 are honest replicas, the others strangers. Ascending with the number.
constexpr std::uint64_t honest = 2;
constexpr std::uint64_t actors = 5;
crdt::ReplicaId actor(std::uint64_t number);

/// One transaction of up to three operations of any type, at a small stamp; committed or rolled back. Begins a life and
/// cuts the window as a node would; what that cuts is appended to `cut`.
void write(crdt::Replica& replica, std::uint64_t number, Choices& choices, std::vector<crdt::Changeset>& cut);
/// Closes the window, if it is open.
void cut(crdt::Replica& replica, std::vector<crdt::Changeset>& cut);

/// The next changeset of a stranger: its dots follow `next`, and everything else is a choice.
crdt::Changeset strange(std::uint64_t number, crdt::Seq next, Choices& choices);

/// Applies what is deliverable until nothing more is. What is covered, or can never be read, is dropped.
void deliver(crdt::Replica& replica, std::vector<crdt::Changeset>& inbox);

/// Aborts unless two replicas hold, and read, the same.
void must_be_equal(const crdt::Replica& a, const crdt::Replica& b);

}  // namespace starling::fuzz
