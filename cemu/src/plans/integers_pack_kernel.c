/* b in panels of words. */
#include "integers_pack.h"
#include "isa.h"

enum { CHUNK = 256 }; /* columns at a time; a multiple of every panel */

int64_t FOR_ISA(plan_integers_pack)(cemu_plan_integers_t *p);

static void bytes_word(const cemu_plan_integers_t *p, int64_t w, int64_t column, int64_t width, uint32_t *out) {
    uint8_t rows[4][CHUNK];
    for (int64_t h = 0; h < 4; h++) {
        int64_t k = place(p, 4 * w + h);
        if (k < 0) {
            memset(rows[h], 0, CHUNK);
            continue;
        }
        bytes_of(&p->b, k * p->n + column, width, rows[h]);
        if (p->column_sums)
            for (int64_t j = 0; j < width; j++) p->column_sums[column + j] += (int8_t)rows[h][j];
    }
    for (int64_t j = 0; j < width; j++)
        out[j] = rows[0][j] | (uint32_t)rows[1][j] << 8 | (uint32_t)rows[2][j] << 16 | (uint32_t)rows[3][j] << 24;
}

static void pairs_word(const cemu_plan_integers_t *p, int64_t w, int64_t column, int64_t width, uint32_t *out) {
    uint16_t rows[2][CHUNK];
    for (int64_t h = 0; h < 2; h++) {
        int64_t k = place(p, 2 * w + h);
        if (k < 0)
            memset(rows[h], 0, sizeof rows[h]);
        else
            halves_of(&p->b, k * p->n + column, width, rows[h]);
    }
    for (int64_t j = 0; j < width; j++) out[j] = rows[0][j] | (uint32_t)rows[1][j] << 16;
}

int64_t FOR_ISA(plan_integers_pack)(cemu_plan_integers_t *p) {
    int64_t count = word_count(p), panel = panel_columns(p->words);
    char *packed = p->packed;
    if (p->column_sums)
        for (int64_t j = p->column; j < p->column_end; j++) p->column_sums[j] = 0;
    for (int64_t column = p->column; column < p->column_end; column += CHUNK) {
        int64_t width = p->column_end - column < CHUNK ? p->column_end - column : CHUNK;
        for (int64_t w = 0; w < count; w++) {
            union {
                uint32_t words[CHUNK];
                uint16_t halves[CHUNK];
            } line = {{0}};
            if (p->words == CEMU_INTEGERS_BYTES) {
                bytes_word(p, w, column, width, line.words);
            } else if (p->words == CEMU_INTEGERS_PAIRS) {
                pairs_word(p, w, column, width, line.words);
            } else {
                int64_t k = place(p, w);
                if (k < 0) {
                    /* zeros */
                } else if (p->words == CEMU_INTEGERS_WIDE)
                    memcpy(line.words, p->b.wide + k * p->n + column, (size_t)width * 4);
                else
                    halves_of(&p->b, k * p->n + column, width, line.halves);
            }
            const char *from = (const char *)&line;
            for (int64_t j = 0; j < width; j += panel, from += PANEL_BYTES)
                memcpy(packed + ((column + j) / panel * count + w) * PANEL_BYTES, from, PANEL_BYTES);
        }
    }
    return CEMU_OK;
}
