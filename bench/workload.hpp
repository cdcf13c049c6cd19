// The keys and the writers that the suites share. Sequential keys flatter (front coding, neighbours in the cache), so
// whatever depends on keys is also measured with random ones.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "crdt/changeset.hpp"
#include "crdt/clock.hpp"
#include "crdt/codec.hpp"
#include "crdt/replica.hpp"
#include "crdt/transaction.hpp"
#include "crdt/views.hpp"

namespace starling::bench {

enum class Keys { sequential, random };

inline const char* name_of(Keys keys) {
    return keys == Keys::sequential ? "sequential keys" : "random keys";
}

/// "key-0000042", or 16 bytes that depend on nothing but `i`; as the one MessagePack string that a field is.
inline crdt::Bytes field_of(Keys keys, std::size_t i) {
    if (keys == Keys::sequential) {
        auto digits = std::to_string(i);
        return crdt::pack_str("key-" + std::string(7 - std::min<std::size_t>(7, digits.size()), '0') + digits);
    }
    std::mt19937_64 draw(i);
    std::string bytes;
    for (int word = 0; word < 2; ++word) {
        auto bits = draw();
        for (int at = 0; at < 8; ++at, bits >>= 8) bytes.push_back(char(bits & 0xff));
    }
    return crdt::pack_str(bytes);
}

inline std::vector<crdt::Bytes> fields_of(Keys keys, std::size_t count) {
    std::vector<crdt::Bytes> fields;
    fields.reserve(count);
    for (std::size_t i = 0; i < count; ++i) fields.push_back(field_of(keys, i));
    return fields;
}

/// 0 … count − 1 in an order that is always the same.
inline std::vector<std::size_t> shuffled(std::size_t count) {
    std::vector<std::size_t> order(count);
    for (std::size_t i = 0; i < count; ++i) order[i] = i;
    std::mt19937_64 draw(1);
    for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[draw() % i]);
    return order;
}

inline crdt::ReplicaId replica_id(std::uint8_t number) {
    crdt::ReplicaId id;
    for (std::size_t i = 0; i < id.node.size(); ++i) id.node[i] = std::uint8_t(number * 37 + i * 11);
    id.life = 0x1234'5678'9abc'def0ULL + number;
    return id;
}

/// Nobody watches the replicas that are measured, so those that can leave the gathering of changes out do.
template <class Replica>
void without_watchers(Replica& replica) {
    if constexpr (requires { replica.gather_changes(false); }) replica.gather_changes(false);
}

/// A replica with a life and a clock on which a thousand transactions take a second.
class Author {
  public:
    explicit Author(std::uint8_t number) : replica_(1) {
        without_watchers(replica_);
        replica_.begin_life(replica_id(number));
    }

    crdt::Replica& replica() { return replica_; }
    const crdt::State& state() const { return replica_.state(); }

    /// Writes operations [from, to), `ops` a transaction, and hands the changeset of each transaction to `take`.
    template <class Operation, class Take>
    void write(std::size_t from, std::size_t to, std::size_t ops, Operation&& operation, Take&& take) {
        for (std::size_t at = from; at < to; at += ops) {
            if (crdt::Transaction::must_cut_first(replica_)) cut(take);
            crdt::Transaction tx(replica_, clock_.next(wall_us_ += 1000));
            for (std::size_t i = at; i < std::min(to, at + ops); ++i) operation(tx, i);
            STARLING_ASSERT(bool(tx.commit()), "the benchmark's writes are valid");
            cut(take);
        }
    }
    template <class Operation>
    void write(std::size_t from, std::size_t to, std::size_t ops, Operation&& operation) {
        write(from, to, ops, operation, [this](const crdt::Changeset& changeset) { bytes_ += changeset.body.size(); });
    }

  private:
    template <class Take>
    void cut(Take&& take) {
        if (auto changeset = replica_.cut()) take(*changeset);
    }

    crdt::Replica replica_;
    crdt::Clock clock_;
    std::uint64_t wall_us_ = 1'700'000'000'000'000;
    std::size_t bytes_ = 0;  ///< of all bodies: so that they are made
};

inline void apply(crdt::Replica& replica, const crdt::Changeset& changeset) {
    const auto body = crdt::decode_body(changeset);
    replica.apply(changeset, body);
}

}  // namespace starling::bench
