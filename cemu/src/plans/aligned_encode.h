/* Values of a float format, held as doubles, to its codes. */
#ifndef CEMU_PLANS_ALIGNED_ENCODE_H
#define CEMU_PLANS_ALIGNED_ENCODE_H

#include "aligned_cast.h"

typedef struct {
    int64_t man_bits, bias, field_bits, ignored, infinity, negative_zero;
} cemu_aligned_code;

INLINE uint64_t encode(const cemu_aligned_code *d, double x) {
    uint64_t u, sign, code;
    memcpy(&u, &x, sizeof u);
    sign = u >> 63;
    int64_t e = (int64_t)(u >> 52 & 2047) - 1023 + d->bias;
    uint64_t fraction = u & 0xfffffffffffffu;
    if (__builtin_isinf(x)) {
        code = (uint64_t)d->infinity;
    } else if (x == 0) {
        code = 0;
        sign &= (uint64_t)d->negative_zero;
    } else if (e > 0) {
        code = (uint64_t)e << d->man_bits | fraction >> (52 - d->man_bits);
    } else {
        int64_t down = 52 - d->man_bits + 1 - e;
        code = down > 63 ? 0 : (fraction | (uint64_t)1 << 52) >> down;
    }
    return (code | sign << d->field_bits) << d->ignored;
}

/* `bytes` is what a code takes; those of float32 are the numbers. */
INLINE void encode_row(const cemu_aligned_code *d, const double *x, int64_t count, int64_t bytes, void *out) {
    int single = d->man_bits == 23 && d->bias == 127 && d->field_bits == 31 && !d->ignored && d->negative_zero;
    if (single && bytes == 4 && d->infinity == 0x7f800000) {
        for (int64_t j = 0; j < count; j++) ((float *)out)[j] = (float)x[j];
        return;
    }
    for (int64_t j = 0; j < count; j++) {
        uint64_t code = encode(d, x[j]);
        switch (bytes) {
            case 1: ((uint8_t *)out)[j] = (uint8_t)code; break;
            case 2: ((uint16_t *)out)[j] = (uint16_t)code; break;
            case 4: ((uint32_t *)out)[j] = (uint32_t)code; break;
            default: ((uint64_t *)out)[j] = code; break;
        }
    }
}

#endif
