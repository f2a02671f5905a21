/* The plan `exact`: codes to numbers, and exact sums rounded once. */
#include "cemu_plan_exact.h"
#include "check.h"

enum { COUNT = 1100, Q = -30 }; /* more than two blocks; numbers are multiples of 2^Q */

static double *doubles(const int64_t *from, int q, int64_t count) {
    double *out = room(count, sizeof *out);
    for (int64_t i = 0; i < count; i++) {
        uint64_t code = code_of(from[i], q, &BINARY64);
        memcpy(&out[i], &code, sizeof code);
    }
    return out;
}

static void decode(int64_t isa) {
    double *table = room(256, 8), *out = room(COUNT, 8);
    float *narrow = room(256, 4), *out_narrow = room(COUNT, 4);
    uint64_t *codes = codes_of(numbers(COUNT, 3, 250), COUNT, 8);
    uint8_t *used = room(256, 1);
    for (int i = 0; i < 256; i++) table[i] = i * 0.5 - 32, narrow[i] = (float)table[i];
    cemu_plan_exact_decode_t p = {.count = COUNT, .codes = codes, .table = table, .out = out, .used = used};
    check("status", isa, (uint64_t)cemu_plan_exact_decode(&p, isa), CEMU_OK);
    cemu_plan_exact_decode_t q = {.count = COUNT, .codes = codes, .table = narrow, .single_ = 1, .out = out_narrow};
    check("status", isa, (uint64_t)cemu_plan_exact_decode(&q, isa), CEMU_OK);
    for (int i = 0; i < COUNT; i++) {
        check("decoded", i, out[i] == table[codes[i]], 1);
        check("decoded to float", i, out_narrow[i] == narrow[codes[i]], 1);
        check("used", i, used[codes[i]], 1);
    }
    check("not used", 0, used[0] + used[255], 0);
}

static cemu_plan_exact_finish_t problem(const format *f) {
    uint64_t largest = f ? code_of(((int64_t)2 << f->man_bits) - 1, f->bias - f->man_bits, &BINARY64) : 0;
    cemu_plan_exact_finish_t p = {.count = COUNT, .out = room(COUNT, 8), .flags = room(COUNT, 1), .to_float = f != NULL};
    if (f) p.man_bits = f->man_bits, p.bias = f->bias, p.exp_bits = f->exp_bits, p.over_code = f->over;
    memcpy(&p.largest, &largest, sizeof largest);
    return p;
}

void exact(int64_t isa) {
    decode(isa);
    /* one sum, no c, to binary16: subnormals, normal numbers, overflow; zeros are pointed out */
    int64_t *sums = room(COUNT, 8);
    for (int i = 0; i < COUNT; i++) sums[i] = i % 50 ? between(-((int64_t)1 << 50), (int64_t)1 << 50) >> between(0, 50) : 0;
    cemu_plan_exact_finish_t p = problem(&BINARY16);
    p.sums = 1, p.sum[0] = doubles(sums, Q, COUNT);
    check("status", isa, (uint64_t)cemu_plan_exact_finish(&p, isa), CEMU_OK);
    for (int i = 0; i < COUNT; i++) {
        check("one sum", i, p.out[i], code_of(sums[i], Q, &BINARY16));
        check("its flag", i, p.flags[i], sums[i] ? 0 : CEMU_EXACT_MAYBE_MINUS_ZERO);
    }
    check("seen", 0, (uint64_t)p.seen, CEMU_EXACT_MAYBE_MINUS_ZERO);

    /* three sums and c whose total has up to 61 bits, to binary32 and, to odd, to double */
    int64_t *high = numbers(COUNT, -(1 << 30), 1 << 30), *middle = numbers(COUNT, -(1 << 30), 1 << 30);
    int64_t *low = numbers(COUNT, -3, 3), *c = numbers(COUNT, -((int64_t)1 << 52), (int64_t)1 << 52);
    for (int to_float = 0; to_float < 2; to_float++) {
        p = problem(to_float ? &BINARY32 : NULL);
        p.sums = 3, p.sum[0] = doubles(high, Q + 30, COUNT), p.sum[1] = doubles(middle, Q + 10, COUNT);
        p.sum[2] = doubles(low, Q, COUNT), p.c_kind = CEMU_EXACT_C_DOUBLE, p.c = doubles(c, Q, COUNT);
        check("status", isa, (uint64_t)cemu_plan_exact_finish(&p, isa), CEMU_OK);
        for (int i = 0; i < COUNT; i++) {
            int64_t total = high[i] * (1 << 30) + middle[i] * (1 << 10) + low[i] + c[i];
            uint64_t right = to_float ? code_of(total, Q, &BINARY32) : code_of(rounded(total, 53, ODD), Q, &BINARY64);
            check(to_float ? "three sums" : "to odd", i, p.out[i], right);
        }
    }

    /* c as codes of binary32; infinities and NaN among them are pointed out */
    uint64_t *codes = room(COUNT, 8);
    for (int i = 0; i < COUNT; i++) codes[i] = code_of(c[i] >> 30, Q, &BINARY32);
    codes[5] = 0x7f800000, codes[600] = 0xffc00001;
    p = problem(&BINARY16);
    p.sums = 1, p.sum[0] = doubles(sums, Q, COUNT), p.c_kind = CEMU_EXACT_C_FLOAT_CODES, p.c = codes;
    check("status", isa, (uint64_t)cemu_plan_exact_finish(&p, isa), CEMU_OK);
    for (int i = 0; i < COUNT; i++)
        if (i == 5 || i == 600)
            check("special c", i, p.flags[i] & CEMU_EXACT_SPECIAL_C, CEMU_EXACT_SPECIAL_C);
        else
            check("c of 32 bits", i, p.out[i], code_of(sums[i] + (c[i] >> 30), Q, &BINARY16));
}
