/* The plan `fma`: chains of multiply-adds and trees of products, in float32 and float64, in every direction. */
#include "cemu_plan_fma.h"
#include "check.h"

enum { M = 11, N = 50, K = 36, ROWS = 2 * CEMU_FMA_ROWS, COLUMNS = 2 * CEMU_FMA_COLUMNS };

typedef struct {
    int64_t run, depth, fused, wide, rounding;
    enum way way;
} shape;

static int64_t multiply(const shape *s, int64_t x, int64_t y) { return rounded(x * y, s->wide ? 53 : 24, s->way); }

static int64_t add(const shape *s, int64_t x, int64_t y) { return rounded(x + y, s->wide ? 53 : 24, s->way); }

static int64_t multiply_add(const shape *s, int64_t acc, int64_t x, int64_t y) {
    return s->fused ? add(s, acc, x * y) : add(s, acc, multiply(s, x, y));
}

/* Two neighbours of a group of the tree: runs, or single products. */
static int64_t group(const shape *s, const int64_t *a, const int64_t *b) {
    int64_t part[2] = {0, 0};
    for (int p = 0; p < 2; p++)
        if (s->run)
            for (int64_t r = 0; r < s->run; r++)
                part[p] = multiply_add(s, part[p], a[p * s->run + r], b[(p * s->run + r) * N]);
        else
            part[p] = multiply(s, a[p], b[p * N]);
    return add(s, part[0], part[1]);
}

static int64_t right(const shape *s, const int64_t *a, const int64_t *b, int64_t acc) {
    int64_t step = s->depth ? 2 * (s->run ? s->run : 1) : 1;
    for (int64_t k = 0; k < K; k += step)
        acc = s->depth ? add(s, acc, group(s, a + k, b + k * N)) : multiply_add(s, acc, a[k], b[k * N]);
    return acc;
}

static void *packed(int64_t isa, const shape *s, const uint64_t *codes, int64_t width, int64_t count, int64_t stride_k,
                    int64_t stride, const int64_t *index) {
    int64_t panels = (count + width - 1) / width;
    uint32_t *narrow = room(count * K, sizeof *narrow);
    for (int64_t i = 0; i < count * K; i++) narrow[i] = (uint32_t)codes[i];
    cemu_plan_fma_pack_t p = {.width = width, .count = count, .last = panels, .k = K,
                              .codes = s->wide ? (const void *)codes : narrow, .bytes = s->wide ? 8 : 4,
                              .stride_k = stride_k, .stride = stride, .index = index, .double_ = s->wide,
                              .out = room(panels * K * width, s->wide ? 8 : 4)};
    check("status", isa, (uint64_t)cemu_plan_fma_pack(&p, isa), CEMU_OK);
    return p.out;
}

static void run(int64_t isa, const shape *s) {
    const format *f = s->wide ? &BINARY64 : &BINARY32;
    int64_t most = s->wide ? 1 << 27 : 1 << 16, *index = room(K, 8), *a = numbers(M * K, -most, most);
    int64_t *b = numbers(K * N, -most, most), *c = numbers(M * N, -1000, 1000);
    uint64_t *codes_a = room(M * K, 8), *codes_b = room(K * N, 8);
    for (int k = 0; k < K; k++) index[k] = k;
    for (int i = 0; i < M * K; i++) codes_a[i] = code_of(a[i], 0, f);
    for (int i = 0; i < K * N; i++) codes_b[i] = code_of(b[i], 0, f);
    char *acc = room(ROWS * COLUMNS, s->wide ? 8 : 4);
    size_t size = s->wide ? 8 : 4; /* little endian: the first bytes of a code are the narrower one */
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            uint64_t code = code_of(c[i * N + j], 0, f);
            memcpy(acc + (size_t)(i * COLUMNS + j) * size, &code, size);
        }
    cemu_plan_fma_t p = {
        .last = 2, .panels = 2, .k = K, .run = s->run, .depth = s->depth, .fused = s->fused, .double_ = s->wide,
        .rounding = s->rounding, .starts = room(s->run ? K / s->run : 1, size), .acc = acc,
        .a = packed(isa, s, codes_a, CEMU_FMA_ROWS, M, 1, K, index),
        .b = packed(isa, s, codes_b, CEMU_FMA_COLUMNS, N, N, 1, index),
    };
    int64_t level = isa < 0 ? cemu_isa_level() : isa;
    int64_t cannot = level == CEMU_ISA_BASE && s->fused && (s->wide || s->rounding != CEMU_FMA_NEAREST);
    check("status", isa, (uint64_t)cemu_plan_fma(&p, isa), cannot ? CEMU_NO_ISA : CEMU_OK);
    for (int i = 0; i < M && !cannot; i++)
        for (int j = 0; j < N; j++) {
            uint64_t got = 0;
            memcpy(&got, acc + (size_t)(i * COLUMNS + j) * size, size);
            check(s->fused ? "fma" : "products", i * N + j, got, code_of(right(s, a + i * K, b + j, c[i * N + j]), 0, f));
        }
}

void fma_chains(int64_t isa) {
    static const enum way ways[] = {[CEMU_FMA_NEAREST] = EVEN, [CEMU_FMA_DOWN] = DOWN, [CEMU_FMA_UP] = UP,
                                    [CEMU_FMA_ZERO] = TRUNCATE};
    static const struct {
        int64_t run, depth;
    } trees[] = {{0, 0}, {2, 1}, {0, 1}};
    for (size_t t = 0; t < 3; t++)
        for (int64_t fused = 0; fused < 2; fused++)
            for (int64_t wide = 0; wide < 2; wide++)
                for (int64_t mode = 0; mode < 4; mode++) {
                    int64_t tree_of_products = trees[t].depth && !trees[t].run;
                    if (tree_of_products && fused) continue; /* its products are rounded */
                    run(isa, &(shape){trees[t].run, trees[t].depth, fused, wide, mode, ways[mode]});
                    free_rooms();
                }
}
