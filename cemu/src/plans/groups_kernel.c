/* The kernel of the plan `groups`, compiled for each instruction set. For the rows of a tile and a block of columns, run
 * after run: the exact sums of products (groups_dot.h), what they are multiplied by, the accumulator (groups_outer.h). */
#include <stdlib.h>

#include "aligned_encode.h"
#include "groups_outer.h"
#include "isa.h"

enum { ROWS = 8 }; /* of a tile */

typedef struct {
    double acc[ROWS][LANES] ALIGNED;
    double sums[ROWS][LANES] ALIGNED;
    double rests[ROWS][LANES] ALIGNED;
    double values[CEMU_GROUPS_TERMS * ROWS][LANES] ALIGNED;
    double powers[CEMU_GROUPS_TERMS * ROWS][LANES] ALIGNED;
    uint64_t marks[ROWS][LANES] ALIGNED;
    int split[ROWS]; /* whether `rests` is a part of the sums */
} tile;

/* The sums of a run whose bits may not fit a double: in one if they do, in two, or not at all. */
INLINE void dot_checked(const cemu_plan_groups_t *p, int64_t row, int64_t block, int64_t at, const double *a,
                        const double *b, int r, tile *t) {
    const cemu_groups_run *s = p->runs + at;
    int64_t i = row * p->run_count + at, j = block * p->run_count + at, growth = 0;
    int64_t low = p->a_low[i] + p->b_low[j], top = p->a_top[i] + p->b_top[j];
    while (((int64_t)1 << growth) < s->count) growth++;
    int nothing = p->a_top[i] == -CEMU_GROUPS_EMPTY || p->b_top[j] == -CEMU_GROUPS_EMPTY;
    t->split[r] = !nothing && top + growth - low > 53;
    if (!t->split[r]) {
        dot_doubles(a, p->k, b, s->count, 1, p->start, t->sums + r);
        return;
    }
    int64_t grid = top + growth - 50; /* below it, sums are less than 2^(grid - 1 + growth) */
    if (grid - 1 + growth - low > 53)
        for (int l = 0; l < LANES; l++) t->marks[r][l] = 1;
    dot_split(a, b, s->count, 1.5 * power_of_two(grid + 52), p->start, t->sums[r], t->rests[r]);
}

INLINE void sum_run(const cemu_plan_groups_t *p, int64_t first, int64_t rows, int64_t block, int64_t at, tile *t) {
    const cemu_groups_run *s = p->runs + at;
    int64_t of_a = first * p->k + s->first, of_b = (block * p->k + s->first) * LANES, r = 0;
    if (p->a_low) {
        const double *a = (const double *)p->a + of_a, *b = (const double *)p->b + of_b;
        for (; r < rows; r++) dot_checked(p, first + r, block, at, a + r * p->k, b, (int)r, t);
    } else if (p->wide) {
        const double *a = (const double *)p->a + of_a, *b = (const double *)p->b + of_b;
        for (; r + ROWS_AT_ONCE <= rows; r += ROWS_AT_ONCE)
            dot_doubles(a + r * p->k, p->k, b, s->count, ROWS_AT_ONCE, p->start, t->sums + r);
        for (; r < rows; r++) dot_doubles(a + r * p->k, p->k, b, s->count, 1, p->start, t->sums + r);
    } else {
        const float *a = (const float *)p->a + of_a, *b = (const float *)p->b + of_b;
        for (; r + ROWS_AT_ONCE <= rows; r += ROWS_AT_ONCE)
            dot_singles(a + r * p->k, p->k, b, s->count, ROWS_AT_ONCE, (float)p->start, t->sums + r);
        for (; r < rows; r++) dot_singles(a + r * p->k, p->k, b, s->count, 1, (float)p->start, t->sums + r);
    }
}

INLINE void finish(const cemu_plan_groups_t *p, int64_t row, int64_t block, double *acc, uint64_t *marks) {
    int64_t at = row * p->n + block * LANES, left = p->n - block * LANES, count = left < LANES ? left : LANES;
    for EACH(j) {
        words *mark = (words *)(marks + j);
        doubles x = AT(acc, j), y = cast_any(choose(infinite(x), all(0.0), x), &p->output, mark);
        if (p->output.kind && p->output.how.overflow == CEMU_ALIGNED_MARK) y = unless_infinite(y, mark);
        if (p->output.kind && p->output.how.overflow != CEMU_ALIGNED_INFINITY) *mark |= infinite(x);
        AT(acc, j) = choose(infinite(x), x, y);
    }
    for (int64_t j = 0; j < count; j++) p->marks[at + j] = marks[j] != 0;
    cemu_aligned_code d = {p->d_man_bits, p->d_bias, p->d_field_bits, p->d_ignored, p->d_infinity, p->d_negative_zero};
    encode_row(&d, acc, count, p->d_bytes, (char *)p->d + at * p->d_bytes);
}

static void run_tile(const cemu_plan_groups_t *p, int64_t first, int64_t rows, int64_t block, tile *t) {
    int64_t terms = 0;
    int piece = 0;
    memset(t->marks, 0, sizeof t->marks);
    memset(t->split, 0, sizeof t->split);
    for (int64_t r = 0; r < rows; r++)
        memcpy(t->acc[r], p->c + ((first + r) * p->blocks + block) * LANES, sizeof t->acc[r]);
    for (int64_t at = 0; at < p->run_count; at++) {
        int64_t flags = p->runs[at].flags;
        sum_run(p, first, rows, block, at, t);
        piece |= (flags & CEMU_GROUPS_PIECE) != 0;
        for (int64_t r = 0; r < rows; r++) {
            double *sums = t->sums[r];
            place w = place_of(p, first + r, block, at);
            if (t->split[r] && !p->op_count) {
                join_both(p, sums, t->rests[r], t->acc[r], t->marks[r]);
                continue;
            }
            if (t->split[r])
                for EACH(j) AT(sums, j) = odd_sum(AT(sums, j), AT(t->rests[r], j));
            if (!p->aligned) {
                join(p, &w, sums, t->acc[r], t->marks[r]);
                continue;
            }
            term(p, &w, sums, t->values[terms * ROWS + r], t->powers[terms * ROWS + r], t->marks[r]);
            if (flags & CEMU_GROUPS_STEP)
                add_aligned(p, piece, t->values + r, t->powers + r, ROWS, terms + 1, t->acc[r], t->marks[r]);
        }
        terms++;
        if (flags & CEMU_GROUPS_STEP) terms = piece = 0;
    }
    for (int64_t r = 0; r < rows; r++) finish(p, first + r, block, t->acc[r], t->marks[r]);
}

int64_t FOR_ISA(plan_groups)(cemu_plan_groups_t *p);

int64_t FOR_ISA(plan_groups)(cemu_plan_groups_t *p) {
    tile *t = aligned_alloc(64, sizeof *t);
    if (!t) return CEMU_NO_MEMORY;
#if defined(__SSE2__)
    unsigned mode = _mm_getcsr(); /* a library may have left this thread flushing subnormals, which float32 has */
    _mm_setcsr(0x1f80);
#endif
    for (int64_t block = p->block; block < p->block_end; block++)
        for (int64_t first = p->row; first < p->row_end; first += ROWS)
            run_tile(p, first, p->row_end - first < ROWS ? p->row_end - first : ROWS, block, t);
#if defined(__SSE2__)
    _mm_setcsr(mode);
#endif
    free(t);
    return CEMU_OK;
}
