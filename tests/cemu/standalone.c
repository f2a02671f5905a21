/* cemu without Python: a two-level FP8 unit filled in by hand, one product, its codes and events.
 *
 * float8_e4m3fn x float8_e4m3fn + float32 -> float32
 *   level 0: 4 products and the accumulator in one adder with 13 bits below the largest exponent, cut toward zero;
 *            runs of 8; the sum is cut to E8M13
 *   level 1: runs are added up in float32
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cemu.h"

enum { E4M3, F32, E8M13, FORMATS };

static const cemu_format formats[FORMATS] = {
    [E4M3] = {.kind = CEMU_FORMAT_KIND_FLOAT, .bits = 8, .is_signed = 1, .exp_bits = 4, .man_bits = 3, .bias = 7,
              .emin = -6, .subnormals = CEMU_SUBNORMALS_GRADUAL, .nan = CEMU_NAN_ENCODING_ALL_ONES,
              .negative_zero = 1, .has_zero = 1, .radix_log2 = 1, .max_magnitude = 0x7e},
    [F32] = {.kind = CEMU_FORMAT_KIND_FLOAT, .bits = 32, .is_signed = 1, .exp_bits = 8, .man_bits = 23, .bias = 127,
             .emin = -126, .subnormals = CEMU_SUBNORMALS_GRADUAL, .infinities = 1, .nan = CEMU_NAN_ENCODING_IEEE,
             .negative_zero = 1, .has_zero = 1, .radix_log2 = 1, .max_magnitude = 0x7f7fffff},
    [E8M13] = {.kind = CEMU_FORMAT_KIND_FLOAT, .bits = 22, .is_signed = 1, .exp_bits = 8, .man_bits = 13, .bias = 127,
               .emin = -126, .subnormals = CEMU_SUBNORMALS_GRADUAL, .infinities = 1, .nan = CEMU_NAN_ENCODING_IEEE,
               .negative_zero = 1, .has_zero = 1, .radix_log2 = 1, .max_magnitude = 0x1fdfff},
};

static const cemu_step steps[] = {
    {.factor = CEMU_FACTOR_NONE, .addends = 0,
     .cast = {.format = E8M13, .rounding = CEMU_ROUNDING_TOWARD_ZERO, .overflow = CEMU_OVERFLOW_INFINITY_ALWAYS,
              .nan_code = 0x1ff000}},
    {.factor = CEMU_FACTOR_NONE, .addends = 0,
     .cast = {.format = F32, .rounding = CEMU_ROUNDING_TIES_TO_EVEN, .overflow = CEMU_OVERFLOW_INFINITY,
              .nan_code = 0x7fc00000}},
};

static const cemu_level levels[] = {
    {.group = 4, .length = 8, .lanes = 1, .start = CEMU_START_ZERO, .align = 1, .align_bits = 13,
     .align_rounding = CEMU_ROUNDING_TOWARD_ZERO, .align_to = CEMU_ALIGN_TO_ALL, .result = {0, 1}},
    {.group = 1, .lanes = 1, .start = CEMU_START_C, .result = {1, 1}},
};

static const cemu_unit unit = {
    .a = {.format = E4M3}, .b = {.format = E4M3}, .c = {.format = F32},
    .d = {.format = F32, .rounding = CEMU_ROUNDING_TIES_TO_EVEN, .overflow = CEMU_OVERFLOW_INFINITY, .nan_code = 0x7fc00000},
    .scale_a = {.format = -1}, .scale_b = {.format = -1}, .levels = 2,
};

static const cemu_tables tables = {.unit = &unit, .formats = formats, .steps = steps, .levels = levels};

enum { ONE = 0x38, SMALL = 0x08 /* 2^-6 */, NEGATIVE_ZERO = 0x80, NOT_A_NUMBER = 0x7f };

static int check(const char *what, uint64_t got, uint64_t wanted) {
    if (got == wanted) return 0;
    printf("%s: %#" PRIx64 ", expected %#" PRIx64 "\n", what, got, wanted);
    return 1;
}

int main(void) {
    /* rows: ones; one and fifteen times 2^-6; a NaN; all -0 */
    uint64_t a[4 * 16], b[16 * 1], c[4] = {0x3f800000, 0, 0x3f800000, 0x80000000}, d[4] = {0};
    int64_t events[(CEMU_STAGE_FIRST_LEVEL + 3) * CEMU_EVENT_KINDS] = {0};
    int bad = 0;
    for (int k = 0; k < 16; k++) {
        a[k] = ONE;
        a[16 + k] = k ? SMALL : ONE;
        a[32 + k] = k == 5 ? NOT_A_NUMBER : ONE;
        a[48 + k] = NEGATIVE_ZERO;
        b[k] = ONE;
    }
    cemu_problem problem = {
        .m = 4, .n = 1, .k = 16, .a = a, .b = b, .c = c, .d = d, .row_end = 4, .column_end = 1, .limbs = 12,
        .events = events, .count_a = 1, .count_b = 1,
    };
    bad |= check("status", (uint64_t)cemu_matmul(&tables, &problem), CEMU_OK);
    bad |= check("sixteen ones and one", d[0], 0x41880000); /* 17 */
    bad |= check("one and 15 * 2^-6", d[1], 0x3f9e0000);     /* 1 + 15/64 */
    bad |= check("NaN", d[2], 0x7fc00000);
    bad |= check("minus zero plus +0", d[3], 0);

    /* 2^-12 lies fourteen bits below 2^2: it is lost beside 4, and kept in a run of its own */
    for (int k = 0; k < 16; k++) a[k] = SMALL;
    a[0] = 0x48; /* 4 */
    b[0] = ONE;
    for (int k = 1; k < 16; k++) b[k] = SMALL;
    b[8] = 0; /* so that the second run has seven of them */
    memset(events, 0, sizeof events);
    problem.row_end = 1;
    c[0] = 0;
    bad |= check("status", (uint64_t)cemu_matmul(&tables, &problem), CEMU_OK);
    bad |= check("4 + 7 * 2^-12", d[0], 0x40800e00);
    bad |= check("truncated", (uint64_t)events[CEMU_STAGE_FIRST_LEVEL * CEMU_EVENT_KINDS + CEMU_EVENT_KIND_TRUNCATED], 7);

    problem.limbs = 2;
    bad |= check("too few words", (uint64_t)cemu_matmul(&tables, &problem), CEMU_BAD_TABLE);

    uint64_t half[2] = {0x3fc00000, 0x7f800001}, cast[2];
    uint16_t masks[2];
    int64_t error = -1;
    cemu_cast to = {.format = E4M3, .rounding = CEMU_ROUNDING_TIES_TO_EVEN, .overflow = CEMU_OVERFLOW_SATURATE, .nan_code = 0x7f};
    bad |= check("status", (uint64_t)cemu_cast_codes(&tables, F32, &to, half, 2, NULL, cast, masks, &error), CEMU_OK);
    bad |= check("1.5", cast[0], 0x3c);
    bad |= check("NaN", cast[1], 0x7f);
    printf("%s on %s\n", bad ? "failed" : "passed", cemu_isa());
    return bad;
}
