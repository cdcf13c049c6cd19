// What an application may link against. The library is built with hidden visibility: a class or a free function that is
// part of the public API says so with STARLING_API, everything else stays inside.
#pragma once

#if defined(__GNUC__)
#define STARLING_API __attribute__((visibility("default")))
#else
#define STARLING_API
#endif
