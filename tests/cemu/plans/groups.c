/* The plan `groups`: runs of 8 products are summed, scaled and cast; sums join a rounded accumulator, or an aligned
 * adder two at a time. Operands are tables of integers; all else is an integer, too, in units of 2^unit. */
#include "cemu_plan_groups.h"
#include "check.h"

enum { RUN = 8, LANES = CEMU_GROUPS_LANES, CODES_A = 256, CODES_B = 300, BAD = 200, ALIGN = 9, SCALE_UNIT = 3 };
enum { PLAIN, SCALED, ALIGNED }; /* what is done to sums */

typedef struct {
    int64_t m, n, k, wide;
    int64_t checked; /* sums are of two doubles: 1; and cast to 20 bits: 2 */
    int64_t kind, bits, floor; /* kind, bits: of the result's cast */
    int terms;
    enum way way;
    const format *d;
    int64_t d_bytes;
} shape;

typedef struct {
    int64_t *values;
    double *table;
} listing;

/* What codes stand for; BAD is no number, which is marked and then 0. Products of an aligned adder's run often cancel:
 * a sum of 0 still has an exponent. */
static listing listed(const shape *s, int64_t count) {
    int64_t most = s->terms == ALIGNED ? 2 : 15;
    listing out = {numbers(count, -most, most), room(count, 8)};
    for (int64_t i = 0; i < count; i++) {
        if (s->checked) out.values[i] *= (int64_t)1 << between(0, 22);
        if (i == BAD) out.values[i] = 0;
        out.table[i] = i == BAD ? __builtin_inf() : (double)out.values[i];
    }
    return out;
}

static cemu_groups_cast cast(int64_t kind, int64_t bits, enum way way) {
    double per_ulp = 1.0 / (double)((int64_t)1 << (bits - 1));
    return (cemu_groups_cast){kind, {
        .rounding = way == EVEN       ? CEMU_ALIGNED_TIES_TO_EVEN
                    : way == TRUNCATE ? CEMU_ALIGNED_TOWARD_ZERO
                                      : CEMU_ALIGNED_OTHER,
        .per_ulp = per_ulp, .least = 0x1p-126, .largest = (2 - per_ulp) * 0x1p127, .up = {0, 2}, .down = {-2, 0},
    }};
}

/* The pack of one operand, and what it must be. */
static cemu_plan_groups_pack_t packed(int64_t isa, const shape *s, const void *codes, int64_t bytes, const listing *of,
                                      const cemu_groups_run *runs, int64_t run_count) {
    int64_t by = bytes == 2, rows = by ? s->k : s->m, columns = by ? s->n : s->k, blocks = (s->n + LANES - 1) / LANES;
    int64_t lines = by ? blocks * LANES : s->m, parts = by ? blocks : s->m, size = s->wide ? 8 : 4;
    cemu_plan_groups_pack_t p = {
        .rows = rows, .columns = columns, .codes = codes, .code_bytes = bytes, .table = of->table, .by_columns = by,
        .wide = s->wide, .out = room(lines * s->k, (size_t)size), .marks = room(by ? s->n : s->m, 1),
        .run_count = run_count, .runs = runs, .low = s->checked ? room(parts * run_count, 2) : NULL,
        .top = s->checked ? room(parts * run_count, 2) : NULL,
        .live = s->terms == ALIGNED ? room(lines * run_count, 8) : NULL,
    };
    check("status", isa, (uint64_t)cemu_plan_groups_pack(&p, isa), CEMU_OK);
    for (int64_t line = 0; line < lines; line++) {
        int marked = 0;
        for (int64_t k = 0; k < s->k; k++) {
            int64_t code = 0, value = 0, at = by ? (line / LANES * s->k + k) * LANES + line % LANES : line * s->k + k;
            if (line < (by ? s->n : s->m)) {
                code = by ? ((const uint16_t *)codes)[k * s->n + line] : ((const uint8_t *)codes)[at];
                value = of->values[code];
            }
            double got = s->wide ? ((double *)p.out)[at] : (double)((float *)p.out)[at];
            check("packed", at, (uint64_t)(int64_t)got, (uint64_t)value);
            marked |= code == BAD;
            if (!p.live) continue;
            uint64_t live = p.live[by ? k / RUN * lines + line : line * run_count + k / RUN];
            check("live", at, live >> k % RUN & 1, value != 0);
        }
        if (line < (by ? s->n : s->m)) check("marks", line, p.marks[line], (uint64_t)marked);
    }
    return p;
}

/* Scales (8 ... 15) 2^0 ... 2^3 in units of 2^-SCALE_UNIT, their powers of two, and a scale of 0. */
static void scales(int64_t count, int64_t *values, double *scale, double *power) {
    for (int64_t i = 0; i < count; i++) {
        values[i] = i == 3 ? 0 : between(8, 15) << between(0, 3);
        scale[i] = (double)values[i] / (1 << SCALE_UNIT);
        power[i] = values[i] ? (double)((int64_t)1 << log2_of(values[i])) / (1 << SCALE_UNIT) : 0;
    }
}

/* A sum with its scales, as it joins. */
static int64_t term(const shape *s, int64_t sum, int64_t a, int64_t b) {
    if (s->terms == ALIGNED) return sum * a * b;
    if (s->terms == SCALED) return rounded(sum * rounded(a * b, 4, EVEN) * 3, 9, TRUNCATE);
    return s->checked == 2 ? rounded(sum, 20, EVEN) : sum;
}

/* The aligned adder: values[0] is the accumulator, cut as the terms are; all have exponents, or -1. */
static int64_t aligned_sum(const shape *s, const int64_t *values, const int *e, int count) {
    int most = -1;
    int64_t sum = 0;
    for (int i = 0; i < count; i++) most = e[i] > most ? e[i] : most;
    int shift = most > ALIGN ? most - ALIGN : 0;
    for (int i = 0; i < count; i++) sum += shifted(values[i], shift, s->floor ? DOWN : TRUNCATE);
    return sum * ((int64_t)1 << shift);
}

static void run(int64_t isa, const shape *s) {
    int64_t blocks = (s->n + LANES - 1) / LANES, width = blocks * LANES, run_count = (s->k + RUN - 1) / RUN;
    int unit = s->terms ? -2 * SCALE_UNIT : 0, aligned = s->terms == ALIGNED;
    listing of_a = listed(s, CODES_A), of_b = listed(s, CODES_B);
    uint8_t *a = room(s->m * s->k, 1);
    uint16_t *b = room(s->k * s->n, 2);
    for (int64_t i = 0; i < s->m * s->k; i++) a[i] = (uint8_t)between(0, CODES_A - 1);
    for (int64_t i = 0; i < s->k * s->n; i++) b[i] = (uint16_t)between(0, CODES_B - 1);
    cemu_groups_run *runs = room(run_count, sizeof *runs);
    for (int64_t i = 0; i < run_count; i++)
        runs[i] = (cemu_groups_run){
            .first = i * RUN, .count = i + 1 < run_count ? RUN : s->k - i * RUN, .a_block = i, .b_block = i,
            .flags = (i ? 0 : CEMU_GROUPS_PIECE) | (i % 2 || i + 1 == run_count ? CEMU_GROUPS_STEP : 0),
        };
    cemu_plan_groups_pack_t pa = packed(isa, s, a, 1, &of_a, runs, run_count);
    cemu_plan_groups_pack_t pb = packed(isa, s, b, 2, &of_b, runs, run_count);
    int64_t *c = numbers(s->m * s->n, -(1 << 20), 1 << 20);
    int64_t *sa = room(s->m * run_count, 8), *sb = room(run_count * width, 8);
    double *a_scale = room(s->m * run_count, 8), *a_power = room(s->m * run_count, 8), *start = room(s->m * width, 8);
    double *b_scale = room(run_count * width, 8), *b_power = room(run_count * width, 8);
    scales(s->m * run_count, sa, a_scale, a_power);
    scales(run_count * width, sb, b_scale, b_power);
    for (int64_t i = 0; i < s->m * s->n; i++) {
        c[i] = rounded(aligned ? c[i] >> between(0, 20) : c[i], (int)s->bits, TRUNCATE);
        uint64_t code = code_of(c[i], unit, &BINARY64);
        memcpy(&start[i / s->n * width + i % s->n], &code, sizeof code);
    }
    const cemu_groups_cast none = {0}, twenty = cast(CEMU_GROUPS_NEAREST, 20, EVEN);
    const cemu_groups_op ops[][2] = {
        [PLAIN] = {{CEMU_GROUPS_NONE, 1, twenty}},
        [SCALED] = {{CEMU_GROUPS_SCALE, 1, none}, {CEMU_GROUPS_CONSTANT, 3, cast(CEMU_GROUPS_TRUNCATE, 9, TRUNCATE)}},
        [ALIGNED] = {{CEMU_GROUPS_A, 1, none}, {CEMU_GROUPS_B, 1, none}},
    };
    cemu_plan_groups_t p = {
        .m = s->m, .n = s->n, .k = s->k, .blocks = blocks, .a = pa.out, .b = pb.out, .wide = s->wide, .a_low = pa.low,
        .a_top = pa.top, .b_low = pb.low, .b_top = pb.top, .a_live = pa.live, .b_live = pb.live, .c = start,
        .a_scale = s->terms ? a_scale : NULL, .a_power = aligned ? a_power : NULL, .b_scale = s->terms ? b_scale : NULL,
        .b_power = aligned ? b_power : NULL, .a_blocks = run_count, .b_blocks = run_count, .runs = runs,
        .run_count = run_count, .ops = ops[s->terms], .op_count = s->terms ? 2 : s->checked == 2,
        .scale = cast(CEMU_GROUPS_NEAREST, 4, EVEN), .aligned = aligned, .align_bits = ALIGN, .floor = s->floor,
        .unit_power = 1, .least_c = 0x1p-126, .zero_sign = CEMU_ALIGNED_IEEE + s->floor,
        .result = cast(s->kind, s->bits, s->way), .d_man_bits = s->d->man_bits, .d_bias = s->d->bias,
        .d_field_bits = s->d->man_bits + s->d->exp_bits, .d_infinity = (int64_t)s->d->over, .d_negative_zero = 1,
        .d_bytes = s->d_bytes, .d = room(s->m * s->n, (size_t)s->d_bytes), .marks = room(s->m * s->n, 1),
    };
    if (s->d->man_bits + 1 < s->bits) { /* `output` rounds once more */
        p.output = cast(CEMU_GROUPS_NEAREST, s->d->man_bits + 1, EVEN);
        p.output.how.least = 0x1p-14, p.output.how.largest = 65504;
    }
    for (p.block = 0; p.block < blocks; p.block++) /* in several calls */
        for (p.block_end = p.block + 1, p.row = 0; p.row < s->m; p.row = p.row_end) {
            p.row_end = p.row ? s->m : (s->m + 2) / 3;
            check("status", isa, (uint64_t)cemu_plan_groups(&p, isa), CEMU_OK);
        }
    for (int64_t at = 0; at < s->m * s->n; at++) {
        int64_t i = at / s->n, j = at % s->n, acc = c[at], values[3];
        int e[3], held = 1;
        for (int64_t r = 0; r < run_count; r++) {
            int64_t sum = 0, scale_a = sa[i * run_count + r], scale_b = sb[r * width + j];
            int live = 0;
            for (int64_t k = runs[r].first; k < runs[r].first + runs[r].count; k++) {
                int64_t x = of_a.values[a[i * s->k + k]] * of_b.values[b[k * s->n + j]];
                sum += x, live |= x != 0;
            }
            values[held] = term(s, sum, scale_a, scale_b);
            e[held++] = live && scale_a && scale_b ? log2_of(scale_a) + log2_of(scale_b) : -1;
            if (aligned && !(runs[r].flags & CEMU_GROUPS_STEP)) continue;
            values[0] = acc, e[0] = acc ? log2_of(acc) : -1;
            int64_t exact = aligned ? aligned_sum(s, values, e, held) : acc + values[1];
            acc = rounded(exact, (int)s->bits, s->way);
            held = 1;
        }
        uint64_t got = 0;
        memcpy(&got, (char *)p.d + at * s->d_bytes, (size_t)s->d_bytes); /* little-endian */
        check(aligned ? "aligned groups" : s->terms ? "scaled groups" : "groups", at, got, code_of(acc, unit, s->d));
        check("marks", at, p.marks[at], 0);
    }
    free_rooms();
}

void group_sums(int64_t isa) {
    static const int64_t sizes[][3] = {{11, 70, 37}, {1, 64, 8}, {9, 1, 21}, {1, 1, 1}};
    static const struct {
        int64_t kind, bits;
        enum way way;
    } results[] = {{CEMU_GROUPS_SINGLE, 24, EVEN}, {CEMU_GROUPS_TRUNCATE, 11, TRUNCATE},
                   {CEMU_GROUPS_NEAREST, 14, EVEN}, {CEMU_GROUPS_ANY, 12, UP}};
    for (size_t z = 0; z < sizeof sizes / sizeof *sizes; z++)
        for (size_t r = 0; r < sizeof results / sizeof *results; r++)
            for (int terms = PLAIN; terms <= ALIGNED; terms++)
                for (int64_t wide = 0; wide < 2; wide++) {
                    const int64_t *n = sizes[z];
                    shape s = {n[0], n[1], n[2], wide, 0, results[r].kind, results[r].bits, wide, terms, results[r].way,
                               &BINARY32, wide ? 8 : 4};
                    run(isa, &s);
                    for (s.checked = 1; s.checked < 3 && wide && !terms; s.checked++) run(isa, &s);
                    s.checked = 0, s.d = &BINARY16, s.d_bytes = 2;
                    if (s.kind == CEMU_GROUPS_SINGLE) run(isa, &s);
                }
}
