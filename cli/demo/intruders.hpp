// Those who try to get in without the secret: one who speaks no encryption, and one who knows everything public about a
// node (its address, its name, the name of its mesh) and knocks with a key and a mesh of its own.
#pragma once

#include <cstdint>
#include <string>

namespace starling::cli::demo {

/// True when the node on this port of the loopback names CURVE as its only way to talk, and hangs up on a peer that
/// offers plain text, without a byte more.
bool speaks_curve_only(std::uint16_t port);

/// A proper, encrypted connection to a node, and a HELLO of a mesh of our own that claims to be theirs. The number of
/// frames that came back: 0 is right.
std::size_t knock(std::uint16_t port, const std::string& node_id, const std::string& mesh_id);

}  // namespace starling::cli::demo
