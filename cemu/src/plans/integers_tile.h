/* TILE(a, b, words, out): the products of TILE_ROWS rows and one panel, summed modulo 2^32. Included once for each
 * DOT(acc, a, b), which adds the products of one word of a (the same in all lanes) and words of b. */
TARGET static void TILE(const char *const *a, const char *b, int64_t words, int32_t *out) {
    v32 acc[TILE_ROWS][TILE_VECTORS];
    for (int i = 0; i < TILE_ROWS; i++)
        for (int v = 0; v < TILE_VECTORS; v++) acc[i][v] = (v32){0};
    for (int64_t w = 0; w < words; w++, b += PANEL_BYTES) {
        v32 column[TILE_VECTORS];
        for (int v = 0; v < TILE_VECTORS; v++) column[v] = load32(b + v * VECTOR_BYTES);
        for (int i = 0; i < TILE_ROWS; i++) {
            v32 row = word32(a[i] + 4 * w);
            for (int v = 0; v < TILE_VECTORS; v++) acc[i][v] = DOT(acc[i][v], row, column[v]);
        }
    }
    memcpy(out, acc, sizeof acc);
}
#undef TILE
#undef DOT
#undef TARGET
