/* The kernel of the plan `aligned`, compiled for each instruction set. A step, for the columns of a block:
 *   1. the largest exponent of terms and accumulator (an accumulator of 0 takes no part);
 *   2. each addend times 2^(align_bits - that), cut to an integer; the exact sum of them;
 *   3. the sum times 2^(that - align_bits) is a double, exactly; it is cast to the format of the result.
 * An accumulator is held as a double; an infinite one stays as it is, since all terms are finite. */
#include <stdlib.h>

#include "aligned_cast.h"
#include "aligned_sums.h"
#include "isa.h"

enum { ROWS = 16 };        /* of a tile: its accumulators and one step of b stay in the first-level cache */
#define FAINT 0x1p-900     /* below every exponent that a plan admits */

typedef struct {
    double acc[ROWS][LANES];
    double outer[ROWS][LANES];
    uint64_t marks[ROWS][LANES];
} tile;

/* Whether float32 products will do: no live term's exponent lies outside low..high. */
INLINE int in_range(const cemu_plan_aligned_t *p, const int16_t *top) {
    int16_t low = (int16_t)p->low, high = (int16_t)p->high, outside = 0;
    for (int j = 0; j < LANES; j++) outside |= (int16_t)((top[j] > high) | ((top[j] < low) & (top[j] > CEMU_ALIGNED_DEAD / 2)));
    return !outside;
}

/* Whether every term is negative (or -0): then a sum of zero with a negative accumulator is -0. */
static int all_negative(const float *a, const float *b, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        if (!(__builtin_signbit(a[i]) ^ __builtin_signbit(b[i * LANES]))) return 0;
    return 1;
}

static void fix_zeros(const float *a, const float *b, int64_t count, const double *before, double *sum) {
    for (int j = 0; j < LANES; j++)
        if (sum[j] == 0 && __builtin_signbit(before[j]) && all_negative(a, b + j, count)) sum[j] = -0.0;
}

INLINE void run_step(const cemu_plan_aligned_t *p, const cemu_aligned_step *s, int64_t row, int64_t block, double *acc,
                     uint64_t *marks, int64_t rounding, int64_t overflow, int flush) {
    const float *a = p->a + row * p->k + s->first;
    const float *b = p->b + (block * p->k + s->first) * LANES;
    int16_t top[LANES] __attribute__((aligned(64)));
    double power[LANES], scale[LANES], sum[LANES] __attribute__((aligned(64)));
    float narrow[LANES] __attribute__((aligned(64)));
    double least = s->flags & CEMU_ALIGNED_PIECE ? p->least_c : p->result.least;
    double unit = power_of_two(p->align_bits), per_unit = power_of_two(-p->align_bits);

    largest_exponents(p->a_e + row * p->k + s->first, p->b_e + (block * p->k + s->first) * LANES, s->count, top);
    int narrows = p->terms && in_range(p, top);
    for (int j = 0; j < LANES; j++) {
        int64_t e = top[j] < -1000 ? -1000 : top[j];
        power[j] = power_of_two(e);
    }
    if (p->a_power) {
        int64_t e_a = p->a_power[row * p->scale_blocks + s->block];
        const int16_t *e_b = p->b_power + (s->block * p->blocks + block) * LANES;
        for (int j = 0; j < LANES; j++) {
            scale[j] = power_of_two(e_a + e_b[j]);
            power[j] = top[j] < -1000 ? power[j] : power[j] * scale[j];
        }
    } else {
        for (int j = 0; j < LANES; j++) scale[j] = 1.0;
    }
    for (int j = 0; j < LANES; j++) {
        double x = magnitude(acc[j]) == __builtin_inf() ? 0.0 : acc[j];
        double own = x == 0 ? 0.0 : larger(power_of(x), least);
        power[j] = larger(larger(power[j], own), larger(p->min_exponent, FAINT));
        double to_grid = reciprocal(power[j]) * unit;
        sum[j] = whole(x * to_grid, (int)p->floor);
        scale[j] *= to_grid;
        power[j] *= per_unit;
    }
    if (narrows) {
        for (int j = 0; j < LANES; j++) {
            double clamped = scale[j] > 0x1p127 ? 0x1p127 : scale[j];
            narrow[j] = (float)(clamped < 0x1p-126 ? 0x1p-126 : clamped);
        }
        add_products(a, b, s->count, p->terms, narrow, sum);
    } else {
        add_products_wide(a, b, s->count, (int)p->floor, scale, sum);
    }
    for (int j = 0; j < LANES; j++) sum[j] += 0.0; /* -0 of cut addends */
    if (p->zero_sign == CEMU_ALIGNED_IEEE) fix_zeros(a, b, s->count, acc, sum);
    double positive = p->zero_sign == CEMU_ALIGNED_ALWAYS_POSITIVE ? 0.0 : -0.0;
    for (int j = 0; j < LANES; j++) {
        double x = cast_lane(sum[j] * power[j], &p->result, rounding, overflow, flush, &marks[j]) + positive;
        acc[j] = magnitude(acc[j]) == __builtin_inf() ? acc[j] : x;
    }
}

/* The result of an inner run joins the outer accumulator: one rounding of outer + x * scale, the exact sum held as a
 * double whose last bit is odd if it is inexact. */
INLINE void hand_up(const cemu_plan_aligned_t *p, const cemu_aligned_step *s, int64_t row, int64_t block,
                    const double *acc, double *outer, uint64_t *marks) {
    const float *scale = p->a_scale ? p->b_scale + (s->block * p->blocks + block) * LANES : NULL;
    float scale_a = p->a_scale ? p->a_scale[row * p->scale_blocks + s->block] : 1.0f;
    for (int j = 0; j < LANES; j++) {
        float factor = scale ? scale_a * scale[j] : 1.0f;
        int infinite = magnitude(acc[j]) == __builtin_inf() || __builtin_fabsf(factor) == __builtin_inff();
        double x = infinite ? 0.0 : acc[j] * (double)factor, y = outer[j];
        double sum = x + y, part = sum - x;
        double lost = (x - (sum - part)) + (y - part);
        uint64_t u = bits_of(sum);
        int even = !(u & 1), inward = (lost < 0) != (sum < 0);
        uint64_t odd = inward ? u - 1 : u + 1;
        u = (lost != 0) & even ? odd : u;
        outer[j] = cast_lane(of_bits(u), &p->outer, CEMU_ALIGNED_OTHER, CEMU_ALIGNED_MARK, 1, &marks[j]);
        marks[j] |= (uint64_t)infinite;
    }
}

/* The code of d of a value of its format. */
INLINE uint64_t encode(const cemu_plan_aligned_t *p, double x) {
    uint64_t u = bits_of(x), sign = u >> 63, code;
    int64_t e = (int64_t)(u >> 52 & 2047) - 1023 + p->d_bias;
    uint64_t fraction = u & 0xfffffffffffffu;
    if (magnitude(x) == __builtin_inf()) {
        code = (uint64_t)p->d_infinity;
    } else if (x == 0) {
        code = 0;
        sign &= (uint64_t)p->d_negative_zero;
    } else if (e > 0) {
        code = (uint64_t)e << p->d_man_bits | fraction >> (52 - p->d_man_bits);
    } else {
        int64_t down = 52 - p->d_man_bits + 1 - e;
        code = down > 63 ? 0 : (fraction | (uint64_t)1 << 52) >> down;
    }
    return (code | sign << p->d_field_bits) << p->d_ignored;
}

INLINE void run_tile(const cemu_plan_aligned_t *p, int64_t first, int64_t end, int64_t block, tile *t, int64_t rounding,
                     int64_t overflow, int flush) {
    int64_t rows = end - first, columns = p->n - block * LANES < LANES ? p->n - block * LANES : LANES;
    memset(t->marks, 0, sizeof t->marks);
    for (int64_t r = 0; r < rows; r++) {
        double *start = p->inner ? t->outer[r] : t->acc[r];
        memcpy(start, p->c + ((first + r) * p->blocks + block) * LANES, LANES * sizeof *start);
    }
    for (int64_t i = 0; i < p->step_count; i++) {
        const cemu_aligned_step *s = p->steps + i;
        for (int64_t r = 0; r < rows; r++) {
            if (s->flags & CEMU_ALIGNED_RUN) memset(t->acc[r], 0, sizeof t->acc[r]);
            run_step(p, s, first + r, block, t->acc[r], t->marks[r], rounding, overflow, flush);
            if (s->flags & CEMU_ALIGNED_HAND_UP) hand_up(p, s, first + r, block, t->acc[r], t->outer[r], t->marks[r]);
        }
    }
    for (int64_t r = 0; r < rows; r++) {
        const double *last = p->inner ? t->outer[r] : t->acc[r];
        for (int64_t j = 0; j < columns; j++) {
            p->d[(first + r) * p->n + block * LANES + j] = encode(p, last[j]);
            p->marks[(first + r) * p->n + block * LANES + j] = t->marks[r][j] != 0;
        }
    }
}

typedef void runner(const cemu_plan_aligned_t *, int64_t, int64_t, int64_t, tile *);

static void truncating(const cemu_plan_aligned_t *p, int64_t first, int64_t end, int64_t block, tile *t) {
    run_tile(p, first, end, block, t, CEMU_ALIGNED_TOWARD_ZERO, CEMU_ALIGNED_INFINITY, 0);
}

static void nearest(const cemu_plan_aligned_t *p, int64_t first, int64_t end, int64_t block, tile *t) {
    run_tile(p, first, end, block, t, CEMU_ALIGNED_TIES_TO_EVEN, CEMU_ALIGNED_INFINITY, 0);
}

static void any(const cemu_plan_aligned_t *p, int64_t first, int64_t end, int64_t block, tile *t) {
    run_tile(p, first, end, block, t, CEMU_ALIGNED_OTHER, p->result.overflow, 1);
}

static runner *runner_of(const cemu_aligned_cast *f) {
    int plain = f->overflow == CEMU_ALIGNED_INFINITY && f->flush_from == 0 && f->flush_to == 0;
    if (plain && f->rounding == CEMU_ALIGNED_TOWARD_ZERO) return truncating;
    if (plain && f->rounding == CEMU_ALIGNED_TIES_TO_EVEN) return nearest;
    return any;
}

int64_t FOR_ISA(plan_aligned)(cemu_plan_aligned_t *p);

int64_t FOR_ISA(plan_aligned)(cemu_plan_aligned_t *p) {
    tile *t = aligned_alloc(64, sizeof *t);
    if (!t) return CEMU_NO_MEMORY;
    runner *run = runner_of(&p->result);
    for (int64_t block = p->block; block < p->block_end; block++)
        for (int64_t first = p->row; first < p->row_end; first += ROWS)
            run(p, first, first + ROWS < p->row_end ? first + ROWS : p->row_end, block, t);
    free(t);
    return CEMU_OK;
}
