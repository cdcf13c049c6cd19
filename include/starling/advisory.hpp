// Advisory locks: who says that they have something, in data that converges. Nobody decides: it works with no majority,
// offline and on both sides of a partition, and so it excludes nobody. Two nodes may have it at once until they hear of
// each other; then the word that is later by its writer's clock stands, renewals included, and the other sees that at
// its next look. No token, no order.
//
//     auto desk = node.advisory_lock("desk-4", 30s);
//     if (desk.take("Ann")) …              // nobody here has heard of another
//     desk.renew();                        // again and again, well within the time to live
//
// For courtesy among people and work that may be done twice. What must be done once is for `node.lock` (lock.hpp).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <starling/handles.hpp>
#include <starling/lock.hpp>
#include <starling/value.hpp>

namespace starling {

/// As far as this node has heard.
struct AdvisoryState {
    std::optional<NodeId> holder{};  ///< who says so, and may have died; nothing: nobody does
    std::string note{};
    bool mine = false;  ///< it is what this handle wrote
};

/// Kept in a register of its key, which nobody else may set. One thread at a time. Destroying it gives up nothing: what
/// was taken ends when it is not renewed, or by `release`.
class STARLING_API AdvisoryLock {
  public:
    AdvisoryLock(detail::CorePtr core, std::string key, NodeId self, std::chrono::milliseconds ttl);

    /// Says that this node has it. False where another says so and has not been seen silent for its time to live. No
    /// clocks are compared for that, so of whoever is dead a handle must first have seen the last word, by `take`,
    /// `state` or `held`, for so long. Throws as a Register's `set`, and Errc::too_large (`lock_note_bytes_max`).
    bool take(const std::string& note = {});
    /// False where another word stands now, or none: it is taken no more. Throws as a Register's `set`.
    bool renew();
    /// Whether this handle's word stands here, and was written within nine tenths of the time to live. Others may
    /// believe the same of theirs.
    bool held();
    void release();
    AdvisoryState state();

  private:
    struct Word {
        NodeId holder{};
        std::int64_t turn = 0;  ///< by chance, so that no two are alike
        std::int64_t renewal = 0;
        std::int64_t ttl_ms = 0;
        std::string note{};
        bool operator==(const Word&) const = default;
    };
    std::optional<Word> look();
    bool is_mine(const std::optional<Word>& word) const { return mine_ && word && word->turn == mine_->turn; }
    /// Writes what `next` makes of the word that stands, unless that is nothing; no other word comes between.
    bool say(const std::function<std::optional<Word>(const std::optional<Word>&)>& next);

    detail::CorePtr core_;
    Register<Value> said_;
    NodeId self_;
    std::chrono::milliseconds ttl_;
    std::optional<Word> mine_{};  ///< as it was last written
    std::uint64_t wrote_us_ = 0;
    std::optional<Word> seen_{};  ///< what was last read
    std::uint64_t since_us_ = 0;  ///< unchanged since, by this node's clock
};

}  // namespace starling
