/* What this library is and what machine it runs on. */
#include "cemu.h"

#ifndef CEMU_VERSION
#define CEMU_VERSION "unknown"
#endif

CEMU_API const char *cemu_version(void) { return CEMU_VERSION; }

CEMU_API const char *cemu_isa(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return "x86-64-v4";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "x86-64-v3";
    return "x86-64";
#else
    return "generic";
#endif
}
