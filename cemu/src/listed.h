/* Log and codebook formats: their codes and the cast to them, by looking up (emu/formats/grid.py, listed.py). */
#ifndef CEMU_LISTED_H
#define CEMU_LISTED_H

#include "value.h"

#define POINT_ABOVE (-1) /* codes of virtual points */
#define POINT_BELOW (-2)
#define POINT_LIMBS 8

INLINE const cemu_point *points_of(const cemu_tables *t, const cemu_format *f) { return t->points + f->first_point; }

/* The value of a point, with the alignment exponent of its leading bit. */
INLINE void set_point(const cemu_point *p, value *x) {
    uint64_t sig = (uint64_t)p->sig;
    if (!sig) {
        set_zero(x, 0, 0, 0);
        return;
    }
    set_small(x, (int)p->negative, sig, (int32_t)p->q, (int32_t)p->q + 63 - __builtin_clzll(sig));
}

/* -1, 0, 1: finite x is below, equal to or above finite y. */
INLINE int compare_values(const value *x, const value *y) {
    int sx = !x->n ? 0 : x->negative ? -1 : 1, sy = !y->n ? 0 : y->negative ? -1 : 1;
    if (sx != sy) return sx > sy ? 1 : -1;
    if (!sx) return 0;
    int32_t tx = top_of(x), ty = top_of(y);
    if (tx != ty) return tx > ty ? sx : -sx;
    int32_t lx = bit_length(x), ly = bit_length(y);
    for (int32_t done = 0; done < lx || done < ly; done += 64) {
        uint64_t a = done < lx ? word_below(x, lx - done) : 0, b = done < ly ? word_below(y, ly - done) : 0;
        if (a != b) return a > b ? sx : -sx;
    }
    return 0;
}

INLINE int compare_point(const value *x, const cemu_point *p) {
    uint64_t word;
    value y = {.limb = &word};
    set_point(p, &y);
    return compare_values(x, &y);
}

/* Whether |x| > 2^(q/2) for an odd q: never equal. */
INLINE int above_root(context *c, const value *x, int32_t q) {
    int32_t top = top_of(x), half = (q - 1) / 2; /* q - 1 is even */
    if (top != half) return top > half;
    const uint64_t root = UINT64_C(0xB504F333F9DE6484); /* floor(2^63.5) */
    uint64_t head = word_below(x, bit_length(x));
    if (head != root) return head > root;
    uint64_t *square = c->scratch; /* 2 * limbs words */
    memset(square, 0, (size_t)(2 * x->n) * sizeof *square);
    for (int32_t i = 0; i < x->n; i++) {
        uint64_t carry = 0;
        for (int32_t j = 0; j < x->n; j++) {
            u128 sum = (u128)x->limb[i] * x->limb[j] + square[i + j] + carry;
            square[i + j] = (uint64_t)sum;
            carry = (uint64_t)(sum >> 64);
        }
        square[i + x->n] = carry;
    }
    value s = {.limb = square, .n = 2 * x->n};
    trim(&s);
    return bit_length(&s) - 1 + 2 * x->q >= q;
}

/* -1, 0, 1: x is below, on or above the boundary after a point. */
INLINE int side_of(context *c, const value *x, const cemu_point *p) {
    cemu_point border = {.negative = p->boundary_negative, .sig = p->boundary_sig, .q = p->boundary_q};
    if (!p->boundary_root) return compare_point(x, &border);
    if (!x->n || x->negative != (p->boundary_negative != 0)) return p->boundary_negative ? 1 : -1;
    int above = above_root(c, x, (int32_t)p->boundary_q) ? 1 : -1;
    return x->negative ? -above : above;
}

/* The largest point that is not above x; -1: none. */
INLINE int64_t point_below(const cemu_point *points, int64_t count, const value *x) {
    int64_t low = -1, high = count; /* points[low] <= x < points[high] */
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (compare_point(x, points + middle) >= 0) low = middle;
        else high = middle;
    }
    return low;
}

/* Whether stochastic rounding sends x, between inner (nearer zero) and outer, to outer: P3109's A, B, C by comparing x
 * with (inner * w + outer * (2^(N+1) - w)) / 2^(N+1), w = 2 R (+ 1 in B and C). */
INLINE int goes_to_outer(context *c, const cemu_cast *how, uint64_t draw, const value *x, const cemu_point *inner,
                         const cemu_point *outer) {
    int odd = how->sr_variant != CEMU_STOCHASTIC_VARIANT_A;
    u128 weight = (u128)draw * 2 + (unsigned)odd, rest = ((u128)1 << (how->sr_bits + 1)) - weight;
    uint64_t words[4][POINT_LIMBS];
    value a = {.limb = words[0]}, b = {.limb = words[1]}, w = {.limb = words[2]};
    context small = *c;
    uint64_t scratch[2 * POINT_LIMBS + 2];
    small.limbs = POINT_LIMBS;
    small.scratch = scratch;
    set_point(inner, &a);
    set_point(outer, &b);
    for (int i = 0; i < 2; i++) {
        u128 by = i ? rest : weight;
        set_small(&w, 0, 0, 0, 0);
        w.limb[0] = (uint64_t)by;
        w.limb[1] = (uint64_t)(by >> 64);
        w.n = 2;
        trim(&w);
        multiply_limbs(&small, i ? &b : &a, &w);
    }
    value *terms[2] = {&a, &b};
    value border = {.limb = words[3]};
    sum_values(&small, &border, terms, 2);
    border.kind = FINITE;
    border.q -= (int32_t)how->sr_bits + 1;
    if (small.status) fail(c, small.status);
    int side = compare_values(x, &border);
    if (side) return side == (outer > inner ? 1 : -1);
    return how->sr_variant != CEMU_STOCHASTIC_VARIANT_C || !(draw & 1); /* C: a tie goes to the even number of draws */
}

/* Whether x, strictly between two points, goes to the higher one. */
INLINE int goes_to_higher(context *c, const cemu_cast *how, uint64_t draw, const value *x, const cemu_point *low) {
    const cemu_point *high = low + 1, *inner = x->negative ? high : low, *outer = x->negative ? low : high;
    if (how->rounding <= CEMU_ROUNDING_TIES_TO_NEGATIVE) {
        int side = side_of(c, x, low);
        if (side) return side > 0;
        switch (how->rounding) {
            case CEMU_ROUNDING_TIES_TO_EVEN: return !high->odd;
            case CEMU_ROUNDING_TIES_TO_AWAY: return !x->negative;
            case CEMU_ROUNDING_TIES_TO_ZERO: return x->negative;
            default: return how->rounding == CEMU_ROUNDING_TIES_TO_POSITIVE;
        }
    }
    switch (how->rounding) {
        case CEMU_ROUNDING_TOWARD_ZERO: return inner == high;
        case CEMU_ROUNDING_AWAY_FROM_ZERO: return outer == high;
        case CEMU_ROUNDING_TOWARD_POSITIVE: return 1;
        case CEMU_ROUNDING_TOWARD_NEGATIVE: return 0;
        case CEMU_ROUNDING_STOCHASTIC: return goes_to_outer(c, how, draw, x, inner, outer) == (outer == high);
        default: return (inner == high) == (inner->odd != 0); /* to_odd, jamming */
    }
}

/* The point that x rounds to; NULL: beyond the grid. */
INLINE const cemu_point *neighbour(context *c, const cemu_format *f, const cemu_cast *how, uint64_t draw, const value *x) {
    const cemu_point *points = points_of(c->t, f);
    int64_t at = point_below(points, f->points, x);
    if (at < 0) return points->code == POINT_BELOW && !x->negative ? points : NULL;
    const cemu_point *low = points + at, *last = points + f->points - 1;
    if (compare_point(x, low) == 0) {
        if (how->rounding != CEMU_ROUNDING_JAMMING || low->odd || !x->n) return low;
        if (x->negative) return at ? low - 1 : NULL;
        return low < last ? low + 1 : NULL;
    }
    if (low == last) return NULL;
    if (low->code == POINT_BELOW && low[1].code == POINT_BELOW) return x->negative ? low : low + 1;
    return goes_to_higher(c, how, draw, x, low) ? low + 1 : low;
}

/* Set x to the smallest positive value of a format (of a codebook without one: its smallest magnitude), with a sign. */
INLINE void set_smallest(const cemu_tables *t, const cemu_format *f, int negative, value *x) {
    const cemu_point *points = points_of(t, f);
    value zero = {.limb = NULL};
    int64_t at = point_below(points, f->points, &zero) + 1;
    while (at < f->points && points[at].code < 0) at++;
    if (at == f->points) /* nothing is positive */
        for (at--; !points[at].sig || points[at].code < 0;) at--;
    set_point(points + at, x);
    if (negative >= 0) x->negative = (uint8_t)negative; /* -1: its own */
}

/* The largest finite value of a sign. */
INLINE const cemu_point *largest_point(const cemu_tables *t, const cemu_format *f, int negative) {
    const cemu_point *points = points_of(t, f), *end = negative ? points : points + f->points - 1;
    while (end->code < 0) end += negative ? 1 : -1;
    return end;
}

/* Whether x, below the smallest value, stays there when it is rounded as if the powers went on. */
INLINE int rounds_below(context *c, const cemu_format *f, const cemu_cast *how, uint64_t draw, const value *x,
                        const cemu_point *point) {
    if (point->code == POINT_BELOW) return 1;
    if (!f->below_smallest) return !point->sig;
    const cemu_point *first = points_of(c->t, f) + f->points + (x->negative ? 0 : 2);
    int outside = compare_point(x, x->negative ? first + 1 : first);
    if (!outside) return how->rounding != CEMU_ROUNDING_JAMMING; /* which moves the even power up to the smallest */
    if (x->negative ? outside > 0 : outside < 0) return 1;
    return goes_to_higher(c, how, draw, x, first) == (x->negative != 0);
}

/* The value of a code that is looked up. */
INLINE void decode_listed(const cemu_tables *t, const cemu_format *f, uint64_t code, value *x) {
    int64_t rank = t->ranks[f->first_rank + (int64_t)code];
    switch (rank) {
        case CEMU_RANK_NAN: set_nan(x, 0, QUIET, 0); break;
        case CEMU_RANK_INFINITY: set_infinity(x, 0); break;
        case CEMU_RANK_NEGATIVE_INFINITY: set_infinity(x, 1); break;
        case CEMU_RANK_NEGATIVE_ZERO: set_zero(x, 1, 0, 0); break;
        default: set_point(points_of(t, f) + rank, x);
    }
}

/* The code of a value of the format. */
INLINE uint64_t encode_listed(const cemu_tables *t, const cemu_format *f, const value *x) {
    if (x->kind == NAN_VALUE) return (uint64_t)f->nan_code;
    if (x->kind == INFINITE) return (uint64_t)(x->negative ? f->negative_infinity_code : f->infinity_code);
    if (!x->n && x->negative && f->negative_zero) return (uint64_t)f->negative_zero_code;
    const cemu_point *points = points_of(t, f);
    return (uint64_t)points[point_below(points, f->points, x)].code;
}

#endif
