/* Operands on their way to the multiplier: decode, daz, zero point, load, parts: emu/units/operands.py. */
#ifndef CEMU_OPERAND_H
#define CEMU_OPERAND_H

#include "pipe.h"

enum { MOST_PARTS = 8 };

/* A decoded operand element, daz applied. */
typedef struct {
    uint64_t sig; /* significand, or payload of a NaN */
    int32_t q, e;
    uint8_t kind, negative, live, padding;
} element;

INLINE void decode_element(context *c, const cemu_operand *o, uint64_t code, element *out, int count) {
    const cemu_format *f = c->t->formats + o->format;
    value *x = &c->scale;
    decode(c->t, f, code, x);
    if (o->daz && x->kind == FINITE && (!x->n || top_of(x) < f->emin)) {
        if (x->n && count) count_events(c, CEMU_STAGE_OPERAND, EVENT(FLUSHED_IN));
        set_zero(x, x->negative && o->daz == CEMU_DAZ_SIGNED, 0, 0);
    }
    out->sig = x->n || x->kind == NAN_VALUE ? x->limb[0] : 0;
    out->q = x->q;
    out->e = x->e;
    out->kind = x->kind;
    out->negative = x->negative;
    out->live = x->live;
}

/* x - zero point, of integers of at most 32 bits. */
INLINE void subtract_zero_point(context *c, const cemu_per_block *zero, uint64_t code, element *x) {
    value *z = &c->scale;
    decode(c->t, c->t->formats + zero->format, code, z);
    int64_t zero_point = z->n ? (int64_t)(z->limb[0] << z->q) : 0, from = (int64_t)(x->sig << x->q);
    if (z->negative) zero_point = -zero_point;
    int64_t left = (x->negative ? -from : from) - zero_point;
    x->negative = left < 0;
    x->sig = (uint64_t)(left < 0 ? -left : left);
    x->q = x->e = 0;
    x->live |= z->live;
}

INLINE void load_element(const element *from, value *x) {
    x->kind = from->kind;
    x->negative = from->negative;
    x->live = from->live;
    x->fresh = 0;
    x->q = from->q;
    x->e = from->e;
    x->n = from->kind == FINITE && from->sig != 0;
    x->limb[0] = from->sig;
}

/* rest -= part, exact. inf - inf is a fresh NaN; an exact zero is +0. */
INLINE void subtract_part(context *c, value *rest, const value *part) {
    if (rest->kind == NAN_VALUE) return;
    if (part->kind == NAN_VALUE) {
        copy_value(rest, part);
    } else if (part->kind != FINITE) {
        if (rest->kind == FINITE) {
            set_infinity(rest, !part->negative);
        } else {
            count_events(c, CEMU_STAGE_OPERAND, EVENT(NAN_MADE));
            set_nan(rest, 0, QUIET, 1);
        }
    } else if (rest->kind == FINITE) {
        copy_value(&c->scale, part);
        c->scale.negative = !c->scale.negative;
        add_aligned(c, rest, &c->scale, 0);
        if (!rest->n) rest->negative = 0;
    }
}

/* Split a loaded operand, which is used up, into parts. Without steps it is its own only part. */
INLINE void split_operand(context *c, value *rest, const cemu_step *steps, int64_t count, value *parts) {
    if (!count) copy_value(parts, rest);
    for (int64_t i = 0; i < count && !c->status; i++) {
        if (steps[i].factor != CEMU_FACTOR_NONE) {
            load_constant(c->t->constants + steps[i].first_constant, &c->scale);
            if (multiply_value(c, rest, &c->scale)) count_events(c, CEMU_STAGE_OPERAND, EVENT(NAN_MADE));
        }
        copy_value(parts + i, rest);
        count_events(c, CEMU_STAGE_OPERAND, cast_value(c, &steps[i].cast, 0, parts + i));
        if (i + 1 < count) subtract_part(c, rest, parts + i);
    }
}

#endif
