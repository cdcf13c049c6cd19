// One tree for all writers: payloads go along eager links, the names of messages along lazy ones. A payload that comes
// twice makes its link lazy in both directions; a name whose payload does not come in time makes a link eager again.
#include <deque>
#include <map>
#include <set>

#include "bench/gossip/reference.hpp"

namespace starling::bench::gossip {

namespace {

// What iroh-gossip has by default.
constexpr std::uint64_t graft_first_us = 80'000;  // after a name, until its payload is asked for
constexpr std::uint64_t graft_next_us = 40'000;   // and then from the next one who has it
constexpr std::uint64_t have_us = 5'000;          // names gather for so long
constexpr unsigned shorter_hops_min = 7;          // a lazy link that is so much shorter becomes eager

class Plumtree final : public Reference {
  public:
    using Reference::Reference;

  private:
    struct Source {
        Peer peer;
        std::uint8_t round;
    };
    struct Missing {
        std::deque<Source> sources;  ///< who named it, in that order
        std::uint64_t due_us = 0;
    };

    // -- links
    void link_up(const Peer& peer) override { eager_.insert(peer); }
    void link_down(const Peer& peer) override {
        eager_.erase(peer);
        lazy_.erase(peer);
        haves_.erase(peer);
        for (auto& [number, missing] : missing_)
            std::erase_if(missing.sources, [&](const Source& source) { return source.peer == peer; });
    }
    void make_eager(const Peer& peer) {
        if (lazy_.erase(peer) > 0) eager_.insert(peer);
    }
    void make_lazy(const Peer& peer) {
        if (eager_.erase(peer) > 0) lazy_.insert(peer);
    }

    // -- messages
    void hear(const Peer& peer, const Frame& frame) override {
        switch (frame.kind) {
            case Kind::payload:
                return payload(peer, frame.numbers.at(0), frame.round);
            case Kind::have:
                for (const auto number : frame.numbers) named(peer, number, frame.round);
                return;
            case Kind::graft:
                make_eager(peer);
                for (const auto number : frame.numbers) {
                    if (knows(number)) send(peer, {Kind::payload, frame.round, {number}});
                }
                return;
            case Kind::prune:
                return make_lazy(peer);
        }
    }

    void payload(const Peer& peer, std::uint32_t number, std::uint8_t round) {
        if (!take(number)) {
            make_lazy(peer);
            return send(peer, {Kind::prune, 0, {}});
        }
        const auto missing = missing_.find(number);
        if (missing != missing_.end()) {
            shorten(peer, round, missing->second);
            missing_.erase(missing);
        }
        make_eager(peer);
        spread(number, std::uint8_t(round + 1), &peer);
    }

    /// Somebody named the message who is much nearer to its writer than who sent it.
    void shorten(const Peer& sender, std::uint8_t round, const Missing& missing) {
        if (missing.sources.empty()) return;
        const auto& first = missing.sources.front();
        if (first.round + shorter_hops_min > round) return;
        make_eager(first.peer);
        send(first.peer, {Kind::graft, first.round, {}});
        make_lazy(sender);
        send(sender, {Kind::prune, 0, {}});
    }

    void named(const Peer& peer, std::uint32_t number, std::uint8_t round) {
        if (knows(number)) return;
        auto [at, is_new] = missing_.try_emplace(number);
        if (is_new) at->second.due_us = now_us() + graft_first_us;
        at->second.sources.push_back({peer, round});
    }

    void spread(std::uint32_t number, std::uint8_t round, const Peer* from) override {
        for (const auto& peer : eager_) {
            if (from == nullptr || peer != *from) send(peer, {Kind::payload, round, {number}});
        }
        for (const auto& peer : lazy_) {
            if (from == nullptr || peer != *from) haves_[peer][round].push_back(number);
        }
        if (!haves_.empty() && have_due_us_ == UINT64_MAX) have_due_us_ = now_us() + have_us;
    }

    // -- time
    void tick() override {
        if (have_due_us_ <= now_us()) {
            have_due_us_ = UINT64_MAX;
            for (auto& [peer, rounds] : std::exchange(haves_, {})) {
                for (auto& [round, numbers] : rounds) send(peer, {Kind::have, round, std::move(numbers)});
            }
        }
        for (auto at = missing_.begin(); at != missing_.end();) {
            auto& [number, missing] = *at;
            if (missing.due_us > now_us()) {
                ++at;
                continue;
            }
            if (missing.sources.empty()) {
                at = missing_.erase(at);
                continue;
            }
            const auto source = missing.sources.front();
            missing.sources.pop_front();
            make_eager(source.peer);
            send(source.peer, {Kind::graft, source.round, {number}});
            missing.due_us = now_us() + graft_next_us;
            ++at;
        }
    }
    std::optional<std::uint64_t> wake_us() const override {
        auto least = have_due_us_;
        for (const auto& [number, missing] : missing_) least = std::min(least, missing.due_us);
        return least == UINT64_MAX ? std::nullopt : std::optional(least);
    }

    std::set<Peer> eager_, lazy_;
    std::map<Peer, std::map<std::uint8_t, std::vector<std::uint32_t>>> haves_;  ///< by round, to be told
    std::uint64_t have_due_us_ = UINT64_MAX;
    std::map<std::uint32_t, Missing> missing_;
};

}  // namespace

sim::StationMaker plumtree() {
    return [messages = std::make_shared<Messages>()](sim::Place, const crdt::NodeKey& key, const auto&) {
        return std::make_unique<Plumtree>(messages, key);
    };
}

}  // namespace starling::bench::gossip
