/* Lanes of doubles: bits, powers of two, and the cast to a float format. No branches, so that loops vectorise. */
#ifndef CEMU_PLANS_ALIGNED_CAST_H
#define CEMU_PLANS_ALIGNED_CAST_H

#include <string.h>

#include "cemu_plan_aligned.h"

#define INLINE static inline __attribute__((always_inline))
#define LANES CEMU_ALIGNED_LANES

INLINE uint64_t bits_of(double x) {
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

INLINE double of_bits(uint64_t u) {
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

#define SIGN_BIT 0x8000000000000000u
#define EXPONENT_BITS 0x7ff0000000000000u

INLINE double magnitude(double x) { return of_bits(bits_of(x) & ~SIGN_BIT); }
INLINE double with_sign(double x, double s) { return of_bits(bits_of(x) | (bits_of(s) & SIGN_BIT)); }
/* 2^floor(log2|x|); 0 for 0 (and for what is below the normal doubles: no plan gets there) */
INLINE double power_of(double x) { return of_bits(bits_of(x) & EXPONENT_BITS); }
/* 1 / p of a power of two, -1000 <= exponent <= 1000 */
INLINE double reciprocal(double p) { return of_bits(((uint64_t)2046 << 52) - bits_of(p)); }
INLINE double power_of_two(int64_t e) { return of_bits((uint64_t)(e + 1023) << 52); }
INLINE double larger(double x, double y) { return x > y ? x : y; }

/* x cut to an integer: toward zero, or toward negative. |x| < 2^51. */
INLINE double whole(double x, int floored) {
    double big = 0x1p52, ax = magnitude(x), t = (ax + big) - big;
    t -= t > ax ? 1.0 : 0.0;
    t = with_sign(t, x);
    if (floored) t -= t > x ? 1.0 : 0.0;
    return t;
}

/* The cast. `rounding` and `overflow` are constants where it matters; *mark: overflow that the lanes do not hold. */
INLINE double cast_lane(double x, const cemu_aligned_cast *f, int64_t rounding, int64_t overflow, int flush,
                        uint64_t *mark) {
    double ax = magnitude(x);
    double power = larger(power_of(x), f->least);
    double q = power * f->per_ulp, big = q * 0x1p52;
    double t = (ax + big) - big, r = ax - t;
    if (rounding == CEMU_ALIGNED_TOWARD_ZERO) {
        t -= r < 0 ? q : 0.0;
    } else if (rounding == CEMU_ALIGNED_OTHER) {
        double up = x < 0 ? f->up[1] : f->up[0], down = x < 0 ? f->down[1] : f->down[0];
        double more = r > up * q ? q : 0.0, less = r < down * q ? q : 0.0;
        t = (t + more) - less;
    }
    if (flush) {
        t = ax < f->flush_from ? 0.0 : t;
        t = t < f->flush_to ? 0.0 : t;
    }
    if (overflow == CEMU_ALIGNED_INFINITY) {
        t = t > f->largest ? __builtin_inf() : t;
    } else {
        if (overflow == CEMU_ALIGNED_MARK) *mark |= t > f->largest ? 1u : 0u;
        t = t > f->largest ? f->largest : t;
    }
    return with_sign(t, x);
}

#endif
