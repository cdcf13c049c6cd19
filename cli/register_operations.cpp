#include "cli/register_operations.hpp"

#include <array>
#include <charconv>
#include <exception>
#include <map>

#include "cli/json_value.hpp"
#include "cli/node_service.hpp"
#include "cli/request.hpp"

namespace starling::cli {
namespace {

using crdt::Fault;
using crdt::FaultCode;
using crdt::Result;
using std::chrono::milliseconds;

// A decision goes on when its client is gone, and keeps one of `decisions_max` places.
constexpr std::int64_t within_ms_max = milliseconds(std::chrono::minutes(1)).count();
constexpr int hexadecimal = 16;

using Held = std::optional<Value>;

/// What is to become of a register. `met`: whether a compare-and-set found what it expected.
struct Wish {
    std::function<Held(const Held&, bool& met)> change{};  ///< empty: a read
    bool compares = false;
};
using ReadWish = Result<Wish> (*)(const Json&);

/// Three numbers, as text: JSON's numbers lose digits in many a reader.
std::string text_of(const ChangeId& id) {
    std::string text;
    for (const auto part : {id.life, id.number, id.since}) {
        std::array<char, 16> digits{};
        const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), part, hexadecimal).ptr;
        text += (text.empty() ? "" : "-") + std::string(digits.data(), end);
    }
    return text;
}

Result<ChangeId> change_in(const Json& request) {
    ChangeId id;
    if (!request.contains("change")) return id;
    auto text = text_in(request, "change");
    if (!text) return text.fault();
    const char* at = text->data();
    const char* const end = at + text->size();
    for (auto* part : {&id.life, &id.number, &id.since}) {
        const auto read = std::from_chars(at, end, *part, hexadecimal);
        const bool last = part == &id.since;
        if (read.ec != std::errc() || (last ? read.ptr != end : read.ptr == end || *read.ptr != '-'))
            return Fault{FaultCode::malformed, "\"change\" is not what an unknown outcome named"};
        at = read.ptr + 1;
    }
    if (id.empty()) return Fault{FaultCode::malformed, "\"change\" is not what an unknown outcome named"};
    return id;
}

Result<Wish> wish_get(const Json&) {
    return Wish{};
}

Result<Wish> wish_set(const Json& request) {
    auto value = value_in(request, "value");
    if (!value) return value.fault();
    return Wish{.change = [value = *value](const Held&, bool&) { return Held(value); }};
}

/// Without "expected": where it holds nothing.
Result<Wish> wish_cas(const Json& request) {
    auto value = value_in(request, "value");
    if (!value) return value.fault();
    Held expected;
    if (request.contains("expected")) {
        auto given = value_in(request, "expected");
        if (!given) return given.fault();
        expected = *given;
    }
    const auto change = [expected, value = *value](const Held& held, bool& met) {
        met = held == expected;
        return met ? Held(value) : held;
    };
    return Wish{.change = change, .compares = true};
}

Result<Wish> wish_append(const Json& request) {
    auto value = value_in(request, "value");
    if (!value) return value.fault();
    return Wish{.change = [value = *value](const Held& held, bool&) {
        Value::Array list;
        const auto* before = held ? held->as<Value::Array>() : nullptr;
        if (held && !before) throw Error(Errc::invalid_argument, "the register holds no list to append to");
        if (before) list = *before;
        list.push_back(value);
        return Held(Value(std::move(list)));
    }};
}

/// Throws starling::Error, other than outcome_unknown, which is an answer with the change's name. A change that was
/// named is one whose outcome is unknown already, and stays so where nobody can be asked.
Json decision(const Agreed<Value>& handle, const Wish& wish, milliseconds within, ChangeId id) {
    const bool asked_again = !id.empty();
    bool met = false;
    Decided<Value> decided;
    try {
        if (wish.change) {
            decided = handle.change([&](const Held& held) { return wish.change(held, met); }, within, id);
        } else {
            decided = handle.look(within);
        }
    } catch (const Error& error) {
        const bool nobody_said = error.errc() == Errc::no_majority || error.errc() == Errc::closed;
        if (error.errc() != Errc::outcome_unknown && !(asked_again && nobody_said)) throw;
        Json answer = error_answer(error_code::outcome_unknown, error.what());
        if (!id.empty()) answer["error"]["change"] = text_of(id);
        return answer;
    }
    Json what{{"value", decided.value ? to_json(*decided.value) : Json()},
              {"there", decided.value.has_value()},
              {"revision", decided.revision},
              {"changed", decided.changed},
              {"earlier", decided.earlier}};
    if (wish.compares) what["met"] = met || decided.earlier;
    Json answer = ok_answer();
    answer["decided"] = std::move(what);
    return answer;
}

}  // namespace

std::optional<Json> RegisterOperations::answer(const std::string& op, const Json& request, ClientSession& session) {
    static const std::map<std::string_view, ReadWish> operations{
        {"agreed_get", wish_get}, {"agreed_set", wish_set}, {"agreed_cas", wish_cas}, {"agreed_append", wish_append}};
    const auto at = operations.find(op);
    if (at == operations.end()) return std::nullopt;
    auto key = text_in(request, "register");
    auto wish = at->second(request);
    auto id = change_in(request);
    Result<std::int64_t> within_ms =
        request.contains("within_ms") ? integer_in(request, "within_ms") : Result(std::int64_t(decide_within.count()));
    if (!key || !wish || !id || !within_ms) return bad_request(key, wish, id, within_ms);
    if (*within_ms < 1 || *within_ms > within_ms_max)
        return error_answer(error_code::input, "\"within_ms\" is 1 ms to a minute");
    return begin([handle = node_.agreed<Value>(*key), wish = std::move(*wish), within = milliseconds(*within_ms),
                  id = *id] { return decision(handle, wish, within, id); },
                 session);
}

Json RegisterOperations::begin(std::function<Json()> decide, ClientSession& session) {
    std::erase_if(decisions_, [](const Decision& decision) { return decision.over->load(); });
    if (session.deciding && !*session.deciding)
        return error_answer(error_code::usage, "a connection decides one thing at a time: wait for what follows");
    if (decisions_.size() >= decisions_max)
        return error_answer(error_code::unavailable, "too many decisions at once: try again");
    Decision decision;
    decision.thread = std::jthread([decide = std::move(decide), over = decision.over, outbox = session.outbox] {
        Json line;
        try {
            line = decide();
        } catch (const Error& error) {
            line = error_answer(code_of(error.errc()), error.what());
        } catch (const std::exception& error) {  // out of memory, most likely
            line = error_answer(error_code::unavailable, error.what());
        }
        *over = true;  // first: who has read the answer may ask the next
        outbox->push(line);
    });
    session.deciding = decision.over;
    decisions_.push_back(std::move(decision));
    return ok_answer();
}

}  // namespace starling::cli
