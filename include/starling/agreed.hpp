// Registers that a majority of the mesh's voters decides on: what one node was told holds for all, in one order. Where
// the mesh is cut, the side with the majority goes on and the other is refused (docs/coordination.md).
//
//     auto next = node.agreed<int>("ticket");
//     auto mine = next.change([](std::optional<int> n) { return n.value_or(0) + 1; });
//     if (!mine.earlier) use(*mine.value);                                  // nobody else gets this number
//     next.read();                                                          // the last that was decided
//
// Each call waits for the network, up to `within`, and then throws one of two errors: Errc::no_majority, where nothing
// was changed and will not be, and Errc::outcome_unknown, where the change was sent and nobody said what became of it.
// A change that ended so is asked for again with its ChangeId, and is applied once at most.
// Where several nodes change one register without a pause, an attempt that lost may find that more changes came since
// than a register remembers, and ends in Errc::outcome_unknown before its time: spread such work over keys, or do it
// under a lock.
//
// Thread rule: thread-safe; not inside `transact` (Errc::would_deadlock). Crash faults only: a voter that lies, or
// whose directory is set back behind its back, can break all of it.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <starling/codec.hpp>
#include <starling/error.hpp>
#include <starling/export.hpp>
#include <starling/handles.hpp>
#include <starling/types.hpp>

namespace starling {

inline constexpr std::chrono::milliseconds decide_within{2'000};
inline constexpr std::size_t agreed_key_bytes_max = 254;
/// Of a value as MessagePack. A register is rewritten whole with each change.
inline constexpr std::size_t agreed_value_bytes_max = 64 * 1024;

/// Names one change. Empty until an attempt ended in Errc::outcome_unknown; with what it then holds the same change is
/// asked for again, by any node and process, and applied once at most. Of each register the newest 32 changes are
/// remembered; what is older ends in Errc::outcome_unknown again.
struct ChangeId {
    std::uint64_t life = 0, number = 0, since = 0;
    bool empty() const { return life == 0; }
    bool operator==(const ChangeId&) const = default;
};

/// What was decided.
template <class T>
struct Decided {
    std::optional<T> value{};    ///< after the change; nothing: never written, or erased. See `earlier`
    std::uint64_t revision = 0;  ///< counts the changes of this register
    bool changed = false;        ///< false: the change left the value as it was
    /// The change is made, once, by an attempt that seemed to be lost; `value` is the present one, which others may
    /// have made since. Also without a ChangeId: a call makes several attempts. What the change itself made is not
    /// known.
    bool earlier = false;
};

namespace detail {

struct AgreedResult {
    std::optional<std::string> value;
    std::uint64_t revision = 0;
    bool changed = false, earlier = false;
};
/// The new value of the old one, as MessagePack; an empty function reads. What it throws ends the operation.
using AgreedChange = std::function<std::optional<std::string>(const std::optional<std::string>&)>;
STARLING_API AgreedResult decide(Core& core, const std::string& key, const AgreedChange& change,
                                 std::chrono::milliseconds within, ChangeId* id);
[[noreturn]] STARLING_API void not_of_this_type(const std::string& key);

}  // namespace detail

/// A handle, cheap to copy. Throws Errc::closed once the node is.
template <Storable T>
class Agreed {
  public:
    Agreed(detail::CorePtr core, std::string key) : core_(std::move(core)), key_(std::move(key)) {}
    const std::string& key() const { return key_; }

    /// The last value that was decided before this returns and not before it was called: linearizable. As a rule one
    /// round trip to the voters, and no write. Throws Errc::no_majority, and invalid_argument where a value is no T.
    std::optional<T> read(std::chrono::milliseconds within = decide_within) const { return look(within).value; }
    std::optional<T> read(std::chrono::milliseconds within, std::error_code& error) const {
        return reporting<std::optional<T>>(error, [&] { return read(within); });
    }
    /// The same with its revision.
    Decided<T> look(std::chrono::milliseconds within = decide_within) const {
        return typed(detail::decide(*core_, key_, {}, within, nullptr));
    }

    /// Makes the value what `change(std::optional<T>)` makes of it; nothing erases it, and the same leaves it alone. It
    /// may run several times, on threads of the node and of other callers, while nothing else of coordination moves: it
    /// must be quick, depend on its argument alone, take no lock of the application's, and ask nothing of a node:
    /// reading its data, writing and waiting throw Errc::would_deadlock there. What it throws passes through, with
    /// nothing changed. Throws Errc::no_majority, outcome_unknown, too_large, role_forbids (a reader),
    /// invalid_argument.
    template <std::invocable<std::optional<T>> F>
    Decided<T> change(F change, std::chrono::milliseconds within = decide_within) const {
        return typed(detail::decide(*core_, key_, encoded(change), within, nullptr));
    }
    /// `id` is set on Errc::outcome_unknown; give it again to ask again. A change under way when the node closes ends
    /// so too, and not in Errc::closed.
    template <std::invocable<std::optional<T>> F>
    Decided<T> change(F change, std::chrono::milliseconds within, ChangeId& id) const {
        return typed(detail::decide(*core_, key_, encoded(change), within, &id));
    }
    template <std::invocable<std::optional<T>> F>
    Decided<T> change(F change, std::chrono::milliseconds within, ChangeId& id, std::error_code& error) const {
        return reporting<Decided<T>>(error, [&] { return this->change(std::move(change), within, id); });
    }

    /// Sets the value where it is `expected`, and says whether it did. Throws as `change`.
    bool compare_and_set(const std::optional<T>& expected, const std::optional<T>& desired,
                         std::chrono::milliseconds within = decide_within) const {
        ChangeId id;
        return compare_and_set(expected, desired, within, id);
    }
    bool compare_and_set(const std::optional<T>& expected, const std::optional<T>& desired,
                         std::chrono::milliseconds within, ChangeId& id) const {
        const auto wanted = packed(expected), next = packed(desired);
        bool met = false;
        const auto swap = [&](const std::optional<std::string>& found) {
            met = found == wanted;
            return met ? next : found;
        };
        const auto result = detail::decide(*core_, key_, swap, within, &id);
        return met || result.earlier;
    }
    bool compare_and_set(const std::optional<T>& expected, const std::optional<T>& desired,
                         std::chrono::milliseconds within, ChangeId& id, std::error_code& error) const {
        return reporting<bool>(error, [&] { return compare_and_set(expected, desired, within, id); });
    }

  private:
    template <class R, class Call>
    static R reporting(std::error_code& error, Call call) {
        error.clear();
        try {
            return call();
        } catch (const Error& thrown) {
            error = thrown.code();
            return R{};
        }
    }
    static std::optional<std::string> packed(const std::optional<T>& value) {
        return value ? std::optional(encode(*value)) : std::nullopt;
    }
    std::optional<T> unpacked(const std::optional<std::string>& bytes) const {
        if (!bytes) return std::nullopt;
        auto value = decode<T>(*bytes);
        if (!value) detail::not_of_this_type(key_);
        return value;
    }
    template <class F>
    detail::AgreedChange encoded(F& change) const {
        return [this, &change](const std::optional<std::string>& found) {
            return packed(std::optional<T>(change(unpacked(found))));
        };
    }
    Decided<T> typed(const detail::AgreedResult& result) const {
        return {unpacked(result.value), result.revision, result.changed, result.earlier};
    }

    detail::CorePtr core_;
    std::string key_;
};

/// Who decides.
struct Voters {
    struct Voter {
        NodeId node{};
        bool linked = false;    ///< it can be asked from here; of this node always
        bool incoming = false;  ///< a change of voters is under way, and it will be one
        bool leaving = false;   ///< or will not be one any more
    };
    std::uint64_t epoch = 0;    ///< grows with each step of a change; 0: this node knows of no voters
    std::vector<Voter> list{};  ///< ascending by node
    bool votes = false;         ///< this node is one of them, and its role is the one that was named
    bool may_vote = false;      ///< it can be named: it keeps what it promises (Options::vote_in_memory)
};

}  // namespace starling
