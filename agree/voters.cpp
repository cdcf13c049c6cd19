#include "agree/voters.hpp"

#include <algorithm>

namespace starling::agree {

using namespace crdt;

namespace {

void write_voters(Writer& out, const std::vector<Voter>& voters) {
    out.array(voters.size());
    for (const auto& voter : voters) out.replica({voter.node, voter.life});
}

std::vector<Voter> read_voters(Reader& in) {
    std::vector<Voter> voters;
    for (auto left = in.array(voters_max); left > 0 && in.ok(); --left) {
        const auto id = in.replica();
        voters.push_back({id.node, id.life});
    }
    return voters;
}

}  // namespace

bool VoterRecord::names(const Voter& voter) const {
    return std::binary_search(voters.begin(), voters.end(), voter) ||
           std::binary_search(incoming.begin(), incoming.end(), voter);
}

std::vector<Voter> VoterRecord::everyone() const {
    std::vector<Voter> all;
    std::set_union(voters.begin(), voters.end(), incoming.begin(), incoming.end(), std::back_inserter(all));
    return all;
}

bool valid_voters(const std::vector<Voter>& voters) {
    const auto disorder = std::adjacent_find(voters.begin(), voters.end(),
                                             [](const Voter& a, const Voter& b) { return a.node >= b.node; });
    return voters.size() % 2 == 1 && voters.size() <= voters_max && disorder == voters.end();
}

bool valid(const VoterRecord& record) {
    return record.epoch > 0 && record.epoch <= count_max && valid_voters(record.voters) &&
           (record.incoming.empty() || valid_voters(record.incoming));
}

void write_record(Writer& out, const VoterRecord& record) {
    out.array(3).uint(record.epoch);
    write_voters(out, record.voters);
    write_voters(out, record.incoming);
}

VoterRecord read_record(Reader& in) {
    VoterRecord record;
    in.tuple(3);
    record.epoch = in.uint(count_max);
    record.voters = read_voters(in);
    record.incoming = read_voters(in);
    if (!valid(record)) in.fail();
    return record;
}

Bytes encode(const VoterRecord& record) {
    Writer out;
    write_record(out, record);
    return out.take();
}

std::optional<VoterRecord> decode_voters(BytesView bytes) {
    Reader in(bytes);
    auto record = read_record(in);
    return in.done() ? std::optional(std::move(record)) : std::nullopt;
}

}  // namespace starling::agree
