/* The plan `integers`: sums in 32 bits, saturation after every product, steps of two levels. */
#include "cemu_plan_integers.h"
#include "check.h"

enum { M = 7, N = 150, K = 37, GROUP = 4 };

typedef int64_t expected(const int64_t *products, int64_t c);
typedef int64_t kernel(cemu_plan_integers_t *, int64_t);

static int64_t sum(const int64_t *products, int64_t c) {
    for (int k = 0; k < K; k++) c += products[k];
    return (int32_t)(uint32_t)(uint64_t)c;
}

static int64_t saturating(const int64_t *products, int64_t c) {
    for (int k = 0; k < K; k++) c = clamped(c + products[k], INT16_MIN, INT16_MAX);
    return c;
}

static int64_t narrow(const int64_t *products, int64_t c) {
    for (int k = 0; k < K; k++) c = clamped(c + products[k], -3000, 2500);
    return c;
}

/* Four products are added and clamped; that is added to the accumulator, which wraps at 16 bits. */
static int64_t groups(const int64_t *products, int64_t c) {
    for (int k = 0; k < K; k += GROUP) {
        int64_t inner = 0;
        for (int i = k; i < K && i < k + GROUP; i++) inner += products[i];
        c = (int16_t)(uint16_t)(uint64_t)(c + clamped(inner, -9000, 8000));
    }
    return c;
}

/* Codes in so many bytes each. */
static void *packed(const uint64_t *codes, int64_t count, int64_t width) {
    char *out = room(count, (size_t)width);
    for (int64_t i = 0; i < count; i++) memcpy(out + i * width, &codes[i], (size_t)width); /* little-endian */
    return out;
}

static int64_t width_of_codes = 8; /* of a and b */

static cemu_plan_integers_t problem(int64_t words, int64_t c_bits, const int64_t *a, const int64_t *b, const int64_t *c) {
    int64_t width = width_of_codes, c_width = width == 8 ? 8 : c_bits / 8;
    return (cemu_plan_integers_t){
        .m = M, .n = N, .k = K, .a = {.codes = packed(codes_of(a, M * K, 8), M * K, width), .width = width, .sign = 128},
        .b = {.codes = packed(codes_of(b, K * N, 8), K * N, width), .width = width, .sign = 128}, .length = K,
        .words = words, .c = packed(codes_of(c, M * N, (int)c_bits), M * N, c_width), .c_width = c_width,
        .c_sign = (uint64_t)1 << (c_bits - 1), .d = room(M * N, (size_t)c_width), .d_width = c_width, .row_end = M,
        .column_end = N, .block = 3, .first = 1, .last = 1, .mask = ((uint64_t)1 << c_bits) - 1,
    };
}

static void run(const char *what, int64_t isa, cemu_plan_integers_t *p, kernel *of, expected *right, const int64_t *a,
                const int64_t *b, const int64_t *c) {
    int64_t products[K];
    check(what, -2, (uint64_t)of(p, isa), CEMU_OK);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            for (int k = 0; k < K; k++) products[k] = a[i * K + k] * b[k * N + j];
            uint64_t got = 0;
            memcpy(&got, (char *)p->d + (i * N + j) * p->d_width, (size_t)p->d_width);
            check(what, i * N + j, got, (uint64_t)right(products, c[i * N + j]) & p->mask);
        }
}

static int32_t *halves(const int64_t *from, int64_t count) {
    int32_t *out = room(count, sizeof *out);
    for (int64_t i = 0; i < count; i++) out[i] = (int32_t)from[i];
    return out;
}

/* After each word of `each` products: what ends a group, or K. */
static uint8_t *flags(int64_t each) {
    int64_t words = (K + each - 1) / each;
    uint8_t *out = room(words, 1);
    for (int64_t w = 0; w < words; w++)
        if ((w + 1) * each % GROUP == 0 || w + 1 == words)
            out[w] = CEMU_INTEGERS_CAST_INNER | CEMU_INTEGERS_HAND_UP | CEMU_INTEGERS_CAST_OUTER;
    return out;
}

static const cemu_integers_cast INNER = {.kind = CEMU_INTEGERS_CLAMP, .low = -9000, .high = 8000};

static void all(int64_t isa) {
    const int64_t *a = numbers(M * K, -128, 127), *b = numbers(K * N, -128, 127);
    const int64_t *c = numbers(M * N, INT32_MIN, INT32_MAX), *small = numbers(M * N, INT16_MIN, INT16_MAX);
    const int64_t *tiny = numbers(M * N, -3000, 2500);

    cemu_plan_integers_t p = problem(CEMU_INTEGERS_PAIRS, 32, a, b, c);
    run("sum of pairs", isa, &p, cemu_plan_integers_sum, sum, a, b, c);
    p = problem(CEMU_INTEGERS_BYTES, 32, a, b, c);
    p.b.offset = 128;
    for (p.only_32 = 0; p.only_32 < 2 && cemu_plan_integers_bytes(isa) == CEMU_INTEGERS_BYTES; p.only_32++)
        run("sum of bytes", isa, &p, cemu_plan_integers_sum, sum, a, b, c);

    p = problem(CEMU_INTEGERS_SINGLES, 16, a, b, small);
    p.outer = (cemu_integers_cast){.kind = CEMU_INTEGERS_CLAMP, .low = INT16_MIN, .high = INT16_MAX};
    run("saturating", isa, &p, cemu_plan_integers_chain, saturating, a, b, small);
    p = problem(CEMU_INTEGERS_SINGLES, 16, a, b, tiny);
    p.outer = (cemu_integers_cast){.kind = CEMU_INTEGERS_CLAMP, .low = -3000, .high = 2500};
    run("narrow", isa, &p, cemu_plan_integers_chain, narrow, a, b, tiny);

    p = problem(CEMU_INTEGERS_PAIRS, 16, a, b, small);
    p.flags = flags(2), p.inner = INNER;
    p.outer = (cemu_integers_cast){.kind = CEMU_INTEGERS_WRAP, .shift = 16};
    run("steps of pairs", isa, &p, cemu_plan_integers_steps, groups, a, b, small);
    p = problem(CEMU_INTEGERS_WIDE, 16, a, b, small);
    p.flags = flags(1), p.inner = INNER, p.a.wide = halves(a, M * K), p.b.wide = halves(b, K * N);
    p.outer = (cemu_integers_cast){.kind = CEMU_INTEGERS_WRAP, .shift = 48};
    run("steps of wide numbers", isa, &p, cemu_plan_integers_steps, groups, a, b, small);

    int32_t *products = room(256 * 256, 4), *a_codes = room(M * K, 4), *b_codes = room(K * N, 4);
    for (int i = 0; i < 256 * 256; i++) products[i] = (int8_t)(i / 256) * (int8_t)(i % 256);
    for (int i = 0; i < M * K; i++) a_codes[i] = (uint8_t)a[i];
    for (int i = 0; i < K * N; i++) b_codes[i] = (uint8_t)b[i];
    p.table = products, p.table_width = 256, p.a.wide = a_codes, p.b.wide = b_codes;
    run("steps of a table", isa, &p, cemu_plan_integers_steps, groups, a, b, small);
}

void integers(int64_t isa) {
    for (width_of_codes = 1; width_of_codes <= 8; width_of_codes *= 2) all(isa);
}

void integer_output(int64_t isa) {
    static const struct {
        int64_t rounding;
        enum way way;
    } ways[] = {
        {CEMU_ROUNDING_TIES_TO_EVEN, EVEN}, {CEMU_ROUNDING_TIES_TO_AWAY, TIES_AWAY}, {CEMU_ROUNDING_TO_ODD, ODD},
        {CEMU_ROUNDING_TOWARD_ZERO, TRUNCATE}, {CEMU_ROUNDING_TOWARD_POSITIVE, UP}, {CEMU_ROUNDING_TOWARD_NEGATIVE, DOWN},
    };
    int64_t *factor = numbers(N, -9, 9), *addend = numbers(N, -50, 50), *shift = numbers(N, 0, 7);
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        const int64_t *x = numbers(M * N, -300, 300);
        cemu_integers_step step = {factor, addend, shift, ways[w].rounding,
                                   {.kind = CEMU_INTEGERS_CLAMP, .low = -100, .high = 127}};
        cemu_integers_output p = {.n = N, .row_end = M, .sums = room(M * N, 8), .d = room(M * N, 1),
                                   .d_width = 1, .steps = &step, .count = 1, .mask = 0xff};
        memcpy(p.sums, x, M * N * sizeof *x);
        check("status", isa, (uint64_t)cemu_plan_integers_output(&p, isa), CEMU_OK);
        for (int i = 0; i < M * N; i++) {
            int64_t right = shifted(x[i] * factor[i % N] + addend[i % N], (int)shift[i % N], ways[w].way);
            check("output", i, ((uint8_t *)p.d)[i], (uint64_t)clamped(right, -100, 127) & 0xff);
        }
    }
}
