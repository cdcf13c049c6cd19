#include "peer/voter.hpp"

#include <utility>

#include "crdt/assert.hpp"
#include "crdt/codec.hpp"
#include "crdt/mutant.hpp"
#include "store/rows.hpp"

namespace starling::peer {

using namespace crdt;
using store::Room;
using store::StoreFault;
using store::StoreFaultCode;

namespace {

// -- the items of the role: itself, and each register under a letter and its key
const Bytes role_key = "role";
constexpr char cell_letter = '/';

void write_ballot(Writer& out, const agree::Ballot& ballot) {
    out.uint(ballot.counter);
    if (!ballot.none()) out.replica(ballot.proposer);
}
agree::Ballot read_ballot(Reader& in) {
    agree::Ballot ballot;
    ballot.counter = in.uint(agree::count_max);
    if (!ballot.none()) ballot.proposer = in.replica();
    return ballot;
}

Bytes encode_role(const agree::Standpoint& standpoint) {
    Writer out;
    out.uint(standpoint.life).uint(standpoint.sync).boolean(standpoint.went_back);
    out.array(standpoint.record ? 1 : 0);
    if (standpoint.record) write_record(out, *standpoint.record);
    return store::with_sum(out.take());
}
std::optional<agree::Standpoint> decode_role(BytesView item) {
    const auto bytes = store::without_sum(item);
    if (!bytes) return {};
    Reader in(*bytes);
    agree::Standpoint standpoint;
    standpoint.life = in.uint();
    standpoint.sync = in.uint(agree::count_max);
    standpoint.went_back = in.boolean();
    if (in.array(1) == 1) standpoint.record = agree::read_record(in);
    return in.done() ? std::optional(standpoint) : std::nullopt;
}

Bytes encode_cell(const agree::Cell& cell) {
    Writer out;
    write_ballot(out, cell.promised);
    write_ballot(out, cell.accepted);
    out.bin(cell.held);
    return store::with_sum(out.take());
}
std::optional<agree::Cell> decode_cell(BytesView item) {
    const auto bytes = store::without_sum(item);
    if (!bytes) return {};
    Reader in(*bytes);
    agree::Cell cell;
    cell.promised = read_ballot(in);
    cell.accepted = read_ballot(in);
    cell.held = in.bin(agree::register_bytes_max);
    const bool sound = cell.accepted <= cell.promised && cell.accepted.none() == cell.held.empty();
    return in.done() && sound ? std::optional(cell) : std::nullopt;
}

StoreFault damaged() {
    return {StoreFaultCode::corrupt, "what this node promised as a voter is damaged"};
}

/// The key that a request may add to the registers.
const Bytes* key_of(const agree::RequestBody& body) {
    if (const auto* prepare = std::get_if<agree::Prepare>(&body)) return &prepare->key;
    if (const auto* accept = std::get_if<agree::Accept>(&body)) return &accept->key;
    return nullptr;
}

struct Role {
    agree::Standpoint standpoint;  ///< of life 0: there is none
    agree::Cells cells;
};
store::Outcome<Role> read_role(store::Store& store) {
    const auto items = store.items(Room::agreement);
    if (!items) return items.fault();
    Role role;
    if (const auto at = items->find(role_key); at != items->end()) {
        auto standpoint = decode_role(at->second);
        if (!standpoint) return damaged();
        role.standpoint = std::move(*standpoint);
    } else if (!items->empty()) {
        return damaged();
    }
    for (const auto& [key, item] : *items) {
        if (key == role_key) continue;
        auto cell = decode_cell(item);
        if (!cell || key.front() != cell_letter) return damaged();
        role.cells.emplace(key.substr(1), std::move(*cell));
    }
    return role;
}

agree::VoterRecord first_record(const agree::Voter& voter) {
    return {1, {voter}, {}};
}

}  // namespace

Voter::Voter(const NodeKey& self, Life life, const VoterLimits& limits)
    : Voter(self, agree::Acceptor(self, {life, 0, false, {}}, {}), limits) {}

Voter::Voter(const NodeKey& self, agree::Acceptor acceptor, const VoterLimits& limits)
    : self_(self), acceptor_(std::move(acceptor)), limits_(limits) {
    for (const auto& [key, cell] : acceptor_.cells()) held_bytes_ += cell.held.size();
}

store::Outcome<bool> Voter::verify(store::Store& store) {
    auto role = read_role(store);
    return role ? store::Outcome<bool>(true) : role.fault();
}

store::Outcome<Voter> Voter::open(const NodeKey& self, store::Store& store,
                                  const std::function<std::uint64_t()>& random, bool founds,
                                  const VoterLimits& limits) {
    auto role = read_role(store);
    if (!role) return role.fault();
    auto& [standpoint, cells] = *role;
    store::Batch batch;
    // One that went back has promised what it does not know. It is over for good, and another can be named in its
    // place.
    if (standpoint.went_back) {
        for (const auto& [key, cell] : cells) batch.items.push_back({Room::agreement, cell_letter + key, {}});
        cells.clear();
        standpoint = {0, 0, false, std::move(standpoint.record)};
    }
    const bool is_new = standpoint.life == 0;
    while (standpoint.life == 0) standpoint.life = random();
    if (founds && !standpoint.record) standpoint.record = first_record({self, standpoint.life});
    if (is_new || founds) {
        batch.items.push_back({Room::agreement, role_key, encode_role(standpoint)});
        if (auto begun = store.commit(batch); !begun) return begun.fault();
    }
    Voter voter(self, agree::Acceptor(self, std::move(standpoint), std::move(cells)), limits);
    voter.stored_ = true;
    return voter;
}

// -- requests

/// What the register of a request holds; nothing where the acceptor does not know it.
std::optional<std::size_t> Voter::held_of(const agree::Request& request) const {
    const auto* key = key_of(request.body);
    const auto at = key == nullptr ? acceptor_.cells().end() : acceptor_.cells().find(*key);
    return at == acceptor_.cells().end() ? std::nullopt : std::optional(at->second.held.size());
}

bool Voter::has_room(const agree::Request& request) const {
    if (key_of(request.body) == nullptr) return true;
    const auto held = held_of(request);
    if (!held && acceptor_.cells().size() >= limits_.registers_max) return false;
    const auto* accept = std::get_if<agree::Accept>(&request.body);
    return accept == nullptr || held_bytes_ - held.value_or(0) + accept->held.size() <= limits_.held_bytes_max;
}

bool Voter::ask(const NodeKey& from, const agree::Request& request) {
    const auto of = waiting_of_.find(from);
    if (failed_ || waiting_.size() >= limits_.waiting_max || !has_room(request)) return false;
    if (of != waiting_of_.end() && of->second >= limits_.waiting_of_one_max) return false;
    const auto before = held_of(request).value_or(0);
    auto effects = acceptor_.handle(request);
    held_bytes_ += held_of(request).value_or(0) - before;
    note(effects.write);
    if (written_ == durable_ || mutant(Mutant::answers_leave_unsynced)) {
        answers_.push_back({from, std::move(effects.reply)});
        return true;
    }
    ++waiting_of_[from];
    waiting_.push_back({written_, {from, std::move(effects.reply)}});
    return true;
}

void Voter::install(const agree::VoterRecord& record) {
    if (failed_) return;
    const agree::Request request{0, standpoint().life, 0, 0, agree::Install{record}};
    note(acceptor_.handle(request).write);
}

void Voter::found() {
    STARLING_ASSERT(!standpoint().record, "a mesh has one first record");
    install(first_record(name()));
}

// -- the disk

void Voter::note(const std::optional<agree::AcceptorWrite>& write) {
    if (!write) return;
    ++written_;
    if (!stored_) {
        durable_ = taken_ = written_;
        return;
    }
    dirty_.insert_or_assign(role_key, encode_role(write->standpoint));
    if (write->cell) dirty_.insert_or_assign(cell_letter + write->cell->first, encode_cell(write->cell->second));
}

std::vector<store::Item> Voter::take_writes() {
    if (failed_) return {};
    STARLING_ASSERT(taken_ == durable_, "one batch is under way at a time");
    taken_ = written_;
    std::vector<store::Item> items;
    for (auto& [key, value] : std::exchange(dirty_, {})) items.push_back({Room::agreement, key, std::move(value)});
    return items;
}

void Voter::written() {
    durable_ = taken_;
    release();
}

void Voter::release() {
    while (!waiting_.empty() && waiting_.front().writes <= durable_) {
        auto& answer = waiting_.front().answer;
        if (const auto of = waiting_of_.find(answer.to); --of->second == 0) waiting_of_.erase(of);
        answers_.push_back(std::move(answer));
        waiting_.pop_front();
    }
}

void Voter::disk_failed() {
    failed_ = true;
    waiting_.clear();
    waiting_of_.clear();
    dirty_.clear();
}

void Voter::check() const {
    acceptor_.check();
    STARLING_ASSERT(durable_ <= taken_ && taken_ <= written_, "what is durable was taken, and what was taken written");
    std::map<NodeKey, std::size_t> of;
    std::uint64_t last = durable_;
    for (const auto& [writes, answer] : waiting_) {
        STARLING_ASSERT(writes >= last && writes <= written_, "answers wait in order, for what is not durable");
        last = writes;
        ++of[answer.to];
    }
    STARLING_ASSERT(of == waiting_of_ && waiting_.size() <= limits_.waiting_max, "what waits is counted and bounded");
    std::size_t held = 0;
    for (const auto& [key, cell] : acceptor_.cells()) held += cell.held.size();
    STARLING_ASSERT(held == held_bytes_, "what is held is counted");
}

}  // namespace starling::peer
