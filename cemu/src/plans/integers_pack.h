/* Operands in words: what the inner loops load. Of b, one panel at a time, [word][column]; of a, rows of words. */
#ifndef CEMU_INTEGERS_PACK_H
#define CEMU_INTEGERS_PACK_H

#include <stdlib.h>

#include "cemu_plan_integers.h"
#include "integers_lanes.h"

/* How many numbers of k one word holds, and its size. */
INLINE int64_t per_word(int64_t words) { return words == CEMU_INTEGERS_BYTES ? 4 : words == CEMU_INTEGERS_PAIRS ? 2 : 1; }
INLINE int64_t word_bytes(int64_t words) { return words == CEMU_INTEGERS_SINGLES ? 2 : 4; }
INLINE int64_t number_bytes(int64_t words) { return word_bytes(words) / per_word(words); }
INLINE int64_t word_count(const cemu_plan_integers_t *p) {
    int64_t each = per_word(p->words);
    return (p->length + each - 1) / each;
}
/* Columns of a panel. */
INLINE int64_t panel_columns(int64_t words) { return PANEL_BYTES / word_bytes(words); }
enum { MOST_COLUMNS = PANEL_BYTES / 2 };

#define EACH(T, x, at, count, out, number)                \
    do {                                                  \
        const T *codes = (const T *)(x)->codes + (at);    \
        for (int64_t i = 0; i < (count); i++) {           \
            const T code = codes[i];                      \
            (out)[i] = number;                            \
        }                                                 \
    } while (0)
#define OF_WIDTH(x, at, count, out, number)                                \
    switch ((x)->width) {                                                  \
        case 1: EACH(uint8_t, x, at, count, out, number); break;           \
        case 2: EACH(uint16_t, x, at, count, out, number); break;          \
        case 4: EACH(uint32_t, x, at, count, out, number); break;          \
        default: EACH(uint64_t, x, at, count, out, number); break;         \
    }

/* Numbers that stand in a row of memory, of `k` or of columns. Two's complement: (code ^ sign) - sign. */
static void bytes_of(const cemu_integers_operand *x, int64_t at, int64_t count, uint8_t *restrict out) {
    const uint8_t offset = (uint8_t)x->offset, sign = (uint8_t)x->sign, less = (uint8_t)(offset - sign);
    const int16_t *table = x->table;
    if (table)
        OF_WIDTH(x, at, count, out, (uint8_t)(table[code] + offset))
    else
        OF_WIDTH(x, at, count, out, (uint8_t)(((uint8_t)code ^ sign) + less))
}

static void halves_of(const cemu_integers_operand *x, int64_t at, int64_t count, uint16_t *restrict out) {
    const uint16_t sign = (uint16_t)x->sign;
    const int16_t *table = x->table;
    if (table)
        OF_WIDTH(x, at, count, out, (uint16_t)table[code])
    else
        OF_WIDTH(x, at, count, out, (uint16_t)(((uint16_t)code ^ sign) - sign))
}

/* The k that stands at a position; -1: none. */
INLINE int64_t place(const cemu_plan_integers_t *p, int64_t position) {
    if (position >= p->length) return -1;
    return p->order ? p->order[position] : position;
}

/* What a call works with: rows of a from `row` on, and room for one panel of b. */
typedef struct {
    char *all;
    const char *a;
    int64_t stride, words; /* bytes of a row, words of a row */
    char *panel;
    int64_t *row_sums; /* of a as bytes, if b has an offset */
    int64_t column_sums[MOST_COLUMNS]; /* of b as bytes, if a has an offset */
} operands_t;

/* Whether rows of a can be read where they stand. */
static int in_place(const cemu_plan_integers_t *p) {
    int64_t size = number_bytes(p->words);
    if (p->order || p->length != p->k || p->k % per_word(p->words)) return 0;
    if (p->words == CEMU_INTEGERS_WIDE) return 1;
    int whole = p->a.sign == (uint64_t)1 << (8 * size - 1) || (!p->a.sign && p->a.width == size);
    return !p->a.table && !p->a.offset && p->a.width == size && whole;
}

static void prepare_row(const cemu_plan_integers_t *p, int64_t row, void *line, char *out, int64_t stride) {
    int64_t at = row * p->k, size = number_bytes(p->words);
    if (p->words == CEMU_INTEGERS_WIDE) {
        int32_t *to = (int32_t *)(void *)out;
        for (int64_t w = 0; w < p->length; w++) to[w] = place(p, w) < 0 ? 0 : p->a.wide[at + place(p, w)];
        return;
    }
    char *plain = p->order ? line : out;
    if (p->words == CEMU_INTEGERS_BYTES)
        bytes_of(&p->a, at, p->k, (uint8_t *)plain);
    else
        halves_of(&p->a, at, p->k, (uint16_t *)(void *)plain);
    if (!p->order) {
        memset(out + p->k * size, 0, (size_t)(stride - p->k * size));
        return;
    }
    memset(out, 0, (size_t)stride);
    for (int64_t i = 0; i < p->length; i++)
        if (p->order[i] >= 0) memcpy(out + i * size, plain + p->order[i] * size, (size_t)size);
}

static int64_t sum_of_bytes(const char *row, int64_t count) {
    int64_t total = 0;
    for (int64_t first = 0; first < count; first += 1 << 20) {
        int32_t sum = 0;
        int64_t end = count - first < 1 << 20 ? count : first + (1 << 20);
        for (int64_t i = first; i < end; i++) sum += (int8_t)row[i];
        total += sum;
    }
    return total;
}

/* Room for a call, with a laid out; a status. */
static int64_t prepare(const cemu_plan_integers_t *p, operands_t *x) {
    int64_t rows = p->row_end - p->row, inside = in_place(p);
    x->words = word_count(p);
    x->stride = x->words * word_bytes(p->words);
    size_t panel = (size_t)(x->words * PANEL_BYTES), of_a = inside ? 0 : (size_t)(rows * x->stride + 63) / 64 * 64;
    size_t sums = (size_t)rows * sizeof *x->row_sums, line = (size_t)p->k * 4;
    x->all = aligned_alloc(64, (panel + of_a + sums + line + 127) / 64 * 64);
    if (!x->all) return CEMU_NO_MEMORY;
    x->panel = x->all;
    char *a = x->all + panel;
    x->row_sums = (int64_t *)(void *)(a + of_a);
    if (inside) {
        const char *codes = p->words == CEMU_INTEGERS_WIDE ? (const char *)p->a.wide : p->a.codes;
        x->a = codes + p->row * x->stride;
    } else {
        for (int64_t i = 0; i < rows; i++)
            prepare_row(p, p->row + i, a + of_a + sums, a + i * x->stride, x->stride);
        x->a = a;
    }
    if (p->words == CEMU_INTEGERS_BYTES && p->b.offset)
        for (int64_t i = 0; i < rows; i++) x->row_sums[i] = sum_of_bytes(x->a + i * x->stride, p->k);
    return CEMU_OK;
}

static void bytes_word(const cemu_plan_integers_t *p, operands_t *x, int64_t w, int64_t column, int64_t width) {
    enum { COLUMNS = PANEL_BYTES / 4 };
    uint8_t rows[4][COLUMNS];
    uint32_t out[COLUMNS];
    for (int64_t h = 0; h < 4; h++) {
        int64_t k = place(p, 4 * w + h);
        if (k < 0 || width < COLUMNS) memset(rows[h], 0, COLUMNS);
        if (k < 0) continue;
        bytes_of(&p->b, k * p->n + column, width, rows[h]);
        if (p->a.offset)
            for (int64_t j = 0; j < COLUMNS; j++) x->column_sums[j] += rows[h][j];
    }
    for (int64_t j = 0; j < COLUMNS; j++)
        out[j] = rows[0][j] | (uint32_t)rows[1][j] << 8 | (uint32_t)rows[2][j] << 16 | (uint32_t)rows[3][j] << 24;
    memcpy(x->panel + w * PANEL_BYTES, out, PANEL_BYTES);
}

static void pairs_word(const cemu_plan_integers_t *p, char *to, int64_t w, int64_t column, int64_t width) {
    enum { COLUMNS = PANEL_BYTES / 4 };
    uint16_t rows[2][COLUMNS];
    uint32_t out[COLUMNS];
    for (int64_t h = 0; h < 2; h++) {
        int64_t k = place(p, 2 * w + h);
        if (k < 0 || width < COLUMNS) memset(rows[h], 0, sizeof rows[h]);
        if (k >= 0) halves_of(&p->b, k * p->n + column, width, rows[h]);
    }
    for (int64_t j = 0; j < COLUMNS; j++) out[j] = rows[0][j] | (uint32_t)rows[1][j] << 16;
    memcpy(to, out, PANEL_BYTES);
}

/* The panel of b that starts at a column; columns past the last one are zeros. */
static void pack_panel(const cemu_plan_integers_t *p, operands_t *x, int64_t column) {
    int64_t each = panel_columns(p->words), width = p->n - column < each ? p->n - column : each;
    if (p->words == CEMU_INTEGERS_BYTES) memset(x->column_sums, 0, sizeof x->column_sums);
    for (int64_t w = 0; w < x->words; w++) {
        char *to = x->panel + w * PANEL_BYTES;
        if (p->words == CEMU_INTEGERS_BYTES) {
            bytes_word(p, x, w, column, width);
        } else if (p->words == CEMU_INTEGERS_PAIRS) {
            pairs_word(p, to, w, column, width);
        } else {
            int64_t k = place(p, w);
            if (k < 0 || width < each) memset(to, 0, PANEL_BYTES);
            if (k < 0) continue;
            if (p->words == CEMU_INTEGERS_WIDE)
                memcpy(to, p->b.wide + k * p->n + column, (size_t)width * 4);
            else
                halves_of(&p->b, k * p->n + column, width, (uint16_t *)(void *)to);
        }
    }
}

/* The rows of a tile; those past the last one repeat it. */
INLINE void tile_rows(const operands_t *x, int64_t first, int64_t count, int64_t of, const char **rows) {
    for (int64_t i = 0; i < of; i++) rows[i] = x->a + (first + (i < count ? i : count - 1)) * x->stride;
}

#endif
