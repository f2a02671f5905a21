/* The plan `lanes`: any unit, CEMU_LANES_COLUMNS columns of d at a time, counting events (emu/units/plans/lanes). */
#ifndef CEMU_PLAN_LANES_H
#define CEMU_PLAN_LANES_H

#include "cemu_plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cdef-begin */
enum { CEMU_LANES_COLUMNS = 32 };          /* columns that a block of b has */
enum { CEMU_LANES_WIDE = 7 };              /* status: significands of the operands, or products, are too wide */
enum { CEMU_LANES_NOT_LIVE = -(1 << 29) }; /* alignment exponent of a dead operand */

/* Decoded significands and, in one word, 2 * q + sign; with `e`, alignment exponents. For a and its scales a row is
 * [k or block][part]; those of b and its scales are [block of columns][k or block][part][lane]. `marks`: rows of a or
 * columns of b with a NaN or an infinity. `events`: of their loads and splits, [row or column][kind], each counted once. */
typedef struct {
    uint32_t *m;
    int32_t *q, *e;
    uint8_t *marks;
    int64_t *events;
    int64_t bits;     /* of the widest significand */
    int64_t low, top; /* elements that are not zero are multiples of 2^low, below 2^top; low > top: all are zero */
} cemu_lanes_plane;

typedef struct {
    const cemu_tables *tables;
    int64_t m, n, k, limbs;
    int64_t a_blocks, b_blocks, a_zero_blocks, b_zero_blocks;
    const void *a, *b, *c, *a_scale, *b_scale, *a_zero, *b_zero; /* codes, as in cemu_problem; NULL: none */
    int64_t a_bytes, b_bytes, c_bytes, a_scale_bytes, b_scale_bytes, a_zero_bytes, b_zero_bytes, d_bytes; /* of a code */
    cemu_lanes_plane plane_a, plane_b, scales_a, scales_b;
    int64_t row, row_end, block, block_end; /* what a call computes: rows, blocks of columns */
    int64_t first_column; /* of the whole result, for lists in `output` */
    void *d;          /* [m][n] */
    uint8_t *marks;   /* [m][n]: set where an element must be computed again */
    int64_t *events;  /* [stage][kind], added to: of elements that are not marked, without those of the planes */
} cemu_plan_lanes_t;

/* Fill the planes. events[0], events[1]: how many elements of a, of b daz took for zero. */
CEMU_API int64_t cemu_plan_lanes_decode(cemu_plan_lanes_t *problem);

CEMU_API int64_t cemu_plan_lanes(cemu_plan_lanes_t *problem, int64_t isa);
/* cdef-end */

#ifdef __cplusplus
}
#endif
#endif
