#include <starling/transaction.hpp>

#include "crdt/codec.hpp"
#include "crdt/limits.hpp"
#include "crdt/views.hpp"
#include "node/convert.hpp"
#include "node/core.hpp"

namespace starling {

void Tx::Inner::fail(const Error& why) {
    if (!error) error = why;
    transaction.fail({crdt::FaultCode::refused, why.what()});
    throw Error(why);
}

void Tx::Inner::fail_if_faulty() {
    if (error) throw Error(*error);
    if (const auto& fault = transaction.fault()) fail(detail::error_of(*fault));
}

namespace {

/// Would this node's own part of a counter leave the range of its type?
bool overflows(crdt::Transaction& tx, const std::string& key, std::int64_t amount) {
    const auto* mine = tx.own_entry(tx.hashed(crdt::slot_view(crdt::Type::counter, key)));
    std::int64_t total = mine == nullptr ? 0 : crdt::integer_value(mine->value()).value_or(0);
    return __builtin_add_overflow(total, amount, &total);
}

}  // namespace

void Tx::fail(const Error& why) {
    inner_.fail(why);
}

std::uint64_t Handle::stamp_of(const Tx& tx) {
    return tx.inner_.transaction.stamp();
}

void Tx::add(const Counter& counter, std::int64_t amount) {
    if (counter.core_.get() != &inner_.core) inner_.fail(Error(Errc::wrong_node));
    inner_.fail_if_faulty();
    if (overflows(inner_.transaction, counter.key_, amount)) inner_.fail(Error(Errc::counter_overflow, counter.key_));
    if (amount != 0) crdt::Counter::add(inner_.transaction, counter.key_, amount);
    inner_.fail_if_faulty();
}

void Tx::enable(const Flag& flag) {
    apply(flag, detail::Operation::insert, {}, {});
}
void Tx::disable(const Flag& flag) {
    apply(flag, detail::Operation::remove, {}, {});
}

// The value is handed over, whatever the types below make of it.
void Tx::apply(const Handle& handle, detail::Operation operation, std::string_view field,
               std::string value) {  // NOLINT(performance-unnecessary-value-param)
    using detail::Operation;
    if (handle.core_.get() != &inner_.core) inner_.fail(Error(Errc::wrong_node));
    inner_.fail_if_faulty();
    if (field.size() > crdt::field_bytes_max)
        inner_.fail(Error(Errc::too_large, "a field has at most 4096 bytes when encoded"));
    auto& tx = inner_.transaction;
    const auto& key = handle.key_;
    switch (handle.type_) {
        case Type::set:
            operation == Operation::insert ? crdt::Set::add(tx, key, field) : crdt::Set::remove(tx, key, field);
            break;
        case Type::map:
            operation == Operation::put ? crdt::Map::put(tx, key, field, value) : crdt::Map::erase(tx, key, field);
            break;
        case Type::register_:
            operation == Operation::set ? crdt::Register::set(tx, key, value) : crdt::Register::clear(tx, key);
            break;
        case Type::multi_value:
            operation == Operation::set ? crdt::MultiValue::set(tx, key, value) : crdt::MultiValue::clear(tx, key);
            break;
        case Type::flag:
            crdt::Flag::set(tx, key, operation == Operation::insert);
            break;
        case Type::journal:
            crdt::Journal::append(tx, key, value);
            break;
        case Type::counter:
            break;  // goes through add()
    }
    inner_.fail_if_faulty();
}

}  // namespace starling
