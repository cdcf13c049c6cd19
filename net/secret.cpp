#include "net/secret.hpp"

#include <sodium.h>

namespace starling::net {

void wipe(void* bytes, std::size_t count) {
    sodium_memzero(bytes, count);
}

}  // namespace starling::net
