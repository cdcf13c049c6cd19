// An advisory lock's word: [holder, turn, renewal, time to live in ms, note] in a register that the last writer wins.
#include <algorithm>

#include <sodium.h>

#include <starling/advisory.hpp>
#include <starling/error.hpp>

#include "node/agreement.hpp"
#include "node/core.hpp"

namespace starling {

namespace {

constexpr std::size_t word_items = 5;
constexpr std::uint64_t ms_us = 1'000;

std::int64_t by_chance() {
    std::uint64_t bits = 0;
    randombytes_buf(&bits, sizeof bits);
    return std::int64_t(bits >> 1);
}

Value bytes_of(const NodeId& id) {
    Bytes bytes(id.bytes.size());
    std::transform(id.bytes.begin(), id.bytes.end(), bytes.begin(), [](std::uint8_t byte) { return std::byte(byte); });
    return bytes;
}

}  // namespace

AdvisoryLock::AdvisoryLock(detail::CorePtr core, std::string key, NodeId self, std::chrono::milliseconds ttl)
    : core_(core), said_(std::move(core), std::move(key)), self_(self), ttl_(ttl) {
    if (ttl < lock_ttl_min || ttl > lock_ttl_max)
        throw Error(Errc::invalid_argument, "a lock's time to live is 100 ms to a day");
}

/// Anything else than a word, by whoever writes the register, is as good as none.
std::optional<AdvisoryLock::Word> AdvisoryLock::look() {
    const auto value = said_.get();
    const auto* items = value ? value->as<Value::Array>() : nullptr;
    std::optional<Word> word;
    if (items && items->size() == word_items) {
        const auto* holder = (*items)[0].as<Bytes>();
        const auto* turn = (*items)[1].as<std::int64_t>();
        const auto* renewal = (*items)[2].as<std::int64_t>();
        const auto* ttl_ms = (*items)[3].as<std::int64_t>();
        const auto* note = (*items)[4].as<std::string>();
        const auto ttl_ms_max = std::chrono::milliseconds(lock_ttl_max).count();
        if (holder && holder->size() == self_.bytes.size() && turn && renewal && ttl_ms && note && *ttl_ms >= 0 &&
            *ttl_ms <= ttl_ms_max) {
            word = Word{{}, *turn, *renewal, *ttl_ms, *note};
            std::transform(holder->begin(), holder->end(), word->holder.bytes.begin(),
                           [](std::byte byte) { return std::uint8_t(byte); });
        }
    }
    if (word != seen_) {
        seen_ = word;
        since_us_ = detail::boot_us();
    }
    return word;
}

bool AdvisoryLock::say(const std::function<std::optional<Word>(const std::optional<Word>&)>& next) {
    const auto now_us = detail::boot_us();  // from before it is written
    std::optional<Word> word;
    core_->transact([&](Tx& tx) {
        word = next(look());
        if (word)
            tx.set(said_, Value::Array{bytes_of(word->holder), word->turn, word->renewal, word->ttl_ms, word->note});
    });
    if (!word) return false;
    mine_ = std::move(word);
    wrote_us_ = now_us;
    return true;
}

bool AdvisoryLock::take(const std::string& note) {
    if (note.size() > lock_note_bytes_max) throw Error(Errc::too_large, "a lock's note has at most 1,024 bytes");
    return say([&](const auto& word) -> std::optional<Word> {
        const bool lasts = word && detail::boot_us() - since_us_ < std::uint64_t(word->ttl_ms) * ms_us;
        if (lasts && !is_mine(word)) return std::nullopt;
        return Word{self_, by_chance(), 0, ttl_.count(), note};
    });
}

bool AdvisoryLock::renew() {
    const bool renewed = say([&](const auto& word) -> std::optional<Word> {
        if (!is_mine(word)) return std::nullopt;
        auto next = *mine_;
        ++next.renewal;
        return next;
    });
    if (!renewed) mine_.reset();
    return renewed;
}

bool AdvisoryLock::held() {
    constexpr std::uint64_t believed_permille = 900;
    const auto believed_us = std::uint64_t(ttl_.count()) * believed_permille;  // of ms: thousandths are microseconds
    return is_mine(look()) && detail::boot_us() - wrote_us_ < believed_us;
}

void AdvisoryLock::release() {
    core_->transact([&](Tx& tx) {
        if (is_mine(look())) tx.clear(said_);
    });
    mine_.reset();
}

AdvisoryState AdvisoryLock::state() {
    const auto word = look();
    if (!word) return {};
    return {word->holder, word->note, is_mine(word)};
}

}  // namespace starling
