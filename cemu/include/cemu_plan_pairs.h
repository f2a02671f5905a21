/* Operations on two operands of at most 8 bits each, element by element: by a table of all results, or in float32
 * (emu/operations/pairs.py). And looking up codes of at most 8 bits. */
#ifndef CEMU_PLAN_PAIRS_H
#define CEMU_PLAN_PAIRS_H

#include "cemu_plan_encode.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cdef-begin */
/* out[i] = table[x[i] << y_bits | y[i]]; codes beyond their bits are cut, so that no index leaves the table. */
typedef struct {
    const uint8_t *x, *y;
    int64_t x_bits, y_bits; /* together at most 16 */
    const void *table;      /* 2^(x_bits + y_bits) entries of out_bits */
    void *out;
    int64_t out_bits;       /* 8, 16, 32 or 64 */
    int64_t n;
} cemu_plan_pair_table_t;

CEMU_API int64_t cemu_plan_pair_table(cemu_plan_pair_table_t *job, int64_t isa);

/* Codes of x + y, x - y, x * y or x / y, computed in float32 and rounded once more, to the grid. emu compares the results
 * with the table, for all pairs, first. */
typedef struct {
    const cemu_grid *grid;
    int64_t operation;                      /* position in emu's Operation */
    const uint16_t *x_numbers, *y_numbers;  /* [256]: the upper half of each code's float32; the lower one is 0 */
    const uint8_t *x, *y;
    void *out;
    int64_t out_bits;                       /* 8 or 16 */
    int64_t n;
    int64_t refused;                        /* out: the processor does not round to nearest now; nothing is written */
} cemu_plan_pairs_t;

CEMU_API int64_t cemu_plan_pairs(cemu_plan_pairs_t *job, int64_t isa);

/* out[i] = entries[in[i]]. */
typedef struct {
    const uint8_t *in;
    const uint16_t *entries; /* [256] */
    void *out;
    int64_t out_bits;        /* 8 or 16: entries are cut to it */
    int64_t n;
    int64_t seen;            /* out: the OR of all codes */
} cemu_plan_bytes_t;

CEMU_API int64_t cemu_plan_bytes(cemu_plan_bytes_t *job, int64_t isa);
/* cdef-end */

#ifdef __cplusplus
}
#endif
#endif
