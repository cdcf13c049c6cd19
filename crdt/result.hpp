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

template <class T>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::move(value)) {}      // NOLINT(google-explicit-constructor): `return value;`
    Result(Fault fault) : state_(std::move(fault)) {}  // NOLINT(google-explicit-constructor): `return Fault{…};`

    explicit operator bool() const { return std::holds_alternative<T>(state_); }
    T& operator*() { return value(); }
    const T& operator*() const { return const_cast<Result*>(this)->value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &**this; }
    const Fault& fault() const {
        STARLING_ASSERT(!*this, "a fault is read only where there is one");
        return std::get<Fault>(state_);
    }

  private:
    T& value() {
        STARLING_ASSERT(*this, "a result is read only after it was checked");
        return std::get<T>(state_);
    }
    std::variant<T, Fault> state_;
};

}  // namespace starling::crdt
