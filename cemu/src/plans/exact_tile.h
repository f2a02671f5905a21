/* The matrix product in blocks, for NUMBER (double or float) in vectors of LANES numbers: FOR(name) defines a function.
 * FMA(x, y, z) is x y + z: fused or not, because every partial sum is exact. */
typedef NUMBER FOR(vector) __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef NUMBER FOR(loose) __attribute__((vector_size(VECTOR_BYTES), may_alias, aligned(sizeof(NUMBER))));
enum { FOR(LANES) = VECTOR_BYTES / (int)sizeof(NUMBER), FOR(PANEL) = TILE_VECTORS * FOR(LANES) };

#if defined(__clang__)
#define ONE_BY_ONE
#else /* gathers are slower than loads */
#define ONE_BY_ONE __attribute__((optimize("no-tree-vectorize")))
#endif

/* Numbers of codes that stand in a row. */
ONE_BY_ONE static void FOR(look_up)(const cemu_exact_operand *x, int64_t slice, int64_t at, int64_t count, NUMBER *out) {
    const NUMBER *table = x->tables[slice];
    if (x->width == 1) {
        const uint8_t *codes = (const uint8_t *)x->codes + at;
        for (int64_t i = 0; i < count; i++) out[i] = table[codes[i]];
    } else {
        const uint16_t *codes = (const uint16_t *)x->codes + at;
        for (int64_t i = 0; i < count; i++) out[i] = table[codes[i]];
    }
}

/* Panels [panel][k][column] of a block of b; columns past the last one are zeros. */
static void FOR(pack)(const cemu_plan_exact_t *p, int64_t slice, block_t x, NUMBER *out) {
    for (int64_t first = 0; first < x.columns; first += FOR(PANEL)) {
        int64_t count = x.columns - first < FOR(PANEL) ? x.columns - first : FOR(PANEL);
        for (int64_t k = 0; k < x.ks; k++, out += FOR(PANEL)) {
            if (count < FOR(PANEL)) memset(out, 0, sizeof(NUMBER) * FOR(PANEL));
            FOR(look_up)(&p->b, slice, (x.k + k) * p->n + x.column + first, count, out);
        }
    }
}

/* TILE_ROWS rows of a (`stride` apart) and one panel, into sums (rows COLUMNS apart). */
static void FOR(tile)(const NUMBER *a, int64_t stride, const NUMBER *b, int64_t ks, int add, NUMBER *sums) {
    FOR(vector) acc[TILE_ROWS][TILE_VECTORS];
    for (int i = 0; i < TILE_ROWS; i++)
        for (int v = 0; v < TILE_VECTORS; v++) {
            const FOR(loose) *at = (const FOR(loose) *)(sums + i * COLUMNS + v * FOR(LANES));
            acc[i][v] = add ? *at : (FOR(vector)){0};
        }
    for (int64_t k = 0; k < ks; k++, b += FOR(PANEL)) {
        FOR(vector) column[TILE_VECTORS];
        for (int v = 0; v < TILE_VECTORS; v++) column[v] = *(const FOR(loose) *)(b + v * FOR(LANES));
        for (int i = 0; i < TILE_ROWS; i++) {
            FOR(vector) row = a[i * stride + k] - (FOR(vector)){0};
            for (int v = 0; v < TILE_VECTORS; v++) acc[i][v] = FMA(row, column[v], acc[i][v]);
        }
    }
    for (int i = 0; i < TILE_ROWS; i++)
        for (int v = 0; v < TILE_VECTORS; v++) *(FOR(loose) *)(sums + i * COLUMNS + v * FOR(LANES)) = acc[i][v];
}

/* All products of a block, added into the sums of each pair of slices (`apart` numbers). */
static void FOR(products)(const cemu_plan_exact_t *p, block_t x, NUMBER *a, const NUMBER *b, NUMBER *sums, int64_t apart,
                          int64_t b_apart) {
    for (int64_t i = 0; i < p->a.slices; i++) {
        for (int64_t row = 0; row < ROWS; row++) /* rows past the last one repeat it: their sums are not read */
            FOR(look_up)(&p->a, i, (x.row + (row < x.rows ? row : x.rows - 1)) * p->k + x.k, x.ks, a + row * x.ks);
        for (int64_t row = 0; row < x.rows; row += TILE_ROWS)
            for (int64_t j = 0; j < p->b.slices; j++)
                for (int64_t column = 0; column < x.columns; column += FOR(PANEL))
                    FOR(tile)(a + row * x.ks, x.ks, b + j * b_apart + column * x.ks, x.ks, x.k > 0,
                              sums + (i * p->b.slices + j) * apart + row * COLUMNS + column);
    }
}
#undef ONE_BY_ONE
#undef NUMBER
#undef FOR
#undef FMA
