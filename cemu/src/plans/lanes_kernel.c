/* The kernel of the plan `lanes`, compiled for each instruction set: the fold of cemu/src/matmul.c, for a block of columns
 * of one row at a time. A run asks for its inputs as it adds them, so that few blocks exist at once: the order in which
 * runs of different levels are computed changes nothing, as no random bits are drawn. */
#include "lanes_setup.h"
#include "isa.h"

/* The product of two codes, looked up. */
static void look_up_product(work *w, int64_t code, const uint32_t *codes, block *restrict x) {
    const int64_t *row = w->p->tables->table + code * w->u->table_columns;
    for EACH(j) {
        int64_t number = row[codes[j]], neg = (int64_t)((uint64_t)number >> 63);
        x->m[j] = signed_word((uint64_t)number, neg);
        x->neg[j] = neg;
        x->q[j] = 0;
        x->e[j] = number ? 0 : NOT_LIVE;
        w->bad[j] |= x->m[j] > WIDEST;
    }
}

/* The product number `pair` of one k, before product.result. */
static void make_product(work *w, int64_t k, int64_t pair, block *restrict x) {
    const cemu_plan_lanes_t *p = w->p;
    const cemu_unit *u = w->u;
    const int64_t *parts = p->tables->terms + 2 * pair;
    int64_t in_a = u->terms ? u->parts_a : 1, in_b = u->terms ? u->parts_b : 1;
    int64_t at_a = (w->row * p->k + k) * in_a + (u->terms ? parts[0] : 0);
    int64_t at_b = ((w->column / LANES * p->k + k) * in_b + (u->terms ? parts[1] : 0)) * LANES;
    uint64_t m = p->plane_a.m[at_a];
    const uint32_t *restrict m_b = p->plane_b.m + at_b;
    const int32_t *restrict q_b = p->plane_b.q + at_b, *restrict e_b = p->plane_b.e + at_b;
    int64_t neg = p->plane_a.q[at_a] & 1, q = p->plane_a.q[at_a] >> 1, e = p->plane_a.e[at_a], keeps = !u->integral_product;
    if (u->table_columns) {
        look_up_product(w, (int64_t)m, m_b, x);
    } else {
        for EACH(j) {
            x->m[j] = m * m_b[j];
            x->neg[j] = (neg ^ (q_b[j] & 1)) & (keeps | nonzero(x->m[j]));
            x->q[j] = q + (q_b[j] >> 1);
        }
        for (int j = 0; j < LANES && w->need_e; j++) {
            int64_t both = below(CEMU_LANES_NOT_LIVE, smaller(e, e_b[j]));
            x->e[j] = pick_signed(both, e + e_b[j], NOT_LIVE);
        }
    }
    if (u->product_exponent == CEMU_PRODUCT_EXPONENT_LEADING_BIT)
        for EACH(j) x->e[j] = x->m[j] ? length(x->m[j]) - 1 + x->q[j] : x->e[j];
}

static void make_run(work *w, int64_t number, int64_t run, block *x);

static void make_input(work *w, int64_t number, int64_t position, block *x) {
    const cemu_level *l = w->p->tables->levels + number;
    int64_t terms = w->s.c.terms_per_k, k;
    if (number == 0) {
        k = w->first_k + position / terms;
        make_product(w, k, position % terms, x);
        if (w->u->product_result.count) run_pipe_block(w, &w->u->product_result, x, k, 0, CEMU_STAGE_PRODUCT);
    } else {
        k = w->first_k + w->run_k[w->now == &w->tail][number - 1][position];
        make_run(w, number - 1, position, x);
    }
    if (l->input.count) run_pipe_block(w, &l->input, x, k, position, CEMU_STAGE_FIRST_LEVEL + number);
}

/* x = the step of x and one term. */
static void step_of_two(work *w, const cemu_level *l, const level_plan *how, block *x, block *term) {
    int64_t to[LANES], live[LANES], candidates[LANES];
    int joins = !l->has_min_exp && l->align_to != CEMU_ALIGN_TO_TERMS;
    if (w->need_e && !joins) choose_exponent(l, &term, 1, x, to, live, candidates);
    if (how->on_grid) add_pair_on_grid(x, term, how->grid, l->toward_negative != 0);
    else if (how->near) add_near(x, term, how->near, l->toward_negative != 0);
    else if (how->sticky) add_far(w, x, term, l->toward_negative != 0);
    else add_exact(w, x, term, l->toward_negative != 0);
    if (l->zero_sign != CEMU_ZERO_SIGN_IEEE)
        for EACH(j) x->neg[j] &= nonzero(x->m[j]);
    if (!w->need_e) return;
    if (joins) join_exponents(x, term);
    else
        for EACH(j) x->e[j] = live[j] > LIVE ? to[j] : NOT_LIVE;
}

/* x = the exact sum of the inputs, and of x if it is the accumulator. */
static void step_of_many(work *w, const cemu_level *l, const level_plan *how, int64_t number, const int64_t *inputs,
                         int64_t count, int has_acc, block *x) {
    int64_t to[LANES], live[LANES], candidates[LANES];
    block *terms[1] = {how->term};
    sums s;
    start_sum(&s, how->grid);
    for EACH(j) to[j] = NOT_LIVE;
    for (int64_t i = 0; i < count; i++) {
        make_input(w, number, inputs[i], how->term);
        if (how->on_grid) add_on_grid(l, &s, how->term, how->grid);
        else add_to_sum(w, l, &s, how->term);
        if (w->need_e && how->on_grid) join_sum(&s, how->term);
    }
    if (w->need_e) { /* the terms' exponents are in s.e */
        memcpy(how->term->e, s.e, sizeof s.e);
        choose_exponent(l, terms, 1, has_acc ? x : NULL, to, live, candidates);
    }
    if (has_acc && how->on_grid) add_on_grid(l, &s, x, how->grid);
    else if (has_acc) add_to_sum(w, l, &s, x);
    end_sum(l, &s, x);
    if (w->need_e)
        for EACH(j) x->e[j] = live[j] > LIVE ? to[j] : NOT_LIVE;
}

static void make_run(work *w, int64_t number, int64_t run, block *x) {
    const cemu_level *l = w->p->tables->levels + number;
    const level_plan *how = w->levels + number;
    const level_schedule *s = w->now->level + number;
    int64_t stage = CEMU_STAGE_FIRST_LEVEL + number, first = s->first[run], last = s->first[run + 1];
    int has_acc = l->start != CEMU_START_NONE;
    if (l->start == CEMU_START_C && run == 0) *x = w->c;
    else clear_lanes(x);
    for (int64_t i = first; i < last; i += l->group, has_acc = 1) {
        int64_t count = smaller(last - i, l->group);
        if (has_acc && l->accumulator.count)
            run_pipe_block(w, &l->accumulator, x, 0, (i - first) / l->group, stage);
        if (l->align) {
            block *terms[count];
            for (int64_t j = 0; j < count; j++) {
                terms[j] = how->term + j;
                make_input(w, number, s->index[i + j], terms[j]);
            }
            sum_aligned(w, l, how, terms, count, has_acc ? x : NULL, stage, x);
        } else if (count == 1 && has_acc) {
            make_input(w, number, s->index[i], how->term);
            step_of_two(w, l, how, x, how->term);
        } else if (count == 2 && !has_acc && how->sticky && !(w->need_e && l->align_to == CEMU_ALIGN_TO_TERMS)) {
            make_input(w, number, s->index[i], x);
            make_input(w, number, s->index[i + 1], how->term);
            step_of_two(w, l, how, x, how->term);
        } else {
            step_of_many(w, l, how, number, s->index + i, count, has_acc, x);
        }
        run_pipe_block(w, &l->result, x, 0, 0, stage);
        if (l->zero_sign == CEMU_ZERO_SIGN_ALWAYS_POSITIVE)
            for EACH(j) x->neg[j] &= nonzero(x->m[j]);
    }
}

/* Operand c of the good lanes, from codes. */
static void load_c(work *w, const uint64_t *codes, int count) {
    context *c = &w->s.c;
    value *x = &w->s.x;
    place at = {0, 0, 0, 0};
    clear_lanes(&w->c);
    for (int64_t j = 0; j < w->columns; j++) {
        if (w->bad[j]) continue;
        element loaded;
        w->s.problem.events = w->rare + j * w->stages * CEMU_EVENT_KINDS;
        decode_element(c, &w->u->c, codes[j], &loaded, count);
        load_element(&loaded, x);
        run_pipe(c, &w->u->c.load, x, &at, CEMU_STAGE_OPERAND);
        store_lane(w, &w->c, (int)j, x);
        w->any_rare = 1;
    }
}

/* What comes out of the last level, through `output`, to codes of d. */
static void write_d(work *w, block *x, uint64_t *codes) {
    const cemu_plan_lanes_t *p = w->p;
    context *c = &w->s.c;
    value *v = &w->s.x;
    if (p->a_scale) w->scale_a = code_at(p->a_scale, p->a_scale_bytes, w->row * p->a_blocks);
    for (int64_t j = 0; j < w->columns; j++) {
        if (w->bad[j]) continue;
        if (p->b_scale) w->scale_b = code_at(p->b_scale, p->b_scale_bytes, w->column + j);
        place at = {0, p->first_column + w->column + j, 0, 0};
        w->s.problem.events = w->rare + j * w->stages * CEMU_EVENT_KINDS;
        load_lane(x, (int)j, v);
        run_pipe(c, &w->u->output, v, &at, w->stages - 1);
        count_events(c, w->stages - 1, draw_and_cast(c, &w->u->d, v));
        if (c->status) w->bad[j] = 1;
        else if (v->kind == NAN_VALUE && w->u->nan_rule == CEMU_NAN_RULE_DEFAULT) codes[j] = (uint64_t)w->u->d.nan_code;
        else codes[j] = encode(c->t, c->t->formats + w->u->d.format, v);
        c->status = CEMU_OK;
        w->any_rare = 1;
    }
}

/* The same at the end of a piece that is not the last: d becomes c without being encoded. */
static void hand_on(work *w, block *x) {
    run_pipe_block(w, &w->u->output, x, 0, 0, w->stages - 1);
    cast_block(w, w->casts + w->cast_of_d, x, w->stages - 1);
    if (w->casts[w->cast_of_d].integral)
        for EACH(j) x->e[j] = x->m[j] ? x->e[j] : NOT_LIVE;
    w->c = *x;
}

static void put_codes(const work *w, const uint64_t *codes) {
    const cemu_plan_lanes_t *p = w->p;
    for (int64_t j = 0; j < w->columns; j++) {
        int64_t at = w->row * p->n + w->column + j;
        p->marks[at] = w->bad[j] != 0;
        if (w->bad[j]) continue;
        switch (p->d_bytes) {
            case 1: ((uint8_t *)p->d)[at] = (uint8_t)codes[j]; break;
            case 2: ((uint16_t *)p->d)[at] = (uint16_t)codes[j]; break;
            case 4: ((uint32_t *)p->d)[at] = (uint32_t)codes[j]; break;
            default: ((uint64_t *)p->d)[at] = codes[j];
        }
    }
}

static void run_row(work *w) {
    const cemu_plan_lanes_t *p = w->p;
    uint64_t codes[LANES] = {0};
    block x;
    int has_c = w->u->c.format >= 0;
    int64_t size = w->whole.terms / w->s.c.terms_per_k;
    for EACH(j) w->bad[j] = p->plane_a.marks[w->row] || j >= w->columns || p->plane_b.marks[w->column + j];
    for (int64_t j = 0; has_c && j < w->columns; j++) codes[j] = code_at(p->c, p->c_bytes, w->row * p->n + w->column + j);
    if (p->plane_a.marks[w->row]) {
        put_codes(w, codes);
        return;
    }
    if (has_c) load_c(w, codes, 1);
    for (w->first_k = 0; w->first_k < p->k; w->first_k += size) {
        int64_t left = p->k - w->first_k;
        w->now = left < size ? &w->tail : &w->whole;
        make_run(w, w->u->levels - 1, 0, &x);
        if (left > size && w->hands_on) {
            hand_on(w, &x);
        } else {
            write_d(w, &x, codes);
            if (left > size) load_c(w, codes, 0);
        }
    }
    put_codes(w, codes);
    add_events(w);
}

int64_t FOR_ISA(plan_lanes)(cemu_plan_lanes_t *p);

int64_t FOR_ISA(plan_lanes)(cemu_plan_lanes_t *p) {
    work *w = NULL;
    int64_t status = open_work(p, &w);
    for (int64_t b = p->block; !status && b < p->block_end; b++)
        for (w->row = p->row; w->row < p->row_end; w->row++) {
            w->column = b * LANES;
            w->columns = smaller(p->n - w->column, LANES);
            run_row(w);
        }
    close_work(w);
    return status;
}
