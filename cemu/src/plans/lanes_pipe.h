/* Pipes of the plan `lanes`: multiply, add, cast, a block at a time. */
#ifndef CEMU_PLANS_LANES_PIPE_H
#define CEMU_PLANS_LANES_PIPE_H

#include "lanes_sum.h"

static void multiply_constant(work *w, const cemu_constant *by, block *x) {
    uint64_t sig = (uint64_t)by->sig, most = sig ? WIDEST / sig : WIDEST;
    int64_t neg = by->negative != 0, q = by->q, e = by->live ? by->e : 2 * NOT_LIVE;
    if (sig == 1) {
        for EACH(j) {
            x->neg[j] ^= neg;
            x->q[j] += q;
        }
    } else {
        for EACH(j) {
            w->bad[j] |= above(x->m[j], most);
            x->m[j] *= sig;
            x->neg[j] ^= neg;
            x->q[j] += q;
        }
    }
    if (w->need_e)
        for EACH(j) x->e[j] = x->e[j] > LIVE && e > LIVE ? x->e[j] + e : NOT_LIVE;
}

static void multiply_block(work *w, block *restrict x, const block *restrict y) {
    for EACH(j) {
        w->bad[j] |= below(MOST_BITS, length(x->m[j]) + length(y->m[j]));
        x->m[j] *= y->m[j];
        x->neg[j] ^= y->neg[j];
        x->q[j] += y->q[j];
        x->e[j] = x->e[j] > LIVE && y->e[j] > LIVE ? x->e[j] + y->e[j] : NOT_LIVE;
    }
}

static void spread(const cemu_constant *from, block *x) {
    for EACH(j) {
        x->m[j] = (uint64_t)from->sig;
        x->neg[j] = from->negative != 0;
        x->q[j] = from->q;
        x->e[j] = from->live ? from->e : NOT_LIVE;
    }
}

static void run_pipe_block(work *w, const cemu_pipe *pipe, block *x, int64_t k, int64_t position, int64_t stage);

static void load_scale_a(work *w, int64_t k, block *x) {
    const cemu_plan_lanes_t *p = w->p;
    const cemu_lanes_plane *from = &p->scales_a;
    int64_t at = w->row * p->a_blocks + (w->u->scale_a.block ? k / w->u->scale_a.block : 0);
    int64_t e = from->e[at] > CEMU_LANES_NOT_LIVE ? from->e[at] : NOT_LIVE;
    for EACH(j) {
        x->m[j] = from->m[at];
        x->neg[j] = from->q[at] & 1;
        x->q[j] = from->q[at] >> 1;
        x->e[j] = e;
    }
}

static void load_scale_b(work *w, int64_t k, block *x) {
    const cemu_plan_lanes_t *p = w->p;
    int64_t block = w->column / LANES * p->b_blocks + (w->u->scale_b.block ? k / w->u->scale_b.block : 0);
    const uint32_t *m = p->scales_b.m + block * LANES;
    const int32_t *q = p->scales_b.q + block * LANES, *e = p->scales_b.e + block * LANES;
    for EACH(j) {
        x->m[j] = m[j];
        x->neg[j] = q[j] & 1;
        x->q[j] = q[j] >> 1;
        x->e[j] = e[j] > CEMU_LANES_NOT_LIVE ? e[j] : NOT_LIVE;
    }
}

static void multiply_factor(work *w, const cemu_step *s, block *x, int64_t k, int64_t position) {
    block *factor = &w->factor;
    switch (s->factor) {
        case CEMU_FACTOR_NONE: return;
        case CEMU_FACTOR_CONSTANTS:
            multiply_constant(w, w->p->tables->constants + s->first_constant + position % s->constants, x);
            return;
        case CEMU_FACTOR_DIGITS: {
            const int64_t *pair = w->p->tables->terms + 2 * (position % w->s.c.terms_per_k);
            int64_t weight = w->u->digit_width * (pair[0] + pair[1]);
            cemu_constant power = {.sig = 1, .q = weight, .e = weight, .live = 1};
            multiply_constant(w, &power, x);
            return;
        }
        case CEMU_FACTOR_A_SCALE: load_scale_a(w, k, factor); break;
        case CEMU_FACTOR_B_SCALE: load_scale_b(w, k, factor); break;
        default:
            load_scale_a(w, k, factor);
            load_scale_b(w, k, &w->other);
            multiply_block(w, factor, &w->other);
            run_pipe_block(w, &w->u->scale_product, factor, k, position, CEMU_STAGE_SCALE);
    }
    multiply_block(w, x, factor);
}

/* Whether a sticky bit does for the sum that this cast is given. */
static int takes_sticky(const cast_plan *f) {
    return !f->integral && f->how->rounding != CEMU_ROUNDING_EXACT && !f->alone;
}

static void run_pipe_block(work *w, const cemu_pipe *pipe, block *x, int64_t k, int64_t position, int64_t stage) {
    for (int64_t i = pipe->first; i < pipe->first + pipe->count; i++) {
        const cemu_step *s = w->p->tables->steps + i;
        const cast_plan *f = w->casts + i;
        multiply_factor(w, s, x, k, position);
        if (s->addends) {
            int down = s->cast.format >= 0 && s->cast.rounding == CEMU_ROUNDING_TOWARD_NEGATIVE;
            spread(w->p->tables->constants + s->first_addend + position % s->addends, &w->other);
            if (s->cast.format >= 0 && takes_sticky(f)) add_far(w, x, &w->other, down);
            else add_exact(w, x, &w->other, down);
            join_exponents(x, &w->other);
        }
        if (s->cast.format >= 0) cast_block(w, f, x, stage);
    }
}

#endif
