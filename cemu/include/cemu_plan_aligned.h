/* The plan `aligned`: steps of an aligned multi-operand adder, one float cast after each (emu/units/plans/aligned). */
#ifndef CEMU_PLAN_ALIGNED_H
#define CEMU_PLAN_ALIGNED_H

#include "cemu_plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cdef-begin */
enum { CEMU_ALIGNED_LANES = 64 };     /* columns that a block of b has */
enum { CEMU_ALIGNED_DEAD = -8192 };   /* exponent of a zero operand */
enum { CEMU_ALIGNED_TOWARD_ZERO, CEMU_ALIGNED_TIES_TO_EVEN, CEMU_ALIGNED_OTHER };
enum { CEMU_ALIGNED_INFINITY, CEMU_ALIGNED_SATURATE, CEMU_ALIGNED_MARK };
enum { CEMU_ALIGNED_IEEE, CEMU_ALIGNED_POSITIVE, CEMU_ALIGNED_ALWAYS_POSITIVE };
enum { CEMU_ALIGNED_ONCE, CEMU_ALIGNED_TWICE, CEMU_ALIGNED_FLOORED };
enum { CEMU_ALIGNED_PIECE = 1, CEMU_ALIGNED_RUN = 2, CEMU_ALIGNED_HAND_UP = 4 };

/* A cast of a double to a float format. With t the nearest multiple of the quantum q (ties to even) and r = |x| - t:
 * another rounding adds q to t if r > up q, and takes it away if r < down q; by the sign of x. */
typedef struct {
    int64_t rounding;
    int64_t overflow;
    double per_ulp;    /* 2^-man_bits: q is this times 2^max(floor(log2|x|), emin) */
    double least;      /* 2^emin */
    double largest;
    double flush_from; /* |x| below this becomes 0 */
    double flush_to;   /* a rounded |x| below this becomes 0 */
    double up[2], down[2];
} cemu_aligned_cast;

/* A step: terms [first, first + count). PIECE: the accumulator comes from c or d of a piece before. RUN: (of an inner
 * level) the accumulator starts at +0. HAND_UP: its result joins the outer accumulator. */
typedef struct {
    int64_t first, count, flags, block; /* block: of the scales */
    int64_t split;                      /* of a late accumulator: how many of the terms the first of two adders has */
} cemu_aligned_step;

/* An accumulator that joins after the products are aligned and summed, without being one of those that are aligned. */
typedef struct {
    int64_t used;
    int64_t highest;    /* products with larger exponents may be beyond the multiplier's range: marked */
    int64_t join_bits;  /* the sums of two adders are cut to the larger exponent, minus this */
    int64_t join_floor;
    int64_t bits;       /* the accumulator is cut to the products' exponent, minus this */
    int64_t floor;
    double reach;       /* 2^-align_max_shift: below this, relative to the products, the accumulator is dropped; or 0 */
    int64_t second;     /* how the result is cast: ONCE, TWICE, or FLOORED and then to float32 */
    int64_t below;      /* of FLOORED: the bits of a double that are below the first cast's, for normal numbers */
    cemu_aligned_cast cast;
} cemu_aligned_late;

typedef struct {
    int64_t m, n, k, blocks;
    int64_t row, row_end, block, block_end; /* what this call computes: rows, blocks of columns */
    const float *a;       /* [m][k], finite */
    const int16_t *a_e;   /* alignment exponents, or DEAD */
    const float *b;       /* [blocks][k][LANES] */
    const int16_t *b_e;
    const double *c;      /* [m][blocks * LANES]; no NaN */
    const int16_t *a_power; /* exponents of scales, [m][scale_blocks], or NULL */
    const int16_t *b_power; /* [scale_blocks][blocks * LANES] */
    const float *a_scale, *b_scale;   /* scales of the outer level, of the same shapes; or NULL */
    int64_t scale_blocks;
    const cemu_aligned_step *steps;
    int64_t step_count;
    int64_t align_bits;
    int64_t floor;        /* addends are cut toward negative, not toward zero */
    int64_t terms;        /* how many cut terms an int32 holds; 0: sums are doubles */
    int64_t low, high;    /* the largest exponent of live terms for which float32 products are exact enough */
    /* Steps in float32 and int32 alone, where every live exponent lies in quick_low..quick_high: the sum fits an int32,
     * the result is normal and does not overflow. */
    int64_t quick;        /* whether there are such steps */
    int64_t quick_pieces; /* also at the start of a piece */
    int64_t quick_low, quick_high;
    int64_t quick_keep;   /* mask of the float32 bits that the result keeps, if it truncates; 0: to nearest */
    double min_exponent;  /* 2^align_min_exp, or 0 */
    double least_c;       /* 2^emin of operand c */
    int64_t zero_sign;
    int64_t inner;        /* whether there is an outer level */
    cemu_aligned_cast result, outer;
    cemu_aligned_late late;
    int64_t joins;        /* whether c is added to the outer accumulator in the end; it starts at outer_start */
    double outer_start;
    cemu_aligned_cast join;
    int64_t d_man_bits, d_bias, d_field_bits, d_ignored, d_infinity, d_negative_zero;
    int64_t d_bytes;      /* 1, 2, 4, 8 */
    void *d;              /* [m][n] */
    uint8_t *marks;       /* [m][n]: set where an element must be computed again */
} cemu_plan_aligned_t;

CEMU_API int64_t cemu_plan_aligned(cemu_plan_aligned_t *problem, int64_t isa);
/* cdef-end */

#ifdef __cplusplus
}
#endif
#endif
