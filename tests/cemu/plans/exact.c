/* The plan `exact`: operands looked up by their codes, multiplied, and rounded once. */
#include "cemu_plan_exact.h"
#include "check.h"

enum { M = 51, N = 131, K = 517, Q = -30 }; /* more than one block each way; products are multiples of 2^Q */

/* What 256 codes stand for, in units of 2^q: `slices` parts of integers up to 2^15. */
typedef struct {
    int64_t *values;
    void *tables[3];
} listing;

static double scaled(int64_t x, int q) {
    uint64_t code = code_of(x, q, &BINARY64);
    double out;
    memcpy(&out, &code, sizeof out);
    return out;
}

static listing listed(int64_t most, int q, int slices, int single) {
    listing out = {numbers(256, -most, most), {0}};
    out.values[0] = 0;
    for (int s = 0; s < slices; s++) {
        double *doubles = room(256, 8);
        float *floats = room(256, 4);
        for (int i = 0; i < 256; i++) {
            int64_t low = out.values[i] % 64, part = slices == 1 ? out.values[i] : s ? out.values[i] - low : low;
            doubles[i] = scaled(part, q), floats[i] = (float)doubles[i];
        }
        out.tables[s] = single ? (void *)floats : doubles;
    }
    return out;
}

static void products(int64_t isa, int slices, int single, int64_t c_kind, const format *f) {
    listing a = listed(single ? 60 : 1 << 12, Q + 12, slices, single), b = listed(single ? 60 : 1 << 12, -12, slices, single);
    uint64_t *codes_a = codes_of(numbers(M * K, 0, 255), M * K, 8), *codes_b = codes_of(numbers(K * N, 0, 255), K * N, 8);
    uint8_t *bytes = room(M * K, 1);
    uint16_t *words = room(K * N, 2);
    for (int i = 0; i < M * K; i++) bytes[i] = i / K == 5 ? 0 : (uint8_t)codes_a[i]; /* a row of zeros */
    for (int i = 0; i < K * N; i++) words[i] = (uint16_t)codes_b[i];
    int64_t *c = numbers(M * N, -(1 << 23), 1 << 23);
    double *doubles = room(M * N, 8);
    float *floats = room(M * N, 4);
    for (int i = 0; i < M * N; i++) doubles[i] = scaled(c[i], Q), floats[i] = (float)doubles[i];
    cemu_plan_exact_t p = {
        .m = M, .n = N, .k = K, .a = {.codes = bytes, .width = 1, .slices = slices},
        .b = {.codes = words, .width = 2, .slices = slices}, .single_ = single, .c_kind = c_kind,
        .c = c_kind == CEMU_EXACT_C_FLOAT ? (void *)floats : doubles, .to_float = f != NULL, .out = room(M * N, f ? 4 : 8),
        .out_width = f ? 4 : 8, .flags = room(M * N, 1), .row_end = M, .column_end = N,
    };
    for (int s = 0; s < slices; s++) p.a.tables[s] = a.tables[s], p.b.tables[s] = b.tables[s];
    if (f) {
        p.man_bits = f->man_bits, p.bias = f->bias, p.exp_bits = f->exp_bits, p.over_code = f->over;
        p.largest = scaled(((int64_t)2 << f->man_bits) - 1, f->bias - f->man_bits);
    }
    check("status", isa, (uint64_t)cemu_plan_exact_run(&p, isa), CEMU_OK);
    for (int i = 0; i < M * N; i++) {
        int64_t total = c_kind == CEMU_EXACT_NO_C ? 0 : c[i];
        for (int k = 0; k < K; k++) total += a.values[bytes[i / N * K + k]] * b.values[words[k * N + i % N]];
        uint64_t got = f ? ((uint32_t *)p.out)[i] : ((uint64_t *)p.out)[i];
        check("product", i, got, code_of(total, Q, f ? f : &BINARY64));
        check("its flag", i, p.flags[i], total || c_kind != CEMU_EXACT_NO_C ? 0 : CEMU_EXACT_MAYBE_MINUS_ZERO);
    }
}

static void used(int64_t isa) {
    uint16_t codes[] = {3, 500, 3, 7};
    uint8_t seen[501] = {0};
    cemu_plan_exact_used_t p = {.count = 4, .codes = codes, .width = 2, .used = seen};
    check("status", isa, (uint64_t)cemu_plan_exact_used(&p, isa), CEMU_OK);
    for (int i = 0; i < 501; i++) check("used", i, seen[i], i == 3 || i == 7 || i == 500);
}

void exact(int64_t isa) {
    used(isa);
    products(isa, 1, 0, CEMU_EXACT_NO_C, &BINARY32);
    products(isa, 1, 1, CEMU_EXACT_C_FLOAT, &BINARY32);
    products(isa, 2, 0, CEMU_EXACT_C_DOUBLE, &BINARY16);
    products(isa, 2, 0, CEMU_EXACT_C_DOUBLE, NULL);
}
