/* An accumulator of at most 16 bits that saturates after every product of at most 16 bits, in lanes of int16.
 *
 * A saturating add of int16, then a clamp to a narrower range, is the clamp of the exact sum. An unsigned 16-bit
 * accumulator is a signed one less 2^15 (`outer.shift` is what is taken off). */
#include "integers_end.h"
#include "isa.h"

enum { WIDTH = TILE_VECTORS * LANES16 };

int64_t FOR_ISA(plan_integers_chain)(cemu_plan_integers_t *p);

INLINE void run_tile(const char *const *a, const char *b, int64_t words, v16 low, v16 high, int clamp, int16_t *sums) {
    v16 acc[TILE_ROWS][TILE_VECTORS];
    memcpy(acc, sums, sizeof acc);
    for (int64_t w = 0; w < words; w++, b += PANEL_BYTES) {
        v16 column[TILE_VECTORS];
        for (int v = 0; v < TILE_VECTORS; v++) column[v] = load16(b + v * VECTOR_BYTES);
        for (int i = 0; i < TILE_ROWS; i++) {
            int16_t number;
            memcpy(&number, a[i] + 2 * w, sizeof number);
            v16 row = all16(number);
            for (int v = 0; v < TILE_VECTORS; v++) {
                v16 sum = saturating_add16(acc[i][v], multiply16(row, column[v]));
                acc[i][v] = clamp ? max16(min16(sum, high), low) : sum;
            }
        }
    }
    memcpy(sums, acc, sizeof acc);
}

static void full_tile(const char *const *a, const char *b, int64_t words, int16_t *sums) {
    run_tile(a, b, words, all16(0), all16(0), 0, sums);
}

static void narrow_tile(const char *const *a, const char *b, int64_t words, v16 low, v16 high, int16_t *sums) {
    run_tile(a, b, words, low, high, 1, sums);
}

int64_t FOR_ISA(plan_integers_chain)(cemu_plan_integers_t *p) {
    operands_t x;
    if (prepare(p, &x)) return CEMU_NO_MEMORY;
    int64_t all = p->row_end - p->row, off = p->outer.shift;
    int64_t low = p->outer.low - off, high = p->outer.high - off;
    int full = low == INT16_MIN && high == INT16_MAX;
    v16 lows = all16((int16_t)low), highs = all16((int16_t)high);
    for (int64_t column = p->column; column < p->column_end; column += WIDTH) {
        int64_t columns = p->n - column < WIDTH ? p->n - column : WIDTH;
        pack_panel(p, &x, column);
        for (int64_t row = 0; row < all; row += TILE_ROWS) {
            int64_t rows = all - row < TILE_ROWS ? all - row : TILE_ROWS, at = (p->row + row) * p->n + column;
            const char *a[TILE_ROWS];
            int16_t sums[TILE_ROWS * WIDTH] __attribute__((aligned(64)));
            uint64_t line[WIDTH];
            tile_rows(&x, row, rows, TILE_ROWS, a);
            for (int64_t j = 0; j < TILE_ROWS * WIDTH; j++) sums[j] = (int16_t)-off;
            for (int64_t i = 0; i < rows && p->c; i++) {
                start_row(p, at + i * p->n, columns, line);
                for (int64_t j = 0; j < columns; j++) sums[i * WIDTH + j] = (int16_t)((int64_t)line[j] - off);
            }
            if (full)
                full_tile(a, x.panel, x.words, sums);
            else
                narrow_tile(a, x.panel, x.words, lows, highs, sums);
            for (int64_t i = 0; i < rows; i++) {
                for (int64_t j = 0; j < columns; j++) line[j] = (uint64_t)((int64_t)sums[i * WIDTH + j] + off);
                finish_row(p, at + i * p->n, columns, line);
            }
        }
    }
    free(x.all);
    return CEMU_OK;
}
