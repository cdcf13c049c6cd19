#include "store/rows.hpp"

#include "crdt/codec.hpp"
#include "crdt/limits.hpp"

namespace starling::store {

using namespace crdt;

namespace {

void write_mark(Writer& writer, const Mark& mark) {
    writer.words(mark.version_hash.high, mark.version_hash.low).words(mark.fingerprint.high, mark.fingerprint.low);
}

Mark read_mark(Reader& reader) {
    const auto version = reader.words();
    const auto fingerprint = reader.words();
    return {{version.first, version.second}, {fingerprint.first, fingerprint.second}};
}

constexpr std::size_t sum_bytes = 8;

Bytes sum_of(BytesView bytes) {
    auto word = siphash128(bytes, fingerprint_key).low;
    Bytes sum;
    for (std::size_t i = 0; i < sum_bytes; ++i, word >>= 8) sum.push_back(char(word));
    return sum;
}

}  // namespace

Bytes with_sum(Bytes bytes) {
    bytes += sum_of(bytes);
    return bytes;
}

std::optional<BytesView> without_sum(BytesView bytes) {
    if (bytes.size() < sum_bytes) return {};
    const auto data = bytes.substr(0, bytes.size() - sum_bytes);
    return bytes.substr(data.size()) == sum_of(data) ? std::optional(data) : std::nullopt;
}

Bytes encode_mark(const Mark& mark) {
    Writer writer;
    write_mark(writer, mark);
    return writer.take();
}

std::optional<Mark> decode_mark(BytesView bytes) {
    Reader reader(bytes);
    const auto mark = read_mark(reader);
    return reader.done() ? std::optional(mark) : std::nullopt;
}

Bytes encode_fold(const Fold& fold) {
    Writer writer;
    writer.uint(fold.place).uint(fold.live).uint(fold.depth);
    write_mark(writer, fold.mark);
    writer.array(fold.heads.size());
    for (const auto& [origin, head] : fold.heads) writer.uint(origin).uint(head.last).uint(head.depth);
    return writer.take();
}

std::optional<Fold> decode_fold(BytesView bytes) {
    Reader reader(bytes);
    Fold fold;
    fold.place = reader.uint();
    fold.live = reader.uint();
    fold.depth = reader.uint(depth_max);
    fold.mark = read_mark(reader);
    for (auto left = reader.array(bytes.size()); left > 0 && reader.ok(); --left) {
        const auto origin = OriginNumber(reader.uint(UINT32_MAX));
        const auto last = reader.uint(seq_max);
        fold.heads.push_back({origin, {last, reader.uint(depth_max)}});
    }
    return reader.done() ? std::optional(std::move(fold)) : std::nullopt;
}

}  // namespace starling::store
