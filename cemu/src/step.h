/* One step of a level: special values, alignment, exact sum, sign of zero, result pipe: emu/units/reference.py. */
#ifndef CEMU_STEP_H
#define CEMU_STEP_H

#include "pipe.h"

/* NaN and infinities decide a step before anything is aligned. Returns 1 if they did. */
INLINE int special_step(context *c, const cemu_level *l, value *const *terms, int32_t count, value *acc, int64_t stage,
                        value *out) {
    const value *nan = NULL, *infinity = NULL;
    int known = 0, clash = 0;
    int acc_first = l->nan_order == CEMU_NAN_ORDER_ACCUMULATOR_FIRST;
    for (int32_t i = 0; i <= count; i++) {
        const value *x;
        if (acc_first) x = i == 0 ? acc : terms[i - 1];
        else x = i == count ? acc : terms[i];
        if (!x || x->kind == FINITE) continue;
        if (x->kind == NAN_VALUE) {
            if (!nan || (!known && !x->fresh)) nan = x;
            known |= !x->fresh;
        } else if (infinity) {
            clash |= infinity->negative != x->negative;
        } else {
            infinity = x;
        }
    }
    if (nan) {
        if (known && c->t->unit->nan_rule == CEMU_NAN_RULE_FIRST) {
            if (out != nan) copy_value(out, nan);
        } else {
            set_nan(out, 0, QUIET, 1);
        }
        return 1;
    }
    if (!infinity) return 0;
    if (clash) {
        count_events(c, stage, EVENT(NAN_MADE));
        set_nan(out, 0, QUIET, 1);
    } else {
        set_infinity(out, infinity->negative);
    }
    return 1;
}

/* Put an addend on the grid of the step; it keeps its sign. */
INLINE void cut(context *c, const cemu_level *l, value *x, int32_t em, int64_t stage) {
    if (!x->n) return;
    if (x->live && l->has_max_shift && x->e < em - (int32_t)l->align_max_shift) {
        x->n = 0;
        count_events(c, stage, EVENT(TRUNCATED));
        return;
    }
    int32_t lsb = em - (int32_t)l->align_bits;
    if (x->q >= lsb && l->align_rounding != CEMU_ROUNDING_JAMMING) return;
    int inexact = round_shift(c, x, lsb - x->q, l->align_rounding, NULL, 0, 0);
    x->q = lsb;
    if (inexact) count_events(c, stage, EVENT(TRUNCATED));
}

/* The sign of a sum that is exactly zero. */
INLINE int zero_sign(const cemu_level *l, value *const *addends, int32_t count) {
    int all_zero = 1, negatives = 0;
    if (l->zero_sign != CEMU_ZERO_SIGN_IEEE) return 0;
    for (int32_t i = 0; i < count; i++) {
        all_zero &= !addends[i]->n;
        negatives += addends[i]->negative;
    }
    if (l->toward_negative) return !(all_zero && negatives == 0);
    return all_zero && negatives == count;
}

/* out = the step of these terms and the accumulator (NULL: absent). out may be acc. addends has room for both. */
INLINE void run_step(context *c, const cemu_level *l, int64_t stage, value **addends, int32_t count, value *acc,
                     value *out, const place *at) {
    if (!special_step(c, l, addends, count, acc, stage, out)) {
        int32_t terms = count, candidate = INT32_MIN, e = INT32_MIN;
        int has_candidate = 0, live = 0;
        if (acc) addends[count++] = acc;
        for (int32_t i = 0; i < count; i++) {
            const value *x = addends[i];
            if (!x->live) continue;
            live = 1;
            if (x->e > e) e = x->e;
            if (l->align_to == CEMU_ALIGN_TO_TERMS && i >= terms) continue;
            has_candidate = 1;
            if (x->e > candidate) candidate = x->e;
        }
        if (l->has_min_exp) {
            has_candidate = 1;
            if ((int32_t)l->align_min_exp > candidate) candidate = (int32_t)l->align_min_exp;
        }
        if (has_candidate) e = candidate;
        if (l->align && has_candidate) {
            if (l->align_to == CEMU_ALIGN_TO_POINT) e = (int32_t)l->align_point;
            for (int32_t i = 0; i < count; i++) cut(c, l, addends[i], e, stage);
        }
        int negative_zero = zero_sign(l, addends, count);
        sum_values(c, out, addends, count);
        out->kind = FINITE;
        out->fresh = 0;
        if (!out->n) out->negative = (uint8_t)negative_zero;
        out->live = (uint8_t)live;
        out->e = live ? e : 0;
    }
    run_pipe(c, &l->result, out, at, stage);
    if (l->zero_sign == CEMU_ZERO_SIGN_ALWAYS_POSITIVE && is_zero(out)) out->negative = 0;
}

#endif
