/* The end of an exact sum: partial sums and c to one rounded code. */
#ifndef CEMU_PLANS_EXACT_END_H
#define CEMU_PLANS_EXACT_END_H

#include "cemu_plan_exact.h"
#include "exact_odd.h"

enum { COLUMNS = 128 }; /* whole panels on every instruction set */

typedef struct {
    double high[COLUMNS], low[COLUMNS], c[COLUMNS], x[COLUMNS];
    uint64_t out[COLUMNS];
} line_t;

/* high + low = the sum of the partial sums. low is exact: errors are multiples of the unit, and few and small. */
static void add_sums(const double *sums, int64_t apart, int64_t pairs, int64_t count, line_t *t) {
    for (int64_t i = 0; i < count; i++) t->high[i] = sums[i];
    for (int64_t i = 0; i < count; i++) t->low[i] = 0;
    for (int64_t s = 1; s < pairs; s++) {
        const double *sum = sums + s * apart;
        for (int64_t i = 0; i < count; i++) {
            double error;
            two_sum(t->high[i], sum[i], &t->high[i], &error);
            t->low[i] += error;
        }
    }
    if (pairs > 1)
        for (int64_t i = 0; i < count; i++) two_sum(t->high[i], t->low[i], &t->high[i], &t->low[i]);
}

static void load_c(const cemu_plan_exact_t *p, int64_t at, int64_t count, line_t *t) {
    if (p->c_kind == CEMU_EXACT_C_DOUBLE) {
        memcpy(t->c, (const double *)p->c + at, (size_t)count * sizeof(double));
    } else if (p->c_kind == CEMU_EXACT_C_FLOAT) {
        const float *c = (const float *)p->c + at;
        for (int64_t i = 0; i < count; i++) t->c[i] = (double)c[i];
    } else if (p->c_width == 1) {
        const uint8_t *c = (const uint8_t *)p->c + at;
        for (int64_t i = 0; i < count; i++) t->c[i] = p->c_table[c[i]];
    } else {
        const uint16_t *c = (const uint16_t *)p->c + at;
        for (int64_t i = 0; i < count; i++) t->c[i] = p->c_table[c[i]];
    }
}

/* Codes of the numbers x, rounded to nearest even. Adding 1.5 * 2^(52 + e) cuts a number at 2^e. */
static void encode(const cemu_plan_exact_t *p, int64_t count, const double *x, uint64_t *out) {
    const int64_t man = p->man_bits, least = 1 - p->bias + 1023; /* exponent field, in double, of the smallest normal */
    const double smallest = double_of(least << 52), limit = 2 * p->largest, largest = p->largest;
    const int64_t bias = (1023 - p->bias) << man, hidden = (int64_t)1 << man;
    const uint64_t over = p->over_code, sign = (uint64_t)1 << (man + p->exp_bits);
    for (int64_t i = 0; i < count; i++) {
        int64_t bits = bits_of(x[i]);
        double size = double_of(bits & INT64_MAX);
        size = size < limit ? size : limit;
        int64_t field = bits_of(size) >> 52;
        field = field > least ? field : least;
        double magic = double_of(((field - man + 52) << 52) | (int64_t)1 << 51);
        double rounded = (size + magic) - magic;
        int64_t below = rounded < smallest;
        double whole = rounded + (below ? smallest : 0.0);
        uint64_t code = (uint64_t)((bits_of(whole) >> (52 - man)) - bias - (below ? hidden : 0));
        code = rounded > largest ? over : code;
        out[i] = code | (bits < 0 ? sign : 0);
    }
}

/* The number that is rounded, into t->x, and the flags. */
static void join_c(const cemu_plan_exact_t *p, int64_t pairs, int64_t at, int64_t count, line_t *t, uint8_t *flags) {
    if (p->c_kind == CEMU_EXACT_NO_C) {
        for (int64_t i = 0; i < count; i++) t->x[i] = to_odd(t->high[i], t->low[i]) + 0.0; /* no -0 */
        for (int64_t i = 0; i < count; i++) flags[i] = t->x[i] == 0 ? CEMU_EXACT_MAYBE_MINUS_ZERO : 0;
        return;
    }
    load_c(p, at, count, t);
    for (int64_t i = 0; i < count; i++) {
        double c = t->c[i], size = double_of(bits_of(c) & INT64_MAX);
        int64_t special = !(size < double_of((int64_t)0x7ff << 52)); /* NaN, infinity */
        t->c[i] = special ? 0.0 : c;
        flags[i] = special ? CEMU_EXACT_SPECIAL_C : bits_of(c) == INT64_MIN ? CEMU_EXACT_MAYBE_MINUS_ZERO : 0;
    }
    if (pairs == 1)
        for (int64_t i = 0; i < count; i++) {
            double sum, error;
            two_sum(t->high[i], t->c[i], &sum, &error);
            t->x[i] = to_odd(sum, error) + 0.0;
        }
    else
        for (int64_t i = 0; i < count; i++) t->x[i] = sum_of_three(t->high[i], t->low[i], t->c[i]) + 0.0;
    for (int64_t i = 0; i < count; i++) flags[i] &= t->x[i] == 0 ? 3 : CEMU_EXACT_SPECIAL_C;
}

/* A row of sums whose high and low parts stand in t; the flags, or-ed. */
static int64_t finish_row(const cemu_plan_exact_t *p, int64_t pairs, int64_t at, int64_t count, line_t *t) {
    uint8_t flags[COLUMNS];
    int64_t seen = 0;
    join_c(p, pairs, at, count, t, flags);
    for (int64_t i = 0; i < count; i++) seen |= flags[i];
    if (p->flags) memcpy(p->flags + at, flags, (size_t)count);
    if (p->to_float)
        encode(p, count, t->x, t->out);
    else
        memcpy(t->out, t->x, (size_t)count * sizeof(double));
#define STORE(T) \
    for (int64_t i = 0; i < count; i++) ((T *)p->out)[at + i] = (T)t->out[i]
    switch (p->out_width) {
        case 1: STORE(uint8_t); break;
        case 2: STORE(uint16_t); break;
        case 4: STORE(uint32_t); break;
        default: STORE(uint64_t); break;
    }
#undef STORE
    return seen;
}

#endif
