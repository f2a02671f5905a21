/* The plan for integers: sums of integer products, and the same with overflow at every step. A unit is laid out by
 * emu/units/plans/integers; what is computed here is exact modulo 2^64, or in lanes that were proved wide enough.
 *
 *  - _sum is one integer matrix product, or adds one to sums;
 *  - _chain is an accumulator of at most 16 bits that saturates after every product;
 *  - _steps runs a list of flags: accumulators of two levels, cast where the flags say so.
 *
 * Each computes a rectangle of d. Codes are unsigned integers of 1, 2, 4 or 8 bytes. */
#ifndef CEMU_PLAN_INTEGERS_H
#define CEMU_PLAN_INTEGERS_H

#include "cemu_plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cdef-begin */
enum { CEMU_INTEGERS_BYTES, CEMU_INTEGERS_PAIRS, CEMU_INTEGERS_SINGLES, CEMU_INTEGERS_WIDE };
enum { CEMU_INTEGERS_KEEP, CEMU_INTEGERS_CLAMP, CEMU_INTEGERS_WRAP, CEMU_INTEGERS_MASK };
enum { CEMU_INTEGERS_CAST_INNER = 1, CEMU_INTEGERS_HAND_UP = 2, CEMU_INTEGERS_CAST_OUTER = 4 };

/* One operand: integers that are codes of two's complement, or listed by code, or stand in memory as they are. */
typedef struct {
    const void *codes;   /* [m, k] or [k, n]; null: */
    const int32_t *wide; /* the integers */
    int64_t width;       /* of a code, in bytes */
    uint64_t sign;       /* of codes: 2^(bits - 1), 0 for unsigned ones */
    const int16_t *table; /* numbers by code, or null */
    int64_t offset;      /* CEMU_INTEGERS_BYTES: added to a to make it signed, or to b to make it unsigned */
} cemu_integers_operand;

/* A cast of a 64-bit (in lanes: 32-bit) sum: CLAMP to low..high, WRAP by shifting up and down, MASK by high. */
typedef struct {
    int64_t kind, low, high, shift;
} cemu_integers_cast;

typedef struct {
    int64_t m, n, k;
    cemu_integers_operand a, b;
    const int64_t *order; /* [length]: which k stands where, -1: nothing; null: all in turn */
    int64_t length;
    const uint8_t *flags; /* _steps: for each word what happens after it */
    const int32_t *table; /* _steps: products [a][b]; numbers are then codes; or null */
    int64_t table_width;
    int64_t words;       /* CEMU_INTEGERS_BYTES ... */
    const void *c;       /* codes, or null */
    int64_t c_width;
    uint64_t c_sign;
    int64_t c_shift;
    uint64_t *sums;      /* [m, n]: what is added to, or finished elsewhere; or null */
    void *d;             /* codes; null: the sums are finished elsewhere */
    int64_t d_width;
    int64_t row, row_end, column, column_end;
    int64_t block;       /* _sum: words of k added in 32 bits */
    int64_t first, last; /* _sum: whether sums start here (else they are added to), and end here */
    int64_t shift;       /* _sum: the sum is worth 2^shift */
    int64_t only_32;     /* _sum: `finish` and `mask` look at 32 bits of the sum, which hold it, or are all that counts */
    cemu_integers_cast inner, outer; /* of steps */
    cemu_integers_cast finish;       /* what becomes of sums at last */
    uint64_t mask;                   /* and then */
} cemu_plan_integers_t;

/* One step of `output`: x becomes (x * factor + addend) / 2^shift, rounded, and cast. Lists have an entry for each
 * column; nothing may leave 2^62. */
typedef struct {
    int64_t *factor, *addend, *shift;
    int64_t rounding; /* CEMU_ROUNDING_... */
    cemu_integers_cast cast;
} cemu_integers_step;

typedef struct {
    int64_t n, row, row_end;
    uint64_t *sums; /* [m, n], overwritten */
    void *d;        /* [m, n] */
    int64_t d_width;
    cemu_integers_step *steps;
    int64_t count;
    uint64_t mask;
} cemu_integers_output;

/* The best words for operands of 8 bits: BYTES where the machine multiplies and adds four of them. */
CEMU_API int64_t cemu_plan_integers_bytes(int64_t isa);
CEMU_API int64_t cemu_plan_integers_sum(cemu_plan_integers_t *p, int64_t isa);
CEMU_API int64_t cemu_plan_integers_chain(cemu_plan_integers_t *p, int64_t isa);
CEMU_API int64_t cemu_plan_integers_steps(cemu_plan_integers_t *p, int64_t isa);
/* Sums through the steps, into codes. */
CEMU_API int64_t cemu_plan_integers_output(cemu_integers_output *p, int64_t isa);
/* cdef-end */

#ifdef __cplusplus
}
#endif
#endif
