// Strangers at the door: whatever they send, nothing of it is delivered, the process lives, memory stays flat, and two
// honest peers go on talking.
#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <netinet/in.h>
#include <optional>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sodium.h>
#include <zmq.hpp>

#include "net/door.hpp"
#include "net/peer_table.hpp"
#include "tests/net/small_mesh.hpp"

namespace starling::net {
namespace {

constexpr std::size_t rss_growth_max = std::size_t{24} << 20;

std::size_t resident_bytes() {
    std::size_t total = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> total >> resident;
    return resident * std::size_t(::sysconf(_SC_PAGESIZE));
}

/// Two honest peers that are linked; the first is the one that strangers try.
struct Town {
    SmallMesh mesh;
    SmallNode& host;
    SmallNode& guest;
    std::string endpoint;
    explicit Town(const TransportOptions& options = loopback_options())
        : host(mesh.add(options)), guest(mesh.add(loopback_options())) {
        REQUIRE(mesh.run_until([&] { return mesh.full(); }));
        endpoint = "tcp://127.0.0.1:" + std::to_string(host.transport->port());
    }
    std::uint64_t refused(DoorRefusal why) const { return host.transport->door().refused_for(why); }
    bool run_until_refused(DoorRefusal why, std::uint64_t count = 1) {
        return mesh.run_until([&] { return refused(why) >= count; });
    }
    /// The honest link is the one it was, and works in both directions; nobody else was heard.
    void still_fine() {
        host.messages.clear();
        guest.messages.clear();
        REQUIRE(host.transport->send(guest.key(), "hello guest"));
        REQUIRE(guest.transport->send(host.key(), "hello host"));
        REQUIRE(mesh.run_until([&] { return !host.messages.empty() && !guest.messages.empty(); }));
        CHECK(host.messages.size() == 1);
        CHECK(host.messages[0].bytes == "hello host");
        CHECK(host.linked == std::set<NodeKey>{guest.key()});
        CHECK(host.ups == 1);
        CHECK(host.downs == 0);
        CHECK(guest.downs == 0);
    }
};

/// A ZeroMQ client that does what it likes.
struct Stranger {
    zmq::context_t context{1};
    zmq::socket_t socket{context, zmq::socket_type::dealer};
    Stranger() {
        socket.set(zmq::sockopt::linger, 0);
        socket.set(zmq::sockopt::sndhwm, 100000);
    }
    void use_curve(const Identity& self, const CurveKey& server) {
        socket.set(zmq::sockopt::curve_serverkey, zmq::const_buffer(server.data(), server.size()));
        socket.set(zmq::sockopt::curve_publickey, zmq::const_buffer(self.curve_public().data(), 32));
        socket.set(zmq::sockopt::curve_secretkey, zmq::const_buffer(self.curve_secret().data(), 32));
        socket.set(zmq::sockopt::reconnect_ivl, -1);
    }
    void say(BytesView bytes, bool more = false) {
        zmq_send(socket.handle(), bytes.data(), bytes.size(), ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
    }
    std::optional<Bytes> hear() {
        zmq::message_t message;
        if (zmq_msg_recv(message.handle(), socket.handle(), ZMQ_DONTWAIT) < 0) return std::nullopt;
        return Bytes(message.to_string_view());
    }
};

class RawTcp {
  public:
    explicit RawTcp(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        connected_ = fd_ >= 0 && ::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
    }
    ~RawTcp() {
        if (fd_ >= 0) ::close(fd_);
    }
    RawTcp(const RawTcp&) = delete;
    RawTcp& operator=(const RawTcp&) = delete;
    bool connected() const { return connected_; }
    void say(BytesView bytes) {
        [[maybe_unused]] auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    /// The other side has ended the connection.
    bool ended() const {
        std::array<char, 4096> sink{};
        ssize_t got = 0;
        while ((got = ::recv(fd_, sink.data(), sink.size(), MSG_DONTWAIT)) > 0) {
        }
        return got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
    }

  private:
    int fd_;
    bool connected_ = false;
};

Bytes greeting(std::string_view mechanism) {
    Bytes out("\xff\0\0\0\0\0\0\0\x01\x7f\x03\0", 12);
    out += mechanism;
    out.resize(64, '\0');
    return out;
}

TEST_CASE("without CURVE, or with the wrong server key, nobody gets as far as the door") {
    Town town;
    const Bytes hello(hello_bytes, '\1');
    Stranger null, plain, wrong;
    plain.socket.set(zmq::sockopt::plain_username, "admin");
    plain.socket.set(zmq::sockopt::plain_password, "admin");
    wrong.use_curve(Identity::generate(), Identity::generate().curve_public());
    for (Stranger* stranger : {&null, &plain, &wrong}) {
        stranger->socket.connect(town.endpoint);
        for (int count = 0; count < 10; ++count) stranger->say(hello);
    }
    REQUIRE(town.run_until_refused(DoorRefusal::no_curve, 3));
    town.mesh.run_for(Milliseconds(100));
    for (Stranger* stranger : {&null, &plain, &wrong}) CHECK(!stranger->hear());
    town.still_fine();
}

TEST_CASE("a CURVE key that says nothing is shown out after a while") {
    auto options = loopback_options();
    options.handshake_ms_max = Milliseconds(300);
    Town town(options);
    Stranger silent;
    silent.use_curve(Identity::generate(), town.host.identity.curve_public());
    silent.socket.connect(town.endpoint);
    REQUIRE(town.run_until_refused(DoorRefusal::silent));
    silent.say(Bytes(hello_bytes, '\1'));
    town.mesh.run_for(Milliseconds(100));
    CHECK(!silent.hear());
    town.still_fine();
}

TEST_CASE("a first frame that is no proof of the secret ends the connection, and a key that repeats it is denied") {
    Town town;
    const auto& host = town.host.identity;
    auto outsider = Identity::generate();
    const CurveEnds ends{outsider.curve_public(), host.curve_public()};
    const Founded foreign;
    const auto insider = [&](const NodeKey& node) { return town.mesh.member(node); };

    auto attempt = [&](const Identity& self, const std::vector<Bytes>& frames, DoorRefusal expected) {
        const auto before = town.refused(expected);
        Stranger stranger;
        stranger.use_curve(self, host.curve_public());
        stranger.socket.connect(town.endpoint);
        for (const auto& frame : frames) stranger.say(frame);
        CHECK(town.run_until_refused(expected, before + 1));
        CHECK(!stranger.hear());
        town.still_fine();
    };
    Bytes data(1, char(FrameKind::data));
    data += "let me in";
    SUBCASE("garbage") {
        attempt(outsider, {Bytes(100, 'x')}, DoorRefusal::malformed);
    }
    SUBCASE("an empty frame") {
        attempt(outsider, {Bytes()}, DoorRefusal::malformed);
    }
    SUBCASE("data at once") {
        attempt(outsider, {data, data, data}, DoorRefusal::malformed);
    }
    SUBCASE("a large frame") {
        attempt(outsider, {Bytes(500000, '\1')}, DoorRefusal::malformed);
    }
    SUBCASE("another version") {
        auto hello = Door(insider(outsider.node_key()), {outsider.node_key(), 1, 1}).hello(ends, 0);
        hello[1] = char(door_version + 1);
        attempt(outsider, {hello}, DoorRefusal::malformed);
    }
    SUBCASE("an earlier version, which nobody is talked down to") {
        auto hello = Door(insider(outsider.node_key()), {outsider.node_key(), 1, 1}).hello(ends, 0);
        hello[1] = char(door_version - 1);
        attempt(outsider, {hello}, DoorRefusal::malformed);
    }
    SUBCASE("another mesh") {
        attempt(outsider, {Door(foreign.member(outsider.node_key()), {outsider.node_key(), 1, 1}).hello(ends, 0), data},
                DoorRefusal::other_mesh);
    }
    SUBCASE("a HELLO taken from somebody else's connection") {
        auto member = Identity::generate();
        auto hello = Door(insider(member.node_key()), {member.node_key(), 1, 1})
                         .hello({member.curve_public(), host.curve_public()}, 0);
        attempt(outsider, {hello, data}, DoorRefusal::no_proof);
    }
    SUBCASE("a member with a node key that is not its own") {
        attempt(outsider, {Door(insider(town.guest.key()), {town.guest.key(), 1, 1}).hello(ends, 0), data},
                DoorRefusal::wrong_key);
    }
    SUBCASE("the secret, and a certificate by another mesh's admin") {
        const auto chain = foreign.member(outsider.node_key()).chain;
        const Door door({town.mesh.secret, chain}, {outsider.node_key(), 1, 1});
        attempt(outsider, {door.hello(ends, 0), data}, DoorRefusal::no_certificate);
    }
    SUBCASE("the secret, and a certificate that was") {
        const auto own = town.mesh.member(outsider.node_key(), {.expires_s = 1'600'000'000});
        attempt(outsider, {Door(own, {outsider.node_key(), 1, 1}).hello(ends, 0), data}, DoorRefusal::expired);
    }
    SUBCASE("the host's own key") {
        CurveEnds self{host.curve_public(), host.curve_public()};
        attempt(host, {Door(insider(host.node_key()), {host.node_key(), 1, 1}).hello(self, 0), data},
                DoorRefusal::duplicate);
    }
    SUBCASE("again and again") {
        for (int count = 0; count < 3; ++count) attempt(outsider, {Bytes(100, 'x')}, DoorRefusal::malformed);
        attempt(outsider, {Bytes(100, 'x')}, DoorRefusal::denied);
    }
}

TEST_CASE("a member that skips the last step of the door is not heard") {
    Town town;
    const auto& host = town.host.identity;
    auto member = Identity::generate();
    const CurveEnds ends{member.curve_public(), host.curve_public()};
    Door door(town.mesh.member(member.node_key()), {member.node_key(), 1, 1});
    Stranger stranger;
    stranger.use_curve(member, host.curve_public());
    stranger.socket.connect(town.endpoint);
    stranger.say(door.hello(ends, 0));
    std::optional<Bytes> welcome;
    REQUIRE(town.mesh.run_until([&] { return (welcome = stranger.hear()).has_value(); }));
    CHECK(welcome->size() == welcome_bytes + 1 + certificate_bytes);
    Bytes data(1, char(FrameKind::data));
    stranger.say(data + "too early");
    REQUIRE(town.run_until_refused(DoorRefusal::no_proof));
    town.still_fine();
}

TEST_CASE("a member that speaks outside the grammar loses its link, and only its own") {
    Town town;
    const auto& host = town.host.identity;
    for (const Bytes& wrong :
         {Bytes(), Bytes(1, '\x09'), Bytes(1, char(FrameKind::hello)), Bytes(5, char(FrameKind::alive)),
          Bytes(9, char(FrameKind::alive)), Bytes(aside_bytes_max + 2, char(FrameKind::aside))}) {
        auto member = Identity::generate();
        const CurveEnds ends{member.curve_public(), host.curve_public()};
        Door door(town.mesh.member(member.node_key()), {member.node_key(), 1, 1});
        Stranger stranger;
        stranger.use_curve(member, host.curve_public());
        stranger.socket.connect(town.endpoint);
        auto hello = door.hello(ends, 0);
        stranger.say(hello);
        std::optional<Bytes> welcome;
        REQUIRE(town.mesh.run_until([&] { return (welcome = stranger.hear()).has_value(); }));
        stranger.say(Door::ready(town.mesh.secret.door_key(), ends, hello, *welcome));
        REQUIRE(town.mesh.run_until([&] { return town.host.linked.contains(member.node_key()); }));
        stranger.say(wrong);
        REQUIRE(town.mesh.run_until([&] { return !town.host.linked.contains(member.node_key()); }));
        CHECK(town.host.messages.empty());
    }
    CHECK(town.host.linked == std::set<NodeKey>{town.guest.key()});
    CHECK(town.guest.downs == 0);
}

TEST_CASE("garbage over TCP and frames that claim 200 MB cost nothing") {
    Town town;
    town.still_fine();
    const auto before = resident_bytes();
    std::vector<std::unique_ptr<RawTcp>> crowd;
    Bytes noise(2000, '\0');
    for (int count = 0; count < 30; ++count) {
        auto& raw = *crowd.emplace_back(std::make_unique<RawTcp>(town.host.transport->port()));
        REQUIRE(raw.connected());
        if (count % 3 == 0) {
            randombytes_buf(noise.data(), noise.size());
            raw.say(noise);
        } else if (count % 3 == 1) {
            // A long command, then a long message, of 200 MB each.
            raw.say(greeting("CURVE") + Bytes("\x06\0\0\0\0\x0b\xeb\xc2\0\x05HELLO", 15) + noise);
        } else {
            raw.say(greeting("NULL") + Bytes("\x02\0\0\0\0\x0b\xeb\xc2\0", 9) + noise);
        }
        town.mesh.turn();
    }
    REQUIRE(town.mesh.run_until(
        [&] { return std::all_of(crowd.begin(), crowd.end(), [](const auto& raw) { return raw->ended(); }); }));
    CHECK(resident_bytes() < before + rss_growth_max);
    town.still_fine();
}

constexpr const char* attack_variable = "STARLING_NET_ATTACK";
constexpr unsigned attacker_seconds_max = 30;  // it is ended before that, unless nobody is there any more to end it

// Skipped in this process: the next test case runs it, alone, in a process of its own.
TEST_CASE("the attacker of the next test case" * doctest::skip()) {
    const char* target = std::getenv(attack_variable);
    if (target == nullptr) return;
    const std::string text(target);
    CurveKey key{};
    REQUIRE(sodium_hex2bin(key.data(), key.size(), text.data() + text.find(' ') + 1, 64, nullptr, nullptr, nullptr) ==
            0);
    Stranger stranger;
    stranger.use_curve(Identity::generate(), key);
    stranger.socket.connect(text.substr(0, text.find(' ')));
    // 128 MB; libzmq hands the parts over when the last one is there, and the other side sees them one by one.
    const Bytes part(64 << 10, 'p');
    for (int count = 0; count < 2000; ++count) stranger.say(part, true);
    stranger.say(part);
    ::sleep(attacker_seconds_max);
}

TEST_CASE("a message of very many parts is stopped where it comes in") {
    // The door waits for as long as a slow machine takes to bring the message: what closes it is what the message is.
    auto options = loopback_options();
    options.handshake_ms_max = Milliseconds(30'000);
    Town town(options);
    town.still_fine();
    const auto before = resident_bytes();
    const auto host_key = town.host.identity.curve_public();
    // The attacker is another process (the test case below), so that its memory is not counted.
    const std::string target = attack_variable + ("=" + town.endpoint + " " + crdt::to_hex(host_key));
    std::array<char*, 4> arguments{const_cast<char*>("net-tests"), const_cast<char*>("--no-skip"),
                                   const_cast<char*>("--test-case=the attacker*"), nullptr};
    std::array<char*, 2> environment{const_cast<char*>(target.c_str()), nullptr};
    pid_t child = -1;
    REQUIRE(::posix_spawn(&child, "/proc/self/exe", nullptr, nullptr, arguments.data(), environment.data()) == 0);
    std::size_t most = 0;
    CHECK(town.mesh.run_until([&] {
        most = std::max(most, resident_bytes());
        return town.refused(DoorRefusal::malformed) >= 1;
    }));
    town.mesh.run_for(Milliseconds(300));
    most = std::max(most, resident_bytes());
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    CHECK(most < before + 2 * rss_growth_max);
    town.still_fine();
}

TEST_CASE("a flood from somebody who leaves while the host is busy does not end the host") {
    Town town;
    {
        Stranger stranger;
        stranger.use_curve(Identity::generate(), town.host.identity.curve_public());
        stranger.socket.set(zmq::sockopt::heartbeat_ivl, 20);
        stranger.socket.connect(town.endpoint);
        for (int count = 0; count < 20000; ++count) stranger.say("x");
        const auto before = town.refused(DoorRefusal::malformed);
        REQUIRE(town.mesh.run_until([&] { return town.refused(DoorRefusal::malformed) > before; }));
        for (int count = 0; count < 3; ++count) {
            Stranger other;
            other.use_curve(Identity::generate(), town.host.identity.curve_public());
            other.socket.set(zmq::sockopt::heartbeat_ivl, 20);
            other.socket.connect(town.endpoint);
            for (int frame = 0; frame < 20000; ++frame) other.say("x");
            // Just long enough for the handshake, then the host is busy with something else.
            for (int turn = 0; turn < 8; ++turn) town.mesh.turn();
            ::usleep(200000);
        }
        ::usleep(700000);
    }
    town.still_fine();
}

TEST_CASE("a crowd of silent connections keeps no peer out") {
    auto options = loopback_options();
    options.door_slots_max = 16;
    Town town(options);
    std::vector<std::unique_ptr<RawTcp>> crowd;
    for (int count = 0; count < 300; ++count) {
        crowd.push_back(std::make_unique<RawTcp>(town.host.transport->port()));
        if (count % 10 == 0) town.mesh.turn();
    }
    REQUIRE(town.run_until_refused(DoorRefusal::too_many, 200));
    auto& late = town.mesh.add(loopback_options());
    for (int count = 0; count < 20; ++count) crowd.push_back(std::make_unique<RawTcp>(town.host.transport->port()));
    REQUIRE(town.mesh.run_until([&] { return town.mesh.full(); }));
    CHECK(late.has(town.host));
    CHECK(town.guest.downs == 0);
    CHECK(town.host.downs == 0);
}

TEST_CASE("bogus beacons are ignored, and neither remembered nor answered") {
    Town town;
    const auto before = resident_bytes();
    const int udp = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(town.host.transport->port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto foreign = MeshSecret::founded_by(Identity::generate());
    std::array<std::uint8_t, 2000> noise{};
    for (int count = 0; count < 100000; ++count) {
        std::size_t size = beacon_bytes;
        if (count % 4 == 0) size = std::size_t(count) % noise.size();
        if (count % 1000 == 1) {
            auto sealed = seal(Beacon{Identity::generate().node_key(), 1, 1, 4000, true}, foreign.beacon_key());
            std::copy(sealed.begin(), sealed.end(), noise.begin());
        } else if (count % 1000 == 2) {
            randombytes_buf(noise.data(), noise.size());
        }
        ::sendto(udp, noise.data(), size, 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
        if (count % 200 == 0) town.mesh.turn();
    }
    town.still_fine();
    CHECK(town.host.transport->door().beacons_ignored > 1000);
    CHECK(resident_bytes() < before + rss_growth_max);
    std::array<char, 200> answer{};
    CHECK(::recv(udp, answer.data(), answer.size(), 0) < 0);
    ::close(udp);
}

TEST_CASE("a recorded beacon that is sent again from elsewhere changes nothing") {
    Town town;
    const int udp = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(town.host.transport->port());
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto node = Identity::generate();
    auto sealed = seal(Beacon{node.node_key(), 1, 1000, 9, true}, town.mesh.secret.beacon_key());
    const auto heard = town.host.transport->door().beacons_heard;
    const auto ignored = town.host.transport->door().beacons_ignored;
    for (int count = 0; count < 50; ++count) {
        ::sendto(udp, sealed.data(), sealed.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
    }
    REQUIRE(town.mesh.run_until([&] { return town.host.transport->door().beacons_ignored >= ignored + 49; }));
    CHECK(town.host.transport->door().beacons_heard > heard);
    int answers = 0;
    std::array<char, 200> answer{};
    while (::recv(udp, answer.data(), answer.size(), 0) > 0) ++answers;
    CHECK(answers == 1);
    // Another run with an older stamp: its clock may have been set back, so it is answered, but not believed.
    sealed = seal(Beacon{node.node_key(), 2, 900, 9, true}, town.mesh.secret.beacon_key());
    ::sendto(udp, sealed.data(), sealed.size(), 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
    CHECK(town.mesh.run_until([&] { return ::recv(udp, answer.data(), answer.size(), 0) > 0; }));
    town.still_fine();
    ::close(udp);
}

}  // namespace
}  // namespace starling::net
