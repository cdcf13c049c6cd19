// What is bounded in majority registers, with units. Limits of what travels are constants of the protocol: who proposes
// and who answers must agree on them, or a register could be written that nobody can read.
#pragma once

#include <cstddef>
#include <cstdint>

#include "crdt/limits.hpp"

namespace starling::agree {

inline constexpr std::size_t voters_max = 7;
inline constexpr std::size_t register_key_bytes_max = 256;
/// The application's value in one register. A register is rewritten whole with each change.
inline constexpr std::size_t register_value_bytes_max = 64 * 1024;
/// Ids of the newest changes, which a register's value carries so that a retry is noticed.
inline constexpr std::size_t applied_ids_max = 32;
/// Changes of one register that one round carries. No round drives its own ids out of the value.
inline constexpr std::size_t batch_operations_max = applied_ids_max / 2;
/// A register with its ids, as it travels.
inline constexpr std::size_t register_bytes_max = register_value_bytes_max + 2048;
/// Keys in one page of an acceptor's list.
inline constexpr std::size_t page_keys_max = 128;

/// Ballot counters, epochs, revisions and sync counters stop below this, so that no claim overflows anyone's own.
inline constexpr std::uint64_t count_max = crdt::seq_max;

/// Holders and waiters of one lock, and what a holder says of itself.
inline constexpr std::size_t lock_waiting_max = 64;
inline constexpr std::size_t lock_note_bytes_max = 1024;
/// 100 ms to a day: shorter ones are lost to any pause, longer ones outlive whoever forgot them.
inline constexpr std::uint64_t lock_ttl_us_min = 100'000;
inline constexpr std::uint64_t lock_ttl_us_max = 24ULL * 3600 * 1'000'000;
/// By how much a holder stops believing before its time to live is over, in thousandths of it. Two clocks may differ in
/// rate by as much (a little less than a tenth) before a contender can take over while a holder still believes.
inline constexpr std::uint64_t drift_margin_permille = 100;

/// Of one work queue: leases at a time, jobs in a lease, heads that a claimant must have applied, attempts at a job.
/// All of it, 52 kB at the most, fits a register.
inline constexpr std::size_t leases_max = 64;
inline constexpr std::size_t lease_jobs_max = 32;
inline constexpr std::size_t claim_heads_max = 32;
inline constexpr std::uint64_t attempts_max = 10'000;

}  // namespace starling::agree
