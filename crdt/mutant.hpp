// Seeded bugs, for the tests of the tests: each leaves out one rule, or one half of a type, a code or an index, and
// scripts/mutants shows that some suite notices. In ordinary builds `mutant` is a constant and nothing of this is left.
#pragma once

#ifdef STARLING_MUTANTS
#include <cstdlib>
#endif

namespace starling::crdt {

/// What is broken, and the rule that it breaks. scripts/mutants reads this list.
enum class Mutant : unsigned char {
    none = 0,
    // -- changesets
    ignores_dependencies = 1,     ///< rule 2: dependencies come first
    ignores_removed_dots = 2,     ///< rule 2: removed dots are covered first
    ignores_previous = 3,         ///< rule 2: the origin's previous changeset comes first
    void_takes_no_dots = 4,       ///< rule 4: the dots of a void body count
    removes_others_counters = 5,  ///< rule 4: another replica's counter entry is not removable
    removes_journal_entries = 6,  ///< rule 4: only a trim takes journal entries
    mesh_keys_are_ordinary = 7,   ///< rule 4: what is below $mesh/ only grows, and in maps alone
    clock_is_dragged = 8,         ///< rule 5: a stamp drags the clock a minute at most
    depth_is_not_learnt = 9,      ///< depth: one more than the greatest applied
    covered_heads_stay = 10,      ///< heads: what another changeset depends on is none
    names_no_heads = 11,          ///< dependencies are the heads
    // -- windows and transactions
    removals_are_forgotten = 12,     ///< windows: removal lists are never dropped
    removing_takes_no_dot = 13,      ///< every operation takes a dot, also one that only removes
    window_keeps_depth = 14,         ///< what arrived in the window is a cause of its changeset
    rollback_restores_nothing = 15,  ///< transactions: all or nothing
    // -- state diffs
    diff_keeps_removed = 16,        ///< rule 7: drop the named removals
    diff_keeps_interval = 17,       ///< rule 7: drop what arrived meanwhile and is dead there
    diff_resurrects = 18,           ///< rule 7: insert outside the present version only
    diff_keeps_heads = 19,          ///< rule 7: join the heads
    diff_forgets_depth = 20,        ///< rule 7: a diff carries the depth
    diff_forgets_stamps = 21,       ///< rule 7: a diff carries each origin's last stamp
    diff_is_not_pinned = 22,        ///< rule 6: the window is cut before a diff is answered
    diff_forgets_base = 23,         ///< rule 7: a diff is applied at the version it was asked for
    compare_is_not_pinned = 66,     ///< rule 6: the sets of a comparison are those of its versions
    verdict_digest_unchecked = 67,  ///< diff: what stays after a verdict is believed by its digest only
    sketch_digest_unchecked = 68,   ///< diff: so is a decoded set
    compare_trusts_cells = 69,      ///< diff: so is a set made of cells
    // -- types
    put_keeps_observed = 24,     ///< writing: a put supersedes what it observed
    drop_takes_one = 25,         ///< writing: a removal drops all observed entries
    counter_takes_all = 26,      ///< counter: a total supersedes this replica's entry only
    counter_starts_anew = 27,    ///< counter: a total is the sum of this replica's adds
    counter_reads_one = 28,      ///< counter: the sum of all live entries
    oldest_wins = 29,            ///< map, register: the highest (stamp, replica)
    multi_value_reads_one = 30,  ///< multi-value: all concurrent values
    flag_stays_on = 31,          ///< flag: off drops what it observed
    journal_ignores_depth = 32,  ///< journal: causes before effects
    trim_leaves_last = 33,       ///< journal: a trim goes up to and including its entry
    // -- codes
    longer_integers_pass = 34,  ///< codec: one form of each number
    any_field_passes = 35,      ///< codec: a field is one canonical scalar
    stamps_are_not_read = 36,   ///< codec: each entry has its own stamp
    stamps_wrap = 37,           ///< codec: stamps saturate
    own_runs_reversed = 38,     ///< codec: runs are ascending when read
    bitmap_is_shifted = 39,     ///< wire: a bitmap begins at its first seq
    definitions_are_kept = 40,  ///< wire: a peer that lost the numbers gets them anew
    // -- indexes and logs
    fingerprint_only_grows = 41,   ///< rule 1: the fingerprint is that of the live entries
    version_hash_only_grows = 42,  ///< rule 1: the version hash is that of the seen seqs
    empty_journals_stay = 43,      ///< index: no journal is empty
    log_serves_gaps = 44,          ///< pull: what the log does not hold is gone
    log_survives_diffs = 45,       ///< log: no gaps
    pull_skips_one = 46,           ///< pull: the exact ranges lacked
    evicts_nearest = 47,           ///< rule 2: the farthest from delivery is evicted
    unequal_states_pass = 48,      ///< rule 1: equal versions with unequal fingerprints are a fault
    // -- entries as blocks
    blocks_by_arithmetic = 49,   ///< seqs: where blocks are missing, a block's place is searched for
    next_is_not_in_order = 50,   ///< slots: while a slot has an entry, one of them stands for it in the order
    cells_leave_home = 51,       ///< slots: a removal moves no cell before its home
    blocks_are_cut_short = 52,   ///< arena: a block has room for all of its size class
    shorter_prefixes_pass = 53,  ///< codec: as much of a text is shared as can be
    repeated_keys_pass = 54,     ///< codec: a key that stays is not written again
    open_window_counts = 55,     ///< rule 6: what the window holds is not in the fingerprint
    journal_keeps_place = 56,    ///< windows: a journal entry moves to where its final depth puts it
    first_run_is_enough = 57,    ///< rule 2: all removed dots are covered, not those of the first run alone
    export_forgets_stamps = 58,  ///< export: a state has each origin's last stamp
    // -- lives and counters that many lives added to
    dormant_lives_forget_stamps = 90,  ///< lives: one that sleeps keeps its last stamp
    counter_sums_only_grow = 91,       ///< counter: a running sum is that of the live entries
    // -- writes that wait for memory
    readers_miss_the_queue = 59,  ///< transactions: whoever reads inside one finds its writes
    put_takes_any_place = 60,     ///< applying: a put takes the place of what its own body removes only
    // -- trees and digests
    new_links_are_eager = 61,      ///< trees: a new link starts lazy
    stops_are_not_heard = 62,      ///< trees: a peer that has it from elsewhere gets no more pushes of it
    pulls_graft_nothing = 63,      ///< trees: a peer that had to pull is pushed to
    duplicates_stop_nobody = 64,   ///< trees: a duplicate makes its receiver ask the sender to stop
    digests_are_not_counted = 65,  ///< digests: one that was lost is noticed by its number
    quiet_lives_rise = 70,         ///< lives: where many rise unnumbered, all that is based on them begins anew
    matches_are_believed = 71,     ///< lives: what a matching found is believed by the version's hash only
    // -- seals
    seals_are_believed = 130,      ///< seals: what is applied was signed by its origin
    unsealed_pass = 131,           ///< seals: what comes without a seal is not applied
    heads_are_not_compared = 132,  ///< seals: a changeset continues the chain of what was applied
    pulls_end_unsealed = 133,      ///< seals: the answer to a pull ends with a seal
    // -- the store
    own_leave_undurable = 80,     ///< rule 9: own changesets leave when they are durable
    version_told_undurable = 81,  ///< rule 9: so is a version before it is told
    pulls_get_undurable = 82,     ///< rule 9: also where it is asked for
    log_is_trimmed_early = 83,    ///< store: the log is kept from the last fold on
    folds_leave_the_dead = 84,    ///< store: the row of what died goes
    folds_take_uncovered = 85,    ///< store: what a rolled-back transaction touched is not folded
    leftover_rows_stay = 86,      ///< store: rows of a fold that did not end go first
    folds_end_late = 87,          ///< store: a fold ends with the version that it began with
    failed_store_goes_on = 88,    ///< store: after a failed sync nothing is acknowledged
    // -- majority registers
    ballots_are_reused = 100,          ///< ballots: each attempt has one of its own
    ballots_forget_lives = 101,        ///< ballots: what a life forgot is never used again
    promises_are_not_synced = 102,     ///< acceptors: a promise is durable before it is told
    accepts_are_not_synced = 103,      ///< acceptors: so is what was accepted
    prepare_is_skipped = 104,          ///< proposers: after another's write, prepare comes first
    next_is_not_promised = 105,        ///< acceptors: one round trip only where the accept promised the next ballot
    old_epochs_pass = 107,             ///< voters: lower epochs are refused
    voters_change_at_once = 108,       ///< voters: every decision of a change has both majorities
    keys_are_not_rewritten = 109,      ///< voters: a change ends when every register was rewritten
    retries_apply_again = 110,         ///< registers: a retry is applied once
    takeover_by_wall_clock = 111,      ///< locks: a contender waits by its own clock that only grows
    renewal_counts_from_answer = 112,  ///< locks: a holder counts from the send of its renewal
    contender_counts_from_send = 113,  ///< locks: a contender counts from the answer of its read
    takeover_unseen = 114,             ///< locks: who takes over checks that nothing changed since
    token_stays = 115,                 ///< locks: each holder has a token above all before
    request_ids_begin_anew = 116,      ///< requests: an answer to an earlier life is not one to this
    newcomers_renew = 117,             ///< locks: who joins the line gives no sign of life for the holder
    lists_outlive_epochs = 118,        ///< voters: the keys that are rewritten are those of the epoch that ends
    claims_count_by_lock = 119,        ///< locks: two locks of one node exclude each other
    set_back_votes_count = 120,        ///< voters: the votes of one that went back count no more
    drift_is_ignored = 121,            ///< locks: a holder stops believing before its time to live is over
    answers_leave_unsynced = 122,      ///< store: what a voter answers is durable before it leaves
    copies_vote = 123,                 ///< store: a copy of a voter's store has no voter's role
};

#ifdef STARLING_MUTANTS
/// True for the one that the environment variable STARLING_MUTANT names by its number.
inline bool mutant(Mutant which) {
    static const auto chosen = [] {
        const char* number = std::getenv("STARLING_MUTANT");
        return number == nullptr ? Mutant::none : Mutant(std::atoi(number));
    }();
    return which == chosen;
}
#else
constexpr bool mutant(Mutant) {
    return false;
}
#endif

}  // namespace starling::crdt
