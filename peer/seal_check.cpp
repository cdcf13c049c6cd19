#include "peer/seal_check.hpp"

#include <algorithm>
#include <map>

namespace starling::peer {

namespace {

using namespace crdt;

constexpr std::string_view mesh_name = "mesh:";  // of an item, with the id behind it

/// The changesets of one origin, in their order, as far as they follow each other.
using Rows = std::vector<const Changeset*>;

store::StoreFault damaged(const gossip::Seal& seal, const char* what) {
    return {store::StoreFaultCode::corrupt, "changesets " + std::to_string(seal.first) + " to " +
                                                std::to_string(seal.last) + " of " + short_name(seal.replica) + ": " +
                                                what};
}

/// Do the rows that a seal is of lead from the one head to the other? True too where the log has let go of some.
bool leads(const gossip::Sealing& sealing, const Rows& rows, const gossip::Seal& seal) {
    auto row = std::lower_bound(rows.begin(), rows.end(), seal.first,
                                [](const Changeset* each, Seq first) { return each->first < first; });
    if (row == rows.end() || (*row)->first != seal.first) return true;
    auto head = seal.before;
    for (; row != rows.end() && (*row)->last() <= seal.last; ++row) head = sealing.next(head, **row);
    return head == seal.after;
}

}  // namespace

store::Outcome<std::vector<gossip::MeshId>> meshes_of(store::Store& store) {
    const auto items = store.items(store::Room::membership);
    if (!items) return items.fault();
    std::vector<gossip::MeshId> meshes;
    for (const auto& [name, value] : *items) {
        gossip::MeshId mesh{};
        if (name.size() != mesh_name.size() + mesh.size() || !name.starts_with(mesh_name)) continue;
        std::copy(name.begin() + mesh_name.size(), name.end(), mesh.begin());
        meshes.push_back(mesh);
    }
    return meshes;
}

store::Item item_of(const gossip::MeshId& mesh) {
    return {store::Room::membership, Bytes(mesh_name).append(gossip::view_of(mesh)), Bytes("1")};
}

store::Outcome<std::size_t> check_seals(store::Store& store, const std::shared_ptr<const gossip::Sealer>& verifier,
                                        SpaceId space) {
    const auto meshes = meshes_of(store);
    if (!meshes) return meshes.fault();
    Replica replica(space, {});
    const auto loaded = store.load(replica);
    if (!loaded) return loaded.fault();
    std::vector<gossip::Sealing> sealings;
    for (const auto& mesh : *meshes) sealings.emplace_back(verifier, mesh, space);
    std::map<ReplicaId, Rows> origins;
    std::size_t count = 0;
    for (const auto& row : loaded->log) {
        const auto& changeset = *row.changeset;
        auto& rows = origins[changeset.origin];
        if (!rows.empty() && rows.back()->last() + 1 != changeset.first) rows.clear();
        rows.push_back(&changeset);
        if (row.seal.empty() || sealings.empty()) continue;
        const auto seal = gossip::decode_seal(row.seal);
        if (!seal || seal->replica != changeset.origin || seal->last != changeset.last())
            return store::StoreFault{store::StoreFaultCode::corrupt,
                                     "a seal of " + short_name(changeset.origin) + " is not that of its changeset"};
        const auto signs = [&](const gossip::Sealing& sealing) { return sealing.verify(*seal); };
        if (std::none_of(sealings.begin(), sealings.end(), signs))
            return damaged(*seal, "the signature is not their origin's");
        if (!leads(sealings.front(), rows, *seal)) return damaged(*seal, "they are not what was signed");
        ++count;
    }
    return count;
}

}  // namespace starling::peer
