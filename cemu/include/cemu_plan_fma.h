/* Chains of fused multiply-adds, and trees of rounded products, in float32 and float64 by this machine's own arithmetic
 * (emu/units/plans/fma). */
#ifndef CEMU_PLAN_FMA_H
#define CEMU_PLAN_FMA_H

#include "cemu_plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cdef-begin */
enum { CEMU_FMA_ROWS = 8, CEMU_FMA_COLUMNS = 48 }; /* of a packed panel of a, and of b (both carriers) */

/* One operand as packed panels: [panel][k][width], zeros beyond its edge. */
typedef struct {
    int64_t width;             /* CEMU_FMA_ROWS or CEMU_FMA_COLUMNS */
    int64_t count;             /* rows of a, or columns of b */
    int64_t first, last;       /* panels to write */
    int64_t k;                 /* of the packed panels */
    const void *codes;         /* element (i, j) of k and row (column): codes[i * stride_k + j * stride] */
    int64_t bytes;             /* of a code: 1, 2, 4, 8; without a table: of the carrier */
    int64_t stride_k, stride;
    const int64_t *index;      /* [k]: which k stands there; -1: none, which is pad */
    int64_t double_;           /* the carrier: float, or double */
    const void *table;         /* by code; NULL: codes are the bits of the carrier's own format */
    int64_t daz;               /* of such bits: 0 off, 1 signed, 2 positive */
    double pad;
    void *out;
} cemu_plan_fma_pack_t;

enum { CEMU_FMA_NEAREST, CEMU_FMA_DOWN, CEMU_FMA_UP, CEMU_FMA_ZERO }; /* as MXCSR codes them */

/* Rows [8 * first, 8 * last) of acc, through all columns. What happens to an element acc, in order of k:
 *   run = 0, depth = 0: acc = acc + a * b for every k;
 *   run > 0: every group is 2^depth runs of `run` k. A run is r = starts[...]; r = r + a * b for each k. Neighbours are
 *            added, pair by pair, until one is left; acc = acc + that;
 *   run = 0, depth > 0: the same, where a run is one rounded product.
 * r + a * b is rounded once (fused), or a * b and the sum both are. */
typedef struct {
    int64_t first, last, panels; /* panels of a, and how many b has */
    int64_t k, run, depth, fused;
    int64_t piece;               /* groups after which acc = acc + 0 comes first; 0: never */
    int64_t double_, rounding, flush;
    const void *starts;          /* [k / run], in the carrier */
    const void *a, *b;           /* packed */
    void *acc;                   /* [8 * panels of a][48 * panels] */
} cemu_plan_fma_t;

CEMU_API int64_t cemu_plan_fma_pack(cemu_plan_fma_pack_t *p, int64_t isa);
/* CEMU_NO_ISA: this instruction set cannot do it (rounding or flushing without a control word, double without FMA). */
CEMU_API int64_t cemu_plan_fma(cemu_plan_fma_t *p, int64_t isa);
/* cdef-end */

#ifdef __cplusplus
}
#endif
#endif
