/* What kernels that encode share, and the encoder of float32. */
#ifndef CEMU_PLANS_ENCODE_32_H
#define CEMU_PLANS_ENCODE_32_H

#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
enum { MAGIC, UNIFORM, EVEN, ZERO, ANY }; /* encode_lane.h */
enum { ANY_CODE, SIGNED_OVER, ONE_OVER };  /* there too */
enum { BLOCK = 256 };
/* Of numbers below 2^(width - 1), which need no unsigned comparison: SSE2 has none. */
#define GREATER(a, b) ((SIGNED)(a) > (SIGNED)(b))

/* Whether the processor rounds to nearest even now. (fegetround would need libm.) */
static int rounds_to_nearest(void) {
    volatile float one = 1, half = 0x1p-24f, more = 0x1.8p-24f;
    volatile float tie = one + half, up = one + more;
    return tie == one && up > one;
}

#define WORD uint32_t
#define SIGNED int32_t
#define REAL float
#define MANT 23
#define T(x) x##_32
#include "encode_lane.h"
#undef WORD
#undef SIGNED
#undef REAL
#undef MANT
#undef T

#endif
