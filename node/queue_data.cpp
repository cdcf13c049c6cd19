#include "node/queue_data.hpp"

#include <map>

#include "crdt/codec.hpp"
#include "crdt/views.hpp"
#include "node/convert.hpp"
#include "node/core.hpp"
#include "node/queue_book.hpp"

namespace starling {

using detail::DeadLetter;
using detail::StoredJob;
using detail::Tries;

namespace {

constexpr std::size_t id_bytes = 16;
constexpr std::size_t id_digits = 2 * id_bytes;

std::optional<JobId> id_in(crdt::BytesView field) {
    crdt::Reader in(field);
    const auto [at_us, number] = in.words();
    return in.done() ? std::optional(JobId{at_us, number}) : std::nullopt;
}

void write_payload(Encoder& out, const std::string& value) {
    out.bytes(value.data(), value.size());
}

}  // namespace

void Codec<JobId>::encode(Encoder& out, const JobId& id) {
    char bytes[id_bytes];
    for (std::size_t i = 0; i < 8; ++i) {
        bytes[i] = char(id.at_us >> (56 - 8 * i));
        bytes[8 + i] = char(id.number >> (56 - 8 * i));
    }
    out.bytes(bytes, sizeof bytes);
}

JobId Codec<JobId>::decode(Decoder& in) {
    const auto bytes = in.bytes();
    if (bytes.size() != id_bytes) return in.fail(), JobId{};
    JobId id;
    for (std::size_t i = 0; i < 8; ++i) {
        id.at_us = id.at_us << 8 | std::uint8_t(bytes[i]);
        id.number = id.number << 8 | std::uint8_t(bytes[8 + i]);
    }
    return id;
}

std::string JobId::to_string() const {
    std::string text;
    for (const auto word : {at_us, number}) {
        for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[word >> shift & 15];
    }
    return text;
}

std::optional<JobId> JobId::parse(std::string_view text) {
    if (text.size() != id_digits) return {};
    JobId id;
    for (std::size_t i = 0; i < id_digits; ++i) {
        const auto digit = std::string_view("0123456789abcdef").find(text[i]);
        if (digit == std::string_view::npos) return {};
        auto& word = i < id_digits / 2 ? id.at_us : id.number;
        word = word << 4 | digit;
    }
    return id;
}

void Codec<StoredJob>::encode(Encoder& out, const StoredJob& job) {
    out.array(2);
    out.write(job.key);
    write_payload(out, job.value);
}
StoredJob Codec<StoredJob>::decode(Decoder& in) {
    in.array(2);
    StoredJob job;
    job.key = in.read<std::optional<std::string>>();
    job.value = in.bytes();
    return job;
}
void Codec<Tries>::encode(Encoder& out, const Tries& tries) {
    out.array(2);
    out.write(tries.attempts);
    out.write(tries.delay_ms);
}
Tries Codec<Tries>::decode(Decoder& in) {
    in.array(2);
    Tries tries;
    tries.attempts = in.unsigned_integer();
    tries.delay_ms = in.unsigned_integer();
    return tries;
}
void Codec<DeadLetter>::encode(Encoder& out, const DeadLetter& letter) {
    out.array(3);
    out.write(letter.key);
    out.write(letter.attempts);
    write_payload(out, letter.value);
}
DeadLetter Codec<DeadLetter>::decode(Decoder& in) {
    in.array(3);
    DeadLetter letter;
    letter.key = in.read<std::optional<std::string>>();
    letter.attempts = in.unsigned_integer();
    letter.value = in.bytes();
    return letter;
}

namespace detail {

QueueData::QueueData(const CorePtr& of, const std::string& name)
    : core(of),
      jobs(of, "$queue/jobs/" + name),
      tries(of, "$queue/tries/" + name),
      dead(of, "$queue/dead/" + name),
      keys(of, "$queue/keys/" + name) {}

namespace {

/// A job without a copy of its value.
struct Glance {
    std::optional<std::string> key;
};
/// The job in a slot of the map; nothing where what is there is none.
std::optional<Glance> job_in(const crdt::SlotEntries& entries) {
    const auto* entry = crdt::Map::winner(entries);
    if (entry == nullptr) return {};
    Decoder in(entry->value());
    in.array(2);
    Glance job{in.read<std::optional<std::string>>()};
    (void)in.bytes();
    return in.done() ? std::optional(std::move(job)) : std::nullopt;
}

/// Which job counts of those that were put with a key; nothing where the key is forgotten.
std::optional<JobId> first_with(const crdt::State& state, const std::string& journal, const std::string& key) {
    const auto field = encode(key);
    const crdt::Entry* first = nullptr;
    for (const auto* entry : state.entries(crdt::SlotView{crdt::Type::journal, journal, field})) {
        if (first == nullptr || crdt::CausalOrder()(entry, first)) first = entry;
    }
    return first == nullptr ? std::nullopt : decode<JobId>(first->value());
}

std::map<JobId, Tries> tries_in(const crdt::State& state, const std::string& key) {
    std::map<JobId, Tries> all;
    state.each_field(crdt::Type::map, key, [&](const crdt::SlotView& slot, const crdt::SlotEntries& entries) {
        const auto id = id_in(slot.field);
        const auto* entry = crdt::Map::winner(entries);
        const auto tries = entry == nullptr ? std::nullopt : decode<Tries>(entry->value());
        if (id && tries) all.emplace(*id, *tries);
    });
    return all;
}

}  // namespace

Waiting QueueData::waiting(const std::set<JobId>& leased, std::size_t most, QueueBook& book,
                           std::uint64_t now_us) const {
    return core->read_settled([&](const peer::Peer& peer) {
        const auto& state = peer.state();
        Waiting found;
        found.applied = peer.version();
        const auto failed = tries_in(state, tries.key());
        const auto delayed = book.delayed(failed, now_us);
        found.delayed = delayed.jobs.size();
        found.due_us = delayed.first_due_us;
        for (const auto& [id, known] : failed) {
            if (found.left_over.size() < left_over_max &&
                state.entries(crdt::SlotView{crdt::Type::map, jobs.key(), encode(id)}).empty())
                found.left_over.push_back(id);
        }
        state.each_field_while(
            crdt::Type::map, jobs.key(), [&](const crdt::SlotView& slot, const crdt::SlotEntries& entries) {
                const auto id = id_in(slot.field);
                if (!id || delayed.jobs.contains(*id)) return true;
                if (leased.contains(*id)) return found.others_have_some = true;
                const auto job = job_in(entries);
                if (!job) return true;
                const auto first = job->key ? first_with(state, keys.key(), *job->key) : std::nullopt;
                if (first && *first != *id) {
                    if (found.left_over.size() < left_over_max) found.left_over.push_back(*id);
                    return true;
                }
                const auto before = failed.find(*id);
                const auto attempts = before == failed.end() ? 0 : before->second.attempts;
                found.jobs.push_back({to_inner(*id), std::min(attempts, agree::attempts_max - 1) + 1});
                return found.jobs.size() < most;
            });
        return found;
    });
}

std::optional<JobId> QueueData::put_before(std::string_view idempotency_key) const {
    return core->read(
        [&](const peer::Peer& peer) { return first_with(peer.state(), keys.key(), std::string(idempotency_key)); });
}

std::size_t QueueData::size() const {
    return core->read([&](const peer::Peer& peer) {
        std::size_t count = 0;
        peer.state().each_field(crdt::Type::map, jobs.key(), [&](const auto&, const auto& entries) {
            if (job_in(entries)) ++count;
        });
        return count;
    });
}

void QueueData::fail(Tx& tx, const JobId& id, std::uint64_t attempt, std::uint64_t delay_ms,
                     std::uint64_t attempts_max) const {
    const auto job = tx.get(jobs, id);
    if (!job) return;  // somebody acknowledged it, or it is dead
    const auto before = tx.get(tries, id);
    if (before && before->attempts >= attempt) return;  // whoever saw the lease end has counted it
    // What no `put` wrote may be too large for a letter, and is tried on.
    const bool fits = job->value.size() + job->key.value_or("").size() <= job_bytes_max;
    if (attempt < attempts_max || !fits) return tx.put(tries, id, {attempt, delay_ms});
    tx.put(dead, id, {job->key, attempt, job->value});
    tx.erase(jobs, id);
    tx.erase(tries, id);
}

void QueueData::drop(Tx& tx, const JobId& id) const {
    tx.erase(jobs, id);
    tx.erase(tries, id);
}

void QueueData::erase(Tx& tx, const JobId& id) const {
    tx.erase(jobs, id);
    tx.erase(tries, id);
    tx.erase(dead, id);  // another node took its worker for dead; a letter that is written meanwhile stays
}

void QueueData::mark(Tx& tx) const {
    tx.put(tries, JobId{}, {});  // no job has this name
    tx.erase(tries, JobId{});
}

void QueueData::trim_keys() const {
    try {
        const auto known = core->read([&](const peer::Peer& peer) { return peer.state().journal(keys.key()).size(); });
        if (known >= 2 * queue_keys_kept) keys.trim(queue_keys_kept);
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): whoever calls has done its work
    }
}

}  // namespace detail

}  // namespace starling
