// The secrets of a mesh. Whoever lacks them can tell neither that two beacons belong to one mesh nor who sent them, and
// gets no further than the first frame at the door; what makes a node a member is its certificate chain
// (certificate.hpp). An admin may put a newer one in the place of the newest, which those who were put out do not
// learn; the earlier ones are kept for members who were away. Everything used on the wire is derived from a secret
// under a label of its own, so that no key serves two purposes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "net/certificate.hpp"
#include "net/identity.hpp"
#include "net/secret.hpp"

namespace starling::net {

/// Of one mesh, kept by a node: a member who was away while there were more newer ones needs a new join code.
constexpr std::size_t secrets_kept_max = 8;

/// One secret: its number, and what is derived from it.
struct MeshKeys {
    std::uint32_t epoch = 0;
    Digest256 digest{};  ///< names it in public
    Secret<32> root, beacon, door, history;

    MeshKeys(const MeshId& mesh, std::uint32_t number, const Secret<32>& secret);
    /// Of two the one with the higher number is newer; of two with one number, that with the higher digest.
    bool newer_than(const MeshKeys& other) const {
        return epoch != other.epoch ? epoch > other.epoch : digest > other.digest;
    }
};

/// A value; readable from any thread, wiped on destruction. Invariant: 1 to secrets_kept_max of them, the newest first.
class MeshSecret {
  public:
    /// Of the mesh that `admin` founds: always the same, so that the admin key alone brings a mesh back.
    static MeshSecret founded_by(const Identity& admin);
    /// Reads what save() wrote. Faults as Identity::load.
    static Result<MeshSecret> load(const std::filesystem::path& path, const KeySeal* seal = nullptr);
    /// Mode 0600, whole or not at all; in place of what is there.
    Result<Done> save(const std::filesystem::path& path, const KeySeal* seal = nullptr) const;
    static Result<Done> seal_file(const std::filesystem::path& path, const KeySeal& seal);

    const MeshId& mesh_id() const { return trust_.mesh; }
    const Trust& trust() const { return trust_; }
    const std::vector<MeshKeys>& all() const { return keys_; }
    const MeshKeys& newest() const { return keys_.front(); }
    const Secret<32>& beacon_key() const { return newest().beacon; }
    const Secret<32>& door_key() const { return newest().door; }

    /// False where it is known, or older than all that are kept.
    bool add(std::uint32_t epoch, const Secret<32>& root);
    /// All of the other's, of the same mesh.
    bool add(const MeshSecret& other);
    /// Is it kept, or would be if it were known?
    bool keeps(std::uint32_t epoch, const Digest256& digest) const;
    /// A random one, newer than all and of a number above another as well. Faults: refused (there is no higher number).
    Result<MeshKeys> successor(std::uint32_t above = 0) const;

    /// What is kept besides `newest`, sealed under a key of it: for who learns only that one. One form, of a random
    /// nonce.
    Bytes history_for(const MeshKeys& newest) const;
    static constexpr std::size_t history_bytes_max = 24 + 16 + (secrets_kept_max - 1) * (4 + 32);
    /// Adds them where the secret that they are sealed under is known. True: some are new.
    bool add_history(const Digest256& newest, BytesView sealed);

    bool operator==(const MeshSecret& other) const;

  private:
    friend struct JoinCode;
    MeshSecret(const NodeKey& admin, std::uint32_t epoch, const Secret<32>& root);

    Trust trust_;
    std::vector<MeshKeys> keys_;
};

}  // namespace starling::net
