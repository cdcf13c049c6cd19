// The network: links between pairs of nodes, each with its own delays and faults. It carries opaque bytes and tells
// both ends when a link is up or down, as the real transport does; a link that dies is dialled again.
//
// A link lives in incarnations, from one connection to its loss, and nothing crosses from one to the next. A silent
// partition is a black hole: what is under way vanishes, and each end notices on its own, when its heartbeats time out.
// A clean cut is noticed soon.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "sim/queue.hpp"
#include "sim/random.hpp"

namespace starling::sim {

/// Unordered pairs, the smaller place first.
using Edge = std::pair<Place, Place>;
using Edges = std::set<Edge>;
enum class Topology : std::uint8_t { full, path, ring, star, random };
constexpr std::size_t topologies = 5;

std::string name_of(Topology topology);
/// The links of a topology over so many nodes; always connected.
Edges edges_of(Topology topology, std::size_t nodes, Random& random);

struct NetworkOptions {
    std::uint64_t delay_us_min = 100;            ///< each direction of a link draws its own least delay from here …
    std::uint64_t delay_us_max = 10'000;         ///< … to here,
    std::uint64_t jitter_us_max = 2'000;         ///< and every message up to this much more
    std::uint64_t straggler_permille = 5;        ///< messages that take
    std::uint64_t straggler_us_max = 200'000;    ///< up to this much longer
    std::uint64_t loss_permille = 0;             ///< messages lost within an incarnation
    std::uint64_t duplicate_permille = 0;        ///< messages that arrive twice
    std::uint64_t reorder_permille = 0;          ///< messages that may overtake those before them
    std::uint64_t heartbeat_us_max = 1'500'000;  ///< silence that ends a link
    std::uint64_t notice_us_max = 20'000;        ///< until an end notices a clean cut
    std::uint64_t redial_us_max = 100'000;       ///< until a lost link is dialled again
    bool on_demand = false;                      ///< no link is dialled but by `dial`
    std::uint64_t connect_us_max = 1'500'000;    ///< until a dial that reaches nobody fails
};

/// How many faults have fired, by name.
using FaultCounts = std::map<std::string, std::uint64_t>;

/// Invariants: an end sees link_up and link_down in turn; between them only messages of that incarnation. Ends that see
/// a link up belong to one incarnation. Thread rule: one thread at a time. Every call is O(log links).
class Network {
  public:
    Network(Queue& queue, const Edges& edges, std::size_t nodes, const NetworkOptions& options, Random random);

    /// Dials every link, unless they are dialled on demand.
    void start();
    /// One attempt: a link_up of the same link at both ends follows, or as a rule a connect_failed for `from`.
    void dial(Place from, Place to);
    void send(Place from, Place to, const crdt::Bytes& bytes);
    /// Whether an event of the network still happens: a message to a link that is up, an end whose link comes up or
    /// goes down. Others are stale, or the network's own.
    bool happens(const Event& event);

    // -- faults
    /// The connection is lost; both ends notice soon, and it is dialled again.
    void cut(Place a, Place b);
    /// One end drops the link, as it does with a peer that breaks the protocol.
    void hang_up(Place at, Place peer);
    void block(Place a, Place b);
    void unblock(Place a, Place b);
    void node_down(Place place);
    void node_up(Place place);
    /// No more loss, duplicates, reordering or stragglers; delays stay.
    void calm();

    bool up(Place at, Place peer) const;
    const Edges& edges() const { return edges_; }
    const FaultCounts& faults() const { return faults_; }
    void check() const;

  private:
    struct End {
        bool up = false;
        std::uint64_t up_us = 0;     ///< when it saw, or will see, the present incarnation up
        std::uint64_t last_us = 0;   ///< when the last message to this end arrives
        std::uint64_t delay_us = 0;  ///< the least, towards this end
    };
    struct Link {
        std::uint64_t incarnation = 0;
        std::uint64_t token = 0;
        bool live = false;   ///< connecting or connected: not lost to both ends yet
        bool dying = false;  ///< lost, and not every end has noticed
        bool blocked = false;
        std::array<End, 2> ends;  ///< of the smaller place, of the greater
    };

    Link& link(Place a, Place b);
    End& end(Place at, Place peer);
    void lose(Place a, Place b);
    void notice(Place at, Place peer, std::uint64_t within_us, std::uint64_t token);
    void dial_soon(Place a, Place b);
    void connect(Place a, Place b);
    void went_down(Place at, Place peer);
    std::uint64_t travel_us(const End& to);

    Queue& queue_;
    Edges edges_;
    NetworkOptions options_;
    Random random_;
    std::map<Edge, Link> links_;
    std::vector<bool> alive_;
    FaultCounts faults_;
};

}  // namespace starling::sim
