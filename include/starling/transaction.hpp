// Several writes that become visible as one: here, on every other node, and to every watcher.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <starling/error.hpp>
#include <starling/export.hpp>
#include <starling/handles.hpp>

namespace starling {

/// A transaction under way; exists only inside `Node::transact`, on its thread. Reading through a handle inside
/// `transact` sees what `tx` has written. Every call throws Errc::wrong_node for a handle of another node and
/// Errc::too_large, Errc::reserved_key, Errc::invalid_argument or Errc::counter_overflow for what cannot be stored; the
/// transaction is then lost, whether or not the exception is caught.
class STARLING_API Tx {
  public:
    Tx(const Tx&) = delete;
    Tx& operator=(const Tx&) = delete;

    void add(const Counter& counter, std::int64_t amount);

    template <class T>
    void insert(const Set<T>& set, const std::type_identity_t<T>& element) {
        apply(set, detail::Operation::insert, encode(element), {});
    }
    template <class T>
    void remove(const Set<T>& set, const std::type_identity_t<T>& element) {
        apply(set, detail::Operation::remove, encode(element), {});
    }
    template <class K, class V>
    void put(const Map<K, V>& map, const std::type_identity_t<K>& field, const std::type_identity_t<V>& value) {
        apply(map, detail::Operation::put, encode(field), encode(value));
    }
    template <class K, class V>
    void erase(const Map<K, V>& map, const std::type_identity_t<K>& field) {
        apply(map, detail::Operation::erase, encode(field), {});
    }
    template <class T>
    void set(const Register<T>& reg, const std::type_identity_t<T>& value) {
        apply(reg, detail::Operation::set, {}, encode(value));
    }
    template <class T>
    void clear(const Register<T>& reg) {
        apply(reg, detail::Operation::clear, {}, {});
    }
    /// Replaces the values seen here; those set elsewhere meanwhile stay.
    template <class T>
    void set(const MultiValue<T>& values, const std::type_identity_t<T>& value) {
        apply(values, detail::Operation::set, {}, encode(value));
    }
    template <class T>
    void clear(const MultiValue<T>& values) {
        apply(values, detail::Operation::clear, {}, {});
    }
    void enable(const Flag& flag);
    void disable(const Flag& flag);
    template <class T>
    void append(const Journal<T>& journal, const std::type_identity_t<T>& value) {
        apply(journal, detail::Operation::append, {}, encode(value));
    }
    template <class T>
    void append_all(const Journal<T>& journal, const std::vector<std::type_identity_t<T>>& values) {
        append_events(journal, std::nullopt, Journal<T>::encoded(values));
    }
    /// False, and nothing is appended, where this node has seen the key in this journal (Journal::append_once).
    template <class T>
    bool append_once(const Journal<T>& journal, std::string_view idempotency_key,
                     const std::vector<std::type_identity_t<T>>& values) {
        return append_events(journal, idempotency_key, Journal<T>::encoded(values));
    }

    // -- reads that see the writes above; the same as through the handle
    std::int64_t value(const Counter& counter) const { return counter.value(); }
    bool enabled(const Flag& flag) const { return flag.enabled(); }
    template <class T>
    bool contains(const Set<T>& set, const std::type_identity_t<T>& element) const {
        return set.contains(element);
    }
    template <class K, class V>
    std::optional<V> get(const Map<K, V>& map, const std::type_identity_t<K>& field) const {
        return map.get(field);
    }
    template <class T>
    std::optional<T> get(const Register<T>& reg) const {
        return reg.get();
    }
    template <class T>
    std::vector<T> get(const MultiValue<T>& values) const {
        return values.get();
    }

  private:
    friend class detail::Core;
    friend class Handle;
    struct Inner;
    explicit Tx(Inner& inner) : inner_(inner) {}
    [[noreturn]] void fail(const Error& why);
    bool trim_some(const Handle& journal, std::size_t keep, std::chrono::microseconds age);
    void apply(const Handle& handle, detail::Operation operation, std::string_view field, std::string value);
    bool append_events(const Handle& journal, std::optional<std::string_view> once,
                       const std::vector<std::string>& values);

    Inner& inner_;
};

}  // namespace starling
