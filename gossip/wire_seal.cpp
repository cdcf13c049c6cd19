#include "gossip/wire_seal.hpp"

#include "crdt/limits.hpp"
#include "gossip/wire.hpp"

namespace starling::gossip {

using namespace crdt;

void write_sealed_runs(Writer& out, const std::vector<SealedRun>& runs, RefSender& refs) {
    out.array(3 * runs.size());
    for (const auto& run : runs) {
        out.uint(refs.number(run.origin)).bin(view_of(run.before)).array(4 * run.lines.size());
        for (const auto& line : run.lines) {
            out.uint(line.first).uint(line.last).bin(line.before ? view_of(*line.before) : BytesView());
            out.bin(view_of(line.signature));
        }
    }
}

namespace {

SealLine read_line(FrameReader& in, Seq after) {
    SealLine line;
    line.first = in.uint(seq_max);
    line.last = in.uint(seq_max);
    if (const auto before = in.bin(sizeof(ChainHead)); before.size() == sizeof(ChainHead)) {
        std::copy(before.begin(), before.end(), line.before.emplace().begin());
    } else if (!before.empty()) {
        in.fail();
    }
    line.signature = read_array<sizeof(SealSignature)>(in);
    if (line.first == 0 || line.last < line.first || line.last <= after) in.fail();
    return line;
}

}  // namespace

std::vector<SealedRun> read_sealed_runs(FrameReader& in) {
    std::vector<SealedRun> runs;
    const auto items = in.array(3 * message_items_max);
    if (items == 0 || items % 3 != 0) in.fail();
    for (std::size_t i = 0; i < items && in.ok(); i += 3) {
        SealedRun run;
        run.origin = in.ref();
        run.before = read_array<sizeof(ChainHead)>(in);
        const auto lines = in.array(4 * seal_lines_max);
        if (lines == 0 || lines % 4 != 0) in.fail();
        for (std::size_t j = 0; j < lines && in.ok(); j += 4)
            run.lines.push_back(read_line(in, run.lines.empty() ? 0 : run.lines.back().last));
        runs.push_back(std::move(run));
    }
    return runs;
}

}  // namespace starling::gossip
