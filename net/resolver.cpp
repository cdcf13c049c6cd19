#include "net/resolver.hpp"

#include <atomic>
#include <cstring>
#include <netdb.h>
#include <system_error>
#include <thread>

namespace starling::net {

struct Resolver::Record {
    HostPort what;
    std::vector<SocketAddress> addresses;
    std::atomic<bool> done{false};  // released after `addresses` is written

    void look_up() {
        addrinfo hints{};
        hints.ai_family = AF_UNSPEC;
        hints.ai_socktype = SOCK_DGRAM;
        hints.ai_flags = AI_ADDRCONFIG;
        addrinfo* found = nullptr;
        if (getaddrinfo(what.host.c_str(), std::to_string(what.port).c_str(), &hints, &found) == 0) {
            const addrinfo* next = found;
            for (; next != nullptr && addresses.size() < addresses_per_name_max; next = next->ai_next) {
                sockaddr_storage storage{};
                std::memcpy(&storage, next->ai_addr, next->ai_addrlen);
                addresses.emplace_back(storage);
            }
            freeaddrinfo(found);
        }
        done.store(true, std::memory_order_release);
    }
};

Resolver::Resolver() = default;
Resolver::~Resolver() = default;

bool Resolver::start(const HostPort& what) {
    STARLING_ASSERT(!busy(), "one look-up at a time");
    auto record = std::make_shared<Record>();
    record->what = what;
    try {
        std::thread([record] { record->look_up(); }).detach();
    } catch (const std::system_error&) {
        return false;
    }
    record_ = std::move(record);
    return true;
}

std::optional<Resolver::Answer> Resolver::take() {
    if (!record_ || !record_->done.load(std::memory_order_acquire)) return std::nullopt;
    Answer answer{record_->what, std::move(record_->addresses)};
    record_.reset();
    return answer;
}

}  // namespace starling::net
