/* VFMADDxxxPS and VFMADDxxxPD: fused multiply-adds of float32 and float64, rounded and flushed by MXCSR, in the
 * three orders of operands. */
#include "probe.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* The first operand is overwritten. */
#define FMA(name, instruction, isa, vector, load, store, registers, first, second, third)                 \
    __attribute__((target(isa))) static void name(const uint8_t *a, const uint8_t *b, const uint8_t *c,   \
                                                  uint8_t *d) {                                           \
        vector z = load((const void *)first), x = load((const void *)second);                             \
        vector y = load((const void *)third);                                                             \
        __asm__(instruction " %2, %1, %0" : "+" registers(z) : registers(x), registers(y));               \
        store((void *)d, z);                                                                              \
    }

#if PROBE_AVX512
#define WIDE(name, instruction, first, second, third)                                                               \
    FMA(name, instruction, "avx512f", __m512i, _mm512_loadu_si512, _mm512_storeu_si512, "v", first, second, third)
WIDE(wide, "vfmadd231ps", c, a, b)
WIDE(wide_213, "vfmadd213ps", b, a, c)
WIDE(wide_132, "vfmadd132ps", a, c, b)
WIDE(wide_double, "vfmadd231pd", c, a, b)
WIDE(wide_double_213, "vfmadd213pd", b, a, c)
WIDE(wide_double_132, "vfmadd132pd", a, c, b)
#define RUN(block) PROBE_SAME(block)
#else
#define RUN(block) PROBE_SAME(0)
#endif

#define VEX(name, instruction, first, second, third)                                                                \
    FMA(name, instruction, "avx,fma", __m256i, _mm256_loadu_si256, _mm256_storeu_si256, "x", first, second, third)
VEX(vex, "vfmadd231ps", c, a, b)
VEX(vex_213, "vfmadd213ps", b, a, c)
VEX(vex_132, "vfmadd132ps", a, c, b)
VEX(vex_double, "vfmadd231pd", c, a, b)
VEX(vex_double_213, "vfmadd213pd", b, a, c)
VEX(vex_double_132, "vfmadd132pd", a, c, b)

#define EVEX_ROW(block, n) {RUN(block), FEATURE_AVX512, 64 / n, n, n, n, n}
#define VEX_ROW(block, n) {PROBE_SAME(block), FEATURE_AVX | FEATURE_FMA, 32 / n, n, n, n, n}
const probe_vector probe_fma[12] = {
    EVEX_ROW(wide, 4), EVEX_ROW(wide_213, 4), EVEX_ROW(wide_132, 4),
    VEX_ROW(vex, 4), VEX_ROW(vex_213, 4), VEX_ROW(vex_132, 4),
    EVEX_ROW(wide_double, 8), EVEX_ROW(wide_double_213, 8), EVEX_ROW(wide_double_132, 8),
    VEX_ROW(vex_double, 8), VEX_ROW(vex_double_213, 8), VEX_ROW(vex_double_132, 8),
};
#endif
