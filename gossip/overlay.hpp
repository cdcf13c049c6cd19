// Whom to be linked with: sans-IO, like the engine that owns it. While all known members fit a full mesh, everybody
// links with everybody. Beyond that each node keeps a partial view (HyParView: Leitão, Pereira, Rodrigues, DSN 2007): a
// few active links, which carry data, and a larger passive view to replace them from, renewed by random walks.
//
// Where this differs from the paper:
//  - whoever has too few links is let in by a node that is full too, which gives up one of its younger links and sends
//    the other end of that to the newcomer: the newcomer is put into the middle of a link, and nobody has fewer;
//  - refusals bring addresses, so that one answer leads to many;
//  - an address book that is never purged is probed all the time. A probe compares component labels and leads to a link
//    only where the two differ, so a split mesh finds together and a whole one is left alone.
//
// A link that is up carries no data before one side has asked and the other has accepted; both then hold it active.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "gossip/address_book.hpp"
#include "gossip/budget.hpp"
#include "gossip/component.hpp"
#include "gossip/io.hpp"
#include "gossip/overlay_messages.hpp"

namespace starling::gossip {

/// What is to be done, in order. `activate` comes after the message that tells the peer, `deactivate` before the link
/// is closed or another message says why.
struct OverlayAction {
    enum class Kind : std::uint8_t { say, connect, disconnect, activate, deactivate };
    Kind kind = Kind::say;
    crdt::NodeKey peer{};
    crdt::Bytes address = {};                    ///< connect: where
    std::optional<OverlayMessage> message = {};  ///< say: what
    std::string_view why = {};                   ///< disconnect
};

/// Invariants: active links are at most what the mode allows, and each is a link that is up; the passive view is
/// bounded, part of the book and holds nobody linked; dials and links without an answer are bounded and end; what
/// strangers ask for is done out of budgets. Thread rule: one thread at a time. Calls are O(log n) of the book, O(n)
/// where somebody is chosen from it.
class Overlay {
  public:
    Overlay(const crdt::NodeKey& self, const OverlayLimits& limits, std::function<std::uint64_t()> random, Now now);

    // -- what happened
    void candidate(const PeerAddress& peer, Now now);
    void connect_failed(const crdt::NodeKey& peer, Now now);
    void link_up(const crdt::NodeKey& peer, const crdt::Bytes& address, Now now);
    void link_down(const crdt::NodeKey& peer, Now now);
    void received(const crdt::NodeKey& peer, const OverlayMessage& message, Now now);
    void tick(Now now);

    /// What follows from it.
    std::vector<OverlayAction> take_actions() { return std::exchange(actions_, {}); }
    std::uint64_t due_us() const;

    bool active(const crdt::NodeKey& peer) const;
    std::vector<crdt::NodeKey> active_view() const;  ///< ascending
    const std::vector<crdt::NodeKey>& passive_view() const { return passive_; }
    const AddressBook& book() const { return book_; }
    ComponentLabel component() const { return component_.label(); }
    bool partial() const { return partial_; }
    OverlayStatus status() const;
    void check() const;

  private:
    enum class Stage : std::uint8_t {
        waiting,  ///< the peer dialled, and is to ask
        asking,   ///< asked; the answer is to come
        active,   ///< carries data
        parting,  ///< refused or given up; the peer is to close it
    };
    struct Link {
        Stage stage = Stage::waiting;
        AskPurpose purpose = AskPurpose::spare;  ///< asking: what for
        bool asked_again = false;
        crdt::Bytes address;
        std::uint64_t since_us = 0;
        std::uint64_t deadline_us = UINT64_MAX;  ///< of every stage but the active one
        Budget walks;                            ///< that the peer may send this way
    };
    struct Dial {
        AskPurpose purpose;
        std::uint64_t deadline_us;
    };

    // -- overlay.cpp: links
    void on(const crdt::NodeKey& peer, const Ask& ask);
    void on(const crdt::NodeKey& peer, const Answer& answer);
    void on(const crdt::NodeKey& peer, const Farewell& farewell);
    void on(const crdt::NodeKey& peer, const Pulse& pulse);
    AskVerdict judge(const crdt::NodeKey& peer, const Ask& ask);
    void activate(const crdt::NodeKey& peer, Link& link);
    void forward_join(const crdt::NodeKey& peer);
    void give_up(const crdt::NodeKey& peer, Sample instead);
    bool make_room_for(const crdt::NodeKey& peer);
    void say(const crdt::NodeKey& peer, OverlayMessage message);
    void disconnect(const crdt::NodeKey& peer, std::string_view why);
    void want(const crdt::NodeKey& peer, AskPurpose purpose);
    void ask(const crdt::NodeKey& peer, Link& link, AskPurpose purpose);
    std::vector<crdt::NodeKey> by_age() const;
    bool has_room() const;
    std::size_t links_max() const { return partial_ ? limits_.active_max : limits_.full_links_max; }
    void flood(const std::optional<crdt::NodeKey>& except);
    void link_timers();

    // -- overlay_views.cpp: whom to choose
    void fill();
    void settle();
    void choose_mode();
    void prune();
    void probe();
    std::size_t live_members() const;
    bool live(const crdt::NodeKey& node, const BookEntry& entry) const;
    bool idle(const crdt::NodeKey& node) const;
    std::optional<crdt::NodeKey> best_candidate(bool only_live);
    bool passive(const crdt::NodeKey& node) const;
    void add_passive(const crdt::NodeKey& node);
    void drop_passive(const crdt::NodeKey& node);

    // -- overlay_walks.cpp: samples
    void on(const crdt::NodeKey& peer, const ForwardJoin& join);
    void on(const crdt::NodeKey& peer, const Shuffle& shuffle);
    void on(const crdt::NodeKey& peer, const ShuffleReply& reply);
    void begin_shuffle();
    Sample sample(std::size_t active_max, std::size_t passive_max, const crdt::NodeKey& except);
    Sample referral(const crdt::NodeKey& except);
    Sample exchange(const crdt::NodeKey& except);
    std::optional<KnownPeer> known(const crdt::NodeKey& node) const;
    void hear(const KnownPeer& peer);
    void take_sample(const Sample& sample);
    std::optional<crdt::NodeKey> next_hop(const std::vector<crdt::NodeKey>& path);

    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    std::uint64_t jittered(std::uint64_t us) { return us - us / 4 + below(us / 2 + 1); }

    crdt::NodeKey self_;
    OverlayLimits limits_;
    std::function<std::uint64_t()> random_;

    Now now_;  ///< of the call being handled
    std::vector<OverlayAction> actions_;
    std::map<crdt::NodeKey, Link> links_;  ///< that are up
    std::size_t active_ = 0;               ///< of them
    std::map<crdt::NodeKey, Dial> dials_;
    std::vector<crdt::NodeKey> passive_;  ///< ascending
    AddressBook book_;
    Component component_;
    Budget evictions_, joins_, hearsay_;

    bool partial_ = false;
    std::uint64_t crowded_until_us_ = 0;  ///< a peer said that it keeps partial views
    std::size_t failed_in_a_row_ = 0;     ///< dials; with each, one more is tried at a time
    bool shuffling_ = false;              ///< a reply is awaited
    std::uint64_t next_shuffle_us_, next_probe_us_, next_prune_us_ = 0;
    std::uint64_t fill_due_us_ = UINT64_MAX;  ///< somebody whom a link is wanted with may be dialled again
    std::uint64_t next_mode_us_ = 0;          ///< whether partial views are still needed is not asked before this
};

}  // namespace starling::gossip
