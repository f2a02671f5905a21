/* Exact sums of products by float64 (or float32) matrix products, rounded once: the passes before and after the product
 * (emu/units/plans/exact). */
#ifndef CEMU_PLAN_EXACT_H
#define CEMU_PLAN_EXACT_H

#include "cemu_plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cdef-begin */
/* Codes to numbers through a table of all codes, and which codes there are. */
typedef struct {
    int64_t count;
    const uint64_t *codes; /* [count] */
    const void *table;     /* by code: double, or float if single_ */
    int64_t single_;
    void *out;             /* [count], double or float */
    uint8_t *used;         /* by code: set to 1 where the code stands in codes; or NULL */
} cemu_plan_exact_decode_t;

enum { CEMU_EXACT_SUMS = 36 };
enum { CEMU_EXACT_NO_C, CEMU_EXACT_C_DOUBLE, CEMU_EXACT_C_FLOAT_CODES };
enum { CEMU_EXACT_MAYBE_MINUS_ZERO = 1, CEMU_EXACT_SPECIAL_C = 2 };

/* Exact sums of at most 36 partial sums and c, rounded once. Partial sums are doubles (or floats: exactly one) and
 * multiples of one unit, of which their total has less than 2^100. */
typedef struct {
    int64_t count;
    int64_t sums;
    const void *sum[CEMU_EXACT_SUMS]; /* each [count] */
    int64_t single_;                  /* the sum is in float */
    int64_t c_kind;
    const void *c;                    /* [count]: doubles, or codes of float32 */
    int64_t to_float;                 /* 0: out gets the codes of float64, rounded to odd. 1: codes of a float format: */
    int64_t man_bits, bias, exp_bits; /* of a signed format with gradual subnormals and -0, 1 <= man_bits <= 50 */
    double largest;                   /* finite value of it */
    uint64_t over_code;               /* magnitude code for what is larger, once rounded to nearest even */
    uint64_t *out;                    /* [count] */
    uint8_t *flags;                   /* [count]: CEMU_EXACT_... */
    int64_t seen;                     /* written: the flags of all elements, or-ed */
} cemu_plan_exact_finish_t;

CEMU_API int64_t cemu_plan_exact_decode(cemu_plan_exact_decode_t *p, int64_t isa);
CEMU_API int64_t cemu_plan_exact_finish(cemu_plan_exact_finish_t *p, int64_t isa);
/* cdef-end */

#ifdef __cplusplus
}
#endif
#endif
