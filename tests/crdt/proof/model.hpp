// The model of the sync rules: replicas as plain maps, with each rule in the fewest words, and switches that leave one
// rule out. It says nothing about types (a put supersedes what was observed in its slot), bytes or speed. The rules
// were found with it; here it is held against the engine, step by step, and its bugs show that the schedules can see
// what each rule prevents.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/crdt/proof/schedule.hpp"

namespace starling::proof {

class Model final : public World {
  public:
    /// What is left out.
    enum class Bug : std::uint8_t {
        none,
        nodeps,       ///< a changeset is applied without its dependencies
        nointerval,   ///< a diff keeps what arrived since the snapshot and is dead at the answerer
        resurrect,    ///< a diff inserts entries that the present version already covers
        openwindow,   ///< versions are advertised while a window is open
        lostremoves,  ///< coalescing drops the removals of a superseded write
        unpinned,     ///< a diff session mixes the pinned version with entries of the present state
        emptychange,  ///< a changeset that only removes takes no dot
        reuse,        ///< a node that lost its tail goes on in its old life
        noforce,      ///< an end record does not oblige a state diff
    };
    /// `liars`: some nodes are told two stories under one dot, which an end record heals at last. Lives do not end
    /// then.
    explicit Model(Bug bug = Bug::none, bool liars = false) : bug_(bug), liars_(liars) {}

    void begin(std::size_t place, int life, bool survives) override;
    void write(std::size_t place, const std::vector<Operation>& operations, crdt::Stamp stamp, bool undone) override;
    std::optional<std::size_t> cut(std::size_t place) override { return cut(nodes_[place], {}); }
    void receive(std::size_t place, std::size_t changeset) override;
    std::optional<std::vector<std::size_t>> pull(std::size_t place, std::size_t asker) override;
    void trim(std::size_t place, int life) override { nodes_[place].log[life].clear(); }
    std::size_t pin(std::size_t place) override;
    std::size_t answer(std::size_t place, std::size_t pin, bool knowing) override;
    void apply(std::size_t place, std::size_t answer) override;
    std::size_t finish(std::size_t place, std::size_t answer, std::size_t pin, bool knowing) override;
    void lie(std::size_t place, std::size_t other) override;
    void heal_begins() override;
    bool may_pull(bool wants) override { return wants || bug_ == Bug::noforce; }
    void heal_without_log(std::size_t place, std::size_t peer) override;
    /// Each replica holds exactly what its version implies, and equal versions hold equal live sets.
    std::string wrong(bool healed) override;

    using Dot = std::pair<int, std::uint64_t>;  ///< (life, seq)
    using Live = std::map<Dot, std::string>;    ///< and the slot
    using Version = std::map<int, std::uint64_t>;

    // -- what the engine is held against; the open window included
    Version version(std::size_t place) const;
    const Version& heads(std::size_t place) const { return nodes_[place].heads; }
    const Live& live(std::size_t place) const { return nodes_[place].live; }

  private:
    struct Changeset {
        int origin = 0;
        std::uint64_t first = 0;
        std::uint64_t count = 0;
        Version deps;
        std::map<std::uint64_t, std::string> puts;
        std::set<Dot> removes;
        Version ends;  ///< replicas that end, with the last dot of each that holds
        std::uint64_t last() const { return first + count - 1; }
    };
    struct Written {
        std::uint64_t seq;
        std::optional<std::string> slot;  ///< of a put
        std::set<Dot> removed;
    };
    struct Node {
        int id = 0;
        Version version, heads, limit;
        Live live;
        std::map<int, std::vector<std::size_t>> log;
        std::vector<std::size_t> waiting;
        std::vector<Written> window;
    };
    /// One instant of a replica.
    struct Pin {
        Version version;
        Live live;
        Version heads, limit;
    };
    struct Difference {
        Version base, version;
        Live entries;
        std::set<Dot> removed;
        Version heads, limit;
    };
    struct Answer {
        Difference difference;
        Pin pin;  ///< of the answerer
    };

    static bool covers(const Version& version, const Dot& dot);
    static Difference difference(const Pin& mine, const Pin& theirs);

    std::optional<std::size_t> cut(Node& node, const Version& ends);
    Pin pinned(Node& node);
    void accept(Node& node, std::size_t number);
    void end(Node& node, int replica, std::uint64_t last);
    bool ready(const Node& node, const Changeset& changeset) const;
    bool acceptable(const Node& node, std::size_t number) const;
    void drain(Node& node);
    void join_heads(Node& node, const Difference& diff, const Version& before) const;
    Live implied(const Node& node, bool with_window) const;

    Bug bug_;
    bool liars_;
    std::vector<Node> nodes_;
    std::vector<Changeset> changesets_;
    std::vector<std::size_t> history_;  ///< the changesets of those who do not lie
    std::vector<Pin> pins_;
    std::vector<Answer> answers_;
};

}  // namespace starling::proof
