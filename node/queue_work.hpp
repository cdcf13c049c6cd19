// What the calls of a queue share: its data, its book and its register.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/core.hpp"
#include "node/queue_book.hpp"
#include "node/queue_data.hpp"

namespace starling::detail {

/// Of one call. One thread.
struct QueueWork {
    QueueWork(const CorePtr& of, const std::string& name);

    using Move = std::function<void(agree::ClaimRecord&)>;
    /// Changes the claims, and tells the book what a majority said. The move may run several times, and may be applied
    /// again after it was: it must then change nothing that matters. Throws as `Agreed::change`.
    agree::ClaimRecord change(const Move& move, std::uint64_t deadline_us) const;
    /// Reads them. Throws as `Agreed::read`.
    agree::ClaimRecord look(std::uint64_t deadline_us) const;
    /// Takes jobs out of a lease, and lets nobody claim who has not applied `head`. False where no majority was told.
    bool finish(std::uint64_t token, const std::vector<JobId>& jobs, const std::optional<crdt::Dot>& head,
                const crdt::Version& applied, std::uint64_t deadline_us) const;

    /// The how-many-eth a job of a lease is; nothing where the lease is over, or no majority says that it is not.
    std::optional<std::uint64_t> attempt(std::uint64_t token, const JobId& job, std::uint64_t deadline_us) const;

    /// A write of the queue that claimants must have applied.
    struct Written {
        std::optional<crdt::Dot> head;
        crdt::Version applied;  ///< by whom it was written
    };
    using Write = std::function<void(Tx&)>;
    /// One transaction for each part, in order. The head covers them all, also where they find nothing to write since
    /// an earlier call did. Returns when it is durable, where there is a disk. Throws as `transact` and
    /// `Commit::durable`.
    Written write(const std::vector<Write>& parts) const;

    CorePtr core;
    QueueData data;
    std::shared_ptr<QueueBook> book;
    crdt::Bytes key;
};

/// What a commit wrote last, once it is durable where there is a disk; nothing where it wrote nothing.
std::optional<crdt::Dot> durable_head(const Commit& commit);
/// Throws where a call would wait for its own caller, or the node may not write.
void require_may_work(const Core& core);
/// As `boot_us`, at most a year from now.
std::uint64_t until_us(std::chrono::milliseconds from_now);

}  // namespace starling::detail
