/* Vectors of doubles: bits, powers of two, and the cast to a float format. Comparisons are masks, nothing branches. */
#ifndef CEMU_PLANS_ALIGNED_CAST_H
#define CEMU_PLANS_ALIGNED_CAST_H

#include <string.h>

#include "cemu_plan_aligned.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#define BYTES 64
#elif defined(__AVX2__)
#include <immintrin.h>
#define BYTES 32
#else
#if defined(__SSE2__)
#include <emmintrin.h>
#endif
#define BYTES 16
#endif

#define INLINE static inline __attribute__((always_inline))
#define LANES CEMU_ALIGNED_LANES
enum { DOUBLES = BYTES / 8 };

typedef double doubles __attribute__((vector_size(BYTES), may_alias));
typedef uint64_t words __attribute__((vector_size(BYTES), may_alias));

typedef float half_floats __attribute__((vector_size(BYTES / 2), may_alias));

/* Whether a lane of a mask is set. */
#if defined(__AVX512F__)
#define ANY(mask) (_mm512_test_epi64_mask((__m512i)(mask), (__m512i)(mask)) != 0)
#elif defined(__AVX2__)
#define ANY(mask) (!_mm256_testz_si256((__m256i)(mask), (__m256i)(mask)))
#else
#define ANY(mask) (((mask)[0] | (mask)[1]) != 0)
#endif

/* Each lane to float32, as the processor converts: to nearest even, beyond it infinity. */
#if defined(__AVX512F__)
#define TO_SINGLE(x) ((doubles)_mm512_cvtps_pd(_mm512_cvtpd_ps((__m512d)(x))))
#else
#define TO_SINGLE(x) __builtin_convertvector(__builtin_convertvector(x, half_floats), doubles)
#endif
typedef double doubles_at __attribute__((vector_size(BYTES), aligned(8), may_alias));

#define AT(array, j) (*(doubles *)((array) + (j))) /* an array that is aligned to a vector */
#define EACH(j) (int j = 0; j < LANES; j += DOUBLES)
#define ALIGNED __attribute__((aligned(64)))

INLINE doubles all(double x) { return x - (doubles){0}; }
INLINE words bits(doubles x) { return (words)x; }
INLINE doubles where(words mask, doubles x) { return (doubles)(mask & bits(x)); }
INLINE doubles choose(words mask, doubles x, doubles y) { return (doubles)((mask & bits(x)) | (~mask & bits(y))); }
INLINE doubles larger(doubles x, doubles y) { return choose((words)(x > y), x, y); }
INLINE doubles smaller(doubles x, doubles y) { return choose((words)(x < y), x, y); }

#define SIGN_BIT 0x8000000000000000u
#define EXPONENT_BITS 0x7ff0000000000000u

INLINE doubles magnitude(doubles x) { return (doubles)(bits(x) & ~SIGN_BIT); }
INLINE doubles with_sign(doubles x, doubles s) { return (doubles)(bits(x) | (bits(s) & SIGN_BIT)); }
INLINE words infinite(doubles x) { return (words)(magnitude(x) == __builtin_inf()); }
/* 2^floor(log2|x|); 0 for 0 (and for what is below the normal doubles: no plan gets there) */
INLINE doubles power_of(doubles x) { return (doubles)(bits(x) & EXPONENT_BITS); }
/* 1 / p of powers of two, -1000 <= exponent <= 1000 */
INLINE doubles reciprocal(doubles p) { return (doubles)(((uint64_t)2046 << 52) - bits(p)); }

INLINE double power_of_two(int64_t e) {
    uint64_t u = (uint64_t)(e + 1023) << 52;
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* x + y rounded to odd: the exact sum, or the double of the two around it whose last bit is odd. Both are finite. */
INLINE doubles odd_sum(doubles x, doubles y) {
    doubles sum = x + y, part = sum - x, lost = (x - (sum - part)) + (y - part);
    words inexact = (words)(lost != 0), even = (bits(sum) & 1) - 1;
    words inward = (words)(lost < 0) ^ (words)(sum < 0);
    words odd = bits(sum) + (inward | 1); /* one down in magnitude, or one up */
    return choose(inexact & even, (doubles)odd, sum);
}

/* x cut to an integer: toward zero, or toward negative. |x| < 2^51. */
INLINE doubles whole(doubles x, int floored) {
    doubles one = all(1.0), ax = magnitude(x), t = (ax + 0x1p52) - 0x1p52;
    t -= where((words)(t > ax), one);
    t = with_sign(t, x);
    if (floored) t -= where((words)(t > x), one);
    return t;
}

/* The cast. `rounding` and `overflow` are constants where it matters; *mark: overflow that the lanes do not hold. */
INLINE doubles cast_lanes(doubles x, const cemu_aligned_cast *f, int64_t rounding, int64_t overflow, int flush,
                          words *mark) {
    doubles ax = magnitude(x), largest = all(f->largest);
    doubles power = larger(power_of(x), all(f->least));
    doubles q = power * f->per_ulp, big = q * 0x1p52;
    doubles t = (ax + big) - big, r = ax - t;
    if (rounding == CEMU_ALIGNED_TOWARD_ZERO) {
        t -= where((words)(r < 0), q);
    } else if (rounding == CEMU_ALIGNED_OTHER) {
        words negative = (words)(x < 0);
        doubles up = choose(negative, all(f->up[1]), all(f->up[0]));
        doubles down = choose(negative, all(f->down[1]), all(f->down[0]));
        t = (t + where((words)(r > up * q), q)) - where((words)(r < down * q), q);
    }
    if (flush) {
        t = where((words)(ax >= f->flush_from), t);
        t = where((words)(t >= f->flush_to), t);
    }
    words over = (words)(t > largest);
    if (overflow == CEMU_ALIGNED_MARK) *mark |= over;
    t = choose(over, overflow == CEMU_ALIGNED_INFINITY ? all(__builtin_inf()) : largest, t);
    return with_sign(t, x);
}

#endif
