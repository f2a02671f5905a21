/* Steps of integers on the sums: multiply, add, shift right with rounding, cast. Rounding is a floor after something was
 * added: with half = 2^(shift - 1), floor((x + half) / 2^shift) is nearest with ties up, and so on. */
#include "cemu_plan_integers.h"
#include "integers_store.h"
#include "isa.h"

int64_t FOR_ISA(plan_integers_output)(cemu_integers_output *p);

/* ADDED is what is added to x before the floor; f is the floor, one is 1 if anything is shifted out. */
#define ROUND(ADDED)                                                                \
    for (int64_t j = 0; j < n; j++) {                                               \
        int64_t s = step->shift[j], x = (int64_t)d[j] * step->factor[j] + step->addend[j]; \
        int64_t full = ((int64_t)1 << s) - 1, half = (full + 1) >> 1, one = s > 0;  \
        int64_t f = x >> s, negative = x < 0;                                       \
        (void)half, (void)one, (void)f, (void)negative;                             \
        half = s > 0 ? half : 0;                                                    \
        d[j] = (uint64_t)((x + (ADDED)) >> s);                                      \
    }                                                                               \
    break

static void round_row(const cemu_integers_step *step, uint64_t *d, int64_t n) {
    switch (step->rounding) {
        case CEMU_ROUNDING_TIES_TO_EVEN: ROUND(half - one + (f & one));
        case CEMU_ROUNDING_TIES_TO_AWAY: ROUND(half - (negative & one));
        case CEMU_ROUNDING_TIES_TO_ZERO: ROUND(half - (~negative & one));
        case CEMU_ROUNDING_TIES_TO_POSITIVE: ROUND(half);
        case CEMU_ROUNDING_TIES_TO_NEGATIVE: ROUND(half - one);
        case CEMU_ROUNDING_TOWARD_ZERO: ROUND(full & -negative);
        case CEMU_ROUNDING_TOWARD_POSITIVE: ROUND(full);
        case CEMU_ROUNDING_AWAY_FROM_ZERO: ROUND(full & (negative - 1));
        case CEMU_ROUNDING_TO_ODD: ROUND(full & ((f & 1) - 1));
        default: ROUND(0); /* toward negative */
    }
}

static void cast_row(const cemu_integers_cast *how, uint64_t *d, int64_t n) {
    int64_t low = how->low, high = how->high, shift = how->shift;
    if (how->kind == CEMU_INTEGERS_CLAMP) {
        for (int64_t j = 0; j < n; j++) {
            int64_t x = (int64_t)d[j] < low ? low : (int64_t)d[j];
            d[j] = (uint64_t)(x > high ? high : x);
        }
    } else if (how->kind == CEMU_INTEGERS_WRAP) {
        for (int64_t j = 0; j < n; j++) d[j] = (uint64_t)((int64_t)(d[j] << shift) >> shift);
    } else if (how->kind == CEMU_INTEGERS_MASK) {
        for (int64_t j = 0; j < n; j++) d[j] &= (uint64_t)high;
    }
}

int64_t FOR_ISA(plan_integers_output)(cemu_integers_output *p) {
    for (int64_t row = p->row; row < p->row_end; row++) {
        uint64_t *sums = p->sums + row * p->n;
        for (int64_t i = 0; i < p->count; i++) {
            round_row(&p->steps[i], sums, p->n);
            cast_row(&p->steps[i].cast, sums, p->n);
        }
        for (int64_t j = 0; j < p->n; j++) sums[j] &= p->mask;
        store_row(p->d, p->d_width, row * p->n, p->n, sums);
    }
    return CEMU_OK;
}
