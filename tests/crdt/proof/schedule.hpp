// A schedule: what happens to a few nodes, step by step, drawn from a seed beforehand. It names nodes by place and
// messages by their number on the wire, so that one schedule can be run over several worlds at once: the engine, the
// twin that judges it, the model. Each world knows its own way of holding replicas.
#pragma once

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "tests/crdt/proof/operation.hpp"

namespace starling::proof {

inline constexpr std::size_t places_max = 5;

enum class Act : std::uint8_t { write, undone, cut, deliver, pull, hello, trim, crash, lie };

struct Step {
    Act act{};
    std::size_t place = 0;
    std::size_t other = 0;
    std::uint64_t draw = 0;  ///< chance of the step itself: which message, who is sent to, what survives
    crdt::Stamp wall = 0;
    std::vector<Operation> operations;
};

struct Schedule {
    std::size_t places = 2;
    std::vector<Step> steps;
    std::uint64_t heal = 0;  ///< seeds the choices of the heal
};
/// `liars`: some nodes are told two stories by one that lies (for worlds that can tell).
Schedule draw_schedule(std::uint64_t seed, const std::vector<crdt::Type>& types, bool liars = false);
std::ostream& operator<<(std::ostream& out, const Schedule& schedule);

/// Nodes, each at its place, that hold replicas. Changesets, pins and answers are numbered in the order in which they
/// are made; a replica is named by the number of its life.
class World {
  public:
    World() = default;
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    virtual ~World() = default;

    /// A node begins anew in a life of its own; `survives`: with all that it had cut or been given before.
    virtual void begin(std::size_t place, int life, bool survives) = 0;
    virtual void write(std::size_t place, const std::vector<Operation>& operations, crdt::Stamp stamp, bool undone) = 0;
    /// Closes the window; the number of the changeset, nothing where no window was open.
    virtual std::optional<std::size_t> cut(std::size_t place) = 0;
    virtual void receive(std::size_t place, std::size_t changeset) = 0;
    /// What the asker lacks, out of the log; nothing where that has a gap.
    virtual std::optional<std::vector<std::size_t>> pull(std::size_t place, std::size_t asker) = 0;
    /// Forgets the log of a life.
    virtual void trim(std::size_t place, int life) = 0;
    /// Opens a session: what the node names as its own version, with the window cut first.
    virtual std::size_t pin(std::size_t place) = 0;
    /// Answers it. `knowing`: the pin had said what lives there.
    virtual std::size_t answer(std::size_t place, std::size_t pin, bool knowing) = 0;
    virtual void apply(std::size_t place, std::size_t answer) = 0;
    /// The other half of a session: answers the answerer, by what its answer said. `pin` opened the session.
    virtual std::size_t finish(std::size_t place, std::size_t answer, std::size_t pin, bool knowing) = 0;
    /// One who lies tells two nodes two stories under one dot.
    virtual void lie(std::size_t, std::size_t) {}
    /// All windows are closed and all is brought together.
    virtual void heal_begins() {}
    /// Whether the heal may use the log, or must use a diff.
    virtual bool may_pull(bool wants) { return wants; }
    /// A heal by pull where the log serves nothing.
    virtual void heal_without_log(std::size_t place, std::size_t peer) {
        apply(place, answer(peer, pin(place), false));
    }
    /// What is wrong, looked at after each step; `healed` at the end.
    virtual std::string wrong(bool healed) = 0;
};

/// Runs a schedule over all worlds in step. What one of them found wrong, or `compare` between them, with the step.
std::string run(
    const Schedule& schedule, const std::vector<World*>& worlds,
    const std::function<std::string()>& compare = [] { return std::string(); });

}  // namespace starling::proof
