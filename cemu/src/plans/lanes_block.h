/* Blocks of the plan `lanes`: a value of CEMU_LANES_COLUMNS columns, as arrays. Loops over lanes have no branch, so that
 * the compiler makes vectors of them.
 *
 * A lane is (-1)^neg * m * 2^q with m < 2^62, and alignment exponent e (not live: below LIVE). Where a lane leaves what
 * this holds (a NaN, an infinity, more bits), or a cast raises, it is marked `bad`, computes on with anything, and the
 * general kernel computes its element again. */
#ifndef CEMU_PLANS_LANES_BLOCK_H
#define CEMU_PLANS_LANES_BLOCK_H

#include "lanes_scalar.h"
#include "../schedule.h"

#define LANES CEMU_LANES_COLUMNS
#define LANE static inline __attribute__((always_inline))
#define EACH(j) (int j = 0; j < LANES; j++)
#define NOT_LIVE (-(INT64_C(1) << 40))
#define LIVE (-(INT64_C(1) << 39))
#define WIDEST ((UINT64_C(1) << 62) - 1)
enum { MOST_BITS = 62 };

typedef struct {
    uint64_t m[LANES];
    int64_t neg[LANES], q[LANES], e[LANES];
} __attribute__((aligned(64))) block;

/* What a cast to a regular float, integer or fixed format needs; `alone`: every lane is cast by the general kernel. */
typedef struct {
    const cemu_cast *how;
    int64_t alone, integral, man, emin, low_limit, largest_q, is_signed, negative_zero, wraps, raises, frac, bits;
    uint64_t largest, most[2]; /* significand of the largest float; of the largest integer by sign */
    uint64_t up;               /* whether to round away from zero, by half, below, odd, negative */
} cast_plan;

/* How the steps of a level are done. */
typedef struct {
    int64_t sticky; /* a sum of two may have a sticky bit: a cast to a float follows */
    int64_t near;   /* and its addends are narrow: at most 61 - near bits; 0: they may be wider */
    int64_t on_grid, grid; /* every addend is a multiple of 2^grid, and every exact sum below 2^(grid + 61) */
    int64_t terms;  /* blocks in `term`: of an aligned adder one for each term of a step */
    block *term;
} level_plan;

typedef struct {
    cemu_plan_lanes_t *p;
    const cemu_unit *u;
    scalar s;
    cast_plan *casts; /* by step; at the end that of d */
    level_plan *levels;
    schedule whole, tail, *now;
    int64_t **run_k[2]; /* of a whole piece and the tail, [level][run]: k of its first product in the piece */
    uint64_t scale_a, scale_b; /* codes that `output` looks up */
    int64_t stages, row, column, columns, first_k, need_e, any_rare, cast_of_d, hands_on;
    int64_t bad[LANES] __attribute__((aligned(64)));
    uint64_t (*rounded)[LANES];   /* [stage]: inexact, and underflow times 2^32 */
    uint64_t (*exceeded)[LANES];  /* [stage]: saturated, and wrapped times 2^32; all of them overflow */
    uint64_t (*truncated)[LANES]; /* [stage] */
    int64_t *rare;                /* [lane][stage][kind] */
    block c, factor, other;
} work;

LANE uint64_t word_of(double x) {
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

LANE double double_of(uint64_t u) {
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* Flags are 0 or 1, by arithmetic: compilers make vectors of that, but not of every mixture of comparisons. What is
 * compared lies within +-2^62; what is looked at for zero is at most 2^63. */
LANE int64_t below(int64_t x, int64_t y) { return (int64_t)((uint64_t)(x - y) >> 63); }
LANE int64_t nonzero(uint64_t x) { return (int64_t)((0 - x) >> 63); }
LANE int64_t above(uint64_t x, uint64_t y) { return (int64_t)((y - x) >> 63); }
LANE int64_t not(int64_t flag) { return flag ^ 1; }
LANE uint64_t pick(int64_t flag, uint64_t x, uint64_t y) { return y ^ ((x ^ y) & (uint64_t)-flag); }
LANE int64_t pick_signed(int64_t flag, int64_t x, int64_t y) { return (int64_t)pick(flag, (uint64_t)x, (uint64_t)y); }
LANE int64_t larger(int64_t x, int64_t y) { return x > y ? x : y; }
LANE int64_t smaller(int64_t x, int64_t y) { return x < y ? x : y; }
LANE int64_t is_live(int64_t e) { return below(LIVE, e); }

/* Bits of a significand; 0 for 0. */
LANE int64_t length(uint64_t m) {
#if defined(__AVX512CD__)
    return 63 - __builtin_clzll(m << 1 | 1);
#else
    uint64_t twice = m << 1 | 1, high = twice >> 32, is_high = (uint64_t)nonzero(high);
    uint64_t word = pick((int64_t)is_high, high, twice & 0xffffffff); /* in the low bits of a double */
    double x = double_of(word | UINT64_C(0x4330000000000000)) - 0x1p52;
    return (int64_t)(word_of(x) >> 52) - 1023 + (int64_t)(is_high << 5);
#endif
}

/* A shift by what may be negative or too far. */
LANE uint64_t shift_of(int64_t by) { return (uint64_t)smaller(larger(by, 0), 63); }
LANE uint64_t signed_word(uint64_t m, int64_t neg) { return (m ^ (uint64_t)-neg) + (uint64_t)neg; }
/* Whether m shifted left by `by` (bits of `wide`) has more than `most`, or lost bits; 0 for 0. */
LANE int64_t outgrows(uint64_t m, int64_t by, uint64_t wide, uint64_t most) {
    return (nonzero((wide >> shift_of(by)) ^ m) | above(wide, most) | below(61, by) | (int64_t)(wide >> 63)) & nonzero(m);
}

static inline void clear_lanes(block *x) { memset(x, 0, sizeof *x); for EACH(j) x->e[j] = NOT_LIVE; }

/* A lane as a value of the general kernel. */
static inline void load_lane(const block *x, int j, value *v) {
    int live = x->e[j] > LIVE;
    set_small(v, (int)x->neg[j], x->m[j], (int32_t)x->q[j], live ? (int32_t)x->e[j] : 0);
    v->live = (uint8_t)live;
}

/* And back; what does not fit is bad. */
static inline void store_lane(work *w, block *x, int j, const value *v) {
    int fits = v->kind == FINITE && v->n <= 1 && (!v->n || v->limb[0] <= WIDEST) && !w->s.c.status;
    w->s.c.status = CEMU_OK;
    if (!fits) w->bad[j] = 1;
    x->m[j] = fits && v->n ? v->limb[0] : 0;
    x->neg[j] = fits && v->negative;
    x->q[j] = fits ? v->q : 0;
    x->e[j] = fits && v->live ? v->e : NOT_LIVE;
}

static inline void note(work *w, int j, int64_t stage, uint32_t mask) {
    if (!mask) return;
    w->any_rare = 1;
    int64_t *cells = w->rare + (j * w->stages + stage) * CEMU_EVENT_KINDS;
    for (; mask; mask &= mask - 1) cells[__builtin_ctz(mask)]++;
}

#endif
