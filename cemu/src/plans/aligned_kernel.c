/* The kernel of the plan `aligned`, compiled for each instruction set. A step, for the columns of a block:
 *   1. the largest exponent of terms and accumulator (an accumulator of 0 takes no part);
 *   2. each addend times 2^(align_bits - that), cut to an integer; the exact sum of them;
 *   3. the sum times 2^(that - align_bits) is a double, exactly; it is cast to the format of the result.
 * An accumulator is held as a double; an infinite one stays as it is, since all terms are finite. */
#include <stdlib.h>

#include "aligned_encode.h"
#include "aligned_late.h"
#include "aligned_quick.h"
#include "isa.h"

enum { ROWS = 16 }; /* of a tile: its accumulators and one step of b stay in the first-level cache */

typedef struct {
    double acc[ROWS][LANES] ALIGNED;
    double outer[ROWS][LANES] ALIGNED;
    uint64_t marks[ROWS][LANES] ALIGNED;
} tile;

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

/* Of each lane: 2^(alignment exponent - align_bits) in `power`, the accumulator on the grid in `sum`, and what products
 * are multiplied by in `scale`. */
INLINE void align(const cemu_plan_aligned_t *p, const cemu_aligned_step *s, int64_t row, int64_t block,
                  const int16_t *top, double *acc, double *power, double *sum, double *scale) {
    doubles least = all(s->flags & CEMU_ALIGNED_PIECE ? p->least_c : p->result.least);
    doubles lowest = larger(all(p->min_exponent), all(FAINT));
    double unit = power_of_two(p->align_bits), per_unit = power_of_two(-p->align_bits);
    for (int j = 0; j < LANES; j++) power[j] = power_of_two(top[j] < -1000 ? -1000 : top[j]);
    for EACH(j) AT(scale, j) = all(1.0);
    if (p->a_power) {
        int64_t e_a = p->a_power[row * p->scale_blocks + s->block];
        const int16_t *e_b = p->b_power + (s->block * p->blocks + block) * LANES;
        for (int j = 0; j < LANES; j++) scale[j] = power_of_two(e_a + e_b[j]);
        for EACH(j) AT(power, j) *= choose((words)(AT(power, j) <= 0x1p-1000), all(1.0), AT(scale, j));
    }
    for EACH(j) {
        doubles x = choose(infinite(AT(acc, j)), all(0.0), AT(acc, j));
        doubles own = where((words)(x != 0), larger(power_of(x), least));
        doubles most = larger(larger(AT(power, j), own), lowest);
        doubles to_grid = reciprocal(most) * unit;
        AT(sum, j) = whole(x * to_grid, (int)p->floor);
        AT(scale, j) *= to_grid;
        AT(power, j) = most * per_unit;
    }
}

INLINE void run_step(const cemu_plan_aligned_t *p, const cemu_aligned_step *s, int64_t row, int64_t block, double *acc,
                     uint64_t *marks, int64_t rounding, int64_t overflow, int flush) {
    const float *a = p->a + row * p->k + s->first;
    const float *b = p->b + (block * p->k + s->first) * LANES;
    int16_t top[LANES] ALIGNED;
    double power[LANES] ALIGNED, scale[LANES] ALIGNED, sum[LANES] ALIGNED;
    largest_exponents(p->a_e + row * p->k + s->first, p->b_e + (block * p->k + s->first) * LANES, s->count, top);
    if (p->quick && (p->quick_pieces || !(s->flags & CEMU_ALIGNED_PIECE)) &&
        in_range(top, p->quick_low, p->quick_high) && quick_step(p, a, b, s->count, top, acc))
        return;
    align(p, s, row, block, top, acc, power, sum, scale);
    if (p->terms && in_range(top, p->low, p->high)) { /* float32 products will do */
        float narrow[LANES] ALIGNED;
        for EACH(j) AT(scale, j) = larger(smaller(AT(scale, j), all(0x1p127)), all(0x1p-126));
        for (int j = 0; j < LANES; j++) narrow[j] = (float)scale[j];
        add_products(a, b, s->count, p->terms, narrow, sum);
    } else {
        add_products_wide(a, b, s->count, (int)p->floor, scale, sum);
    }
    for EACH(j) AT(sum, j) += 0.0; /* a sum of -0 is +0 */
    if (p->zero_sign == CEMU_ALIGNED_IEEE) fix_zeros(a, b, s->count, acc, sum);
    doubles zero = all(p->zero_sign == CEMU_ALIGNED_ALWAYS_POSITIVE ? 0.0 : -0.0);
    for EACH(j) {
        words *mark = (words *)(marks + j);
        doubles x = cast_lanes(AT(sum, j) * AT(power, j), &p->result, rounding, overflow, flush, mark);
        AT(acc, j) = choose(infinite(AT(acc, j)), AT(acc, j), x + zero);
    }
}

/* The result of an inner run joins the outer accumulator: one rounding of outer + x * scale, the exact sum held as a
 * double whose last bit is odd if it is inexact. */
INLINE void hand_up(const cemu_plan_aligned_t *p, const cemu_aligned_step *s, int64_t row, int64_t block, double *acc,
                    double *outer, uint64_t *marks) {
    double factor[LANES] ALIGNED;
    int64_t overflow = p->outer.overflow == CEMU_ALIGNED_SATURATE ? CEMU_ALIGNED_SATURATE : CEMU_ALIGNED_MARK;
    for (int j = 0; j < LANES; j++) factor[j] = 1.0;
    if (p->a_scale) {
        const float *scale = p->b_scale + (s->block * p->blocks + block) * LANES;
        float scale_a = p->a_scale[row * p->scale_blocks + s->block];
        for (int j = 0; j < LANES; j++) factor[j] = (double)(float)(scale_a * scale[j]);
    }
    for EACH(j) {
        words *mark = (words *)(marks + j);
        words beyond = infinite(AT(acc, j)) | infinite(AT(factor, j));
        doubles sum = odd_sum(choose(beyond, all(0.0), AT(acc, j) * AT(factor, j)), AT(outer, j));
        AT(outer, j) = cast_lanes(sum, &p->outer, CEMU_ALIGNED_OTHER, overflow, 1, mark);
        *mark |= beyond;
    }
}

INLINE void run_tile(const cemu_plan_aligned_t *p, int64_t first, int64_t end, int64_t block, tile *t, int64_t rounding,
                     int64_t overflow, int flush) {
    cemu_aligned_code d = {p->d_man_bits, p->d_bias, p->d_field_bits, p->d_ignored, p->d_infinity, p->d_negative_zero};
    int64_t rows = end - first, columns = p->n - block * LANES < LANES ? p->n - block * LANES : LANES;
    memset(t->marks, 0, sizeof t->marks);
    for (int64_t r = 0; r < rows; r++) {
        double *start = p->inner ? t->outer[r] : t->acc[r];
        const double *c = p->c + ((first + r) * p->blocks + block) * LANES;
        for (int j = 0; j < LANES; j++) start[j] = p->joins ? p->outer_start : c[j];
    }
    for (int64_t i = 0; i < p->step_count; i++) {
        const cemu_aligned_step *s = p->steps + i;
        for (int64_t r = 0; r < rows; r++) {
            if (p->late.used) {
                late_step(p, s, first + r, block, t->acc[r], t->marks[r], rounding, overflow, flush);
                continue;
            }
            if (s->flags & CEMU_ALIGNED_RUN) memset(t->acc[r], 0, sizeof t->acc[r]);
            run_step(p, s, first + r, block, t->acc[r], t->marks[r], rounding, overflow, flush);
            if (s->flags & CEMU_ALIGNED_HAND_UP) hand_up(p, s, first + r, block, t->acc[r], t->outer[r], t->marks[r]);
        }
    }
    for (int64_t r = 0; p->joins && r < rows; r++) {
        const double *c = p->c + ((first + r) * p->blocks + block) * LANES;
        int64_t over = p->join.overflow == CEMU_ALIGNED_SATURATE ? CEMU_ALIGNED_SATURATE : CEMU_ALIGNED_MARK;
        for EACH(j) {
            doubles sum = odd_sum(AT(t->outer[r], j), *(const doubles_at *)(c + j));
            AT(t->outer[r], j) = cast_lanes(sum, &p->join, CEMU_ALIGNED_OTHER, over, 1, (words *)(t->marks[r] + j));
        }
    }
    for (int64_t r = 0; r < rows; r++) {
        const double *last = p->inner ? t->outer[r] : t->acc[r];
        int64_t at = (first + r) * p->n + block * LANES;
        encode_row(&d, last, columns, p->d_bytes, (char *)p->d + at * p->d_bytes);
        for (int64_t j = 0; j < columns; j++) p->marks[at + j] = t->marks[r][j] != 0;
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
#if defined(__SSE2__)
    unsigned mode = _mm_getcsr(); /* a library may have left this thread flushing subnormals, which bfloat16 has */
    _mm_setcsr(0x1f80);
#endif
    runner *run = runner_of(&p->result);
    for (int64_t block = p->block; block < p->block_end; block++)
        for (int64_t first = p->row; first < p->row_end; first += ROWS)
            run(p, first, first + ROWS < p->row_end ? first + ROWS : p->row_end, block, t);
#if defined(__SSE2__)
    _mm_setcsr(mode);
#endif
    free(t);
    return CEMU_OK;
}
