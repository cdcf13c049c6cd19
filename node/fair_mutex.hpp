// std::mutex lets a thread that writes in a tight loop take the lock again and again while another one sleeps on it.
// Here the one that has waited goes first, so that a bulk load does not starve the network thread.
#pragma once

#include <mutex>

namespace starling::detail {

/// Lockable. Whoever waits for `inner_` holds `turn_`, so the last holder must queue behind it to lock again.
class FairMutex {
  public:
    void lock() {
        const std::lock_guard turn(turn_);
        inner_.lock();
    }
    void unlock() { inner_.unlock(); }

  private:
    std::mutex turn_;
    std::mutex inner_;
};

}  // namespace starling::detail
