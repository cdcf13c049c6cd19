// What a node remembers of peers whose links are gone, so that a link that comes back begins with what rose meanwhile,
// and not with a whole version.
#pragma once

#include <algorithm>
#include <map>
#include <optional>

#include "crdt/assert.hpp"
#include "gossip/origins.hpp"
#include "gossip/wire.hpp"

namespace starling::gossip {

/// Of all peers that are remembered, together: 8 bytes each.
inline constexpr std::size_t past_lines_max = 1 << 20;

/// What a peer was known to hold, at least, and up to which bookmark of its engine that is complete.
struct Past {
    Bookmark bookmark;
    KnownVersion known;
};

/// Invariant: `lines()` is the sum of what is kept, at most `lines_max`. Thread rule: one thread at a time. Every
/// operation is O(peers remembered).
class Pasts {
  public:
    explicit Pasts(std::size_t lines_max = past_lines_max) : lines_max_(lines_max) {}

    /// Those whose links went down longest ago make room.
    void remember(const crdt::NodeKey& peer, Past past) {
        recall(peer);
        const auto more = past.known.seqs().size();
        if (more > lines_max_) return;
        while (lines_ + more > lines_max_) {
            const auto oldest = std::min_element(
                kept_.begin(), kept_.end(), [](const auto& a, const auto& b) { return a.second.turn < b.second.turn; });
            recall(crdt::NodeKey(oldest->first));
        }
        lines_ += more;
        kept_.emplace(peer, Kept{std::move(past), ++turn_});
    }
    /// Takes it out.
    std::optional<Past> recall(const crdt::NodeKey& peer) {
        const auto at = kept_.find(peer);
        if (at == kept_.end()) return {};
        auto past = std::move(at->second.past);
        lines_ -= past.known.seqs().size();
        kept_.erase(at);
        return past;
    }
    void forget() {
        kept_.clear();
        lines_ = 0;
    }
    std::size_t size() const { return kept_.size(); }
    std::size_t lines() const { return lines_; }
    void check() const {
        std::size_t lines = 0;
        for (const auto& [peer, kept] : kept_) lines += kept.past.known.seqs().size();
        STARLING_ASSERT(lines == lines_ && lines <= lines_max_, "what is remembered is counted and bounded");
    }

  private:
    struct Kept {
        Past past;
        std::uint64_t turn;
    };
    std::size_t lines_max_;
    std::map<crdt::NodeKey, Kept> kept_;
    std::size_t lines_ = 0;
    std::uint64_t turn_ = 0;
};

}  // namespace starling::gossip
