/* One integer matrix product: blocks of K in 32 bits, their sums in 64, or all in 32.
 *
 * Bytes: a' = a + offset_a is signed, b' = b + offset_b unsigned, and sum a b = sum a' b' - offset_b sum a'
 * - offset_a sum b' + K offset_a offset_b. A block's sum is exact in 32 bits, or only its last 32 bits matter: the matcher says which. */
#include "integers_end.h"
#include "isa.h"

int64_t FOR_ISA(plan_integers_sum)(cemu_plan_integers_t *p);

#define TARGET
#define TILE tile_pairs
#define DOT(acc, a, b) add32(acc, pairs(a, b))
#include "integers_tile.h"

#if defined(__AVX512BW__) && defined(__x86_64__)
#define HAS_BYTES 1
#define TARGET __attribute__((target("avx512vnni")))
#define TILE tile_bytes
#define DOT(acc, a, b) (v32) _mm512_dpbusd_epi32((__m512i)(acc), (__m512i)(b), (__m512i)(a))
#include "integers_tile.h"

#define TARGET __attribute__((target("avx512vnni")))
#define TILE tile_pairs_fused
#define DOT(acc, a, b) (v32) _mm512_dpwssd_epi32((__m512i)(acc), (__m512i)(b), (__m512i)(a))
#include "integers_tile.h"
#endif

typedef void tile_function(const char *const *, const char *, int64_t, int32_t *);

static tile_function *tile_for(int64_t words) {
#if defined(HAS_BYTES)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512vnni")) return words == CEMU_INTEGERS_BYTES ? tile_bytes : tile_pairs_fused;
#endif
    return words == CEMU_INTEGERS_BYTES ? 0 : tile_pairs;
}

enum { WIDTH = TILE_VECTORS * LANES32 };

/* Rows of a tile in 32 bits to d. constant: what every row adds. */
static void end_tile_32(const cemu_plan_integers_t *p, const operands_t *x, const int32_t *tile, int64_t row,
                        int64_t rows, int64_t column, int64_t columns) {
    int bytes = p->words == CEMU_INTEGERS_BYTES;
    for (int64_t i = 0; i < rows; i++) {
        uint32_t line[WIDTH], constant = 0;
        if (bytes && p->b.offset) constant = (uint32_t)(p->b.offset * (p->k * p->a.offset - x->row_sums[row + i]));
        for (int j = 0; j < WIDTH; j++) line[j] = (uint32_t)tile[i * WIDTH + j] + constant;
        if (bytes && p->a.offset)
            for (int j = 0; j < WIDTH; j++) line[j] -= (uint32_t)(p->a.offset * x->column_sums[j]);
        finish_row_32(p, (p->row + row + i) * p->n + column, columns, line);
    }
}

static void end_tile(const cemu_plan_integers_t *p, const operands_t *x, int64_t (*tile)[WIDTH], int64_t row,
                     int64_t rows, int64_t column, int64_t columns) {
    int bytes = p->words == CEMU_INTEGERS_BYTES;
    for (int64_t i = 0; i < rows; i++) {
        int64_t at = (p->row + row + i) * p->n + column, constant = 0;
        uint64_t line[WIDTH];
        if (p->first)
            start_row(p, at, columns, line);
        else
            memcpy(line, p->sums + at, (size_t)columns * sizeof *line);
        if (bytes && p->b.offset) constant = p->b.offset * (p->k * p->a.offset - x->row_sums[row + i]);
        for (int64_t j = 0; j < columns; j++) {
            int64_t sum = tile[i][j] + constant - (bytes && p->a.offset ? p->a.offset * x->column_sums[j] : 0);
            line[j] += (uint64_t)sum << p->shift;
        }
        if (p->last)
            finish_row(p, at, columns, line);
        else
            memcpy(p->sums + at, line, (size_t)columns * sizeof *line);
    }
}

int64_t FOR_ISA(plan_integers_sum)(cemu_plan_integers_t *p) {
    tile_function *tile = tile_for(p->words);
    if (!tile) return CEMU_NO_ISA;
    operands_t x;
    if (prepare(p, &x)) return CEMU_NO_MEMORY;
    int64_t all = p->row_end - p->row;
    for (int64_t column = p->column; column < p->column_end; column += WIDTH) {
        int64_t columns = p->n - column < WIDTH ? p->n - column : WIDTH;
        pack_panel(p, &x, column);
        for (int64_t row = 0; row < all; row += TILE_ROWS) {
            int64_t rows = all - row < TILE_ROWS ? all - row : TILE_ROWS;
            const char *a[TILE_ROWS];
            int32_t sums[TILE_ROWS * WIDTH] __attribute__((aligned(64)));
            tile_rows(&x, row, rows, TILE_ROWS, a);
            if (p->only_32) {
                tile(a, x.panel, x.words, sums);
                end_tile_32(p, &x, sums, row, rows, column, columns);
                continue;
            }
            int64_t totals[TILE_ROWS][WIDTH] = {{0}};
            for (int64_t word = 0; word < x.words; word += p->block) {
                int64_t some = x.words - word < p->block ? x.words - word : p->block;
                tile(a, x.panel + word * PANEL_BYTES, some, sums);
                for (int i = 0; i < TILE_ROWS; i++) {
                    for (int j = 0; j < WIDTH; j++) totals[i][j] += sums[i * WIDTH + j];
                    a[i] += 4 * some;
                }
            }
            end_tile(p, &x, totals, row, rows, column, columns);
        }
    }
    free(x.all);
    return CEMU_OK;
}
