/* From sums to d: what stands at the start, and what is done at last. */
#ifndef CEMU_INTEGERS_END_H
#define CEMU_INTEGERS_END_H

#include "integers_pack.h"

/* c of an element, in units of the sum. */
INLINE uint64_t start_of(const cemu_plan_integers_t *p, int64_t at) {
    uint64_t sign = p->c_sign;
    return p->c ? ((p->c[at] ^ sign) - sign) << p->c_shift : 0;
}

/* A row of 64-bit sums, cast for the last time. */
static void finish_row(const cemu_plan_integers_t *p, uint64_t *d, int64_t count) {
    int64_t low = p->finish.low, high = p->finish.high;
    uint64_t mask = p->mask;
    if (p->finish.kind == CEMU_INTEGERS_CLAMP) {
        for (int64_t j = 0; j < count; j++) {
            int64_t x = (int64_t)d[j];
            x = x < low ? low : x;
            x = x > high ? high : x;
            d[j] = (uint64_t)x & mask;
        }
    } else if (p->finish.kind == CEMU_INTEGERS_WRAP) {
        int64_t shift = p->finish.shift;
        for (int64_t j = 0; j < count; j++) d[j] = (uint64_t)((int64_t)(d[j] << shift) >> shift) & mask;
    } else if (mask != ~(uint64_t)0) {
        for (int64_t j = 0; j < count; j++) d[j] &= mask;
    }
}

#endif
