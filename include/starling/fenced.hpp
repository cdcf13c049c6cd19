// A map whose writers hold a lock: each write names the fencing token it was made under, and a write under a lower
// token loses on every node, whatever was seen of the other when it was made, and whatever the clocks say. So what a
// paused or cut-off old holder still writes does no harm.
//
//     auto jobs = node.fenced_map<std::string, Job>("jobs");
//     jobs.put(lock.token(), "7", job);
//
// It converges as a map does: both sides of a partition write, and reads wait for nobody. Tokens of one map are those
// of one lock. An erased field leaves a marker with its token, some 60 bytes, for ever: it is what later writes of old
// holders lose against.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <starling/handles.hpp>
#include <starling/transaction.hpp>

namespace starling {

/// A handle. Of concurrent writes of a field that with the highest (token, stamp, replica) is read. Its key is a map's:
/// do not write it as a `Map`.
template <Field K, Storable V>
class FencedMap : public Handle {
  public:
    FencedMap(detail::CorePtr core, std::string key) : Handle(std::move(core), Type::map, std::move(key)) {}

    std::optional<V> get(const K& field) const {
        const auto found = read_fenced(encode(field));
        return found && found->value ? decode<V>(*found->value) : std::nullopt;
    }
    bool contains(const K& field) const { return get(field).has_value(); }
    /// Under which the field was last written or erased; 0: never.
    std::uint64_t token(const K& field) const {
        const auto found = read_fenced(encode(field));
        return found ? found->token : 0;
    }
    /// Both of one moment.
    std::pair<std::uint64_t, std::optional<V>> token_and_value(const K& field) const {
        const auto found = read_fenced(encode(field));
        if (!found) return {};
        return {found->token, found->value ? decode<V>(*found->value) : std::nullopt};
    }
    /// In the order of the fields' encodings. O(size).
    std::vector<std::pair<K, V>> items() const {
        std::vector<std::pair<K, V>> items;
        for (const auto& raw : read_fields()) {
            auto field = decode<K>(raw);
            const auto found = read_fenced(raw);
            auto value = found && found->value ? decode<V>(*found->value) : std::nullopt;
            if (field && value) items.emplace_back(std::move(*field), std::move(*value));
        }
        return items;
    }

    /// Throws Errc::fenced where this node knows of a write under a higher token: nothing is written then. Tokens are
    /// those of locks: from 1 on (Errc::invalid_argument). Else as a Map's.
    Commit put(std::uint64_t token, const K& field, const V& value) const {
        return write_fenced(token, encode(field), encode(value));
    }
    Commit erase(std::uint64_t token, const K& field) const { return write_fenced(token, encode(field), std::nullopt); }
    /// The same as part of a transaction, which is lost where it throws.
    void put(Tx& tx, std::uint64_t token, const K& field, const V& value) const {
        write_fenced(tx, token, encode(field), encode(value));
    }
    void erase(Tx& tx, std::uint64_t token, const K& field) const {
        write_fenced(tx, token, encode(field), std::nullopt);
    }
};

}  // namespace starling
