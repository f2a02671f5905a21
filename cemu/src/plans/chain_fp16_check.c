/* Whether this machine's binary16 multiply-adds are what they should be: the same sums in double, by plan "chain", whose
 * proof does not rest on them. All four directions; operands of all codes, near 1, subnormal, near the largest, and sums
 * next to midpoints; with and without c; tails in both directions. */
#include <stdlib.h>
#include <string.h>

#include "chain_fp16.h"

enum { ROWS = 7, COLUMNS = 101, DEPTH = 5, STYLES = 5, NUMBERS = ROWS * DEPTH + DEPTH * COLUMNS + ROWS * COLUMNS };

static uint64_t draw(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

/* One code of a, b (role 0) or c (role 1). Products of (1 + 2^-10) 2^i and (2 - 2^-9) 2^j are 2^-20 less than a power of
 * two: half a last place of c, and a little less, which a sum in float loses. */
static uint16_t operand(int style, int role, uint64_t *state) {
    static const uint64_t near[4] = {0, 1, 0x3fe, 1};
    uint64_t word = draw(state), sign = word & 0x8000, low = word & 0x3ff, pick = word >> 32;
    switch (style) {
        case 0: return (uint16_t)((word & 0x7c00) == 0x7c00 && pick % 8 ? word & 0x83ff : word); /* few infinities */
        case 1: return (uint16_t)(sign | (12 + pick % 5) << 10 | low);             /* near 1 */
        case 2: return (uint16_t)(sign | pick % 9 << 10 | low >> pick % 11);       /* subnormal sums */
        case 3: return (uint16_t)(sign | (22 + pick % 9) << 10 | (low >> 9 ? low : 0x3ff)); /* overflow */
        default: return (uint16_t)(sign | (role ? (14 + pick % 5) << 10 | low : (9 + pick % 3) << 10 | near[low & 3]));
    }
}

static double number(uint16_t code) {
    int exponent = code >> 10 & 31;
    double x = exponent ? 1024 + (code & 1023) : code & 1023;
    if (exponent == 31) x = code & 1023 ? __builtin_nan("") : __builtin_inf();
    for (int e = exponent ? exponent : 1; e < 25; e++) x *= 0.5;
    for (int e = exponent; e > 25; e--) x *= 2;
    return code & 0x8000 ? -x : x;
}

/* A rounding to binary16 in a direction, as emu's matcher writes it. */
static cemu_plan_chain_cast half_cast(int64_t mode) {
    const double inf = __builtin_inf(), max = 65504;
    cemu_plan_chain_cast out = {
        .how = mode == CEMU_CHAIN_ZERO ? CEMU_CHAIN_TRUNCATE : CEMU_CHAIN_DIRECTION,
        .over = mode == CEMU_CHAIN_ZERO ? CEMU_CHAIN_CLAMP : mode == CEMU_CHAIN_NEAREST ? CEMU_CHAIN_REPLACE
                                                                                        : CEMU_CHAIN_REPLACE_SIGNED,
        .signs = mode == CEMU_CHAIN_DOWN ? 2 : 1, .scale = 0x1p42, .lowest = 1.5 * 0x1p-14, .max = max,
        .over_positive = mode == CEMU_CHAIN_DOWN ? max : inf, .over_negative = mode == CEMU_CHAIN_UP ? -max : -inf,
    };
    return out;
}

/* Whether one set of operands gives the same bits. `x` has room for all numbers. */
static int agrees(int64_t mode, int style, int with_c, double *x) {
    uint64_t state = (uint64_t)(mode * 64 + style * 2 + with_c);
    uint16_t codes[NUMBERS], made[ROWS * COLUMNS], wanted[ROWS * COLUMNS];
    const int b = ROWS * DEPTH, c = b + DEPTH * COLUMNS;
    for (int i = 0; i < NUMBERS; i++) {
        codes[i] = operand(style, i >= c, &state);
        if (mode == CEMU_CHAIN_ZERO && (codes[i] & 0x7c00) == 0x7c00) codes[i] ^= 0x4000; /* its overflow clamps them */
        x[i] = number(codes[i]);
    }
    cemu_plan_chain_fp16_t half = {
        .m = ROWS, .n = COLUMNS, .k = DEPTH, .mode = mode, .a = codes, .a_stride = DEPTH, .b = codes + b,
        .b_stride = COLUMNS, .c = with_c ? codes + c : NULL, .c_stride = COLUMNS, .start = 0x8000, .d = made,
        .d_stride = COLUMNS, .code_nan = 0x7e00,
    };
    cemu_plan_chain_t plain = {
        .wide = 1, .mode = mode, .m = ROWS, .n = COLUMNS, .k = DEPTH, .group = 1,
        .a = {x, 8, DEPTH, NULL, 1}, .b = {x + b, 8, COLUMNS, NULL, 1},
        .c = {with_c ? x + c : NULL, 8, COLUMNS, NULL, 1}, .d = wanted, .d_bytes = 2, .d_stride = COLUMNS,
        .start_inner = -0.0, .inner = half_cast(mode), .factor = 1, .man_bits = 10, .bias = 15, .normal = 0x1p-14,
        .quantum = 0x1p24, .sign = 0x8000, .code_negative_zero = 0x8000, .code_infinity = 0x7c00,
        .code_negative_infinity = 0xfc00, .code_nan = 0x7e00,
    };
    if (chain_fp16_unchecked(&half) || cemu_plan_chain(&plain, CEMU_ISA_V4)) return 0;
    return memcmp(made, wanted, sizeof made) == 0;
}

static int64_t check(void) {
    if (!chain_fp16_can_run()) return CEMU_CHAIN_FP16_ABSENT;
    double *x = malloc(NUMBERS * sizeof *x);
    int same = x != NULL;
    for (int64_t mode = 0; mode < 4; mode++)
        for (int style = 0; style < STYLES; style++)
            for (int with_c = 0; with_c < 2; with_c++) same = same && agrees(mode, style, with_c, x);
    free(x);
    return same ? CEMU_CHAIN_FP16_CHECKED : CEMU_CHAIN_FP16_DIFFERS;
}

CEMU_API int64_t cemu_plan_chain_fp16_state(void) {
    static int64_t state = -1; /* several threads may find it once each */
    int64_t found = __atomic_load_n(&state, __ATOMIC_RELAXED);
    if (found < 0) {
        found = check();
        __atomic_store_n(&state, found, __ATOMIC_RELAXED);
    }
    return found;
}

CEMU_API int64_t cemu_plan_chain_fp16(cemu_plan_chain_fp16_t *p) {
    return cemu_plan_chain_fp16_state() == CEMU_CHAIN_FP16_CHECKED ? chain_fp16_unchecked(p) : CEMU_NO_ISA;
}
