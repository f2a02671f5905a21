/* Sums, products, quotients and square roots of float32 and float64, rounded and flushed by MXCSR. */
#include "probe.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define BLOCK(name, isa) \
    __attribute__((target(isa))) static void name(const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *d)

#define BINARY(name, instruction, isa, vector, load, store, registers)                                     \
    BLOCK(name, isa) {                                                                                     \
        vector x = load((const void *)a), y = load((const void *)b), z;                                    \
        (void)c;                                                                                           \
        __asm__("v" instruction " %2, %1, %0" : "=" registers(z) : registers(x), registers(y));            \
        store((void *)d, z);                                                                               \
    }
/* The legacy form overwrites its first operand. */
#define BINARY_SSE(name, instruction)                                                                      \
    BLOCK(name, "sse2") {                                                                                  \
        __m128i x = _mm_loadu_si128((const void *)a), y = _mm_loadu_si128((const void *)b);                \
        (void)c;                                                                                           \
        __asm__(instruction " %1, %0" : "+x"(x) : "x"(y));                                                 \
        _mm_storeu_si128((void *)d, x);                                                                    \
    }
#define UNARY(name, instruction, isa, vector, load, store, registers)                                      \
    BLOCK(name, isa) {                                                                                     \
        vector x = load((const void *)a), z;                                                               \
        (void)b, (void)c;                                                                                  \
        __asm__(instruction " %1, %0" : "=" registers(z) : registers(x));                                  \
        store((void *)d, z);                                                                               \
    }

#if PROBE_AVX512
#define WIDE(kind, name, instruction) \
    kind(name, instruction, "avx512f", __m512i, _mm512_loadu_si512, _mm512_storeu_si512, "v")
#define RUN(block) PROBE_SAME(block)
#else
#define WIDE(kind, name, instruction)
#define RUN(block) PROBE_SAME(0)
#endif
#define VEX(kind, name, instruction) \
    kind(name, instruction, "avx", __m256i, _mm256_loadu_si256, _mm256_storeu_si256, "x")

#define BINARY_FORMS(name, instruction)        \
    WIDE(BINARY, name, instruction)            \
    VEX(BINARY, vex_##name, instruction)       \
    BINARY_SSE(sse_##name, instruction)
#define UNARY_FORMS(name, instruction)         \
    WIDE(UNARY, name, "v" instruction)         \
    VEX(UNARY, vex_##name, "v" instruction)    \
    UNARY(sse_##name, instruction, "sse2", __m128i, _mm_loadu_si128, _mm_storeu_si128, "x")

BINARY_FORMS(add_ps, "addps")
BINARY_FORMS(sub_ps, "subps")
BINARY_FORMS(mul_ps, "mulps")
BINARY_FORMS(div_ps, "divps")
UNARY_FORMS(sqrt_ps, "sqrtps")
BINARY_FORMS(add_pd, "addpd")
BINARY_FORMS(sub_pd, "subpd")
BINARY_FORMS(mul_pd, "mulpd")
BINARY_FORMS(div_pd, "divpd")
UNARY_FORMS(sqrt_pd, "sqrtpd")

#define FORMS(name, size, b)                                              \
    {RUN(name), FEATURE_AVX512, 64 / size, size, b, 0, size},             \
    {PROBE_SAME(vex_##name), FEATURE_AVX, 32 / size, size, b, 0, size},   \
    {PROBE_SAME(sse_##name), 0, 16 / size, size, b, 0, size}
const probe_vector probe_arithmetic[30] = {
    FORMS(add_ps, 4, 4), FORMS(sub_ps, 4, 4), FORMS(mul_ps, 4, 4), FORMS(div_ps, 4, 4), FORMS(sqrt_ps, 4, 0),
    FORMS(add_pd, 8, 8), FORMS(sub_pd, 8, 8), FORMS(mul_pd, 8, 8), FORMS(div_pd, 8, 8), FORMS(sqrt_pd, 8, 0),
};
#endif
