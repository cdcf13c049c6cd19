// What can go wrong through the outside: bad arguments, files, the network, calls in the wrong place. Each has a name
// that a program can compare with, an English sentence, and where it helps a detail in `Error::what()`.
#pragma once

#include <string>
#include <system_error>

#include <starling/export.hpp>

namespace starling {

/// The numbers are stable; 0 is success.
enum class Errc {
    invalid_argument = 1,      ///< an address, a field or a value is not what the call takes
    too_large = 2,             ///< a key, field, value or transaction is over its limit; nothing was written
    reserved_key = 3,          ///< keys that begin with "$mesh/" belong to the mesh itself
    counter_overflow = 4,      ///< this node's own total would leave the range of std::int64_t
    nested_transaction = 5,    ///< a write, or a look at another node, inside `transact`; use its `tx`
    would_deadlock = 6,        ///< a `wait_*` or `close` where it would wait for its own caller
    wrong_node = 7,            ///< a handle of another node was given to a transaction
    closed = 8,                ///< the node is closed
    not_durable = 9,           ///< the node keeps its data in memory; there is no disk to wait for
    dir_in_use = 10,           ///< another process, or another node of this one, has the directory open
    dir_unusable = 11,         ///< the directory or a file in it cannot be made, read or written
    key_malformed = 12,        ///< a key file is damaged, or is no key file
    key_exposed = 13,          ///< others than its owner may read a key file
    mesh_exists = 14,          ///< the directory belongs to a mesh already
    mesh_differs = 15,         ///< the directory belongs to another mesh than the one asked for
    join_code_malformed = 16,  ///< the text is no join code, or was damaged in copying
    network_unavailable = 17,  ///< cannot listen: the port is taken or there is no such address
    disk_full = 18,            ///< no space for what is written; what was is kept in memory and stored once there is
    disk_failed = 19,          ///< the disk failed: this node only reads until it is opened again
    store_damaged = 20,        ///< the stored data is not what was written: restore a backup, or begin anew
    store_newer = 21,          ///< a newer version of this software wrote the stored data: update needed
    file_exists = 22,          ///< a backup or a store is not written over another
    trimmed = 23,              ///< events that the cursor has not read are gone; the text names a cursor to go on from
    not_admin = 24,            ///< only an admin of the mesh invites, revokes and names voters
    join_code_expired = 25,    ///< the invitation in the join code is over: ask for another
    role_forbids = 26,         ///< this node is a reader
    key_sealed = 27,           ///< the directory's keys are sealed, and not by what was given to open them
    no_such_member = 28,       ///< no node or invitation of the mesh has that key, as far as this node has heard
    no_majority = 40,          ///< no majority of the voters answered in time; nothing was changed and will not be
    outcome_unknown = 41,      ///< it was sent and no majority said what became of it: ask again with its ChangeId
    fenced = 42,               ///< a write under a higher fencing token is there; nothing was written
};

/// The category of `Errc`: name "starling".
STARLING_API const std::error_category& error_category() noexcept;
/// Found by `std::error_code{Errc}` and by comparison with `Errc`.
STARLING_API std::error_code make_error_code(Errc code) noexcept;

/// What every call throws that has no `std::error_code&`. `code()` compares with `Errc`.
class STARLING_API Error : public std::system_error {
  public:
    Error(Errc code, const std::string& detail);
    explicit Error(Errc code);
    ~Error() override;
    Errc errc() const noexcept;
};

}  // namespace starling

template <>
struct std::is_error_code_enum<starling::Errc> : std::true_type {};
