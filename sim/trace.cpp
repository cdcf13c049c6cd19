#include "sim/trace.hpp"

#include <algorithm>
#include <ostream>

#include "crdt/codec.hpp"
#include "sim/random.hpp"

namespace starling::sim {

namespace {

/// A frame begins [wire version, space, kind, …]; its kind in words, where it reads as one.
std::string kind_of(crdt::BytesView head) {
    static constexpr const char* kinds[] = {"hello",     "digest",    "hello request", "changesets", "pull",
                                            "diff open", "diff part", "diff ack",      "diff end"};
    crdt::Reader reader(head);
    reader.array(16);
    reader.uint();
    reader.uint();
    const auto kind = reader.uint();
    return reader.ok() && kind < std::size(kinds) ? kinds[kind] : "message";
}

std::string seconds(std::uint64_t us) {
    auto micros = std::to_string(us % 1'000'000);
    return std::to_string(us / 1'000'000) + "." + std::string(6 - micros.size(), '0') + micros;
}

}  // namespace

std::string hex(std::uint64_t word) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text(16, '0');
    for (auto at = text.rbegin(); at != text.rend(); ++at, word >>= 4) *at = digits[word & 15];
    return text;
}

void Trace::add(std::uint64_t time_us, const char* what, Place to, Place from, crdt::BytesView bytes) {
    const auto mix = [&](std::uint64_t word) {
        auto state = hash_ ^ word;
        hash_ = splitmix64(state);
    };
    mix(time_us);
    for (const auto* at = what; *at != '\0'; ++at) mix(std::uint8_t(*at));
    mix(to);
    mix(from);
    mix(bytes.size());
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        word = word << 8 | std::uint8_t(bytes[i]);
        if (i % 8 == 7) mix(word);
    }
    mix(word);
    ++events_;
    auto& line = next_line();
    line.time_us = time_us;
    line.what = what;
    line.to = to;
    line.from = from;
    line.bytes = bytes.size();
    for (std::size_t i = 0; i < std::min(bytes.size(), head_bytes); ++i) line.head[i] = bytes[i];  // of nothing, too
    if (out_ != nullptr) *out_ << words_of(line);
}

void Trace::remark(std::string text) {
    auto& line = next_line();
    line.what = nullptr;
    line.remark = std::move(text);
    if (out_ != nullptr) *out_ << words_of(line);
}

Trace::Line& Trace::next_line() {
    if (lines_.size() < story_events_max) return lines_.emplace_back();
    auto& line = lines_[oldest_];
    oldest_ = (oldest_ + 1) % story_events_max;
    return line;
}

std::string Trace::words_of(const Line& line) {
    if (line.what == nullptr) return "             " + line.remark + "\n";
    auto text = "  " + seconds(line.time_us) + " s  node " + std::to_string(line.to) + ": " + line.what;
    if (line.from != nowhere) text += " " + std::to_string(line.from);
    if (line.bytes > 0) {
        const auto head = crdt::BytesView(line.head.data(), std::min(line.bytes, head_bytes));
        text += ", " + kind_of(head) + " of " + std::to_string(line.bytes) + " bytes";
    }
    return text + "\n";
}

std::string Trace::story() const {
    std::string text;
    for (std::size_t i = 0; i < lines_.size(); ++i) text += words_of(lines_[(oldest_ + i) % lines_.size()]);
    return text;
}

}  // namespace starling::sim
