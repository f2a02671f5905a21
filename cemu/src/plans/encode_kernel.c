/* float32 and float64 to codes on a regular grid; blocks with scales. */
#include "cemu_plan_encode.h"
#include "isa.h"

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

#define WORD uint64_t
#define SIGNED int64_t
#define REAL double
#define MANT 52
#define T(x) x##_64
#include "encode_lane.h"

int64_t FOR_ISA(plan_encode)(cemu_plan_encode_t *job) {
    if (job->in_bits == 32) encode_32(job);
    else encode_64(job);
    return CEMU_OK;
}

#undef WORD
#undef SIGNED
#undef REAL
#undef MANT
#undef T
#define SIGNED int32_t /* of GREATER */
#include "encode_blocks.h"
