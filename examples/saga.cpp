// A trip is booked in three places that share no transaction: flight, hotel, payment. Either all three are booked in
// the end or none, though the process that books is killed at any point.
//
//     saga DIRECTORY [--declined] [--die-at N]
//
// The world outside is files in DIRECTORY/world. `--declined`: the payment fails, half done. `--die-at`: the process
// kills itself at the N-th of the points before and after each thing that it does; called again, it goes on.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include <starling/starling.hpp>

namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

/// The services that are booked at. Both calls may be made again.
class World {
  public:
    World(fs::path dir, long die_at) : dir_(std::move(dir)), die_at_(die_at) { fs::create_directories(dir_); }

    void book(const std::string& trip, const std::string& what) {
        point();
        std::ofstream(dir_ / (trip + "." + what)) << "booked\n";
        point();
    }
    void cancel(const std::string& trip, const std::string& what) {
        point();
        fs::remove(dir_ / (trip + "." + what));
        point();
    }
    std::size_t booked() const {
        std::size_t count = 0;
        for (const auto& file : fs::directory_iterator(dir_)) count += file.is_regular_file() ? 1 : 0;
        return count;
    }

  private:
    void point() {
        if (++points_ == die_at_) std::raise(SIGKILL);
    }
    fs::path dir_;
    long die_at_;
    long points_ = 0;
};

starling::Node open(const fs::path& dir) {
    starling::Options options;
    options.dir = dir;
    options.listen_address = "127.0.0.1";
    options.discovery = false;
    return starling::Node::open(options);
}

int run(const fs::path& dir, bool declined, long die_at) {
    World world(dir / "world", die_at);
    const auto node = open(dir / "node");
    starling::Sagas<std::string> trips(node, "trips", {.attempts = 1'000});
    const auto booking = [&](const std::string& what) {
        return [&world, what](const std::string& trip, const starling::SagaRun&) { world.book(trip, what); };
    };
    const auto cancelling = [&](const std::string& what) {
        return [&world, what](const std::string& trip, const starling::SagaRun&) { world.cancel(trip, what); };
    };
    const auto pay = [&](const std::string& trip, const starling::SagaRun&) {
        world.book(trip, "payment");
        if (declined) throw std::runtime_error("the card is declined");
    };
    trips.step("flight", booking("flight"), cancelling("flight"))
        .step("hotel", booking("hotel"), cancelling("hotel"))
        .step("payment", pay, cancelling("payment"));

    trips.begin("trip 1", "trip-1").commit.durable();
    starling::TakeOptions options;
    options.lease = 300ms;  // longer than any step; who was killed is waited for as long
    options.wait = 10s;
    while (!trips.outcome("trip 1") || trips.queue().size() > 0) trips.work(options);
    std::cout << (trips.outcome("trip 1") == starling::SagaOutcome::done ? "done" : "undone") << ", " << world.booked()
              << " booked\n";
    return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.empty()) {
        std::cerr << "saga DIRECTORY [--declined] [--die-at N]\n";
        return EXIT_FAILURE;
    }
    bool declined = false;
    long die_at = 0;
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        if (arguments[i] == "--declined") declined = true;
        if (arguments[i] == "--die-at" && i + 1 < arguments.size()) die_at = std::atol(arguments[++i].c_str());
    }
    try {
        return run(arguments[0], declined, die_at);
    } catch (const std::exception& error) {
        std::cerr << "saga: " << error.what() << '\n';
        return EXIT_FAILURE;
    }
}
