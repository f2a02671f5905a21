/* Rounding and the cast, in place: emu/formats/rounding.py and cast.py. */
#ifndef CEMU_CAST_H
#define CEMU_CAST_H

#include "codec.h"

/* Whether P3109's stochastic rounding with `draw` of `bits` random bits goes away from zero. The discarded fraction is
 * the `shift` low bits of x. */
INLINE int stochastic_up(const value *x, int32_t shift, const cemu_cast *how, uint64_t draw) {
    int32_t bits = (int32_t)how->sr_bits;
    u128 one = (u128)1 << bits;
    u128 head = word_below(x, shift); /* the top 64 bits of the fraction */
    int next = get_bit(x, shift - 65);
    if (how->sr_variant == CEMU_STOCHASTIC_VARIANT_A) return (head >> (64 - bits)) + draw >= one;
    if (how->sr_variant == CEMU_STOCHASTIC_VARIANT_B) {
        u128 longer = head << 1 | (u128)next;
        return (longer >> (64 - bits)) + 2 * (u128)draw + 1 >= one << 1;
    }
    u128 whole = head >> (64 - bits);
    int half = bits < 64 ? (int)(head >> (63 - bits) & 1) : next;
    int below = any_below(x, shift - bits - 1);
    whole += half && (below || (whole & 1));
    return whole + draw >= one;
}

/* Round x to a multiple of 2^shift of its own unit, in place: afterwards the significand counts multiples (q is left
 * to the caller). Returns 1 if anything changed. `one_is_even`: the format has no mantissa bit, and the code of the
 * grid's 1 is even. */
INLINE int round_shift(context *c, value *x, int32_t shift, int64_t rounding, const cemu_cast *how, uint64_t draw,
                       int one_is_even) {
    if (!x->n) return 0;
    if (shift <= 0) {
        shift_left(c, x, -shift);
        if (rounding == CEMU_ROUNDING_JAMMING && x->n && (!(x->limb[0] & 1) || one_is_even)) {
            increment(c, x);
            return 1;
        }
        return 0;
    }
    int half = get_bit(x, shift - 1), below = any_below(x, shift - 1), up = 0;
    int odd = get_bit(x, shift) && !one_is_even;
    int inexact = half | below;
    switch (rounding) {
        case CEMU_ROUNDING_TIES_TO_EVEN: up = half && (below || odd); break;
        case CEMU_ROUNDING_TIES_TO_AWAY: up = half; break;
        case CEMU_ROUNDING_TIES_TO_ZERO: up = half && below; break;
        case CEMU_ROUNDING_TIES_TO_POSITIVE: up = half && (below || !x->negative); break;
        case CEMU_ROUNDING_TIES_TO_NEGATIVE: up = half && (below || x->negative); break;
        case CEMU_ROUNDING_TOWARD_POSITIVE: up = inexact && !x->negative; break;
        case CEMU_ROUNDING_TOWARD_NEGATIVE: up = inexact && x->negative; break;
        case CEMU_ROUNDING_AWAY_FROM_ZERO: up = inexact; break;
        case CEMU_ROUNDING_TO_ODD: up = inexact && !odd; break;
        case CEMU_ROUNDING_JAMMING:
            inexact |= !odd;
            up = !odd;
            break;
        case CEMU_ROUNDING_STOCHASTIC: up = inexact && stochastic_up(x, shift, how, draw); break;
        default: break;
    }
    shift_right(x, shift);
    if (up) increment(c, x);
    return inexact;
}

/* Set x to the largest finite value of a sign, keeping nothing of what it was. */
INLINE void set_largest(context *c, const cemu_format *f, int negative, value *x) {
    if (f->kind == CEMU_FORMAT_KIND_INTEGER || f->kind == CEMU_FORMAT_KIND_FIXED) {
        int wide = f->is_signed && !f->symmetric && f->encoding == CEMU_INTEGER_ENCODING_TWOS_COMPLEMENT;
        int64_t bits = f->bits - (f->is_signed ? 1 : 0);
        if (negative && !f->is_signed) {
            set_zero(x, 0, 1, 0);
            return;
        }
        if (bits / 64 + 1 > c->limbs) {
            fail(c, CEMU_TOO_WIDE);
            return;
        }
        set_small(x, negative, 1, (int32_t)-f->frac_bits, 0);
        shift_left(c, x, (int32_t)bits);
        if (!(negative && wide)) { /* 2^bits - 1 */
            for (int32_t i = 0; i < x->n - 1; i++) x->limb[i] = ~UINT64_C(0);
            x->limb[x->n - 1]--;
            trim(x);
        }
        return;
    }
    if (f->points) {
        set_point(largest_point(c->t, f, negative), x);
        return;
    }
    if (negative && !f->is_signed) {
        set_zero(x, 0, 0, 0);
        return;
    }
    int64_t e = (int64_t)((uint64_t)f->max_magnitude >> f->man_bits) - f->bias;
    uint64_t sig = ((uint64_t)f->max_magnitude & low_bits(f->man_bits)) + (UINT64_C(1) << f->man_bits);
    set_small(x, negative, sig, (int32_t)(e - f->man_bits), (int32_t)e);
}

/* Whether a NaN stays one: the format has it, and the cast names nothing in its place. */
INLINE int keeps_nan(const cemu_format *f, const cemu_cast *how) {
    return f->nan != CEMU_NAN_ENCODING_NONE && how->nan_to < 0;
}

INLINE uint32_t instead_of_nan(context *c, const cemu_format *f, const cemu_cast *how, value *x) {
    int64_t to = how->nan_to < 0 ? f->nan_to : how->nan_to;
    int integral = f->kind == CEMU_FORMAT_KIND_INTEGER || f->kind == CEMU_FORMAT_KIND_FIXED;
    if (to == CEMU_NAN_TO_MAX) set_largest(c, f, 0, x);
    else if (f->points && !f->has_zero) set_smallest(c->t, f, -1, x);
    else set_zero(x, to == CEMU_NAN_TO_NEGATIVE_ZERO && f->negative_zero, integral, 0);
    return EVENT(INVALID);
}

/* The NaN that this cast gives to one that has no code yet. */
INLINE void set_default_nan(const cemu_tables *t, const cemu_format *f, const cemu_cast *how, value *x) {
    decode(t, f, (uint64_t)how->nan_code, x);
    x->limb[0] |= QUIET;
}

INLINE uint32_t made_nan(context *c, const cemu_format *f, const cemu_cast *how, value *x) {
    if (!keeps_nan(f, how)) return instead_of_nan(c, f, how, x);
    set_default_nan(c->t, f, how, x);
    return EVENT(NAN_MADE);
}

INLINE uint32_t cast_nan(context *c, const cemu_format *f, const cemu_cast *how, value *x) {
    if (!keeps_nan(f, how)) return instead_of_nan(c, f, how, x);
    if (x->fresh) {
        set_default_nan(c->t, f, how, x);
        return 0;
    }
    uint64_t payload = QUIET;
    if (f->nan == CEMU_NAN_ENCODING_IEEE) payload |= x->limb[0] & ~low_bits(64 - f->man_bits);
    x->limb[0] = payload;
    x->negative = x->negative && f->is_signed && f->nan != CEMU_NAN_ENCODING_NEGATIVE_ZERO;
    return 0;
}

INLINE uint32_t cast_infinity(context *c, const cemu_format *f, const cemu_cast *how, value *x) {
    int negative = x->negative;
    if (how->overflow == CEMU_OVERFLOW_RAISE) {
        fail(c, CEMU_OVERFLOW_RAISED);
        return 0;
    }
    int representable = f->infinities && (f->is_signed || !negative);
    if (how->overflow == CEMU_OVERFLOW_SATURATE || (how->overflow == CEMU_OVERFLOW_SATURATE_PROPAGATE && !representable)) {
        set_largest(c, f, negative, x);
        return EVENT(SATURATED);
    }
    if (representable) return 0;
    return made_nan(c, f, how, x);
}

/* |x| > max finite for a finite x that is not zero, or a negative value of an unsigned float. */
INLINE int exceeds(const cemu_format *f, const value *x) {
    if (x->negative && !f->is_signed) return 1;
    int64_t top = top_of(x), max_top = (int64_t)((uint64_t)f->max_magnitude >> f->man_bits) - f->bias;
    if (max_top < f->emin) max_top = f->emin;
    if (top != max_top) return top > max_top;
    int64_t mantissa_at = bit_length(x) - 1; /* bits below the leading one */
    uint64_t head = mantissa_at ? word_below(x, (int32_t)mantissa_at) : 0;
    uint64_t mantissa = f->man_bits ? head >> (64 - f->man_bits) : 0;
    uint64_t limit = (uint64_t)f->max_magnitude & low_bits(f->man_bits);
    if (mantissa != limit) return mantissa > limit;
    return any_below(x, (int32_t)(mantissa_at - f->man_bits));
}

INLINE uint32_t overflow_float(context *c, const cemu_format *f, const cemu_cast *how, int directed, value *x) {
    int negative = x->negative, representable = f->is_signed || !negative;
    uint32_t events = EVENT(OVERFLOW) | EVENT(INEXACT);
    int saturates = how->overflow == CEMU_OVERFLOW_SATURATE || how->overflow == CEMU_OVERFLOW_SATURATE_PROPAGATE;
    if (how->overflow == CEMU_OVERFLOW_RAISE) {
        fail(c, CEMU_OVERFLOW_RAISED);
        return 0;
    }
    if (how->overflow == CEMU_OVERFLOW_INFINITY && directed && representable) {
        switch (how->rounding) {
            case CEMU_ROUNDING_TOWARD_ZERO:
            case CEMU_ROUNDING_TO_ODD:
            case CEMU_ROUNDING_JAMMING: saturates = 1; break;
            case CEMU_ROUNDING_TOWARD_POSITIVE: saturates = negative; break;
            case CEMU_ROUNDING_TOWARD_NEGATIVE: saturates = !negative; break;
            default: break;
        }
    }
    if (saturates) {
        set_largest(c, f, negative, x);
        return events | EVENT(SATURATED);
    }
    if (how->overflow != CEMU_OVERFLOW_NAN && f->infinities && representable) {
        set_infinity(x, negative);
        return events;
    }
    return events | made_nan(c, f, how, x);
}

/* |x| below the smallest normal value: 2^emin, or the next one where that code is zero (DLFloat). */
INLINE int below_normal(const cemu_format *f, const value *x) {
    int32_t top = top_of(x), leading = bit_length(x) - 1;
    if (f->subnormals != CEMU_SUBNORMALS_NORMAL || top != f->emin) return top < f->emin;
    return !f->man_bits || !leading || word_below(x, leading) >> (64 - f->man_bits) == 0;
}

/* Whether a rounded result that is not zero is flushed; `before` says how x was before rounding. */
INLINE int is_flushed(const cemu_format *f, const cemu_cast *how, const value *rounded, int tiny_before, int tiny_full) {
    int32_t top = top_of(rounded);
    if (how->ftz == CEMU_FTZ_BEFORE_ROUNDING && tiny_before) return 1;
    if (how->ftz == CEMU_FTZ_AFTER_ROUNDING && tiny_full) return 1;
    if (how->ftz == CEMU_FTZ_RESULT && top < f->emin) return 1;
    if (f->subnormals == CEMU_SUBNORMALS_NONE) return top < f->emin;
    if (f->subnormals == CEMU_SUBNORMALS_NORMAL) /* code 0 is zero, not 2^emin */
        return top < f->emin || (top == f->emin && !any_below(rounded, bit_length(rounded) - 1));
    return 0;
}

/* |x| in units of 2^lsb, rounded for a float format. */
INLINE int round_float(context *c, const cemu_format *f, value *x, int32_t lsb, const cemu_cast *how, uint64_t draw) {
    int one_is_even = !f->man_bits && !((lsb + f->bias) & 1); /* lsb is the exponent of the value, then */
    return round_shift(c, x, lsb - x->q, how->rounding, how, draw, one_is_even);
}

INLINE uint32_t cast_float(context *c, const cemu_format *f, const cemu_cast *how, uint64_t draw, value *x) {
    int negative = x->negative;
    if (!x->n) {
        set_zero(x, negative && f->negative_zero, 0, 0);
        return 0;
    }
    int32_t top = top_of(x), emin = (int32_t)f->emin, man = (int32_t)f->man_bits;
    int tiny_before = below_normal(f, x), tiny_full = top < emin;
    if (top == emin - 1) { /* rounded to full precision, |x| is still tiny unless it is carried up to 2^emin */
        value full = *x;
        full.limb = c->scratch;
        memcpy(full.limb, x->limb, (size_t)x->n * sizeof *full.limb);
        round_float(c, f, &full, top - man, how, draw);
        tiny_full = bit_length(&full) + top - man - 1 < emin;
    }
    int32_t lsb = (top > emin ? top : emin) - man;
    uint32_t events = round_float(c, f, x, lsb, how, draw) ? EVENT(INEXACT) : 0;
    if (c->status) return 0;
    x->q = lsb;
    if (x->n && is_flushed(f, how, x, tiny_before, tiny_full)) {
        set_zero(x, negative && f->negative_zero, 0, 0);
        return EVENT(FLUSHED_OUT) | EVENT(INEXACT) | EVENT(UNDERFLOW);
    }
    if (!x->n) {
        set_zero(x, negative && f->negative_zero, 0, 0);
        return events | (events ? EVENT(UNDERFLOW) : 0);
    }
    top = top_of(x);
    int tiny = how->tininess == CEMU_TININESS_BEFORE_ROUNDING ? tiny_before : tiny_full;
    if (events && tiny) events |= EVENT(UNDERFLOW);
    if (exceeds(f, x)) return overflow_float(c, f, how, 1, x);
    x->live = 1;
    x->e = top > emin ? top : emin;
    return events;
}

/* Reduce the significand, with its sign, modulo 2^bits; then take it as signed or unsigned. */
INLINE void wrap_integer(context *c, const cemu_format *f, value *x) {
    int32_t words = (int32_t)((f->bits + 63) / 64), high = (int32_t)(f->bits % 64);
    if (words > c->limbs) {
        fail(c, CEMU_TOO_WIDE);
        return;
    }
    for (int32_t i = x->n; i < words; i++) x->limb[i] = 0;
    uint64_t mask = high ? low_bits(high) : ~UINT64_C(0);
    int negate = x->negative, negative = 0;
    for (int pass = 0; pass < 2; pass++) {
        if (negate) {
            unsigned char carry = 1;
            for (int32_t i = 0; i < words; i++) {
                u128 next = (u128)~x->limb[i] + carry;
                x->limb[i] = (uint64_t)next;
                carry = (unsigned char)(next >> 64);
            }
        }
        x->limb[words - 1] &= mask;
        if (pass == 0) {
            negative = f->is_signed && (x->limb[words - 1] >> ((f->bits - 1) % 64) & 1);
            negate = negative;
        }
    }
    x->n = words;
    x->negative = (uint8_t)negative;
    trim(x);
}

INLINE uint32_t cast_integral(context *c, const cemu_format *f, const cemu_cast *how, uint64_t draw, value *x) {
    int live = x->live;
    if (!x->n) {
        set_zero(x, 0, live, 0);
        return 0;
    }
    uint32_t events = round_shift(c, x, (int32_t)-f->frac_bits - x->q, how->rounding, how, draw, 0) ? EVENT(INEXACT) : 0;
    if (c->status) return 0;
    x->q = (int32_t)-f->frac_bits;
    x->e = 0;
    int64_t bits = f->bits - (f->is_signed ? 1 : 0);
    int wide = f->is_signed && !f->symmetric && f->encoding == CEMU_INTEGER_ENCODING_TWOS_COMPLEMENT;
    int32_t length = bit_length(x);
    int fits = length <= bits;
    if (x->negative && !f->is_signed) fits = length == 0;
    else if (x->negative && wide && length == bits + 1) fits = !any_below(x, (int32_t)bits);
    if (fits) {
        if (!x->n) x->negative = 0;
        return events;
    }
    events |= EVENT(OVERFLOW) | EVENT(INEXACT);
    if (how->overflow == CEMU_OVERFLOW_RAISE) {
        fail(c, CEMU_OVERFLOW_RAISED);
        return 0;
    }
    if (how->overflow == CEMU_OVERFLOW_WRAP) {
        wrap_integer(c, f, x);
        return events | EVENT(WRAPPED);
    }
    set_largest(c, f, x->negative, x);
    x->live = (uint8_t)live;
    return events | EVENT(SATURATED);
}

/* Zero, where a log format has none. */
INLINE uint32_t instead_of_zero(context *c, const cemu_format *f, const cemu_cast *how, value *x) {
    int saturates = how->overflow == CEMU_OVERFLOW_SATURATE || how->overflow == CEMU_OVERFLOW_SATURATE_PROPAGATE;
    int negative = x->negative && f->is_signed;
    if (how->overflow == CEMU_OVERFLOW_RAISE) {
        fail(c, CEMU_OVERFLOW_RAISED);
        return 0;
    }
    if (f->nan != CEMU_NAN_ENCODING_NONE && !saturates) return made_nan(c, f, how, x) | EVENT(INVALID);
    set_smallest(c->t, f, negative, x);
    return EVENT(INEXACT) | EVENT(UNDERFLOW);
}

INLINE uint32_t cast_listed(context *c, const cemu_format *f, const cemu_cast *how, uint64_t draw, value *x) {
    int negative = x->negative;
    if (!x->n && f->has_zero) {
        set_zero(x, negative && f->negative_zero, 0, 0);
        return 0;
    }
    if (!x->n && f->kind == CEMU_FORMAT_KIND_LOG) return instead_of_zero(c, f, how, x);
    const cemu_point *point = neighbour(c, f, how, draw, x);
    if (c->status) return 0;
    if (!point || point->code == POINT_ABOVE) { /* the end that is exceeded; not the sign, in a one-sided codebook */
        x->negative = compare_point(x, largest_point(c->t, f, 1)) <= 0;
        return overflow_float(c, f, how, 1, x);
    }
    uint32_t events = point->code < 0 || compare_point(x, point) ? EVENT(INEXACT) : 0;
    if (events && x->n) {
        value size = *x, least = {.limb = &(uint64_t){0}};
        size.negative = 0;
        set_smallest(c->t, f, 0, &least);
        int tiny = compare_values(&size, &least) < 0;
        if (how->tininess == CEMU_TININESS_AFTER_ROUNDING) tiny = tiny && rounds_below(c, f, how, draw, x, point);
        if (tiny) events |= EVENT(UNDERFLOW);
    }
    if (point->code == POINT_BELOW) {
        set_smallest(c->t, f, (int)point->negative, x);
    } else if (!point->sig) {
        set_zero(x, negative && f->negative_zero, 0, 0);
    } else {
        set_point(point, x);
    }
    return events;
}

/* Cast x in place; returns the mask of events. */
INLINE uint32_t cast_value(context *c, const cemu_cast *how, uint64_t draw, value *x) {
    const cemu_format *f = c->t->formats + how->format;
    if (x->kind == NAN_VALUE) return cast_nan(c, f, how, x);
    if (x->kind == INFINITE) return cast_infinity(c, f, how, x);
    if (how->rounding == CEMU_ROUNDING_EXACT) return x->n && exceeds(f, x) ? overflow_float(c, f, how, 0, x) : 0;
    if (f->kind == CEMU_FORMAT_KIND_INTEGER || f->kind == CEMU_FORMAT_KIND_FIXED) return cast_integral(c, f, how, draw, x);
    if (f->points) return cast_listed(c, f, how, draw, x);
    return cast_float(c, f, how, draw, x);
}

#endif
