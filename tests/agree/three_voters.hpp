// Acceptors in the hands of a test: it decides which requests arrive, and when. Everything is durable at once.
#pragma once

#include <algorithm>
#include <vector>

#include "agree/acceptor.hpp"
#include "agree/lock.hpp"
#include "agree/proposer.hpp"
#include "agree/transition.hpp"

namespace starling::agree_trial {

/// Nodes 1, 2, 3…, of which the first three vote.
struct ThreeVoters {
    agree::VoterRecord record{1, {}, {}};
    std::vector<agree::Acceptor> acceptors;  ///< at place i the one of node i + 1
    std::size_t requests = 0;                ///< delivered
    std::uint64_t draws = 0;
    std::uint64_t now_us = 0;

    explicit ThreeVoters(std::size_t nodes = 3) {
        for (std::size_t place = 0; place < 3; ++place) record.voters.push_back(voter(place));
        for (std::size_t place = 0; place < nodes; ++place) {
            const auto known = place < 3 ? std::optional(record) : std::nullopt;
            acceptors.emplace_back(voter(place).node, agree::Standpoint{voter(place).life, 0, false, known},
                                   agree::Cells{});
        }
    }

    static agree::Voter voter(std::size_t place) { return {{std::uint8_t(place + 1)}, crdt::Life(10 * (place + 1))}; }
    agree::Proposer proposer(crdt::Life life) {
        return {{{99}, life}, record, agree::ProposerLimits{}, [this] { return ++draws; }};
    }

    /// Delivers what the proposer sends to the acceptors at these places, and their answers, for so many rounds; what
    /// it sends to others is lost.
    void deliver(agree::Proposer& proposer, const std::vector<std::size_t>& to, int rounds = 20) {
        for (; rounds > 0; --rounds) carry(proposer, nullptr, to, proposer.take_sends());
    }
    /// One round of a change of voters, 20 ms later: its results, its times, its messages.
    void step(agree::Proposer& proposer, agree::Transition& transition, const std::vector<std::size_t>& to) {
        now_us += 20'000;
        for (const auto& result : proposer.take_results()) transition.finished(result, now_us);
        proposer.tick(now_us);
        transition.tick(now_us);
        auto sends = proposer.take_sends();
        for (auto& send : transition.take_sends()) sends.push_back(std::move(send));
        carry(proposer, &transition, to, sends);
        transition.check();
    }
    /// One round of locks at one proposer, at this time.
    void step(agree::Proposer& proposer, const std::vector<agree::Lock*>& locks, const std::vector<std::size_t>& to) {
        proposer.tick(now_us);
        for (auto* lock : locks) lock->tick({now_us, 0});
        carry(proposer, nullptr, to, proposer.take_sends());
        for (const auto& result : proposer.take_results()) {
            for (auto* lock : locks) lock->finished(result, {now_us, 0});
        }
        for (const auto* lock : locks) lock->check();
    }

  private:
    void carry(agree::Proposer& proposer, agree::Transition* transition, const std::vector<std::size_t>& to,
               const std::vector<agree::ProposerSend>& sends) {
        for (const auto& send : sends) {
            const auto place = std::size_t(send.to[0]) - 1;
            if (std::find(to.begin(), to.end(), place) == to.end()) continue;
            ++requests;
            const auto reply = acceptors[place].handle(send.request).reply;
            if (transition != nullptr) transition->received(send.to, reply, now_us);
            proposer.received(send.to, reply, now_us);
            proposer.check();
            acceptors[place].check();
        }
    }
};

}  // namespace starling::agree_trial
