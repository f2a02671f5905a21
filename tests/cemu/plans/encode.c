/* Casts of arrays: float32 and float64 to E4M3, E4M3 to both, tables, and blocks with a scale. */
#include "cemu_plan_encode.h"
#include "cemu_plan_pairs.h"
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
    for (int out_bits = 8; out_bits <= 32; out_bits *= 2) {
        uint8_t *bytes = room(COUNT, (size_t)out_bits / 8);
        cemu_plan_encode_t job = {.grid = &g, .in = in, .in_bits = bits, .out = bytes, .out_bits = out_bits, .n = COUNT};
        check("status", isa, (uint64_t)cemu_plan_encode(&job, isa), CEMU_OK);
        check("NaN seen", isa, (uint64_t)job.nan_seen, 1);
        for (int i = 0; i < COUNT; i++) {
            uint32_t got = 0;
            memcpy(&got, bytes + i * out_bits / 8, (size_t)out_bits / 8);
            check("encode", i, got, i == 77 ? NOT_A_NUMBER : code_of(x[i], -14, &E4M3));
        }
    }
}

/* float32 and float64 to float32, which has no kernel but that of float64; and to three bits more than bfloat16, which
 * lie at the upper end of words. */
static void to_words(int64_t isa, int bits) {
    const cemu_grid whole = {
        .man_bits = 23, .emin = -126, .top = 128, .rounding = CEMU_ROUNDING_TIES_TO_EVEN, .limit = {0x7f7fffff, 0x7f7fffff},
        .over = {0x7f800000, 0xff800000}, .infinity = {0x7f800000, 0xff800000}, .nan = 0x7fc00000, .sign = 0x80000000,
        .negative_zero = 1,
    };
    const cemu_grid part = {
        .man_bits = 10, .emin = -126, .top = 128, .rounding = CEMU_ROUNDING_TOWARD_ZERO, .limit = {0x3fbff, 0x3fbff},
        .over = {0x3fbff, 0x7fbff}, .infinity = {0x3fc00, 0x7fc00}, .nan = 0x3fe00, .sign = 0x40000, .negative_zero = 1,
        .ignored = 13,
    };
    int64_t *x = numbers(COUNT, -((int64_t)1 << 23), (int64_t)1 << 23);
    char *in = room(COUNT, (size_t)bits / 8);
    uint32_t *out = room(COUNT, sizeof *out);
    for (int i = 0; i < COUNT; i++) {
        uint64_t code = code_of(x[i], -14, bits == 32 ? &BINARY32 : &BINARY64);
        if (i == 77) code = bits == 32 ? 0xffc00000 : 0x7ff8000000000001;
        memcpy(in + i * bits / 8, &code, (size_t)bits / 8);
    }
    for (int which = 0; which < 2; which++) {
        cemu_plan_encode_t job = {.grid = which ? &part : &whole, .in = in, .in_bits = bits, .out = out, .out_bits = 32,
                                  .n = COUNT, .widen = !which && bits == 32};
        check("status", isa, (uint64_t)cemu_plan_encode(&job, isa), CEMU_OK);
        check("NaN seen", isa, (uint64_t)job.nan_seen, 1);
        for (int i = 0; i < COUNT; i++) {
            uint64_t right = i == 77 ? 0x7fc00000 : code_of(x[i], -14, &BINARY32);
            check("word", i, out[i], which ? right & 0xffffe000 : right);
        }
        /* and back; only the second drops bits, which the decoder must not look at */
        cemu_plan_numbers_t back = {
            .in = out, .in_bytes = 4, .out = in, .out_bits = 32, .n = COUNT, .ignored = which ? 13 : 0,
            .field = which ? 0x3ffff : 0x7fffffff, .shift = which ? 13 : 0, .most = which ? 0x3fbff : 0x7f7fffff,
            .infinity = which ? 0x3fc00 : 0x7f800000, .payload = 0x3fffff, .sign = which ? 0x40000 : 0x80000000,
            .minus = which ? 0x40000 : 0x80000000, .minus_zero = 0x80000000,
        };
        uint32_t *again = room(COUNT, sizeof *again);
        back.out = again;
        check("status", isa, (uint64_t)cemu_plan_numbers(&back, isa), CEMU_OK);
        for (int i = 0; i < COUNT; i++) check("number of a word", i, again[i], out[i]);
    }
}

/* Integers of 24 bits in words whose other bits are not looked at. */
static void from_integers(int64_t isa, int bits) {
    uint32_t *in = room(COUNT, sizeof *in);
    int64_t *x = numbers(COUNT, -((int64_t)1 << 23), ((int64_t)1 << 23) - 1);
    char *out = room(COUNT, (size_t)bits / 8);
    for (int with_sign = 0; with_sign < 2; with_sign++) {
        for (int i = 0; i < COUNT; i++) in[i] = (uint32_t)x[i];
        cemu_plan_whole_t job = {.in = in, .out = out, .out_bits = bits, .n = COUNT, .bits = 24, .with_sign = with_sign,
                                 .unit = -8};
        check("status", isa, (uint64_t)cemu_plan_whole(&job, isa), CEMU_OK);
        for (int i = 0; i < COUNT; i++) {
            uint64_t got = 0;
            int64_t right = with_sign ? x[i] : x[i] & 0xffffff;
            memcpy(&got, out + i * bits / 8, (size_t)bits / 8);
            check("integer", i, got, code_of(right, -8, bits == 32 ? &BINARY32 : &BINARY64));
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

static int64_t units_of(int code) {
    int field = code >> 3 & 15, size = field ? 8 | (code & 7) : code & 7;
    return (int64_t)(code & 128 ? -size : size) * ((int64_t)1 << (field ? field - 1 : 0)); /* in units of 2^-9 */
}

/* Products and sums of all pairs of finite E4M3 codes, and both through a table. */
static void pairs(int64_t isa) {
    enum { PAIRS = 254 * 254 };
    const cemu_grid g = grid(NOT_A_NUMBER);
    uint16_t *halves = room(256, 2);
    uint8_t *x = room(PAIRS, 1), *y = room(PAIRS, 1), *found = room(PAIRS, 1), *table = room(1 << 16, 1);
    for (int i = 0; i < 256; i++) {
        uint64_t code = (i & 127) == NOT_A_NUMBER ? 0x7fc00000 : code_of(units_of(i), -9, &BINARY32);
        halves[i] = (uint16_t)(code >> 16);
    }
    for (int i = 0; i < PAIRS; i++) {
        x[i] = (uint8_t)(i / 254 < 127 ? i / 254 : i / 254 + 1);
        y[i] = (uint8_t)(i % 254 < 127 ? i % 254 : i % 254 + 1);
    }
    for (int product = 0; product < 2; product++) {
        cemu_plan_pairs_t job = {
            .grid = &g, .operation = product ? CEMU_OPERATION_MULTIPLY : CEMU_OPERATION_ADD, .x_numbers = halves,
            .y_numbers = halves, .x = x, .y = y, .out = found, .out_bits = 8, .n = PAIRS,
        };
        check("status", isa, (uint64_t)cemu_plan_pairs(&job, isa), CEMU_OK);
        check("refused", isa, (uint64_t)job.refused, 0);
        for (int i = 0; i < PAIRS; i++) {
            int64_t a = units_of(x[i]), b = units_of(y[i]), right = product ? a * b : a + b;
            uint64_t wanted = code_of(right, product ? -18 : -9, &E4M3);
            check(product ? "product" : "sum", i, right ? found[i] : found[i] & 127, wanted);
            table[x[i] << 8 | y[i]] = found[i];
        }
        uint8_t *again = room(PAIRS, 1);
        cemu_plan_pair_table_t other = {.x = x, .y = y, .x_bits = 8, .y_bits = 8, .table = table, .out = again,
                                        .out_bits = 8, .n = PAIRS};
        check("status", isa, (uint64_t)cemu_plan_pair_table(&other, isa), CEMU_OK);
        for (int i = 0; i < PAIRS; i++) check("table", i, again[i], found[i]);
    }
    for (int out_bits = 8; out_bits <= 16; out_bits += 8) {
        uint8_t *out = room(COUNT, (size_t)out_bits / 8);
        cemu_plan_bytes_t job = {.in = x, .entries = halves, .out = out, .out_bits = out_bits, .n = COUNT};
        check("status", isa, (uint64_t)cemu_plan_bytes(&job, isa), CEMU_OK);
        for (int i = 0; i < COUNT; i++) {
            uint16_t got = 0;
            memcpy(&got, out + i * out_bits / 8, (size_t)out_bits / 8);
            check("bytes", i, got, out_bits == 8 ? halves[x[i]] & 255 : halves[x[i]]);
        }
    }
}

void encode(int64_t isa) {
    pairs(isa);
    to_codes(isa, 32);
    to_codes(isa, 64);
    for (int bits = 32; bits <= 64; bits += 32) {
        to_words(isa, bits);
        from_integers(isa, bits);
    }
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
