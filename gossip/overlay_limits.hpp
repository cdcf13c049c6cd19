// Sizes and times of the overlay, and what is known of it from outside. docs/decisions/0005 says where they come from.
#pragma once

#include <cstdint>

#include "crdt/ids.hpp"

namespace starling::gossip {

/// Where a node can be reached; what the bytes of an address mean is the driver's business.
struct PeerAddress {
    crdt::NodeKey node{};
    crdt::Bytes address;
    bool operator==(const PeerAddress&) const = default;
};

struct OverlayLimits {
    // -- views
    std::size_t full_mesh_max = 20;    ///< members, this node among them, who link with everybody
    std::size_t full_mesh_again = 16;  ///< so few must be left before partial views become a full mesh again
    std::size_t full_links_max = 24;   ///< links before so many are noticed
    std::size_t active_target = 6;     ///< a partial view with fewer links looks for more,
    std::size_t active_max = 8;        ///< and takes no more than so many
    std::size_t stable_links = 4;      ///< the oldest links, which nobody who asks displaces
    std::size_t passive_max = 30;
    std::size_t book_entries_max = 256;
    std::size_t book_sampled = 128;  ///< of them, kept by lot and not by age

    // -- dials
    std::size_t dials_at_once_max = 6;
    std::size_t idle_links_max = 64;            ///< that carry no data, or not any more
    std::uint64_t dial_us_max = 10'000'000;     ///< without word from the driver
    std::uint64_t answer_us_max = 2'000'000;    ///< an ask without an answer is repeated once
    std::uint64_t ask_wait_us_max = 5'000'000;  ///< a link that nobody asks for is closed
    std::uint64_t retry_us_min = 1'000'000;     ///< after a failed dial; doubled each time
    std::uint64_t retry_us_max = 30'000'000;
    std::uint64_t refused_retry_us = 10'000'000;
    std::uint64_t mode_us = 5'000'000;   ///< between two looks whether partial views are still needed
    std::uint64_t prune_us = 1'000'000;  ///< between two links given up on the way to partial views

    // -- who is alive
    std::uint64_t member_fresh_us = 600'000'000;  ///< word of a node counts for so long
    std::uint64_t crowded_us = 60'000'000;        ///< and a peer's word that a full mesh would be too large
    std::size_t shuffle_hops = 5;
    std::size_t join_hops = 5;
    std::size_t sample_active = 3, sample_passive = 4;  ///< in a shuffle
    std::uint64_t shuffle_us = 30'000'000;
    std::uint64_t shuffle_full_us = 60'000'000;  ///< on a full mesh
    std::uint64_t shuffle_soon_us = 1'000'000;   ///< after a link of a full mesh came up

    // -- components
    std::uint64_t pulse_us = 10'000'000;
    std::uint64_t silence_us_max = 25'000'000;  ///< of a root
    std::uint64_t declare_us_max = 4'000'000;   ///< until somebody else declares itself root
    std::uint64_t probe_us_min = 1'000'000;     ///< for each member that is known, up to
    std::uint64_t probe_us_max = 30'000'000;    ///< this
    std::size_t probe_recent = 32;              ///< every other probe is of one of so many that were alive last

    // -- what strangers may cause: one a period, and so many at once
    std::uint64_t eviction_us = 1'000'000, evictions_at_once_max = 4;
    std::uint64_t join_us = 500'000, joins_at_once_max = 8;        ///< joins passed on to all links
    std::uint64_t walk_us = 250'000, walks_at_once_max = 64;       ///< of one link
    std::uint64_t hearsay_us = 100'000, hearsay_at_once_max = 64;  ///< new names
};

struct OverlayStatus {
    std::size_t active = 0, passive = 0, book = 0, dialling = 0;
    bool partial = false;  ///< false: everybody is to be linked with everybody
};

}  // namespace starling::gossip
