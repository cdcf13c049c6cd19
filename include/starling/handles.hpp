// Handles: typed names of data. Cheap to copy, thread-safe, valid for as long as they live: after the node is closed
// they still read what was there, and writes throw Errc::closed. A handle that was moved from may only be assigned to
// or destroyed. Data comes into being with its first write.
//
// Reads take what this node holds, own uncommitted writes included when called inside `transact`; they wait for neither
// network nor disk. What another build or a faulty peer wrote in a shape that T cannot take reads as absent; a handle
// of Value reads everything.
//
// Each write is a transaction of its own and throws what `Node::transact` throws. Several that belong together go into
// one `transact`.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <starling/codec.hpp>
#include <starling/commit.hpp>
#include <starling/export.hpp>
#include <starling/types.hpp>
#include <starling/watch.hpp>

namespace starling {

namespace detail {

class Core;
using CorePtr = std::shared_ptr<Core>;

enum class Operation { insert, remove, put, erase, set, clear, append };

struct RawJournalEntry {
    Dot dot;
    Stamp stamp;
    std::string value;
};

/// What a field of a fenced map holds: without a value it was erased.
struct Fenced {
    std::uint64_t token = 0;
    std::optional<std::string> value;
};

}  // namespace detail

class Tx;

/// What all handles share. Bytes in here are MessagePack items; the typed handles are for use.
class STARLING_API Handle {
  public:
    const std::string& key() const { return key_; }
    Type type() const { return type_; }

  protected:
    Handle(detail::CorePtr core, Type type, std::string key);
    ~Handle() = default;
    Handle(const Handle&) = default;
    Handle(Handle&&) = default;
    Handle& operator=(const Handle&) = default;
    Handle& operator=(Handle&&) = default;

    std::int64_t read_total() const;
    bool read_presence(std::string_view field) const;
    std::optional<std::string> read_value(std::string_view field) const;
    std::vector<std::string> read_fields() const;
    std::vector<std::pair<std::string, std::string>> read_items() const;
    std::vector<std::string> read_values() const;
    std::vector<detail::RawJournalEntry> read_journal(const Version& since) const;
    Commit write(detail::Operation operation, std::string_view field, std::string value) const;
    std::optional<detail::Fenced> read_fenced(std::string_view field) const;
    Commit write_fenced(std::uint64_t token, std::string_view field, const std::optional<std::string>& value) const;
    void write_fenced(Tx& tx, std::uint64_t token, std::string_view field,
                      const std::optional<std::string>& value) const;
    /// When a transaction was begun, by the node's hybrid clock; no other of this life has the same.
    static std::uint64_t stamp_of(const Tx& tx);
    Commit trim_events(std::size_t keep, std::chrono::microseconds age) const;
    Commit write_events(std::optional<std::string_view> once, const std::vector<std::string>& values) const;
    const detail::CorePtr& core_pointer() const { return core_; }
    detail::Core& core() const { return *core_; }
    /// Calls `changed` on the watcher thread after each transaction that changes this key.
    Subscription watch_key(std::function<void(const Changes&)> changed) const;

  private:
    friend class Tx;
    friend class Node;
    detail::CorePtr core_;
    Type type_;
    std::string key_;
};

/// A sum that every node may raise and lower at once without losing any of it.
class STARLING_API Counter : public Handle {
  public:
    Counter(detail::CorePtr core, std::string key);
    /// Sums that leave the range of std::int64_t stop at its end. O(replicas that ever added).
    std::int64_t value() const { return read_total(); }
    /// Throws Errc::counter_overflow when this node's own part would leave the range of std::int64_t.
    Commit add(std::int64_t amount) const;
    /// `changed(std::int64_t)` runs on the watcher thread after each change.
    template <std::invocable<std::int64_t> F>
    Subscription watch(F changed) const {
        return watch_key([changed = std::move(changed), self = *this](const Changes& changes) mutable {
            if (changes.overflow) return void(changed(self.value()));
            for (const auto& change : changes) {
                const auto* sum = change.value ? change.value->template as<std::int64_t>() : nullptr;
                changed(sum == nullptr ? 0 : *sum);
            }
        });
    }
};

/// A set in which an add and a concurrent remove of the same element leave it in.
template <Field T>
class Set : public Handle {
  public:
    Set(detail::CorePtr core, std::string key) : Handle(std::move(core), Type::set, std::move(key)) {}
    bool contains(const T& element) const { return read_presence(encode(element)); }
    /// In the order of their encodings. O(size).
    std::vector<T> elements() const {
        std::vector<T> elements;
        for (const auto& field : read_fields()) {
            if (auto element = decode<T>(field)) elements.push_back(std::move(*element));
        }
        return elements;
    }
    std::size_t size() const { return read_fields().size(); }
    Commit insert(const T& element) const { return write(detail::Operation::insert, encode(element), {}); }
    Commit remove(const T& element) const { return write(detail::Operation::remove, encode(element), {}); }
};

/// Fields with a value each. Among concurrent puts of a field the last by the writers' clocks wins; a put after another
/// wins whatever the clocks say; a put wins over a concurrent erase.
template <Field K, Storable V>
class Map : public Handle {
  public:
    Map(detail::CorePtr core, std::string key) : Handle(std::move(core), Type::map, std::move(key)) {}
    std::optional<V> get(const K& field) const {
        const auto value = read_value(encode(field));
        return value ? decode<V>(*value) : std::nullopt;
    }
    bool contains(const K& field) const { return get(field).has_value(); }
    /// In the order of the fields' encodings. O(size).
    std::vector<std::pair<K, V>> items() const {
        std::vector<std::pair<K, V>> items;
        for (const auto& [raw_field, raw_value] : read_items()) {
            auto field = decode<K>(raw_field);
            auto value = decode<V>(raw_value);
            if (field && value) items.emplace_back(std::move(*field), std::move(*value));
        }
        return items;
    }
    std::size_t size() const { return read_fields().size(); }
    Commit put(const K& field, const V& value) const {
        return write(detail::Operation::put, encode(field), encode(value));
    }
    Commit erase(const K& field) const { return write(detail::Operation::erase, encode(field), {}); }
};

/// One value; concurrent writes are settled as in a Map.
template <Storable T>
class Register : public Handle {
  public:
    Register(detail::CorePtr core, std::string key) : Handle(std::move(core), Type::register_, std::move(key)) {}
    std::optional<T> get() const {
        const auto value = read_value({});
        return value ? decode<T>(*value) : std::nullopt;
    }
    Commit set(const T& value) const { return write(detail::Operation::set, {}, encode(value)); }
    Commit clear() const { return write(detail::Operation::clear, {}, {}); }
    /// `changed(std::optional<T>)` runs on the watcher thread after each change.
    template <std::invocable<std::optional<T>> F>
    Subscription watch(F changed) const {
        return watch_key([changed = std::move(changed), self = *this](const Changes& changes) mutable {
            if (changes.overflow) return void(changed(self.get()));
            for (const auto& change : changes)
                changed(change.value ? decode<T>(change.value->encode()) : std::optional<T>());
        });
    }
};

/// One value, but concurrent writes are all kept until somebody who has seen them sets it anew.
template <Storable T>
class MultiValue : public Handle {
  public:
    MultiValue(detail::CorePtr core, std::string key) : Handle(std::move(core), Type::multi_value, std::move(key)) {}
    /// The newest by its writer's clock first.
    std::vector<T> get() const {
        std::vector<T> values;
        for (const auto& raw : read_values()) {
            if (auto value = decode<T>(raw)) values.push_back(std::move(*value));
        }
        return values;
    }
    Commit set(const T& value) const { return write(detail::Operation::set, {}, encode(value)); }
    Commit clear() const { return write(detail::Operation::clear, {}, {}); }
};

/// On or off; of a concurrent on and off, on stays.
class STARLING_API Flag : public Handle {
  public:
    Flag(detail::CorePtr core, std::string key);
    bool enabled() const { return read_presence({}); }
    Commit enable() const;
    Commit disable() const;
    /// `changed(bool)` runs on the watcher thread after each change.
    template <std::invocable<bool> F>
    Subscription watch(F changed) const {
        return watch_key([changed = std::move(changed), self = *this](const Changes& changes) mutable {
            if (changes.overflow) return void(changed(self.enabled()));
            for (const auto& change : changes) changed(change.value.has_value());
        });
    }
};

template <Storable T>
class Events;

/// Of an idempotency key.
inline constexpr std::size_t idempotency_key_bytes_max = 256;

/// A list that only grows. Everybody reads it in the same order, in which causes come before effects; what was written
/// elsewhere meanwhile may show up before the end.
template <Storable T>
class Journal : public Handle {
  public:
    struct Entry {
        Dot dot;
        Stamp stamp;  ///< as the writer's clock told it
        T value;
    };

    Journal(detail::CorePtr core, std::string key) : Handle(std::move(core), Type::journal, std::move(key)) {}
    /// The values, oldest first. O(size).
    std::vector<T> values() const {
        std::vector<T> values;
        for (auto& entry : since({})) values.push_back(std::move(entry.value));
        return values;
    }
    std::vector<Entry> entries() const { return since({}); }
    /// Only what `seen` does not cover: keep `Node::version()` of the last look. O(size).
    std::vector<Entry> since(const Version& seen) const {
        std::vector<Entry> entries;
        for (const auto& raw : read_journal(seen)) {
            if (auto value = decode<T>(raw.value)) entries.push_back({raw.dot, raw.stamp, std::move(*value)});
        }
        return entries;
    }
    Commit append(const T& value) const { return write(detail::Operation::append, {}, encode(value)); }
    /// All of them in one transaction, one after the other in the order of the journal.
    Commit append_all(const std::vector<T>& values) const { return write_events(std::nullopt, encoded(values)); }
    /// The same, unless this node has seen an append to this journal with the same key: then nothing is appended,
    /// `Commit::wrote` is false, and `Commit::version` covers what was appended then. Of appends with one key that did
    /// not know of each other, readers see the one that is first in the order; watchers are told of all. A key is
    /// remembered as long as its entries are. Throws Errc::invalid_argument for an empty key or no values,
    /// Errc::too_large for more than idempotency_key_bytes_max.
    Commit append_once(std::string_view idempotency_key, const std::vector<T>& values) const {
        return write_events(idempotency_key, encoded(values));
    }
    /// Drops the oldest entries, on every node, until at most `keep` are left and none is older than `age` by its
    /// writer's clock. Entries that this node has not seen stay, wherever they belong. Whoever has not read what is
    /// dropped gets Errc::trimmed from its feed. Several transactions where it is much; the commit is the last.
    /// O(dropped).
    Commit trim(std::size_t keep, std::chrono::microseconds age = std::chrono::microseconds::max()) const {
        return trim_events(keep, age);
    }
    /// This journal as a feed that can be read on from a cursor (events.hpp).
    Events<T> events() const;

  private:
    friend class Tx;
    static std::vector<std::string> encoded(const std::vector<T>& values) {
        std::vector<std::string> items;
        items.reserve(values.size());
        for (const auto& value : values) items.push_back(encode(value));
        return items;
    }
};

}  // namespace starling
