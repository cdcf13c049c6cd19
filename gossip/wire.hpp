// The messages of a link and their bytes; docs/wire.md is the normative text. A frame is
//   [wire version, space, kind, definitions, body]
// and everything in it comes from a stranger until it has been read whole.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include "crdt/difference.hpp"
#include "crdt/result.hpp"
#include "gossip/overlay_messages.hpp"
#include "gossip/plan.hpp"
#include "gossip/refs.hpp"
#include "gossip/seal.hpp"

namespace starling::gossip {

inline constexpr std::uint64_t wire_version = 1;
/// A transport carries frames of so many bytes, and none is longer.
inline constexpr std::size_t frame_bytes_max = 1 << 20;
inline constexpr std::size_t message_items_max = 1 << 20;
inline constexpr std::size_t sums_bytes_max = 512 * 1024;  ///< of a sketch's sums, or contents, in one message
inline constexpr std::size_t diff_seals_max = 256;         ///< of tops, in one half of a state diff

/// Hellos and digests are numbered together in each direction, modulo this: one that is missing is noticed.
inline constexpr std::uint64_t digest_numbers = 128;
/// How far `number` is ahead of `last`, on the circle of numbers.
inline std::int64_t ahead_of(std::uint64_t last, std::uint64_t number) {
    const auto ahead = (number + digest_numbers - last) % digest_numbers;
    return ahead <= digest_numbers / 2 ? std::int64_t(ahead) : std::int64_t(ahead) - std::int64_t(digest_numbers);
}

/// A place in the order in which the seqs of one engine rose; another engine's places mean nothing to it. Zero: none.
struct Bookmark {
    std::uint64_t engine = 0;  ///< drawn when it begins; less than 2^32
    std::uint64_t place = 0;
    bool operator==(const Bookmark&) const = default;
};

/// On link-up where the version is short, and when asked: the version, or what rose of it since a bookmark.
struct Hello {
    std::uint64_t number = 0;
    crdt::Version version;
    crdt::Fingerprint fingerprint;
    std::uint64_t neighbourhood = 0;   ///< hash of the sender and its links: equal everywhere on a full mesh
    Bookmark bookmark{};               ///< of the sender's now
    std::uint64_t since = 0;           ///< the lines are those that rose after this place; 0: they are all
    crdt::Fingerprint version_hash{};  ///< of the whole, where the lines are not all
    bool operator==(const Hello&) const = default;
};

/// By how much an origin's seq rose since the last digest or hello on this link.
struct Rise {
    crdt::ReplicaId origin;
    crdt::Seq by = 0;
    bool operator==(const Rise&) const = default;
};
/// What a whole version comes to.
struct Summary {
    crdt::Fingerprint version_hash;
    crdt::Fingerprint fingerprint;
    std::uint64_t neighbourhood = 0;
    Bookmark bookmark{};
    bool operator==(const Summary&) const = default;
};
/// Small and frequent: what rose since the last one on this link. Now and then with the summary. On link-up it takes
/// the place of a hello where the version is long: who has the same version needs no more.
struct Digest {
    std::uint64_t number = 0;
    std::vector<Rise> rises;  ///< ascending by origin
    std::vector<crdt::ReplicaId>
        stop;  ///< origins whose changesets come from elsewhere first: please only tell of them
    std::optional<Summary> summary;
    bool operator==(const Digest&) const = default;
};

/// Replicas from `from` on, up to but without `to`; all that are left where there is none.
struct IdRange {
    crdt::ReplicaId from;
    std::optional<crdt::ReplicaId> to;
    bool operator==(const IdRange&) const = default;
    /// Is `id`, which is not before the range, in it?
    bool reaches(const crdt::ReplicaId& id) const { return !to || id < *to; }
};
/// What the sender's version comes to in a range, or (`asks`) all of its lines, for those of the receiver's that
/// differ.
struct Range {
    IdRange ids;
    bool asks = false;
    std::uint64_t sum = 0;  ///< of the lower halves of the lines' hashes
    bool operator==(const Range&) const = default;
};
/// Of the version that a side of a matching speaks of. As in a hello.
struct RangesHead {
    std::uint64_t number = 0;
    crdt::Fingerprint version_hash;
    crdt::Fingerprint fingerprint;
    std::uint64_t neighbourhood = 0;
    Bookmark bookmark{};
    std::uint64_t lines = 0;  ///< of the version
    bool operator==(const RangesHead&) const = default;
};
/// Too much differs for a matching: a state diff is to follow.
enum class GaveUp : std::uint8_t { no = 0, receiver_asks = 1, sender_asks = 2 };
/// In place of a hello where the version is long (matching.hpp). What is not mentioned is settled.
struct Ranges {
    std::uint64_t matching = 0;  ///< drawn by who began it
    std::uint64_t step = 0;      ///< messages of it before this one
    GaveUp gave_up = GaveUp::no;
    std::vector<Range> ranges;  ///< ascending, and apart
    crdt::Version lines;  ///< those of the ranges that ask; others: in which the sender differs, seq 0: it has none
    std::optional<RangesHead> head{};  ///< in steps 0 and 1
    bool operator==(const Ranges&) const = default;
};
inline constexpr std::size_t ranges_max = 8'192;            ///< in one message
inline constexpr std::size_t replicas_named_max = 1 << 17;  ///< in one list of replicas in full

/// The sender lost track, or never had it: please say hello.
struct HelloRequest {
    Bookmark known{};   ///< up to which it knows the receiver's version
    bool anew = false;  ///< it missed definitions or bodies: please define every number anew
    bool operator==(const HelloRequest&) const = default;
};

/// Changesets: pushed when fresh (pull 0), or the answer to a pull.
struct Changesets {
    std::uint64_t pull = 0;
    std::vector<crdt::ReplicaId> gone;  ///< origins asked for that the log no longer serves
    std::vector<crdt::Changeset> changesets;
    std::vector<SealedRun> runs{};  ///< where changesets are sealed: for each origin of them, one
    /// More of them, which only a sender has: it writes them from where they lie.
    std::vector<ChangesetPtr> shared{};
    bool operator==(const Changesets&) const = default;
};

struct PullRange {
    crdt::ReplicaId origin;
    crdt::Seq from = 0;
    crdt::Seq to = 0;
    bool operator==(const PullRange&) const = default;
};
struct Pull {
    std::uint64_t id = 0;
    std::vector<PullRange> ranges;
    bool operator==(const Pull&) const = default;
};

struct DiffOpen {
    std::uint64_t session = 0;
    std::uint32_t nonce = 0;
    crdt::Version base;
    crdt::LiveDots staged;  ///< dots whose entries an earlier attempt left here
    /// Of the base, where that is not all named: then it came in parts before; or it is what the receiver was told of
    /// the sender's version, with the lines of `base` in place of what was told of those.
    std::optional<crdt::Fingerprint> base_hash{};
    bool operator==(const DiffOpen&) const = default;
};

/// A part of the base, before the open. Parts are acknowledged one by one.
struct DiffBase {
    std::uint64_t session = 0;
    std::uint64_t number = 0;
    crdt::Version lines;
    bool operator==(const DiffBase&) const = default;
};

/// With what the answerer opens the comparison of the common dots (comparison.hpp).
struct Comparison {
    std::uint32_t nonce = 0;
    std::uint64_t parts = 0;  ///< of its half, before what the comparison adds: all it takes where the sets are equal
    bool of_rest = false;     ///< estimates and sketches of the set are of what is not in it, which is less
    crdt::Fingerprint digest;
    crdt::Bytes of_set;      ///< an estimator's bits
    crdt::Bytes of_changes;  ///< of the set's transitions
    bool operator==(const Comparison&) const = default;
};

/// What died, as ranks among the live dots that the receiver is known to have, and the digest of those that stay.
struct Verdict {
    crdt::DotRuns died;
    crdt::Fingerprint stays;
    bool operator==(const Verdict&) const = default;
};

/// A piece of a Difference. Pieces of all parts together make the whole; the order of parts is by number.
struct DiffPart {
    std::uint64_t session = 0;
    bool finish = false;  ///< from the asker, closing the session's other half
    std::uint64_t number = 0;
    bool last = false;
    crdt::Difference piece;  ///< without the base, which both sides know, and without the tops that are equal to it
    std::optional<Comparison> comparison{};    ///< in the part with which the tops are complete
    crdt::DotRuns died{};                      ///< a piece of a verdict
    std::optional<crdt::Fingerprint> stays{};  ///< in the last part, where there is a verdict
    std::vector<Seal> seals{};                 ///< in the first part: of tops that rise
    bool operator==(const DiffPart&) const = default;
};

struct DiffAck {
    std::uint64_t session = 0;
    bool finish = false;
    std::uint64_t number = 0;
    bool operator==(const DiffAck&) const = default;
};

/// `unknown_base`: please say it in parts.
enum class DiffEndReason : std::uint8_t { done = 0, busy = 1, failed = 2, unknown_base = 3 };
struct DiffEnd {
    std::uint64_t session = 0;
    DiffEndReason reason = DiffEndReason::done;
    bool operator==(const DiffEnd&) const = default;
};

/// The asker's set, as the sums of its blocks, or (`live_dots`, all else empty) a request for the answerer's.
struct DiffSketch {
    std::uint64_t session = 0;
    CompareBy by = CompareBy::live_dots;
    SketchShape shape;
    std::uint64_t count = 0;   ///< sums of each block
    crdt::Fingerprint digest;  ///< of the asker's set, except where the sketch is folded
    crdt::Bytes sums;
    bool operator==(const DiffSketch&) const = default;
};

/// These blocks differ too much: their next sums, please.
struct DiffMore {
    std::uint64_t session = 0;
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    crdt::DotRuns blocks;  ///< by number, from 1
    bool operator==(const DiffMore&) const = default;
};
struct DiffSums {
    std::uint64_t session = 0;
    crdt::Bytes sums;
    bool operator==(const DiffSums&) const = default;
};

/// The answer to a folded sketch: the cells that differ, and what of their positions lives at the answerer.
struct DiffCells {
    std::uint64_t session = 0;
    crdt::DotRuns cells;  ///< block · (2^m - 1) + index, from 1
    crdt::Bytes contents;
    bool operator==(const DiffCells&) const = default;
};

using Message = std::variant<Hello, Digest, HelloRequest, Changesets, Pull, DiffOpen, DiffPart, DiffAck, DiffEnd,
                             DiffSketch, DiffMore, DiffSums, DiffCells, OverlayMessage, Ranges, DiffBase>;

/// The bytes of a message on a link.
crdt::Bytes encode(crdt::SpaceId space, const Message& message, RefSender& refs);

/// Reads a frame. Faults: `malformed` and `too_large` (the peer breaks the protocol), `unknown_kind` (a newer peer:
/// ignore the frame), `not_available` (an undefined number: ask for a hello), `refused` (another space).
crdt::Result<Message> decode(crdt::SpaceId space, crdt::BytesView frame, RefReceiver& refs);

/// Replicas that a frame will have to define besides what is in it. O(log n) each.
class NewNames {
  public:
    explicit NewNames(const RefSender& refs) : refs_(refs) {}
    void add(const crdt::Changeset& changeset);
    /// False where the definitions might fill the frame; one changeset alone always fits.
    bool room_for(const crdt::Changeset& changeset) const {
        return room_for(1 + changeset.deps.size() + changeset.refs.size());
    }
    bool room_for(std::size_t names) const { return names_.size() + names <= names_max; }

  private:
    static constexpr std::size_t names_max = 4'096;  ///< of some 48 bytes
    const RefSender& refs_;
    std::set<crdt::ReplicaId> names_;
};

/// What an entry, or a changeset, will take on the wire, roughly: for filling frames.
std::size_t wire_bytes(const crdt::LooseEntry& entry);
std::size_t wire_bytes(const crdt::Changeset& changeset);

}  // namespace starling::gossip
