// The suite `wire`: the codec beside msgpack-c on the same bytes. Its visitor only walks the items and `unpack` makes
// objects of them; neither checks that a field has one encoding, or unfolds front-coded keys.
#include <msgpack.hpp>

#include "bench/figure.hpp"
#include "bench/measure.hpp"
#include "bench/workload.hpp"

namespace starling::bench {
namespace {

/// Reads the items of a body one after another with msgpack-c, and returns how many there were.
template <class ReadOne>
std::size_t each_item(const crdt::Bytes& bytes, ReadOne&& read_one) {
    std::size_t items = 0;
    for (std::size_t at = 0; at < bytes.size(); ++items) read_one(bytes, at);
    return items;
}

std::size_t unpack(const crdt::Bytes& bytes) {
    return each_item(
        bytes, [](const crdt::Bytes& all, std::size_t& at) { keep(msgpack::unpack(all.data(), all.size(), at)); });
}

std::size_t visit(const crdt::Bytes& bytes) {
    return each_item(bytes, [](const crdt::Bytes& all, std::size_t& at) {
        msgpack::null_visitor nothing;
        STARLING_ASSERT(msgpack::parse(all.data(), all.size(), at, nothing), "a body is MessagePack");
    });
}

void report(const std::string& subject, std::size_t count, std::size_t bytes, double ours,
            std::optional<std::pair<std::string, double>> theirs) {
    Figure figure{"wire", subject, "rate", millions_per_second(count, ours), "M/s", {}, {}, {}};
    figure.params = {{"bytes_each", double(bytes) / double(count)}, {"MB_per_second", double(bytes) / ours / 1e6}};
    if (theirs) figure.baseline = Baseline{theirs->first, millions_per_second(count, theirs->second)};
    print(figure);
}

void codec(const Options& options, std::size_t ops) {
    const std::size_t count = (options.quick ? 100'000 : 500'000) / ops;
    const std::size_t turn = std::max<std::size_t>(1, count / 20);
    std::vector<crdt::Changeset> changesets;
    Author author(1);
    author.write(
        0, count * ops, ops,
        [](crdt::Transaction& tx, std::size_t i) {
            crdt::Map::put(tx, "m", field_of(Keys::sequential, i % 10'000), crdt::pack_int(std::int64_t(i % 100)));
        },
        [&](const crdt::Changeset& changeset) { changesets.push_back(changeset); });

    std::vector<crdt::Bytes> whole(count);
    std::size_t body_bytes = 0;
    std::size_t whole_bytes = 0;
    const auto each = [&](auto&& work) {
        return [&, work](std::size_t from, std::size_t to) {
            for (std::size_t i = from; i < to; ++i) work(i);
        };
    };
    const auto made =
        take_turns(count, turn, each([&](std::size_t i) { whole[i] = crdt::encode_changeset(changesets[i]); }));
    for (std::size_t i = 0; i < count; ++i) {
        body_bytes += changesets[i].body.size();
        whole_bytes += whole[i].size();
    }
    std::vector<decltype(crdt::decode_body(changesets[0]))> decoded;
    for (const auto& changeset : changesets) decoded.push_back(crdt::decode_body(changeset));
    const auto written =
        take_turns(count, turn, each([&](std::size_t i) {
                       const auto body = crdt::encode_body(changesets[i], *decoded[i]);
                       STARLING_ASSERT(body.size() == changesets[i].body.size(), "a body has one encoding");
                   }));
    const auto read = take_turns(count, turn, each([&](std::size_t i) { keep(crdt::decode_body(changesets[i])); }),
                                 each([&](std::size_t i) { keep(visit(changesets[i].body)); }),
                                 each([&](std::size_t i) { keep(unpack(changesets[i].body)); }));
    const auto read_whole =
        take_turns(count, turn, each([&](std::size_t i) { keep(crdt::decode_changeset(whole[i])); }),
                   each([&](std::size_t i) { keep(visit(whole[i])); }));

    const std::string with = ops == 1 ? ", one op" : ", 100 ops";
    report("encode_body" + with, count, body_bytes, written[0], {});
    report("decode_body" + with, count, body_bytes, read[0], std::pair{"msgpack-c visitor", read[1]});
    report("decode_body, as objects" + with, count, body_bytes, read[0], std::pair{"msgpack-c unpack", read[2]});
    report("encode_changeset" + with, count, whole_bytes, made[0], {});
    report("decode_changeset" + with, count, whole_bytes, read_whole[0], std::pair{"msgpack-c visitor", read_whole[1]});
}

void codec_one(const Options& options) {
    codec(options, 1);
}
void codec_hundred(const Options& options) {
    codec(options, 100);
}

void siphash(const Options& options) {
    const std::size_t count = options.quick ? 300'000 : 3'000'000;
    for (const std::size_t size : {16, 64, 256, 1024}) {
        crdt::Bytes text(size, 'x');
        const double seconds = seconds_of([&] {
            for (std::size_t i = 0; i < count; ++i) {
                text[0] = char(i);
                keep(crdt::siphash128(text, crdt::fingerprint_key));
            }
        });
        report("SipHash-1-3-128 of " + std::to_string(size) + " B", count, count * size, seconds, {});
    }
}

}  // namespace
}  // namespace starling::bench

int main(int argc, char** argv) {
    using namespace starling::bench;
    return run_parts(argc, argv, {{"codec-one", codec_one}, {"codec-hundred", codec_hundred}, {"siphash", siphash}});
}
