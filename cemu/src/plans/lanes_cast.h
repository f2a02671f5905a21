/* Casts of the plan `lanes`. A lane whose cast is not plain rounding into the range (subnormals that are flushed,
 * overflow of a float, the one binade where tininess after rounding must be looked at) is cast by the general kernel. */
#ifndef CEMU_PLANS_LANES_CAST_H
#define CEMU_PLANS_LANES_CAST_H

#include "lanes_block.h"

enum { NEAREST_EVEN, TRUNCATING, BY_TABLE };

/* Whether a rounding goes away from zero: a bit for each half + 2 * below + 4 * odd + 8 * negative. */
static uint64_t rounding_table(int64_t rounding) {
    uint64_t table = 0;
    for (int i = 0; i < 16; i++) {
        int half = i & 1, below = i >> 1 & 1, odd = i >> 2 & 1, negative = i >> 3, up = 0, lost = half | below;
        switch (rounding) {
            case CEMU_ROUNDING_TIES_TO_EVEN: up = half && (below || odd); break;
            case CEMU_ROUNDING_TIES_TO_AWAY: up = half; break;
            case CEMU_ROUNDING_TIES_TO_ZERO: up = half && below; break;
            case CEMU_ROUNDING_TIES_TO_POSITIVE: up = half && (below || !negative); break;
            case CEMU_ROUNDING_TIES_TO_NEGATIVE: up = half && (below || negative); break;
            case CEMU_ROUNDING_TOWARD_POSITIVE: up = lost && !negative; break;
            case CEMU_ROUNDING_TOWARD_NEGATIVE: up = lost && negative; break;
            case CEMU_ROUNDING_AWAY_FROM_ZERO: up = lost; break;
            case CEMU_ROUNDING_TO_ODD: up = lost && !odd; break;
            case CEMU_ROUNDING_JAMMING: up = !odd; break;
            default: break;
        }
        table |= (uint64_t)up << i;
    }
    return table;
}

static void plan_cast(const cemu_tables *t, const cemu_cast *how, cast_plan *out) {
    const cemu_format *f = t->formats + how->format;
    int signed_extra = f->is_signed && !f->symmetric && f->encoding == CEMU_INTEGER_ENCODING_TWOS_COMPLEMENT;
    memset(out, 0, sizeof *out);
    out->how = how;
    out->integral = f->kind == CEMU_FORMAT_KIND_INTEGER || f->kind == CEMU_FORMAT_KIND_FIXED;
    out->is_signed = f->is_signed;
    out->bits = f->bits;
    out->frac = f->frac_bits;
    out->man = f->man_bits;
    out->emin = f->emin;
    out->negative_zero = f->negative_zero;
    out->wraps = how->overflow == CEMU_OVERFLOW_WRAP;
    out->raises = how->overflow == CEMU_OVERFLOW_RAISE;
    out->alone = how->rounding == CEMU_ROUNDING_STOCHASTIC || how->tininess != CEMU_TININESS_AFTER_ROUNDING ||
                 (out->integral ? f->bits > 60 : f->points || !f->man_bits || f->man_bits > 56);
    int plain = f->subnormals == CEMU_SUBNORMALS_GRADUAL && how->ftz == CEMU_FTZ_OFF;
    out->low_limit = plain ? INT64_MIN / 4 : f->emin + 1;
    if (out->integral && !out->alone) {
        int64_t bits = f->bits - (f->is_signed ? 1 : 0);
        out->most[0] = (UINT64_C(1) << bits) - 1;
        out->most[1] = f->is_signed ? out->most[0] + (uint64_t)signed_extra : 0;
    } else if (!out->alone) {
        int64_t top = (int64_t)((uint64_t)f->max_magnitude >> f->man_bits) - f->bias;
        int hidden = (uint64_t)f->max_magnitude >> f->man_bits || f->subnormals == CEMU_SUBNORMALS_NORMAL;
        if (top < f->emin) top = f->emin;
        out->largest_q = top - f->man_bits;
        out->largest = ((uint64_t)f->max_magnitude & low_bits(f->man_bits)) + ((uint64_t)hidden << f->man_bits);
    }
    out->up = rounding_table(how->rounding);
}

static int rounding_kind(int64_t rounding) {
    if (rounding == CEMU_ROUNDING_TIES_TO_EVEN) return NEAREST_EVEN;
    return rounding == CEMU_ROUNDING_TOWARD_ZERO ? TRUNCATING : BY_TABLE;
}

/* m / 2^right, rounded to an integer. m < 2^62, right < 64; *inexact: 0 or 1. Jamming loses something in exact values. */
LANE uint64_t rounded(uint64_t m, uint64_t right, int64_t neg, int kind, uint64_t up, int jams, uint64_t *inexact) {
    uint64_t whole = m >> right, below_half = ((UINT64_C(1) << right) - 1) >> 1;
    *inexact = (whole << right) != m;
    if (kind == TRUNCATING) return whole;
    if (kind == NEAREST_EVEN) return (m + below_half + (whole & (right > 0))) >> right;
    uint64_t half = (m << 1) >> right & 1 & (right > 0), below = (m & below_half) != 0, odd = whole & 1;
    uint64_t goes = up >> (half | below << 1 | odd << 2 | (uint64_t)neg << 3) & 1 & (m != 0);
    if (jams) *inexact |= goes;
    return whole + goes;
}

/* Cast the lanes that `fix` names by the general kernel. */
static void cast_alone(work *w, const cast_plan *f, block *x, const int64_t *fix, int64_t stage) {
    value *v = &w->s.x;
    for EACH(j) {
        if (!fix[j] || w->bad[j]) continue;
        load_lane(x, j, v);
        uint32_t mask = cast_value(&w->s.c, f->how, 0, v);
        store_lane(w, x, j, v);
        note(w, j, stage, mask);
    }
}

LANE void cast_float_lanes(work *w, const cast_plan *f, block *x, int64_t stage, int kind, int jams, int counting) {
    int64_t man = f->man, emin = f->emin, low = f->low_limit, largest_q = f->largest_q, any = 0;
    int64_t is_signed = f->is_signed, negative_zero = f->negative_zero;
    uint64_t largest = f->largest, up = f->up, *count = w->rounded[stage];
    int64_t fix[LANES] __attribute__((aligned(64)));
    for EACH(j) {
        uint64_t m = x->m[j], inexact;
        int64_t q = x->q[j], neg = x->neg[j], top = length(m) - 1 + q;
        int64_t lsb = larger(top, emin) - man, by = lsb - q;
        uint64_t n = rounded(m << shift_of(-by), shift_of(by), neg, kind, up, jams, &inexact);
        int64_t over = (lsb > largest_q) | ((lsb == largest_q) & (n > largest));
        int64_t odd = over | (top < low) | (neg & !is_signed);
        if (counting) odd |= (top == emin - 1) & (int64_t)inexact;
        odd &= m != 0;
        inexact &= (uint64_t)(m != 0);
        fix[j] = odd;
        any |= odd;
        x->m[j] = odd ? m : n;
        x->q[j] = odd ? q : lsb;
        x->neg[j] = neg & (odd | (n != 0) | negative_zero);
        x->e[j] = n ? lsb + man + (int64_t)(n >> (man + 1)) : NOT_LIVE;
        if (counting) {
            uint64_t events = inexact | (inexact & (uint64_t)(top < emin - 1)) << 32;
            count[j] += odd ? 0 : events;
        }
    }
    if (any) cast_alone(w, f, x, fix, stage);
}

LANE void cast_integral_lanes(work *w, const cast_plan *f, block *x, int64_t stage, int kind, int jams, int counting) {
    int64_t frac = f->frac, raises = f->raises, wraps = f->wraps, is_signed = f->is_signed, any = 0, any_over = 0;
    uint64_t up = f->up, most = f->most[0], least = f->most[1], *count = w->rounded[stage];
    uint64_t mask = low_bits(f->bits), sign = is_signed ? UINT64_C(1) << (f->bits - 1) : 0;
    int64_t fix[LANES] __attribute__((aligned(64))), beyond[LANES] __attribute__((aligned(64)));
    for EACH(j) {
        uint64_t m = x->m[j], inexact;
        int64_t q = x->q[j], neg = x->neg[j], by = -frac - q;
        uint64_t left = shift_of(-by), wide = m << left;
        int64_t odd = (wide >> left != m) | (wide > WIDEST) | (-by > 63);
        uint64_t n = rounded(wide & WIDEST, shift_of(by), neg, kind, up, jams, &inexact);
        uint64_t limit = neg ? least : most;
        int64_t over = n > limit;
        odd = (odd | (over & raises)) & (m != 0);
        over &= !odd;
        uint64_t word = signed_word(n, neg) & mask, number = (word ^ sign) - sign;
        int64_t below = wraps ? (int64_t)(number >> 63) : neg;
        uint64_t clamped = wraps ? signed_word(number, below) : limit;
        n = over ? clamped : n;
        neg = over ? below : neg;
        fix[j] = odd;
        beyond[j] = over;
        any |= odd;
        any_over |= over;
        x->m[j] = odd ? m : n;
        x->q[j] = odd ? q : -frac;
        x->neg[j] = odd ? x->neg[j] : neg & (n != 0);
        x->e[j] = odd ? x->e[j] : x->e[j] > LIVE ? 0 : NOT_LIVE;
        if (counting) count[j] += odd ? 0 : inexact | (uint64_t)over;
    }
    if (counting && any_over)
        for EACH(j) w->exceeded[stage][j] += (uint64_t)beyond[j] << (wraps ? 32 : 0);
    if (any) cast_alone(w, f, x, fix, stage);
}

/* Only the range is looked at: lanes near its end by the general kernel. */
static void check_range(work *w, const cast_plan *f, block *x, int64_t stage) {
    int64_t any = 0, fix[LANES];
    for EACH(j) {
        int64_t near = length(x->m[j]) + x->q[j] > f->largest_q + f->man;
        fix[j] = (near | (x->neg[j] & !f->is_signed)) & (x->m[j] != 0);
        any |= fix[j];
    }
    if (any) cast_alone(w, f, x, fix, stage);
}

#define CAST_BY(lanes, kind, jams)                                   \
    do {                                                             \
        if (w->counting) lanes(w, f, x, stage, kind, jams, 1);       \
        else lanes(w, f, x, stage, kind, jams, 0);                   \
    } while (0)

static void cast_float_even(work *w, const cast_plan *f, block *x, int64_t stage) {
    CAST_BY(cast_float_lanes, NEAREST_EVEN, 0);
}
static void cast_float_truncating(work *w, const cast_plan *f, block *x, int64_t stage) {
    CAST_BY(cast_float_lanes, TRUNCATING, 0);
}
static void cast_float_any(work *w, const cast_plan *f, block *x, int64_t stage) {
    CAST_BY(cast_float_lanes, BY_TABLE, f->how->rounding == CEMU_ROUNDING_JAMMING);
}
static void cast_integral_even(work *w, const cast_plan *f, block *x, int64_t stage) {
    CAST_BY(cast_integral_lanes, NEAREST_EVEN, 0);
}
static void cast_integral_any(work *w, const cast_plan *f, block *x, int64_t stage) {
    CAST_BY(cast_integral_lanes, BY_TABLE, f->how->rounding == CEMU_ROUNDING_JAMMING);
}

static void cast_block(work *w, const cast_plan *f, block *x, int64_t stage) {
    if (f->alone) {
        int64_t all[LANES];
        for EACH(j) all[j] = 1;
        cast_alone(w, f, x, all, stage);
    } else if (f->how->rounding == CEMU_ROUNDING_EXACT) {
        check_range(w, f, x, stage);
    } else if (f->integral) {
        if (rounding_kind(f->how->rounding) == NEAREST_EVEN) cast_integral_even(w, f, x, stage);
        else cast_integral_any(w, f, x, stage);
    } else {
        switch (rounding_kind(f->how->rounding)) {
            case NEAREST_EVEN: cast_float_even(w, f, x, stage); break;
            case TRUNCATING: cast_float_truncating(w, f, x, stage); break;
            default: cast_float_any(w, f, x, stage);
        }
    }
}

#endif
