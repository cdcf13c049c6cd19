#include <starling/error.hpp>

namespace starling {

namespace {

class Category final : public std::error_category {
  public:
    const char* name() const noexcept override { return "starling"; }
    std::string message(int code) const override {
        switch (Errc(code)) {
            case Errc::invalid_argument:
                return "invalid argument";
            case Errc::too_large:
                return "over the size limit";
            case Errc::reserved_key:
                return "keys that begin with $mesh/ are reserved";
            case Errc::counter_overflow:
                return "the counter would overflow";
            case Errc::nested_transaction:
                return "not allowed inside a transaction";
            case Errc::would_deadlock:
                return "would wait for its own caller";
            case Errc::wrong_node:
                return "the handle belongs to another node";
            case Errc::closed:
                return "the node is closed";
            case Errc::not_durable:
                return "the node keeps its data in memory";
            case Errc::dir_in_use:
                return "the directory is in use";
            case Errc::dir_unusable:
                return "the directory cannot be used";
            case Errc::key_malformed:
                return "the key file is damaged";
            case Errc::key_exposed:
                return "the key file can be read by others";
            case Errc::mesh_exists:
                return "the directory belongs to a mesh already";
            case Errc::mesh_differs:
                return "the directory belongs to another mesh";
            case Errc::join_code_malformed:
                return "not a join code";
            case Errc::network_unavailable:
                return "cannot listen on the network";
            case Errc::disk_full:
                return "no space left on the disk";
            case Errc::disk_failed:
                return "the disk failed";
            case Errc::store_damaged:
                return "the stored data is damaged";
            case Errc::store_newer:
                return "a newer version wrote the stored data: update needed";
            case Errc::file_exists:
                return "the file is there already";
            case Errc::not_admin:
                return "only an admin of the mesh does that";
            case Errc::join_code_expired:
                return "the invitation in the join code is over";
            case Errc::role_forbids:
                return "this node is a reader of its mesh";
            case Errc::key_sealed:
                return "the keys of the directory are sealed";
            case Errc::no_such_member:
                return "no such member of the mesh";
            case Errc::no_majority:
                return "no majority of the voters answered in time; nothing was changed";
            case Errc::outcome_unknown:
                return "no majority of the voters said what became of it";
            case Errc::fenced:
                return "a higher token has written there";
            case Errc::trimmed:
                return "events that were not read are gone";
        }
        return "unknown error";
    }
};

}  // namespace

const std::error_category& error_category() noexcept {
    static const Category category;
    return category;
}

std::error_code make_error_code(Errc code) noexcept {
    return {int(code), error_category()};
}

Error::Error(Errc code, const std::string& detail) : std::system_error(make_error_code(code), detail) {}
Error::Error(Errc code) : std::system_error(make_error_code(code)) {}
Error::~Error() = default;

Errc Error::errc() const noexcept {
    return Errc(code().value());
}

}  // namespace starling
