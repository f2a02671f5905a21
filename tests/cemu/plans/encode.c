/* Casts of arrays: float32 and float64 to E4M3, E4M3 to both, tables, and blocks with a scale. */
#include "cemu_plan_encode.h"
#include "check.h"

enum { COUNT = 1000, BLOCK = 32, BLOCKS = 9, NOT_A_NUMBER = 0x7f };

/* E4M3 with one NaN and no infinity. `over`: what becomes of what is too large. */
static cemu_grid grid(int64_t over) {
    return (cemu_grid){
        .man_bits = 3, .emin = -6, .top = 9, .rounding = CEMU_ROUNDING_TIES_TO_EVEN, .limit = {126, 126},
        .over = {over, over | 0x80}, .infinity = {over, over | 0x80}, .nan = NOT_A_NUMBER, .sign = 0x80, .negative_zero = 1,
    };
}

static void to_codes(int64_t isa, int bits) {
    const cemu_grid g = grid(NOT_A_NUMBER);
    int64_t *x = numbers(COUNT, -((int64_t)1 << 23), (int64_t)1 << 23);
    char *in = room(COUNT, (size_t)bits / 8);
    for (int i = 0; i < COUNT; i++) {
        x[i] >>= between(0, 23);
        uint64_t code = code_of(x[i], -14, bits == 32 ? &BINARY32 : &BINARY64);
        if (i == 77) code = bits == 32 ? 0xffc00000 : 0x7ff8000000000001;
        memcpy(in + i * bits / 8, &code, (size_t)bits / 8);
    }
    for (int out_bits = 8; out_bits <= 16; out_bits += 8) {
        uint8_t *bytes = room(COUNT, (size_t)out_bits / 8);
        cemu_plan_encode_t job = {.grid = &g, .in = in, .in_bits = bits, .out = bytes, .out_bits = out_bits, .n = COUNT};
        check("status", isa, (uint64_t)cemu_plan_encode(&job, isa), CEMU_OK);
        check("NaN seen", isa, (uint64_t)job.nan_seen, 1);
        for (int i = 0; i < COUNT; i++) {
            uint16_t got = 0;
            memcpy(&got, bytes + i * out_bits / 8, (size_t)out_bits / 8);
            check("encode", i, got, i == 77 ? NOT_A_NUMBER : code_of(x[i], -14, &E4M3));
        }
    }
}

static void to_numbers(int64_t isa, int bits) {
    uint8_t *in = room(256, 1);
    char *out = room(256, (size_t)bits / 8);
    for (int i = 0; i < 256; i++) in[i] = (uint8_t)i;
    cemu_plan_numbers_t job = {
        .in = in, .in_bytes = 1, .out = out, .out_bits = bits, .n = 256, .field = 127, .shift = 20, .raise = 120 << 23,
        .normal = 8, .unit = -9, .most = 126, .infinity = -1, .sign = 128, .minus = 128, .minus_zero = 0x80000000,
    };
    check("status", isa, (uint64_t)cemu_plan_numbers(&job, isa), CEMU_OK);
    check("codes seen", isa, (uint64_t)job.seen, 0xff);
    for (int i = 0; i < 256; i++) {
        uint64_t got = 0;
        int field = i >> 3 & 15, size = field ? 8 | (i & 7) : i & 7, q = (field ? field : 1) - 10;
        memcpy(&got, out + i * bits / 8, (size_t)bits / 8);
        if ((i & 127) == NOT_A_NUMBER)
            check("NaN", i, (got >> (bits == 32 ? 22 : 51) & 511) == 511, 1);
        else if (i == 0x80)
            check("-0", i, got, (uint64_t)1 << (bits - 1));
        else
            check("decode", i, got, code_of(i & 128 ? -size : size, q, bits == 32 ? &BINARY32 : &BINARY64));
    }
}

/* A power of two for each block, floor(log2 absmax) - 8; elements saturate. */
static void blocks(int64_t isa) {
    const cemu_grid g = grid(126);
    const format saturating = {3, 7, 4, 0x7e, 0x7e};
    int64_t *x = numbers(BLOCKS * BLOCK, -65535, 65535);
    float *in = room(BLOCKS * BLOCK, sizeof *in);
    cemu_plan_blocks_t job = {
        .grid = &g, .in = in, .codes = room(BLOCKS * BLOCK, 1), .scales = room(BLOCKS, 1), .blocks = BLOCKS, .block = BLOCK,
        .offset = -8, .threshold = 1 << 23, .low = -127, .high = 127,
    };
    for (int i = 0; i < BLOCKS * BLOCK; i++) {
        x[i] = i / BLOCK == 4 ? 0 : x[i] >> i / BLOCK;
        in[i] = (float)x[i];
    }
    check("status", isa, (uint64_t)cemu_plan_blocks(&job, isa), CEMU_OK);
    check("refused", isa, (uint64_t)job.refused, 0);
    for (int b = 0; b < BLOCKS; b++) {
        int64_t most = 0;
        for (int i = 0; i < BLOCK; i++) most = llabs(x[b * BLOCK + i]) > most ? llabs(x[b * BLOCK + i]) : most;
        int k = most ? log2_of(most) - 8 : -127;
        check("scale", b, job.scales[b], (uint64_t)(k + 127));
        for (int i = 0; i < BLOCK; i++)
            check("element", b * BLOCK + i, job.codes[b * BLOCK + i], code_of(x[b * BLOCK + i], -k, &saturating));
    }
    in[40] = __builtin_inff();
    check("status", isa, (uint64_t)cemu_plan_blocks(&job, isa), CEMU_OK);
    check("an infinity is refused", isa, (uint64_t)job.refused, 1);
}

void encode(int64_t isa) {
    to_codes(isa, 32);
    to_codes(isa, 64);
    to_numbers(isa, 32);
    to_numbers(isa, 64);
    blocks(isa);
    uint8_t *in = room(COUNT, 1);
    uint16_t *table = room(64, 2), *out = room(COUNT, 2);
    uint64_t seen = 0;
    for (int i = 0; i < 64; i++) table[i] = (uint16_t)(i * i);
    for (int i = 0; i < COUNT; i++) in[i] = (uint8_t)i;
    check("status", isa, (uint64_t)cemu_plan_lookup(in, 1, table, out, 2, COUNT, 63, &seen), CEMU_OK);
    for (int i = 0; i < COUNT; i++) check("lookup", i, out[i], (uint64_t)(i & 63) * (uint64_t)(i & 63));
    check("codes seen", isa, seen, 0xff);
}
