// A disk that loses power and fails on command. What is written reaches it for good when it is synced; of all else each
// sector of 512 bytes is kept, dropped or torn when the power goes, whatever the order it was written in.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "sim/random.hpp"
#include "store/disk.hpp"

namespace starling::sim {

inline constexpr std::size_t sector_bytes = 512;

/// Thread rule: one thread at a time. A sync is O(written since the last one).
class VirtualDisk final : public store::Disk {
  public:
    explicit VirtualDisk(Random random) : random_(random) {}

    std::unique_ptr<store::DiskFile> open(const std::string& name, bool create) override;
    store::DiskError remove(const std::string& name) override;
    bool exists(const std::string& name) override { return files_.contains(name); }
    std::uint64_t random() override { return random_.next(); }

    // -- power
    /// The power goes at the so manieth write, truncation, sync or removal from now, counted from 1: that one may be
    /// carried out in part, and every later call fails until `power_on`.
    void cut_after(std::uint64_t changes) { cut_at_ = changes_ + changes; }
    /// It goes now.
    void cut() { powerless_ = true; }
    bool powerless() const { return powerless_; }
    /// What was not synced is kept, dropped or torn. Every file must be closed.
    void power_on();
    /// Syncs do nothing from now on, and say that they did: a control.
    void lie(bool on) { lies_ = on; }
    std::uint64_t changes() const { return changes_; }

    // -- faults
    struct DiskFault {
        std::uint64_t at;          ///< the so manieth call of any kind from now, counted from 1
        store::DiskError error;    ///< what it returns
        bool in_part = false;      ///< half of a write is carried out
        bool stays = false;        ///< every later call fails likewise, until `heal`
        bool writes_only = false;  ///< of the calls that stay away from it, reads succeed
    };
    void fail(const DiskFault& fault) {
        fault_ = {calls_ + fault.at, fault.error, fault.in_part, fault.stays, fault.writes_only};
    }
    void heal() { fault_.reset(); }
    bool failed() const { return failed_; }  ///< since the last `fail`, any
    std::uint64_t calls() const { return calls_; }

    /// Everything that a process would read now, by name: for copies of a disk.
    using Image = std::map<std::string, std::string>;
    Image image() const;
    /// This, durably, and nothing else. Every file must be closed.
    void put(const Image& image);

  private:
    friend class VirtualFile;
    struct Pending {
        std::uint64_t at;  ///< of a truncation, the size
        std::string data;
        bool truncates;
    };
    struct File {
        std::string now, durable;
        std::vector<Pending> pending;
        bool linked = false;  ///< its name is durable
        bool locked = false;
    };
    enum class Call : std::uint8_t { read, change };
    store::DiskError call(Call call, bool& in_part);
    static void apply(std::string& bytes, const Pending& pending);
    void settle(File& file);
    void settle_write(std::string& bytes, const Pending& pending);

    Random random_;
    std::map<std::string, std::shared_ptr<File>> files_;
    std::map<std::string, std::shared_ptr<File>> removed_;  ///< names that may come back
    std::uint64_t calls_ = 0, changes_ = 0;
    std::uint64_t cut_at_ = UINT64_MAX;
    bool powerless_ = false, lies_ = false, failed_ = false;
    std::optional<DiskFault> fault_;
};

}  // namespace starling::sim
