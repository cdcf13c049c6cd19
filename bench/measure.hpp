// How the suites measure: the processor time of this thread, contestants that take turns so that a machine that slows
// down slows them all, and memory in a process that held nothing before.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>
#include <iostream>
#include <malloc.h>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "crdt/assert.hpp"

namespace starling::bench {

/// Processor time of this thread: what other programs of the machine do meanwhile is not counted.
inline double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return double(now.tv_sec) + double(now.tv_nsec) * 1e-9;
}

/// Of all threads of this process.
inline double process_cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return double(now.tv_sec) + double(now.tv_nsec) * 1e-9;
}

template <class Work>
double seconds_of(Work&& work) {
    const double before = cpu_seconds();
    work();
    return cpu_seconds() - before;
}

/// Seconds that each of the contestants took for items [0, items), which they work off in turns of `turn` items. Who
/// begins changes from turn to turn.
template <class... Contestants>
std::array<double, sizeof...(Contestants)> take_turns(std::size_t items, std::size_t turn,
                                                      Contestants&&... contestants) {
    constexpr std::size_t many = sizeof...(Contestants);
    const std::array<std::function<void(std::size_t, std::size_t)>, many> all{std::ref(contestants)...};
    std::array<double, many> seconds{};
    std::size_t first = 0;
    for (std::size_t from = 0; from < items; from += turn, first = (first + 1) % many) {
        const std::size_t to = std::min(items, from + turn);
        for (std::size_t i = 0; i < many; ++i) {
            const std::size_t who = (first + i) % many;
            seconds[who] += seconds_of([&] { all[who](from, to); });
        }
    }
    return seconds;
}

inline double millions_per_second(std::size_t items, double seconds) {
    return seconds > 0 ? double(items) / seconds / 1e6 : 0;
}

/// Keeps the compiler from leaving out what nobody reads.
template <class T>
void keep(const T& value) {
    asm volatile("" : : "r"(&value) : "memory");
}

/// Pages that this process holds in memory, in bytes, without what malloc only keeps for later.
inline std::size_t resident_bytes() {
    malloc_trim(0);
    std::FILE* file = std::fopen("/proc/self/statm", "r");
    STARLING_ASSERT(file != nullptr, "/proc is mounted");
    unsigned long total = 0;
    unsigned long resident = 0;
    const int read = std::fscanf(file, "%lu %lu", &total, &resident);
    std::fclose(file);
    STARLING_ASSERT(read == 2, "statm has its two first numbers");
    return resident * std::size_t(sysconf(_SC_PAGESIZE));
}

/// Runs `work` in a child process, so that it meets the heap as a fresh program does; returns its answers.
template <std::size_t Answers, class Work>
std::array<double, Answers> in_fresh_process(Work&& work) {
    int ends[2];
    STARLING_ASSERT(pipe(ends) == 0, "there are descriptors left");
    const pid_t child = fork();
    STARLING_ASSERT(child >= 0, "a process can be made");
    std::array<double, Answers> answers{};
    if (child == 0) {
        answers = work();
        const bool told = write(ends[1], answers.data(), sizeof answers) == ssize_t(sizeof answers);
        _exit(told ? 0 : 1);
    }
    close(ends[1]);
    const bool heard = read(ends[0], answers.data(), sizeof answers) == ssize_t(sizeof answers);
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    STARLING_ASSERT(heard && status == 0, "the measuring child answered");
    return answers;
}

// -- programs

struct Options {
    bool quick = false;
};
/// One part of a suite. scripts/bench runs each in a process of its own.
struct Part {
    std::string_view name;
    void (*run)(const Options&);
    bool slow = false;  ///< left out by --quick
};

/// `SUITE-bench [--quick] --list | PART…`; without a part, all of them.
inline int run_parts(int argc, char** argv, const std::vector<Part>& parts) {
    Options options;
    bool list = false;
    std::vector<std::string_view> wanted;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--quick") {
            options.quick = true;
        } else if (word == "--list") {
            list = true;
        } else {
            wanted.push_back(word);
        }
    }
    const auto named = [&](const Part& part) {
        return std::find(wanted.begin(), wanted.end(), part.name) != wanted.end();
    };
    std::size_t met = 0;
    for (const Part& part : parts) {
        if (wanted.empty() ? options.quick && part.slow : !named(part)) continue;
        ++met;
        if (list) {
            std::cout << part.name << '\n';
        } else {
            part.run(options);
        }
    }
    return met == 0 ? 2 : 0;
}

}  // namespace starling::bench
