// An acceptor (agree/acceptor.hpp) whose memory is a room of the node's store, or memory alone. Sans-IO like the peer:
// its driver commits what it writes, and takes the answers that may leave by then.
//
//     voter.ask(from, request)
//     batch.items += voter.take_writes()      store.commit(batch)      voter.written()
//     voter.take_answers()                    each tells nothing that is not durable
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "agree/acceptor.hpp"
#include "store/store.hpp"

namespace starling::peer {

/// What the members of a mesh may cost a voter.
struct VoterLimits {
    std::size_t registers_max = 65'536;                   ///< more are not begun: registers are never deleted
    std::size_t held_bytes_max = std::size_t{256} << 20;  ///< of all; a register that would pass it stays as it is
    std::size_t waiting_of_one_max = 256;                 ///< answers to one node that wait for the disk
    std::size_t waiting_max = 4'096;                      ///< to all
};

/// Invariants: an answer leaves when every write of its request and of all requests before is durable; what was written
/// is never forgotten by an open, unless the store is restored from a copy, which has no voter's role. Thread rule: one
/// thread at a time.
class Voter {
  public:
    struct Answer {
        crdt::NodeKey to{};
        agree::Reply reply;
    };

    /// In memory alone. `life`: 64 random bits; 0: it keeps a record and never votes.
    Voter(const crdt::NodeKey& self, crdt::Life life, const VoterLimits& limits = {});
    /// Reads the role, or begins it, with a life of `random` and durably; one that was found to have gone back is over,
    /// and another begins, which keeps the record alone. `founds`: with the first record of a mesh,
    /// which names this node alone, where none is there.
    static store::Outcome<Voter> open(const crdt::NodeKey& self, store::Store& store,
                                      const std::function<std::uint64_t()>& random, bool founds,
                                      const VoterLimits& limits = {});

    /// Is what the store holds of a role as it was written? A store without one is.
    static store::Outcome<bool> verify(store::Store& store);

    /// False where it is dropped: too many wait, or there is no room for another register.
    bool ask(const crdt::NodeKey& from, const agree::Request& request);
    /// Takes a record that was decided on, as if somebody had sent it.
    void install(const agree::VoterRecord& record);
    /// Makes the first record of a mesh. Only where there is none, and once in a mesh.
    void found();

    /// What is to be committed next, after what was taken before has been. Empty where nothing is.
    std::vector<store::Item> take_writes();
    bool has_writes() const { return written_ > taken_; }
    /// What was taken is durable.
    void written();
    /// It never will be: nothing is answered any more.
    void disk_failed();
    std::vector<Answer> take_answers() { return std::exchange(answers_, {}); }

    const agree::Standpoint& standpoint() const { return acceptor_.standpoint(); }
    agree::Voter name() const { return {self_, standpoint().life}; }
    const agree::Cells& cells() const { return acceptor_.cells(); }
    void check() const;

  private:
    struct Waiting {
        std::uint64_t writes = 0;  ///< leaves when so many are durable
        Answer answer;
    };
    Voter(const crdt::NodeKey& self, agree::Acceptor acceptor, const VoterLimits& limits);
    bool has_room(const agree::Request& request) const;
    std::optional<std::size_t> held_of(const agree::Request& request) const;
    void note(const std::optional<agree::AcceptorWrite>& write);
    void release();

    crdt::NodeKey self_;
    agree::Acceptor acceptor_;
    VoterLimits limits_;
    bool stored_ = false, failed_ = false;
    std::uint64_t written_ = 0, taken_ = 0, durable_ = 0;  ///< counts of writes
    std::map<crdt::Bytes, crdt::Bytes> dirty_;             ///< items that no batch holds yet
    std::deque<Waiting> waiting_;
    std::map<crdt::NodeKey, std::size_t> waiting_of_;
    std::size_t held_bytes_ = 0;
    std::vector<Answer> answers_;
};

}  // namespace starling::peer
