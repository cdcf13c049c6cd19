// Journals as feeds, as requests of the control protocol.
#include "cli/data_operations.hpp"
#include "cli/json_value.hpp"
#include "cli/node_report.hpp"
#include "cli/request.hpp"

namespace starling::cli {
namespace {

using crdt::Result;

struct EventQuery {
    Events<Value> events;
    Cursor from;
};

/// "journal" is the key of one, or with "prefix" the beginning of the keys of several.
Result<EventQuery> feed_query(const Node& node, const Json& request) {
    auto key = text_in(request, "journal");
    auto cursor = cursor_in(request, request.contains("from") ? "from" : "cursor");  // as it was called
    if (!key) return key.fault();
    if (!cursor) return cursor.fault();
    const bool prefix = request.value("prefix", Json(false)) == Json(true);
    return EventQuery{prefix ? node.events<Value>(*key) : node.journal<Value>(*key).events(), std::move(*cursor)};
}

Json report_event(const Event<Value>& event) {
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(event.stamp.time_since_epoch()).count();
    Json json{{"journal", event.journal},
              {"dot", event.position.dot.to_string()},
              {"depth", event.position.depth},
              {"stamp_us", us}};
    if (!event.idempotency_key.empty()) json["key"] = event.idempotency_key;
    json["value"] = to_json(event.value);
    return json;
}

Json report_page(const EventPage<Value>& page) {
    Json list = Json::array();
    for (const auto& event : page.events) list.push_back(report_event(event));
    return {{"entries", std::move(list)}, {"cursor", page.next.to_string()}, {"more", page.more}};
}

}  // namespace

Json read_since(const Node& node, const Json& request) {
    auto query = feed_query(node, request);
    if (!query) return bad_request(query);
    Result<std::int64_t> limit = request.contains("limit") ? integer_in(request, "limit") : Result(since_limit_default);
    if (!limit || *limit < 1) return error_answer(error_code::input, "\"limit\" must be a whole number from 1 on");
    const auto page = query->events.since(query->from, std::size_t(*limit));
    Json answer = ok_answer();
    answer.update(report_page(page));
    answer["version"] = page.next.version().to_string();
    return answer;
}

Json read_changes(const Node& node, const Json& request) {
    auto prefix = request.contains("prefix") ? text_in(request, "prefix") : Result(std::string());
    auto cursor = cursor_in(request, "cursor");
    if (!prefix || !cursor) return bad_request(prefix, cursor);
    auto news = node.changes(*cursor, *prefix);
    Json answer = ok_answer();
    answer["resync"] = news.resync;
    Changes changes;
    changes.list = std::move(news.list);
    answer["changes"] = report(changes, 0)["change"]["changes"];
    answer["cursor"] = news.next.to_string();
    return answer;
}

Json follow_events(const Node& node, const Json& request, ClientSession& session) {
    auto query = feed_query(node, request);
    if (!query) return bad_request(query);
    auto read = [outbox = session.outbox](const EventPage<Value>& page) {
        outbox->push({{"v", protocol_version}, {"page", report_page(page)}});
    };
    session.held.push_back(std::make_shared<Subscription>(query->events.watch(query->from, std::move(read))));
    return ok_answer();
}

}  // namespace starling::cli
