/* What becomes of a group's sum: factors and casts, then the accumulator. Vectors of doubles. */
#ifndef CEMU_PLANS_GROUPS_OUTER_H
#define CEMU_PLANS_GROUPS_OUTER_H

#include "cemu_plan_groups.h"
#include "groups_dot.h"

#define FAINT 0x1p-600 /* below every exponent that a plan admits */

INLINE doubles cast_any(doubles x, const cemu_groups_cast *f, words *mark) {
    switch (f->kind) {
        case CEMU_GROUPS_NO_CAST: return x;
        case CEMU_GROUPS_SINGLE: return TO_SINGLE(x);
        case CEMU_GROUPS_TRUNCATE:
            return cast_lanes(x, &f->how, CEMU_ALIGNED_TOWARD_ZERO, CEMU_ALIGNED_INFINITY, 0, mark);
        case CEMU_GROUPS_NEAREST:
            return cast_lanes(x, &f->how, CEMU_ALIGNED_TIES_TO_EVEN, CEMU_ALIGNED_INFINITY, 0, mark);
        default: return cast_lanes(x, &f->how, f->how.rounding, f->how.overflow, 1, mark);
    }
}

/* Marks infinities, and goes on with 0. */
INLINE doubles unless_infinite(doubles x, words *mark) {
    words beyond = ~(words)(magnitude(x) < __builtin_inf());
    *mark |= beyond;
    return choose(beyond, all(0.0), x);
}

/* A step's result in the accumulator's place: an infinity is held, and stays, if the cast makes infinities. */
INLINE doubles stepped(const cemu_plan_groups_t *p, doubles sum, doubles acc, words *mark) {
    doubles out = cast_any(sum, &p->result, mark);
    if (p->result.how.overflow == CEMU_ALIGNED_MARK) out = unless_infinite(out, mark);
    return choose(infinite(acc), acc, out);
}

/* The factor of an operation; scales are those of the row, and of the lanes. */
INLINE doubles factor_of(const cemu_plan_groups_t *p, const cemu_groups_op *op, double of_a, doubles of_b,
                         words *mark) {
    switch (op->factor) {
        case CEMU_GROUPS_CONSTANT: return all(op->constant);
        case CEMU_GROUPS_A: return all(of_a);
        case CEMU_GROUPS_B: return of_b;
        case CEMU_GROUPS_SCALE: return cast_any(of_a * of_b, &p->scale, mark);
        default: return all(1.0);
    }
}

typedef struct {
    const cemu_groups_run *run;
    double a_scale, a_power;
    const double *b_scale, *b_power;
    uint64_t a_live;
    const uint64_t *b_live;
} place;

INLINE place place_of(const cemu_plan_groups_t *p, int64_t row, int64_t block, int64_t at) {
    const cemu_groups_run *s = p->runs + at;
    int64_t of_a = row * p->a_blocks + s->a_block, of_b = (s->b_block * p->blocks + block) * LANES;
    place out = {s, 1.0, 1.0, NULL, NULL, 0, NULL};
    if (p->a_scale) {
        out.a_scale = p->a_scale[of_a];
        out.b_scale = p->b_scale + of_b;
    }
    if (p->a_power) {
        out.a_power = p->a_power[of_a];
        out.b_power = p->b_power + of_b;
    }
    if (p->a_live) {
        out.a_live = p->a_live[row * p->run_count + at];
        out.b_live = p->b_live + (at * p->blocks + block) * LANES;
    }
    return out;
}

INLINE doubles scaled(const cemu_plan_groups_t *p, const place *w, doubles x, int j, words *mark) {
    doubles of_b = all(1.0);
    if (w->b_scale) of_b = OF(w->b_scale, j);
    for (int64_t i = 0; i < p->op_count; i++) {
        const cemu_groups_op *op = p->ops + i;
        if (op->factor != CEMU_GROUPS_NONE) x *= unless_infinite(factor_of(p, op, w->a_scale, of_b, mark), mark);
        x = unless_infinite(cast_any(x, &op->cast, mark), mark);
    }
    return x;
}

/* acc + sum, one rounding. */
INLINE void join(const cemu_plan_groups_t *p, const place *w, const double *sums, double *acc, uint64_t *marks) {
    doubles zero = all(p->zero_sign == CEMU_ALIGNED_IEEE ? -0.0 : 0.0);
    doubles last = all(p->zero_sign == CEMU_ALIGNED_ALWAYS_POSITIVE ? 0.0 : -0.0);
    for EACH(j) {
        words *mark = (words *)(marks + j);
        doubles x = scaled(p, w, AT(sums, j), j, mark);
        doubles s = odd_sum(x, AT(acc, j)) + zero;
        AT(acc, j) = stepped(p, s, AT(acc, j), mark) + last;
    }
}

/* The same where a group's sum is two doubles and nothing is done to it: acc + high + low, one rounding. The three
 * become parts that do not overlap, which are added from the least on, to odd each time. */
INLINE void join_both(const cemu_plan_groups_t *p, const double *sums, const double *rests, double *acc,
                      uint64_t *marks) {
    doubles zero = all(p->zero_sign == CEMU_ALIGNED_IEEE ? -0.0 : 0.0);
    doubles last = all(p->zero_sign == CEMU_ALIGNED_ALWAYS_POSITIVE ? 0.0 : -0.0);
    for EACH(j) {
        words *mark = (words *)(marks + j);
        doubles x = AT(sums, j), y = AT(rests, j), c = AT(acc, j);
        doubles high = x + y, part = high - x, low = (x - (high - part)) + (y - part);
        doubles first = c + low, first_part = first - c, least = (c - (first - first_part)) + (low - first_part);
        doubles top = first + high, top_part = top - first, middle = (first - (top - top_part)) + (high - top_part);
        words whole_sum = (words)(least == 0) & (words)(middle == 0); /* then zeros keep their signs in `top` */
        doubles s = choose(whole_sum, choose((words)(top == 0), (x + y) + c, top), odd_sum(top, odd_sum(middle, least)));
        AT(acc, j) = stepped(p, s + zero, c, mark) + last;
    }
}

/* A scaled sum as an aligned adder's term, and 2^(its alignment exponent), 0 if it is dead. */
INLINE void term(const cemu_plan_groups_t *p, const place *w, const double *sums, double *values, double *powers,
                 uint64_t *marks) {
    words of_a = (words){0} + w->a_live;
    doubles power_a = all(w->a_power * p->unit_power);
    for EACH(j) {
        doubles x = AT(sums, j);
        words live = (words)(x != 0) | (words)((of_a & *(const words_at *)(w->b_live + j)) != 0);
        AT(values, j) = scaled(p, w, x, j, (words *)(marks + j));
        doubles power = power_a;
        if (w->b_power) power *= OF(w->b_power, j);
        AT(powers, j) = where(live, power);
    }
}

/* The step of an aligned adder over `count` terms. */
INLINE void add_aligned(const cemu_plan_groups_t *p, int piece, double (*values)[LANES], double (*powers)[LANES],
                        int64_t stride, int64_t count, double *acc, uint64_t *marks) {
    doubles least = all(piece ? p->least_c : p->result.how.least), lowest = larger(all(p->min_exponent), all(FAINT));
    double unit = power_of_two(p->align_bits), per_unit = power_of_two(-p->align_bits);
    doubles zero = all(p->zero_sign == CEMU_ALIGNED_IEEE ? -0.0 : 0.0);
    doubles last = all(p->zero_sign == CEMU_ALIGNED_ALWAYS_POSITIVE ? 0.0 : -0.0);
    for EACH(j) {
        doubles x = choose(infinite(AT(acc, j)), all(0.0), AT(acc, j));
        doubles most = larger(where((words)(x != 0), larger(power_of(x), least)), lowest);
        for (int64_t t = 0; t < count; t++) most = larger(most, AT(powers[t * stride], j));
        doubles to_grid = reciprocal(most) * unit;
        doubles sum = whole(x * to_grid, (int)p->floor);
        for (int64_t t = 0; t < count; t++) sum += whole(AT(values[t * stride], j) * to_grid, (int)p->floor);
        words *mark = (words *)(marks + j);
        AT(acc, j) = stepped(p, (sum + zero) * (most * per_unit), AT(acc, j), mark) + last;
    }
}

#endif
