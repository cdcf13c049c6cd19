#include "store/lives.hpp"

#include "crdt/assert.hpp"

namespace starling::store {

using namespace crdt;

namespace {

constexpr unsigned varint_bytes_max = 10;

void write_varint(Bytes& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out.push_back(char(value | 0x80));
    out.push_back(char(value));
}

std::optional<std::uint64_t> read_varint(BytesView& in) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < varint_bytes_max && i < in.size(); ++i) {
        const auto byte = std::uint8_t(in[i]);
        if (i == varint_bytes_max - 1 && byte > 1) return {};
        value |= std::uint64_t(byte & 0x7f) << 7 * i;
        if (byte >= 0x80) continue;
        in.remove_prefix(i + 1);
        return value;
    }
    return {};
}

std::uint64_t zigzag(std::uint64_t difference) {
    return difference << 1 ^ (0 - (difference >> 63));
}
std::uint64_t unzigzag(std::uint64_t coded) {
    return coded >> 1 ^ (0 - (coded & 1));
}

}  // namespace

Bytes encode_lives(const std::vector<LifeLine>& lives) {
    Bytes out;
    Stamp before = 0;
    for (const auto& line : lives) {
        for (int i = 0; i < 8; ++i) out.push_back(char(line.life >> (56 - 8 * i)));
        write_varint(out, line.seen);
        write_varint(out, zigzag(line.last_stamp - before));
        before = line.last_stamp;
    }
    return out;
}

std::optional<std::vector<LifeLine>> decode_lives(BytesView bytes) {
    std::vector<LifeLine> lives;
    Stamp before = 0;
    while (!bytes.empty()) {
        if (bytes.size() < 8 || lives.size() == chunk_lives_max) return {};
        LifeLine line;
        for (int i = 0; i < 8; ++i) line.life = line.life << 8 | std::uint8_t(bytes[std::size_t(i)]);
        bytes.remove_prefix(8);
        const auto seen = read_varint(bytes);
        const auto later = seen ? read_varint(bytes) : std::nullopt;
        if (!later) return {};
        line.seen = *seen;
        line.last_stamp = before += unzigzag(*later);
        lives.push_back(line);
    }
    return lives;
}

void Lives::add(Origin& origin) {
    STARLING_ASSERT(origin.stored == 0, "an origin has one number");
    auto& chunk = newest_[origin.id.node];
    if (chunk == 0 || chunks_[chunk].lives.size() == chunk_lives_max) {
        chunk = next_chunk();
        chunks_.push_back({origin.id.node, {}});
    }
    auto& lives = chunks_[chunk].lives;
    origin.stored = chunk * chunk_lives_max + std::uint32_t(lives.size());
    lives.push_back(&origin);
}

void Lives::add_chunk(const NodeKey& node, std::vector<Origin*> lives) {
    STARLING_ASSERT(lives.size() <= chunk_lives_max, "a chunk is within its bounds");
    newest_[node] = next_chunk();
    auto number = next_chunk() * chunk_lives_max;
    for (auto* origin : lives) origin->stored = number++;
    chunks_.push_back({node, std::move(lives)});
}

Origin* Lives::find(OriginNumber number) const {
    const auto chunk = chunk_of(number);
    if (chunk >= chunks_.size() || number % chunk_lives_max >= chunks_[chunk].lives.size()) return nullptr;
    return chunks_[chunk].lives[number % chunk_lives_max];
}

ChunkRow Lives::row(std::uint32_t chunk) const {
    std::vector<LifeLine> lines;
    for (const auto* origin : chunks_[chunk].lives)
        lines.push_back({origin->id.life, origin->seen, origin->last_stamp});
    return {chunk, chunks_[chunk].node, encode_lives(lines)};
}

void Lives::check() const {
    for (std::uint32_t chunk = 0; chunk < chunks_.size(); ++chunk) {
        STARLING_ASSERT(chunks_[chunk].lives.size() <= (chunk == 0 ? 0 : chunk_lives_max), "chunks are bounded");
        auto number = chunk * chunk_lives_max;
        for (const auto* origin : chunks_[chunk].lives) {
            STARLING_ASSERT(origin->stored == number++, "an origin knows its number");
            STARLING_ASSERT(origin->id.node == chunks_[chunk].node, "a chunk is of one node");
        }
    }
}

}  // namespace starling::store
