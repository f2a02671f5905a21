/* Chains of fused multiply-adds in binary16 by AVX512-FP16 (cemu_plan_chain_fp16_t): 4 rows and 3 vectors of 32 columns at
 * a time, accumulators in registers for all of K.
 *
 * No machine with these instructions was at hand when this was written: it has been compiled and read, not run. So it
 * computes nothing before it has given, on the machine at hand, the bits of the kernel in double on some thousands of
 * sums of all kinds (chain_fp16_check.c, once in a process); if one differs, it never computes anything. */
#include <stdlib.h>
#include <string.h>

#include "../probe/probe.h"
#include "chain_fp16.h"

#if defined(__x86_64__) && defined(CEMU_HAS_LEVELS) && PROBE_FP16
#include <immintrin.h>
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512fp16")))
enum { ROWS = 4, VECTORS = 3, LANES = 32, WIDTH = VECTORS * LANES };

TARGET static void tile(const uint16_t *const *rows, const uint16_t *panel, int64_t k, uint16_t *acc) {
    __m512h s[ROWS][VECTORS];
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < VECTORS; j++) s[i][j] = _mm512_castsi512_ph(_mm512_loadu_si512(acc + i * WIDTH + j * LANES));
    for (int64_t at = 0; at < k; at++, panel += WIDTH) {
        __m512h y[VECTORS];
        for (int j = 0; j < VECTORS; j++) y[j] = _mm512_castsi512_ph(_mm512_loadu_si512(panel + j * LANES));
        for (int i = 0; i < ROWS; i++) {
            __m512h x = _mm512_castsi512_ph(_mm512_set1_epi16((short)rows[i][at]));
            for (int j = 0; j < VECTORS; j++) s[i][j] = _mm512_fmadd_ph(x, y[j], s[i][j]);
        }
    }
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < VECTORS; j++) _mm512_storeu_si512(acc + i * WIDTH + j * LANES, _mm512_castph_si512(s[i][j]));
}

static void columns(const cemu_plan_chain_fp16_t *p, int64_t first, int64_t width, uint16_t *panel) {
    uint16_t acc[ROWS * WIDTH];
    for (int64_t k = 0; k < p->k; k++) {
        memset(panel + k * WIDTH, 0, WIDTH * sizeof *panel);
        memcpy(panel + k * WIDTH, p->b + k * p->b_stride + first, (size_t)width * sizeof *panel);
    }
    for (int64_t row = 0; row < p->m; row += ROWS) {
        const uint16_t *rows[ROWS];
        int64_t count = p->m - row < ROWS ? p->m - row : ROWS;
        for (int64_t i = 0; i < ROWS * WIDTH; i++) acc[i] = (uint16_t)p->start;
        for (int64_t i = 0; i < ROWS; i++) {
            int64_t one = i < count ? i : count - 1; /* a row too many is the last one again */
            rows[i] = p->a + (row + one) * p->a_stride;
            if (p->c) memcpy(acc + i * WIDTH, p->c + (row + one) * p->c_stride + first, (size_t)width * sizeof *acc);
        }
        tile(rows, panel, p->k, acc);
        for (int64_t i = 0; i < count; i++) {
            uint16_t *d = p->d + (row + i) * p->d_stride + first;
            for (int64_t j = 0; j < width; j++) {
                uint16_t code = acc[i * WIDTH + j];
                d[j] = (code & 0x7fff) > 0x7c00 ? (uint16_t)p->code_nan : code;
            }
        }
    }
}

int64_t chain_fp16_unchecked(const cemu_plan_chain_fp16_t *p) {
    uint16_t *panel = malloc((size_t)p->k * WIDTH * sizeof *panel);
    if (!panel) return CEMU_NO_MEMORY;
    const unsigned before = _mm_getcsr();
    _mm_setcsr(0x1f80u | (unsigned)p->mode << 13);
    for (int64_t first = 0; first < p->n; first += WIDTH)
        columns(p, first, p->n - first < WIDTH ? p->n - first : WIDTH, panel);
    _mm_setcsr(before);
    free(panel);
    return CEMU_OK;
}

int chain_fp16_can_run(void) {
    return probe_features(FEATURE_FP16 | FEATURE_AVX512) == CEMU_OK && cemu_isa_level() == CEMU_ISA_V4;
}
#else
int64_t chain_fp16_unchecked(const cemu_plan_chain_fp16_t *p) { (void)p; return CEMU_NO_ISA; }
int chain_fp16_can_run(void) { return 0; }
#endif
