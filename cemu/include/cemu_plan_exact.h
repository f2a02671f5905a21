/* Exact sums of products in float64 (or float32), rounded once: a matrix product of operands that are looked up by
 * their codes, and the end of it (emu/units/plans/exact). */
#ifndef CEMU_PLAN_EXACT_H
#define CEMU_PLAN_EXACT_H

#include "cemu_plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cdef-begin */
/* Which codes there are. */
typedef struct {
    int64_t count;
    const void *codes; /* [count] */
    int64_t width;     /* of a code, in bytes: 1 or 2 */
    uint8_t *used;     /* by code: set to 1 where the code stands in codes */
} cemu_plan_exact_used_t;

enum { CEMU_EXACT_SLICES = 9 };
enum { CEMU_EXACT_NO_C, CEMU_EXACT_C_DOUBLE, CEMU_EXACT_C_FLOAT, CEMU_EXACT_C_LISTED };
enum { CEMU_EXACT_MAYBE_MINUS_ZERO = 1, CEMU_EXACT_SPECIAL_C = 2 };

/* Codes, and what they stand for: the sum of `slices` numbers. */
typedef struct {
    const void *codes;                     /* [m, k] or [k, n] */
    int64_t width;                         /* of a code, in bytes: 1 or 2 */
    int64_t slices;
    const void *tables[CEMU_EXACT_SLICES]; /* by code: double, or float if single_ */
} cemu_exact_operand;

/* A rectangle of exact sums of products and c, rounded once. Every partial sum of products of one slice of a and one of
 * b is a double (or a float: then each operand has one slice); all are multiples of one unit, of which their total has
 * less than 2^100. There are at most 9 pairs of slices. */
typedef struct {
    int64_t m, n, k;
    cemu_exact_operand a, b;
    int64_t single_;
    int64_t c_kind;
    const void *c;                    /* [m, n]: doubles, floats, or codes */
    int64_t c_width;                  /* C_LISTED: 1 or 2 */
    const double *c_table;            /* C_LISTED: by code */
    int64_t to_float;                 /* 0: out gets the codes of float64, rounded to odd. 1: codes of a float format: */
    int64_t man_bits, bias, exp_bits; /* of a signed format with gradual subnormals and -0, 1 <= man_bits <= 50 */
    double largest;                   /* finite value of it */
    uint64_t over_code;               /* magnitude code for what is larger, once rounded to nearest even */
    void *out;                        /* [m, n] */
    int64_t out_width;
    uint8_t *flags;                   /* [m, n]: CEMU_EXACT_...; or null */
    int64_t row, row_end, column, column_end;
    int64_t seen;                     /* written: the flags of all elements, or-ed */
} cemu_plan_exact_t;

CEMU_API int64_t cemu_plan_exact_used(cemu_plan_exact_used_t *p, int64_t isa);
CEMU_API int64_t cemu_plan_exact_run(cemu_plan_exact_t *p, int64_t isa);
/* cdef-end */

#ifdef __cplusplus
}
#endif
#endif
