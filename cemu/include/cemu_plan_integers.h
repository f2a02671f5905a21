/* The plan for integers: sums of integer products, and the same with overflow at every step. A unit is laid out by
 * emu/units/plans/integers; what is computed here is exact modulo 2^64, or in lanes that were proved wide enough.
 *
 *  - _pack lays b out in words for the other calls (once, columns column..column_end);
 *  - _sum adds products of rows row..row_end into d: one integer matrix product;
 *  - _chain is an accumulator of at most 16 bits that saturates after every product;
 *  - _steps runs a list of flags: accumulators of two levels, cast where the flags say so. */
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

/* One operand: codes of two's complement (numbers is null), or numbers. */
typedef struct {
    uint64_t *codes;
    int16_t *numbers;
    int32_t *wide;       /* numbers for CEMU_INTEGERS_WIDE */
    uint64_t sign;       /* of codes: 2^(bits - 1), 0 for unsigned ones */
    int64_t offset;      /* CEMU_INTEGERS_BYTES: added to a to make it unsigned, or to b to make it signed */
} cemu_integers_operand;

/* A cast of a 64-bit (in lanes: 32-bit) sum: CLAMP to low..high, WRAP by shifting up and down, MASK by high. */
typedef struct {
    int64_t kind, low, high, shift;
} cemu_integers_cast;

typedef struct {
    int64_t m, n, k;
    cemu_integers_operand a, b;
    int64_t *order;      /* [length]: which k stands where, -1: nothing; null: all in turn */
    int64_t length;
    uint8_t *flags;      /* _steps: for each word what happens after it */
    int32_t *table;      /* _steps: products [a][b]; numbers are then codes; or null */
    int64_t table_width;
    int64_t words;       /* CEMU_INTEGERS_BYTES ... */
    void *packed;        /* b: cemu_plan_integers_size bytes, 64-byte aligned */
    int64_t *column_sums; /* [n], of b as packed; needed if a.offset */
    uint64_t *c;         /* codes, or null */
    uint64_t c_sign;
    int64_t c_shift;
    uint64_t *d;
    int64_t row, row_end, column, column_end;
    int64_t block;       /* _sum: words of k added in 32 bits */
    int64_t first, last; /* _sum: whether d starts here (else it is added to), and ends here */
    int64_t shift;       /* _sum: the sum is worth 2^shift */
    cemu_integers_cast inner, outer; /* of steps */
    cemu_integers_cast finish;       /* what becomes of d at last */
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
    uint64_t *d;
    cemu_integers_step *steps;
    int64_t count;
    uint64_t mask;
} cemu_integers_output;

/* The best words for operands of 8 bits: BYTES where the machine multiplies and adds four of them. */
CEMU_API int64_t cemu_plan_integers_bytes(int64_t isa);
/* Bytes of `packed`. */
CEMU_API int64_t cemu_plan_integers_size(cemu_plan_integers_t *p, int64_t isa);
CEMU_API int64_t cemu_plan_integers_pack(cemu_plan_integers_t *p, int64_t isa);
CEMU_API int64_t cemu_plan_integers_sum(cemu_plan_integers_t *p, int64_t isa);
CEMU_API int64_t cemu_plan_integers_chain(cemu_plan_integers_t *p, int64_t isa);
CEMU_API int64_t cemu_plan_integers_steps(cemu_plan_integers_t *p, int64_t isa);
/* Sums that stand in d, through the steps, into codes. */
CEMU_API int64_t cemu_plan_integers_output(cemu_integers_output *p, int64_t isa);
/* cdef-end */

#ifdef __cplusplus
}
#endif
#endif
