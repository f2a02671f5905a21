/* The pipe: multiply, add, cast, with one rounding a step: emu/arithmetic/pipe.py. */
#ifndef CEMU_PIPE_H
#define CEMU_PIPE_H

#include "cast.h"
#include "philox.h"

/* Where a value stands: what the factors of a step are looked up by. */
typedef struct {
    int64_t k, position, m, n; /* absolute k of its first product; index in the level's input, or column; output element */
} place;

INLINE void load_constant(const cemu_constant *from, value *x) {
    set_small(x, (int)from->negative, (uint64_t)from->sig, (int32_t)from->q, (int32_t)from->e);
    x->live = from->live != 0;
}

INLINE void load_scale(context *c, int which_b, const place *at, value *x) {
    const cemu_unit *u = c->t->unit;
    const cemu_problem *p = c->p;
    const cemu_per_block *s = which_b ? &u->scale_b : &u->scale_a;
    int64_t block = s->block ? at->k / s->block : 0;
    uint64_t code = which_b ? p->b_scale[block * p->n + at->n] : p->a_scale[at->m * p->a_blocks + block];
    decode(c->t, c->t->formats + s->format, code, x);
}

INLINE void run_pipe(context *c, const cemu_pipe *pipe, value *x, const place *at, int64_t stage);

/* A scratch value that is not x itself (the pipe of scale.product works on c->scale). */
INLINE value *spare(context *c, const value *x) { return x == &c->scale ? &c->scale_b : &c->scale; }

/* The factor of a step for the value x, in a spare value. Scales and digit weights never stand in scale.product. */
INLINE const value *load_factor(context *c, const cemu_step *s, const value *x, const place *at) {
    const cemu_unit *u = c->t->unit;
    value *out = spare(c, x);
    switch (s->factor) {
        case CEMU_FACTOR_CONSTANTS:
            load_constant(c->t->constants + s->first_constant + at->position % s->constants, out);
            break;
        case CEMU_FACTOR_A_SCALE: load_scale(c, 0, at, out); break;
        case CEMU_FACTOR_B_SCALE: load_scale(c, 1, at, out); break;
        case CEMU_FACTOR_SCALE:
            load_scale(c, 0, at, out);
            load_scale(c, 1, at, &c->scale_b);
            if (multiply_value(c, out, &c->scale_b)) count_events(c, CEMU_STAGE_SCALE, EVENT(NAN_MADE));
            run_pipe(c, &u->scale_product, out, at, CEMU_STAGE_SCALE);
            break;
        default: { /* digits */
            const int64_t *pair = c->t->terms + 2 * (at->position % c->terms_per_k);
            int32_t weight = (int32_t)(u->digit_width * (pair[0] + pair[1]));
            set_small(out, 0, 1, weight, weight);
        }
    }
    return out;
}

/* x += y, exact, both finite, with the alignment exponent of the sum: emu/arithmetic/exact.py. */
INLINE void add_aligned(context *c, value *x, value *y, int toward_negative) {
    int both_zero = !x->n && !y->n, negative = x->negative, same = both_zero && x->negative == y->negative;
    int live = x->live || y->live;
    int32_t e = x->live && (!y->live || x->e > y->e) ? x->e : y->e;
    value *terms[2] = {x, y};
    sum_values(c, x, terms, 2);
    if (!x->n) x->negative = (uint8_t)(same ? negative : toward_negative);
    x->live = (uint8_t)live;
    x->e = live ? e : 0;
}

INLINE void add_constant(context *c, value *x, const cemu_constant *from, int toward_negative) {
    if (x->kind != FINITE) return;
    value *y = spare(c, x);
    load_constant(from, y);
    add_aligned(c, x, y, toward_negative);
}

INLINE uint32_t draw_and_cast(context *c, const cemu_cast *how, value *x) {
    uint64_t draw = 0;
    if (how->rounding == CEMU_ROUNDING_STOCHASTIC && x->kind == FINITE)
        draw = philox_bits(c->p->seed, c->index, c->draws++, how->sr_bits);
    return cast_value(c, how, draw, x);
}

INLINE void run_pipe(context *c, const cemu_pipe *pipe, value *x, const place *at, int64_t stage) {
    const cemu_step *s = c->t->steps + pipe->first;
    for (int64_t i = 0; i < pipe->count && !c->status; i++, s++) {
        if (s->factor != CEMU_FACTOR_NONE && multiply_value(c, x, load_factor(c, s, x, at)))
            count_events(c, stage, EVENT(NAN_MADE));
        if (s->addends) {
            int down = s->cast.format >= 0 && s->cast.rounding == CEMU_ROUNDING_TOWARD_NEGATIVE;
            add_constant(c, x, c->t->constants + s->first_addend + at->position % s->addends, down);
        }
        if (s->cast.format >= 0) count_events(c, stage, draw_and_cast(c, &s->cast, x));
    }
}

#endif
