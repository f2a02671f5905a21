/* Scalar operations on codes, element by element: emu/operations/reference.py. */
#include "exact.h"

#include <stdlib.h>

#define DIVIDE_BY_ZERO (1u << 15) /* beside the events of the cast */

typedef struct {
    context c;
    const cemu_operation *how;
    const cemu_format *format[3];
    value operand[3];
    int signalling[3];
    uint32_t mask;
    uint64_t draw;
} work;

static void load(work *w, int at, uint64_t code) {
    const cemu_format *f = w->format[at];
    value *x = &w->operand[at];
    decode(w->c.t, f, code, x);
    w->signalling[at] = x->kind == NAN_VALUE && f->nan == CEMU_NAN_ENCODING_IEEE && !(x->limb[0] & QUIET);
    if (w->how->daz && f->kind == CEMU_FORMAT_KIND_FLOAT && x->kind == FINITE && x->n && top_of(x) < f->emin)
        set_zero(x, x->negative, 0, 0);
}

static void invalid(work *w) {
    set_nan(&w->operand[0], 0, QUIET, 1);
    w->mask |= EVENT(INVALID);
}

/* A NaN among the operands: which one comes out, and whether it is invalid. `product`: of an fma whose product is
 * 0 * infinity. Returns 1 if there is one. */
static int nan_result(work *w, int count, int bad_product) {
    static const int in_order[3] = {0, 1, 2}, addend_first[3] = {2, 0, 1};
    const int *order = w->how->nan_style == CEMU_NAN_STYLE_ARM && count == 3 ? addend_first : in_order;
    int first = -1, first_signalling = -1;
    for (int i = count - 1; i >= 0; i--) {
        int at = order[i];
        if (w->operand[at].kind != NAN_VALUE) continue;
        first = at;
        if (w->signalling[at]) first_signalling = at;
    }
    if (first < 0) return 0;
    if (first_signalling >= 0 || (bad_product && w->how->nan_style != CEMU_NAN_STYLE_X86)) w->mask |= EVENT(INVALID);
    if (w->how->nan_style == CEMU_NAN_STYLE_RISCV) {
        set_nan(&w->operand[0], 0, QUIET, 1);
        return 1;
    }
    if (w->how->nan_style == CEMU_NAN_STYLE_ARM) {
        if (first_signalling >= 0) first = first_signalling;
        else if (bad_product) {
            set_nan(&w->operand[0], 0, QUIET, 1);
            return 1;
        }
    }
    if (first) copy_value(&w->operand[0], &w->operand[first]);
    w->operand[0].limb[0] |= QUIET;
    return 1;
}

static void sum(work *w, value *x, value *y) {
    int down = w->how->cast.rounding == CEMU_ROUNDING_TOWARD_NEGATIVE;
    if (x->kind == INFINITE && y->kind == INFINITE && x->negative != y->negative) invalid(w);
    else if (x->kind == INFINITE) return;
    else if (y->kind == INFINITE) set_infinity(x, y->negative);
    else add_value(&w->c, x, y, down);
}

static void quotient(work *w) {
    value *x = &w->operand[0], *y = &w->operand[1];
    int negative = x->negative ^ y->negative;
    if ((x->kind == INFINITE && y->kind == INFINITE) || (is_zero(x) && is_zero(y))) invalid(w);
    else if (x->kind == INFINITE) set_infinity(x, negative);
    else if (y->kind == INFINITE || is_zero(x)) set_zero(x, negative, 0, 0);
    else if (is_zero(y)) {
        set_infinity(x, negative);
        w->mask |= DIVIDE_BY_ZERO;
    } else divide_value(&w->c, w->c.t->formats + w->how->cast.format, x, y);
}

static void remainder_of(work *w) {
    value *x = &w->operand[0], *y = &w->operand[1];
    if (x->kind == INFINITE || is_zero(y)) invalid(w);
    else if (y->kind != INFINITE && !is_zero(x)) remainder_value(x, y);
}

static void square_root(work *w) {
    value *x = &w->operand[0];
    if (is_zero(x)) return;
    if (x->negative) invalid(w);
    else if (x->kind == FINITE) root_value(&w->c, x);
}

static void to_integral(work *w) {
    value *x = &w->operand[0];
    if (x->kind != FINITE || !any_below(x, -x->q)) return; /* an integer stays, in every mode */
    int inexact = round_shift(&w->c, x, -x->q, w->how->rounding, &w->how->cast, w->draw, 0);
    x->q = 0;
    if (inexact && w->how->exact) w->mask |= EVENT(INEXACT);
}

/* Whether an operand is an integer or fixed-point number: these have no signed zero. */
static int integral(const work *w, int64_t format) {
    int64_t kind = w->c.t->formats[format].kind;
    return kind == CEMU_FORMAT_KIND_INTEGER || kind == CEMU_FORMAT_KIND_FIXED;
}

/* The exact result, in operand[0]. */
static void compute(work *w) {
    value *x = w->operand, *y = x + 1, *z = x + 2;
    int64_t operation = w->how->operation;
    int second = w->how->operands > 1 && integral(w, w->how->y), both = second && integral(w, w->how->x);
    if (operation == CEMU_OPERATION_SUBTRACT && y->kind != NAN_VALUE && !(second && is_zero(y))) y->negative ^= 1;
    int bad_product = operation == CEMU_OPERATION_FMA && ((x->kind == INFINITE && is_zero(y)) || (y->kind == INFINITE && is_zero(x)));
    if (nan_result(w, (int)w->how->operands, bad_product)) return;
    switch (operation) {
        case CEMU_OPERATION_ADD:
        case CEMU_OPERATION_SUBTRACT: sum(w, x, y); break;
        case CEMU_OPERATION_MULTIPLY:
            if (multiply_value(&w->c, x, y)) w->mask |= EVENT(INVALID);
            else if (both && is_zero(x)) x->negative = 0;
            break;
        case CEMU_OPERATION_FMA:
            if (multiply_value(&w->c, x, y)) {
                w->mask |= EVENT(INVALID);
            } else {
                if (both && is_zero(x)) x->negative = 0;
                sum(w, x, z);
            }
            break;
        case CEMU_OPERATION_DIVIDE:
            quotient(w);
            if (both && is_zero(x)) x->negative = 0;
            break;
        case CEMU_OPERATION_REMAINDER: remainder_of(w); break;
        case CEMU_OPERATION_SQRT: square_root(w); break;
        case CEMU_OPERATION_ROUND_TO_INTEGRAL: to_integral(w); break;
        default: break; /* convert */
    }
}

static int64_t run(work *w, const uint64_t *const *codes, int64_t n, const uint64_t *draws, uint64_t *out, uint16_t *masks,
                   int64_t *error_index) {
    const cemu_format *to = w->c.t->formats + w->how->cast.format;
    int64_t operands = w->how->operands;
    cemu_cast cast = w->how->cast;
    if (w->how->operation == CEMU_OPERATION_ROUND_TO_INTEGRAL && cast.rounding >= CEMU_ROUNDING_JAMMING)
        cast.rounding = CEMU_ROUNDING_TIES_TO_EVEN; /* the integer is not rounded once more */
    for (int64_t i = 0; i < n; i++) {
        for (int64_t k = 0; k < operands; k++) load(w, (int)k, codes[k][i]);
        w->mask = 0;
        w->draw = draws ? draws[i] : 0;
        compute(w);
        value *x = w->operand;
        w->mask |= cast_value(&w->c, &cast, w->draw, x);
        if (w->c.status) {
            *error_index = i;
            return w->c.status;
        }
        out[i] = encode(w->c.t, to, x);
        masks[i] = (uint16_t)w->mask;
    }
    return CEMU_OK;
}

CEMU_API int64_t cemu_operate(const cemu_tables *tables, const cemu_operation *operation, const uint64_t *x,
                              const uint64_t *y, const uint64_t *z, int64_t n, int64_t limbs, const uint64_t *draws,
                              uint64_t *out, uint16_t *masks, int64_t *error_index) {
    const uint64_t *codes[3] = {x, y, z};
    const int64_t rows[3] = {operation->x, operation->y, operation->z};
    if (limbs < 8 || operation->operands < 1 || operation->operands > 3 || operation->cast.format < 0) return CEMU_BAD_TABLE;
    if (operation->cast.sr_bits < 0 || operation->cast.sr_bits > 64) return CEMU_BAD_TABLE;
    for (int64_t k = 0; k < operation->operands; k++)
        if (rows[k] < 0 || (n && !codes[k])) return CEMU_BAD_TABLE;
    uint64_t *arena = malloc((size_t)(5 * limbs + 2) * sizeof *arena);
    if (!arena) return CEMU_NO_MEMORY;
    work w = {.how = operation, .c = {.t = tables, .limbs = limbs, .scratch = arena + 3 * limbs}};
    for (int k = 0; k < 3; k++) {
        w.format[k] = rows[k] < 0 ? NULL : tables->formats + rows[k];
        w.operand[k].limb = arena + k * limbs;
    }
    int64_t status = run(&w, codes, n, draws, out, masks, error_index);
    free(arena);
    return status;
}
