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
    out->low_limit = plain ? NOT_LIVE : f->emin + 1;
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
LANE uint64_t rounded(uint64_t m, uint64_t right, int64_t neg, int kind, uint64_t up, int jams, int64_t *inexact) {
    uint64_t twice = m << 1, halves = twice >> right, whole = halves >> 1, half = halves & 1;
    uint64_t lower = (uint64_t)nonzero((halves << right) ^ twice);
    *inexact = (int64_t)(half | lower);
    if (kind == TRUNCATING) return whole;
    if (kind == NEAREST_EVEN) return whole + (half & (lower | whole));
    uint64_t goes = up >> (half | lower << 1 | (whole & 1) << 2 | (uint64_t)neg << 3) & (uint64_t)nonzero(m);
    *inexact |= (int64_t)goes & jams;
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

LANE void cast_float_lanes(work *w, const cast_plan *f, block *restrict x, int64_t stage, int kind, int jams) {
    int64_t man = f->man, emin = f->emin, low = f->low_limit, largest_q = f->largest_q, any = 0;
    int64_t is_unsigned = !f->is_signed, negative_zero = f->negative_zero;
    uint64_t largest = f->largest, up = f->up, *restrict count = w->rounded[stage];
    int64_t fix[LANES] __attribute__((aligned(64)));
    for EACH(j) {
        uint64_t m = x->m[j];
        int64_t q = x->q[j], neg = x->neg[j], top = length(m) - 1 + q, some = nonzero(m), inexact;
        int64_t lsb = larger(top, emin) - man, by = lsb - q;
        uint64_t n = rounded(m << shift_of(-by), shift_of(by), neg, kind, up, jams, &inexact);
        int64_t at_end = not(below(lsb, largest_q)), over = below(largest_q, lsb) | (at_end & above(n, largest));
        int64_t odd = over | below(top, low) | (neg & is_unsigned);
        inexact &= some;
        odd |= inexact & not(nonzero((uint64_t)(top - emin + 1)));
        odd &= some;
        fix[j] = odd;
        any |= odd;
        x->m[j] = pick(odd, m, n);
        x->q[j] = pick_signed(odd, q, lsb);
        x->neg[j] = neg & (odd | nonzero(n) | negative_zero);
        x->e[j] = pick_signed(nonzero(n), lsb + man + (int64_t)(n >> (man + 1)), NOT_LIVE);
        uint64_t kept = (uint64_t)(inexact & not(odd));
        count[j] += kept | (kept & (uint64_t)below(top, emin - 1)) << 32;
    }
    if (any) cast_alone(w, f, x, fix, stage);
}

LANE void cast_integral_lanes(work *w, const cast_plan *f, block *restrict x, int64_t stage, int kind, int jams) {
    int64_t frac = f->frac, raises = f->raises, wraps = f->wraps, any = 0, any_over = 0;
    uint64_t up = f->up, most = f->most[0], least = f->most[1], *restrict count = w->rounded[stage];
    uint64_t mask = low_bits(f->bits), sign = f->is_signed ? UINT64_C(1) << (f->bits - 1) : 0;
    int64_t fix[LANES] __attribute__((aligned(64))), beyond[LANES] __attribute__((aligned(64)));
    for EACH(j) {
        uint64_t m = x->m[j];
        int64_t q = x->q[j], neg = x->neg[j], e = x->e[j], by = -frac - q, inexact;
        uint64_t wide = m << shift_of(-by);
        int64_t odd = outgrows(m, -by, wide, WIDEST);
        uint64_t n = rounded(wide & WIDEST, shift_of(by), neg, kind, up, jams, &inexact);
        uint64_t limit = pick(neg, least, most);
        int64_t over = above(n, limit);
        odd |= over & raises;
        over &= not(odd);
        uint64_t word = signed_word(n, neg) & mask, number = (word ^ sign) - sign;
        int64_t turned = pick_signed(wraps, (int64_t)(number >> 63), neg);
        n = pick(over, pick(wraps, signed_word(number, turned), limit), n);
        neg = pick_signed(over, turned, neg) & nonzero(n);
        fix[j] = odd;
        beyond[j] = over;
        any |= odd;
        any_over |= over;
        x->m[j] = pick(odd, m, n);
        x->neg[j] = pick_signed(odd, x->neg[j], neg);
        x->q[j] = pick_signed(odd, q, -frac);
        x->e[j] = pick_signed(odd, e, pick_signed(is_live(e), 0, NOT_LIVE));
        count[j] += (uint64_t)((inexact | over) & not(odd));
    }
    if (any_over)
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

static void cast_float_even(work *w, const cast_plan *f, block *x, int64_t stage) {
    cast_float_lanes(w, f, x, stage, NEAREST_EVEN, 0);
}
static void cast_float_truncating(work *w, const cast_plan *f, block *x, int64_t stage) {
    cast_float_lanes(w, f, x, stage, TRUNCATING, 0);
}
static void cast_float_any(work *w, const cast_plan *f, block *x, int64_t stage) {
    cast_float_lanes(w, f, x, stage, BY_TABLE, f->how->rounding == CEMU_ROUNDING_JAMMING);
}
static void cast_integral_even(work *w, const cast_plan *f, block *x, int64_t stage) {
    cast_integral_lanes(w, f, x, stage, NEAREST_EVEN, 0);
}
static void cast_integral_any(work *w, const cast_plan *f, block *x, int64_t stage) {
    cast_integral_lanes(w, f, x, stage, BY_TABLE, f->how->rounding == CEMU_ROUNDING_JAMMING);
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
