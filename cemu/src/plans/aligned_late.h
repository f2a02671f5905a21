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
    largest_exponents(a_e, b_e, count, top);
    int16_t highest = top[0];
    for (int j = 1; j < LANES; j++) highest = top[j] > highest ? top[j] : highest;
    if (highest > p->late.highest)
        for (int j = 0; j < LANES; j++) marks[j] |= top[j] > p->late.highest;
    if (p->terms && count <= p->terms && in_range(top, p->low, p->high)) { /* float32 products will do */
        int32_t scale[LANES] ALIGNED, total[LANES] ALIGNED, bits = (int32_t)p->align_bits + 127, low = (int32_t)p->low;
        for (int j = 0; j < LANES; j++) { /* of nothing but zeros, any will do */
            int32_t e = top[j];
            scale[j] = (bits - (e < low ? low : e)) << 23;
        }
        sum_products(a, b, count, (const float *)scale, total);
        for (int j = 0; j < LANES; j++) sum[j] = total[j];
    } else {
        double scale[LANES] ALIGNED;
        for (int j = 0; j < LANES; j++) {
            sum[j] = 0;
            scale[j] = power_of_two(top[j] < CEMU_ALIGNED_DEAD / 2 ? 0 : p->align_bits - top[j]);
        }
        add_products_wide(a, b, count, (int)p->floor, scale, sum);
    }
    double per_unit = power_of_two(-p->align_bits);
    for (int j = 0; j < LANES; j++) power[j] = power_of_two(top[j] < -1023 ? -1023 : top[j]); /* 0 below */
    for EACH(j) AT(sum, j) *= AT(power, j) * per_unit;
}

/* x cut to a multiple of unit, two to some power; from 2^51 unit on it is one already. */
INLINE doubles cut_to(doubles x, doubles unit, int floored) {
    doubles big = unit * 0x1.8p52, t = (x + big) - big;
    doubles down = where((words)(t > x), unit);
    if (!floored) down = choose((words)(x < 0), where((words)(t < x), -unit), down);
    return choose((words)(magnitude(x) < unit * 0x1p51), t - down, x);
}

/* The result's casts; the second one, if there are two, keeps infinities. */
INLINE doubles late_cast(const cemu_plan_aligned_t *p, doubles x, int64_t rounding, int64_t overflow, int flush,
                         words *mark) {
    if (p->late.second == CEMU_ALIGNED_FLOORED) {
        words kept = (words){0} + ~(uint64_t)p->late.below, down = (words)(x < 0) & ~kept;
        doubles t = (doubles)((bits(x) + down) & kept);
        words tiny = (words)(magnitude(x) < 0x1p-126) & (words)(x != 0);
        if (!ANY(tiny)) return TO_SINGLE(t);
    }
    x = cast_lanes(x, &p->result, rounding, overflow, flush, mark);
    if (!p->late.second) return x;
    words beyond = infinite(x);
    doubles y = cast_lanes(choose(beyond, all(0.0), x), &p->late.cast, CEMU_ALIGNED_TIES_TO_EVEN,
                           CEMU_ALIGNED_INFINITY, 0, mark);
    return choose(beyond, x, y);
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
        x = late_cast(p, x, rounding, overflow, flush, mark);
        AT(acc, j) = choose(held, AT(acc, j), x + zero);
    }
}

#endif
