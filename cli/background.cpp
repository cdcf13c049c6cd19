#include "cli/background.hpp"

#include <exception>
#include <memory>

#include "cli/node_service.hpp"

namespace starling::cli {

/// Lives as long as a connection.
struct StopAtTheEnd {
    std::stop_source stop{};
    ~StopAtTheEnd() { stop.request_stop(); }
};

namespace {

/// One for all requests of a connection, however many it makes.
std::stop_token stop_of(ClientSession& session) {
    auto connection = session.stop_at_the_end.lock();
    if (!connection) {
        connection = std::make_shared<StopAtTheEnd>();
        session.held.push_back(connection);
        session.stop_at_the_end = connection;
    }
    return connection->stop.get_token();
}

}  // namespace

Json Background::run(ClientSession& session, std::function<Json(const std::stop_token& stop)> work) {
    std::erase_if(tasks_, [](const Task& task) { return task.done.load(); });
    if (tasks_.size() >= background_max)
        return error_answer(error_code::unavailable, "too many requests are under way: try again");
    auto& task = tasks_.emplace_back();
    task.thread = std::jthread([&task, work = std::move(work), stop = stop_of(session), outbox = session.outbox] {
        try {
            outbox->push(work(stop));
        } catch (const Error& error) {
            outbox->push(error_answer(code_of(error.errc()), error.what()));
        } catch (const std::exception& error) {  // out of memory, most likely
            outbox->push(error_answer(error_code::unavailable, error.what()));
        }
        task.done = true;
    });
    return ok_answer();
}

}  // namespace starling::cli
