#include "net/waker.hpp"

#include <cerrno>
#include <cstdint>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

namespace starling::net {

Waker::Waker() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (descriptor_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

Waker::~Waker() {
    ::close(descriptor_);
}

void Waker::wake() noexcept {
    const int kept = errno;
    const std::uint64_t one = 1;
    // It can only fail when the counter is full, and then the poller is awake already.
    [[maybe_unused]] ssize_t wrote = ::write(descriptor_, &one, sizeof one);
    errno = kept;
}

void Waker::clear() noexcept {
    std::uint64_t count = 0;
    [[maybe_unused]] ssize_t got = ::read(descriptor_, &count, sizeof count);
}

}  // namespace starling::net
