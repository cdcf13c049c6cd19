#include "cli/control_client.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>

#include "cli/control_socket.hpp"

namespace starling::cli {
namespace {

using crdt::Fault;
using crdt::FaultCode;
using crdt::Result;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t poll_ms_max = 3'600'000;  // poll() counts in an int; longer waits are several

/// True when the socket is ready before the deadline.
bool ready(int fd, short events, Clock::time_point deadline) {
    for (;;) {
        auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        if (left < 0) return false;
        pollfd item{fd, events, 0};
        int count = ::poll(&item, 1, int(std::min(std::int64_t{left}, poll_ms_max)));
        if (count > 0) return true;
        if (count < 0 && errno != EINTR) return false;
    }
}

Result<Json> parse_answer(const std::string& line) {
    auto json = parse_json(line, answer_depth_max);
    if (!json || !json->is_object())
        return Fault{FaultCode::malformed, "the node answered with something that is no JSON object"};
    return json;
}

Fault gone_fault() {
    return Fault{FaultCode::not_available, "the node hung up: see whether it still runs"};
}

}  // namespace

Result<ControlClient> ControlClient::connect(const std::filesystem::path& directory) {
    auto socket = connect_in(directory);
    if (!socket) return socket.fault();
    return ControlClient(std::move(*socket));
}

Result<bool> ControlClient::send(Json request) {
    request["v"] = protocol_version;
    std::string line = to_line(request);
    std::string_view left = line;
    const auto deadline = Clock::now() + answer_ms_max;
    while (!left.empty()) {
        ssize_t count = ::send(socket_.get(), left.data(), left.size(), MSG_NOSIGNAL);
        if (count > 0) {
            left.remove_prefix(std::size_t(count));
        } else if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (!ready(socket_.get(), POLLOUT, deadline))
                return Fault{FaultCode::not_available, "the node does not read its socket"};
        } else {
            gone_ = true;
            return gone_fault();
        }
    }
    return true;
}

void ControlClient::read_some() {
    std::array<char, control_read_bytes> buffer;
    for (;;) {
        ssize_t count = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (count > 0) {
            if (!lines_.feed({buffer.data(), std::size_t(count)})) gone_ = true;
            return;
        }
        if (count < 0 && errno == EINTR) continue;
        if (count == 0 || errno != EAGAIN) gone_ = true;
        return;
    }
}

Result<Json> ControlClient::receive(std::chrono::milliseconds timeout) {
    const auto deadline = Clock::now() + timeout;
    for (;;) {
        if (auto line = lines_.next()) return parse_answer(*line);
        if (gone_) return gone_fault();
        if (!ready(socket_.get(), POLLIN, deadline)) {
            return Fault{FaultCode::not_available,
                         "the node did not answer within " + std::to_string(timeout.count()) + " ms"};
        }
        read_some();
    }
}

Result<Json> ControlClient::call(Json request, std::chrono::milliseconds timeout) {
    auto sent = send(std::move(request));
    if (!sent) return sent.fault();
    return receive(timeout);
}

}  // namespace starling::cli
