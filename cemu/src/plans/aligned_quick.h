/* A step in float32 and int32 alone, for exponents in the middle of float32's range (cemu_plan_aligned_t.quick). */
#ifndef CEMU_PLANS_ALIGNED_QUICK_H
#define CEMU_PLANS_ALIGNED_QUICK_H

#include "aligned_sums.h"

typedef uint32_t uints __attribute__((vector_size(BYTES), may_alias));

#define INTS(array, j) (*(ints *)((array) + (j)))
#define SINGLES(array, j) (*(floats *)((array) + (j)))
#define EVERY(j) (int j = 0; j < LANES; j += FLOATS)

enum { FIELD = 0x7f800000, ONE = 127 << 23 };

INLINE ints pick(ints mask, ints x, ints y) { return (mask & x) | (~mask & y); }

/* Runs the step and returns 1, or returns 0 with nothing changed: an accumulator, or a sum, is out of range.
 * `top` holds the largest exponents of the terms, live ones in range. */
INLINE int quick_step(const cemu_plan_aligned_t *p, const float *a, const float *b, int64_t count, const int16_t *top,
                      double *acc) {
    float x[LANES] ALIGNED, scale[LANES] ALIGNED;
    int32_t power[LANES] ALIGNED, total[LANES] ALIGNED;
    int32_t low = (int32_t)(p->quick_low + 127) << 23, high = (int32_t)(p->quick_high + 127) << 23;
    int32_t bits = (int32_t)p->align_bits << 23;
    ints outside = {0};
    for (int j = 0; j < LANES; j++) x[j] = (float)acc[j];
    for (int j = 0; j < LANES; j++) power[j] = (top[j] < -127 ? 0 : top[j] + 127) << 23;
    for EVERY(j) {
        ints own = (ints)SINGLES(x, j) & FIELD, most = pick(own > INTS(power, j), own, INTS(power, j));
        ints empty = (most == 0) & (SINGLES(x, j) == 0); /* no live addend: any exponent will do */
        most = pick(empty, (ints){0} + ONE, most);
        outside |= ((most > high) | (most < low)) & ~empty;
        INTS(power, j) = most;
        INTS(scale, j) = (ints)(2u * ONE + (uint32_t)bits - (uints)most);
    }
    int32_t any = 0;
    for (int v = 0; v < FLOATS; v++) any |= outside[v];
    if (any) return 0;
    sum_products(a, b, count, scale, total);
    int32_t keep = (int32_t)p->quick_keep;
    for EVERY(j) {
        ints sum = INTS(total, j) + CUT(SINGLES(x, j) * SINGLES(scale, j)), sign = sum < 0;
        ints size = (sum ^ sign) - sign;
        floats near = __builtin_convertvector(size, floats);
        if (keep) near = (floats)(((ints)near + (CUT(near) > size)) & keep); /* one down if it was rounded up */
        near *= (floats)(INTS(power, j) - bits);
        SINGLES(x, j) = (floats)((ints)near | (sign & INT32_MIN));
    }
    for (int j = 0; j < LANES; j++) acc[j] = x[j];
    return 1;
}

#endif
