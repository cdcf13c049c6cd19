#include "cli/demo/demo.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <netinet/in.h>
#include <random>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/demo/scenes.hpp"
#include "cli/exit_codes.hpp"
#include "cli/messages.hpp"

namespace starling::cli::demo {
namespace {

constexpr int exit_interrupted = 130;
constexpr int port_attempts_max = 50;
constexpr std::chrono::milliseconds breath_ms{1'200};

struct Scene {
    const char* name;
    Outcome (*play)(Stage&);
};
constexpr std::array<Scene, 10> scenes{{{"five nodes find each other, encrypted", find_each_other},
                                        {"a real inventory, loaded by all five", load_the_inventory},
                                        {"all count at once", count_together},
                                        {"the mesh falls apart, 2 | 3", part},
                                        {"and heals", heal},
                                        {"kill -9, and back", kill_and_return},
                                        {"kill -9 of all in mid-transaction", crash_and_return},
                                        {"a stranger at the door", refuse_a_stranger},
                                        {"apart, and one side gets the lock", agree_in_a_majority},
                                        {"a late holder, and its token", fence_a_late_holder}}};

/// A UDP port that nobody uses now, chosen by chance so that demos at the same time do not meet. 0 where none is found.
std::uint16_t unused_port() {
    std::random_device chance;
    std::uniform_int_distribution<int> ports(20'000, 31'000);
    for (int attempt = 0; attempt < port_attempts_max; ++attempt) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(std::uint16_t(ports(chance)));
        Descriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        if (::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0)
            return ntohs(address.sin_port);
    }
    return 0;
}

/// The demo's directories; removed at the end, unless they are to be kept.
class Stall {
  public:
    explicit Stall(bool keep) : keep_(keep) {
        std::error_code none;
        const auto parent = std::filesystem::temp_directory_path(none);
        std::string name = (parent / "starling-demo-XXXXXX").string();
        if (!none && ::mkdtemp(name.data()) != nullptr) path_ = name;
    }
    ~Stall() {
        std::error_code ignored;
        if (!keep_ && !path_.empty()) std::filesystem::remove_all(path_, ignored);
    }
    Stall(const Stall&) = delete;
    Stall& operator=(const Stall&) = delete;
    const std::filesystem::path& path() const { return path_; }

  private:
    bool keep_;
    std::filesystem::path path_;
};

Mode mode_of(const DemoOptions& options) {
    if (options.json) return Mode::json;
    return ::isatty(STDOUT_FILENO) == 1 ? Mode::terminal : Mode::plain;
}

void announce(Screen& screen, std::size_t number, const Outcome& outcome) {
    const std::string head =
        std::string(outcome.pass ? "PASS" : "FAIL") + "  " + std::to_string(number) + "  " + scenes[number - 1].name;
    screen.say(head, outcome.pass ? Tone::good : Tone::bad);
    if (!outcome.words.empty()) screen.say("         " + outcome.words);
    if (!outcome.why.empty()) screen.say("         " + outcome.why, Tone::bad);
    Json object{{"scene", number}, {"name", scenes[number - 1].name}, {"pass", outcome.pass}};
    object.update(outcome.figures);
    if (!outcome.why.empty()) object["why"] = outcome.why;
    screen.object(object);
}

/// Plays scene after scene; those after a failure have nothing to stand on and are not played. How many passed.
std::size_t play(Stage& stage) {
    for (std::size_t number = 1; number <= scenes.size(); ++number) {
        const Outcome outcome = scenes[number - 1].play(stage);
        announce(stage.fleet.screen(), number, outcome);
        if (!outcome.pass) {
            for (std::size_t later = number + 1; later <= scenes.size(); ++later) {
                announce(stage.fleet.screen(), later, failed({}, "not played, because an earlier scene failed"));
            }
            return number - 1;
        }
        stage.fleet.pause(stage.quick ? std::chrono::milliseconds(0) : breath_ms);
    }
    return scenes.size();
}

void say_goodbye(Screen& screen, std::size_t passed, double seconds, const std::string& program) {
    char text[96];
    std::snprintf(text, sizeof(text), "%zu of %zu scenes passed in %.1f s", passed, scenes.size(), seconds);
    screen.say("");
    screen.say(text, passed == scenes.size() ? Tone::good : Tone::bad);
    screen.say("");
    screen.say("Three commands to try next:");
    screen.say("  " + program + " init --dir ./a        # makes a mesh and prints its join code");
    screen.say("  " + program + " up --dir ./a &        # runs a node; others: join CODE --dir ./b, up --dir ./b");
    screen.say("  " + program + " put stock bolts 40 --dir ./a");
}

}  // namespace

int run_demo(const DemoOptions& options) {
    const std::string file = options.inventory.empty() ? inventory_file_default : options.inventory;
    auto packages = read_inventory(file);
    if (!packages) return complain(exit_input, packages.fault().what);
    Stall stall(options.keep);
    if (stall.path().empty())
        return complain(exit_machine, "cannot make a temporary directory: set TMPDIR to one that can be written");
    const std::uint16_t port = unused_port();
    if (port == 0) return complain(exit_machine, "no free UDP port on this machine");
    notice_signals();

    std::size_t passed = 0;
    {
        Screen screen(mode_of(options));
        screen.say("Starling: five nodes on this machine, loopback only, " + std::to_string(packages->size()) +
                       " packages to share; directories in " + stall.path().string(),
                   Tone::strong);
        Fleet fleet(screen, stall.path(), port);
        Stage stage{.fleet = fleet, .inventory_file = file, .packages = std::move(*packages), .quick = options.quick};
        passed = play(stage);
        screen.clear();
        if (!Fleet::interrupted()) say_goodbye(screen, passed, fleet.seconds(), options.program);
    }
    if (Fleet::interrupted()) {
        complain(exit_interrupted, "interrupted; all nodes of the demo are ended");
        return exit_interrupted;
    }
    if (options.keep) complain(0, "directories kept in " + stall.path().string());
    return passed == scenes.size() ? exit_ok : exit_absent;
}

}  // namespace starling::cli::demo
