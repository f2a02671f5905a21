/* Values on the wires of a unit, with significands of any width, and the integer arithmetic they need.
 *
 * A finite value is (-1)^negative * limb[0..n) * 2^q with alignment exponent e (if live). Invariant: limb[n-1] != 0,
 * and n = 0 is zero. A NaN keeps its payload (mantissa field, left-aligned) in limb[0]. Each value owns `limbs` words
 * of an arena; what would not fit sets the context's status and is never computed wrongly.
 */
#ifndef CEMU_VALUE_H
#define CEMU_VALUE_H

#include <stdint.h>
#include <string.h>

#include "cemu.h"

typedef unsigned __int128 u128;
typedef __int128 i128;

#define QUIET (UINT64_C(1) << 63)
#define INLINE static inline

enum { FINITE, INFINITE, NAN_VALUE };

typedef struct {
    uint8_t kind, negative, live, fresh;
    int32_t q, e, n;
    uint64_t *limb;
} value;

typedef struct {
    const cemu_tables *t;
    cemu_problem *p;
    int64_t limbs;      /* capacity of a value */
    uint64_t *scratch;  /* 2 * limbs + 2 words */
    uint64_t index;     /* of the output element, for the random stream */
    uint64_t draws;     /* random draws this element has made */
    int64_t status;
    int32_t terms_per_k;
    int64_t m, n, k;    /* where events are counted now; -1: nowhere in particular */
    value scale, scale_b, load_a, load_b;
} context;

INLINE void count_events(context *x, int64_t stage, uint32_t mask) {
    const cemu_problem *p = x->p;
    if (!mask || !p->events) return;
    for (; mask; mask &= mask - 1) {
        int64_t cell = stage * CEMU_EVENT_KINDS + __builtin_ctz(mask), seen = p->events[cell]++;
        if (seen >= p->position_limit) continue;
        int64_t *row = p->positions + 3 * (cell * p->position_limit + seen);
        row[0] = x->m;
        row[1] = x->n;
        row[2] = x->k;
    }
}

/* Stop with this error; the first one counts. */
INLINE void fail(context *c, int64_t status) {
    if (!c->status) c->status = status;
}

#define EVENT(name) (1u << CEMU_EVENT_KIND_##name)

INLINE void set_zero(value *x, int negative, int live, int32_t e) {
    x->kind = FINITE;
    x->negative = (uint8_t)negative;
    x->live = (uint8_t)live;
    x->fresh = 0;
    x->q = 0;
    x->e = e;
    x->n = 0;
}

INLINE void set_infinity(value *x, int negative) {
    set_zero(x, negative, 0, 0);
    x->kind = INFINITE;
}

INLINE void set_nan(value *x, int negative, uint64_t payload, int fresh) {
    set_zero(x, negative, 0, 0);
    x->kind = NAN_VALUE;
    x->fresh = (uint8_t)fresh;
    x->limb[0] = payload;
}

INLINE void set_small(value *x, int negative, uint64_t sig, int32_t q, int32_t e) {
    set_zero(x, negative, 1, e);
    x->q = q;
    x->n = sig != 0;
    x->limb[0] = sig;
}

INLINE int is_zero(const value *x) { return x->kind == FINITE && x->n == 0; }

INLINE void copy_value(value *to, const value *from) {
    uint64_t *limb = to->limb;
    int32_t words = from->kind == NAN_VALUE ? 1 : from->n;
    *to = *from;
    to->limb = limb;
    memcpy(limb, from->limb, (size_t)words * sizeof *limb);
}

INLINE void trim(value *x) {
    while (x->n && !x->limb[x->n - 1]) x->n--;
}

/* Bits of the significand; 0 for zero. */
INLINE int32_t bit_length(const value *x) {
    return x->n ? 64 * x->n - __builtin_clzll(x->limb[x->n - 1]) : 0;
}

/* floor(log2|x|) of a value that is not zero. */
INLINE int32_t top_of(const value *x) { return bit_length(x) - 1 + x->q; }

INLINE int get_bit(const value *x, int32_t at) {
    return at >= 0 && at < 64 * x->n ? (int)(x->limb[at / 64] >> (at % 64) & 1) : 0;
}

/* Whether any bit below `at` is set. */
INLINE int any_below(const value *x, int32_t at) {
    int32_t words = at / 64;
    if (at <= 0) return 0;
    if (words >= x->n) return x->n > 0;
    for (int32_t i = 0; i < words; i++)
        if (x->limb[i]) return 1;
    return at % 64 && (x->limb[words] << (64 - at % 64)) != 0;
}

INLINE void shift_left(context *c, value *x, int32_t by) {
    if (!x->n || by <= 0) return;
    int32_t words = by / 64, bits = by % 64, n = (bit_length(x) + by + 63) / 64;
    if (n > c->limbs) {
        fail(c, CEMU_TOO_WIDE);
        return;
    }
    for (int32_t i = n - 1; i >= 0; i--) {
        int32_t from = i - words;
        uint64_t high = from >= 0 && from < x->n ? x->limb[from] << bits : 0;
        uint64_t low = bits && from - 1 >= 0 && from - 1 < x->n ? x->limb[from - 1] >> (64 - bits) : 0;
        x->limb[i] = high | low;
    }
    x->n = n;
    trim(x);
}

INLINE void shift_right(value *x, int32_t by) {
    int32_t words = by / 64, bits = by % 64;
    if (words >= x->n) {
        x->n = 0;
        return;
    }
    int32_t n = x->n - words;
    for (int32_t i = 0; i < n; i++) {
        uint64_t high = bits && i + 1 < n ? x->limb[i + words + 1] << (64 - bits) : 0;
        x->limb[i] = x->limb[i + words] >> bits | high;
    }
    x->n = n;
    trim(x);
}

/* Add 1 to the significand. */
INLINE void increment(context *c, value *x) {
    for (int32_t i = 0; i < x->n; i++)
        if (++x->limb[i]) return;
    if (x->n >= c->limbs) {
        fail(c, CEMU_TOO_WIDE);
        return;
    }
    x->limb[x->n++] = 1;
}

/* Bits [at - 64, at) of the significand, as a 64-bit word; bits below 0 are zero. */
INLINE uint64_t word_below(const value *x, int32_t at) {
    uint64_t word = 0;
    int32_t low = at - 64, i = low >= 0 ? low / 64 : -((63 - low) / 64), bits = low - 64 * i;
    if (i >= 0 && i < x->n) word = x->limb[i] >> bits;
    if (bits && i + 1 >= 0 && i + 1 < x->n) word |= x->limb[i + 1] << (64 - bits);
    return word;
}

/* x *= y, exact; y may be as wide as the arena allows. */
INLINE void multiply_limbs(context *c, value *x, const value *y) {
    if (!x->n || !y->n) {
        x->n = 0;
        return;
    }
    if (x->n + y->n > 2 * c->limbs) {
        fail(c, CEMU_TOO_WIDE);
        return;
    }
    uint64_t *out = c->scratch;
    memset(out, 0, (size_t)(x->n + y->n) * sizeof *out);
    for (int32_t i = 0; i < x->n; i++) {
        uint64_t carry = 0;
        for (int32_t j = 0; j < y->n; j++) {
            u128 sum = (u128)x->limb[i] * y->limb[j] + out[i + j] + carry;
            out[i + j] = (uint64_t)sum;
            carry = (uint64_t)(sum >> 64);
        }
        out[i + y->n] = carry;
    }
    int32_t n = x->n + y->n;
    while (n && !out[n - 1]) n--;
    if (n > c->limbs) {
        fail(c, CEMU_TOO_WIDE);
        return;
    }
    memcpy(x->limb, out, (size_t)n * sizeof *out);
    x->n = n;
}

/* x *= y in place: the rules of emu/arithmetic/exact.py. Returns 1 if this made a NaN. */
INLINE int multiply_value(context *c, value *x, const value *y) {
    if (x->kind == NAN_VALUE) return 0;
    if (y->kind == NAN_VALUE) {
        copy_value(x, y);
        return 0;
    }
    int negative = x->negative ^ y->negative;
    if (x->kind == INFINITE || y->kind == INFINITE) {
        if (is_zero(x) || is_zero(y)) {
            set_nan(x, 0, QUIET, 1);
            return 1;
        }
        set_infinity(x, negative);
        return 0;
    }
    multiply_limbs(c, x, y);
    x->negative = (uint8_t)negative;
    x->q += y->q;
    x->live = x->live && y->live;
    x->e = x->live ? x->e + y->e : 0;
    return 0;
}

/* out = exact sum of the values (finite), whose lowest bit is 2^q; sign of a zero sum is left to the caller. */
INLINE void sum_values(context *c, value *out, value *const *terms, int32_t count) {
    int32_t q = INT32_MAX, top = INT32_MIN, nonzero = 0;
    for (int32_t i = 0; i < count; i++) {
        if (!terms[i]->n) continue;
        int32_t high = bit_length(terms[i]) + terms[i]->q;
        if (terms[i]->q < q) q = terms[i]->q;
        if (high > top) top = high;
        nonzero++;
    }
    if (!nonzero) {
        out->q = 0;
        out->n = 0;
        out->negative = 0;
        return;
    }
    int32_t width = top - q + (32 - __builtin_clz((uint32_t)nonzero)) + 1; /* with sign */
    if (width <= 128) {
        i128 sum = 0;
        for (int32_t i = 0; i < count; i++) {
            const value *x = terms[i];
            if (!x->n) continue;
            u128 word = (u128)(x->n > 1 ? x->limb[1] : 0) << 64 | x->limb[0];
            word <<= x->q - q;
            sum += (i128)(x->negative ? -word : word);
        }
        u128 magnitude = sum < 0 ? -(u128)sum : (u128)sum;
        out->negative = sum < 0;
        out->q = q;
        out->limb[0] = (uint64_t)magnitude;
        out->limb[1] = (uint64_t)(magnitude >> 64);
        out->n = 2;
        trim(out);
        return;
    }
    int32_t words = (width + 63) / 64;
    if (words > c->limbs) {
        fail(c, CEMU_TOO_WIDE);
        return;
    }
    uint64_t *sum = c->scratch;
    memset(sum, 0, (size_t)words * sizeof *sum);
    for (int32_t i = 0; i < count; i++) {
        const value *x = terms[i];
        if (!x->n) continue;
        int32_t by = x->q - q, at = by / 64, bits = by % 64;
        uint64_t spill = 0;
        unsigned char carry = x->negative; /* subtract = add the complement, plus one */
        uint64_t flip = x->negative ? ~UINT64_C(0) : 0;
        for (int32_t j = 0; j < words; j++) {
            uint64_t word = 0;
            if (j >= at && j - at < x->n) {
                word = x->limb[j - at] << bits | spill;
                spill = bits ? x->limb[j - at] >> (64 - bits) : 0;
            } else if (j >= at) {
                word = spill;
                spill = 0;
            }
            u128 next = (u128)sum[j] + (word ^ flip) + carry;
            sum[j] = (uint64_t)next;
            carry = (unsigned char)(next >> 64);
        }
    }
    int negative = (int)(sum[words - 1] >> 63);
    if (negative) {
        unsigned char carry = 1;
        for (int32_t j = 0; j < words; j++) {
            u128 next = (u128)~sum[j] + carry;
            sum[j] = (uint64_t)next;
            carry = (unsigned char)(next >> 64);
        }
    }
    memcpy(out->limb, sum, (size_t)words * sizeof *sum);
    out->negative = (uint8_t)negative;
    out->q = q;
    out->n = words;
    trim(out);
}

#endif
