/* What this processor has, and what the operating system lets a process use of it. */
#include "probe.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { XCR0_AVX = 0x6, XCR0_AVX512 = 0xE6, XCR0_AMX = 0x60000 };
enum { SAVES_REGISTERS = 1 << 29 /* OSXSAVE: xgetbv exists */, ASKED = 1 << 30 }; /* beside the features */
enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 }; /* arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) */

static uint64_t xcr0(void) {
    uint32_t low, high;
    __asm__ volatile(".byte 0x0f, 0x01, 0xd0" /* xgetbv */ : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static int bit(uint32_t word, int number) { return (int)(word >> number & 1); }

static int ask_cpu(void) {
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    int found = bit(c, 27) * SAVES_REGISTERS;
    found |= bit(c, 28) * FEATURE_AVX | bit(c, 29) * FEATURE_F16C | bit(c, 12) * FEATURE_FMA;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return found;
    found |= bit(b, 5) * FEATURE_AVX2;
    found |= (bit(b, 16) & bit(b, 17) & bit(b, 30) & bit(b, 31)) * FEATURE_AVX512;
    found |= bit(c, 11) * FEATURE_VNNI;
    found |= bit(d, 22) * FEATURE_AMX_BF16 | bit(d, 23) * FEATURE_FP16;
    found |= bit(d, 24) * FEATURE_AMX_TILE | bit(d, 25) * FEATURE_AMX_INT8;
    if (a < 1 || !__get_cpuid_count(7, 1, &a, &b, &c, &d)) return found;
    return found | bit(a, 4) * FEATURE_AVX_VNNI | bit(a, 5) * FEATURE_BF16;
}

/* CPUID is slow in a virtual machine: it is asked once, or by several threads once each. */
static int cpu_features(void) {
    static int asked;
    int found = __atomic_load_n(&asked, __ATOMIC_RELAXED);
    if (!found) {
        found = ask_cpu() | ASKED;
        __atomic_store_n(&asked, found, __ATOMIC_RELAXED);
    }
    return found;
}

static int may_use_tiles(void) {
#if defined(__linux__)
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
    return 0;
#endif
}

int64_t probe_features(int features) {
    if (!features) return CEMU_PROBE_AVAILABLE; /* SSE2 is part of x86-64 */
    int found = cpu_features();
    if (features & ~found) return CEMU_PROBE_NO_CPU;
    if (!(found & SAVES_REGISTERS)) return CEMU_PROBE_NO_OS;
    uint64_t saved = xcr0(), needed = XCR0_AVX;
    if (features & (FEATURE_AVX512 | FEATURE_VNNI | FEATURE_BF16 | FEATURE_FP16)) needed |= XCR0_AVX512;
    if (features & FEATURE_AMX_TILE) needed |= XCR0_AMX;
    if ((saved & needed) != needed) return CEMU_PROBE_NO_OS;
    return features & FEATURE_AMX_TILE && !may_use_tiles() ? CEMU_PROBE_NO_OS : CEMU_PROBE_AVAILABLE;
}
#endif
