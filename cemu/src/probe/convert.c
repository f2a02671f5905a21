/* float32 to float16, rounded by the immediate or by MXCSR, and float16 to float32. */
#include "probe.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define VEX_TARGET __attribute__((target("avx,f16c")))
#define WIDE_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))

#define NARROW(name, immediate)                                                                          \
    VEX_TARGET static void name(const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *d) {      \
        __m256i x = _mm256_loadu_si256((const __m256i *)a);                                              \
        __m128i y;                                                                                       \
        (void)b, (void)c;                                                                                \
        __asm__("vcvtps2ph $" #immediate ", %1, %0" : "=x"(y) : "x"(x));                                 \
        _mm_storeu_si128((__m128i *)d, y);                                                               \
    }
NARROW(vex_narrow_0, 0)
NARROW(vex_narrow_1, 1)
NARROW(vex_narrow_2, 2)
NARROW(vex_narrow_3, 3)
NARROW(vex_narrow_mxcsr, 4)

VEX_TARGET static void vex_widen(const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *d) {
    __m128i x = _mm_loadu_si128((const __m128i *)a);
    __m256i y;
    (void)b, (void)c;
    __asm__("vcvtph2ps %1, %0" : "=x"(y) : "x"(x));
    _mm256_storeu_si256((__m256i *)d, y);
}

#if PROBE_AVX512
#define WIDE_NARROW(name, immediate)                                                                     \
    WIDE_TARGET static void name(const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *d) {     \
        __m512i x = _mm512_loadu_si512(a);                                                               \
        __m256i y;                                                                                       \
        (void)b, (void)c;                                                                                \
        __asm__("vcvtps2ph $" #immediate ", %1, %0" : "=v"(y) : "v"(x));                                 \
        _mm256_storeu_si256((__m256i *)d, y);                                                            \
    }
WIDE_NARROW(narrow_0, 0)
WIDE_NARROW(narrow_1, 1)
WIDE_NARROW(narrow_2, 2)
WIDE_NARROW(narrow_3, 3)

WIDE_TARGET static void widen(const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *d) {
    __m256i x = _mm256_loadu_si256((const __m256i *)a);
    __m512i y;
    (void)b, (void)c;
    __asm__("vcvtph2ps %1, %0" : "=v"(y) : "v"(x));
    _mm512_storeu_si512(d, y);
}
#define RUN_NARROW {narrow_0, narrow_1, narrow_2, narrow_3}
#define RUN_WIDEN PROBE_SAME(widen)
#else
#define RUN_NARROW PROBE_SAME(0)
#define RUN_WIDEN PROBE_SAME(0)
#endif

#define RUN_VEX_NARROW {vex_narrow_0, vex_narrow_1, vex_narrow_2, vex_narrow_3}
const probe_vector probe_convert[5] = {
    {RUN_NARROW, FEATURE_AVX512, 16, 4, 0, 0, 2},
    {RUN_VEX_NARROW, FEATURE_AVX | FEATURE_F16C, 8, 4, 0, 0, 2},
    {PROBE_SAME(vex_narrow_mxcsr), FEATURE_AVX | FEATURE_F16C, 8, 4, 0, 0, 2},
    {RUN_WIDEN, FEATURE_AVX512, 16, 2, 0, 0, 4},
    {PROBE_SAME(vex_widen), FEATURE_AVX | FEATURE_F16C, 8, 2, 0, 0, 4},
};
#endif
