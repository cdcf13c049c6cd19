#include <starling/node.hpp>

#include "crdt/limits.hpp"
#include "crdt/views.hpp"
#include "net/address.hpp"
#include "net/secret_file.hpp"
#include "node/convert.hpp"
#include "node/core.hpp"

namespace starling {

using detail::Core;

namespace {

/// Runs `call`; what Starling finds wrong goes to `error`, and the result is then `otherwise`.
template <class Call, class T = std::invoke_result_t<Call>>
T reporting(std::error_code& error, Call call, T otherwise = {}) {
    error.clear();
    try {
        return call();
    } catch (const Error& thrown) {
        error = thrown.code();
        return otherwise;
    }
}

void reporting_nothing(std::error_code& error, const std::function<void()>& call) {
    reporting(error, [&] { return call(), true; });
}

}  // namespace

// -- opening and closing
// -------------------------------------------------------------------------------------------------

Node::Node(detail::CorePtr core) : core_(std::move(core)) {}
Node::Node(Node&& other) noexcept = default;

Node& Node::operator=(Node&& other) noexcept {
    if (this != &other) {
        const Node old(std::move(core_));  // closes
        core_ = std::move(other.core_);
    }
    return *this;
}

Node::~Node() {
    if (core_) core_->close();
}

Node Node::open(const Options& options) {
    return Node(Core::open(options));
}

Node Node::open(const Options& options, std::error_code& error) {
    error.clear();
    try {
        return open(options);
    } catch (const Error& thrown) {
        error = thrown.code();
        return {};
    }
}

std::string Node::create_mesh(const std::filesystem::path& dir, const Unlock& unlock) {
    net::start_sodium();
    detail::Directory directory(dir);
    directory.unlock(unlock);
    if (directory.mesh()) throw Error(Errc::mesh_exists, dir.string());
    const auto settled = detail::settle_membership(&directory, directory.identity(), {});
    return detail::invite(settled, settled.membership.mesh, {}, {});
}

std::string Node::create_mesh(const std::filesystem::path& dir, std::error_code& error, const Unlock& unlock) {
    return reporting(error, [&] { return create_mesh(dir, unlock); });
}

Standing Node::join(const std::filesystem::path& dir, const std::string& code, const Unlock& unlock) {
    net::start_sodium();
    const auto read = detail::join_code_of(code);
    if (!std::filesystem::exists(dir)) detail::require_current(read);  // a code of no use leaves no directory behind
    detail::Directory directory(dir);
    directory.unlock(unlock);
    const auto standing = detail::settle_membership(&directory, directory.identity(), code).standing;
    if (detail::is_over(standing)) throw Error(Errc::join_code_expired);
    return standing;
}

Standing Node::join(const std::filesystem::path& dir, const std::string& code, std::error_code& error,
                    const Unlock& unlock) {
    return reporting(error, [&] { return join(dir, code, unlock); });
}

void Node::restore(const std::filesystem::path& backup, const std::filesystem::path& dir) {
    const detail::Directory directory(dir);
    detail::restore_store(backup, directory.path());
}

void Node::restore(const std::filesystem::path& backup, const std::filesystem::path& dir, std::error_code& error) {
    reporting_nothing(error, [&] { restore(backup, dir); });
}

bool Node::check_store(const std::filesystem::path& dir) {
    std::error_code absent;
    const auto bytes = std::filesystem::file_size(dir / store::StoreOptions{}.file, absent);
    if (absent || bytes == 0) return false;  // empty: it was about to be made when the process died
    const detail::Directory directory(dir);
    detail::check_store(directory.path());
    return true;
}

bool Node::check_store(const std::filesystem::path& dir, std::error_code& error) {
    return reporting(error, [&] { return check_store(dir); });
}

void Node::close() {
    if (!core_) return;
    core_->require_may_wait();
    core_->close();
}

Core& Node::core() const {
    if (!core_) throw Error(Errc::closed);
    return *core_;
}

detail::CorePtr Node::handle_core(const std::string& key) const {
    if (!core_) throw Error(Errc::closed);
    if (key.empty() || key.size() > crdt::key_bytes_max)
        throw Error(Errc::invalid_argument, "a key has 1 to 1024 bytes");
    return core_;
}

// -- data
// ----------------------------------------------------------------------------------------------------------------

Commit Node::transact(const std::function<void(Tx&)>& write) const {
    return core().transact(write);
}

Commit Node::transact(const std::function<void(Tx&)>& write, std::error_code& error) const {
    return reporting(error, [&] { return transact(write); });
}

Subscription Node::watch(std::string prefix, std::function<void(const Changes&)> changed) const {
    core().require_open();
    return Subscription(core().watchers().add(std::move(prefix), std::nullopt, std::move(changed)));
}

std::vector<KeyInfo> Node::keys(std::string_view prefix) const {
    return core().read([&](const peer::Peer& peer) {
        std::vector<KeyInfo> keys;
        for (auto type = int(Type::counter); type <= int(Type::journal); ++type) {
            for (auto& key : peer.state().keys(crdt::Type(type), prefix)) {
                const bool own = crdt::is_mesh_key(key) && !crdt::is_mesh_key(prefix);  // the mesh's
                if (!own) keys.push_back({Type(type), std::move(key)});
            }
        }
        return keys;
    });
}

std::vector<Reason> Node::explain(Type type, std::string_view key, const Value& field) const {
    const auto slot = crdt::slot_of(detail::to_inner(type), key, field.encode());
    return core().read([&](const peer::Peer& peer) {
        std::vector<Reason> reasons;
        for (const auto& reason : crdt::explain(peer.state(), slot))
            reasons.push_back({detail::to_public(reason.dot), detail::to_public_stamp(reason.stamp), reason.depth,
                               detail::to_value(reason.value), reason.decides});
        return reasons;
    });
}

// -- being in step
// -------------------------------------------------------------------------------------------------------

Version Node::version() const {
    return core().read([](const peer::Peer& peer) { return detail::to_public(peer.version()); });
}

bool Node::wait_synced(std::chrono::milliseconds timeout) const {
    return core().wait_synced(timeout);
}

bool Node::wait_synced(std::chrono::milliseconds timeout, std::error_code& error) const {
    return reporting(error, [&] { return wait_synced(timeout); });
}

bool Node::wait_until(const Version& version, std::chrono::milliseconds timeout) const {
    return core().wait_until(detail::to_inner(version), timeout);
}

bool Node::wait_until(const Version& version, std::chrono::milliseconds timeout, std::error_code& error) const {
    return reporting(error, [&] { return wait_until(version, timeout); });
}

void Node::flush() const {
    core().network().flush();
}

// -- the disk
// ------------------------------------------------------------------------------------------------------------

void Node::backup(const std::filesystem::path& file) const {
    core().backup(file);
}

void Node::backup(const std::filesystem::path& file, std::error_code& error) const {
    reporting_nothing(error, [&] { backup(file); });
}

std::shared_ptr<SnapshotStore> Node::snapshots() const {
    return detail::snapshots_of(open_core());
}

// -- the mesh
// ------------------------------------------------------------------------------------------------------------

NodeId Node::id() const {
    return detail::to_public(core().node_key());
}

std::string Node::join_code() const {
    return invite();
}

std::string Node::invite(const Invitation& invitation) const {
    return core().invite(invitation);
}

std::string Node::invite(const Invitation& invitation, std::error_code& error) const {
    return reporting(error, [&] { return invite(invitation); });
}

std::vector<Member> Node::members() const {
    return core().members();
}

bool Node::revoke(const NodeId& node_or_invitation, bool itself) const {
    return core().revoke(node_or_invitation.bytes, itself);
}

bool Node::revoke(const NodeId& node_or_invitation, std::error_code& error, bool itself) const {
    return reporting(error, [&] { return revoke(node_or_invitation, itself); });
}

std::uint32_t Node::rotate() const {
    return core().rotate();
}

std::uint32_t Node::rotate(std::error_code& error) const {
    return reporting(error, [&] { return rotate(); });
}

Status Node::status() const {
    return core().status();
}

std::vector<Finding> Node::diagnose() const {
    return core().diagnose();
}

std::vector<PeerStatus> Node::peers() const {
    return core().status().peers;
}

void Node::add_peer(const std::string& address) const {
    core().require_open();
    if (const auto parsed = net::parse_host_port(address); !parsed)
        throw Error(Errc::invalid_argument, address + ": " + parsed.fault().what);
    core().network().add_peer(address);
}

void Node::add_peer(const std::string& address, std::error_code& error) const {
    reporting_nothing(error, [&] { add_peer(address); });
}

void Node::block_peers(const std::set<NodeId>& nodes) const {
    std::set<crdt::NodeKey> keys;
    for (const auto& node : nodes) keys.insert(node.bytes);
    core().network().block(std::move(keys));
}

}  // namespace starling
