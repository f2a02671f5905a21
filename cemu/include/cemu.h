/* cemu: bit-exact arithmetic of matrix units, in C11, with no dependency but libc.
 *
 * A unit is plain data: the tables below, all int64_t, filled by emu (Python) or by hand. Every field is documented
 * where emu documents the key of the same name; enum members stand in the order of emu's vocabularies.
 *
 * Conventions
 *  - codes are uint64_t, one per element, row-major; indices into tables are -1 for "none";
 *  - a pipe is `first` and `count` of consecutive rows of the step table;
 *  - functions return CEMU_OK or an error; they write nothing but their outputs, keep no state and are thread-safe;
 *  - bits do not depend on the tile, the thread, the compiler's vectorisation or the machine.
 */
#ifndef CEMU_H
#define CEMU_H

#include <stdint.h>

#define CEMU_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/* cdef-begin */
enum {
    CEMU_OK = 0,
    CEMU_OVERFLOW_RAISED = 1, /* a cast with overflow = "raise" left its range */
    CEMU_NO_MEMORY = 2,
    CEMU_TOO_WIDE = 3,  /* `limbs` is too small for this unit and K */
    CEMU_RUNS = 4,      /* the outermost level would hand up more than one result */
    CEMU_BAD_TABLE = 5, /* a number in a table is out of its range */
};

enum {
    CEMU_FORMAT_KIND_FLOAT, CEMU_FORMAT_KIND_INTEGER, CEMU_FORMAT_KIND_FIXED, CEMU_FORMAT_KIND_LOG,
    CEMU_FORMAT_KIND_CODEBOOK,
};
enum { CEMU_SUBNORMALS_GRADUAL, CEMU_SUBNORMALS_NONE, CEMU_SUBNORMALS_NORMAL, CEMU_SUBNORMALS_LOWERED };
enum {
    CEMU_NAN_ENCODING_IEEE, CEMU_NAN_ENCODING_ALL_ONES, CEMU_NAN_ENCODING_NEGATIVE_ZERO,
    CEMU_NAN_ENCODING_TOP_CODE, CEMU_NAN_ENCODING_NONE, CEMU_NAN_ENCODING_LISTED,
};
enum { CEMU_NAN_TO_ZERO, CEMU_NAN_TO_NEGATIVE_ZERO, CEMU_NAN_TO_MAX };
enum { CEMU_INTEGER_ENCODING_TWOS_COMPLEMENT, CEMU_INTEGER_ENCODING_SIGN_MAGNITUDE };
enum {
    CEMU_ROUNDING_TIES_TO_EVEN, CEMU_ROUNDING_TIES_TO_AWAY, CEMU_ROUNDING_TIES_TO_ZERO,
    CEMU_ROUNDING_TIES_TO_POSITIVE, CEMU_ROUNDING_TIES_TO_NEGATIVE, CEMU_ROUNDING_TOWARD_ZERO,
    CEMU_ROUNDING_TOWARD_POSITIVE, CEMU_ROUNDING_TOWARD_NEGATIVE, CEMU_ROUNDING_AWAY_FROM_ZERO,
    CEMU_ROUNDING_TO_ODD, CEMU_ROUNDING_JAMMING, CEMU_ROUNDING_STOCHASTIC, CEMU_ROUNDING_EXACT,
};
enum {
    CEMU_OVERFLOW_INFINITY, CEMU_OVERFLOW_INFINITY_ALWAYS, CEMU_OVERFLOW_SATURATE,
    CEMU_OVERFLOW_SATURATE_PROPAGATE, CEMU_OVERFLOW_NAN, CEMU_OVERFLOW_WRAP, CEMU_OVERFLOW_RAISE,
};
enum { CEMU_FTZ_OFF, CEMU_FTZ_BEFORE_ROUNDING, CEMU_FTZ_AFTER_ROUNDING, CEMU_FTZ_RESULT };
enum { CEMU_DAZ_OFF, CEMU_DAZ_SIGNED, CEMU_DAZ_POSITIVE };
enum { CEMU_TININESS_AFTER_ROUNDING, CEMU_TININESS_BEFORE_ROUNDING };
enum { CEMU_STOCHASTIC_VARIANT_A, CEMU_STOCHASTIC_VARIANT_B, CEMU_STOCHASTIC_VARIANT_C };
enum {
    CEMU_EVENT_KIND_INEXACT, CEMU_EVENT_KIND_UNDERFLOW, CEMU_EVENT_KIND_OVERFLOW, CEMU_EVENT_KIND_INVALID,
    CEMU_EVENT_KIND_SATURATED, CEMU_EVENT_KIND_WRAPPED, CEMU_EVENT_KIND_FLUSHED_IN,
    CEMU_EVENT_KIND_FLUSHED_OUT, CEMU_EVENT_KIND_NAN_MADE, CEMU_EVENT_KIND_TRUNCATED, CEMU_EVENT_KINDS,
};
enum {
    CEMU_FACTOR_NONE, CEMU_FACTOR_CONSTANTS, CEMU_FACTOR_A_SCALE, CEMU_FACTOR_B_SCALE, CEMU_FACTOR_SCALE,
    CEMU_FACTOR_DIGITS,
};
enum { CEMU_START_C, CEMU_START_ZERO, CEMU_START_NONE };
enum { CEMU_ALIGN_TO_ALL, CEMU_ALIGN_TO_TERMS, CEMU_ALIGN_TO_POINT };
enum { CEMU_ZERO_SIGN_IEEE, CEMU_ZERO_SIGN_POSITIVE, CEMU_ZERO_SIGN_ALWAYS_POSITIVE };
enum { CEMU_NAN_RULE_DEFAULT, CEMU_NAN_RULE_FIRST };
enum { CEMU_NAN_ORDER_TERMS_FIRST, CEMU_NAN_ORDER_ACCUMULATOR_FIRST };
enum { CEMU_PRODUCT_EXPONENT_SUM, CEMU_PRODUCT_EXPONENT_LEADING_BIT };
enum {
    CEMU_OPERATION_ADD, CEMU_OPERATION_SUBTRACT, CEMU_OPERATION_MULTIPLY, CEMU_OPERATION_FMA, CEMU_OPERATION_CONVERT,
    CEMU_OPERATION_DIVIDE, CEMU_OPERATION_SQRT, CEMU_OPERATION_REMAINDER, CEMU_OPERATION_ROUND_TO_INTEGRAL,
};
enum { CEMU_NAN_STYLE_RISCV, CEMU_NAN_STYLE_X86, CEMU_NAN_STYLE_ARM };
enum { CEMU_STAGE_OPERAND, CEMU_STAGE_SCALE, CEMU_STAGE_PRODUCT, CEMU_STAGE_FIRST_LEVEL };

/* A format (emu/formats/model.py). */
typedef struct {
    int64_t kind, bits, is_signed, exp_bits, man_bits, bias, emin, subnormals, infinities, nan, negative_zero,
        ignored_low_bits, ignored_high_bits, frac_bits, symmetric, encoding, radix_log2, has_zero, nan_to,
        max_magnitude; /* exponent and mantissa fields of the largest finite float or log value */
    int64_t odd_phase, first_point, points;        /* of a log or codebook format: its rows of the point table */
    int64_t below_smallest; /* whether four rows follow: -smallest, the power below, and both positive (tininess) */
    int64_t first_rank;                            /* its rows of the rank table, by code; -1: decoded by formula */
    int64_t nan_code, infinity_code, negative_infinity_code, negative_zero_code; /* that it writes; -1: none */
} cemu_format;

/* One value of a log or codebook format (emu/formats/grid.py), ascending: (-1)^negative * sig * 2^q, its code (-1, -2: a
 * virtual point above or below), and the boundary to the next, which may be a square root. */
typedef struct {
    int64_t negative, sig, q, code, odd, boundary_negative, boundary_sig, boundary_q, boundary_root;
} cemu_point;

enum { CEMU_RANK_NAN = -1, CEMU_RANK_INFINITY = -2, CEMU_RANK_NEGATIVE_INFINITY = -3, CEMU_RANK_NEGATIVE_ZERO = -4 };

/* A cast (emu/formats/cast.py); format = -1: no cast. */
typedef struct {
    int64_t format, rounding, overflow, ftz, sr_bits, sr_variant, nan_code, tininess;
    int64_t nan_to; /* what every NaN becomes; -1: NaN if the format has one, else the format's */
} cemu_cast;

/* A constant: (-1)^negative * sig * 2^q with alignment exponent e (live = 0: a zero, dead). */
typedef struct {
    int64_t negative, sig, q, e, live;
} cemu_constant;

/* One step of a pipe. Constants and addends are rows of the constant table; several are looked up by position. */
typedef struct {
    int64_t factor, first_constant, constants, first_addend, addends;
    cemu_cast cast;
} cemu_step;

typedef struct {
    int64_t first, count;
} cemu_pipe;

/* One reduction level; the order indexes the order table. */
typedef struct {
    int64_t group, length, parts, lanes; /* length, parts: 0 = not given */
    int64_t first_order, order_length, start;
    int64_t align, align_bits, align_rounding, align_to, align_point; /* align = 0: exact adder */
    int64_t has_min_exp, align_min_exp, has_max_shift, align_max_shift;
    int64_t zero_sign, nan_order, toward_negative;
    cemu_pipe input, result;
} cemu_level;

/* Scales or zero points of an operand; format = -1: none; block = 0: one per row or column. */
typedef struct {
    int64_t format, block;
} cemu_per_block;

/* An operand; format = -1: the unit has none. */
typedef struct {
    int64_t format, daz;
    cemu_per_block zero;
    cemu_pipe load;
} cemu_operand;

typedef struct {
    int64_t k; /* products of one instruction; 0: all of K */
    cemu_operand a, b, c;
    cemu_cast d;
    cemu_per_block scale_a, scale_b;
    cemu_pipe scale_product, product_result, output;
    int64_t product_exponent, integral_product, nan_rule;
    int64_t table_columns;                        /* 0: no product table */
    int64_t digit_width, parts_a, parts_b;        /* operands are split: into digits, or (width 0) into floats */
    int64_t casts_a, casts_b;                     /* of the parts of a, then of b: rows of the cast table */
    int64_t terms;                                /* products of one k: pairs of the term table; 0: not split */
    int64_t levels;
} cemu_unit;

/* The tables of one unit. */
typedef struct {
    const cemu_unit *unit;
    const cemu_format *formats;
    const cemu_step *steps;
    const cemu_constant *constants;
    const cemu_level *levels;
    const int64_t *orders;
    const int64_t *table; /* products by code of a, then of b */
    const cemu_point *points; /* the grids of log and codebook formats */
    const int64_t *ranks;     /* by code: the row of its point among its format's, or CEMU_RANK_... */
    const cemu_cast *casts;   /* what the parts of a, then of b, are rounded to */
    const int64_t *terms;     /* (part of a, part of b) of each product of one k */
} cemu_tables;

/* One tile of one product: rows [row, row_end) and columns [column, column_end) of d. */
typedef struct {
    int64_t m, n, k, a_blocks, b_blocks, a_zero_blocks, b_zero_blocks;
    const uint64_t *a, *b, *c, *a_scale, *b_scale; /* [m,k] [k,n] [m,n] [m,a_blocks] [b_blocks,n]; c, scales: may be NULL */
    const uint64_t *a_zero, *b_zero;               /* [m,a_zero_blocks] [b_zero_blocks,n]; NULL: zero points are 0 */
    uint64_t *d;                                   /* [m,n] */
    int64_t first_index;                           /* of d[0] in the whole result, for the random stream */
    uint64_t seed;
    int64_t row, row_end, column, column_end;
    int64_t limbs;                                 /* 64-bit words of the widest value: emu's range analysis */
    int64_t *events;                               /* [stage][kind], added to, from 0; NULL: not counted */
    int64_t *positions;                            /* [stage][kind][position_limit][3]: m, n, k of the first ones, -1: none */
    int64_t position_limit;                        /* 0: positions may be NULL */
    int64_t count_a, count_b;                      /* whether this tile counts the flushed elements of a and b */
    int64_t error_index;                           /* out: linear index in d of the element that raised */
} cemu_problem;

/* Compute one tile of a product. */
CEMU_API int64_t cemu_matmul(const cemu_tables *tables, cemu_problem *problem);

/* Compute `count` whole products of one shape, whose arrays follow one another ([count][m,k], …; NULL for all or none);
 * `problem` is the first, without positions. Events are of all together, error_index is linear in all of d. */
CEMU_API int64_t cemu_matmul_many(const cemu_tables *tables, cemu_problem *problem, int64_t count);

/* Cast n codes of one format to another, one by one. masks (or NULL) gets a mask of events (bit = event kind) for
 * each. draws are the random bits of a stochastic cast, one for each element (or NULL). error_index gets the element
 * that raised. Of the tables, formats, points and ranks are read. */
CEMU_API int64_t cemu_cast_codes(const cemu_tables *tables, int64_t source, const cemu_cast *cast, const uint64_t *codes,
                                 int64_t n, const uint64_t *draws, uint64_t *out, uint16_t *masks, int64_t *error_index);

/* A scalar operation (emu/operations): the formats of its operands (-1: none), and the cast of its result. */
typedef struct {
    int64_t operation, operands, x, y, z, daz, nan_style, exact, rounding; /* rounding: to an integer */
    cemu_cast cast;
} cemu_operation;

/* Operate on n elements, one by one: x, y, z are codes (NULL where there is no such operand), masks gets the events of the
 * cast, with invalid also for invalid operations, and bit 15 for a division by zero. limbs: words of the widest exact
 * result, at least 8. Of the tables, formats, points and ranks are read; that rows are within them is the caller's
 * promise. error_index gets the element that raised. */
CEMU_API int64_t cemu_operate(const cemu_tables *tables, const cemu_operation *operation, const uint64_t *x,
                              const uint64_t *y, const uint64_t *z, int64_t n, int64_t limbs, const uint64_t *draws,
                              uint64_t *out, uint16_t *masks, int64_t *error_index);

/* The ISA level this machine offers: "x86-64-v4", "x86-64-v3", "x86-64" or "generic". */
CEMU_API const char *cemu_isa(void);

/* The version of this library. */
CEMU_API const char *cemu_version(void);
/* cdef-end */

#ifdef __cplusplus
}
#endif
#endif
