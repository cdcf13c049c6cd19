// Memory for what grows large. Small pieces come from the heap; large ones straight from the kernel, aligned and with a
// request for large pages: a first touch of each 4 KiB is a fault that can cost as much as several writes, and random
// access over small pages misses the TLB as often as the cache.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace starling::crdt {

inline constexpr std::size_t large_page_bytes = 2 * 1024 * 1024;
/// From so many bytes on a piece has pages of its own.
inline constexpr std::size_t own_pages_bytes_min = large_page_bytes;

struct FreePages {
    std::size_t bytes = 0;
    void operator()(std::byte* at) const;
};
/// Bytes without meaning that begin at a cache line. Throws std::bad_alloc.
using Pages = std::unique_ptr<std::byte[], FreePages>;
Pages new_pages(std::size_t bytes);

/// The same for containers.
template <class T>
struct PagesAllocator {
    using value_type = T;
    PagesAllocator() = default;
    template <class Other>
    PagesAllocator(const PagesAllocator<Other>&) {}  // NOLINT(google-explicit-constructor): containers convert them
    T* allocate(std::size_t count) { return reinterpret_cast<T*>(new_pages(count * sizeof(T)).release()); }
    void deallocate(T* at, std::size_t count) { FreePages{count * sizeof(T)}(reinterpret_cast<std::byte*>(at)); }
    bool operator==(const PagesAllocator&) const { return true; }
};
template <class T>
using PagedVector = std::vector<T, PagesAllocator<T>>;

}  // namespace starling::crdt
