/* The plan `chain`: binary16 accumulators in float and double, rounded in several ways at every step. */
#include "cemu_plan_chain.h"
#include "check.h"

enum { M = 9, N = 77, K = 300 }; /* more than a packed block of k */

typedef struct {
    int64_t wide, mode, how, group, length, product; /* product: products are rounded to 6 bits */
    enum way way;
    int saturates;
} shape;

static const int64_t LARGEST = 65504;
static const double INFINITE = __builtin_inf();

static int is_infinite(int64_t x) { return x > LARGEST || x < -LARGEST; }

/* An infinity is any number beyond the largest finite one, and stays. */
static int64_t cast(const shape *s, int64_t x) {
    int64_t y = rounded(x, 11, s->way);
    if (s->saturates) return clamped(y, -LARGEST, LARGEST);
    return y > LARGEST ? INT32_MAX : y < -LARGEST ? -INT32_MAX : y;
}

static int64_t add(const shape *s, int64_t acc, int64_t x) { return is_infinite(acc) ? acc : cast(s, acc + x); }

static uint64_t right(const shape *s, const int64_t *a, const int64_t *b, int64_t c) {
    int64_t length = s->length ? s->length : K, acc = c;
    for (int64_t first = 0; first < K; first += length) {
        int64_t end = first + length < K ? first + length : K, inner = s->length ? 0 : acc;
        for (int64_t k = first; k < end; k += s->group) {
            int64_t sum = 0;
            for (int64_t i = k; i < end && i < k + s->group; i++) {
                int64_t x = a[i] * b[i * N];
                sum += s->product ? rounded(x, 6, s->way) : x;
            }
            inner = add(s, inner, sum);
        }
        acc = s->length ? add(s, acc, inner) : inner;
    }
    return code_of(acc, 0, &BINARY16);
}

static cemu_plan_chain_cast cast_to(const shape *s, int bits, int64_t how) {
    int below = (s->wide ? 53 : 24) - bits - (how == CEMU_CHAIN_TIES_AWAY);
    return (cemu_plan_chain_cast){
        .how = how, .over = s->saturates ? CEMU_CHAIN_CLAMP : how == CEMU_CHAIN_HALF ? CEMU_CHAIN_IN_RANGE : CEMU_CHAIN_REPLACE,
        .signs = how != CEMU_CHAIN_DIRECTION ? 0 : s->mode == CEMU_CHAIN_DOWN ? 2 : 1, .scale = (double)((int64_t)1 << below),
        .lowest = 1.5 * 0x1p-14, .max = (double)LARGEST, .over_positive = INFINITE, .over_negative = -INFINITE,
    };
}

static cemu_plan_chain_operand carried(const shape *s, const int64_t *from, int64_t count, int64_t stride) {
    double *wide = room(count, sizeof *wide);
    float *narrow = room(count, sizeof *narrow);
    for (int64_t i = 0; i < count; i++) wide[i] = (double)from[i], narrow[i] = (float)from[i];
    return (cemu_plan_chain_operand){.codes = s->wide ? (void *)wide : (void *)narrow, .bytes = s->wide ? 8 : 4,
                                     .stride = stride, .scale = 1};
}

static void run(const char *what, int64_t isa, const shape *s) {
    int64_t *a = numbers(M * K, -15, 15), *b = numbers(K * N, -15, 15), *c = numbers(M * N, -2000, 2000);
    for (int64_t i = 0; i < N * K; i++) b[i] *= 16; /* so that some sums overflow */
    int64_t base = (isa < 0 ? cemu_isa_level() : isa) == CEMU_ISA_BASE;
    int64_t how = s->how == CEMU_CHAIN_HALF && base ? CEMU_CHAIN_DIRECTION : s->how;
    for (int64_t i = 0; i < M * N; i++) c[i] = rounded(c[i], 11, TRUNCATE);
    uint16_t *d = room(M * N, sizeof *d);
    cemu_plan_chain_t p = {
        .wide = s->wide, .mode = s->mode, .m = M, .n = N, .k = K, .a = carried(s, a, M * K, K),
        .b = carried(s, b, K * N, N), .c = carried(s, c, M * N, N), .d = d, .d_bytes = 2, .d_stride = N, .group = s->group, .length = s->length,
        .inner = cast_to(s, 11, how), .factor = 1, .man_bits = 10, .bias = 15, .normal = 0x1p-14, .quantum = 0x1p24,
        .sign = 0x8000, .code_negative_zero = 0x8000, .code_infinity = 0x7c00, .code_negative_infinity = 0xfc00,
        .code_nan = 0x7e00, .positive = 1,
    };
    if (s->length) p.outer = cast_to(s, 11, how);
    if (s->product) p.product = cast_to(s, 6, s->how);
    check("status", isa, (uint64_t)cemu_plan_chain(&p, isa), CEMU_OK);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            uint64_t wanted = right(s, a + i * K, b + j, c[i * N + j]), got = d[i * N + j];
            if (!wanted) got &= 0x7fff; /* the sign of zero is the matcher's business */
            check(what, i * N + j, got, wanted);
        }
}

static uint16_t *halves(const int64_t *from, int64_t count) {
    uint16_t *out = room(count, sizeof *out);
    for (int64_t i = 0; i < count; i++) out[i] = (uint16_t)code_of(from[i], 0, &BINARY16);
    return out;
}

/* By the processor's own binary16, or refused. */
static void fp16(void) {
    int64_t *a = numbers(M * K, -15, 15), *b = numbers(K * N, -15, 15), *c = numbers(M * N, -2000, 2000);
    for (int64_t i = 0; i < N * K; i++) b[i] *= 16;
    int64_t checked = cemu_plan_chain_fp16_state() == CEMU_CHAIN_FP16_CHECKED;
    cemu_plan_chain_fp16_t p = {
        .m = M, .n = N, .k = K, .mode = CEMU_CHAIN_NEAREST, .a = halves(a, M * K), .b = halves(b, K * N),
        .c = halves(c, M * N), .a_stride = K, .b_stride = N, .c_stride = N, .d_stride = N, .d = room(M * N, 2),
        .code_nan = 0x7e00,
    };
    check("differs", 0, cemu_plan_chain_fp16_state() == CEMU_CHAIN_FP16_DIFFERS, 0);
    check("status", checked, (uint64_t)cemu_plan_chain_fp16(&p), checked ? CEMU_OK : CEMU_NO_ISA);
    for (int i = 0; checked && i < M * N; i++) {
        uint64_t wanted = right(&(shape){.group = 1, .way = EVEN}, a + i / N * K, b + i % N, c[i]), got = p.d[i];
        check("fp16", i, wanted ? got : got & 0x7fff, wanted);
    }
}

void chain(int64_t isa) {
    enum { DIRECTION = CEMU_CHAIN_DIRECTION, NEAREST = CEMU_CHAIN_NEAREST, ZERO = CEMU_CHAIN_ZERO };
    for (int64_t wide = 0; wide < 2; wide++)
        for (int saturates = 0; saturates < 2; saturates++) {
            run("nearest", isa, &(shape){wide, NEAREST, DIRECTION, 1, 0, 0, EVEN, saturates});
            run("up", isa, &(shape){wide, CEMU_CHAIN_UP, DIRECTION, 1, 0, 0, UP, saturates});
            run("down", isa, &(shape){wide, CEMU_CHAIN_DOWN, DIRECTION, 1, 0, 0, DOWN, saturates});
            run("truncated", isa, &(shape){wide, ZERO, CEMU_CHAIN_TRUNCATE, 1, 0, 0, TRUNCATE, saturates});
            run("ties away", isa, &(shape){wide, ZERO, CEMU_CHAIN_TIES_AWAY, 1, 0, 0, TIES_AWAY, saturates});
            run("rounded products", isa, &(shape){wide, NEAREST, DIRECTION, 1, 0, 1, EVEN, saturates});
            if (!wide) run("binary16", isa, &(shape){wide, NEAREST, CEMU_CHAIN_HALF, 1, 0, 0, EVEN, saturates});
            run("fours", isa, &(shape){wide, NEAREST, DIRECTION, 4, 0, 0, EVEN, saturates});
            run("chunks", isa, &(shape){wide, NEAREST, DIRECTION, 1, 8, 0, EVEN, saturates});
            free_rooms();
        }
    run("odd", isa, &(shape){1, ZERO, CEMU_CHAIN_ODD, 1, 0, 0, ODD, 1});
    fp16();
}
