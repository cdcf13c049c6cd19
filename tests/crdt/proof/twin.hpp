// The naive twin: it keeps every operation that anyone ever made, with the operations whose effect it took away, and
// for each node the plain set of operations that it has seen. Whatever is asked is found by going through all of them
// from the beginning. No versions, no join, no index, no windows that coalesce, and not a line or a name of crdt/: two
// such different things that agree after every step are hardly wrong in the same way.
//
// Everything is slow, and obvious.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace starling::proof::twin {

using Dot = std::pair<int, int>;  ///< (life, seq)
using Dots = std::set<Dot>;

enum class Kind : std::uint8_t { counter, set, map, one, many, flag, journal };  ///< one, many: registers

/// What somebody means to do.
struct Wish {
    Kind kind{};
    bool grow = true;
    int key = 0;
    int field = 0;
    int value = 0;
};

/// What became of it.
struct Deed {
    Wish wish;
    Dots removed;            ///< what it took away: what its node saw live there
    std::int64_t total = 0;  ///< of a counter's life so far
    std::uint64_t stamp = 0;
    std::uint64_t depth = 0;
};

struct Changeset {
    Dots dots;
    Dots causes;  ///< everything its node had seen
};

/// A live entry in plain words: life, seq, slot, stamp, depth, value.
using Row = std::tuple<int, std::uint64_t, std::string, std::uint64_t, std::uint64_t, std::int64_t>;

class Twin {
  public:
    /// A node begins a life, whose `name` orders it among the lives. What it had seen survives or not.
    void begin(std::size_t place, int life, std::string name, bool survives);
    void write(std::size_t place, const std::vector<Wish>& wishes, std::uint64_t stamp);
    std::optional<std::size_t> cut(std::size_t place);
    /// The changeset waits until all its causes are seen.
    void receive(std::size_t place, std::size_t changeset);
    /// All that a node has seen, as it is now.
    Dots seen(std::size_t place) const { return nodes_[place].seen; }
    void learn(std::size_t place, const Dots& dots);

    // -- readings, each from all that was ever done
    std::map<int, std::uint64_t> version(std::size_t place) const;
    std::map<int, std::uint64_t> heads(std::size_t place) const;
    std::vector<Row> live(std::size_t place) const;
    std::string readings(std::size_t place, int keys, int fields) const;

  private:
    struct Node {
        int life = 0;
        Dots seen;
        Dots window;
        std::vector<std::size_t> waiting;
    };

    Dots visible(const Node& node) const;
    Dots live_in(const Node& node, Kind kind, int key, std::optional<int> field) const;
    std::vector<Dot> newest_first(const Dots& dots) const;
    std::vector<Dot> in_causal_order(const Dots& dots) const;
    std::uint64_t depth(const Node& node) const;
    void grow(Node& node, Deed& deed, const Dot& dot) const;
    bool shrink(const Node& node, Deed& deed) const;
    void drain(Node& node);
    std::string reading(const Node& node, Kind kind, int key, int fields) const;

    std::map<Dot, Deed> deeds_;
    std::vector<Changeset> changesets_;
    std::vector<Node> nodes_;
    std::map<int, std::string> names_;
};

}  // namespace starling::proof::twin
