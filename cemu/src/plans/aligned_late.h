/* A step whose accumulator joins late: it takes no part in the alignment of the products (cemu_aligned_late). */
#ifndef CEMU_PLANS_ALIGNED_LATE_H
#define CEMU_PLANS_ALIGNED_LATE_H

#include "aligned_sums.h"

#define FAINT 0x1p-600 /* below every exponent that a plan admits */

/* Whether no live term's exponent lies outside low..high. */
INLINE int in_range(const int16_t *top, int64_t lowest, int64_t highest) {
    int16_t low = (int16_t)lowest, high = (int16_t)highest, outside = 0;
    for (int j = 0; j < LANES; j++)
        outside |= (int16_t)((top[j] > high) | ((top[j] < low) & (top[j] > CEMU_ALIGNED_DEAD / 2)));
    return !outside;
}

/* The aligned sum of some products, and 2^(its alignment exponent), 0 if every product is 0. */
INLINE void sum_aligned(const cemu_plan_aligned_t *p, const float *a, const int16_t *a_e, const float *b,
                        const int16_t *b_e, int64_t count, double *sum, double *power, uint64_t *marks) {
    int16_t top[LANES] ALIGNED;
    double scale[LANES] ALIGNED;
    largest_exponents(a_e, b_e, count, top);
    for (int j = 0; j < LANES; j++) {
        int64_t e = top[j] < CEMU_ALIGNED_DEAD / 2 ? 0 : top[j];
        marks[j] |= e > p->late.highest;
        sum[j] = 0;
        scale[j] = power_of_two(p->align_bits - e);
        power[j] = power_of_two(e);
    }
    if (p->terms && in_range(top, p->low, p->high)) { /* float32 products will do */
        float narrow[LANES] ALIGNED;
        for (int j = 0; j < LANES; j++) narrow[j] = (float)scale[j];
        add_products(a, b, count, p->terms, narrow, sum);
    } else {
        add_products_wide(a, b, count, (int)p->floor, scale, sum);
    }
    double per_unit = power_of_two(-p->align_bits);
    for EACH(j) AT(sum, j) *= AT(power, j) * per_unit;
    for (int j = 0; j < LANES; j++) power[j] = top[j] < CEMU_ALIGNED_DEAD / 2 ? 0 : power[j];
}

/* x cut to a multiple of unit, two to some power, unless it is so already (|x| < 2^53 unit has bits below it). */
INLINE doubles cut_to(doubles x, doubles unit, int floored) {
    doubles scaled = x * reciprocal(unit);
    words small = (words)(magnitude(scaled) < 0x1p51);
    return choose(small, whole(choose(small, scaled, all(0.0)), floored) * unit, x);
}

INLINE void late_step(const cemu_plan_aligned_t *p, const cemu_aligned_step *s, int64_t row, int64_t block, double *acc,
                      uint64_t *marks, int64_t rounding, int64_t overflow, int flush) {
    const cemu_aligned_late *late = &p->late;
    int64_t of_a = row * p->k + s->first, of_b = (block * p->k + s->first) * LANES, rest = s->count - s->split;
    double sum[LANES] ALIGNED, power[LANES] ALIGNED, more[LANES] ALIGNED, more_power[LANES] ALIGNED;
    sum_aligned(p, p->a + of_a, p->a_e + of_a, p->b + of_b, p->b_e + of_b, s->split, sum, power, marks);
    if (rest) {
        of_a += s->split;
        of_b += s->split * LANES;
        sum_aligned(p, p->a + of_a, p->a_e + of_a, p->b + of_b, p->b_e + of_b, rest, more, more_power, marks);
    }
    double join_unit = power_of_two(-late->join_bits), unit = power_of_two(-late->bits);
    doubles least = all(s->flags & CEMU_ALIGNED_PIECE ? p->least_c : late->second ? late->cast.least : p->result.least);
    doubles zero = all(p->zero_sign == CEMU_ALIGNED_ALWAYS_POSITIVE ? 0.0 : -0.0);
    for EACH(j) {
        words *mark = (words *)(marks + j);
        doubles x = AT(sum, j), most = AT(power, j);
        if (rest) {
            most = larger(most, AT(more_power, j));
            doubles grid = larger(most, all(FAINT)) * join_unit;
            x = cut_to(x, grid, (int)late->join_floor) + cut_to(AT(more, j), grid, (int)late->join_floor);
        }
        words dead = (words)(most == 0), held = infinite(AT(acc, j));
        doubles c = choose(held, all(0.0), AT(acc, j));
        doubles cut = cut_to(c, larger(most, all(FAINT)) * unit, (int)late->floor);
        cut = where((words)(larger(power_of(c), least) >= most * late->reach), cut);
        x = odd_sum(x, choose(dead, c, cut)) + 0.0;
        x = cast_lanes(x, &p->result, rounding, overflow, flush, mark);
        if (late->second) {
            words beyond = infinite(x); /* stays */
            doubles y = cast_lanes(choose(beyond, all(0.0), x), &late->cast, CEMU_ALIGNED_TIES_TO_EVEN,
                                   CEMU_ALIGNED_INFINITY, 0, mark);
            x = choose(beyond, x, y);
        }
        AT(acc, j) = choose(held, AT(acc, j), x + zero);
    }
}

#endif
