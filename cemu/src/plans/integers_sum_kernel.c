/* One integer matrix product, added into d: blocks of K in 32 bits, their sums in 64.
 *
 * Bytes: a' = a + offset_a is unsigned, b' = b + offset_b signed, and sum a b = sum a' b' - offset_b sum a'
 * - offset_a sum b' + K offset_a offset_b. A block's sum is exact in 32 bits, or only its last 32 bits matter: the matcher says which. */
#include "integers_end.h"
#include "isa.h"

int64_t FOR_ISA(plan_integers_sum)(cemu_plan_integers_t *p);
int64_t FOR_ISA(plan_integers_size)(cemu_plan_integers_t *p);

#define TARGET
#define TILE tile_pairs
#define DOT(acc, a, b) add32(acc, pairs(a, b))
#include "integers_tile.h"

#if defined(__AVX512BW__) && defined(__x86_64__)
#define HAS_BYTES 1
#define TARGET __attribute__((target("avx512vnni")))
#define TILE tile_bytes
#define DOT(acc, a, b) (v32) _mm512_dpbusd_epi32((__m512i)(acc), (__m512i)(a), (__m512i)(b))
#include "integers_tile.h"

#define TARGET __attribute__((target("avx512vnni")))
#define TILE tile_pairs_fused
#define DOT(acc, a, b) (v32) _mm512_dpwssd_epi32((__m512i)(acc), (__m512i)(a), (__m512i)(b))
#include "integers_tile.h"
#endif

typedef void tile_function(const int32_t *, const char *, int64_t, int32_t *);

static tile_function *tile_for(int64_t words) {
#if defined(HAS_BYTES)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512vnni")) return words == CEMU_INTEGERS_BYTES ? tile_bytes : tile_pairs_fused;
#endif
    return words == CEMU_INTEGERS_BYTES ? 0 : tile_pairs;
}

int64_t FOR_ISA(plan_integers_size)(cemu_plan_integers_t *p) {
    int64_t panel = panel_columns(p->words);
    return (p->n + panel - 1) / panel * word_count(p) * PANEL_BYTES;
}

/* The sums of a tile into rows of d. `begin`: d holds nothing yet; `once`: the offsets' share is still to be added. */
static void add_tile(const cemu_plan_integers_t *p, const int32_t *tile, const int64_t *row_sums, int64_t row,
                     int64_t rows, int64_t column, int64_t columns, int begin, int once, int end) {
    enum { WIDTH = TILE_VECTORS * LANES32 };
    int64_t shift = p->shift, by_column = p->a.offset;
    uint64_t sign = p->c_sign;
    for (int64_t i = 0; i < rows; i++) {
        const int32_t *sums = tile + i * WIDTH;
        int64_t at = (row + i) * p->n + column;
        uint64_t line[WIDTH], constant = 0, *d = p->d + at;
        const uint64_t *c = p->c ? p->c + at : 0;
        if (once && p->words == CEMU_INTEGERS_BYTES)
            constant = (uint64_t)(p->b.offset * (p->k * p->a.offset - row_sums[i])) << shift;
        if (!begin)
            for (int64_t j = 0; j < columns; j++) line[j] = d[j] + constant;
        else if (c)
            for (int64_t j = 0; j < columns; j++) line[j] = (((c[j] ^ sign) - sign) << p->c_shift) + constant;
        else
            for (int64_t j = 0; j < columns; j++) line[j] = constant;
        if (once && by_column) {
            const int64_t *column_sums = p->column_sums + column;
            for (int64_t j = 0; j < columns; j++) line[j] -= (uint64_t)(by_column * column_sums[j]) << shift;
        }
        for (int64_t j = 0; j < columns; j++) line[j] += (uint64_t)(int64_t)sums[j] << shift;
        if (end) finish_row(p, line, columns);
        memcpy(d, line, (size_t)columns * sizeof *d);
    }
}

int64_t FOR_ISA(plan_integers_sum)(cemu_plan_integers_t *p) {
    enum { WIDTH = TILE_VECTORS * LANES32 };
    tile_function *tile = tile_for(p->words);
    if (!tile) return CEMU_NO_ISA;
    int64_t words = word_count(p), blocks = (p->row_end - p->row + TILE_ROWS - 1) / TILE_ROWS;
    size_t a_bytes = (size_t)(blocks * TILE_ROWS * words * 4), sums_bytes = (size_t)(blocks * TILE_ROWS) * 8;
    char *room = aligned_alloc(64, (a_bytes + sums_bytes + (size_t)p->k * 2 + 191) / 64 * 64);
    if (!room) return CEMU_NO_MEMORY;
    int32_t *a = (int32_t *)(void *)room;
    int64_t *row_sums = (int64_t *)(void *)(room + a_bytes);
    pack_a(p, p->row, p->row_end, TILE_ROWS, room + a_bytes + sums_bytes, a, row_sums);
    for (int64_t word = 0; word < words; word += p->block) {
        int64_t some = words - word < p->block ? words - word : p->block;
        for (int64_t column = 0; column < p->n; column += WIDTH) {
            const char *b = (const char *)p->packed + (column / WIDTH * words + word) * PANEL_BYTES;
            int64_t columns = p->n - column < WIDTH ? p->n - column : WIDTH;
            for (int64_t block = 0; block < blocks; block++) {
                int64_t row = p->row + block * TILE_ROWS;
                int64_t rows = p->row_end - row < TILE_ROWS ? p->row_end - row : TILE_ROWS;
                int32_t sums[TILE_ROWS * WIDTH] __attribute__((aligned(64)));
                tile(a + (block * words + word) * TILE_ROWS, b, some, sums);
                add_tile(p, sums, row_sums + block * TILE_ROWS, row, rows, column, columns, p->first && word == 0,
                         word == 0, p->last && word + some == words);
            }
        }
    }
    free(room);
    return CEMU_OK;
}
