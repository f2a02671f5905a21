/* Tiles of TILE_ROWS × 3 vectors, for the carrier REAL: see cemu_plan_fma_t. Included once for each carrier. */
#define PASTE2(x, y) x##_##y
#define PASTE(x, y) PASTE2(x, y)
#define NAME(x) PASTE(x, REAL)
#define VECTOR NAME(vector)
#define WIDTH NAME(WIDTH)
#define VECTORS 3
#define EACH(i, j)                         \
    for (int i = 0; i < TILE_ROWS; i++)    \
        for (int j = 0; j < VECTORS; j++)
#define ROWS CEMU_FMA_ROWS
#define COLUMNS CEMU_FMA_COLUMNS

/* s = s + a * b for `count` k. */
static inline __attribute__((always_inline)) void NAME(chain)(VECTOR s[TILE_ROWS][VECTORS], const REAL *a,
                                                               const REAL *b, int64_t count, int fused) {
    for (int64_t k = 0; k < count; k++, a += ROWS, b += COLUMNS) {
        VECTOR y[VECTORS];
        for (int j = 0; j < VECTORS; j++) y[j] = NAME(load)(b + j * WIDTH);
        for (int i = 0; i < TILE_ROWS; i++) {
            VECTOR x = NAME(all)(a[i]);
            for (int j = 0; j < VECTORS; j++)
                s[i][j] = fused ? NAME(fma)(x, y[j], s[i][j]) : NAME(add)(s[i][j], NAME(mul)(x, y[j]));
        }
    }
}

static inline __attribute__((always_inline)) void NAME(chain_tile)(const REAL *a, const REAL *b, REAL *acc,
                                                                    int64_t stride, int64_t count, int fused) {
    VECTOR s[TILE_ROWS][VECTORS];
    EACH(i, j) s[i][j] = NAME(load)(acc + i * stride + j * WIDTH);
    NAME(chain)(s, a, b, count, fused);
    EACH(i, j) NAME(store)(acc + i * stride + j * WIDTH, s[i][j]);
}

/* Groups of 2^depth runs; what waits for its neighbour lies in `wait`, by its place in the tree. */
static inline __attribute__((always_inline)) void NAME(runs_tile)(const cemu_plan_fma_t *p, const REAL *a,
                                                                   const REAL *b, REAL *acc, int64_t first,
                                                                   int64_t groups, int fused) {
    enum { SIZE = TILE_ROWS * VECTORS * WIDTH, DEPTHS = 20 };
    REAL wait[DEPTHS][SIZE];
    const int64_t stride = COLUMNS * p->panels, in_group = (int64_t)1 << p->depth;
    for (int64_t g = first; g < first + groups; g++) {
        if (p->piece && g % p->piece == 0)
            EACH(i, j) {
                REAL *at = acc + i * stride + j * WIDTH;
                NAME(store)(at, NAME(add)(NAME(load)(at), NAME(all)(0)));
            }
        for (int64_t r = 0; r < in_group; r++, a += p->run * ROWS, b += p->run * COLUMNS) {
            VECTOR s[TILE_ROWS][VECTORS], start = NAME(all)(((const REAL *)p->starts)[g * in_group + r]);
            EACH(i, j) s[i][j] = start;
            NAME(chain)(s, a, b, p->run, fused);
            int64_t depth = 0;
            for (; r >> depth & 1; depth++)
                EACH(i, j) s[i][j] = NAME(add)(NAME(load)(wait[depth] + (i * VECTORS + j) * WIDTH), s[i][j]);
            if (depth < p->depth) {
                EACH(i, j) NAME(store)(wait[depth] + (i * VECTORS + j) * WIDTH, s[i][j]);
                continue;
            }
            EACH(i, j) {
                REAL *at = acc + i * stride + j * WIDTH;
                NAME(store)(at, NAME(add)(NAME(load)(at), s[i][j]));
            }
        }
    }
}

#define LEAF(k) NAME(mul)(NAME(all)(a[(k) * ROWS + i]), NAME(load)(b + (k) * COLUMNS + j * WIDTH))
#define PAIR(k) NAME(add)(LEAF(k), LEAF((k) + 1))
#define FOUR(k) NAME(add)(PAIR(k), PAIR((k) + 2))
#define EIGHT(k) NAME(add)(FOUR(k), FOUR((k) + 4))
static inline __attribute__((always_inline)) void NAME(tree_tile)(const cemu_plan_fma_t *p, const REAL *a,
                                                                   const REAL *b, REAL *acc, int64_t first,
                                                                   int64_t groups, int depth) {
    const int64_t stride = COLUMNS * p->panels, size = (int64_t)1 << depth;
    VECTOR s[TILE_ROWS][VECTORS];
    EACH(i, j) s[i][j] = NAME(load)(acc + i * stride + j * WIDTH);
    for (int64_t g = first; g < first + groups; g++, a += size * ROWS, b += size * COLUMNS) {
        if (p->piece && g % p->piece == 0) EACH(i, j) s[i][j] = NAME(add)(s[i][j], NAME(all)(0));
        EACH(i, j) s[i][j] = NAME(add)(s[i][j], depth == 1 ? PAIR(0) : depth == 2 ? FOUR(0) : EIGHT(0));
    }
    EACH(i, j) NAME(store)(acc + i * stride + j * WIDTH, s[i][j]);
}

/* One tile: k from `at` on, `count` of them (whole groups). */
static void NAME(tile)(const cemu_plan_fma_t *p, const REAL *a, const REAL *b, REAL *acc, int64_t at, int64_t count) {
    const int64_t stride = COLUMNS * p->panels;
    const int64_t size = (p->run ? p->run : 1) << p->depth, first = at / size, groups = count / size;
    if (!p->run && !p->depth && p->fused) NAME(chain_tile)(a, b, acc, stride, count, 1);
    else if (!p->run && !p->depth) NAME(chain_tile)(a, b, acc, stride, count, 0);
    else if (!p->run && p->depth == 1) NAME(tree_tile)(p, a, b, acc, first, groups, 1);
    else if (!p->run && p->depth == 2) NAME(tree_tile)(p, a, b, acc, first, groups, 2);
    else if (!p->run) NAME(tree_tile)(p, a, b, acc, first, groups, 3);
    else if (p->fused) NAME(runs_tile)(p, a, b, acc, first, groups, 1);
    else NAME(runs_tile)(p, a, b, acc, first, groups, 0);
}

/* Blocks of k (so that a panel of b stays in a near cache), panels of b, panels of a, tiles. */
static __attribute__((noinline)) void NAME(all_tiles)(const cemu_plan_fma_t *p) {
    const int64_t size = (p->run ? p->run : 1) << p->depth, block = size * (size < BLOCK ? BLOCK / size : 1);
    const int64_t stride = COLUMNS * p->panels;
    for (int64_t at = 0; at < p->k; at += block) {
        int64_t count = p->k - at < block ? p->k - at : block;
        for (int64_t panel = 0; panel < p->panels; panel++)
            for (int64_t row = p->first; row < p->last; row++)
                for (int r = 0; r < ROWS; r += TILE_ROWS)
                    for (int c = 0; c < COLUMNS; c += VECTORS * WIDTH)
                        NAME(tile)(p, (const REAL *)p->a + (row * p->k + at) * ROWS + r,
                                   (const REAL *)p->b + (panel * p->k + at) * COLUMNS + c,
                                   (REAL *)p->acc + (row * ROWS + r) * stride + panel * COLUMNS + c, at, count);
    }
}

/* Numbers of a table's codes, or of the carrier's own codes. */
#define LOOK_UP(type) \
    for (int64_t j = 0; j < count; j++) out[j] = ((const REAL *)p->table)[((const type *)p->codes)[at + j * p->stride]]
static void NAME(numbers)(const cemu_plan_fma_pack_t *p, int64_t at, int64_t count, REAL *out) {
    const BITS sign = (BITS)1 << (8 * sizeof(BITS) - 1);
    if (p->table && p->bytes == 1) LOOK_UP(uint8_t);
    else if (p->table && p->bytes == 2) LOOK_UP(uint16_t);
    else
        for (int64_t j = 0; j < count; j++) {
            BITS bits = ((const BITS *)p->codes)[at + j * p->stride];
            if (p->daz && (bits & ~sign) < LEAST_NORMAL) bits &= p->daz == 1 ? sign : 0;
            memcpy(out + j, &bits, sizeof bits);
        }
}

static void NAME(pack)(const cemu_plan_fma_pack_t *p) {
    const int64_t width = p->width;
    for (int64_t panel = p->first; panel < p->last; panel++) {
        REAL *out = (REAL *)p->out + panel * p->k * width;
        const int64_t from = panel * width, count = p->count - from < width ? p->count - from : width;
        for (int64_t i = 0; i < p->k; i++, out += width) {
            const int64_t k = p->index[i], filled = k < 0 ? 0 : count;
            if (filled) NAME(numbers)(p, k * p->stride_k + from * p->stride, filled, out);
            for (int64_t j = filled; j < width; j++) out[j] = k < 0 ? (REAL)p->pad : 0;
        }
    }
}

#undef LOOK_UP
#undef PASTE2
#undef PASTE
#undef NAME
#undef VECTOR
#undef WIDTH
#undef VECTORS
#undef EACH
#undef ROWS
#undef COLUMNS
#undef LEAF
#undef PAIR
#undef FOUR
#undef EIGHT
