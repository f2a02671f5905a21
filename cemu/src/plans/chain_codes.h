/* Codes to carrier numbers, and back. */
#ifndef CEMU_PLANS_CHAIN_CODES_H
#define CEMU_PLANS_CHAIN_CODES_H

#include <string.h>

#include "chain_round.h"

#define LOOK_UP(type)                                                           \
    {                                                                           \
        const type *codes = (const type *)x->codes + at;                        \
        for (int64_t j = 0; j < count; j++) out[j] = table[codes[j]];           \
    }

/* `count` numbers of a row; whether any is a NaN or an infinity. */
static int numbers(const cemu_plan_chain_operand *x, int64_t row, int64_t column, int64_t count, T *out) {
    const int64_t at = row * x->stride + column;
    const T *table = x->table, scale = (T)x->scale;
    if (!table)
        for (int64_t j = 0; j < count; j++) out[j] = ((const T *)x->codes)[at + j] * scale;
    else if (x->bytes == 1) LOOK_UP(uint8_t)
    else LOOK_UP(uint16_t)
    B special = 0;
    for (int64_t j = 0; j < count; j++) {
        B bits;
        memcpy(&bits, out + j, sizeof bits);
        special |= (bits & EXPONENT) == EXPONENT;
    }
    return (int)special;
}

/* What codes are made of, as the loops want it: compared and chosen as integers, so that the compiler makes vectors. */
typedef struct {
    double factor, quantum;
    int64_t normal, rebias, sign, negative_zero, infinity, negative_infinity, nan;
    int shift;
} code_parts;

static code_parts parts_of(const cemu_plan_chain_t *p) {
    code_parts out = {
        p->factor, p->quantum, 0, (int64_t)((uint64_t)(1023 - p->bias) << p->man_bits), (int64_t)p->sign,
        (int64_t)p->code_negative_zero, (int64_t)p->code_infinity, (int64_t)p->code_negative_infinity,
        (int64_t)p->code_nan, (int)(52 - p->man_bits),
    };
    memcpy(&out.normal, &p->normal, sizeof out.normal);
    return out;
}

INLINE int64_t code_of(code_parts p, T value) {
    const int64_t infinite = 0x7ff0000000000000;
    double x = (double)value * p.factor, tiny;
    int64_t bits, size, small;
    memcpy(&bits, &x, sizeof bits);
    size = bits & 0x7fffffffffffffff;
    small = size < p.normal ? size : 0;
    memcpy(&tiny, &small, sizeof tiny);
    int64_t below = (int64_t)(tiny * p.quantum), code = (int64_t)((uint64_t)size >> p.shift) - p.rebias;
    code = size < p.normal ? below : code;
    code |= bits < 0 ? p.sign : 0;
    int64_t zero = bits < 0 ? p.negative_zero : 0, infinity = bits < 0 ? p.negative_infinity : p.infinity;
    code = size == 0 ? zero : code;
    code = size == infinite ? infinity : code;
    return size > infinite ? p.nan : code;
}

#define STORE(type)                                                                  \
    {                                                                                \
        type *restrict out = (type *)p->d + at;                                      \
        for (int64_t j = 0; j < count; j++) out[j] = (type)code_of(parts, values[j]); \
    }

/* `count` numbers to the codes of d from (row, column) on. */
static void write_codes(const cemu_plan_chain_t *p, const T *restrict values, int64_t row, int64_t column,
                        int64_t count) {
    const int64_t at = row * p->d_stride + column;
    const code_parts parts = parts_of(p);
    switch (p->d_bytes) {
        case 1: STORE(uint8_t) break;
        case 2: STORE(uint16_t) break;
        case 4: STORE(uint32_t) break;
        default: STORE(uint64_t) break;
    }
}

#endif
