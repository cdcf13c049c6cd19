// An advisory lock's word: [holder, turn, renewal, time to live in ms, note] in a register that the last writer wins.
#include <algorithm>

#include <sodium.h>

#include <starling/advisory.hpp>
#include <starling/error.hpp>

#include "node/agreement.hpp"

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

AdvisoryLock::AdvisoryLock(Register<Value> said, NodeId self, std::chrono::milliseconds ttl)
    : said_(std::move(said)), self_(self), ttl_(ttl) {
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

void AdvisoryLock::say(Word word) {
    const auto now_us = detail::boot_us();  // from before it is written
    said_.set(Value::Array{bytes_of(word.holder), word.turn, word.renewal, word.ttl_ms, word.note});
    mine_ = std::move(word);
    wrote_us_ = now_us;
}

bool AdvisoryLock::take(const std::string& note) {
    if (note.size() > lock_note_bytes_max) throw Error(Errc::too_large, "a lock's note has at most 1,024 bytes");
    const auto word = look();
    const bool lasts = word && detail::boot_us() - since_us_ < std::uint64_t(word->ttl_ms) * ms_us;
    if (lasts && !is_mine(word)) return false;
    say({self_, by_chance(), 0, ttl_.count(), note});
    return true;
}

bool AdvisoryLock::renew() {
    if (!is_mine(look())) {
        mine_.reset();
        return false;
    }
    auto next = *mine_;
    ++next.renewal;
    say(std::move(next));
    return true;
}

bool AdvisoryLock::held() {
    constexpr std::uint64_t believed_permille = 900;
    const auto believed_us = std::uint64_t(ttl_.count()) * believed_permille;  // of ms: thousandths are microseconds
    return is_mine(look()) && detail::boot_us() - wrote_us_ < believed_us;
}

void AdvisoryLock::release() {
    if (is_mine(look())) said_.clear();
    mine_.reset();
}

AdvisoryState AdvisoryLock::state() {
    const auto word = look();
    if (!word) return {};
    return {word->holder, word->note, is_mine(word)};
}

}  // namespace starling
