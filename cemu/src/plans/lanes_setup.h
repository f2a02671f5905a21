/* What a call of the plan `lanes` sets up: casts, bounds of significands, schedules, counters. */
#ifndef CEMU_PLANS_LANES_SETUP_H
#define CEMU_PLANS_LANES_SETUP_H

#include "lanes_pipe.h"

enum { MOST_TERMS = 4096 }; /* of a step of an aligned adder: a block each */

static int64_t bits_of(uint64_t m) { return m ? 64 - __builtin_clzll(m) : 0; }

/* How many bits a significand can have after a pipe, from `bits` before; 62: anything. */
static int64_t bits_after(const work *w, const cemu_pipe *pipe, int64_t bits) {
    for (int64_t i = pipe->first; i < pipe->first + pipe->count; i++) {
        const cemu_step *s = w->p->tables->steps + i;
        const cast_plan *f = w->casts + i;
        int64_t most = 0;
        for (int64_t j = 0; s->factor == CEMU_FACTOR_CONSTANTS && j < s->constants; j++)
            most = larger(most, bits_of((uint64_t)w->p->tables->constants[s->first_constant + j].sig));
        int by_scale = s->factor == CEMU_FACTOR_A_SCALE || s->factor == CEMU_FACTOR_B_SCALE || s->factor == CEMU_FACTOR_SCALE;
        if (by_scale) most = 62;
        bits += most > 1 ? most : 0;
        if (s->addends) bits = 62;
        if (s->cast.format >= 0 && !f->alone && s->cast.rounding != CEMU_ROUNDING_EXACT)
            bits = f->integral ? f->bits : f->man + 2;
        else if (s->cast.format >= 0 && f->alone) bits = 62;
        bits = smaller(bits, 62);
    }
    return bits;
}

static int64_t bits_of_format(const cemu_format *f) {
    if (f->kind == CEMU_FORMAT_KIND_INTEGER || f->kind == CEMU_FORMAT_KIND_FIXED) return smaller(f->bits, 62);
    return f->points ? 62 : f->man_bits + 2;
}

/* Bounds of the values on an edge that are not zero: multiples of 2^low, below 2^top. */
typedef struct {
    int64_t known, low, top;
} range;

static const range UNKNOWN = {0, 0, 0};

static range either(range x, range y) {
    if (!x.known || !y.known) return UNKNOWN;
    return (range){1, smaller(x.low, y.low), larger(x.top, y.top)};
}

static range range_of_format(const cemu_format *f) {
    if (f->kind == CEMU_FORMAT_KIND_INTEGER || f->kind == CEMU_FORMAT_KIND_FIXED)
        return (range){1, -f->frac_bits, f->bits - f->frac_bits};
    if (f->points || !f->man_bits) return UNKNOWN;
    int64_t top = (int64_t)((uint64_t)f->max_magnitude >> f->man_bits) - f->bias;
    return (range){1, f->emin - f->man_bits, larger(top, f->emin) + 1};
}

static range range_after(const work *w, const cemu_pipe *pipe, range x) {
    for (int64_t i = pipe->first; i < pipe->first + pipe->count; i++) {
        const cemu_step *s = w->p->tables->steps + i;
        if (s->factor == CEMU_FACTOR_CONSTANTS && x.known) {
            const cemu_constant *c = w->p->tables->constants + s->first_constant;
            int64_t low = c->q, top = c->q + bits_of((uint64_t)c->sig);
            for (int64_t j = 1; j < s->constants; j++) {
                low = smaller(low, c[j].q);
                top = larger(top, c[j].q + bits_of((uint64_t)c[j].sig));
            }
            x = (range){1, x.low + low, x.top + top};
        } else if (s->factor != CEMU_FACTOR_NONE) {
            x = UNKNOWN;
        }
        if (s->addends) x = UNKNOWN;
        if (s->cast.format >= 0 && s->cast.rounding == CEMU_ROUNDING_EXACT) x = UNKNOWN;
        else if (s->cast.format >= 0) x = range_of_format(w->p->tables->formats + s->cast.format);
    }
    return x;
}

/* Whether sums of two may have a sticky bit, and whether the quick ways are proved. */
static void plan_levels(work *w) {
    const cemu_tables *t = w->p->tables;
    const cemu_lanes_plane *a = &w->p->plane_a, *b = &w->p->plane_b;
    int64_t bits = t->unit->table_columns ? 62 : a->bits + b->bits, bits_c = 0;
    int seen = !t->unit->table_columns && a->low <= a->top && b->low <= b->top;
    range made = {seen, a->low + b->low, a->top + b->top}, c = {1, 0, 0};
    bits = bits_after(w, &w->u->product_result, bits);
    made = range_after(w, &w->u->product_result, made);
    if (w->u->c.format >= 0) {
        const cemu_format *of_c = t->formats + w->u->c.format, *of_d = t->formats + w->u->d.format;
        bits_c = larger(bits_after(w, &w->u->c.load, bits_of_format(of_c)), bits_of_format(of_d));
        c = either(range_after(w, &w->u->c.load, range_of_format(of_c)), range_of_format(of_d));
    }
    for (int64_t i = 0; i < w->u->levels; i++) {
        const cemu_level *l = t->levels + i;
        level_plan *how = w->levels + i;
        int64_t inputs = bits_after(w, &l->input, bits), results = bits_after(w, &l->result, 62);
        int64_t widest = larger(inputs, larger(results, l->start == CEMU_START_C ? bits_c : 0));
        int64_t near = l->accumulator.count ? 0 : 61 - widest; /* what that pipe makes is not bounded here */
        const cemu_step *first = l->result.count ? t->steps + l->result.first : NULL;
        if (first && first->factor == CEMU_FACTOR_NONE && !first->addends && takes_sticky(w->casts + l->result.first)) {
            how->sticky = 1;
            if (near >= 31 && near >= w->casts[l->result.first].man + 4) how->near = near;
        }
        bits = results;
        range addends = range_after(w, &l->input, made);
        if (l->start == CEMU_START_C) addends = either(addends, c);
        if (l->result.count) addends = either(addends, made = range_after(w, &l->result, UNKNOWN));
        int64_t count = (l->result.count ? smaller(l->group, w->whole.terms) : w->whole.terms) + 1;
        int64_t top = addends.top + bits_of((uint64_t)count);
        how->on_grid = addends.known && !l->align && !l->accumulator.count && top - addends.low <= 61;
        how->grid = addends.low;
        if (!l->result.count) made = how->on_grid ? (range){1, addends.low, top} : UNKNOWN;
    }
}

/* The k of the first product of every run, relative to the piece. */
static int64_t place_runs(work *w, const schedule *s, int64_t **run_k) {
    for (int64_t i = 0; i < w->u->levels; i++) {
        run_k[i] = calloc((size_t)s->level[i].runs + 1, sizeof(int64_t));
        if (!run_k[i]) return CEMU_NO_MEMORY;
        for (int64_t r = 0; r < s->level[i].runs; r++) {
            int64_t input = s->level[i].index[s->level[i].first[r]];
            run_k[i][r] = i ? run_k[i - 1][input] : input / w->s.c.terms_per_k;
        }
    }
    return CEMU_OK;
}

static int64_t make_schedules(work *w, int64_t size) {
    const cemu_plan_lanes_t *p = w->p;
    int64_t tail = p->k % size, status = make_schedule(p->tables, size * w->s.c.terms_per_k, &w->whole);
    if (!status) status = place_runs(w, &w->whole, w->run_k[0]);
    if (!status && tail) status = make_schedule(p->tables, tail * w->s.c.terms_per_k, &w->tail);
    if (!status && tail) status = place_runs(w, &w->tail, w->run_k[1]);
    for (int64_t i = 0; !status && i < w->u->levels; i++) {
        int64_t inputs = i ? w->whole.level[i - 1].runs : w->whole.terms;
        if (tail && i) inputs = larger(inputs, w->tail.level[i - 1].runs);
        level_plan *how = w->levels + i;
        how->terms = p->tables->levels[i].align ? smaller(p->tables->levels[i].group, inputs) : 1;
        if (how->terms > MOST_TERMS) return CEMU_LANES_WIDE;
        how->term = aligned_alloc(64, (size_t)how->terms * sizeof(block));
        if (!how->term) return CEMU_NO_MEMORY;
    }
    return status;
}

/* Whether d of a piece is c of the next as it stands: no daz, no load, and nothing in `output` that goes by the column. */
static int can_hand_on(const work *w) {
    const cemu_unit *u = w->u;
    if (u->c.format < 0 || u->c.load.count || u->c.daz || w->casts[w->cast_of_d].alone) return 0;
    for (int64_t i = u->output.first; i < u->output.first + u->output.count; i++) {
        const cemu_step *s = w->p->tables->steps + i;
        if (s->factor > CEMU_FACTOR_CONSTANTS || s->constants > 1 || s->addends > 1) return 0;
    }
    return 1;
}

static int64_t count_steps(const cemu_tables *t) {
    const cemu_unit *u = t->unit;
    int64_t most = 0;
    const cemu_pipe *pipes[] = {&u->a.load, &u->b.load, &u->c.load, &u->scale_product, &u->product_result, &u->output};
    for (int i = 0; i < 6; i++) most = larger(most, pipes[i]->first + pipes[i]->count);
    for (int64_t i = 0; i < u->levels; i++) {
        most = larger(most, t->levels[i].input.first + t->levels[i].input.count);
        most = larger(most, t->levels[i].result.first + t->levels[i].result.count);
    }
    return most;
}

static void close_work(work *w) {
    if (!w) return;
    for (int64_t i = 0; i < w->u->levels; i++) {
        if (w->levels) free(w->levels[i].term);
        for (int j = 0; j < 2; j++)
            if (w->run_k[j]) free(w->run_k[j][i]);
    }
    free_schedule(&w->whole);
    free_schedule(&w->tail);
    free(w->levels);
    free(w->run_k[0]);
    free(w->run_k[1]);
    free(w->casts);
    free(w->rounded);
    free(w->exceeded);
    free(w->truncated);
    free(w->rare);
    free(w->s.arena);
    free(w);
}

static int64_t open_work(cemu_plan_lanes_t *p, work **out) {
    const cemu_unit *u = p->tables->unit;
    work *w = *out = aligned_alloc(64, sizeof *w);
    if (!w) return CEMU_NO_MEMORY;
    memset(w, 0, sizeof *w);
    w->p = p;
    w->u = u;
    w->stages = CEMU_STAGE_FIRST_LEVEL + u->levels + 1;
    w->cast_of_d = count_steps(p->tables);
    size_t lanes = (size_t)w->stages * LANES, cells = lanes * CEMU_EVENT_KINDS;
    w->casts = calloc((size_t)w->cast_of_d + 1, sizeof *w->casts);
    w->levels = calloc((size_t)u->levels, sizeof *w->levels);
    for (int i = 0; i < 2; i++) w->run_k[i] = calloc((size_t)u->levels, sizeof(int64_t *));
    w->rounded = aligned_alloc(64, lanes * 8);
    w->exceeded = aligned_alloc(64, lanes * 8);
    w->truncated = aligned_alloc(64, lanes * 8);
    w->rare = calloc(cells, sizeof *w->rare);
    int tables = w->casts && w->levels && w->run_k[0] && w->run_k[1];
    if (open_scalar(&w->s, p) || !tables || !w->rounded || !w->exceeded || !w->truncated || !w->rare) return CEMU_NO_MEMORY;
    w->s.problem.a_scale = &w->scale_a;
    w->s.problem.b_scale = &w->scale_b;
    memset(w->rounded, 0, lanes * 8);
    memset(w->exceeded, 0, lanes * 8);
    memset(w->truncated, 0, lanes * 8);
    for (int64_t i = 0; i < w->cast_of_d; i++)
        if (p->tables->steps[i].cast.format >= 0) plan_cast(p->tables, &p->tables->steps[i].cast, w->casts + i);
    plan_cast(p->tables, &u->d, w->casts + w->cast_of_d);
    for (int64_t i = 0; i < u->levels; i++) w->need_e |= p->tables->levels[i].align != 0;
    w->hands_on = can_hand_on(w);
    int64_t status = make_schedules(w, u->k && u->k < p->k ? u->k : p->k);
    if (!status) plan_levels(w);
    return status;
}

/* Add what the good lanes counted, and start again from nothing. */
static void add_events(work *w) {
    for (int64_t s = 0; s < w->stages; s++) {
        int64_t *to = w->p->events + s * CEMU_EVENT_KINDS;
        uint64_t *rounded = w->rounded[s], *exceeded = w->exceeded[s], *truncated = w->truncated[s];
        for EACH(j) {
            uint64_t keep = w->bad[j] ? 0 : ~UINT64_C(0), beyond = exceeded[j] & keep;
            to[CEMU_EVENT_KIND_INEXACT] += (int64_t)(rounded[j] & keep & 0xffffffff);
            to[CEMU_EVENT_KIND_UNDERFLOW] += (int64_t)((rounded[j] & keep) >> 32);
            to[CEMU_EVENT_KIND_SATURATED] += (int64_t)(beyond & 0xffffffff);
            to[CEMU_EVENT_KIND_WRAPPED] += (int64_t)(beyond >> 32);
            to[CEMU_EVENT_KIND_OVERFLOW] += (int64_t)((beyond & 0xffffffff) + (beyond >> 32));
            to[CEMU_EVENT_KIND_TRUNCATED] += (int64_t)(truncated[j] & keep);
            rounded[j] = exceeded[j] = truncated[j] = 0;
        }
    }
    if (!w->any_rare) return;
    int64_t cells = w->stages * CEMU_EVENT_KINDS;
    for EACH(j) {
        for (int64_t i = 0; !w->bad[j] && i < cells; i++) w->p->events[i] += w->rare[j * cells + i];
    }
    memset(w->rare, 0, (size_t)(cells * LANES) * sizeof *w->rare);
    w->any_rare = 0;
}

#endif
