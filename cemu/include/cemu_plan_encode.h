/* Encoding of whole arrays: float32 and float64 to codes of at most 32 bits on a regular grid (floats, integers and fixed
 * point), and looking codes up. emu/formats/fast says when these give the bits of cemu_cast_codes. */
#ifndef CEMU_PLAN_ENCODE_H
#define CEMU_PLAN_ENCODE_H

#include "cemu_plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cdef-begin */
/* A grid, and what becomes of what is not on it. Codes are counted along the grid without their sign: 0 is zero, the
 * normal binade b begins at (b - emin + 1) << man_bits, and below it lie the subnormals. */
typedef struct {
    int64_t man_bits;       /* stored mantissa bits; fewer than the source has */
    int64_t emin;           /* exponent of the smallest normal value; 1 - the source's bias at least */
    int64_t top;            /* every finite value is below 2^top */
    int64_t rounding;       /* position in emu's Rounding; none that draws, and not exact */
    int64_t flush_below;    /* counts below this become 0 ... */
    int64_t offset;         /* ... and this is subtracted from the others */
    int64_t limit[2];       /* the largest count of a positive and of a negative value */
    int64_t over[2];        /* codes of what lies beyond */
    int64_t infinity[2];    /* codes of infinities */
    int64_t nan;            /* code of every NaN */
    int64_t sign;           /* the sign bit of a code; 0: none */
    int64_t negative_zero;  /* whether zero has a sign */
    int64_t complement;     /* negative codes are complements: -count modulo 2^complement; 0: they have a sign bit */
    int64_t ignored;        /* codes have so many zeros below all this; not 0 only where out_bits is 32 */
} cemu_grid;

typedef struct {
    const cemu_grid *grid;
    const void *in;
    int64_t in_bits;  /* 32 or 64: float32, float64 */
    void *out;
    int64_t out_bits; /* 8, 16 or 32 */
    int64_t n;
    int64_t widen;    /* the grid is that of float64: float32 is widened first */
    int64_t nan_seen; /* out: whether there was a NaN */
} cemu_plan_encode_t;

/* Encode an array; isa as in every plan. */
CEMU_API int64_t cemu_plan_encode(cemu_plan_encode_t *job, int64_t isa);

/* out[i] = table[in[i]]: codes of in_bytes (1 or 2), entries of out_bytes (1, 2, 4 or 8); the table has an entry for
 * every code, and codes beyond `mask` are cut to it. Returns the OR of all codes in `seen`. */
CEMU_API int64_t cemu_plan_lookup(const void *in, int64_t in_bytes, const void *table, void *out, int64_t out_bytes,
                                  int64_t n, uint64_t mask, uint64_t *seen);

/* Codes of floats to float32 or float64, by moving their fields. emu compares them with the table first, for all codes;
 * for some of every binade where codes have more than 16 bits. */
typedef struct {
    const void *in;
    int64_t in_bytes; /* 1, 2 or 4 */
    void *out;
    int64_t out_bits; /* 32 or 64 */
    int64_t n;
    int64_t ignored;  /* bits below all fields, if in_bytes is 4 */
    int64_t field;    /* mask of exponent and mantissa fields */
    int64_t shift;    /* from the format's mantissa to float32's: 23 - man_bits */
    int64_t raise;    /* (127 - bias) << 23 */
    int64_t normal;   /* the smallest normal magnitude; 0: float32's own bias, whose subnormals are moved too */
    int64_t unit;     /* exponent of the smallest subnormal; at least -126 */
    int64_t most;     /* the largest finite magnitude; beyond are infinity and NaN */
    int64_t infinity; /* the magnitude of infinity; -1: none */
    int64_t payload;  /* of float32's mantissa: what a NaN's code fills */
    int64_t sign;     /* the sign bit of a code; 0: none */
    int64_t minus, minus_zero; /* a code (-1: none), and its bits as float32: -0, or what is in its place */
    int64_t seen;     /* out: the OR of all codes */
} cemu_plan_numbers_t;

CEMU_API int64_t cemu_plan_numbers(cemu_plan_numbers_t *job, int64_t isa);

/* Codes of integers and fixed point in 32-bit words to float32 or float64, which hold them all: two's complement, or
 * unsigned, times 2^unit, which is a normal number. */
typedef struct {
    const uint32_t *in;
    void *out;
    int64_t out_bits; /* 32 or 64 */
    int64_t n;
    int64_t bits;     /* of a code; the others are not looked at */
    int64_t with_sign;
    int64_t unit;
} cemu_plan_whole_t;

CEMU_API int64_t cemu_plan_whole(cemu_plan_whole_t *job, int64_t isa);

/* Blocks of float32 with scales that are powers of two: absmax of each block, k = floor(log2 absmax) + offset, one more
 * if the 23 mantissa bits exceed `threshold`, at least `low`; scale code k - low + first; codes of x * 2^-k. Rounds to
 * nearest even only. */
typedef struct {
    const cemu_grid *grid;
    const void *in; /* float32 */
    uint8_t *codes;
    uint8_t *scales;
    int64_t blocks, block; /* how many, and their length: a multiple of 16, at most 1024 */
    int64_t offset, threshold;
    int64_t low, high;     /* the exponents that scales have; low >= -127, high <= 127 */
    int64_t first;         /* the scale code of 2^low */
    int64_t refused;       /* out: whether a block has a NaN, an infinity, or k > high or k > 126 */
} cemu_plan_blocks_t;

CEMU_API int64_t cemu_plan_blocks(cemu_plan_blocks_t *job, int64_t isa);
/* cdef-end */

#ifdef __cplusplus
}
#endif
#endif
