/* An exact matrix product: operands looked up by their codes, in blocks that fit the second cache; sums rounded once.
 *
 * Where K is more than one block, the sums of many rows are kept, so that a block of b serves them all. */
#include <stdlib.h>

#include "cemu_plan_exact.h"
#include "exact_end.h"
#include "isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define NEAREST_EVEN 0x1f80u /* exceptions masked, nothing flushed */
static unsigned control(void) { return _mm_getcsr(); }
static void set_control(unsigned word) { _mm_setcsr(word); }
#else /* rounding to nearest even is taken for granted */
#define NEAREST_EVEN 0u
static unsigned control(void) { return 0; }
static void set_control(unsigned word) { (void)word; }
#endif

#if defined(__AVX512F__)
enum { VECTOR_BYTES = 64, TILE_VECTORS = 4 };
#define FMA_DOUBLE(x, y, z) (double_vector) _mm512_fmadd_pd((__m512d)(x), (__m512d)(y), (__m512d)(z))
#define FMA_FLOAT(x, y, z) (float_vector) _mm512_fmadd_ps((__m512)(x), (__m512)(y), (__m512)(z))
#elif defined(__FMA__)
enum { VECTOR_BYTES = 32, TILE_VECTORS = 2 };
#define FMA_DOUBLE(x, y, z) (double_vector) _mm256_fmadd_pd((__m256d)(x), (__m256d)(y), (__m256d)(z))
#define FMA_FLOAT(x, y, z) (float_vector) _mm256_fmadd_ps((__m256)(x), (__m256)(y), (__m256)(z))
#else
enum { VECTOR_BYTES = 16, TILE_VECTORS = 2 };
#define FMA_DOUBLE(x, y, z) ((x) * (y) + (z))
#define FMA_FLOAT(x, y, z) ((x) * (y) + (z))
#endif

enum { TILE_ROWS = 6, ROWS = 48, KEPT_ROWS = 480, KS = 512 };

/* Rows of a, columns of b, and a part of K. */
typedef struct {
    int64_t row, rows, column, columns, k, ks;
} block_t;

#define NUMBER double
#define FOR(name) double_##name
#define FMA FMA_DOUBLE
#include "exact_tile.h"

#define NUMBER float
#define FOR(name) float_##name
#define FMA FMA_FLOAT
#include "exact_tile.h"

int64_t FOR_ISA(plan_exact_used)(cemu_plan_exact_used_t *p) {
    uint8_t *used = p->used;
    if (p->width == 1)
        for (int64_t i = 0; i < p->count; i++) used[((const uint8_t *)p->codes)[i]] = 1;
    else
        for (int64_t i = 0; i < p->count; i++) used[((const uint16_t *)p->codes)[i]] = 1;
    return CEMU_OK;
}

static int64_t least(int64_t x, int64_t y) { return x < y ? x : y; }

typedef struct {
    void *a, *b, *sums;
    int64_t ks, rows, apart; /* of a block; whose sums are kept; between the sums of two pairs of slices */
} room_t;

static void finish(cemu_plan_exact_t *p, block_t x, const room_t *room) {
    line_t line;
    int64_t pairs = p->a.slices * p->b.slices;
    for (int64_t row = 0; row < x.rows; row++) {
        int64_t at = (x.row + row) * p->n + x.column;
        if (p->single_) {
            const float *sums = (const float *)room->sums + row * COLUMNS;
            for (int64_t i = 0; i < x.columns; i++) line.high[i] = (double)sums[i];
            for (int64_t i = 0; i < x.columns; i++) line.low[i] = 0;
        } else {
            add_sums((const double *)room->sums + row * COLUMNS, room->apart, pairs, x.columns, &line);
        }
        p->seen |= finish_row(p, pairs, at, x.columns, &line);
    }
}

static void pack(const cemu_plan_exact_t *p, block_t x, const room_t *room) {
    for (int64_t i = 0; i < p->b.slices; i++) {
        int64_t size = COLUMNS * room->ks;
        if (p->single_)
            float_pack(p, i, x, (float *)room->b);
        else
            double_pack(p, i, x, (double *)room->b + i * size);
    }
}

/* Not inlined: nothing is moved across set_control. */
__attribute__((noinline)) static void run(cemu_plan_exact_t *p, const room_t *room) {
    for (int64_t column = p->column; column < p->column_end; column += COLUMNS) {
        block_t x = {.column = column, .columns = least(COLUMNS, p->column_end - column)};
        int64_t packed = -1;
        for (int64_t first = p->row; first < p->row_end; first += room->rows) {
            int64_t last = least(first + room->rows, p->row_end);
            for (x.k = 0; x.k < p->k; x.k += room->ks) {
                x.ks = least(room->ks, p->k - x.k);
                if (packed != x.k) pack(p, x, room);
                packed = x.k;
                for (x.row = first; x.row < last; x.row += ROWS) {
                    int64_t at = (x.row - first) * COLUMNS;
                    x.rows = least(ROWS, last - x.row);
                    if (p->single_)
                        float_products(p, x, room->a, room->b, (float *)room->sums + at, room->apart, COLUMNS * room->ks);
                    else
                        double_products(p, x, room->a, room->b, (double *)room->sums + at, room->apart, COLUMNS * room->ks);
                }
            }
            x.row = first, x.rows = last - first;
            finish(p, x, room);
        }
    }
}

int64_t FOR_ISA(plan_exact_run)(cemu_plan_exact_t *p) {
    int64_t pairs = p->a.slices * p->b.slices, ks = least(KS / p->b.slices, p->k);
    int64_t rows = ks == p->k ? ROWS : KEPT_ROWS / pairs / ROWS * ROWS;
    room_t room = {.ks = ks, .rows = rows < ROWS ? ROWS : rows};
    room.apart = room.rows * COLUMNS;
    size_t of_a = (size_t)(ROWS * ks) * 8, of_b = (size_t)(p->b.slices * ks * COLUMNS) * 8;
    char *all = aligned_alloc(64, of_a + of_b + (size_t)(pairs * room.apart) * 8);
    if (!all) return CEMU_NO_MEMORY;
    room.a = all, room.b = all + of_a, room.sums = all + of_a + of_b;
    const unsigned before = control();
    set_control(NEAREST_EVEN);
    p->seen = 0;
    run(p, &room);
    set_control(before);
    free(all);
    return CEMU_OK;
}
