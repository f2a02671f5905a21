/* Operands in words: what the inner loops load. Of b, panels [panel][word][column]; of a, blocks [word][row]. */
#ifndef CEMU_INTEGERS_PACK_H
#define CEMU_INTEGERS_PACK_H

#include <stdlib.h>

#include "cemu_plan_integers.h"
#include "integers_lanes.h"

/* How many numbers of k one word holds, and its size. */
INLINE int64_t per_word(int64_t words) { return words == CEMU_INTEGERS_BYTES ? 4 : words == CEMU_INTEGERS_PAIRS ? 2 : 1; }
INLINE int64_t word_bytes(int64_t words) { return words == CEMU_INTEGERS_SINGLES ? 2 : 4; }
INLINE int64_t word_count(const cemu_plan_integers_t *p) {
    int64_t each = per_word(p->words);
    return (p->length + each - 1) / each;
}
/* Columns of a panel. */
INLINE int64_t panel_columns(int64_t words) { return PANEL_BYTES / word_bytes(words); }

/* Numbers that stand in a row of memory, of `k` or of columns. Two's complement: (code ^ sign) - sign. */
static void bytes_of(const cemu_integers_operand *x, int64_t at, int64_t count, uint8_t *out) {
    uint8_t offset = (uint8_t)x->offset, sign = (uint8_t)x->sign;
    if (x->codes) {
        const uint64_t *codes = x->codes + at;
        uint8_t less = (uint8_t)(offset - sign);
        for (int64_t i = 0; i < count; i++) out[i] = (uint8_t)(((uint8_t)codes[i] ^ sign) + less);
    } else {
        const int16_t *numbers = x->numbers + at;
        for (int64_t i = 0; i < count; i++) out[i] = (uint8_t)((uint8_t)numbers[i] + offset);
    }
}

static void halves_of(const cemu_integers_operand *x, int64_t at, int64_t count, uint16_t *out) {
    uint16_t sign = (uint16_t)x->sign;
    if (x->codes) {
        const uint64_t *codes = x->codes + at;
        for (int64_t i = 0; i < count; i++) out[i] = (uint16_t)(((uint16_t)codes[i] ^ sign) - sign);
    } else {
        memcpy(out, x->numbers + at, (size_t)count * sizeof *out);
    }
}

/* The k that stands at a position; -1: none. */
INLINE int64_t place(const cemu_plan_integers_t *p, int64_t position) {
    if (position >= p->length) return -1;
    return p->order ? p->order[position] : position;
}

/* Rows row..row_end of a, in blocks of `rows` (the last one filled up with zeros). row_sums: of bytes, or null.
 * line: room for k numbers. */
__attribute__((unused)) static void pack_a(const cemu_plan_integers_t *p, int64_t row, int64_t row_end, int64_t rows,
                                           void *line, void *out, int64_t *row_sums) {
    int64_t count = word_count(p), each = per_word(p->words), k = p->k;
    size_t size = (size_t)(count * rows * word_bytes(p->words));
    uint16_t *halves = line;
    uint8_t *bytes = line, *block = out;
    for (int64_t first = row; first < row_end; first += rows, block += size) {
        if (row_end - first < rows) memset(block, 0, size);
        for (int64_t i = 0; i < rows && first + i < row_end; i++) {
            int64_t at = (first + i) * k;
            if (p->words == CEMU_INTEGERS_BYTES) {
                bytes_of(&p->a, at, k, bytes);
                memset(bytes + k, 0, 4);
                uint32_t *to = (uint32_t *)(void *)block + i;
                for (int64_t w = 0; w < count; w++) memcpy(&to[w * rows], bytes + 4 * w, 4);
                int64_t sum = 0;
                for (int64_t j = 0; j < k; j++) sum += bytes[j];
                row_sums[first - row + i] = sum;
                continue;
            }
            if (p->words == CEMU_INTEGERS_WIDE) {
                int32_t *to = (int32_t *)(void *)block + i;
                for (int64_t w = 0; w < count; w++) to[w * rows] = place(p, w) < 0 ? 0 : p->a.wide[at + place(p, w)];
                continue;
            }
            halves_of(&p->a, at, k, halves);
            halves[k] = 0;
            if (!p->order && each == 2) {
                uint32_t *to = (uint32_t *)(void *)block + i;
                for (int64_t w = 0; w < count; w++) memcpy(&to[w * rows], halves + 2 * w, 4);
                continue;
            }
            uint16_t *to = (uint16_t *)(void *)block;
            for (int64_t w = 0; w < count; w++)
                for (int64_t h = 0; h < each; h++) {
                    int64_t from = place(p, w * each + h);
                    to[(w * rows + i) * each + h] = from < 0 ? 0 : halves[from];
                }
        }
    }
}

#endif
