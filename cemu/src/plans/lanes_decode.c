/* Operands of the plan `lanes`: each element is decoded, loaded and split once, by the code of the general kernel. */
#include "lanes_scalar.h"

/* The value as a lane of a plane, without zeros at the end of its significand. Returns 1 if it is too wide. */
static int put(const value *x, cemu_lanes_plane *to, int64_t at, uint8_t *mark) {
    int zero = x->kind == FINITE && !x->n;
    to->m[at] = 0;
    to->q[at] = zero ? x->negative : 0;
    to->e[at] = CEMU_LANES_NOT_LIVE;
    if (x->kind != FINITE) {
        *mark = 1;
        return 0;
    }
    if (x->live) to->e[at] = x->e;
    if (zero) return 0;
    int32_t zeros = __builtin_ctzll(x->limb[0] | UINT64_C(1) << 63);
    if (x->n > 1 || x->limb[0] >> zeros >> 32) return 1;
    int64_t bits = bit_length(x) - zeros;
    if (bits > to->bits) to->bits = bits;
    if (x->q + zeros < to->low) to->low = x->q + zeros;
    if (x->q + zeros + bits > to->top) to->top = x->q + zeros + bits;
    to->m[at] = (uint32_t)(x->limb[0] >> zeros);
    to->q[at] = 2 * (x->q + zeros) + x->negative;
    return 0;
}

typedef struct {
    scalar s;
    const cemu_plan_lanes_t *p;
    const cemu_operand *operand;
    const cemu_step *steps; /* that make the parts */
    int64_t step_count, parts, stride, *flushed;
    int64_t cells[CEMU_STAGE_FIRST_LEVEL * CEMU_EVENT_KINDS];
} decoder;

/* One element: its parts go to `at`, at + stride, ... Its zero point is zeros[zero_at]. */
static int element_parts(decoder *w, uint64_t code, const void *zeros, int64_t zero_bytes, int64_t zero_at,
                         cemu_lanes_plane *to, int64_t at, int64_t line) {
    const cemu_unit *u = w->p->tables->unit;
    context *c = &w->s.c;
    if (u->table_columns) { /* looked up by the codes */
        to->m[at] = (uint32_t)code;
        return 0;
    }
    element one;
    decode_element(c, w->operand, code, &one, 1);
    *w->flushed += w->cells[CEMU_EVENT_KIND_FLUSHED_IN];
    w->cells[CEMU_EVENT_KIND_FLUSHED_IN] = 0;
    if (u->digit_width) {
        const cemu_format *f = c->t->formats + w->operand->format;
        for (int64_t i = 0; i < w->parts; i++) {
            uint64_t digit = (i * u->digit_width >= 64 ? 0 : code >> (i * u->digit_width)) & low_bits(u->digit_width);
            int64_t top = f->bits - u->digit_width * (w->parts - 1), number = (int64_t)digit;
            if (i == w->parts - 1 && f->is_signed && digit >> (top - 1)) number -= (int64_t)1 << top;
            if (number) set_small(&w->s.x, number < 0, (uint64_t)(number < 0 ? -number : number), 0, 0);
            else set_zero(&w->s.x, 0, 0, 0);
            if (put(&w->s.x, to, at + i * w->stride, to->marks + line)) return 1;
        }
        return 0;
    }
    if (zeros) subtract_zero_point(c, &w->operand->zero, code_at(zeros, zero_bytes, zero_at), &one);
    load_element(&one, &w->s.x);
    place nowhere = {0, 0, 0, 0};
    run_pipe(c, &w->operand->load, &w->s.x, &nowhere, CEMU_STAGE_OPERAND);
    split_operand(c, &w->s.x, w->steps, w->step_count, w->s.parts);
    if (c->status) { /* raised: the general kernel says where */
        c->status = CEMU_OK;
        to->marks[line] = 1;
        for (int64_t i = 0; i < w->parts; i++) set_zero(w->s.parts + i, 0, 0, 0);
    }
    for (int kind = 0; kind < CEMU_EVENT_KINDS; kind++) {
        to->events[line * CEMU_EVENT_KINDS + kind] += w->cells[kind];
        w->cells[kind] = 0;
    }
    for (int64_t i = 0; i < w->parts; i++)
        if (put(w->s.parts + i, to, at + i * w->stride, to->marks + line)) return 1;
    return 0;
}

static int decode_a(decoder *w, cemu_lanes_plane *to) {
    const cemu_plan_lanes_t *p = w->p;
    int64_t block = w->operand->zero.block;
    for (int64_t m = 0; m < p->m; m++)
        for (int64_t k = 0; k < p->k; k++) {
            int64_t zero_at = m * p->a_zero_blocks + (block ? k / block : 0);
            uint64_t code = code_at(p->a, p->a_bytes, m * p->k + k);
            if (element_parts(w, code, p->a_zero, p->a_zero_bytes, zero_at, to, (m * p->k + k) * w->parts, m)) return 1;
        }
    return 0;
}

static int decode_b(decoder *w, cemu_lanes_plane *to) {
    const cemu_plan_lanes_t *p = w->p;
    int64_t block = w->operand->zero.block;
    for (int64_t k = 0; k < p->k; k++)
        for (int64_t n = 0; n < p->n; n++) {
            int64_t at = ((n / CEMU_LANES_COLUMNS * p->k + k) * w->parts) * CEMU_LANES_COLUMNS + n % CEMU_LANES_COLUMNS;
            int64_t zero_at = (block ? k / block : 0) * p->n + n;
            uint64_t code = code_at(p->b, p->b_bytes, k * p->n + n);
            if (element_parts(w, code, p->b_zero, p->b_zero_bytes, zero_at, to, at, n)) return 1;
        }
    return 0;
}

static int decode_scales(decoder *w) {
    const cemu_plan_lanes_t *p = w->p;
    const cemu_unit *u = p->tables->unit;
    value *x = &w->s.x;
    cemu_lanes_plane a = p->scales_a, b = p->scales_b;
    for (int64_t i = 0; p->a_scale && i < p->m * p->a_blocks; i++) {
        decode(p->tables, p->tables->formats + u->scale_a.format, code_at(p->a_scale, p->a_scale_bytes, i), x);
        if (put(x, &a, i, p->plane_a.marks + i / p->a_blocks)) return 1;
    }
    for (int64_t s = 0; p->b_scale && s < p->b_blocks; s++)
        for (int64_t n = 0; n < p->n; n++) {
            uint64_t code = code_at(p->b_scale, p->b_scale_bytes, s * p->n + n);
            decode(p->tables, p->tables->formats + u->scale_b.format, code, x);
            int64_t at = (n / CEMU_LANES_COLUMNS * p->b_blocks + s) * CEMU_LANES_COLUMNS + n % CEMU_LANES_COLUMNS;
            if (put(x, &b, at, p->plane_b.marks + n)) return 1;
        }
    return 0;
}

CEMU_API int64_t cemu_plan_lanes_decode(cemu_plan_lanes_t *p) {
    const cemu_unit *u = p->tables->unit;
    decoder w;
    memset(&w, 0, sizeof w);
    w.p = p;
    int64_t status = open_scalar(&w.s, p);
    if (status) return status;
    w.s.problem.events = w.cells;
    w.operand = &u->a;
    w.flushed = p->events;
    w.steps = p->tables->steps + u->first_part;
    w.step_count = u->split_a;
    w.parts = u->terms ? u->parts_a : 1;
    w.stride = 1;
    p->plane_a.low = p->plane_b.low = INT32_MAX;
    p->plane_a.top = p->plane_b.top = INT32_MIN;
    int wide = decode_a(&w, &p->plane_a);
    w.operand = &u->b;
    w.flushed = p->events + 1;
    w.steps += u->split_a;
    w.step_count = u->split_b;
    w.parts = u->terms ? u->parts_b : 1;
    w.stride = CEMU_LANES_COLUMNS;
    wide = wide || decode_b(&w, &p->plane_b) || decode_scales(&w);
    if (!u->table_columns && p->plane_a.bits + p->plane_b.bits > 62) wide = 1;
    free(w.s.arena);
    return wide ? CEMU_LANES_WIDE : CEMU_OK;
}
