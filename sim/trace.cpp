#include "sim/trace.hpp"

#include "crdt/codec.hpp"
#include "sim/random.hpp"

namespace starling::sim {

namespace {

constexpr std::size_t head_bytes = 24;

/// A frame begins [wire version, space, kind, …]; its kind in words, where it reads as one.
std::string kind_of(const crdt::Bytes& head) {
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
    keep({time_us, what, to, from, bytes.size(), crdt::Bytes(bytes.substr(0, head_bytes)), {}});
}

void Trace::remark(std::string text) {
    keep({0, nullptr, 0, 0, 0, {}, std::move(text)});
}

void Trace::keep(Line line) {
    if (lines_.size() == story_events_max) lines_.pop_front();
    lines_.push_back(std::move(line));
}

std::string Trace::story() const {
    std::string text;
    for (const auto& line : lines_) {
        if (line.what == nullptr) {
            text += "             " + line.remark + "\n";
            continue;
        }
        text += "  " + seconds(line.time_us) + " s  node " + std::to_string(line.to) + ": " + line.what;
        if (line.from != nowhere) text += " " + std::to_string(line.from);
        if (line.bytes > 0) text += ", " + kind_of(line.head) + " of " + std::to_string(line.bytes) + " bytes";
        text += "\n";
    }
    return text;
}

}  // namespace starling::sim
