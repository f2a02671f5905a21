/* Sums of the plan `lanes`: two addends, exact or with a sticky bit; many, exact; many, aligned. */
#ifndef CEMU_PLANS_LANES_SUM_H
#define CEMU_PLANS_LANES_SUM_H

#include "lanes_cast.h"

/* x + y put into x, whose sign of zero follows emu/arithmetic/exact.py: two zeros of one sign keep it, any other zero is
 * negative if `down`. (Of two addends that is also what `zero_sign = "ieee"` says.) */
LANE void finish_pair(block *x, int j, uint64_t sum, int64_t q, int64_t some, int64_t neg_y, int64_t down) {
    int64_t neg = x->neg[j], negative = (int64_t)(sum >> 63);
    int64_t keeps = not(some | (neg ^ neg_y)), of_zero = pick_signed(keeps, neg, down);
    x->m[j] = signed_word(sum, negative);
    x->neg[j] = pick_signed(nonzero(x->m[j]), negative, of_zero);
    x->q[j] = q;
}

LANE void join_exponents(block *restrict x, const block *restrict y) {
    for EACH(j) x->e[j] = larger(x->e[j], y->e[j]);
}

/* Exact; lanes whose sum has more than 62 bits are bad. A zero takes no part in the exponent of the last bit. */
static void add_exact(work *w, block *restrict x, const block *restrict y, int64_t down) {
    int64_t *restrict bad = w->bad;
    for EACH(j) {
        uint64_t mx = x->m[j], my = y->m[j];
        int64_t some_x = nonzero(mx), some_y = nonzero(my), qx = pick_signed(some_x, x->q[j], y->q[j]);
        int64_t qy = pick_signed(some_y, y->q[j], qx), q = smaller(qx, qy);
        uint64_t wx = mx << shift_of(qx - q), wy = my << shift_of(qy - q);
        bad[j] |= outgrows(mx, qx - q, wx, WIDEST >> 1) | outgrows(my, qy - q, wy, WIDEST >> 1);
        uint64_t sum = signed_word(wx, x->neg[j]) + signed_word(wy, y->neg[j]);
        finish_pair(x, j, sum, q, some_x | some_y, y->neg[j], down);
    }
}

/* Addends of at most 61 - near bits each, near >= 31: the one whose last bit is higher is shifted left by at most `near`,
 * which leaves it above everything that the other loses to the sticky bit, by near - 1 bits. */
static void add_near(block *restrict x, const block *restrict y, int64_t near, int64_t down) {
    for EACH(j) {
        uint64_t mx = x->m[j], my = y->m[j];
        int64_t some_x = nonzero(mx), some_y = nonzero(my), qx = pick_signed(some_x, x->q[j], y->q[j]);
        int64_t qy = pick_signed(some_y, y->q[j], qx), swap = below(qx, qy), q = larger(qx, qy);
        int64_t far = q - smaller(qx, qy), left = smaller(far, near), right = smaller(far - left, 63);
        uint64_t sx = signed_word(pick(swap, my, mx) << left, pick_signed(swap, y->neg[j], x->neg[j]));
        uint64_t low = pick(swap, mx, my), cut = low >> right;
        cut |= (uint64_t)nonzero((cut << right) ^ low);
        uint64_t sum = sx + signed_word(cut, pick_signed(swap, x->neg[j], y->neg[j]));
        finish_pair(x, j, sum, q - left, some_x | some_y, y->neg[j], down);
    }
}

/* Addends of at most 59 bits, any distance: the larger one is shifted up to 61 bits; what the other loses is a sticky bit.
 * It loses something only if it is at least two bits below, so that the sum keeps 59 bits. */
static void add_far(work *w, block *restrict x, const block *restrict y, int64_t down) {
    int64_t *restrict bad = w->bad;
    for EACH(j) {
        uint64_t mx = x->m[j], my = y->m[j];
        int64_t some_x = nonzero(mx), some_y = nonzero(my), qx = x->q[j], qy = y->q[j], nx = length(mx), ny = length(my);
        int64_t tx = pick_signed(some_x, nx + qx, NOT_LIVE), ty = pick_signed(some_y, ny + qy, NOT_LIVE);
        int64_t swap = below(tx, ty), up = 61 - pick_signed(swap, ny, nx), q = pick_signed(swap, qy, qx) - up;
        int64_t off = q - pick_signed(swap, qx, qy);
        bad[j] |= below(59, nx) | below(59, ny);
        uint64_t high = pick(swap, my, mx) << (up & 63), low = pick(swap, mx, my), cut = low >> shift_of(off);
        cut |= (uint64_t)nonzero((cut << shift_of(off)) ^ low);
        cut <<= shift_of(-off);
        uint64_t sum = signed_word(high, pick_signed(swap, y->neg[j], x->neg[j])) +
                       signed_word(cut, pick_signed(swap, x->neg[j], y->neg[j]));
        finish_pair(x, j, sum, q, some_x | some_y, y->neg[j], down);
    }
}

/* A sum of many addends on its way. `alike`: all addends are zeros of the sign that decides a sum of nothing but zeros:
 * -0, or +0 if the rounding that follows is toward_negative. */
typedef struct {
    uint64_t sum[LANES]; /* two's complement */
    int64_t q[LANES], e[LANES], alike[LANES];
} __attribute__((aligned(64))) sums;

static void start_sum(sums *s, int64_t q) {
    for EACH(j) {
        s->sum[j] = 0;
        s->q[j] = q;
        s->e[j] = NOT_LIVE;
        s->alike[j] = 1;
    }
}

static void add_to_sum(work *w, const cemu_level *l, sums *restrict s, const block *restrict x) {
    int64_t *restrict bad = w->bad, down = l->toward_negative != 0;
    for EACH(j) {
        uint64_t m = x->m[j], old = s->sum[j];
        int64_t neg = x->neg[j], sign = (int64_t)(old >> 63), some = nonzero(m);
        uint64_t have = signed_word(old, sign);
        int64_t qs = pick_signed(nonzero(have), s->q[j], x->q[j]), qx = pick_signed(some, x->q[j], qs), q = smaller(qs, qx);
        uint64_t ws = have << shift_of(qs - q), wx = m << shift_of(qx - q);
        bad[j] |= outgrows(have, qs - q, ws, WIDEST >> 1) | outgrows(m, qx - q, wx, WIDEST >> 1);
        s->sum[j] = signed_word(ws, sign) + signed_word(wx, neg);
        s->q[j] = q;
        s->e[j] = larger(s->e[j], x->e[j]);
        s->alike[j] &= (neg ^ down) & not(some);
    }
}

/* The same where every addend is known to be a multiple of 2^grid, and the sum to fit. */
static void add_on_grid(const cemu_level *l, sums *restrict s, const block *restrict x, int64_t grid) {
    int64_t down = l->toward_negative != 0;
    for EACH(j) {
        uint64_t m = x->m[j];
        int64_t neg = x->neg[j];
        s->sum[j] += signed_word(m << ((x->q[j] - grid) & 63), neg);
        s->alike[j] &= (neg ^ down) & not(nonzero(m));
    }
}

/* x + y put into x, on a grid as above. */
static void add_pair_on_grid(block *restrict x, const block *restrict y, int64_t grid, int64_t down) {
    for EACH(j) {
        uint64_t mx = x->m[j], my = y->m[j];
        uint64_t sum = signed_word(mx << ((x->q[j] - grid) & 63), x->neg[j]) +
                       signed_word(my << ((y->q[j] - grid) & 63), y->neg[j]);
        finish_pair(x, j, sum, grid, nonzero(mx | my), y->neg[j], down);
    }
}

static void join_sum(sums *restrict s, const block *restrict x) {
    for EACH(j) s->e[j] = larger(s->e[j], x->e[j]);
}

/* The sum as a block. */
static void end_sum(const cemu_level *l, const sums *restrict s, block *restrict x) {
    int64_t ieee = l->zero_sign == CEMU_ZERO_SIGN_IEEE, down = l->toward_negative != 0;
    for EACH(j) {
        uint64_t sum = s->sum[j];
        int64_t negative = (int64_t)(sum >> 63);
        x->m[j] = signed_word(sum, negative);
        x->neg[j] = pick_signed(nonzero(x->m[j]), negative, (s->alike[j] ^ down) & ieee);
        x->q[j] = s->q[j];
        x->e[j] = s->e[j];
    }
}

/* The alignment exponent of a step: of its candidates, or, if there are none, of what is live. */
static void choose_exponent(const cemu_level *l, block *const *terms, int64_t count, const block *acc, int64_t *restrict to,
                            int64_t *restrict live, int64_t *restrict candidates) {
    for EACH(j) live[j] = candidates[j] = NOT_LIVE;
    for (int64_t i = 0; i < count; i++)
        for EACH(j) candidates[j] = larger(candidates[j], terms[i]->e[j]);
    for EACH(j) live[j] = candidates[j];
    if (acc) {
        for EACH(j) live[j] = larger(live[j], acc->e[j]);
        if (l->align_to != CEMU_ALIGN_TO_TERMS)
            for EACH(j) candidates[j] = live[j];
    }
    int64_t least = l->has_min_exp ? l->align_min_exp : NOT_LIVE;
    for EACH(j) {
        candidates[j] = larger(candidates[j], least);
        to[j] = candidates[j] > LIVE ? candidates[j] : live[j];
    }
    if (l->align && l->align_to == CEMU_ALIGN_TO_POINT)
        for EACH(j) to[j] = candidates[j] > LIVE ? l->align_point : to[j];
}

LANE void cut_lanes(work *w, const cemu_level *l, const block *restrict x, const int64_t *restrict em,
                    const int64_t *restrict least, int64_t terms, sums *restrict s, uint64_t up, int kind, int jams,
                    uint64_t *restrict truncated) {
    int64_t bits = l->align_bits, *restrict marks = w->bad, down = l->toward_negative != 0;
    uint64_t room = WIDEST / (uint64_t)terms;
    for EACH(j) {
        uint64_t m = x->m[j];
        int64_t neg = x->neg[j], by = em[j] - bits - x->q[j], some = nonzero(m), lost;
        int64_t gone = below(x->e[j], least[j]) & some;
        uint64_t wide = m << shift_of(-by);
        marks[j] |= outgrows(m, -by, wide, room) & not(gone);
        uint64_t n = rounded(wide & WIDEST, shift_of(by), neg, kind, up, jams, &lost) & (uint64_t)(gone - 1);
        truncated[j] += (uint64_t)((lost & some) | gone);
        s->sum[j] += signed_word(n, neg);
        s->alike[j] &= (neg ^ down) & not(nonzero(n));
    }
}

/* Every addend on the grid of the step, then the sum. `em`: NOT_LIVE where nothing is cut, because no term is live; then
 * only the accumulator is not zero, and `em` is made its own grid. */
static void sum_aligned(work *w, const cemu_level *l, const level_plan *how, block *const *terms, int64_t count,
                        const block *acc, int64_t stage, block *x) {
    int64_t to[LANES] __attribute__((aligned(64))), live[LANES] __attribute__((aligned(64)));
    int64_t candidates[LANES] __attribute__((aligned(64))), em[LANES] __attribute__((aligned(64)));
    int64_t least[LANES] __attribute__((aligned(64)));
    sums s;
    int kind = rounding_kind(l->align_rounding), jams = l->align_rounding == CEMU_ROUNDING_JAMMING;
    choose_exponent(l, terms, count, acc, to, live, candidates);
    start_sum(&s, 0);
    for EACH(j) {
        int64_t cuts = candidates[j] > LIVE;
        em[j] = cuts ? to[j] : (acc ? acc->q[j] : 0) + l->align_bits;
        least[j] = cuts && l->has_max_shift ? to[j] - l->align_max_shift : NOT_LIVE;
        w->bad[j] |= jams & !cuts; /* which would set the last bit */
    }
    uint64_t up = rounding_table(l->align_rounding), *truncated = w->truncated[stage];
    for (int64_t i = 0; i <= count; i++) {
        const block *one = i < count ? terms[i] : acc;
        if (!one) continue;
        if (kind == TRUNCATING) cut_lanes(w, l, one, em, least, how->terms + 1, &s, up, TRUNCATING, 0, truncated);
        else cut_lanes(w, l, one, em, least, how->terms + 1, &s, up, BY_TABLE, jams, truncated);
    }
    for EACH(j) {
        s.q[j] = em[j] - l->align_bits;
        s.e[j] = live[j] > LIVE ? to[j] : NOT_LIVE;
    }
    end_sum(l, &s, x);
}

#endif
