/* What the plan `lanes` does value by value, with the code of the general kernel: a context of its own. */
#ifndef CEMU_PLANS_LANES_SCALAR_H
#define CEMU_PLANS_LANES_SCALAR_H

#include <stdlib.h>

#include "../operand.h"
#include "cemu_plan_lanes.h"

/* A context and its problem, whose events go where `problem.events` points at the moment. */
typedef struct {
    context c;
    cemu_problem problem;
    value x, parts[MOST_PARTS];
    uint64_t *arena;
} scalar;

static inline uint64_t code_at(const void *codes, int64_t bytes, int64_t at) {
    switch (bytes) {
        case 1: return ((const uint8_t *)codes)[at];
        case 2: return ((const uint16_t *)codes)[at];
        case 4: return ((const uint32_t *)codes)[at];
        default: return ((const uint64_t *)codes)[at];
    }
}

/* Scales are looked up by the context in arrays of 64-bit codes: one row of a, one column of b at a time. */
static inline int64_t open_scalar(scalar *s, const cemu_plan_lanes_t *p) {
    int64_t values = 5 + MOST_PARTS, words = values * p->limbs + 2 * p->limbs + 2;
    memset(s, 0, sizeof *s);
    s->arena = malloc((size_t)words * sizeof *s->arena);
    if (!s->arena) return CEMU_NO_MEMORY;
    s->problem.k = p->k;
    s->problem.n = 1;
    s->problem.a_blocks = p->a_blocks;
    s->c = (context){.t = p->tables, .p = &s->problem, .limbs = p->limbs, .terms_per_k = 1};
    if (p->tables->unit->terms) s->c.terms_per_k = (int32_t)p->tables->unit->terms;
    uint64_t *next = s->arena;
    value *own[] = {&s->c.scale, &s->c.scale_b, &s->c.load_a, &s->c.load_b, &s->x};
    for (int i = 0; i < 5; i++, next += p->limbs) own[i]->limb = next;
    for (int i = 0; i < MOST_PARTS; i++, next += p->limbs) s->parts[i].limb = next;
    s->c.scratch = next;
    return CEMU_OK;
}

#endif
