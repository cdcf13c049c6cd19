#include "store/lives.hpp"

#include <set>

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

Lives::Nodes::value_type& Lives::begin_chunk(const NodeKey& node) {
    auto& of = *nodes_.try_emplace(node).first;
    of.second = {next_chunk(), 0};
    chunks_.push_back(&of);
    return of;
}

OriginNumber Lives::add(const NodeKey& node) {
    auto at = nodes_.find(node);
    const bool fits = at != nodes_.end() && at->second.lives < chunk_lives_max;
    auto& newest = fits ? at->second : begin_chunk(node).second;
    return newest.chunk * chunk_lives_max + newest.lives++;
}

OriginNumber Lives::add_chunk(const NodeKey& node, std::size_t lives) {
    STARLING_ASSERT(lives <= chunk_lives_max, "a chunk is within its bounds");
    auto& newest = begin_chunk(node).second;
    newest.lives = std::uint32_t(lives);
    return newest.chunk * chunk_lives_max;
}

std::vector<ChunkRow> Lives::rows(State& state, const std::vector<std::uint32_t>& chunks) const {
    std::map<std::uint32_t, std::vector<LifeLine>> lines;
    std::set<NodeKey> nodes;
    for (const auto chunk : chunks) {
        lines[chunk];
        nodes.insert(chunks_[chunk]->first);
    }
    for (const auto& node : nodes) {
        state.life_table().each_of(node, [&](const crdt::LifeLine& line) {
            const auto at = line.stored == 0 ? lines.end() : lines.find(chunk_of(line.stored));
            if (at == lines.end()) return;
            const auto place = line.stored % chunk_lives_max;
            if (at->second.size() <= place) at->second.resize(place + 1);
            at->second[place] = {line.id.life, line.seen, line.last_stamp};
            if (line.origin != nullptr) LifeTable::writable(*line.origin).stored_seen = line.seen;
        });
    }
    std::vector<ChunkRow> rows;
    rows.reserve(lines.size());
    for (const auto& [chunk, of] : lines) rows.push_back({chunk, chunks_[chunk]->first, encode_lives(of)});
    return rows;
}

void Lives::check(const State& state) const {
    std::vector<std::uint32_t> lives(chunks_.size());
    std::set<OriginNumber> numbers;
    state.life_table().each([&](const crdt::LifeLine& line) {
        if (line.stored == 0) return;
        const auto chunk = chunk_of(line.stored);
        STARLING_ASSERT(chunk < chunks_.size() && chunks_[chunk]->first == line.id.node, "a chunk is of one node");
        STARLING_ASSERT(numbers.insert(line.stored).second, "a number names one life");
        ++lives[chunk];
    });
    for (std::uint32_t chunk = 1; chunk < chunks_.size(); ++chunk) {
        const auto& newest = chunks_[chunk]->second;
        STARLING_ASSERT(newest.chunk >= chunk && lives[chunk] <= chunk_lives_max, "chunks are bounded");
        STARLING_ASSERT(newest.chunk != chunk || newest.lives == lives[chunk], "the next number is free");
        const auto first = numbers.lower_bound(chunk * chunk_lives_max);
        const auto after = numbers.lower_bound(chunk * chunk_lives_max + lives[chunk]);
        STARLING_ASSERT(std::distance(first, after) == std::ptrdiff_t(lives[chunk]), "numbers have no gaps");
    }
}

}  // namespace starling::store
