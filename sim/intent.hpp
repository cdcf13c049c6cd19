// What an application wants of a transaction, in the words of the seven types; how it is carried out through the views;
// and how it is written down for the history, with what each operation observed at that moment.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "crdt/transaction.hpp"
#include "sim/history.hpp"
#include "sim/random.hpp"

namespace starling::sim {

enum class Verb : std::uint8_t {
    counter_add,
    set_add,
    set_remove,
    map_put,
    map_erase,
    register_set,
    register_clear,
    multi_value_set,
    multi_value_clear,
    flag_on,
    flag_off,
    journal_append,
    journal_trim,
};

struct Intent {
    Verb verb{};
    crdt::Bytes key;
    crdt::Bytes field;        ///< sets and maps: the packed element or field
    crdt::Bytes value;        ///< one MessagePack item
    std::int64_t amount = 0;  ///< counters
};

/// The slot that an intent is about.
crdt::Slot slot_of(const Intent& intent);

/// Carries out the intents in a transaction of `origin` and returns what was done, ready for the history once the
/// transaction has committed; the caller fills in the context. Intents that change nothing leave no operation.
LocalTransaction perform(crdt::Transaction& tx, const crdt::ReplicaId& origin, crdt::Seq first,
                         const std::vector<Intent>& intents);

/// The stamp that the transaction's entries got, read back from the state after the commit; 0 where none is live.
crdt::Stamp stamp_of(const LocalTransaction& transaction, const crdt::State& state);

/// How much of everything a workload draws from. Few keys make many conflicts.
struct WorkloadOptions {
    std::uint64_t keys = 2;            ///< of each type
    std::uint64_t fields = 3;          ///< of each set and map
    std::uint64_t operations_max = 4;  ///< in one ordinary transaction
    std::uint64_t value_bytes_max = 8;
};

/// Draws transactions over all types. Some move an amount between two counters, and some write one value into both
/// halves of a pair: whoever reads half a transaction sees it at once (`torn`).
class Workload {
  public:
    Workload(const WorkloadOptions& options, Random random) : options_(options), random_(random) {}

    std::vector<Intent> draw();

    /// What shows that a reader sees half a transaction, if anything.
    static std::optional<std::string> torn(const crdt::State& state);

  private:
    Intent draw_one();
    crdt::Bytes value();

    WorkloadOptions options_;
    Random random_;
    std::int64_t values_ = 0;
};

}  // namespace starling::sim
