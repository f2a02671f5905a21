/* Plan "chain": sums that are rounded to a narrow float format at every step (emu/units/plans/chain). Values are held
 * exactly in a carrier, float or double; a step is one addition in the carrier and one branch-free rounding. */
#ifndef CEMU_PLAN_CHAIN_H
#define CEMU_PLAN_CHAIN_H

#include "cemu_plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cdef-begin */
/* How a carrier value becomes one of the format. */
enum {
    CEMU_CHAIN_KEEP,          /* not at all */
    CEMU_CHAIN_DIRECTION,     /* in the direction of `mode` */
    CEMU_CHAIN_TRUNCATE,      /* these, with mode = toward zero: magnitudes are truncated, */
    CEMU_CHAIN_TIES_AWAY,     /* or rounded to nearest, */
    CEMU_CHAIN_TIES_ZERO,
    CEMU_CHAIN_TIES_POSITIVE,
    CEMU_CHAIN_TIES_NEGATIVE,
    CEMU_CHAIN_AWAY,          /* or away from zero, */
    CEMU_CHAIN_ODD,           /* or the last bit is set if anything was lost, */
    CEMU_CHAIN_JAM,           /* or always */
    CEMU_CHAIN_HALF,          /* to binary16 in the direction of `mode`, by the processor (float, v3 and v4) */
    CEMU_CHAIN_BITS_EVEN,     /* where nothing underflows; on the carrier's code: to nearest even (float), */
    CEMU_CHAIN_BITS_ADD,      /* or `addend` is added and the bits below are cut off, */
    CEMU_CHAIN_BITS_ODD,      /* or they set the last one, */
    CEMU_CHAIN_SPLIT          /* or, with mode = nearest, to nearest even by splitting (chain_round.h) */
};

/* What a rounded magnitude beyond `max` becomes. */
enum {
    CEMU_CHAIN_CLAMP,   /* max */
    CEMU_CHAIN_REPLACE, /* over_positive, with its sign */
    CEMU_CHAIN_REPLACE_SIGNED, /* over_positive or over_negative */
    CEMU_CHAIN_IN_RANGE /* there is none */
};

/* Rounding directions of the carrier. */
enum { CEMU_CHAIN_NEAREST, CEMU_CHAIN_DOWN, CEMU_CHAIN_UP, CEMU_CHAIN_ZERO };

/* Double only: the accumulator and a term are summed to odd (mode nearest, or toward zero); and where the products of a
 * term are not summed exactly, the result becomes NaN. */
enum { CEMU_CHAIN_TO_ODD = 1, CEMU_CHAIN_CHECKED = 2 };

/* One cast. */
typedef struct {
    int64_t how, over;
    int64_t signs;        /* keep the sign of what becomes zero: 1, or 2 downward (DIRECTION only: the others always do) */
    int64_t flush;        /* bit 0: what is below `below` becomes 0; bit 1: results below `least` do */
    int64_t shift;        /* BITS_*: carrier bits below the format's last one */
    int64_t addend;       /* BITS_ADD */
    double scale;         /* 1.5 * 2^e * scale has the last bit of the format's values in [2^e, 2^(e + 1));
                           * SPLIT: 2^shift + 1 */
    double lowest;        /* 1.5 * 2^emin */
    double max;
    double over_positive, over_negative;
    double below, least;
} cemu_plan_chain_cast;

/* The codes of an operand, as carrier numbers. */
typedef struct {
    const void *codes;     /* null: there is no operand */
    int64_t bytes, stride; /* of a code; of a row, in codes */
    const void *table;     /* the carrier number of every code; null: codes are carrier numbers, to be multiplied */
    double scale;          /* by this, exactly */
} cemu_plan_chain_operand;

typedef struct {
    int64_t wide;         /* 0: the carrier is float, 1: double */
    int64_t mode;
    int64_t m, n, k;
    cemu_plan_chain_operand a, b, c; /* [m, k], [k, n], [m, n] */
    void *d;               /* codes [m, n], */
    int64_t d_bytes, d_stride; /* of so many bytes; of a row, in codes */
    int64_t seen;          /* out: bits 0, 1, 2: a, b, c have a NaN or an infinity */
    int64_t group;         /* products, summed exactly, of one step */
    int64_t length;        /* products of one chunk; 0: one chain, by `inner` */
    int64_t positive;      /* an exact zero sum is +0 */
    int64_t odd;           /* CEMU_CHAIN_TO_ODD, _CHECKED, or 0 */
    double start_inner;    /* of a chunk, or of the chain if c is null */
    double start_outer;    /* of the chain of chunks if c is null */
    cemu_plan_chain_cast product, inner, outer;
    cemu_plan_chain_cast last; /* of the result */
    /* `inner` without its overflow (over = IN_RANGE), for as long as all results are below 2: where some are not, the
     * steps since the last such point are made again by `inner`. how = KEEP: there is none. */
    cemu_plan_chain_cast quick;
    /* From a number to its code. */
    double factor;         /* multiplied by this first, exactly */
    int64_t man_bits, bias;
    double normal, quantum; /* 2^emin; 2^-lsb */
    uint64_t sign;          /* the sign bit of a nonzero number */
    uint64_t code_negative_zero, code_infinity, code_negative_infinity, code_nan;
} cemu_plan_chain_t;

/* Returns CEMU_OK, CEMU_NO_MEMORY, or CEMU_NO_ISA (also where the machine's rounding direction cannot be set). */
CEMU_API int64_t cemu_plan_chain(cemu_plan_chain_t *p, int64_t isa);

/* A chain of fused multiply-adds in binary16, by AVX512-FP16: all are codes of binary16. */
typedef struct {
    int64_t m, n, k;
    int64_t mode;                /* CEMU_CHAIN_NEAREST, ... */
    const uint16_t *a, *b, *c;   /* [m, k], [k, n], [m, n]; c may be null: */
    int64_t start;               /* then all start at this code */
    int64_t a_stride, b_stride, c_stride, d_stride; /* of rows */
    uint16_t *d;
    int64_t code_nan;            /* of every NaN */
} cemu_plan_chain_fp16_t;

/* Whether this machine has these instructions, and whether they gave the bits of cemu_plan_chain when they were tried. */
enum { CEMU_CHAIN_FP16_ABSENT, CEMU_CHAIN_FP16_CHECKED, CEMU_CHAIN_FP16_DIFFERS };
CEMU_API int64_t cemu_plan_chain_fp16_state(void);
/* CEMU_NO_ISA unless CEMU_CHAIN_FP16_CHECKED. */
CEMU_API int64_t cemu_plan_chain_fp16(cemu_plan_chain_fp16_t *p);
/* cdef-end */

#ifdef __cplusplus
}
#endif
#endif
