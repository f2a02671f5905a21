/* An accumulator of at most 16 bits that saturates after every product of at most 16 bits, in lanes of int16.
 *
 * A saturating add of int16, then a clamp to a narrower range, is the clamp of the exact sum. An unsigned 16-bit
 * accumulator is a signed one less 2^15 (`inner.shift` is what is taken off). */
#include "integers_end.h"
#include "isa.h"

enum { WIDTH = TILE_VECTORS * LANES16 };

int64_t FOR_ISA(plan_integers_chain)(cemu_plan_integers_t *p);

INLINE void run_tile(const int16_t *a, const char *b, int64_t words, v16 low, v16 high, int clamp, int16_t *sums) {
    v16 acc[TILE_ROWS][TILE_VECTORS];
    memcpy(acc, sums, sizeof acc);
    for (int64_t w = 0; w < words; w++, a += TILE_ROWS, b += PANEL_BYTES) {
        v16 column[TILE_VECTORS];
        for (int v = 0; v < TILE_VECTORS; v++) column[v] = load16(b + v * VECTOR_BYTES);
        for (int i = 0; i < TILE_ROWS; i++) {
            v16 row = all16(a[i]);
            for (int v = 0; v < TILE_VECTORS; v++) {
                v16 sum = saturating_add16(acc[i][v], multiply16(row, column[v]));
                acc[i][v] = clamp ? max16(min16(sum, high), low) : sum;
            }
        }
    }
    memcpy(sums, acc, sizeof acc);
}

static void full_tile(const int16_t *a, const char *b, int64_t words, int16_t *sums) {
    run_tile(a, b, words, all16(0), all16(0), 0, sums);
}

static void narrow_tile(const int16_t *a, const char *b, int64_t words, v16 low, v16 high, int16_t *sums) {
    run_tile(a, b, words, low, high, 1, sums);
}

int64_t FOR_ISA(plan_integers_chain)(cemu_plan_integers_t *p) {
    int64_t words = word_count(p), blocks = (p->row_end - p->row + TILE_ROWS - 1) / TILE_ROWS, off = p->outer.shift;
    size_t a_bytes = (size_t)(blocks * TILE_ROWS * words * 2 + 63) / 64 * 64;
    char *room = aligned_alloc(64, (a_bytes + (size_t)p->k * 2 + 127) / 64 * 64);
    if (!room) return CEMU_NO_MEMORY;
    int16_t *a = (int16_t *)(void *)room;
    pack_a(p, p->row, p->row_end, TILE_ROWS, room + a_bytes, a, 0);
    int64_t low = p->outer.low - off, high = p->outer.high - off;
    int full = low == INT16_MIN && high == INT16_MAX;
    v16 lows = all16((int16_t)low), highs = all16((int16_t)high);
    for (int64_t column = 0; column < p->n; column += WIDTH) {
        const char *b = (const char *)p->packed + column / WIDTH * words * PANEL_BYTES;
        int64_t columns = p->n - column < WIDTH ? p->n - column : WIDTH;
        for (int64_t block = 0; block < blocks; block++) {
            int64_t row = p->row + block * TILE_ROWS;
            int64_t rows = p->row_end - row < TILE_ROWS ? p->row_end - row : TILE_ROWS;
            int16_t sums[TILE_ROWS * WIDTH] __attribute__((aligned(64))) = {0};
            for (int64_t i = 0; i < rows; i++)
                for (int64_t j = 0; j < columns; j++)
                    sums[i * WIDTH + j] = (int16_t)((int64_t)start_of(p, (row + i) * p->n + column + j) - off);
            const int16_t *rows_of_a = a + block * words * TILE_ROWS;
            if (full)
                full_tile(rows_of_a, b, words, sums);
            else
                narrow_tile(rows_of_a, b, words, lows, highs, sums);
            for (int64_t i = 0; i < rows; i++) {
                uint64_t *d = p->d + (row + i) * p->n + column;
                for (int64_t j = 0; j < columns; j++) d[j] = (uint64_t)((int64_t)sums[i * WIDTH + j] + off);
                finish_row(p, d, columns);
            }
        }
    }
    free(room);
    return CEMU_OK;
}
