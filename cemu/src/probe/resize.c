/* float32 to integers, rounded by MXCSR or truncated; float64 to float32 and back. */
#include "probe.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define CONVERT(name, instruction, isa, from, load, to, store, registers)                                           \
    __attribute__((target(isa))) static void name(const uint8_t *a, const uint8_t *b, const uint8_t *c, uint8_t *d) { \
        from x = load((const void *)a);                                                                             \
        to y;                                                                                                       \
        (void)b, (void)c;                                                                                           \
        __asm__(instruction " %1, %0" : "=" registers(y) : registers(x));                                           \
        store((void *)d, y);                                                                                        \
    }

#define XMM __m128i, _mm_loadu_si128
#define HALF_XMM __m128i, _mm_loadl_epi64
#define YMM __m256i, _mm256_loadu_si256
#define ZMM __m512i, _mm512_loadu_si512
#define TO_XMM __m128i, _mm_storeu_si128
#define TO_HALF_XMM __m128i, _mm_storel_epi64
#define TO_YMM __m256i, _mm256_storeu_si256
#define TO_ZMM __m512i, _mm512_storeu_si512
#define EXPANDED(...) CONVERT(__VA_ARGS__)

#if PROBE_AVX512
#define WIDE(name, instruction, from, to) EXPANDED(name, "v" instruction, "avx512f", from, to, "v")
#define RUN(block) PROBE_SAME(block)
#else
#define WIDE(name, instruction, from, to)
#define RUN(block) PROBE_SAME(0)
#endif
#define VEX(name, instruction, from, to) EXPANDED(vex_##name, "v" instruction, "avx", from, to, "x")
#define SSE(name, instruction, from, to) EXPANDED(sse_##name, instruction, "sse2", from, to, "x")

WIDE(integer, "cvtps2dq", ZMM, TO_ZMM)
VEX(integer, "cvtps2dq", YMM, TO_YMM)
SSE(integer, "cvtps2dq", XMM, TO_XMM)
WIDE(truncated, "cvttps2dq", ZMM, TO_ZMM)
VEX(truncated, "cvttps2dq", YMM, TO_YMM)
SSE(truncated, "cvttps2dq", XMM, TO_XMM)
WIDE(narrow, "cvtpd2ps", ZMM, TO_YMM)
VEX(narrow, "cvtpd2ps", YMM, TO_XMM)
SSE(narrow, "cvtpd2ps", XMM, TO_HALF_XMM)
WIDE(widen, "cvtps2pd", YMM, TO_ZMM)
VEX(widen, "cvtps2pd", XMM, TO_YMM)
SSE(widen, "cvtps2pd", HALF_XMM, TO_XMM)

#define FORMS(name, lanes, a, d)                                      \
    {RUN(name), FEATURE_AVX512, lanes, a, 0, 0, d},                   \
    {PROBE_SAME(vex_##name), FEATURE_AVX, lanes / 2, a, 0, 0, d},     \
    {PROBE_SAME(sse_##name), 0, lanes / 4, a, 0, 0, d}
const probe_vector probe_resize[12] = {
    FORMS(integer, 16, 4, 4), FORMS(truncated, 16, 4, 4), FORMS(narrow, 8, 8, 4), FORMS(widen, 8, 4, 8),
};
#endif
