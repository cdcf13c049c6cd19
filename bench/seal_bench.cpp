// What seals cost: two peers over a link that takes no time, with real signatures and without, in turns. Processor time
// of everything between a write and its being applied at the other side: transaction, changeset, frame, join.
#include <deque>
#include <memory>

#include "bench/figure.hpp"
#include "bench/measure.hpp"
#include "crdt/codec.hpp"
#include "crdt/views.hpp"
#include "net/secret_file.hpp"
#include "node/sealer.hpp"
#include "peer/peer.hpp"

namespace starling::bench {
namespace {

constexpr std::uint64_t wall_us = 1'700'000'000'000'000;

class Pair {
  public:
    explicit Pair(bool sealed) {
        for (auto& end : ends_) {
            const auto identity = net::Identity::generate();
            end.name = identity.node_key();
            peer::Options options;
            options.node = end.name;
            options.random = [n = std::uint64_t(0)]() mutable { return ++n; };
            if (sealed) options.sealer = std::make_shared<const detail::KeySealer>(identity);
            end.peer = std::make_unique<peer::Peer>(std::move(options));
        }
        handle(0, gossip::LinkUp{ends_[1].name});
        handle(1, gossip::LinkUp{ends_[0].name});
        carry();
    }

    /// Transactions of one put each, in one changeset and one frame.
    void write(std::size_t operations) {
        for (std::size_t i = 0; i < operations; ++i) {
            const auto field = crdt::pack_int(std::int64_t(++written_ % keys));
            const auto commit = ends_[0].peer->write(now(), [&](crdt::Transaction& tx) {
                crdt::Map::put(tx, "m", field, crdt::pack_int(std::int64_t(written_)));
            });
            STARLING_ASSERT(bool(commit), "nothing is wrong with a put");
        }
        handle(0, gossip::Flush{});
        carry();
    }
    void require_equal() const {
        STARLING_ASSERT(ends_[0].peer->state().version_hash() == ends_[1].peer->state().version_hash(),
                        "everything arrives");
    }

  private:
    static constexpr std::size_t keys = 10'000;
    struct End {
        crdt::NodeKey name{};
        std::unique_ptr<peer::Peer> peer;
    };
    gossip::Now now() { return {mono_us_ += 10, wall_us + mono_us_}; }
    void handle(std::size_t at, const gossip::Input& input) {
        for (auto& send : ends_[at].peer->handle(input, now()).sends) wire_.emplace_back(1 - at, std::move(send.bytes));
    }
    void carry() {
        for (; !wire_.empty(); wire_.pop_front())
            handle(wire_.front().first, gossip::Received{ends_[1 - wire_.front().first].name, wire_.front().second});
    }

    std::array<End, 2> ends_;
    std::deque<std::pair<std::size_t, crdt::Bytes>> wire_;
    std::uint64_t mono_us_ = 1'000'000, written_ = 0;
};

void run_primitives(const Options& options) {
    const auto identity = net::Identity::generate();
    const std::size_t many = options.quick ? 500 : 5'000;
    const crdt::Bytes text(200, 'x');
    net::Signature signature{};
    const auto sign = seconds_of([&] {
        for (std::size_t i = 0; i < many; ++i) keep(signature = identity.sign(text));
    });
    const auto verify = seconds_of([&] {
        for (std::size_t i = 0; i < many; ++i) keep(net::verify(identity.node_key(), text, signature));
    });
    const auto per = [&](double seconds) { return seconds * 1e6 / double(many); };
    print({"seal", "Ed25519", "sign", per(sign), "us", {}, {}, {}});
    print({"seal", "Ed25519", "verify", per(verify), "us", {}, {}, {}});
}

void run_pairs(const Options& options) {
    const auto identity = net::Identity::generate();
    const crdt::Bytes text(200, 'x');
    for (const std::size_t batch : {1U, 8U, 64U, 512U, 2'048U}) {
        Pair sealed(true), plain(false);
        const std::size_t frames =
            std::max<std::size_t>(20, (options.quick ? 2'000 : 80'000) / std::max<std::size_t>(batch, 16));
        double primitives = 0;  // in the same turns: what signing once and verifying once take
        const auto turn = std::max<std::size_t>(1, frames / 20);
        const auto seconds = take_turns(
            frames, turn,
            [&](std::size_t from, std::size_t to) {
                for (auto i = from; i < to; ++i) sealed.write(batch);
            },
            [&](std::size_t from, std::size_t to) {
                for (auto i = from; i < to; ++i) plain.write(batch);
            },
            [&](std::size_t from, std::size_t to) {
                for (auto i = from; i < to; ++i) keep(net::verify(identity.node_key(), text, identity.sign(text)));
            });
        sealed.require_equal();
        plain.require_equal();
        primitives = seconds[2] * 1e6 / double(frames);
        const auto each = [&](double all) { return all * 1e6 / double(frames); };
        const auto name = std::to_string(batch) + " puts a frame";
        Figure rate{"seal", name, "rate", millions_per_second(frames * batch, seconds[0]), "M/s", {}, {}, {}};
        rate.baseline = Baseline{"without seals", millions_per_second(frames * batch, seconds[1])};
        if (batch >= 64) rate.target = Target{Target::Of::ratio, Target::Is::at_least, 0.9};
        print(rate);
        Figure more{"seal", name, "more for a frame, write to applied", each(seconds[0]) - each(seconds[1]), "us", {},
                    {},     {}};
        more.baseline = Baseline{"sign and verify alone", primitives};
        // Longer frames also pay for the hash of their bytes, at both ends.
        if (batch <= 64) more.target = Target{Target::Of::ratio, Target::Is::at_most, 1.2};
        print(more);
    }
}

}  // namespace
}  // namespace starling::bench

int main(int argc, char** argv) {
    starling::net::start_sodium();
    return starling::bench::run_parts(
        argc, argv, {{"primitives", starling::bench::run_primitives}, {"pairs", starling::bench::run_pairs}});
}
