// The handles of what is agreed on, and a node's calls for it.
#include <starling/agreed.hpp>
#include <starling/lock.hpp>
#include <starling/node.hpp>

#include "crdt/assert.hpp"
#include "node/convert.hpp"
#include "node/core.hpp"

namespace starling {

static_assert(agreed_key_bytes_max + 2 == agree::register_key_bytes_max);
static_assert(lock_name_bytes_max == agreed_key_bytes_max);
static_assert(agreed_value_bytes_max == agree::register_value_bytes_max);
static_assert(lock_note_bytes_max == agree::lock_note_bytes_max);

namespace {

// Registers of applications, and those that hold locks.
crdt::Bytes agreed_register(const std::string& key) {
    if (key.empty() || key.size() > agreed_key_bytes_max)
        throw Error(Errc::invalid_argument, "the key of a register has 1 to 254 bytes");
    return "r/" + key;
}
crdt::Bytes turn_register(const char* prefix, const std::string& name) {
    if (name.empty() || name.size() > lock_name_bytes_max)
        throw Error(Errc::invalid_argument, "the name of a lock has 1 to 254 bytes");
    return prefix + name;
}
constexpr const char* lock_prefix = "l/";
constexpr const char* election_prefix = "e/";

void require_may_change(const detail::Core& core) {
    if (detail::inside_transaction()) throw Error(Errc::would_deadlock);
    if (core.standing().role < Role::writer) throw Error(Errc::role_forbids);
}

agree::LockWish wish_of(const LockOptions& options, bool once) {
    if (options.ttl < lock_ttl_min || options.ttl > lock_ttl_max)
        throw Error(Errc::invalid_argument, "a lock's time to live is 100 ms to a day");
    if (options.note.size() > lock_note_bytes_max)
        throw Error(Errc::too_large, "a lock's note has at most 1,024 bytes");
    agree::LockWish wish;
    wish.ttl_us = std::uint64_t(std::chrono::microseconds(options.ttl).count());
    wish.once = once;
    wish.fair = options.fair && !once;
    wish.note = options.note;
    return wish;
}

Lock acquired(const detail::CorePtr& core, const crdt::Bytes& key, const LockOptions& options, bool once) {
    require_may_change(*core);
    auto hold = core->agreement().acquire(key, wish_of(options, once), options.wait, options);
    if (!hold) return {};
    const auto token = hold->token;
    return {core, std::move(hold), token};
}

LockState state_of(detail::Core& core, const crdt::Bytes& key, std::chrono::milliseconds within) {
    if (detail::inside_transaction()) throw Error(Errc::would_deadlock);
    const auto result = core.agreement().run(key, {}, within, nullptr);
    const auto record = agree::decode_lock(result.value);
    if (!record) throw Error(Errc::invalid_argument, "what is under the lock's name is no lock");
    LockState state;
    state.token = record->token;
    if (record->holder) state.holder = detail::to_public(record->holder->claim.replica.node);
    state.note = record->note;
    state.waiting = record->waiting.size();
    return state;
}

template <class Call>
auto or_error(std::error_code& error, Call call) -> decltype(call()) {
    error.clear();
    try {
        return call();
    } catch (const Error& thrown) {
        error = thrown.code();
        return {};
    }
}

LockOptions turn(std::chrono::milliseconds ttl, std::chrono::milliseconds wait, std::function<void()> lost) {
    LockOptions options;
    options.ttl = ttl;
    options.wait = wait;
    options.lost = std::move(lost);
    return options;
}

}  // namespace

namespace detail {

AgreedResult decide(Core& core, const std::string& key, const AgreedChange& change, std::chrono::milliseconds within,
                    ChangeId* id) {
    if (inside_transaction()) throw Error(Errc::would_deadlock);
    if (change) require_may_change(core);
    return core.agreement().run(agreed_register(key), change, within, id);
}

void not_of_this_type(const std::string& key) {
    throw Error(Errc::invalid_argument, "the register '" + key + "' holds a value of another type");
}

}  // namespace detail

// -- locks

Lock::Lock(std::shared_ptr<detail::Core> core, std::shared_ptr<detail::LockHold> hold, std::uint64_t token)
    : core_(std::move(core)), hold_(std::move(hold)), token_(token) {}

Lock::Lock(Lock&& other) noexcept
    : core_(std::move(other.core_)), hold_(std::move(other.hold_)), token_(other.token_.exchange(0)) {}

Lock& Lock::operator=(Lock&& other) noexcept {
    if (this != &other) {
        release();
        core_ = std::move(other.core_);
        hold_ = std::move(other.hold_);
        token_ = other.token_.exchange(0);
    }
    return *this;
}

Lock::~Lock() {
    release();
}

bool Lock::held() const {
    return hold_ != nullptr && core_->agreement().holds(*hold_);
}

void Lock::release() noexcept {
    if (token_.exchange(0) != 0) core_->agreement().release(hold_);
}

Lock Node::lock(const std::string& name, std::chrono::milliseconds ttl, std::function<void()> lost) const {
    return lock(name, turn(ttl, LockOptions{}.wait, std::move(lost)));
}

Lock Node::lock(const std::string& name, const LockOptions& options) const {
    return acquired(open_core(), turn_register(lock_prefix, name), options, false);
}

Lock Node::lock(const std::string& name, const LockOptions& options, std::error_code& error) const {
    return or_error(error, [&] { return lock(name, options); });
}

Lock Node::try_lock(const std::string& name, std::chrono::milliseconds ttl, std::function<void()> lost) const {
    return try_lock(name, turn(ttl, decide_within, std::move(lost)));
}

Lock Node::try_lock(const std::string& name, const LockOptions& options) const {
    return acquired(open_core(), turn_register(lock_prefix, name), options, true);
}

Lock Node::try_lock(const std::string& name, const LockOptions& options, std::error_code& error) const {
    return or_error(error, [&] { return try_lock(name, options); });
}

LockState Node::lock_state(const std::string& name, std::chrono::milliseconds within) const {
    return state_of(*open_core(), turn_register(lock_prefix, name), within);
}

LockState Node::lock_state(const std::string& name, std::chrono::milliseconds within, std::error_code& error) const {
    return or_error(error, [&] { return lock_state(name, within); });
}

// -- elections

Election::Election(std::shared_ptr<detail::Core> core, std::string role, std::chrono::milliseconds ttl)
    : core_(std::move(core)), role_(std::move(role)), ttl_(ttl) {}

Lock Election::campaign(std::string note, std::function<void()> lost) const {
    LockOptions options;
    options.note = std::move(note);
    options.lost = std::move(lost);
    return campaign(std::move(options));
}

Lock Election::campaign(LockOptions options) const {
    options.ttl = ttl_;
    return acquired(core_, turn_register(election_prefix, role_), options, false);
}

LockState Election::leader(std::chrono::milliseconds within) const {
    return state_of(*core_, turn_register(election_prefix, role_), within);
}

// -- voters

Voters Node::voters() const {
    return open_core()->agreement().voters();
}

void Node::set_voters(const std::vector<NodeId>& nodes, std::chrono::milliseconds within) const {
    const auto core = open_core();
    if (detail::inside_transaction()) throw Error(Errc::would_deadlock);
    if (core->standing().role < Role::admin) throw Error(Errc::not_admin, "it names no voters");
    std::vector<crdt::NodeKey> keys;
    for (const auto& node : nodes) keys.push_back(node.bytes);
    core->agreement().set_voters(keys, core->founder(), within);
}

void Node::set_voters(const std::vector<NodeId>& nodes, std::chrono::milliseconds within,
                      std::error_code& error) const {
    or_error(error, [&] { return set_voters(nodes, within), true; });
}

}  // namespace starling
