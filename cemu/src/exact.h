/* Exact results of scalar operations, in place in x: emu/arithmetic/exact.py and rational.py. A quotient or a root that
 * does not end is cut far below every grid and gets an odd last bit: it rounds as the exact one would. */
#ifndef CEMU_EXACT_H
#define CEMU_EXACT_H

#include "cast.h"

#define QUOTIENT_WORDS 5 /* at least this many words of fraction: 64 of a significand, 65 of random bits, and to spare */

/* x + y, both finite; y is not kept. */
INLINE void add_value(context *c, value *x, value *y, int toward_negative) {
    int zeros = !x->n && !y->n, same = x->negative == y->negative, negative = x->negative;
    value *terms[2] = {x, y};
    sum_values(c, x, terms, 2);
    x->kind = FINITE;
    x->live = x->n != 0;
    if (!x->n) x->negative = (uint8_t)(zeros && same ? negative : toward_negative);
}

/* The words of fraction that a quotient needs for a target: integers are rounded at a fixed place. */
INLINE int32_t fraction_words(const cemu_format *to, int32_t q) {
    int integral = to->kind == CEMU_FORMAT_KIND_INTEGER || to->kind == CEMU_FORMAT_KIND_FIXED;
    int64_t bits = integral ? q + to->frac_bits + 80 : 0, words = bits > 0 ? bits / 64 + 1 : 0;
    return (int32_t)(words > QUOTIENT_WORDS ? words : QUOTIENT_WORDS);
}

/* x / y, both one word, not zero. */
INLINE void divide_value(context *c, const cemu_format *to, value *x, const value *y) {
    int32_t words = fraction_words(to, x->q - y->q);
    if (words + 1 > c->limbs) {
        fail(c, CEMU_TOO_WIDE);
        return;
    }
    uint64_t divisor = y->limb[0];
    u128 rest = x->limb[0];
    x->limb[words] = (uint64_t)(rest / divisor);
    rest %= divisor;
    for (int32_t i = words - 1; i >= 0; i--) {
        rest <<= 64;
        x->limb[i] = (uint64_t)(rest / divisor);
        rest %= divisor;
    }
    x->limb[0] |= rest != 0;
    x->n = words + 1;
    x->q -= y->q + 64 * words;
    x->negative ^= y->negative;
    trim(x);
}

/* The square root of a positive word, digit by digit: 4 words of root. */
INLINE void root_value(context *c, value *x) {
    enum { BITS = 256 };
    uint64_t sig = x->limb[0];
    int32_t q = x->q, odd = q & 1;
    u128 number = (u128)sig << odd; /* an even exponent */
    q -= odd;
    uint64_t root[BITS / 64 + 1] = {0}, rest[BITS / 64 + 2] = {0};
    /* bits of `number`, two by two from the top, then zeros */
    for (int32_t step = 0; step < BITS; step++) {
        int32_t at = 126 - 2 * step;
        uint64_t pair = at >= 0 ? (uint64_t)(number >> at) & 3 : 0;
        for (int i = BITS / 64 + 1; i > 0; i--) rest[i] = rest[i] << 2 | rest[i - 1] >> 62;
        rest[0] = rest[0] << 2 | pair;
        for (int i = BITS / 64; i > 0; i--) root[i] = root[i] << 1 | root[i - 1] >> 63;
        root[0] <<= 1;
        /* subtract 2 * root + 1 if it fits */
        uint64_t trial[BITS / 64 + 2], borrow = 0, spill = 1;
        for (int i = 0; i < BITS / 64 + 2; i++) {
            uint64_t word = i <= BITS / 64 ? root[i] : 0;
            uint64_t subtrahend = word << 1 | spill;
            spill = word >> 63;
            u128 difference = (u128)rest[i] - subtrahend - borrow;
            trial[i] = (uint64_t)difference;
            borrow = (uint64_t)(difference >> 64) & 1;
        }
        if (!borrow) {
            memcpy(rest, trial, sizeof rest);
            root[0] |= 1;
        }
    }
    uint64_t left = 0;
    for (int i = 0; i < BITS / 64 + 2; i++) left |= rest[i];
    if (BITS / 64 + 1 > c->limbs) {
        fail(c, CEMU_TOO_WIDE);
        return;
    }
    memcpy(x->limb, root, sizeof root);
    x->limb[0] |= left != 0;
    x->n = BITS / 64 + 1;
    x->q = q / 2 - (BITS - 64); /* 64 steps give the integer part of the root */
    trim(x);
}

/* x - n y with n = x/y rounded to the nearest integer, ties to even; both one word, not zero. */
INLINE void remainder_value(value *x, const value *y) {
    int negative = x->negative, odd = 0;
    int64_t shift = (int64_t)x->q - y->q;
    uint64_t ysig = y->limb[0];
    u128 rest = x->limb[0], divisor = ysig;
    int32_t q = y->q;
    if (shift >= 0) { /* in units of y's last bit: x mod 2 y, so that the quotient's last bit is known */
        u128 twice = divisor << 1;
        rest %= twice;
        while (shift > 0) {
            int32_t by = shift > 60 ? 60 : (int32_t)shift;
            rest = (rest << by) % twice;
            shift -= by;
        }
    } else {
        q = x->q;
        if (-shift >= 127 || divisor > ~(u128)0 >> (-shift + 1)) { /* |x| is far below y / 2 */
            return;
        }
        divisor <<= -shift;
        rest %= divisor << 1;
    }
    if (rest >= divisor) {
        rest -= divisor;
        odd = 1;
    }
    int up = rest > divisor - rest || (rest == divisor - rest && odd);
    if (up) {
        rest = divisor - rest;
        negative = !negative;
    }
    if (!rest) {
        set_zero(x, x->negative, 0, 0);
        return;
    }
    x->limb[0] = (uint64_t)rest;
    x->limb[1] = (uint64_t)(rest >> 64);
    x->n = 2;
    x->q = q;
    x->negative = (uint8_t)negative;
    trim(x);
}

#endif
