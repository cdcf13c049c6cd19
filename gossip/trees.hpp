// Who passes whose changesets to whom: a tree for each origin node. Each node decides for itself, for each origin and
// each of its links, whether it pushes (an eager edge) or only tells in its digests (a lazy one). Nobody builds trees;
// what arrives shapes them:
//
//   a duplicate push      its receiver asks the sender to stop: the sender's edge becomes lazy, the receiver's own
//                         direction stays as it is
//   a pull                the digest was there and the push was not: the edge becomes eager
//   a new link            lazy for every tree there is; an own write goes to all links until a peer asks to stop
//   a new origin          inherits: where its first changeset came in through link A, it goes out through link B if
//                         the trees known to come in through A tend to go out through B
//
// The last rule spares the flood that a new origin's first changeset would be. Trees belong to node keys, not to lives,
// so a restart finds them as they were. Decision 0006 has what was compared and measured.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "gossip/origins.hpp"

namespace starling::gossip {

/// Links are inherited along while a node has at most so many; with more, every new origin goes to all of them.
inline constexpr std::size_t inherited_links_max = 32;

/// When a new tree takes a pair of links that others come in and go out through.
struct Inheritance {
    std::uint32_t trees_min = 4;    ///< with fewer of them the pair is not judged, but taken
    std::uint32_t percent_min = 5;  ///< so many of them must go out that way
};

/// What a node does with the changesets of one tree on one link.
enum class Edge : std::uint8_t {
    unknown,  ///< nothing of the tree was ever due on the link
    tried,    ///< pushed, and the peer has not said yet whether it was the first to
    eager,    ///< pushed
    lazy,     ///< told in digests: the peer asked to stop
    untried,  ///< told in digests: the link is new, or nothing inherited says otherwise
};

/// A link's number at this node: small, and free again when the link is down.
using LinkId = std::uint32_t;

/// Invariants: what a pair of links is judged by is the count of the eager and lazy edges of the trees that come in
/// through the one, on the other. Thread rule: one thread at a time. All is O(1), but `up`, `down` and a changed
/// parent, which are O(trees), O(trees) and O(links). A tree takes a byte on each link and 4 bytes.
class Trees {
  public:
    explicit Trees(const Inheritance& inheritance) : inheritance_(inheritance) {}

    /// A link is up: lazy for `trees` trees, but for the own one.
    LinkId up(std::size_t trees, std::optional<TreeId> own);
    void down(LinkId slot);

    /// A changeset of the tree came in through a link before it came through any other.
    void came(TreeId tree, LinkId in);
    /// Whether pushes of the tree come in through this link.
    bool comes_from(TreeId tree, LinkId slot) const { return parent(tree) == slot; }
    bool has_parent(TreeId tree) const { return parent(tree) != none; }

    /// Whether a changeset of the tree goes out through a link. An edge that is not known is decided now.
    bool push(TreeId tree, LinkId out);
    /// The peer holds what was pushed, and did not ask to stop.
    void held(TreeId tree, LinkId out);
    /// The peer asked to stop.
    void stop(TreeId tree, LinkId out);
    /// The peer had to pull.
    void graft(TreeId tree, LinkId out);

    Edge edge(TreeId tree, LinkId slot) const;
    void check() const;

  private:
    static constexpr LinkId none = UINT32_MAX;
    struct Counts {
        std::uint32_t eager = 0, lazy = 0;
        bool operator==(const Counts&) const = default;
    };

    LinkId parent(TreeId tree) const { return tree < parents_.size() ? parents_[tree] : none; }
    bool inherits(LinkId in, LinkId out) const;
    void set(TreeId tree, LinkId out, Edge edge);
    void count(LinkId in, LinkId out, Edge edge, bool on);

    Inheritance inheritance_;
    std::vector<std::optional<std::vector<Edge>>> links_;  ///< by slot; nothing where it is free
    std::vector<LinkId> parents_;                          ///< by tree
    std::vector<Counts> counts_;                           ///< by (in, out), both below inherited_links_max
};

}  // namespace starling::gossip
