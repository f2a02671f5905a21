/* The plan `lanes`: units as data, of several shapes. Bits are those of plain integer arithmetic, events those that
 * cemu_matmul counts. */
#include "cemu_plan_lanes.h"
#include "check.h"

enum { LANES = CEMU_LANES_COLUMNS, RUN = 4, ALIGN = 7, MOST_STAGES = CEMU_STAGE_FIRST_LEVEL + 3, NOT_A_NUMBER = 0x7f };
enum { INT8, INT16, FP8, FP32, NARROW, FORMATS }; /* NARROW: 11 bits, the exponents of binary32 */
enum { CELLS = MOST_STAGES * CEMU_EVENT_KINDS };

#define INTEGER(width) \
    {.kind = CEMU_FORMAT_KIND_INTEGER, .bits = width, .is_signed = 1, .emin = 1, .nan = CEMU_NAN_ENCODING_NONE, \
     .radix_log2 = 1, .has_zero = 1, .first_rank = -1}
#define FLOAT(exponent, mantissa, last, nan_is, infinite) \
    {.kind = CEMU_FORMAT_KIND_FLOAT, .bits = 1 + exponent + mantissa, .is_signed = 1, .exp_bits = exponent, \
     .man_bits = mantissa, .bias = (1 << (exponent - 1)) - 1, .emin = 2 - (1 << (exponent - 1)), \
     .infinities = infinite, .nan = nan_is, .negative_zero = 1, .has_zero = 1, .radix_log2 = 1, \
     .max_magnitude = last, .first_rank = -1}

static const cemu_format formats[FORMATS] = {
    [INT8] = INTEGER(8), [INT16] = INTEGER(16), [FP8] = FLOAT(4, 3, 0x7e, CEMU_NAN_ENCODING_ALL_ONES, 0),
    [FP32] = FLOAT(8, 23, 0x7f7fffff, CEMU_NAN_ENCODING_IEEE, 1),
    [NARROW] = FLOAT(8, 10, 0x3fbff, CEMU_NAN_ENCODING_IEEE, 1),
};

/* sig * 2^q */
typedef struct {
    int64_t sig;
    int q;
} number;

typedef struct {
    int64_t m, n, k, blocks; /* of the scales of a */
    const number *a, *b, *c, *scale;
} operands;

/* An element of d. */
typedef number expected(const operands *o, int64_t i, int64_t j);

typedef struct {
    const char *name;
    cemu_unit unit;
    cemu_level levels[2];
    cemu_step steps[3];
    const int64_t *table;
    expected *right;
} kind;

enum { UNIT = -30 }; /* sums are integers in units of 2^UNIT */

static int64_t whole(number x) { return x.sig * ((int64_t)1 << (x.q - UNIT)); }
static number product(const operands *o, int64_t i, int64_t j, int64_t k) {
    number a = o->a[i * o->k + k], b = o->b[k * o->n + j];
    return (number){a.sig * b.sig, a.q + b.q};
}

/* acc = acc + product, 11 bits. */
static number chained(const operands *o, int64_t i, int64_t j) {
    int64_t acc = whole(o->c[i * o->n + j]);
    for (int64_t k = 0; k < o->k; k++) acc = rounded(acc + whole(product(o, i, j, k)), 11, EVEN);
    return (number){acc, UNIT};
}

/* Runs of four in an aligned adder that cuts to 11 bits; times a scale of the row; added with binary32's 24 bits. */
static number scaled(const operands *o, int64_t i, int64_t j) {
    int64_t acc = whole(o->c[i * o->n + j]);
    for (int64_t first = 0; first < o->k; first += RUN) {
        int64_t end = first + RUN < o->k ? first + RUN : o->k, sum = 0;
        int most = -1;
        for (int64_t k = first; k < end; k++) { /* aligned by the sum of the operands' exponents */
            number a = o->a[i * o->k + k], b = o->b[k * o->n + j];
            int e = a.sig && b.sig ? log2_of(a.sig) + a.q + log2_of(b.sig) + b.q - UNIT : -1;
            most = e > most ? e : most;
        }
        for (int64_t k = first; k < end && most >= 0; k++)
            sum += shifted(whole(product(o, i, j, k)), most - ALIGN, TRUNCATE) * ((int64_t)1 << (most - ALIGN));
        number scale = o->scale[i * o->blocks + first / RUN];
        acc = rounded(acc + shifted(rounded(sum, 11, TRUNCATE) * scale.sig, -scale.q, EVEN), 24, EVEN);
    }
    return (number){acc, UNIT};
}

static number clamping(const operands *o, int64_t i, int64_t j) {
    int64_t acc = o->c[i * o->n + j].sig;
    for (int64_t k = 0; k < o->k; k++) acc = clamped(acc + product(o, i, j, k).sig, -32768, 32767);
    return (number){acc, 0};
}

static number wrapping(const operands *o, int64_t i, int64_t j) {
    int64_t acc = o->c[i * o->n + j].sig;
    for (int64_t k = 0; k < o->k; k++) acc += product(o, i, j, k).sig;
    return (number){(int16_t)(uint16_t)(uint64_t)acc, 0};
}

/* The products of the table are less by a multiple of 8. */
static int64_t looked_up_product(int64_t x, int64_t y) { return x * y - x * y % 8; }
static number looked_up(const operands *o, int64_t i, int64_t j) {
    int64_t acc = o->c[i * o->n + j].sig;
    for (int64_t k = 0; k < o->k; k++)
        acc = (int16_t)(uint16_t)(uint64_t)(acc + looked_up_product(o->a[i * o->k + k].sig, o->b[k * o->n + j].sig));
    return (number){acc, 0};
}

#define CAST(to, how, beyond) \
    {.format = to, .rounding = how, .overflow = beyond, .nan_code = to == FP32 ? 0x7fc00000 : 0x3fe00}
#define TO(of, how, beyond) {.cast = CAST(of, how, beyond)}
#define OPERANDS(in, out, beyond) \
    .a = {.format = in, .zero = {.format = -1}}, .b = {.format = in, .zero = {.format = -1}}, \
    .c = {.format = out, .zero = {.format = -1}}, .d = CAST(out, CEMU_ROUNDING_TIES_TO_EVEN, beyond), \
    .scale_b = {.format = -1}
enum { NEAREST = CEMU_ROUNDING_TIES_TO_EVEN, INFINITE = CEMU_OVERFLOW_INFINITY, WRAP = CEMU_OVERFLOW_WRAP };

static kind kinds[] = {
    {.name = "chain", .unit = {OPERANDS(FP8, FP32, INFINITE), .scale_a = {.format = -1}, .levels = 1},
     .levels = {{.group = 1, .lanes = 1, .start = CEMU_START_C, .result = {0, 1}}},
     .steps = {TO(NARROW, NEAREST, INFINITE)}, .right = chained},
    {.name = "scaled", .unit = {OPERANDS(FP8, FP32, INFINITE), .scale_a = {.format = FP8, .block = RUN}, .levels = 2},
     .levels = {{.group = RUN, .length = RUN, .lanes = 1, .start = CEMU_START_ZERO, .align = 1, .align_bits = ALIGN,
                 .align_rounding = CEMU_ROUNDING_TOWARD_ZERO, .result = {0, 1}},
                {.group = 1, .lanes = 1, .start = CEMU_START_C, .input = {1, 1}, .result = {2, 1}}},
     .steps = {TO(NARROW, CEMU_ROUNDING_TOWARD_ZERO, INFINITE), {.factor = CEMU_FACTOR_A_SCALE, .cast = {.format = -1}},
               TO(FP32, NEAREST, INFINITE)}, .right = scaled},
    {.name = "clamping", .unit = {OPERANDS(INT8, INT16, CEMU_OVERFLOW_SATURATE), .scale_a = {.format = -1}, .levels = 1,
                                  .integral_product = 1},
     .levels = {{.group = 1, .lanes = 1, .start = CEMU_START_C, .result = {0, 1}}},
     .steps = {TO(INT16, NEAREST, CEMU_OVERFLOW_SATURATE)}, .right = clamping},
    {.name = "wrapping", .unit = {OPERANDS(INT8, INT16, WRAP), .scale_a = {.format = -1}, .levels = 1,
                                  .integral_product = 1},
     .levels = {{.group = 7, .lanes = 1, .start = CEMU_START_C, .result = {0, 1}}},
     .steps = {TO(INT16, NEAREST, WRAP)}, .right = wrapping},
    {.name = "looked up", .unit = {OPERANDS(INT8, INT16, WRAP), .scale_a = {.format = -1}, .levels = 1,
                                   .integral_product = 1, .table_columns = 256},
     .levels = {{.group = 1, .lanes = 1, .start = CEMU_START_C, .result = {0, 1}}},
     .steps = {TO(INT16, NEAREST, WRAP)}, .right = looked_up},
};

static uint64_t code(const cemu_format *f, number x) {
    if (f->kind == CEMU_FORMAT_KIND_INTEGER) return (uint64_t)x.sig & (((uint64_t)1 << f->bits) - 1);
    return code_of(x.sig, x.q, f == formats + FP8 ? &E4M3 : &BINARY32);
}

/* Numbers and their codes: of 64 bits, and as many bytes as `bytes`. */
static number *drawn(const cemu_format *f, int64_t count, int64_t bytes, uint64_t **wide, void **narrow) {
    number *out = room(count, sizeof *out);
    *wide = room(count, 8), *narrow = room(count, (size_t)bytes);
    for (int64_t i = 0; i < count; i++) {
        int64_t half = (int64_t)1 << (f->bits - 1);
        if (f->kind == CEMU_FORMAT_KIND_INTEGER) out[i].sig = between(-half, half - 1);
        else if (f == formats + FP8) out[i] = (number){between(8, 15) * (between(0, 1) ? 1 : -1), (int)between(-9, 0)};
        else out[i] = (number){between(-2047, 2047), (int)between(-17, -9)};
        if (i % 11 == 5) out[i].sig = 0;
        (*wide)[i] = code(f, out[i]);
        memcpy((char *)*narrow + i * bytes, *wide + i, (size_t)bytes); /* little-endian */
    }
    return out;
}

static cemu_lanes_plane plane(int64_t values, int64_t lines) {
    return (cemu_lanes_plane){.m = room(values, 4), .q = room(values, 4), .e = room(values, 4), .marks = room(lines, 1),
                              .events = room(lines * CEMU_EVENT_KINDS, 8)};
}

static void run(int64_t isa, const kind *u, int64_t m, int64_t n, int64_t k, int odd) {
    cemu_tables tables = {
        .unit = &u->unit, .formats = formats, .steps = u->steps, .levels = u->levels, .table = u->table,
    };
    int64_t blocks = (n + LANES - 1) / LANES, scale_blocks = (k + RUN - 1) / RUN, kinds_of_events = CEMU_EVENT_KINDS;
    int64_t has_scale = u->unit.scale_a.format >= 0, d_bytes = formats[u->unit.d.format].bits / 8;
    uint64_t *a, *b, *c, *scale, *d = room(m * n, 8);
    void *a_codes, *b_codes, *c_codes, *scale_codes;
    operands o = {.m = m, .n = n, .k = k, .blocks = scale_blocks};
    o.a = drawn(formats + u->unit.a.format, m * k, 1, &a, &a_codes);
    o.b = drawn(formats + u->unit.b.format, k * n, 2, &b, &b_codes);
    o.c = drawn(formats + u->unit.c.format, m * n, d_bytes, &c, &c_codes);
    o.scale = drawn(formats + FP8, m * scale_blocks, 4, &scale, &scale_codes);
    int odd_row = odd && formats[u->unit.a.format].kind == CEMU_FORMAT_KIND_FLOAT;
    if (odd_row) ((uint8_t *)a_codes)[(m - 1) * k] = NOT_A_NUMBER; /* the last row is marked */
    int64_t *events = room(CELLS, 8), *right_events = room(CELLS, 8), flushed[2] = {0, 0};
    cemu_plan_lanes_t p = {
        .tables = &tables, .m = m, .n = n, .k = k, .limbs = 12, .a_blocks = has_scale ? scale_blocks : 0, .a = a_codes,
        .b = b_codes, .c = c_codes, .a_scale = has_scale ? scale_codes : NULL, .a_bytes = 1, .b_bytes = 2,
        .c_bytes = d_bytes, .a_scale_bytes = 4, .d_bytes = d_bytes, .plane_a = plane(m * k, m),
        .plane_b = plane(blocks * LANES * k, n), .scales_a = plane(m * scale_blocks, 1), .scales_b = plane(1, 1),
        .d = room(m * n, (size_t)d_bytes), .marks = room(m * n, 1), .events = flushed,
    };
    check("status", isa, (uint64_t)cemu_plan_lanes_decode(&p), CEMU_OK);
    p.events = events;
    for (p.block = 0; p.block < blocks; p.block++) /* in several calls */
        for (p.block_end = p.block + 1, p.row = 0; p.row < m; p.row = p.row_end) {
            p.row_end = p.row ? m : (m + 1) / 2;
            check("status", isa, (uint64_t)cemu_plan_lanes(&p, isa), CEMU_OK);
        }
    for (int64_t at = 0; at < m * n; at++) {
        uint64_t got = 0;
        int marked = odd_row && at / n == m - 1;
        memcpy(&got, (char *)p.d + at * d_bytes, (size_t)d_bytes);
        check(u->name, at, got, marked ? 0 : code(formats + u->unit.d.format, u->right(&o, at / n, at % n)));
        check("marks", at, p.marks[at], (uint64_t)marked);
    }
    if (odd_row) return; /* events of marked elements are counted elsewhere */
    cemu_problem general = {
        .m = m, .n = n, .k = k, .a_blocks = p.a_blocks, .a = a, .b = b, .c = c,
        .a_scale = has_scale ? scale : NULL, .d = d, .row_end = m, .column_end = n, .limbs = 12,
        .events = right_events, .count_a = 1, .count_b = 1,
    };
    check("status", isa, (uint64_t)cemu_matmul(&tables, &general), CEMU_OK);
    for (int64_t i = 0; i < m * kinds_of_events; i++) events[i % kinds_of_events] += n * p.plane_a.events[i];
    for (int64_t i = 0; i < n * kinds_of_events; i++) events[i % kinds_of_events] += m * p.plane_b.events[i];
    for (int64_t i = 0; i < CELLS; i++) check("events", i, (uint64_t)events[i], (uint64_t)right_events[i]);
}

void lanes(int64_t isa) {
    static const int64_t sizes[][3] = {{5, 37, 23}, {1, 32, 4}, {4, 1, 9}, {1, 1, 1}};
    static int64_t table[256 * 256];
    for (int i = 0; i < 256 * 256; i++) table[i] = looked_up_product((int8_t)(i / 256), (int8_t)(i % 256));
    for (size_t u = 0; u < sizeof kinds / sizeof *kinds; u++) {
        kinds[u].table = kinds[u].unit.table_columns ? table : NULL;
        for (size_t z = 0; z < sizeof sizes / sizeof *sizes; z++)
            for (int odd = 0; odd < 2; odd++) {
                run(isa, &kinds[u], sizes[z][0], sizes[z][1], sizes[z][2], odd);
                free_rooms();
            }
    }
}
