#include "cli/control_server.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "cli/control_socket.hpp"

namespace starling::cli {
namespace {

constexpr std::size_t unread_bytes_max = 1 << 20;  // a client that has more to read than this is not read from
constexpr std::chrono::milliseconds last_write_max{500};
constexpr int last_write_poll_ms = 50;
constexpr int accept_rest_ms = 100;      // where the system has no descriptor for another client
constexpr std::size_t first_client = 3;  // among what is polled

void ring(int doorbell) {
    const std::uint64_t one = 1;
    [[maybe_unused]] auto written = ::write(doorbell, &one, sizeof(one));
}

}  // namespace

void Outbox::push(const Json& line) {
    {
        std::lock_guard lock(mutex_);
        if (full_) return;
        if (bytes_.size() > stream_bytes_max) {
            full_ = true;
            bytes_ += to_line(
                error_answer(error_code::too_large, "this watcher reads too slowly: watch again, and read all first"));
        } else {
            bytes_ += to_line(line);
        }
    }
    ring(doorbell_);
}

struct ControlServer::Client {
    Descriptor socket;
    LineBuffer lines{request_bytes_max};
    ClientSession session;
    struct Waiting {
        std::string line;
        std::function<std::optional<Json>()> before;
    };
    std::vector<Waiting> waiting;  ///< answers, from the first that has to wait on
    std::size_t waiting_bytes = 0;
    std::string out;          // of the server's thread; the outbox is moved into it
    std::size_t written = 0;  // of `out`
    bool hung_up = false;
    bool ended = false;       ///< it sends no more, and may still read
    bool too_long = false;    ///< a request that fits no line came after those in `lines`
    bool last_words = false;  // close once `out` is written

    std::size_t unwritten() const { return out.size() - written + waiting_bytes; }
    void put(std::string line);
    void release();
    void collect();
    void write();
};

ControlServer::ControlServer(std::filesystem::path directory, Descriptor listener, Descriptor doorbell, int stop_fd)
    : directory_(std::move(directory)),
      listener_(std::move(listener)),
      doorbell_(std::move(doorbell)),
      stop_fd_(stop_fd) {}

ControlServer::~ControlServer() {
    close_door();
}

void ControlServer::close_door() {
    if (!listener_) return;
    listener_.close();
    std::error_code ignored;
    std::filesystem::remove(directory_ / control_socket_name, ignored);
}

crdt::Result<std::unique_ptr<ControlServer>> ControlServer::open(const std::filesystem::path& directory, int stop_fd) {
    auto listener = listen_in(directory);
    if (!listener) return listener.fault();
    Descriptor doorbell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!doorbell) return crdt::Fault{crdt::FaultCode::not_available, "the system is out of file descriptors"};
    return std::unique_ptr<ControlServer>(
        new ControlServer(directory, std::move(*listener), std::move(doorbell), stop_fd));
}

void ControlServer::accept_clients() {
    for (;;) {
        Descriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!socket) {
            resting_ = errno != EAGAIN && errno != EINTR && errno != ECONNABORTED;
            return;
        }
        auto client = std::make_unique<Client>();
        client->socket = std::move(socket);
        client->session.outbox = std::make_shared<Outbox>(doorbell_.get());
        if (clients_.size() >= clients_max) {
            client->out = to_line(error_answer(error_code::unavailable, "too many commands at once: try again"));
            client->write();
            continue;
        }
        clients_.push_back(std::move(client));
    }
}

void ControlServer::answer(Client& client, const std::string& line, const Handler& handler) {
    auto request = parse_request(line);
    if (!request) {
        client.put(to_line(error_answer(error_code::usage, request.fault().what)));
        return;
    }
    client.collect();  // what watchers were told before this answer stays before it
    client.session.before_answer = {};
    client.put(to_line(handler(*request, client.session)));
}

void ControlServer::Client::put(std::string line) {
    if (waiting.empty() && !session.before_answer) {
        out += line;
        return;
    }
    waiting_bytes += line.size();
    waiting.push_back({std::move(line), std::exchange(session.before_answer, {})});
}

/// Waits for what the answers have to wait for. Requests of all clients that came together wait together.
void ControlServer::Client::release() {
    for (const auto& [line, before] : waiting) {
        const auto instead = before ? before() : std::nullopt;
        out += instead ? to_line(*instead) : line;
    }
    waiting.clear();
    waiting_bytes = 0;
}

void ControlServer::read_from(Client& client) {
    std::array<char, control_read_bytes> buffer;
    ssize_t count = ::recv(client.socket.get(), buffer.data(), buffer.size(), 0);
    if (count == 0) client.ended = true;
    if (count < 0 && errno != EAGAIN && errno != EINTR) client.hung_up = true;
    if (count <= 0) return;
    client.too_long = !client.lines.feed({buffer.data(), std::size_t(count)});
}

/// Answers what was read: what the client leaves unread bounds that.
void ControlServer::answer_some(Client& client, const Handler& handler) {
    std::optional<std::string> line;
    while (client.unwritten() <= unread_bytes_max && !client.last_words && (line = client.lines.next()))
        answer(client, *line, handler);
}

/// Answers and writes, as long as the client reads.
void ControlServer::serve(Client& client, const Handler& handler) {
    do {
        answer_some(client, handler);
        client.release();
        if (client.too_long && !client.last_words && client.unwritten() <= unread_bytes_max) refuse_long(client);
        client.collect();
        if (client.unwritten() == 0) {
            client.hung_up |= client.ended;
            return;
        }
        client.write();
    } while (!client.hung_up && client.unwritten() == 0);
}

void ControlServer::refuse_long(Client& client) {
    client.out += to_line(
        error_answer(error_code::too_large, "a request is at most " + std::to_string(request_bytes_max) + " bytes"));
    client.last_words = true;
}

void ControlServer::Client::collect() {
    Outbox& outbox = *session.outbox;
    std::lock_guard lock(outbox.mutex_);
    if (unwritten() > unread_bytes_max && !outbox.full_) return;  // what waits stays where it is bounded
    out += outbox.bytes_;
    outbox.bytes_.clear();
    last_words |= outbox.full_;
}

void ControlServer::Client::write() {
    while (unwritten() > 0) {
        ssize_t count = ::send(socket.get(), out.data() + written, unwritten(), MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno == EAGAIN) return;
        if (count <= 0) {
            hung_up = true;
            return;
        }
        written += std::size_t(count);
        if (written > unread_bytes_max) {
            out.erase(0, written);
            written = 0;
        }
    }
    out.clear();
    written = 0;
    if (last_words) hung_up = true;
}

void ControlServer::poll_once(const Handler& handler) {
    std::vector<pollfd> items{{stop_fd_, POLLIN, 0}, {doorbell_.get(), POLLIN, 0}};
    items.push_back({listener_.get(), short(resting_ ? 0 : POLLIN), 0});
    for (const auto& client : clients_) {
        const bool listens = client->unwritten() <= unread_bytes_max && !client->last_words && !client->ended;
        const short events = listens ? POLLIN : 0;
        items.push_back({client->socket.get(), short(events | (client->unwritten() > 0 ? POLLOUT : 0)), 0});
    }
    if (::poll(items.data(), items.size(), resting_ ? accept_rest_ms : -1) < 0) return;
    resting_ = false;
    if (items[0].revents != 0) stopping_ = true;
    if (items[1].revents != 0) {
        std::uint64_t rings = 0;
        [[maybe_unused]] auto count = ::read(doorbell_.get(), &rings, sizeof(rings));
    }
    for (std::size_t at = 0; at + first_client < items.size(); ++at) {
        Client& client = *clients_[at];
        const short events = items[at + first_client].revents;
        if ((events & POLLIN) != 0) {
            read_from(client);
        } else if ((events & (POLLHUP | POLLERR | POLLNVAL)) != 0) {
            client.hung_up = true;
        }
        answer_some(client, handler);
    }
    for (auto& client : clients_) serve(*client, handler);
    std::erase_if(clients_, [](const auto& client) { return client->hung_up; });
    if (items[2].revents != 0) accept_clients();
}

void ControlServer::run(const Handler& handler) {
    while (!stopping_) poll_once(handler);
    close_door();
    const auto deadline = std::chrono::steady_clock::now() + last_write_max;
    for (const auto& client : clients_) {
        client->session.held.clear();
        client->collect();
        client->write();
        while (!client->hung_up && client->unwritten() > 0 && std::chrono::steady_clock::now() < deadline) {
            pollfd item{client->socket.get(), POLLOUT, 0};
            ::poll(&item, 1, last_write_poll_ms);
            client->write();
        }
    }
}

}  // namespace starling::cli
