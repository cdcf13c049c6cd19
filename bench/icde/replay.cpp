#include "replay.hpp"

#include <algorithm>
#include <ctime>

#include "crdt/assert.hpp"
#include "sim/queue.hpp"

namespace starling::bench::icde {

namespace {

class Run {
  public:
    Run(Reference reference, const Workload& work) : work_(work) {
        std::vector<Surroundings> where(work.nodes);
        for (const auto& [a, b] : work.edges) {
            where[a].neighbours.push_back(b);
            where[b].neighbours.push_back(a);
        }
        for (sim::Place node = 0; node < work.nodes; ++node) {
            where[node].self = node;
            where[node].ids = &work.ids;
            nodes_.push_back(make(reference, std::move(where[node]),
                                  [this, node](sim::Place to, crdt::Bytes frame, const Load& load) {
                                      carry(node, to, std::move(frame), load);
                                  }));
        }
    }

    Cost run() {
        const auto began_s = cpu_now_s();
        for (std::size_t i = 0; i < work_.events.size(); ++i) script(work_.events[i].time_us, 0, i);
        for (sim::Place node = 0; node < work_.nodes; ++node) tick(work_.sync_at_us[node], node);
        script(start_us, 1, 0);
        while (!level_) {
            STARLING_ASSERT(queue_.now_us() < work_.end_us + patience_us, "a reference protocol converges");
            happen(queue_.pop());
        }
        cost_.cpu_s = cpu_now_s() - began_s;
        cost_.state_elements /= samples_;
        cost_.held_elements /= samples_;
        return cost_;
    }

  private:
    void script(std::uint64_t time_us, std::uint64_t what, std::uint64_t which) {
        queue_.at(time_us, {sim::Event::Kind::script, 0, 0, what, which, {}});
    }
    void tick(std::uint64_t time_us, sim::Place node) {
        queue_.at(time_us, {sim::Event::Kind::tick, node, node, 0, 0, {}});
    }
    void carry(sim::Place from, sim::Place to, crdt::Bytes frame, const Load& load) {
        cost_.elements += load.elements;
        cost_.payload += load.payload;
        cost_.bytes += frame.size();
        ++cost_.messages;
        queue_.at(queue_.now_us() + link_delay_us, {sim::Event::Kind::deliver, to, from, 0, 0, std::move(frame)});
    }

    void happen(const sim::Event& event) {
        if (event.kind == sim::Event::Kind::deliver) {
            nodes_[event.to]->receive(event.from, event.bytes);
            if (queue_.now_us() > work_.end_us) look();
        } else if (event.kind == sim::Event::Kind::tick) {
            nodes_[event.to]->sync();
            tick(queue_.now_us() + period_us, event.to);
        } else if (event.incarnation == 0) {
            const auto& written = work_.events[event.token];
            nodes_[written.node]->write(written);
        } else {
            sample();
            script(queue_.now_us() + period_us, 1, 0);
        }
    }

    void sample() {
        if (queue_.now_us() > work_.end_us) return;
        for (const auto& node : nodes_) {
            cost_.state_elements += double(node->state_elements());
            cost_.held_elements += double(node->state_elements() + node->buffer_elements());
        }
        samples_ += double(nodes_.size());
    }

    void look() {
        const auto& first = *nodes_.front();
        level_ =
            std::all_of(nodes_.begin(), nodes_.end(),
                        [&](const auto& node) { return node->state_elements() == first.state_elements(); }) &&
            std::all_of(nodes_.begin(), nodes_.end(), [&](const auto& node) { return node->store() == first.store(); });
        if (level_) cost_.level_after_s = double(queue_.now_us() - work_.end_us) / 1e6;
    }

    const Workload& work_;
    sim::Queue queue_;
    std::vector<std::unique_ptr<Protocol>> nodes_;
    Cost cost_;
    double samples_ = 0;
    bool level_ = false;
};

}  // namespace

double cpu_now_s() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return double(now.tv_sec) + double(now.tv_nsec) / 1e9;
}

Cost replay(Reference reference, const Workload& work) {
    return Run(reference, work).run();
}

}  // namespace starling::bench::icde
