/* The general kernel: any legal unit, by interpreting its tables. The same fold as emu/units/reference.py. */
#include "operand.h"
#include "schedule.h"
#include "step.h"

/* The buffers of one call. */
typedef struct {
    element *a, *b;          /* [rows][k], [columns][k] */
    value *bank[2];          /* inputs and outputs of a level */
    int64_t *bank_k[2];      /* absolute k of their first product */
    value **addends;
    value parts_a[MOST_PARTS], parts_b[MOST_PARTS], rest;
    uint64_t *arena;
    schedule whole, tail;    /* of a full piece of K, and of the short last one */
    int64_t piece, pieces;
} workspace;

static int64_t at_least(int64_t n) { return n > 0 ? n : 1; }

static void set_integer(value *x, int64_t number) {
    if (number) set_small(x, number < 0, number < 0 ? -(uint64_t)number : (uint64_t)number, 0, 0);
    else set_zero(x, 0, 0, 0);
}

/* Digit `at` of an operand's code; the top digit of a signed operand is signed. */
static int64_t digit_of(const cemu_format *f, uint64_t code, int64_t width, int64_t digits, int64_t at) {
    uint64_t digit = (at * width >= 64 ? 0 : code >> (at * width)) & low_bits(width);
    int64_t top = f->bits - width * (digits - 1);
    if (at == digits - 1 && f->is_signed && digit >> (top - 1)) return (int64_t)digit - ((int64_t)1 << top);
    return (int64_t)digit;
}

/* The product of two loaded operands, into x (which holds the first). */
static void multiply_operands(context *c, value *x, const value *y) {
    if (x->kind == NAN_VALUE && x->fresh && y->kind == NAN_VALUE) copy_value(x, y); /* made by a load: it loses */
    if (multiply_value(c, x, y)) count_events(c, CEMU_STAGE_PRODUCT, EVENT(NAN_MADE));
    if (c->t->unit->integral_product && is_zero(x)) x->negative = 0;
}

/* A plain product of two elements: no pipe on either. */
static void multiply_elements(context *c, const element *a, const element *b, value *x) {
    if (a->kind != FINITE || b->kind != FINITE) {
        load_element(a, x);
        load_element(b, &c->load_b);
        multiply_operands(c, x, &c->load_b);
        return;
    }
    u128 product = (u128)a->sig * b->sig;
    x->kind = FINITE;
    x->fresh = 0;
    x->negative = a->negative ^ b->negative;
    x->live = a->live & b->live;
    x->q = a->q + b->q;
    x->e = x->live ? a->e + b->e : 0;
    x->limb[0] = (uint64_t)product;
    x->limb[1] = (uint64_t)(product >> 64);
    x->n = 2;
    trim(x);
    if (!x->n && c->t->unit->integral_product) x->negative = 0;
}

/* The products of the parts of two elements, into x[0 .. terms). */
static void make_split_products(context *c, workspace *w, const element *a, const element *b, const place *at, value *x) {
    const cemu_unit *u = c->t->unit;
    load_element(a, &w->rest);
    run_pipe(c, &u->a.load, &w->rest, at, CEMU_STAGE_OPERAND);
    load_element(b, &c->load_b);
    run_pipe(c, &u->b.load, &c->load_b, at, CEMU_STAGE_OPERAND);
    split_operand(c, &w->rest, c->t->casts, u->casts_a, w->parts_a);
    split_operand(c, &c->load_b, c->t->casts + u->casts_a, u->casts_b, w->parts_b);
    for (int64_t i = 0; i < u->terms && !c->status; i++) {
        copy_value(x + i, w->parts_a + c->t->terms[2 * i]);
        multiply_operands(c, x + i, w->parts_b + c->t->terms[2 * i + 1]);
    }
}

/* The terms of one k, into x[0 .. terms per k). */
static void make_products(context *c, workspace *w, int64_t row, int64_t column, const place *at, value *x) {
    const cemu_unit *u = c->t->unit;
    const cemu_problem *p = c->p;
    int64_t k = c->k = at->k;
    if (u->digit_width || u->table_columns) {
        uint64_t a = p->a[at->m * p->k + k], b = p->b[k * p->n + at->n];
        if (u->table_columns) {
            set_integer(x, c->t->table[(int64_t)a * u->table_columns + (int64_t)b]);
        } else {
            const cemu_format *fa = c->t->formats + u->a.format, *fb = c->t->formats + u->b.format;
            for (int64_t i = 0; i < u->terms; i++)
                set_integer(x + i, digit_of(fa, a, u->digit_width, u->parts_a, c->t->terms[2 * i]) *
                                       digit_of(fb, b, u->digit_width, u->parts_b, c->t->terms[2 * i + 1]));
        }
    } else {
        const element *a = w->a + row * p->k + k, *b = w->b + column * p->k + k;
        if (u->terms) {
            make_split_products(c, w, a, b, at, x);
            if (c->status) return; /* what raised left products unset */
        } else if (u->a.load.count || u->b.load.count) {
            load_element(a, x);
            run_pipe(c, &u->a.load, x, at, CEMU_STAGE_OPERAND);
            load_element(b, &c->load_b);
            run_pipe(c, &u->b.load, &c->load_b, at, CEMU_STAGE_OPERAND);
            multiply_operands(c, x, &c->load_b);
        } else {
            multiply_elements(c, a, b, x);
        }
    }
    if (u->product_exponent == CEMU_PRODUCT_EXPONENT_LEADING_BIT)
        for (int32_t i = 0; i < c->terms_per_k; i++)
            if (x[i].kind == FINITE && x[i].n) x[i].e = top_of(x + i);
    if (u->product_result.count)
        for (int32_t i = 0; i < c->terms_per_k; i++) run_pipe(c, &u->product_result, x + i, at, CEMU_STAGE_PRODUCT);
}

/* One level: inputs in `in`, results in `out`. */
static void run_level(context *c, const workspace *w, int64_t number, const level_schedule *s, int from, const value *start,
                      const place *element_at) {
    const cemu_level *l = c->t->levels + number;
    value *in = w->bank[from], *out = w->bank[!from];
    const int64_t *in_k = w->bank_k[from];
    int64_t stage = CEMU_STAGE_FIRST_LEVEL + number;
    for (int64_t r = 0; r < s->runs; r++) {
        int64_t first = s->first[r], last = s->first[r + 1];
        value *result = out + r, *acc = result;
        if (l->start == CEMU_START_NONE) acc = NULL;
        else if (l->start == CEMU_START_C && r == 0) copy_value(acc, start);
        else set_zero(acc, 0, 0, 0);
        if (first == last && !acc) set_zero(result, 0, 0, 0);
        for (int64_t i = first; i < last && !c->status; i += l->group) {
            int32_t count = (int32_t)(last - i < l->group ? last - i : l->group);
            for (int32_t j = 0; j < count; j++) {
                int64_t position = s->index[i + j];
                w->addends[j] = in + position;
                if (l->input.count) {
                    place at = *element_at;
                    at.k = in_k[position];
                    at.position = position;
                    c->k = at.k;
                    run_pipe(c, &l->input, w->addends[j], &at, stage);
                }
            }
            c->k = in_k[s->index[i]];
            run_step(c, l, stage, w->addends, count, acc, result, element_at);
            acc = result;
        }
        w->bank_k[!from][r] = first < last ? in_k[s->index[first]] : 0;
    }
}

static uint64_t run_element(context *c, workspace *w, int64_t m, int64_t n) {
    const cemu_unit *u = c->t->unit;
    const cemu_problem *p = c->p;
    int has_c = u->c.format >= 0;
    uint64_t d = has_c ? p->c[m * p->n + n] : 0;
    c->index = (uint64_t)(p->first_index + m * p->n + n);
    c->draws = 0;
    c->m = m;
    c->n = n;
    place at = {0, 0, m, n};
    for (int64_t piece = 0; piece < w->pieces && !c->status; piece++) {
        int64_t first = piece * w->piece, stop = first + w->piece < p->k ? first + w->piece : p->k;
        const schedule *s = stop - first == w->piece ? &w->whole : &w->tail;
        c->k = -1;
        if (has_c) {
            element loaded;
            decode_element(c, &u->c, d, &loaded, piece == 0);
            load_element(&loaded, &c->load_a);
            run_pipe(c, &u->c.load, &c->load_a, &at, CEMU_STAGE_OPERAND);
        }
        for (int64_t k = first; k < stop; k++) {
            at.k = k;
            int64_t slot = (k - first) * c->terms_per_k;
            make_products(c, w, m - p->row, n - p->column, &at, w->bank[0] + slot);
            for (int32_t i = 0; i < c->terms_per_k; i++) w->bank_k[0][slot + i] = k;
        }
        at.k = 0;
        int from = 0;
        for (int64_t level = 0; level < u->levels; level++, from = !from)
            run_level(c, w, level, s->level + level, from, &c->load_a, &at);
        if (c->status) return 0; /* what raised left values of the later levels unset */
        value *x = w->bank[from];
        int64_t stage = CEMU_STAGE_FIRST_LEVEL + u->levels;
        c->k = -1;
        at.position = n;
        run_pipe(c, &u->output, x, &at, stage);
        at.position = 0;
        count_events(c, stage, draw_and_cast(c, &u->d, x));
        if (c->status) return 0;
        if (x->kind == NAN_VALUE && u->nan_rule == CEMU_NAN_RULE_DEFAULT) d = (uint64_t)u->d.nan_code;
        else d = encode(c->t, c->t->formats + u->d.format, x);
    }
    return d;
}

static void free_workspace(workspace *w) {
    free(w->a);
    free(w->b);
    for (int i = 0; i < 2; i++) {
        free(w->bank[i]);
        free(w->bank_k[i]);
    }
    free(w->addends);
    free(w->arena);
    free_schedule(&w->whole);
    free_schedule(&w->tail);
}

/* Values of an arena, `extra` of them for the context. */
static int64_t allocate(context *c, workspace *w) {
    const cemu_problem *p = c->p;
    int64_t piece_terms = w->piece * c->terms_per_k, limbs = c->limbs;
    int64_t slots = at_least(piece_terms), group = 1;
    for (int64_t i = 0; i < c->t->unit->levels; i++)
        if (c->t->levels[i].group > group) group = c->t->levels[i].group;
    if (group > slots) group = slots;
    int64_t values = 2 * slots + 5 + (c->t->unit->terms ? 2 * MOST_PARTS : 0), words = values * limbs + 2 * limbs + 2;
    w->arena = malloc((size_t)words * sizeof *w->arena);
    w->addends = malloc((size_t)(group + 1) * sizeof *w->addends);
    w->a = malloc((size_t)at_least((p->row_end - p->row) * p->k) * sizeof *w->a);
    w->b = malloc((size_t)at_least((p->column_end - p->column) * p->k) * sizeof *w->b);
    int bad = !w->arena || !w->addends || !w->a || !w->b;
    uint64_t *next = w->arena;
    for (int i = 0; i < 2; i++) {
        w->bank[i] = malloc((size_t)slots * sizeof *w->bank[i]);
        w->bank_k[i] = calloc((size_t)slots, sizeof *w->bank_k[i]);
        bad |= !w->bank[i] || !w->bank_k[i];
        for (int64_t j = 0; !bad && j < slots; j++, next += limbs) w->bank[i][j].limb = next;
    }
    if (bad) return CEMU_NO_MEMORY;
    value *own[] = {&c->scale, &c->scale_b, &c->load_a, &c->load_b, &w->rest};
    for (int i = 0; i < 5; i++, next += limbs) own[i]->limb = next;
    for (int i = 0; c->t->unit->terms && i < MOST_PARTS; i++) {
        w->parts_a[i].limb = next;
        w->parts_b[i].limb = next + limbs;
        next += 2 * limbs;
    }
    c->scratch = next;
    return CEMU_OK;
}

/* The rows of a and the columns of b that the tile reads. */
static void decode_operands(context *c, workspace *w) {
    const cemu_unit *u = c->t->unit;
    const cemu_problem *p = c->p;
    c->n = -1;
    for (c->m = p->row; c->m < p->row_end; c->m++)
        for (c->k = 0; c->k < p->k; c->k++) {
            element *out = w->a + (c->m - p->row) * p->k + c->k;
            decode_element(c, &u->a, p->a[c->m * p->k + c->k], out, (int)p->count_a);
            if (!p->a_zero) continue;
            int64_t block = u->a.zero.block ? c->k / u->a.zero.block : 0;
            subtract_zero_point(c, &u->a.zero, p->a_zero[c->m * p->a_zero_blocks + block], out);
        }
    c->m = -1;
    for (c->k = 0; c->k < p->k; c->k++)
        for (c->n = p->column; c->n < p->column_end; c->n++) {
            element *out = w->b + (c->n - p->column) * p->k + c->k;
            decode_element(c, &u->b, p->b[c->k * p->n + c->n], out, (int)p->count_b);
            if (!p->b_zero) continue;
            int64_t block = u->b.zero.block ? c->k / u->b.zero.block : 0;
            subtract_zero_point(c, &u->b.zero, p->b_zero[block * p->n + c->n], out);
        }
}

/* The buffers and schedules of products of one shape, in tiles of one size. */
static int64_t prepare(context *c, workspace *w) {
    const cemu_unit *u = c->t->unit;
    const cemu_problem *p = c->p;
    if (p->limbs < 3 || u->levels < 1 || u->casts_a > MOST_PARTS || u->casts_b > MOST_PARTS) return CEMU_BAD_TABLE;
    c->terms_per_k = u->terms ? (int32_t)u->terms : 1;
    w->piece = u->k && u->k < p->k ? u->k : at_least(p->k);
    w->pieces = p->k ? (p->k + w->piece - 1) / w->piece : 1;
    int64_t tail = p->k - (w->pieces - 1) * w->piece;
    int64_t status = make_schedule(c->t, w->piece * c->terms_per_k, &w->whole);
    if (p->k == 0) status = CEMU_OK; /* only the empty tail is run */
    if (!status && tail != w->piece) status = make_schedule(c->t, tail * c->terms_per_k, &w->tail);
    return status ? status : allocate(c, w);
}

static int64_t run_tile(context *c, workspace *w, cemu_problem *p) {
    c->p = p;
    decode_operands(c, w);
    for (int64_t m = p->row; m < p->row_end && !c->status; m++)
        for (int64_t n = p->column; n < p->column_end && !c->status; n++) {
            p->error_index = m * p->n + n;
            p->d[m * p->n + n] = run_element(c, w, m, n);
        }
    return c->status;
}

CEMU_API int64_t cemu_matmul(const cemu_tables *tables, cemu_problem *problem) {
    context c = {.t = tables, .p = problem, .limbs = problem->limbs};
    workspace w = {0};
    int64_t status = prepare(&c, &w);
    if (!status) status = run_tile(&c, &w, problem);
    free_workspace(&w);
    return status;
}

/* The next product of a stack. */
static void advance(cemu_problem *p) {
    p->a += p->m * p->k;
    p->b += p->k * p->n;
    p->d += p->m * p->n;
    if (p->c) p->c += p->m * p->n;
    if (p->a_scale) p->a_scale += p->m * p->a_blocks;
    if (p->b_scale) p->b_scale += p->b_blocks * p->n;
    if (p->a_zero) p->a_zero += p->m * p->a_zero_blocks;
    if (p->b_zero) p->b_zero += p->b_zero_blocks * p->n;
    p->first_index += p->m * p->n;
}

CEMU_API int64_t cemu_matmul_many(const cemu_tables *tables, cemu_problem *problem, int64_t count) {
    cemu_problem one = *problem;
    context c = {.t = tables, .p = &one, .limbs = one.limbs};
    workspace w = {0};
    int whole = !one.row && one.row_end == one.m && !one.column && one.column_end == one.n && !one.position_limit;
    int64_t status = whole ? prepare(&c, &w) : CEMU_BAD_TABLE;
    for (int64_t i = 0; i < count && !status; i++, advance(&one)) {
        status = run_tile(&c, &w, &one);
        problem->error_index = i * one.m * one.n + one.error_index;
    }
    free_workspace(&w);
    return status;
}
