#include "crdt/pages.hpp"

#include <cstdint>
#include <new>
#include <sys/mman.h>

namespace starling::crdt {

namespace {

constexpr std::align_val_t cache_line{64};

std::size_t whole_pages(std::size_t bytes) {
    return (bytes + large_page_bytes - 1) / large_page_bytes * large_page_bytes;
}

/// A range with room for an aligned one, less what lies before and behind that.
std::byte* map(std::size_t bytes) {
    const auto room = bytes + large_page_bytes;
    void* begin = mmap(nullptr, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (begin == MAP_FAILED) throw std::bad_alloc();
    auto* at = static_cast<std::byte*>(begin);
    const auto before = (large_page_bytes - reinterpret_cast<std::uintptr_t>(at) % large_page_bytes) % large_page_bytes;
    if (before > 0) munmap(at, before);
    munmap(at + before + bytes, large_page_bytes - before);
    at += before;
#ifdef MADV_HUGEPAGE
    madvise(at, bytes, MADV_HUGEPAGE);  // a kernel that has none says no, and that is all
#endif
    return at;
}

}  // namespace

void FreePages::operator()(std::byte* at) const {
    if (bytes < own_pages_bytes_min) return ::operator delete[](at, cache_line);
    munmap(at, whole_pages(bytes));
}

Pages new_pages(std::size_t bytes) {
    auto* at = bytes < own_pages_bytes_min ? static_cast<std::byte*>(::operator new[](bytes, cache_line))
                                           : map(whole_pages(bytes));
    return Pages(at, FreePages{bytes});
}

}  // namespace starling::crdt
