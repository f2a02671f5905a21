/* Runs problems that a test has dumped: tables, operands, expected codes and events. Every array is allocated to its
 * exact size, so that a sanitizer sees any access beyond it. Each problem runs whole, then tile by tile, then twice in
 * one call. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cemu.h"

enum { POSITIONS = 2 };

typedef struct {
    int64_t formats, steps, constants, levels, orders, table, points, ranks, casts, terms, stages;
    int64_t m, n, k, a_blocks, b_blocks, has_c, has_a_scale, has_b_scale, a_zero_blocks, b_zero_blocks, first_index, seed, limbs, status;
} header;

static void *take(FILE *file, int64_t count, size_t size) {
    void *array = malloc(count ? (size_t)count * size : 1);
    if (!array || fread(array, size, (size_t)count, file) != (size_t)count) exit(2);
    return array;
}

static int64_t run(const cemu_tables *tables, cemu_problem *p, int64_t m, int64_t n, int64_t rows, int64_t columns) {
    for (p->row = 0; p->row < m; p->row += rows)
        for (p->column = 0; p->column < n; p->column += columns) {
            p->row_end = p->row + rows < m ? p->row + rows : m;
            p->column_end = p->column + columns < n ? p->column + columns : n;
            p->count_a = p->column == 0;
            p->count_b = p->row == 0;
            int64_t status = cemu_matmul(tables, p);
            if (status) return status;
        }
    return CEMU_OK;
}

/* An array twice in a row, where there is one. */
static const uint64_t *twice(const uint64_t *array, int64_t count) {
    if (!array) return NULL;
    uint64_t *out = malloc(count ? 2 * (size_t)count * sizeof *out : 1);
    if (!out) exit(2);
    for (int64_t i = 0; i < 2 * count; i++) out[i] = array[i < count ? i : i - count];
    return out;
}

/* The problem and itself once more in one call: the first has the codes, and the second is within its arrays. (Its
 * random bits are others.) */
static int stacked(const cemu_tables *tables, const cemu_problem *one, const uint64_t *wanted, int64_t expected, int64_t cells) {
    int64_t size = one->m * one->n;
    cemu_problem p = *one;
    p.a = twice(one->a, p.m * p.k);
    p.b = twice(one->b, p.k * p.n);
    p.c = twice(one->c, size);
    p.a_scale = twice(one->a_scale, p.m * p.a_blocks);
    p.b_scale = twice(one->b_scale, p.b_blocks * p.n);
    p.a_zero = twice(one->a_zero, p.m * p.a_zero_blocks);
    p.b_zero = twice(one->b_zero, p.b_zero_blocks * p.n);
    p.d = malloc(size ? 2 * (size_t)size * sizeof *p.d : 1);
    p.row = p.column = 0;
    p.row_end = p.m;
    p.column_end = p.n;
    p.count_a = p.count_b = 1;
    int refused = cemu_matmul_many(tables, &p, 2) == CEMU_BAD_TABLE; /* positions are for one product */
    p.position_limit = 0;
    memset(p.events, 0, (size_t)cells * sizeof *p.events);
    int64_t status = cemu_matmul_many(tables, &p, 2);
    int bad = !refused || (expected ? status != expected : memcmp(p.d, wanted, (size_t)size * sizeof *p.d) != 0);
    const void *all[] = {p.a, p.b, p.c, p.a_scale, p.b_scale, p.a_zero, p.b_zero, p.d};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free((void *)(uintptr_t)all[i]);
    return bad;
}

static int replay(FILE *file, int64_t number) {
    header h;
    if (fread(&h, sizeof h, 1, file) != 1) exit(2);
    size_t word = sizeof(uint64_t);
    cemu_unit *unit = take(file, 1, sizeof *unit);
    cemu_format *formats = take(file, h.formats, sizeof *formats);
    cemu_step *steps = take(file, h.steps, sizeof *steps);
    cemu_constant *constants = take(file, h.constants, sizeof *constants);
    cemu_level *levels = take(file, h.levels, sizeof *levels);
    int64_t *orders = take(file, h.orders, word), *table = take(file, h.table, word);
    cemu_point *points = take(file, h.points, sizeof *points);
    int64_t *ranks = take(file, h.ranks, word);
    cemu_cast *casts = take(file, h.casts, sizeof *casts);
    int64_t *terms = take(file, h.terms, word);
    uint64_t *a = take(file, h.m * h.k, word), *b = take(file, h.k * h.n, word);
    uint64_t *c = take(file, h.has_c * h.m * h.n, word);
    uint64_t *a_scale = take(file, h.has_a_scale * h.m * h.a_blocks, word);
    uint64_t *b_scale = take(file, h.has_b_scale * h.b_blocks * h.n, word);
    uint64_t *a_zero = take(file, h.m * h.a_zero_blocks, word), *b_zero = take(file, h.b_zero_blocks * h.n, word);
    uint64_t *wanted = take(file, h.m * h.n, word);
    int64_t cells = h.stages * CEMU_EVENT_KINDS, *wanted_events = take(file, cells, word);
    uint64_t *d = calloc((size_t)(h.m * h.n), word);
    int64_t *events = calloc((size_t)cells, word);
    int64_t *positions = malloc((size_t)(cells * POSITIONS * 3) * word);
    cemu_tables tables = {unit, formats, steps, constants, levels, orders, table, points, ranks, casts, terms};
    cemu_problem problem = {
        .m = h.m, .n = h.n, .k = h.k, .a_blocks = h.a_blocks, .b_blocks = h.b_blocks, .a = a, .b = b,
        .c = h.has_c ? c : NULL, .a_scale = h.has_a_scale ? a_scale : NULL, .b_scale = h.has_b_scale ? b_scale : NULL,
        .a_zero_blocks = h.a_zero_blocks, .b_zero_blocks = h.b_zero_blocks,
        .a_zero = h.a_zero_blocks ? a_zero : NULL, .b_zero = h.b_zero_blocks ? b_zero : NULL,
        .positions = positions, .position_limit = POSITIONS,
        .d = d, .first_index = h.first_index, .seed = (uint64_t)h.seed, .limbs = h.limbs, .events = events,
    };
    int bad = 0;
    for (int64_t side = h.m + h.n; side > 0; side = side > 1 ? 1 : 0) {
        memset(d, 0xff, (size_t)(h.m * h.n) * word);
        memset(events, 0, (size_t)cells * word);
        int64_t status = run(&tables, &problem, h.m, h.n, side, side);
        if (status != h.status) {
            printf("problem %" PRId64 ": status %" PRId64 ", expected %" PRId64 "\n", number, status, h.status);
            bad = 1;
        } else if (!status && memcmp(d, wanted, (size_t)(h.m * h.n) * word)) {
            printf("problem %" PRId64 ": codes differ in tiles of %" PRId64 "\n", number, side);
            bad = 1;
        } else if (!status && memcmp(events, wanted_events, (size_t)cells * word)) {
            printf("problem %" PRId64 ": events differ in tiles of %" PRId64 "\n", number, side);
            bad = 1;
        }
    }
    if (stacked(&tables, &problem, wanted, h.status, cells)) {
        printf("problem %" PRId64 ": twice in one call\n", number);
        bad = 1;
    }
    void *all[] = {unit, formats, steps, constants, levels, orders, table, points, ranks, casts, terms, a, b, c, a_scale, b_scale, a_zero, b_zero,
                   wanted, wanted_events, d, events, positions};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    return bad;
}

int main(int argc, char **argv) {
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    int64_t count, bad = 0;
    if (!file || fread(&count, sizeof count, 1, file) != 1) return 2;
    for (int64_t i = 0; i < count; i++) bad += replay(file, i);
    fclose(file);
    printf("%" PRId64 " problems, %" PRId64 " bad\n", count, bad);
    return bad != 0;
}
