/* VNNI: dot products of bytes and words into 32 bits, in the EVEX and the VEX form. */
#include "probe.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define DOT(name, instruction, isa, vector, load, store, registers)                                       \
    __attribute__((target(isa))) static void name(const uint8_t *a, const uint8_t *b, const uint8_t *c,   \
                                                  uint8_t *d) {                                           \
        vector x = load((const void *)a), y = load((const void *)b), z = load((const void *)c);           \
        __asm__(instruction " %2, %1, %0" : "+" registers(z) : registers(x), registers(y));               \
        store((void *)d, z);                                                                              \
    }

#if PROBE_AVX512
#define WIDE(name, instruction)                                                                                  \
    DOT(name, instruction, "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni", __m512i, _mm512_loadu_si512,         \
        _mm512_storeu_si512, "v")
WIDE(bytes, "vpdpbusd")
WIDE(bytes_saturated, "vpdpbusds")
WIDE(words, "vpdpwssd")
WIDE(words_saturated, "vpdpwssds")
#define RUN(block) PROBE_SAME(block)
#else
#define RUN(block) PROBE_SAME(0)
#endif

#if PROBE_AVX_VNNI
#define VEX(name, instruction) \
    DOT(name, "%{vex%} " instruction, "avx2,avxvnni", __m256i, _mm256_loadu_si256, _mm256_storeu_si256, "x")
VEX(vex_bytes, "vpdpbusd")
VEX(vex_bytes_saturated, "vpdpbusds")
VEX(vex_words, "vpdpwssd")
VEX(vex_words_saturated, "vpdpwssds")
#define RUN_VEX(block) PROBE_SAME(block)
#else
#define RUN_VEX(block) PROBE_SAME(0)
#endif

#define EVEX_ROW(block) {RUN(block), FEATURE_AVX512 | FEATURE_VNNI, 16, 4, 4, 4, 4}
#define VEX_ROW(block) {RUN_VEX(block), FEATURE_AVX2 | FEATURE_AVX_VNNI, 8, 4, 4, 4, 4}
const probe_vector probe_vnni[8] = {
    EVEX_ROW(bytes),    EVEX_ROW(bytes_saturated),    EVEX_ROW(words),    EVEX_ROW(words_saturated),
    VEX_ROW(vex_bytes), VEX_ROW(vex_bytes_saturated), VEX_ROW(vex_words), VEX_ROW(vex_words_saturated),
};
#endif
