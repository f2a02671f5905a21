/* AVX512_FP16: arithmetic and complex arithmetic of float16, with embedded rounding, and the approximations. */
#include "probe.h"

#if defined(__x86_64__)
#if PROBE_FP16
#include <immintrin.h>
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512fp16")))
#define BLOCK(name, rounding) \
    TARGET static void name##_##rounding(const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *d)
#define ROUNDED(instruction, rounding) instruction " %{" #rounding "-sae%}, "

#define BINARY_OF(name, instruction, rounding)                                                       \
    BLOCK(name, rounding) {                                                                          \
        __m512i x = _mm512_loadu_si512(a), y = _mm512_loadu_si512(b), z;                             \
        (void)c;                                                                                     \
        __asm__(ROUNDED(instruction, rounding) "%2, %1, %0" : "=v"(z) : "v"(x), "v"(y));             \
        _mm512_storeu_si512(d, z);                                                                   \
    }
#define UNARY_OF(name, instruction, rounding)                                                        \
    BLOCK(name, rounding) {                                                                          \
        __m512i x = _mm512_loadu_si512(a), z;                                                        \
        (void)b, (void)c;                                                                            \
        __asm__(ROUNDED(instruction, rounding) "%1, %0" : "=v"(z) : "v"(x));                         \
        _mm512_storeu_si512(d, z);                                                                   \
    }
/* The first operand is overwritten. Of 231 it is c, then come a and b; of 213 it is b, then a and c; of 132 a, c, b. */
#define FUSED_OF(name, instruction, rounding) FUSED(name, instruction, rounding, c, a, b)
#define FUSED_213_OF(name, instruction, rounding) FUSED(name, instruction, rounding, b, a, c)
#define FUSED_132_OF(name, instruction, rounding) FUSED(name, instruction, rounding, a, c, b)
#define FUSED(name, instruction, rounding, first, second, third)                                     \
    BLOCK(name, rounding) {                                                                          \
        __m512i z = _mm512_loadu_si512(first), x = _mm512_loadu_si512(second);                       \
        __m512i y = _mm512_loadu_si512(third);                                                       \
        __asm__(ROUNDED(instruction, rounding) "%2, %1, %0" : "+v"(z) : "v"(x), "v"(y));             \
        _mm512_storeu_si512(d, z);                                                                   \
    }
/* The destination of a complex instruction must not be a source: an early clobber. */
#define COMPLEX_OF(name, instruction, rounding)                                                      \
    BLOCK(name, rounding) {                                                                          \
        __m512i x = _mm512_loadu_si512(a), y = _mm512_loadu_si512(b), z;                             \
        (void)c;                                                                                     \
        __asm__(ROUNDED(instruction, rounding) "%2, %1, %0" : "=&v"(z) : "v"(x), "v"(y));            \
        _mm512_storeu_si512(d, z);                                                                   \
    }
#define COMPLEX_FUSED_OF(name, instruction, rounding)                                                \
    BLOCK(name, rounding) {                                                                          \
        __m512i x = _mm512_loadu_si512(a), y = _mm512_loadu_si512(b), z = _mm512_loadu_si512(c);     \
        __asm__(ROUNDED(instruction, rounding) "%2, %1, %0" : "+&v"(z) : "v"(x), "v"(y));            \
        _mm512_storeu_si512(d, z);                                                                   \
    }
#define FOUR(kind, name, instruction) \
    kind(name, instruction, rn) kind(name, instruction, rd) kind(name, instruction, ru) kind(name, instruction, rz)

FOUR(BINARY_OF, add, "vaddph")
FOUR(BINARY_OF, sub, "vsubph")
FOUR(BINARY_OF, mul, "vmulph")
FOUR(BINARY_OF, div, "vdivph")
FOUR(UNARY_OF, sqrt, "vsqrtph")
FOUR(FUSED_OF, fma, "vfmadd231ph")
FOUR(FUSED_213_OF, fma_213, "vfmadd213ph")
FOUR(FUSED_132_OF, fma_132, "vfmadd132ph")
FOUR(COMPLEX_OF, complex_mul, "vfmulcph")
FOUR(COMPLEX_FUSED_OF, complex_fma, "vfmaddcph")
FOUR(COMPLEX_OF, conjugate_mul, "vfcmulcph")
FOUR(COMPLEX_FUSED_OF, conjugate_fma, "vfcmaddcph")

#define APPROXIMATE(name, instruction)                                                               \
    TARGET static void name(const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *d) {      \
        __m512i x = _mm512_loadu_si512(a), z;                                                        \
        (void)b, (void)c;                                                                            \
        __asm__(instruction " %1, %0" : "=v"(z) : "v"(x));                                           \
        _mm512_storeu_si512(d, z);                                                                   \
    }
APPROXIMATE(recip, "vrcpph")
APPROXIMATE(rsqrt, "vrsqrtph")
#define RUN_SAME(name) PROBE_SAME(name)
#define RUN(name) {name##_rn, name##_rd, name##_ru, name##_rz}
#else
#define RUN(name) PROBE_SAME(0)
#define RUN_SAME(name) PROBE_SAME(0)
#endif

enum { FEATURES = FEATURE_AVX512 | FEATURE_FP16 };
const probe_vector probe_half[14] = {
    {RUN(add), FEATURES, 32, 2, 2, 0, 2},         {RUN(sub), FEATURES, 32, 2, 2, 0, 2},
    {RUN(mul), FEATURES, 32, 2, 2, 0, 2},         {RUN(div), FEATURES, 32, 2, 2, 0, 2},
    {RUN(sqrt), FEATURES, 32, 2, 0, 0, 2},        {RUN(fma), FEATURES, 32, 2, 2, 2, 2},
    {RUN(fma_213), FEATURES, 32, 2, 2, 2, 2},     {RUN(fma_132), FEATURES, 32, 2, 2, 2, 2},
    {RUN(complex_mul), FEATURES, 16, 4, 4, 0, 4}, {RUN(complex_fma), FEATURES, 16, 4, 4, 4, 4},
    {RUN(conjugate_mul), FEATURES, 16, 4, 4, 0, 4}, {RUN(conjugate_fma), FEATURES, 16, 4, 4, 4, 4},
    {RUN_SAME(recip), FEATURES, 32, 2, 0, 0, 2},  {RUN_SAME(rsqrt), FEATURES, 32, 2, 0, 0, 2},
};
#endif
