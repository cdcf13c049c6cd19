#include "net/resolver.hpp"

#include <atomic>
#include <cstring>
#include <netdb.h>
#include <system_error>
#include <thread>

namespace starling::net {

struct Resolver::Record {
    HostPort what;
    std::optional<SocketAddress> address;
    std::atomic<bool> done{false};  // released after `address` is written

    void look_up() {
        addrinfo hints{};
        hints.ai_family = AF_UNSPEC;
        hints.ai_socktype = SOCK_DGRAM;
        hints.ai_flags = AI_ADDRCONFIG;
        addrinfo* found = nullptr;
        if (getaddrinfo(what.host.c_str(), std::to_string(what.port).c_str(), &hints, &found) == 0) {
            sockaddr_storage storage{};
            std::memcpy(&storage, found->ai_addr, found->ai_addrlen);
            freeaddrinfo(found);
            address = SocketAddress(storage);
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
    Answer answer{record_->what, record_->address};
    record_.reset();
    return answer;
}

}  // namespace starling::net
