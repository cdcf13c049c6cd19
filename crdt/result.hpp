// What the outside can get wrong comes back as a Result: a value, or a fault that says what was wrong.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "crdt/assert.hpp"

namespace starling::crdt {

enum class FaultCode {
    malformed,      ///< the bytes are not what the format says
    too_large,      ///< a named limit would be exceeded
    unknown_kind,   ///< a newer format or operation kind: this build cannot apply it ("update needed")
    not_available,  ///< what was asked for is not here (any more)
    refused,        ///< the rules forbid it
};

struct Fault {
    FaultCode code;
    std::string what;
};

/// `F` says what was wrong where a Fault would not do.
template <class T, class F = Fault>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::move(value)) {}  // NOLINT(google-explicit-constructor): `return value;`
    Result(F fault) : state_(std::move(fault)) {}  // NOLINT(google-explicit-constructor): `return Fault{…};`

    explicit operator bool() const { return std::holds_alternative<T>(state_); }
    T& operator*() { return value(); }
    const T& operator*() const { return const_cast<Result*>(this)->value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &**this; }
    const F& fault() const {
        STARLING_ASSERT(!*this, "a fault is read only where there is one");
        return std::get<F>(state_);
    }

  private:
    T& value() {
        STARLING_ASSERT(*this, "a result is read only after it was checked");
        return std::get<T>(state_);
    }
    std::variant<T, F> state_;
};

}  // namespace starling::crdt
