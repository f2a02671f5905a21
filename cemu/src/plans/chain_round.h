/* The roundings of plan "chain", on vectors of the carrier, in the carrier's direction of the moment.
 *
 * Adding and subtracting 1.5 * 2^(e + bits below the format's last one), e the exponent of x but at least emin, leaves x
 * rounded to the format in that direction. Infinities and NaN pass. Every other rounding is made of a truncated magnitude.
 *
 * Splitting (Veltkamp): g = x * (2^s + 1), r = g - (g - x), each rounded to nearest even, is x rounded to nearest even to s
 * bits less, for x of any exponent: no underflow is looked at. The last bit of g is that of r's last place, unless x is
 * within 2^-s of the next power of two; then g - x is off by one such place, and r is that power. On a tie x has an even
 * last bit, so g is even where r is. (tests/units/plans/test_chain.py looks at every float of a binade.) */
#ifndef CEMU_PLANS_CHAIN_ROUND_H
#define CEMU_PLANS_CHAIN_ROUND_H

#include "chain.h"
#include "chain_vector.h"

/* A cast, ready for vectors. */
typedef struct {
    V scale, lowest, max, over_positive, over_negative, below, least, half_less, kept, lowest_value, addend;
    int shift;
} cast_v;

INLINE cast_v cast_vectors(const cemu_plan_chain_cast *c) {
    cast_v out = {
        v_set((T)c->scale), v_set((T)c->lowest), v_set((T)c->max), v_set((T)c->over_positive),
        v_set((T)c->over_negative), v_set((T)c->below), v_set((T)c->least),
        v_bits(((B)1 << c->shift >> 1) - 1), v_bits(~(((B)1 << c->shift) - 1)), v_set((T)-c->max),
        v_bits((B)c->addend), (int)c->shift,
    };
    return out;
}

/* 1.5 * 2^e of the last bit; `lowest` for NaN and infinity, as the maximum takes its second operand then. */
INLINE V magic(V x, const cast_v *c) { return v_max(v_and_or(x, v_bits(EXPONENT), v_bits(HALF_BIT)), c->lowest); }

/* The next smaller number, with direction = toward zero; NaN for infinity. */
INLINE V pred(V x) { return v_fnma(x, v_set((T)(CHAIN_FLOAT ? 0x1p-30 : 0x1p-60)), x); }

#define LARGEST ((T)(CHAIN_FLOAT ? 0x1.fffffep127 : 0x1.fffffffffffffp1023))

INLINE V round_magnitude(V s, V x, const cast_v *c, int64_t how) {
    const V x_before = x;
    V m = magic(x, c), one = v_bits(1), out;
    switch (how) {
        case CEMU_CHAIN_TRUNCATE: return v_fnma(m, c->scale, v_fma(m, c->scale, x));
        case CEMU_CHAIN_AWAY: { /* the last bit of what is just below, and one more, but zero stays */
            V t = v_fma(m, c->scale, pred(x));
            t = v_addi(t, v_if_greater(x, v_set(0), one, v_set(0)));
            out = v_fnma(m, c->scale, t);
            return v_if_greater(x, v_set(LARGEST), x, out);
        }
        case CEMU_CHAIN_JAM: {
            V t = v_or(v_fma(m, c->scale, x), v_if_greater(x, v_set(0), one, v_set(0)));
            out = v_fnma(m, c->scale, t);
            return v_if_greater(x, v_set(LARGEST), x, out);
        }
        case CEMU_CHAIN_ODD: {
            V t = v_fma(m, c->scale, x);
            out = v_fnma(m, c->scale, t);
            return v_if_equal(out, x, x, v_fnma(m, c->scale, v_or(t, one)));
        }
        /* To nearest: one more bit, rounded up by it; a tie that goes to zero is made less than one before. */
        case CEMU_CHAIN_TIES_ZERO: x = pred(x); break;
        case CEMU_CHAIN_TIES_POSITIVE: x = v_if_greater(v_set(0), s, pred(x), x); break;
        case CEMU_CHAIN_TIES_NEGATIVE: x = v_if_greater(s, v_set(0), pred(x), x); break;
        default: break;
    }
    V t = v_and(v_addi(v_fma(m, c->scale, x), one), v_bits(~(B)1));
    out = v_fnma(m, c->scale, t);
    if (how == CEMU_CHAIN_TIES_AWAY) return out;
    return v_if_greater(x_before, v_set(LARGEST), x_before, out);
}

INLINE V round_to(V s, const cast_v *c, int64_t how, int64_t over, int64_t signs, int64_t flush) {
    V r;
    int clamped = 0;
    switch (how) {
        case CEMU_CHAIN_KEEP: return s;
        case CEMU_CHAIN_DIRECTION: {
            V m = magic(s, c);
            r = v_fnma(m, c->scale, v_fma(m, c->scale, s));
            break;
        }
        case CEMU_CHAIN_SPLIT: { /* with these signs of the differences, -0 stays */
            V large = s * c->scale;
            r = large - (large - s);
            signs = flush != 0;
            break;
        }
        case CEMU_CHAIN_BITS_ADD: r = v_and(v_addi(s, c->addend), c->kept); signs = flush != 0; break;
        case CEMU_CHAIN_BITS_ODD: { /* a carry out of the bits below, if any of them is set */
            V below = v_bits(((B)1 << c->shift) - 1);
            r = v_and(v_or(v_addi(v_and(s, below), below), s), c->kept);
            signs = flush != 0;
            break;
        }
#if CHAIN_FLOAT
        case CEMU_CHAIN_BITS_EVEN: r = v_bits_even(s, c->half_less, c->kept, c->shift); signs = flush != 0; break;
#if defined(__AVX2__)
        case CEMU_CHAIN_HALF:
            if (over == CEMU_CHAIN_CLAMP) s = v_clamp(s, c->max);
            r = v_half(s);
            clamped = 1;
            signs = flush != 0;
            break;
#endif
#endif
        default:
            r = round_magnitude(s, v_magnitude(s), c, how);
            signs = 1;
            r = v_or_and(r, s, v_bits(SIGN));
            break;
    }
    if (!clamped && over == CEMU_CHAIN_CLAMP) r = v_clamp(r, c->max);
    if (!clamped && over == CEMU_CHAIN_REPLACE) {
        r = v_if_greater(v_magnitude(r), c->max, v_or_and(c->over_positive, r, v_bits(SIGN)), r);
    }
    if (!clamped && over == CEMU_CHAIN_REPLACE_SIGNED) {
        r = v_if_greater(r, c->max, c->over_positive, r);
        r = v_if_greater(c->lowest_value, r, c->over_negative, r);
    }
    if (flush & 2) r = v_keep_unless_less(v_magnitude(r), c->least, r);
    if (flush & 1) r = v_keep_unless_less(v_magnitude(s), c->below, r);
    if (signs == 1) r = v_or_and(r, s, v_bits(SIGN));
    if (signs == 2) r = v_or_and(v_magnitude(r), s, v_bits(SIGN));
    return r;
}

#endif
