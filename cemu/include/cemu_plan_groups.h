/* The plan `groups`: exact sums of groups of products, scaled, that join an accumulator (emu/units/plans/groups). */
#ifndef CEMU_PLAN_GROUPS_H
#define CEMU_PLAN_GROUPS_H

#include "cemu_plan_aligned.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cdef-begin */
enum { CEMU_GROUPS_LANES = 64 };  /* columns that a block of b has */
enum { CEMU_GROUPS_TERMS = 8 };   /* scaled sums that one aligned step may have */
enum { CEMU_GROUPS_EMPTY = 8192 };/* the lowest bit of nothing but zeros; their top is minus that */
enum { CEMU_GROUPS_NO_CAST, CEMU_GROUPS_SINGLE, CEMU_GROUPS_TRUNCATE, CEMU_GROUPS_NEAREST, CEMU_GROUPS_ANY };
enum { CEMU_GROUPS_NONE, CEMU_GROUPS_CONSTANT, CEMU_GROUPS_A, CEMU_GROUPS_B, CEMU_GROUPS_SCALE };
enum { CEMU_GROUPS_PIECE = 1, CEMU_GROUPS_STEP = 2 };

/* A cast of a double. SINGLE: float32, to nearest even, as the processor converts. */
typedef struct {
    int64_t kind;
    cemu_aligned_cast how;
} cemu_groups_cast;

/* A group sum is multiplied by a factor, exactly, and then cast. */
typedef struct {
    int64_t factor;
    double constant;
    cemu_groups_cast cast;
} cemu_groups_op;

/* A run of products [first, first + count). PIECE: the accumulator of its step comes from c or the piece before. STEP:
 * the last run of an aligned step. */
typedef struct {
    int64_t first, count, flags, a_block, b_block; /* blocks of the scales */
} cemu_groups_run;

typedef struct {
    int64_t rows, columns;  /* of the codes */
    const void *codes;
    int64_t code_bytes;     /* 1, 2 */
    const double *table;    /* by code; NaN and infinities are marked and become 0 */
    int64_t by_columns;     /* 0: a, [rows][columns]. 1: b, [blocks][rows][LANES], with zeros beyond the last column */
    int64_t wide;           /* whether `out` is of doubles */
    void *out;
    uint8_t *marks;         /* [rows] of a, [columns] of b */
    int64_t run_count;
    const cemu_groups_run *runs;
    int16_t *low, *top;     /* [rows or blocks][run]: |x| < 2^top, multiples of 2^low; or NULL */
    uint64_t *live;         /* a: [rows][run], b: [run][blocks * LANES]: bit i: the run's term i is not 0; or NULL */
} cemu_plan_groups_pack_t;

typedef struct {
    int64_t m, n, k, blocks;
    int64_t row, row_end, block, block_end; /* what this call computes: rows, blocks of columns */
    const void *a;           /* [m][k], finite: floats, or doubles if `wide` */
    const void *b;           /* [blocks][k][LANES] */
    int64_t wide;
    const int16_t *a_low, *a_top, *b_low, *b_top; /* of each run, or NULL: float64 (float32) holds every group sum */
    const uint64_t *a_live, *b_live;              /* of an aligned adder */
    const double *c;         /* [m][blocks * LANES], finite */
    const double *a_scale, *a_power; /* [m][a_blocks], or NULL; powers: 2^e of the scales, or 0 */
    const double *b_scale, *b_power; /* [b_blocks][blocks * LANES] */
    int64_t a_blocks, b_blocks;
    const cemu_groups_run *runs;
    int64_t run_count;
    const cemu_groups_op *ops;
    int64_t op_count;
    cemu_groups_cast scale;  /* of a_scale * b_scale */
    double start;            /* of a group sum: +0, or -0 which is absent */
    int64_t aligned;         /* whether the accumulator is an aligned adder's; else sums join it one by one */
    int64_t align_bits, floor;
    double min_exponent;     /* 2^align_min_exp, or 0 */
    double unit_power;       /* 2^e of the constants */
    double least_c;          /* 2^emin of operand c */
    int64_t zero_sign;       /* CEMU_ALIGNED_IEEE ... */
    cemu_groups_cast result, output;
    int64_t d_man_bits, d_bias, d_field_bits, d_ignored, d_infinity, d_negative_zero;
    int64_t d_bytes;         /* 1, 2, 4, 8 */
    void *d;                 /* [m][n] */
    uint8_t *marks;          /* [m][n]: set where an element must be computed again */
} cemu_plan_groups_t;

CEMU_API int64_t cemu_plan_groups_pack(cemu_plan_groups_pack_t *problem, int64_t isa);
CEMU_API int64_t cemu_plan_groups(cemu_plan_groups_t *problem, int64_t isa);
/* cdef-end */

#ifdef __cplusplus
}
#endif
#endif
