// Names: of a node, of one life of it, of one event; and the version, which says what somebody has seen.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <starling/export.hpp>

namespace starling {

/// A device: its Ed25519 public key. A value; ordered by its bytes.
struct STARLING_API NodeId {
    std::array<std::uint8_t, 32> bytes{};

    /// 64 lower-case hexadecimal digits.
    std::string to_string() const;
    /// The first 8 of them: enough for a screen, not unique.
    std::string short_name() const;
    /// Reads what `to_string` wrote; nothing where it is anything else.
    static std::optional<NodeId> parse(std::string_view text);
    auto operator<=>(const NodeId&) const = default;
};

/// One life of a node: it begins with the first write after an open, and no later life appends to it.
struct STARLING_API ReplicaId {
    NodeId node{};
    std::uint64_t life = 0;

    /// "<node>.<16 hexadecimal digits>".
    std::string to_string() const;
    static std::optional<ReplicaId> parse(std::string_view text);
    auto operator<=>(const ReplicaId&) const = default;
};

/// The name of one event: the seq-th of a replica, counted from 1 without gaps.
struct STARLING_API Dot {
    ReplicaId replica{};
    std::uint64_t seq = 0;

    /// "<replica>:<seq>".
    std::string to_string() const;
    auto operator<=>(const Dot&) const = default;
};

/// What somebody has seen: for each replica, all its events up to a seq. A value: hand it from one node to another to
/// wait there for what was written here. Two nodes with equal versions hold equal data.
class STARLING_API Version {
  public:
    using Lines = std::map<ReplicaId, std::uint64_t>;

    Version() = default;
    /// Lines with a seq of 0 say nothing and are left out.
    explicit Version(Lines lines);

    /// True when everything that `other` has seen is seen here too. O(n log n) in replicas.
    bool covers(const Version& other) const;
    bool covers(const Dot& dot) const;
    /// Takes in what `other` has seen. O(n log n).
    void merge(const Version& other);
    bool empty() const { return lines_.empty(); }
    const Lines& lines() const { return lines_; }

    /// One line of text without spaces; "0" for the empty version.
    std::string to_string() const;
    /// Reads what `to_string` wrote; nothing where it is anything else.
    static std::optional<Version> parse(std::string_view text);
    bool operator==(const Version&) const = default;

  private:
    Lines lines_;
};

/// The types of data. Keys of two types never clash, even where they are spelt alike.
enum class Type : std::uint8_t { counter = 1, set = 2, map = 3, register_ = 4, multi_value = 5, flag = 6, journal = 7 };

/// "counter", "set", "map", "register", "multi-value", "flag", "journal"; "unknown" for a type of a later build.
STARLING_API std::string_view name_of(Type type);
/// The reverse; nothing for another word.
STARLING_API std::optional<Type> type_named(std::string_view name);

}  // namespace starling

template <>
struct std::hash<starling::NodeId> {
    /// Keys are uniform already: eight of their bytes will do.
    std::size_t operator()(const starling::NodeId& id) const noexcept {
        std::size_t hash = 0;
        for (std::size_t at = 0; at < sizeof hash; ++at) hash = hash << 8 | id.bytes[at];
        return hash;
    }
};
