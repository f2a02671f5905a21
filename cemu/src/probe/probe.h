/* What the probes share: which compilers know which instructions, and how a vector instruction is described.
 *
 * The instructions are written as assembly: the order of operands decides which NaN survives, and a compiler is free to
 * swap the operands of the intrinsics of sums, products and fused multiply-adds. */
#ifndef CEMU_PROBE_INTERNAL_H
#define CEMU_PROBE_INTERNAL_H

#include "cemu_probe.h"

#if defined(__x86_64__)

#if defined(__clang__)
#define PROBE_COMPILER(gcc, clang) (__clang_major__ >= (clang))
#elif defined(__GNUC__)
#define PROBE_COMPILER(gcc, clang) (__GNUC__ >= (gcc))
#else
#define PROBE_COMPILER(gcc, clang) 0
#endif

#define PROBE_AVX512 PROBE_COMPILER(8, 8) /* VNNI among it */
#define PROBE_BF16 PROBE_COMPILER(10, 9)
#define PROBE_AVX_VNNI PROBE_COMPILER(11, 12)
#define PROBE_FP16 PROBE_COMPILER(12, 14)
#define PROBE_AMX PROBE_COMPILER(11, 11)

enum {
    FEATURE_AVX = 1 << 0,
    FEATURE_AVX2 = 1 << 1,
    FEATURE_F16C = 1 << 2,
    FEATURE_FMA = 1 << 3,
    FEATURE_AVX_VNNI = 1 << 4,
    FEATURE_AVX512 = 1 << 5, /* F, BW, DQ and VL */
    FEATURE_VNNI = 1 << 6,
    FEATURE_BF16 = 1 << 7,
    FEATURE_FP16 = 1 << 8,
    FEATURE_AMX_TILE = 1 << 9,
    FEATURE_AMX_INT8 = 1 << 10,
    FEATURE_AMX_BF16 = 1 << 11,
};

/* Whether the processor has all these features and the system lets them be used: AVAILABLE, NO_CPU or NO_OS. */
int64_t probe_features(int features);

/* The instruction once, on whole vectors. */
typedef void probe_block(const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *d);

/* A vector instruction. */
typedef struct {
    probe_block *run[4];       /* by rounding; NULL: not compiled */
    int features;
    int lanes;                 /* results of one vector */
    int a, b, c, d;            /* bytes of one result; 0: no such operand */
} probe_vector;

extern const probe_vector probe_bf16[3], probe_vnni[8], probe_madd[4], probe_half[14], probe_convert[5], probe_fma[12];
extern const probe_vector probe_arithmetic[30], probe_resize[12];

int64_t probe_vector_available(int64_t probe);
int64_t probe_tile_available(int64_t probe);

/* MXCSR of a mode: all exceptions masked, no flag set. */
static inline uint32_t probe_mxcsr(int64_t mode) {
    return 0x1F80u | (uint32_t)(mode & CEMU_PROBE_ZERO) << 13 | (mode & CEMU_PROBE_DAZ ? 1u << 6 : 0u) |
           (mode & CEMU_PROBE_FTZ ? 1u << 15 : 0u);
}

#define PROBE_SAME(block) {block, block, block, block}

#endif
#endif
