#include "sim/disk.hpp"

#include <algorithm>

namespace starling::sim {

using store::DiskError;

class VirtualFile final : public store::DiskFile {
  public:
    VirtualFile(VirtualDisk& disk, std::shared_ptr<VirtualDisk::File> file) : disk_(disk), file_(std::move(file)) {}

    DiskError read(char* into, std::size_t bytes, std::uint64_t from) override {
        bool in_part = false;
        if (const auto error = disk_.call(VirtualDisk::Call::read, in_part); error != DiskError::none) return error;
        const auto& data = file_->now;
        const auto there = from < data.size() ? std::min<std::size_t>(bytes, data.size() - from) : 0;
        std::copy_n(data.begin() + std::ptrdiff_t(there > 0 ? from : 0), there, into);
        std::fill(into + there, into + bytes, 0);
        return there == bytes ? DiskError::none : DiskError::short_read;
    }
    DiskError write(const char* data, std::size_t bytes, std::uint64_t at) override {
        return change({at, std::string(data, bytes), false});
    }
    DiskError truncate(std::uint64_t bytes) override { return change({bytes, {}, true}); }
    DiskError sync() override {
        bool in_part = false;
        if (const auto error = disk_.call(VirtualDisk::Call::change, in_part); error != DiskError::none) return error;
        if (disk_.lies_) return DiskError::none;
        for (const auto& pending : file_->pending) VirtualDisk::apply(file_->durable, pending);
        file_->pending.clear();
        // With a new file its directory is synced, as SQLite does: names that went before are gone for good.
        if (!std::exchange(file_->linked, true)) disk_.removed_.clear();
        return DiskError::none;
    }
    DiskError size(std::uint64_t& bytes) override {
        bool in_part = false;
        bytes = file_->now.size();
        return disk_.call(VirtualDisk::Call::read, in_part);
    }
    bool lock() override { return !std::exchange(file_->locked, true); }
    void unlock() override { file_->locked = false; }

  private:
    DiskError change(VirtualDisk::Pending pending) {
        bool in_part = false;
        const auto error = disk_.call(VirtualDisk::Call::change, in_part);
        if (error != DiskError::none && !in_part) return error;
        if (in_part && pending.truncates) return error;
        if (in_part) pending.data.resize(pending.data.size() / 2);
        VirtualDisk::apply(file_->now, pending);
        file_->pending.push_back(std::move(pending));
        return error;
    }

    VirtualDisk& disk_;
    std::shared_ptr<VirtualDisk::File> file_;
};

DiskError VirtualDisk::call(Call call, bool& in_part) {
    ++calls_;
    if (powerless_) return DiskError::io;
    if (call == Call::change && ++changes_ == cut_at_) {
        powerless_ = true;
        in_part = random_.chance(500);
        return DiskError::io;
    }
    if (!fault_ || calls_ < fault_->at) return DiskError::none;
    if (calls_ > fault_->at && !fault_->stays) return DiskError::none;
    if (fault_->writes_only && call == Call::read) return DiskError::none;
    failed_ = true;
    in_part = fault_->in_part && call == Call::change;
    return fault_->error;
}

std::unique_ptr<store::DiskFile> VirtualDisk::open(const std::string& name, bool create) {
    bool in_part = false;
    const auto at = files_.find(name);
    if (at == files_.end() && !create) return nullptr;
    if (call(at == files_.end() ? Call::change : Call::read, in_part) != DiskError::none) return nullptr;
    auto& file = files_[name];
    if (!file) file = std::make_shared<File>();
    return std::make_unique<VirtualFile>(*this, file);
}

DiskError VirtualDisk::remove(const std::string& name) {
    bool in_part = false;
    if (const auto error = call(Call::change, in_part); error != DiskError::none && !in_part) return error;
    const auto at = files_.find(name);
    if (at == files_.end()) return DiskError::io;
    if (at->second->linked) removed_[name] = at->second;
    files_.erase(at);
    return DiskError::none;
}

// -- power
// ---------------------------------------------------------------------------------------------------------------

void VirtualDisk::apply(std::string& bytes, const Pending& pending) {
    if (pending.truncates) return bytes.resize(pending.at);
    if (bytes.size() < pending.at + pending.data.size()) bytes.resize(pending.at + pending.data.size());
    std::copy(pending.data.begin(), pending.data.end(), bytes.begin() + std::ptrdiff_t(pending.at));
}

/// Each sector of a write has a fate of its own.
void VirtualDisk::settle_write(std::string& bytes, const Pending& pending) {
    for (std::size_t from = 0; from < pending.data.size();) {
        const auto sector_end = (pending.at + from) / sector_bytes * sector_bytes + sector_bytes;
        auto size = std::min<std::size_t>(pending.data.size() - from, sector_end - (pending.at + from));
        const auto next = from + size;
        const auto fate = random_.below(3);
        if (fate == 2 && size > 1) {  // torn: the front of it, or the back
            const auto cut = random_.between(1, size - 1);
            if (random_.chance(500))
                from += cut, size -= cut;
            else
                size = cut;
        }
        if (fate != 0) apply(bytes, {pending.at + from, pending.data.substr(from, size), false});
        from = next;
    }
}

void VirtualDisk::settle(File& file) {
    for (const auto& pending : file.pending) {
        if (!pending.truncates)
            settle_write(file.durable, pending);
        else if (random_.chance(500))
            apply(file.durable, pending);
    }
    file.pending.clear();
    file.now = file.durable;
    file.linked = true;
    file.locked = false;
}

void VirtualDisk::power_on() {
    for (auto& [name, file] : removed_) {
        if (!files_.contains(name) && random_.chance(500)) files_[name] = file;
    }
    removed_.clear();
    std::erase_if(files_, [&](const auto& f) { return !f.second->linked && random_.chance(500); });
    for (auto& [name, file] : files_) settle(*file);
    cut_at_ = UINT64_MAX;
    powerless_ = false;
}

VirtualDisk::Image VirtualDisk::image() const {
    Image image;
    for (const auto& [name, file] : files_) image[name] = file->now;
    return image;
}

void VirtualDisk::put(const Image& image) {
    files_.clear();
    removed_.clear();
    for (const auto& [name, bytes] : image) {
        auto file = std::make_shared<File>();
        file->now = file->durable = bytes;
        file->linked = true;
        files_[name] = std::move(file);
    }
}

}  // namespace starling::sim
