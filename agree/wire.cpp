#include "agree/wire.hpp"

#include <utility>

#include "agree/register.hpp"
#include "crdt/codec.hpp"

namespace starling::agree {

using namespace crdt;

namespace {

void write_ballot(Writer& out, const Ballot& ballot) {
    out.uint(ballot.counter);
    if (!ballot.none()) out.replica(ballot.proposer);
}
Ballot read_ballot(Reader& in) {
    Ballot ballot;
    ballot.counter = in.uint(count_max);
    if (!ballot.none()) ballot.proposer = in.replica();
    return ballot;
}
Ballot read_some_ballot(Reader& in) {
    const auto ballot = read_ballot(in);
    if (ballot.none()) in.fail();
    return ballot;
}

Bytes read_key(Reader& in) {
    return Bytes(in.bin(register_key_bytes_max));
}
Bytes read_register(Reader& in) {
    const auto bytes = in.bin(register_bytes_max);
    if (in.ok() && !decode_register(bytes)) in.fail();
    return Bytes(bytes);
}

void write_maybe(Writer& out, const std::optional<VoterRecord>& record) {
    out.array(record ? 1 : 0);
    if (record) write_record(out, *record);
}
std::optional<VoterRecord> read_maybe(Reader& in) {
    return in.array(1) == 1 ? std::optional(read_record(in)) : std::nullopt;
}

// -- requests
void write(Writer& out, const Prepare& prepare) {
    out.bin(prepare.key);
    write_ballot(out, prepare.ballot);
}
void read(Reader& in, Prepare& prepare) {
    prepare.key = read_key(in);
    prepare.ballot = read_some_ballot(in);
}
void write(Writer& out, const Accept& accept) {
    out.bin(accept.key);
    write_ballot(out, accept.ballot);
    out.boolean(accept.promise_next).bin(accept.held);
}
void read(Reader& in, Accept& accept) {
    accept.key = read_key(in);
    accept.ballot = read_some_ballot(in);
    accept.promise_next = in.boolean();
    accept.held = read_register(in);
    if (accept.promise_next && accept.ballot.counter == count_max) in.fail();  // there is no next one to promise
}
void write(Writer& out, const Read& read) {
    out.bin(read.key);
}
void read(Reader& in, Read& read) {
    read.key = read_key(in);
}
void write(Writer& out, const ListKeys& list) {
    out.bin(list.after);
}
void read(Reader& in, ListKeys& list) {
    list.after = read_key(in);
}
void write(Writer& out, const Install& install) {
    write_record(out, install.record);
}
void read(Reader& in, Install& install) {
    install.record = read_record(in);
}
void write(Writer&, const Identify&) {}
void read(Reader&, Identify&) {}

// -- answers
template <class Holding>
void write_holding(Writer& out, const Holding& holding) {
    write_ballot(out, holding.accepted);
    if (!holding.accepted.none()) out.bin(holding.held);
}
template <class Holding>
void read_holding(Reader& in, Holding& holding) {
    holding.accepted = read_ballot(in);
    if (!holding.accepted.none()) holding.held = read_register(in);
}
void write(Writer& out, const Promised& promised) {
    write_holding(out, promised);
}
void read(Reader& in, Promised& promised) {
    read_holding(in, promised);
}
void write(Writer&, const Accepted&) {}
void read(Reader&, Accepted&) {}
void write(Writer& out, const Held& held) {
    write_holding(out, held);
}
void read(Reader& in, Held& held) {
    read_holding(in, held);
}
void write(Writer& out, const Keys& keys) {
    out.array(keys.keys.size());
    for (const auto& key : keys.keys) out.bin(key);
    out.boolean(keys.more);
}
void read(Reader& in, Keys& keys) {
    for (auto left = in.array(page_keys_max); left > 0 && in.ok(); --left) {
        auto key = read_key(in);
        if (!keys.keys.empty() && key <= keys.keys.back()) in.fail();
        keys.keys.push_back(std::move(key));
    }
    keys.more = in.boolean();
    if (keys.more && keys.keys.empty()) in.fail();
}
void write(Writer& out, const Identity& identity) {
    write_maybe(out, identity.record);
}
void read(Reader& in, Identity& identity) {
    identity.record = read_maybe(in);
}
void write(Writer& out, const Refused& refused) {
    out.uint(std::uint64_t(refused.why));
    write_ballot(out, refused.promised);
    write_maybe(out, refused.record);
}
void read(Reader& in, Refused& refused) {
    refused.why = Refusal(in.uint(std::uint64_t(Refusal::went_back)));
    refused.promised = read_ballot(in);
    refused.record = read_maybe(in);
    if (refused.promised.none() != (refused.why != Refusal::ballot)) in.fail();
    if (refused.record.has_value() != (refused.why == Refusal::old_epoch)) in.fail();
}

/// The alternative at the place `kind`, read; fails where there is none.
template <class Body, std::size_t Kind = 0>
void read_body(Reader& in, std::size_t kind, Body& body) {
    if constexpr (Kind == std::variant_size_v<Body>) {
        in.fail();
    } else {
        if (kind != Kind) return read_body<Body, Kind + 1>(in, kind, body);
        read(in, body.template emplace<Kind>());
    }
}

constexpr std::uint64_t replies_from = 16;  ///< kinds of answers

Request read_request(Reader& in, std::uint64_t kind) {
    Request request;
    request.id = in.uint(count_max);
    request.voter = in.uint();
    request.epoch = in.uint(count_max);
    request.seen_sync = in.uint(count_max);
    read_body(in, kind, request.body);
    return request;
}
Reply read_reply(Reader& in, std::uint64_t kind) {
    Reply reply;
    reply.id = in.uint(count_max);
    reply.voter = in.uint();
    reply.sync = in.uint(count_max);
    read_body(in, kind, reply.body);
    return reply;
}

}  // namespace

// A frame is a sequence of items: [version, kind], the envelope, the body.
Bytes encode(const Message& message) {
    Writer out;
    if (const auto* request = std::get_if<Request>(&message)) {
        out.array(2).uint(agree_wire_version).uint(request->body.index());
        out.uint(request->id).uint(request->voter).uint(request->epoch).uint(request->seen_sync);
        std::visit([&](const auto& body) { write(out, body); }, request->body);
    } else {
        const auto& reply = std::get<Reply>(message);
        out.array(2).uint(agree_wire_version).uint(replies_from + reply.body.index());
        out.uint(reply.id).uint(reply.voter).uint(reply.sync);
        std::visit([&](const auto& body) { write(out, body); }, reply.body);
    }
    return out.take();
}

Result<Message> decode(BytesView bytes) {
    Reader in(bytes);
    in.tuple(2);
    const auto version = in.uint();
    if (in.ok() && version != agree_wire_version) return Fault{FaultCode::unknown_kind, "another version of agreement"};
    const auto kind = in.uint();
    Message message = Request{};
    if (kind >= replies_from) {
        message = read_reply(in, kind - replies_from);
    } else {
        message = read_request(in, kind);
    }
    if (!in.done()) return Fault{FaultCode::malformed, "not a message about registers"};
    return message;
}

}  // namespace starling::agree
