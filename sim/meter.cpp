#include "sim/meter.hpp"

#include <algorithm>
#include <array>

namespace starling::sim {

namespace {

using Count = std::uint64_t gossip::Counters::*;
/// Those that a measurement is about.
constexpr std::array counts{
    &gossip::Counters::changesets_sent,
    &gossip::Counters::changesets_received,
    &gossip::Counters::changesets_redundant,
    &gossip::Counters::changesets_waited,
    &gossip::Counters::changeset_bytes_sent,
    &gossip::Counters::control_bytes_sent,
    &gossip::Counters::bytes_sent,
    &gossip::Counters::body_bytes_applied,
    &gossip::Counters::pulls,
    &gossip::Counters::diffs,
    &gossip::Counters::faults,
    &gossip::Counters::malformed,
};

void add(gossip::Counters& sum, const gossip::Counters& more) {
    for (const Count count : counts) sum.*count += more.*count;
}

gossip::Counters total(const World& world) {
    gossip::Counters sum;
    for (Place place = 0; place < world.nodes(); ++place) {
        if (world.running(place)) add(sum, world.station(place)->counters());
    }
    return sum;
}

}  // namespace

void Meter::begin() {
    measuring_ = true;
    paths_.emplace(world_.network(), world_.nodes());
    before_ = total(world_);
    gone_ = {};
}

gossip::Counters Meter::counters() const {
    auto sum = total(world_);
    add(sum, gone_);
    for (const Count count : counts) sum.*count -= before_.*count;
    return sum;
}

// -- what happens
// --------------------------------------------------------------------------------------------------------

void Meter::stopped(Place place) {
    add(gone_, world_.station(place)->counters());
    for (auto& spreadings : open_) {
        for (auto& spreading : spreadings) {
            auto& sight = spreading->sights[place];
            if (sight.us == pending_us) --spreading->pending;
            sight.us = absent_us;
        }
        close_finished(spreadings);
    }
}

void Meter::handled(Place place, const gossip::Effects& effects) {
    if (!measuring_) return;
    for (const auto& changeset : effects.persist) {
        if (cut_here(place, changeset->origin)) {
            cut(place, *changeset);
            continue;
        }
        auto& spreadings = open_[world_.place_of(changeset->origin.node)];
        const auto at = std::find_if(spreadings.begin(), spreadings.end(), [&](const auto& spreading) {
            return spreading->origin == changeset->origin && spreading->first == changeset->first;
        });
        if (at == spreadings.end()) continue;
        seen(place, **at);
        close_finished(spreadings);
    }
    const auto is_diff = [](const gossip::Delivered& delivered) { return !delivered.origin; };
    if (std::any_of(effects.delivered.begin(), effects.delivered.end(), is_diff)) seen_by_diff(place);
}

bool Meter::cut_here(Place place, const crdt::ReplicaId& origin) const {
    if (origin.node != world_.key(place)) return false;
    const auto* peer = world_.peer(place);
    return peer == nullptr || peer->replica().self() == origin;  // another life's came back to its node
}

void Meter::cut(Place place, const crdt::Changeset& changeset) {
    auto spreading = std::make_unique<Spreading>();
    spreading->origin = changeset.origin;
    spreading->first = changeset.first;
    spreading->last = changeset.last();
    spreading->cut_us = world_.now_us();
    spreading->sights.assign(world_.nodes(), {absent_us, 0});
    for (Place other = 0; other < world_.nodes(); ++other) {
        if (other == place || !world_.running(other)) continue;
        spreading->sights[other].us = pending_us;
        ++spreading->pending;
    }
    ++spread_.changesets;
    ++open_count_;
    open_[place].push_back(std::move(spreading));
    close_finished(open_[place]);
}

void Meter::seen(Place place, Spreading& spreading) {
    auto& sight = spreading.sights[place];
    if (sight.us != pending_us) return;
    sight.us = std::uint32_t(std::min<std::uint64_t>(world_.now_us() - spreading.cut_us, absent_us - 1));
    sight.hops = hops_to(place, spreading);
    --spreading.pending;
}

/// A state diff brings many changesets and names none.
void Meter::seen_by_diff(Place place) {
    const auto* peer = world_.peer(place);
    if (peer == nullptr) return;
    for (auto& spreadings : open_) {
        for (auto& spreading : spreadings) {
            if (peer->state().seen(spreading->origin) >= spreading->last) seen(place, *spreading);
        }
        close_finished(spreadings);
    }
}

/// What waited for another changeset came earlier, from somebody else who knows it: the nearest of those; 0 where
/// nobody runs any more who could have sent it.
std::uint8_t Meter::hops_to(Place place, const Spreading& spreading) const {
    const auto writer = world_.place_of(spreading.origin.node);
    const auto hops_at = [&](Place peer) -> unsigned {
        if (peer == writer) return 0;
        const auto& sight = spreading.sights[peer];
        return sight.us < absent_us ? sight.hops : UINT8_MAX;
    };
    unsigned least = UINT8_MAX;
    if (const auto from = world_.heard_from(); from != Trace::nowhere) least = hops_at(from);
    if (least == UINT8_MAX) {
        for (const auto peer : world_.network().neighbours(place)) least = std::min(least, hops_at(peer));
    }
    return least == UINT8_MAX ? 0 : std::uint8_t(std::min<unsigned>(least + 1, UINT8_MAX - 1));
}

// -- what is known everywhere
// --------------------------------------------------------------------------------------------

void Meter::close_finished(Spreadings& spreadings) {
    const auto finished = [this](const auto& spreading) {
        if (spreading->pending > 0) return false;
        close(*spreading);
        --open_count_;
        return true;
    };
    spreadings.erase(std::remove_if(spreadings.begin(), spreadings.end(), finished), spreadings.end());
}

void Meter::close(const Spreading& spreading) {
    std::vector<std::uint64_t> times;
    std::uint64_t hops = 0;
    for (const auto& sight : spreading.sights) {
        if (sight.us >= absent_us) continue;
        times.push_back(sight.us);
        hops = std::max<std::uint64_t>(hops, sight.hops);
    }
    if (times.empty()) return;
    const auto& base = this->base(world_.place_of(spreading.origin.node));
    const auto last_us = *std::max_element(times.begin(), times.end());
    ++spread_.measured;
    spread_.last_permille += last_us * 1000 / base.last_us;
    spread_.p99_permille += percentile(times, 99) * 1000 / base.p99_us;
    spread_.last_hops += hops;
    spread_.last_hops_most = std::max(spread_.last_hops_most, hops);
    spread_.last_us_most = std::max(spread_.last_us_most, last_us);
}

const Meter::Base& Meter::base(Place place) {
    auto& base = bases_[place];
    if (!base) {
        auto times = paths_->from(place);
        times.erase(times.begin() + std::ptrdiff_t(place));
        std::erase(times, UINT64_MAX);
        if (times.empty()) times.push_back(1);
        base = Base{std::max<std::uint64_t>(*std::max_element(times.begin(), times.end()), 1),
                    std::max<std::uint64_t>(percentile(times, 99), 1)};
    }
    return *base;
}

}  // namespace starling::sim
