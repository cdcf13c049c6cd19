// The network: links between pairs of nodes, each with its own delays and faults. It carries opaque bytes and tells
// both ends when a link is up or down, as the real transport does; a link that dies is dialled again.
//
// A link lives in incarnations, from one connection to its loss, and nothing crosses from one to the next. A silent
// partition is a black hole, in one direction or both: what is under way vanishes, and each end notices on its own,
// when its heartbeats time out. A clean cut is noticed soon.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/queue.hpp"
#include "sim/random.hpp"
#include "sim/topology.hpp"

namespace starling::sim {

struct NetworkOptions {
    std::uint64_t delay_us_min = 100;            ///< each direction of a link draws its own least delay from here …
    std::uint64_t delay_us_max = 10'000;         ///< … to here,
    std::uint64_t jitter_us_max = 2'000;         ///< and every message up to this much more
    std::uint64_t straggler_permille = 5;        ///< messages that take
    std::uint64_t straggler_us_max = 200'000;    ///< up to this much longer
    std::uint64_t resend_permille = 0;           ///< times that the link has to send a message once more, as TCP does:
    std::uint64_t resend_us = 200'000;           ///< it is late by this, doubled each time, and so is what follows it
    std::uint64_t loss_permille = 0;             ///< messages lost within an incarnation
    std::uint64_t duplicate_permille = 0;        ///< messages that arrive twice
    std::uint64_t reorder_permille = 0;          ///< messages that may overtake those before them
    std::uint64_t heartbeat_us_max = 1'500'000;  ///< silence that ends a link
    std::uint64_t notice_us_max = 20'000;        ///< until an end notices a clean cut
    std::uint64_t redial_us_max = 100'000;       ///< until a lost link is dialled again
    bool redials = true;  ///< else a lost link is forgotten, and whoever wants it calls `dial` again
    std::uint64_t connect_us_max = 1'500'000;  ///< until whoever dialled in vain hears of it, where nobody redials
};

/// How many faults have fired, by name.
using FaultCounts = std::map<std::string, std::uint64_t>;

/// Invariants: an end sees link_up and link_down in turn; between them only messages of that incarnation. Ends that see
/// a link up belong to one incarnation. Thread rule: one thread at a time. Every call is O(log links of a node), faults
/// of a node O(its links), splits O(links).
class Network {
  public:
    Network(Queue& queue, const Edges& edges, std::size_t nodes, const NetworkOptions& options, Random random);

    /// Dials every link.
    void start();
    void send(Place from, Place to, crdt::Bytes bytes);
    /// Whether an event of the network still happens: a message to a link that is up, an end whose link comes up or
    /// goes down. Others are stale, or the network's own.
    bool happens(const Event& event);

    // -- links that come and go
    /// A connection from here on, unless there is one. Where a node is down or a partition lies between, nothing comes
    /// of it until the network dials again; where it does not, `from` hears of a connect_failed in the end, as a rule.
    void dial(Place from, Place to);
    /// One end drops the link: it does not want it any more, or the peer breaks the protocol.
    void hang_up(Place at, Place peer);

    // -- faults
    /// The connection is lost; both ends notice soon, and it is dialled again.
    void cut(Place a, Place b);
    /// Also keeps apart two that have no link.
    void block(Place a, Place b);
    /// What goes from one end to the other vanishes; the other direction carries.
    void block_way(Place from, Place to);
    void unblock(Place a, Place b);
    /// A partition between the nodes marked and the others, silent; also for links dialled while it lasts. One way:
    /// what the marked ones send vanishes.
    void split(const std::vector<bool>& marked, bool one_way = false);
    /// The partition ends, and with it every block.
    void rejoin();
    void node_down(Place place);
    void node_up(Place place);
    /// What a node sends leaves at so many bytes a second, over all its links; 0: at once.
    void set_upload(Place place, std::uint64_t bytes_per_s);
    /// No more loss, resending, duplicates, reordering or stragglers; delays stay.
    void calm();

    bool up(Place at, Place peer) const;
    const Edges& edges() const { return edges_; }
    const NetworkOptions& options() const { return options_; }
    /// The least time from an end to the other: what no protocol beats on this link.
    std::uint64_t delay_us(Place from, Place to) const;
    /// Those that a node has links to, up or not, ascending.
    std::vector<Place> neighbours(Place place) const;
    const FaultCounts& faults() const { return faults_; }
    void check() const;

  private:
    struct End {
        bool up = false;
        bool blocked = false;        ///< what is sent towards this end vanishes
        std::uint64_t up_us = 0;     ///< when it saw, or will see, the present incarnation up
        std::uint64_t last_us = 0;   ///< when the last message to this end arrives
        std::uint64_t delay_us = 0;  ///< the least, towards this end
        std::uint64_t token = 0;     ///< of the timeout that is running, if one is
    };
    struct Link {
        std::uint64_t incarnation = 0;
        bool live = false;        ///< connecting or connected: not lost to both ends yet
        bool dying = false;       ///< lost, and not every end has noticed
        std::array<End, 2> ends;  ///< of the smaller place, of the greater
        bool blocked() const { return ends[0].blocked || ends[1].blocked; }
    };
    struct Neighbour {
        Place peer;
        std::size_t link;
    };
    struct Node {
        std::vector<Neighbour> neighbours;  ///< ascending by peer
        bool alive = true;
        bool marked = false;  ///< on one side of the partition
        std::uint64_t upload_bytes_per_s = 0;
        std::uint64_t upload_free_us = 0;  ///< when what was sent before has left
    };

    const Link* find(Place a, Place b) const;
    Link* find(Place a, Place b);
    Link& link(Place a, Place b);
    static End& end_of(Link& link, Place at, Place peer) { return link.ends[at < peer ? 0 : 1]; }
    Link& add(Place a, Place b);
    void forget(Place a, Place b);
    bool parted(Place from, Place to) const;
    void lose(Link& link, Place a, Place b);
    void notice(const Link& link, Place at, Place peer, std::uint64_t within_us);
    void silence(Link& link, Place at, Place peer);
    void clear_block(Place a, Place b);
    void ended(Link& link, Place a, Place b);
    void dial_soon(Place a, Place b);
    void connect(Place a, Place b);
    void went_down(Link& link, Place at, Place peer);
    std::uint64_t travel_us(const End& to);
    std::uint64_t leave_us(Place from, std::size_t bytes);

    Queue& queue_;
    Edges edges_;
    NetworkOptions options_;
    Random random_;
    std::vector<Node> nodes_;
    std::deque<Link> links_;
    std::vector<std::size_t> free_links_;
    bool split_ = false, split_one_way_ = false;
    std::uint64_t next_incarnation_ = 1, next_token_ = 1;
    FaultCounts faults_;
};

}  // namespace starling::sim
