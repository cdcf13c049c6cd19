// The thread that owns the sockets. It carries what happens on the links to the peer and does what the peer asks for;
// all others only leave it notes and wake it.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gossip/io.hpp"
#include "net/transport.hpp"
#include "node/log.hpp"

namespace starling::detail {

class Agreement;

/// What the network thread drives; called on that thread.
class NetworkDriver {
  public:
    virtual ~NetworkDriver() = default;
    /// Effects in their order: first those of what other threads did, which left a note.
    virtual std::vector<gossip::Effects> handle(const gossip::Input& input) = 0;
    virtual gossip::Status peer_status() = 0;
    /// What goes aside, past the peer.
    virtual Agreement& agreed() = 0;
    /// Waits for what is on its way to the disk; the effects of that come with the next `handle`.
    virtual void settle_store() = 0;
    /// Looks at some of the membership records that came. True: there are more.
    virtual bool look_at_records() = 0;
};

/// What is known of the network, a tenth of a second old at most while the thread runs.
struct NetworkFigures {
    std::vector<net::LinkCounters> links;
    net::DoorCounters door;
    std::vector<std::string> addresses;
    std::uint16_t port = 0;
    net::Diagnosis diagnosis;
};

/// The present, for gossip::Input.
gossip::Now present();

/// Thread rule: public calls are thread-safe; start and stop are called once each, by one thread. Invariant: after
/// stop() no call to the driver is made.
class Network {
  public:
    Network(NetworkDriver& driver, std::unique_ptr<net::Transport> transport, Log log);
    ~Network();

    void start();
    /// Cuts the window, gives what is queued linger_ms_max to leave, and joins the thread.
    void stop();

    /// Own transactions are in the window, or effects are there for this thread.
    void written();
    /// What is agreed has something to send, or is due earlier.
    void wake();
    /// The window is to be cut now.
    void flush();
    void block(std::set<net::NodeKey> nodes);
    void set_roll(net::Roll roll);
    void set_secrets(net::MeshSecret mesh);
    void add_peer(std::string address);
    NetworkFigures figures() const;

  private:
    void run();
    std::chrono::milliseconds until_due() const;
    void feed(net::LinkEvent&& event);
    void take_notes();
    void handle(const gossip::Input& input);
    void perform(const gossip::Effects& effects);
    void tick();
    void keep_out(const net::NodeKey& peer);
    void look_at_agreed();
    void apply_blocks();
    void refresh(bool now);
    void report_faults();
    void farewell();

    NetworkDriver& driver_;
    const Log log_;
    std::unique_ptr<net::Transport> transport_;
    std::thread thread_;

    // notes of other threads
    std::atomic<bool> written_{false}, flush_{false}, stopping_{false};
    mutable std::mutex mutex_;  // guards what follows, up to the figures
    std::vector<std::string> new_peers_;
    std::optional<std::set<net::NodeKey>> new_blocks_;
    std::optional<net::Roll> new_roll_;
    std::optional<net::MeshSecret> new_secrets_;
    NetworkFigures figures_;

    // of the network thread alone
    std::optional<std::uint64_t> wake_us_;
    std::set<net::NodeKey> blocked_;                            // by the fault switch
    std::map<net::NodeKey, net::Clock::time_point> penalised_;  // for bytes that break the protocol, until then
    net::Clock::time_point refreshed_{}, reported_{};
    std::string last_fault_;
    bool more_records_ = false;  ///< of members wait to be looked at
    bool told_of_size_ = false;  ///< that a message fits no frame: once is enough
};

}  // namespace starling::detail
