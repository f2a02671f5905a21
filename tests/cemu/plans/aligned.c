/* The plan `aligned`: steps of 16 terms and the accumulator, cut 13 bits below the largest exponent, cut to 14 bits. */
#include "cemu_plan_aligned.h"
#include "check.h"

enum { M = 19, N = 70, K = 40, STEP = 16, ALIGN = 13, BLOCKS = 2, LANES = CEMU_ALIGNED_LANES, WIDTH = BLOCKS * LANES };

/* sig * 2^q */
typedef struct {
    int64_t sig;
    int q;
} number;

static int exponent(number x) { return log2_of(x.sig) + x.q; }

/* x in units of 2^q, cut toward zero. */
static int64_t cut(number x, int q) { return shifted(x.sig, q - x.q, TRUNCATE); }

/* Products are aligned by the sum of their operands' exponents. */
static number step(const number *a, const number *b, int64_t count, number acc) {
    int most = INT16_MIN;
    if (acc.sig) most = exponent(acc);
    for (int64_t i = 0; i < count; i++) {
        if (!a[i].sig || !b[i * N].sig) continue;
        int own = exponent(a[i]) + exponent(b[i * N]);
        most = own > most ? own : most;
    }
    if (most == INT16_MIN) return (number){0, 0};
    int q = most - ALIGN;
    int64_t sum = cut(acc, q);
    for (int64_t i = 0; i < count; i++) sum += cut((number){a[i].sig * b[i * N].sig, a[i].q + b[i * N].q}, q);
    return (number){rounded(sum, 14, TRUNCATE), q};
}

static void put(const number *x, float *value, int16_t *e) {
    uint32_t code = (uint32_t)code_of(x->sig, x->q, &BINARY32);
    memcpy(value, &code, sizeof code);
    *e = (int16_t)(x->sig ? exponent(*x) : CEMU_ALIGNED_DEAD);
}

static const cemu_aligned_cast CUT = {
    .rounding = CEMU_ALIGNED_TOWARD_ZERO, .overflow = CEMU_ALIGNED_INFINITY, .per_ulp = 0x1p-13, .least = 0x1p-126,
    .largest = 0x1.fffp127, .up = {2, 2},
};

/* Numbers of an operand: significands of four bits. */
static number *drawn(int64_t count) {
    number *out = room(count, sizeof *out);
    for (int64_t i = 0; i < count; i++) out[i] = (number){between(-15, 15), (int)between(-9, 5)};
    return out;
}

static void run(int64_t isa, const number *a, const number *b, const number *c, int quick, int64_t terms) {
    cemu_aligned_step steps[] = {
        {.count = STEP, .flags = CEMU_ALIGNED_PIECE}, {.first = STEP, .count = STEP},
        {.first = 2 * STEP, .count = K - 2 * STEP},
    };
    float *values_a = room(M * K, 4), *values_b = room(K * WIDTH, 4);
    int16_t *exponents_a = room(M * K, 2), *exponents_b = room(K * WIDTH, 2);
    double *start = room(M * WIDTH, 8);
    uint64_t *d = room(M * N, sizeof *d);
    for (int i = 0; i < M * K; i++) put(&a[i], &values_a[i], &exponents_a[i]);
    for (int k = 0; k < K; k++)
        for (int j = 0; j < WIDTH; j++) {
            int64_t at = (j / LANES * K + k) * LANES + j % LANES;
            put(j < N ? &b[k * N + j] : &(number){0, 0}, &values_b[at], &exponents_b[at]);
        }
    for (int i = 0; i < M * N; i++) {
        uint64_t code = code_of(c[i].sig, c[i].q, &BINARY64);
        memcpy(&start[i / N * WIDTH + i % N], &code, sizeof code);
    }
    cemu_plan_aligned_t p = {
        .m = M, .n = N, .k = K, .blocks = BLOCKS, .row_end = M, .block_end = BLOCKS, .a = values_a, .a_e = exponents_a,
        .b = values_b, .b_e = exponents_b, .c = start, .scale_blocks = 1, .steps = steps, .step_count = 3,
        .align_bits = ALIGN, .terms = terms, .low = -100, .high = 100, .quick = quick, .quick_pieces = quick,
        .quick_low = -100, .quick_high = 100, .quick_keep = -1024, .least_c = 0x1p-126,
        .zero_sign = CEMU_ALIGNED_ALWAYS_POSITIVE, .result = CUT, .outer = CUT, .d_man_bits = 23, .d_bias = 127,
        .d_field_bits = 31, .d_infinity = 0x7f800000, .d_negative_zero = 1, .d_bytes = 8, .d = d,
        .marks = room(M * N, 1),
    };
    check("status", isa, (uint64_t)cemu_plan_aligned(&p, isa), CEMU_OK);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            number acc = c[i * N + j];
            for (int s = 0; s < 3; s++)
                acc = step(a + i * K + steps[s].first, b + steps[s].first * N + j, steps[s].count, acc);
            check("aligned", i * N + j, d[i * N + j], code_of(acc.sig, acc.q, &BINARY32));
            check("marks", i * N + j, p.marks[i * N + j], 0);
        }
}

void aligned(int64_t isa) {
    number *a = drawn(M * K), *b = drawn(K * N), *c = room(M * N, sizeof *c);
    for (int i = 0; i < M * N; i++) c[i] = (number){between(-8191, 8191), (int)between(-20, 0)};
    for (int k = 0; k < K; k++) a[k].sig = 0; /* a row of zeros */
    for (int quick = 0; quick < 2; quick++)
        for (int64_t terms = 0; terms < 8; terms += 7) run(isa, a, b, c, quick, terms); /* in doubles; seven by seven */
}
