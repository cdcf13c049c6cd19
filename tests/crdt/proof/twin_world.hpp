// The twin as a world beside the engine, and what the two must agree about after every step.
#pragma once

#include "tests/crdt/proof/engine.hpp"
#include "tests/crdt/proof/twin.hpp"

namespace starling::proof {

/// An operation in the twin's words.
inline twin::Wish wish_of(const Operation& operation) {
    static_assert(int(crdt::Type::counter) == 1 && int(crdt::Type::journal) == 7);
    return {twin::Kind(int(operation.type) - 1), operation.grow, operation.key, operation.field, operation.value};
}

/// A replica's name in the bytes that order it.
inline std::string name_in_bytes(const crdt::ReplicaId& id) {
    std::string name(id.node.begin(), id.node.end());
    for (int shift = 56; shift >= 0; shift -= 8) name += char(id.life >> shift & 0xff);
    return name;
}

/// What the engine and the twin see differently at a place, in words.
inline std::string disagreement(const Engine& engine, const twin::Twin& twin, std::size_t place) {
    const auto node = std::string("node ") + char('A' + place) + ": ";
    if (engine.version(place) != twin.version(place)) return node + "the twin has seen other operations";
    const auto one = engine.readings(place), other = twin.readings(place, keys_each, fields_each);
    if (one != other) return node + "the engine reads\n" + one + "and the twin\n" + other;
    if (engine.live(place) != twin.live(place)) return node + "the twin holds other entries";
    if (engine.heads(place) != twin.heads(place)) return node + "the twin has other heads";
    return {};
}

class TwinWorld final : public World {
  public:
    const twin::Twin& twin() const { return twin_; }

    void begin(std::size_t place, int life, bool survives) override {
        twin_.begin(place, life, name_in_bytes(replica_of(place, crdt::Life(life))), survives);
    }
    void write(std::size_t place, const std::vector<Operation>& operations, crdt::Stamp stamp, bool undone) override {
        std::vector<twin::Wish> wishes;
        for (const auto& operation : operations) wishes.push_back(wish_of(operation));
        if (!undone) twin_.write(place, wishes, stamp);
    }
    std::optional<std::size_t> cut(std::size_t place) override { return twin_.cut(place); }
    void receive(std::size_t place, std::size_t changeset) override { twin_.receive(place, changeset); }
    /// The log is no part of the twin.
    std::optional<std::vector<std::size_t>> pull(std::size_t, std::size_t) override { return std::nullopt; }
    void trim(std::size_t, int) override {}
    std::size_t pin(std::size_t place) override {
        cut(place);
        return pins_++;
    }
    std::size_t answer(std::size_t place, std::size_t, bool) override {
        cut(place);
        answers_.push_back(twin_.seen(place));
        return answers_.size() - 1;
    }
    void apply(std::size_t place, std::size_t answer) override { twin_.learn(place, answers_[answer]); }
    std::size_t finish(std::size_t place, std::size_t, std::size_t, bool knowing) override {
        return answer(place, 0, knowing);
    }
    /// The twin never errs: it is what others are held against.
    std::string wrong(bool) override { return {}; }

  private:
    twin::Twin twin_;
    std::vector<twin::Dots> answers_;
    std::size_t pins_ = 0;
};

}  // namespace starling::proof
