// Sagas: steps that belong together, over things that share no transaction, each with a compensation that takes it
// back. Either all steps are done, or those that were begun are undone, last first; also when whoever runs them is
// killed at any point: the next goes on where the last got to.
//
//     Sagas<Order> orders(node, "orders");
//     orders.step("reserve", reserve, release).step("charge", charge, refund).step("ship", ship);
//     orders.begin("order 4711", order);                     // anywhere, also offline
//     while (!stopping) orders.work({.wait = 5s});           // on any node
//
// Each step may run more than once, and twice at once where a worker was wrongly taken for dead: steps and
// compensations must be idempotent, by the id of their saga for example. A compensation may also run where its step did
// nothing, or half of it. A saga is a job of a queue and its progress is converging data, which the next worker has
// applied (Queue::extend); where the only node that had it is lost for longer than `queue_unheard_max`, steps are run
// again.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <starling/error.hpp>
#include <starling/node.hpp>
#include <starling/queue.hpp>

namespace starling {

/// Of a saga, for its steps.
struct SagaRun {
    std::string id{};
    std::uint64_t token = 0;  ///< higher than those of all who worked on it before: for what checks it (TokenGate)
    std::size_t attempt = 1;
};

enum class SagaOutcome : std::uint8_t { done = 1, undone = 2 };

/// Thrown by a step or a compensation that is to be tried again later; each time is an attempt of the queue's.
struct SagaLater : std::exception {
    explicit SagaLater(std::chrono::milliseconds after = std::chrono::seconds(1)) : delay(after) {}
    const char* what() const noexcept override { return "to be tried again later"; }
    std::chrono::milliseconds delay;
};

namespace detail {

template <class T>
struct SagaJob {
    std::string id;
    T input;
};

inline constexpr std::chrono::milliseconds saga_retry_ms{1'000};  // after a compensation that failed

}  // namespace detail

template <Storable T>
struct Codec<detail::SagaJob<T>> {
    static constexpr bool scalar = false;
    static void encode(Encoder& out, const detail::SagaJob<T>& job) {
        out.array(2);
        out.write(job.id);
        out.write(job.input);
    }
    static detail::SagaJob<T> decode(Decoder& in) {
        in.array(2);
        auto id = in.read<std::string>();
        return {std::move(id), in.read<T>()};
    }
};

/// Sagas of one kind. All who work on them must have the same steps: names are kept as long as a saga is under way. The
/// node must outlive it. Thread rule: thread-safe once all steps are named; not inside `transact` or a watcher.
template <Storable T>
class Sagas {
  public:
    /// What a step does, or takes back. An exception out of a step ends in compensation, but for SagaLater; one out of
    /// a compensation in another attempt.
    using Act = std::function<void(const T& input, const SagaRun& run)>;

    /// A saga whose compensations fail `options.attempts` times is a dead letter of `queue()`.
    Sagas(const Node& node, std::string name, const QueueOptions& options = {})
        : node_(&node),
          name_(std::move(name)),
          queue_(node.queue<detail::SagaJob<T>>("$saga/" + name_, options)),
          outcomes_(node.map<std::string, SagaOutcome>("$saga/" + name_)) {}

    Sagas& step(std::string name, Act act, Act undo = {}) {
        steps_.push_back({std::move(name), std::move(act), std::move(undo)});
        return *this;
    }
    /// Waits for nobody. What was begun with this id before is not begun again, as far as this node has heard, and
    /// while the id is among the newest `queue_keys_kept`. Steps of one that has an outcome do not run again until that
    /// is forgotten. Throws as `Queue::put`.
    Put begin(const std::string& id, const T& input) const { return queue_.put({id, input}, id); }
    /// How it ended; nothing while it is under way, as far as this node has heard.
    std::optional<SagaOutcome> outcome(const std::string& id) const { return outcomes_.get(id); }
    /// Drops what is known of one that ended. Only once its job is gone from `queue()` as well, which is a moment after
    /// there is an outcome: with neither, whoever takes the job next runs all steps again.
    Commit forget(const std::string& id) const { return outcomes_.erase(id); }
    const Queue<detail::SagaJob<T>>& queue() const { return queue_; }

    /// Takes sagas and runs each as far as it goes. How many were brought to an end. The lease must be longer than any
    /// step. Throws as `Queue::take` and `Queue::ack`; what was begun is taken up again when the lease is over.
    std::size_t work(const TakeOptions& options = {}) const {
        std::size_t ended = 0;
        for (const auto& job : queue_.take(options)) {
            if (!job.held()) break;  // those before took too long: others may have it, and the rest
            if (run(job)) ++ended;
        }
        return ended;
    }

  private:
    struct Step {
        std::string name;
        Act act, undo;
    };
    using Taken = Job<detail::SagaJob<T>>;
    /// By step: `did`, `failed` or `undid`.
    using Progress = Map<std::string, std::string>;
    static constexpr const char* did = "done";
    static constexpr const char* failed = "failed";
    static constexpr const char* undid = "undone";

    /// Names and ids may have slashes: with the length no two sagas have one map.
    Progress progress_of(const std::string& id) const {
        return node_->template map<std::string, std::string>("$saga-steps/" + std::to_string(name_.size()) + "/" +
                                                             name_ + "/" + id);
    }

    /// False where it is to be gone on with later, here or elsewhere.
    bool run(const Taken& job) const {
        const auto& [id, input] = job.value;
        const auto progress = progress_of(id);
        if (!outcome(id)) {
            const SagaRun now{id, job.token, job.attempt};
            auto going = forward(job, now, progress);
            if (going == Going::back) going = back(job, now, progress);
            if (going == Going::later) return false;
            end(id, progress);
        }
        queue_.ack(job);
        return true;
    }

    enum class Going { on, back, later };

    Going forward(const Taken& job, const SagaRun& now, const Progress& progress) const {
        for (const auto& [step, state] : progress.items()) {
            if (state != did) return Going::back;  // that was decided before
        }
        for (const auto& step : steps_) {
            if (progress.contains(step.name)) continue;
            const char* state = did;
            try {
                step.act(job.value.input, now);
            } catch (const SagaLater& later) {
                return queue_.nack(job, later.delay), Going::later;
            } catch (const std::exception&) {
                state = failed;
            }
            if (!kept(job, progress.put(step.name, state))) return Going::later;
            if (state == failed) return Going::back;
        }
        return Going::on;
    }

    Going back(const Taken& job, const SagaRun& now, const Progress& progress) const {
        for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
            const auto state = progress.get(step->name);
            if (!state || *state == undid) continue;
            try {
                if (step->undo) step->undo(job.value.input, now);
            } catch (const SagaLater& later) {
                return queue_.nack(job, later.delay), Going::later;
            } catch (const std::exception&) {
                return queue_.nack(job, detail::saga_retry_ms), Going::later;
            }
            if (!kept(job, progress.put(step->name, undid))) return Going::later;
        }
        return Going::on;
    }

    /// Nobody goes on with it without knowing this; and it is still ours.
    bool kept(const Taken& job, const Commit& commit) const {
        try {
            return queue_.extend(job, commit);
        } catch (const Error& error) {
            if (error.errc() != Errc::no_majority && error.errc() != Errc::outcome_unknown) throw;
            return false;
        }
    }

    void end(const std::string& id, const Progress& progress) const {
        const auto steps = progress.items();
        bool undone = false;
        for (const auto& [step, state] : steps) undone = undone || state != did;
        node_->transact([&](Tx& tx) {
            tx.put(outcomes_, id, undone ? SagaOutcome::undone : SagaOutcome::done);
            for (const auto& [step, state] : steps) tx.erase(progress, step);
        });
    }

    const Node* node_;
    std::string name_;
    Queue<detail::SagaJob<T>> queue_;
    Map<std::string, SagaOutcome> outcomes_;
    std::vector<Step> steps_;
};

}  // namespace starling
