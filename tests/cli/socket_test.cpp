#include <filesystem>
#include <fstream>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <doctest/doctest.h>

#include "cli/control_client.hpp"
#include "cli/control_server.hpp"
#include "cli/control_socket.hpp"

using namespace starling;
using namespace starling::cli;
namespace fs = std::filesystem;

namespace {

struct Directory {
    fs::path path = fs::temp_directory_path() / ("starling-socket-" + std::to_string(::getpid()));
    explicit Directory(const std::string& below = {}) {
        fs::remove_all(path);
        fs::create_directories(path / below);
    }
    ~Directory() { fs::remove_all(path); }
};

/// A server that echoes, on a thread of its own.
struct Echo {
    explicit Echo(const fs::path& directory) : stop(::eventfd(0, EFD_CLOEXEC)) {
        auto opened = ControlServer::open(directory, stop.get());
        REQUIRE(opened);
        server = std::move(*opened);
        thread = std::thread([this] {
            server->run([this](const Json& request, ClientSession& session) {
                if (request["op"] == "flood") {
                    const Json line{{"line", std::string(64 * 1024, 'x')}};
                    for (int count = 0; count < 400; ++count) session.outbox->push(line);
                }
                if (request["op"] == "stop") server->stop();
                Json answer = ok_answer();
                answer["echo"] = request;
                return answer;
            });
        });
    }
    ~Echo() {
        const std::uint64_t one = 1;
        [[maybe_unused]] auto written = ::write(stop.get(), &one, sizeof(one));
        thread.join();
    }
    Descriptor stop;
    std::unique_ptr<ControlServer> server;
    std::thread thread;
};

void write_raw(const ControlClient& client, const std::string& bytes) {
    std::string_view left = bytes;
    for (int attempt = 0; attempt < 2000 && !left.empty(); ++attempt) {
        const auto count = ::send(client.fd(), left.data(), left.size(), MSG_NOSIGNAL);
        if (count > 0) left.remove_prefix(std::size_t(count));
        if (count < 0 && errno != EAGAIN) return;
        if (count < 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

}  // namespace

TEST_CASE("requests are answered in order, many at once, by one client or several") {
    Directory directory;
    Echo echo(directory.path);
    auto first = ControlClient::connect(directory.path);
    auto second = ControlClient::connect(directory.path);
    REQUIRE(first);
    REQUIRE(second);
    for (int number = 0; number < 100; ++number) REQUIRE(first->send({{"op", "x"}, {"number", number}}));
    CHECK((*second->call({{"op", "y"}}))["echo"]["op"] == "y");
    for (int number = 0; number < 100; ++number) CHECK((*first->receive())["echo"]["number"] == number);
}

TEST_CASE("requests that are sent faster than their answers are read are all answered, in order") {
    constexpr int requests = 20'000;
    Directory directory;
    Echo echo(directory.path);
    auto client = ControlClient::connect(directory.path);
    REQUIRE(client);
    std::thread writer([&] {
        const std::string padding(200, 'x');
        std::string lines;
        for (int number = 0; number < requests; ++number)
            lines += to_line({{"v", 1}, {"op", "x"}, {"number", number}, {"padding", padding}});
        write_raw(*client, lines);
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // what is not read piles up
    int in_order = 0;
    for (auto answer = client->receive(); answer && (*answer)["echo"]["number"] == in_order; ++in_order) {
        if (in_order == requests - 1) break;
        answer = client->receive();
    }
    writer.join();
    CHECK(in_order == requests - 1);
}

TEST_CASE("a client that has said all it wants to say is answered") {
    Directory directory;
    Echo echo(directory.path);
    auto client = ControlClient::connect(directory.path);
    REQUIRE(client);
    write_raw(*client,
              to_line({{"v", 1}, {"op", "x"}, {"number", 1}}) + to_line({{"v", 1}, {"op", "x"}, {"number", 2}}));
    REQUIRE(::shutdown(client->fd(), SHUT_WR) == 0);
    for (int number : {1, 2}) {
        auto answer = client->receive();
        REQUIRE(answer);
        CHECK((*answer)["echo"]["number"] == number);
    }
    CHECK_FALSE(client->receive());
    CHECK(client->gone());
}

TEST_CASE("the socket is its owner's alone, and goes with the server") {
    Directory directory;
    {
        Echo echo(directory.path);
        struct stat there{};
        REQUIRE(::stat((directory.path / control_socket_name).c_str(), &there) == 0);
        CHECK((there.st_mode & 0777) == 0600);
    }
    CHECK_FALSE(fs::exists(directory.path / control_socket_name));
    auto client = ControlClient::connect(directory.path);
    REQUIRE_FALSE(client);
    CHECK(client.fault().what.find("starling up") != std::string::npos);
}

TEST_CASE("the socket of a killed process is replaced, and nothing else is") {
    Directory directory;
    {
        auto left_behind = listen_in(directory.path);
    }
    CHECK(fs::exists(directory.path / control_socket_name));
    CHECK_FALSE(ControlClient::connect(directory.path));
    {
        Echo echo(directory.path);
        CHECK(ControlClient::connect(directory.path));
    }
    std::ofstream(directory.path / control_socket_name) << "not a socket";
    CHECK_FALSE(listen_in(directory.path));
    CHECK(fs::is_regular_file(directory.path / control_socket_name));
}

TEST_CASE("a directory may have a longer path than a socket address holds") {
    const std::string below = std::string(100, 'a') + "/" + std::string(100, 'b');
    Directory directory(below);
    Echo echo(directory.path / below);
    auto client = ControlClient::connect(directory.path / below);
    REQUIRE(client);
    CHECK(client->call({{"op", "x"}}));
}

TEST_CASE("what is no request gets an error, and the connection lives") {
    Directory directory;
    Echo echo(directory.path);
    auto client = ControlClient::connect(directory.path);
    REQUIRE(client);
    for (const char* wrong : {"\n", "garbage\n", "{\"v\":1}\n", "[[[[[[\n", "\xff\xfe\x80\n", "null\n"}) {
        CAPTURE(wrong);
        write_raw(*client, wrong);
        auto answer = client->receive();
        REQUIRE(answer);
        CHECK((*answer)["ok"] == false);
        CHECK((*answer)["error"]["code"] == "usage");
    }
    CHECK(client->call({{"op", "x"}}));
}

TEST_CASE("a request without an end is refused, and the others do not notice") {
    Directory directory;
    Echo echo(directory.path);
    auto client = ControlClient::connect(directory.path);
    REQUIRE(client);
    write_raw(*client, std::string(request_bytes_max + 100, 'x'));
    auto answer = client->receive();
    REQUIRE(answer);
    CHECK((*answer)["error"]["code"] == "too_large");
    CHECK_FALSE(client->receive());
    CHECK(client->gone());
    auto other = ControlClient::connect(directory.path);
    REQUIRE(other);
    CHECK(other->call({{"op", "x"}}));
}

TEST_CASE("a client that hangs up in the middle, or is one too many, does no harm") {
    Directory directory;
    Echo echo(directory.path);
    for (int count = 0; count < 20; ++count) {
        auto client = ControlClient::connect(directory.path);
        REQUIRE(client);
        write_raw(*client, "{\"v\":1,\"op\":");
    }
    std::vector<ControlClient> crowd;
    for (std::size_t count = 0; count < clients_max + 10; ++count) {
        auto client = ControlClient::connect(directory.path);
        if (client) crowd.push_back(std::move(*client));
    }
    CHECK(crowd.front().call({{"op", "x"}}));
    crowd.clear();
    // The server sees the crowd leave only a little later; until then it answers that it is busy.
    bool served = false;
    for (int attempt = 0; attempt < 1000 && !served; ++attempt) {
        if (attempt > 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
        auto client = ControlClient::connect(directory.path);
        if (!client) continue;
        auto answer = client->call({{"op", "x"}});
        served = answer && answer->value("ok", false);
    }
    CHECK(served);
}

TEST_CASE("a stream that nobody reads ends, instead of growing") {
    Directory directory;
    Echo echo(directory.path);
    auto client = ControlClient::connect(directory.path);
    REQUIRE(client);
    REQUIRE(client->send({{"op", "flood"}}));
    bool ended = false;
    for (int line = 0; line < 1000 && !ended; ++line) {
        auto answer = client->receive();
        if (!answer) break;
        ended = answer->contains("error") && (*answer)["error"]["code"] == "too_large";
    }
    CHECK(ended);
}

TEST_CASE("the last answer leaves before the server ends") {
    Directory directory;
    Echo echo(directory.path);
    auto client = ControlClient::connect(directory.path);
    REQUIRE(client);
    CHECK(client->call({{"op", "stop"}}));
}
