// A merge of lanes, one a replica. A replica's entries have ascending depths, so its first unread one is its earliest,
// and reading a page costs what is on it, not what there is.
#include "crdt/feed.hpp"

#include <algorithm>
#include <map>
#include <queue>

#include "crdt/codec.hpp"

namespace starling::crdt {

namespace {

constexpr Seq scan_seqs = 512;               // looked through at a time
constexpr std::uint64_t few_dots = 4096;     // so many are gone through whatever the journals hold
constexpr std::uint64_t sparse_factor = 16;  // journals that hold so much less than the dots are gone through instead

bool matches(const FeedQuery& query, BytesView key) {
    return query.prefix ? key.starts_with(query.key) : key == query.key;
}

/// What one replica wrote past the version that was read, up to what is covered.
class Lane {
  public:
    Lane(const State& state, const Origin& origin, Seq from)
        : state_(&state), origin_(&origin), next_(from + 1), last_(origin.seen) {}

    const Origin& origin() const { return *origin_; }
    /// The earliest entry that was not taken; nullptr where none is left.
    const Entry* head() const { return at_ < found_.size() ? found_[at_] : nullptr; }
    /// Up to where all was taken or passed over.
    Seq taken() const { return head() == nullptr ? last_ : head()->seq - 1; }

    /// Looks for a head.
    void advance(const FeedQuery& query) {
        ++at_;
        if (at_ >= found_.size()) scan(query);
    }
    void scan(const FeedQuery& query) {
        found_.clear();
        at_ = 0;
        while (found_.empty() && next_ <= last_) {
            const auto until = std::min(last_, next_ + (scan_seqs - 1));
            origin_->live.each(next_, until, [&](Seq, Handle handle) {
                const auto& entry = state_->at(handle);
                if (entry.type() == Type::journal && matches(query, entry.key())) found_.push_back(&entry);
            });
            next_ = until + 1;
        }
    }
    /// In place of a scan. `entries` are all there are.
    void fill(std::vector<const Entry*> entries) {
        std::sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) { return a->seq < b->seq; });
        found_ = std::move(entries);
        at_ = 0;
        next_ = last_ + 1;
    }

  private:
    const State* state_;
    const Origin* origin_;
    Seq next_;  ///< not looked at yet
    Seq last_;
    std::vector<const Entry*> found_;
    std::size_t at_ = 0;
};

std::vector<Lane> lanes_of(const State& state, const Version& from, std::uint64_t& dots) {
    std::vector<Lane> lanes;
    auto read = from.begin();
    state.each_origin([&](const Origin& origin) {  // both ascend
        while (read != from.end() && read->first < origin.id) ++read;
        const Seq seen = read != from.end() && read->first == origin.id ? read->second : 0;
        if (seen >= origin.seen) return;
        dots += origin.seen - seen;
        lanes.emplace_back(state, origin, seen);
    });
    return lanes;
}

std::vector<const State::Journal*> journals_of(const State& state, const FeedQuery& query) {
    std::vector<const State::Journal*> journals;
    if (query.prefix) {
        for (const auto& key : state.keys(Type::journal, query.key)) journals.push_back(&state.journal(key));
    } else {
        journals.push_back(&state.journal(query.key));
    }
    return journals;
}

/// Fills the lanes from the journals, where that is less work than going through the dots.
bool filled_from_journals(const State& state, const FeedQuery& query, std::uint64_t dots, std::vector<Lane>& lanes) {
    if (dots <= few_dots) return false;
    const auto journals = journals_of(state, query);
    std::uint64_t entries = 0;
    for (const auto* journal : journals) entries += journal->size();
    if (entries > dots / sparse_factor) return false;
    std::map<const Origin*, std::vector<const Entry*>> unread;
    for (const auto* journal : journals) {
        for (const auto* entry : *journal) {
            if (entry->sealed != 0 && !covers(query.from, entry->dot())) unread[entry->origin].push_back(entry);
        }
    }
    for (auto& lane : lanes) {
        if (auto found = unread.extract(&lane.origin())) {
            lane.fill(std::move(found.mapped()));
        } else {
            lane.fill({});
        }
    }
    return true;
}

struct LaterHead {
    bool operator()(const Lane* a, const Lane* b) const { return CausalOrder()(b->head(), a->head()); }
};

}  // namespace

bool Copies::hidden(const Entry& entry) {
    if (entry.field() == packed_nil()) return false;
    if (batch_ == nullptr || batch_->origin != entry.origin || batch_->slot() != entry.slot()) {
        batch_ = &entry;
        hidden_ = judge(entry);
    }
    return hidden_;
}

bool Copies::judge(const Entry& entry) const {
    const Entry* first = nullptr;
    bool other_read = false;
    for (const auto* copy : state_.entries(entry.slot())) {
        if (copy->sealed == 0 && !open_window_) continue;
        if (first == nullptr || CausalOrder()(copy, first)) first = copy;
        other_read |= read_ != nullptr && copy->origin != entry.origin && covers(*read_, copy->dot());
    }
    return first->origin != entry.origin || other_read;
}

FeedPage read_feed(const State& state, const FeedQuery& query) {
    FeedPage page;
    std::uint64_t dots = 0;
    auto lanes = lanes_of(state, query.from, dots);
    if (!filled_from_journals(state, query, dots, lanes)) {
        for (auto& lane : lanes) lane.scan(query);
    }
    std::vector<Lane*> filled;
    for (auto& lane : lanes) {
        if (lane.head() != nullptr) filled.push_back(&lane);
    }
    std::priority_queue<Lane*, std::vector<Lane*>, LaterHead> heads(LaterHead(), std::move(filled));
    Copies copies(state, query.unseen_copies ? &query.from : nullptr, false);
    while (!heads.empty() && page.entries.size() < query.limit) {
        auto& lane = *heads.top();
        heads.pop();
        const auto depth = lane.head()->depth;
        for (; lane.head() != nullptr && lane.head()->depth == depth; lane.advance(query)) {
            if (!copies.hidden(*lane.head())) page.entries.push_back(lane.head());
        }
        if (lane.head() != nullptr) heads.push(&lane);
    }
    page.next = query.from;
    for (const auto& lane : lanes) {
        if (lane.taken() > 0) page.next[lane.origin().id] = std::max(page.next[lane.origin().id], lane.taken());
    }
    page.more = !heads.empty();
    return page;
}

}  // namespace starling::crdt
