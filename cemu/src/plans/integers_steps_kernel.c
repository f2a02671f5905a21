/* Accumulators of two levels. After each word its flags say: cast the inner one; add it to the outer one and clear it;
 * cast the outer one. Pairs: in lanes of int32, which the matcher has proved wide enough (or only their last 32 bits
 * matter). Wide: numbers of 32 bits, or products looked up in a table, in lanes of int64. */
#include "integers_end.h"
#include "isa.h"

int64_t FOR_ISA(plan_integers_steps)(cemu_plan_integers_t *p);

enum { ROWS = 3, WIDTH = TILE_VECTORS * LANES32, WIDE_ROWS = 1 };

typedef struct {
    v32 low, high;
    int64_t kind;
    int shift;
} lanes_cast;

static lanes_cast lanes_of(cemu_integers_cast how) {
    return (lanes_cast){all32((int32_t)how.low), all32((int32_t)how.high), how.kind, (int)how.shift};
}

INLINE v32 cast_lanes(v32 x, const lanes_cast *how) {
    switch (how->kind) {
        case CEMU_INTEGERS_CLAMP: return max32(min32(x, how->high), how->low);
        case CEMU_INTEGERS_WRAP: return (v32)((u32)x << how->shift) >> how->shift;
        case CEMU_INTEGERS_MASK: return x & how->high;
        default: return x;
    }
}

static void pairs_tile(const cemu_plan_integers_t *p, const char *const *a, const char *b, int64_t words, int32_t *sums) {
    v32 acc[ROWS][TILE_VECTORS], outer[ROWS][TILE_VECTORS];
    lanes_cast inner_cast = lanes_of(p->inner), outer_cast = lanes_of(p->outer);
    const uint8_t *flags = p->flags;
    memcpy(outer, sums, sizeof outer);
    for (int i = 0; i < ROWS; i++)
        for (int v = 0; v < TILE_VECTORS; v++) acc[i][v] = (v32){0};
    for (int64_t w = 0; w < words; w++, b += PANEL_BYTES) {
        v32 column[TILE_VECTORS];
        for (int v = 0; v < TILE_VECTORS; v++) column[v] = load32(b + v * VECTOR_BYTES);
        for (int i = 0; i < ROWS; i++) {
            v32 row = word32(a[i] + 4 * w);
            for (int v = 0; v < TILE_VECTORS; v++) acc[i][v] = add32(acc[i][v], pairs(row, column[v]));
        }
        if (!flags[w]) continue;
        if (flags[w] & CEMU_INTEGERS_CAST_INNER)
            for (int i = 0; i < ROWS; i++)
                for (int v = 0; v < TILE_VECTORS; v++) acc[i][v] = cast_lanes(acc[i][v], &inner_cast);
        if (flags[w] & CEMU_INTEGERS_HAND_UP)
            for (int i = 0; i < ROWS; i++)
                for (int v = 0; v < TILE_VECTORS; v++) {
                    outer[i][v] = add32(outer[i][v], acc[i][v]);
                    acc[i][v] = (v32){0};
                }
        if (flags[w] & CEMU_INTEGERS_CAST_OUTER)
            for (int i = 0; i < ROWS; i++)
                for (int v = 0; v < TILE_VECTORS; v++) outer[i][v] = cast_lanes(outer[i][v], &outer_cast);
    }
    memcpy(sums, outer, sizeof outer);
}

static void cast_wide(int64_t *x, const cemu_integers_cast *how) {
    int64_t low = how->low, high = how->high, shift = how->shift;
    if (how->kind == CEMU_INTEGERS_CLAMP) {
        for (int j = 0; j < WIDTH; j++) {
            int64_t y = x[j] < low ? low : x[j];
            x[j] = y > high ? high : y;
        }
    } else if (how->kind == CEMU_INTEGERS_WRAP) {
        for (int j = 0; j < WIDTH; j++) x[j] = (int64_t)((uint64_t)x[j] << shift) >> shift;
    } else if (how->kind == CEMU_INTEGERS_MASK) {
        for (int j = 0; j < WIDTH; j++) x[j] &= high;
    }
}

static void wide_row(const cemu_plan_integers_t *p, const int32_t *a, const char *b, int64_t words, int64_t *outer) {
    int64_t acc[WIDTH] = {0};
    const uint8_t *flags = p->flags;
    for (int64_t w = 0; w < words; w++, b += PANEL_BYTES) {
        const int32_t *column = (const int32_t *)(const void *)b;
        if (p->table) {
            const int32_t *row = p->table + a[w] * p->table_width;
            for (int j = 0; j < WIDTH; j++) acc[j] = (int64_t)((uint64_t)acc[j] + (uint64_t)(int64_t)row[column[j]]);
        } else {
            int64_t row = a[w];
            for (int j = 0; j < WIDTH; j++) acc[j] = (int64_t)((uint64_t)acc[j] + (uint64_t)(row * column[j]));
        }
        if (!flags[w]) continue;
        if (flags[w] & CEMU_INTEGERS_CAST_INNER) cast_wide(acc, &p->inner);
        if (flags[w] & CEMU_INTEGERS_HAND_UP)
            for (int j = 0; j < WIDTH; j++) outer[j] = (int64_t)((uint64_t)outer[j] + (uint64_t)acc[j]), acc[j] = 0;
        if (flags[w] & CEMU_INTEGERS_CAST_OUTER) cast_wide(outer, &p->outer);
    }
}

int64_t FOR_ISA(plan_integers_steps)(cemu_plan_integers_t *p) {
    operands_t x;
    if (prepare(p, &x)) return CEMU_NO_MEMORY;
    int wide = p->words == CEMU_INTEGERS_WIDE;
    int64_t each = wide ? WIDE_ROWS : ROWS, all = p->row_end - p->row;
    for (int64_t column = p->column; column < p->column_end; column += WIDTH) {
        int64_t columns = p->n - column < WIDTH ? p->n - column : WIDTH;
        pack_panel(p, &x, column);
        for (int64_t row = 0; row < all; row += each) {
            int64_t rows = all - row < each ? all - row : each, at = (p->row + row) * p->n + column;
            uint64_t totals[ROWS][WIDTH] = {{0}};
            const char *a[ROWS];
            tile_rows(&x, row, rows, each, a);
            for (int64_t i = 0; i < rows && p->c; i++) start_row(p, at + i * p->n, columns, totals[i]);
            if (wide) {
                wide_row(p, (const int32_t *)(const void *)a[0], x.panel, x.words, (int64_t *)totals[0]);
            } else {
                int32_t sums[ROWS][WIDTH] __attribute__((aligned(64)));
                for (int i = 0; i < ROWS; i++)
                    for (int j = 0; j < WIDTH; j++) sums[i][j] = (int32_t)totals[i][j];
                pairs_tile(p, a, x.panel, x.words, sums[0]);
                for (int i = 0; i < ROWS; i++)
                    for (int j = 0; j < WIDTH; j++) totals[i][j] = (uint64_t)(int64_t)sums[i][j];
            }
            for (int64_t i = 0; i < rows; i++) finish_row(p, at + i * p->n, columns, totals[i]);
        }
    }
    free(x.all);
    return CEMU_OK;
}
