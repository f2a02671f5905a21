/* A vector instruction on arrays: whole vectors in place, the rest through padded copies. */
#include "probe.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

enum { MOST_BYTES = 128 }; /* of one operand of one call: VCVTNE2PS2BF16 reads two vectors */

static const probe_vector *vector_of(int64_t probe) {
    static const struct {
        const probe_vector *rows;
        int64_t first;
    } groups[] = {
        {probe_bf16, CEMU_PROBE_VDPBF16PS}, {probe_vnni, CEMU_PROBE_VPDPBUSD}, {probe_madd, CEMU_PROBE_VPMADDUBSW},
        {probe_half, CEMU_PROBE_VADDPH},    {probe_convert, CEMU_PROBE_VCVTPS2PH}, {probe_fma, CEMU_PROBE_VFMADD231PS},
        {probe_arithmetic, CEMU_PROBE_ADDPS}, {probe_resize, CEMU_PROBE_CVTPS2DQ},
    };
    int64_t group = (int64_t)(sizeof groups / sizeof *groups) - 1;
    while (probe < groups[group].first) group--;
    return &groups[group].rows[probe - groups[group].first];
}

int64_t probe_vector_available(int64_t probe) {
    const probe_vector *vector = vector_of(probe);
    return vector->run[0] ? probe_features(vector->features) : CEMU_PROBE_NOT_COMPILED;
}

/* The last results, fewer than a vector holds. */
static void run_rest(const probe_vector *v, probe_block *block, const uint8_t *a, const uint8_t *b, const uint8_t *c,
                     uint8_t *d, int64_t n) {
    uint8_t rest_a[MOST_BYTES] = {0}, rest_b[MOST_BYTES] = {0}, rest_c[MOST_BYTES] = {0}, rest_d[MOST_BYTES];
    if (v->a) memcpy(rest_a, a, (size_t)(n * v->a));
    if (v->b) memcpy(rest_b, b, (size_t)(n * v->b));
    if (v->c) memcpy(rest_c, c, (size_t)(n * v->c));
    block(rest_a, rest_b, rest_c, rest_d);
    memcpy(d, rest_d, (size_t)(n * v->d));
}

/* Whether n results can be made of these operands: CEMU_PROBE_AVAILABLE, or why not. */
static int64_t checked(int64_t probe, int64_t mode, const void *a, const void *b, const void *c, const void *out,
                       int64_t n) {
    if (probe < 0 || probe >= CEMU_PROBE_VECTORS || mode < 0 || mode >= CEMU_PROBE_MODES || n < 0)
        return CEMU_PROBE_BAD_ARGUMENT;
    int64_t state = probe_vector_available(probe);
    if (state != CEMU_PROBE_AVAILABLE) return state;
    const probe_vector *v = vector_of(probe);
    if (n && ((v->a && !a) || (v->b && !b) || (v->c && !c) || !out)) return CEMU_PROBE_BAD_ARGUMENT;
    return CEMU_PROBE_AVAILABLE;
}

CEMU_API int64_t cemu_probe_run(int64_t probe, int64_t mode, const void *a, const void *b, const void *c, void *d,
                                int64_t n) {
    int64_t state = checked(probe, mode, a, b, c, d, n);
    if (state != CEMU_PROBE_AVAILABLE) return state;
    const probe_vector *v = vector_of(probe);
    probe_block *block = v->run[mode & CEMU_PROBE_ZERO];
    const uint8_t *at_a = a, *at_b = b, *at_c = c;
    uint8_t *at_d = d;
    uint32_t mxcsr = _mm_getcsr();
    _mm_setcsr(probe_mxcsr(mode));
    while (n >= v->lanes) {
        block(at_a, at_b, at_c, at_d);
        if (v->a) at_a += v->lanes * v->a;
        if (v->b) at_b += v->lanes * v->b;
        if (v->c) at_c += v->lanes * v->c;
        at_d += v->lanes * v->d;
        n -= v->lanes;
    }
    if (n) run_rest(v, block, at_a, at_b, at_c, at_d, n);
    _mm_setcsr(mxcsr);
    return CEMU_PROBE_AVAILABLE;
}

/* A vector of one operand, the same in all lanes. */
static void spread(uint8_t *vector, const uint8_t *operand, int64_t at, int size, int lanes) {
    for (int lane = 0; lane < lanes && size; lane++) memcpy(vector + lane * size, operand + at * size, (size_t)size);
}

CEMU_API int64_t cemu_probe_flags(int64_t probe, int64_t mode, const void *a, const void *b, const void *c,
                                  uint8_t *flags, int64_t n) {
    enum { EXCEPTIONS = 0x3F };
    int64_t state = checked(probe, mode, a, b, c, flags, n);
    if (state != CEMU_PROBE_AVAILABLE) return state;
    const probe_vector *v = vector_of(probe);
    uint8_t all_a[MOST_BYTES] = {0}, all_b[MOST_BYTES] = {0}, all_c[MOST_BYTES] = {0}, out[MOST_BYTES];
    uint32_t mxcsr = _mm_getcsr();
    for (int64_t i = 0; i < n; i++) {
        spread(all_a, a, i, v->a, v->lanes);
        spread(all_b, b, i, v->b, v->lanes);
        spread(all_c, c, i, v->c, v->lanes);
        _mm_setcsr(probe_mxcsr(mode));
        v->run[mode & CEMU_PROBE_ZERO](all_a, all_b, all_c, out);
        flags[i] = (uint8_t)(_mm_getcsr() & EXCEPTIONS);
    }
    _mm_setcsr(mxcsr);
    return CEMU_PROBE_AVAILABLE;
}
#endif
