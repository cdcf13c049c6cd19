// Lets another thread end a poll() that waits.
#pragma once

namespace starling::net {

/// An event descriptor. wake() from any thread, also a signal handler; the rest belongs to the thread that polls. Wakes
/// between two polls are merged into one.
class Waker {
  public:
    Waker();
    ~Waker();
    Waker(const Waker&) = delete;
    Waker& operator=(const Waker&) = delete;

    void wake() noexcept;
    int descriptor() const { return descriptor_; }
    /// Takes back all wakes so far.
    void clear() noexcept;

  private:
    int descriptor_;
};

}  // namespace starling::net
