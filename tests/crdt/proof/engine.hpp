// The real thing as a world: replicas of crdt/ with the little that a peer has around them, namely a log, changesets
// that wait for their causes, and a disk that holds every input, from which a replica can be built again.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "crdt/difference.hpp"
#include "tests/crdt/proof/schedule.hpp"
#include "tests/crdt/proof/story.hpp"

namespace starling::proof {

/// A live entry in plain words, for worlds that know no crdt/: life, seq, slot, stamp, depth, value.
using Row = std::tuple<int, std::uint64_t, std::string, std::uint64_t, std::uint64_t, std::int64_t>;

class Engine final : public World {
  public:
    void begin(std::size_t place, int life, bool survives) override;
    void write(std::size_t place, const std::vector<Operation>& operations, crdt::Stamp stamp, bool undone) override;
    std::optional<std::size_t> cut(std::size_t place) override;
    void receive(std::size_t place, std::size_t changeset) override;
    std::optional<std::vector<std::size_t>> pull(std::size_t place, std::size_t asker) override;
    void trim(std::size_t place, int life) override;
    std::size_t pin(std::size_t place) override;
    std::size_t answer(std::size_t place, std::size_t pin, bool knowing) override;
    void apply(std::size_t place, std::size_t answer) override;
    std::size_t finish(std::size_t place, std::size_t answer, std::size_t pin, bool knowing) override;
    /// Invariants, and rule 1 between any two nodes; once healed all must be one.
    std::string wrong(bool healed) override;

    // -- what other worlds are held against
    std::size_t places() const { return nodes_.size(); }
    /// Life → seq; the open window included.
    std::map<int, std::uint64_t> version(std::size_t place) const;
    std::map<int, std::uint64_t> heads(std::size_t place) const;
    std::vector<Row> live(std::size_t place) const;
    std::string readings(std::size_t place) const;

  private:
    struct Input {
        bool is_answer;
        std::size_t number;
    };
    struct Node {
        crdt::ReplicaId id;
        std::unique_ptr<crdt::Replica> replica;
        std::vector<std::size_t> waiting;
        std::map<crdt::ReplicaId, std::vector<std::size_t>> log;
        std::vector<Input> disk;
    };
    struct Pin {
        crdt::Version base;
        crdt::LiveDots live;
    };

    std::size_t answer_to(std::size_t place, const Pin& pin, bool knowing);
    void drain(Node& node);
    int life_of(const crdt::ReplicaId& id) const { return lives_.at(id); }

    std::vector<Node> nodes_;
    std::deque<Travelled> changesets_;
    std::vector<Pin> pins_;
    std::vector<crdt::Difference> answers_;
    std::map<crdt::ReplicaId, int> lives_;
    std::string fault_;
};

}  // namespace starling::proof
