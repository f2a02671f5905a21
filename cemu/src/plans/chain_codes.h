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

#define STORE(type)                                                                   \
    {                                                                                 \
        type *out = (type *)p->d + at;                                                \
        for (int64_t j = 0; j < count; j++) out[j] = (type)code_of(p, values[j]);     \
    }

INLINE uint64_t code_of(const cemu_plan_chain_t *p, T value) {
    const int shift = (int)(52 - p->man_bits);
    const uint64_t rebias = (uint64_t)(1023 - p->bias) << p->man_bits;
    double x = (double)value * p->factor;
    uint64_t bits, code;
    memcpy(&bits, &x, sizeof bits);
    double size = __builtin_fabs(x);
    int finite = size < __builtin_inf();
    uint64_t below = (uint64_t)(int64_t)((finite & (size < p->normal) ? size : 0) * p->quantum);
    code = size < p->normal ? below : (((bits & 0x7fffffffffffffff) >> shift) - rebias);
    code |= bits >> 63 ? p->sign : 0;
    code = size == 0 ? (bits >> 63 ? p->code_negative_zero : 0) : code;
    code = size == __builtin_inf() ? (bits >> 63 ? p->code_negative_infinity : p->code_infinity) : code;
    return x != x ? p->code_nan : code;
}

/* `count` numbers to the codes of d from (row, column) on. */
static void write_codes(const cemu_plan_chain_t *p, const T *values, int64_t row, int64_t column, int64_t count) {
    const int64_t at = row * p->d_stride + column;
    switch (p->d_bytes) {
        case 1: STORE(uint8_t) break;
        case 2: STORE(uint16_t) break;
        case 4: STORE(uint32_t) break;
        default: STORE(uint64_t) break;
    }
}

#endif
