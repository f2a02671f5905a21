/* Which inputs of a level go into which run: emu/units/schedule.py. It depends on K and not on data. */
#ifndef CEMU_SCHEDULE_H
#define CEMU_SCHEDULE_H

#include <stdint.h>
#include <stdlib.h>

#include "cemu.h"

/* The runs of one level: run r adds inputs index[first[r]] ... index[first[r + 1] - 1]. */
typedef struct {
    int64_t runs;
    int64_t *index, *first;
} level_schedule;

/* A piece of K: its terms, and the runs of every level. */
typedef struct {
    int64_t terms, levels;
    level_schedule *level;
} schedule;

static inline void free_schedule(schedule *s) {
    for (int64_t i = 0; s->level && i < s->levels; i++) {
        free(s->level[i].index);
        free(s->level[i].first);
    }
    free(s->level);
    s->level = NULL;
}

/* The inputs in the order that `order` brings them to; a short last block keeps the positions there are. */
static inline void permute(const cemu_level *l, const int64_t *orders, int64_t n, int64_t *out) {
    int64_t size = l->order_length ? l->order_length : 1, at = 0;
    for (int64_t start = 0; start < n; start += size)
        for (int64_t i = 0; i < size; i++) {
            int64_t input = start + (l->order_length ? orders[l->first_order + i] : 0);
            if (input < n) out[at++] = input;
        }
}

static inline int64_t schedule_level(const cemu_level *l, const int64_t *orders, int64_t n, level_schedule *out) {
    int64_t length = l->length ? l->length : (n > 0 ? n : 1);
    if (l->parts) {
        int64_t groups = (n + l->parts * l->group - 1) / (l->parts * l->group);
        length = (groups > 0 ? groups : 1) * l->group;
    }
    int64_t lanes = l->lanes, block = length > INT64_MAX / lanes ? INT64_MAX : lanes * length;
    out->index = malloc((size_t)(n + 1) * sizeof *out->index);
    out->first = malloc((size_t)(n + 2) * sizeof *out->first);
    int64_t *permuted = malloc((size_t)(n + 1) * sizeof *permuted);
    if (!out->index || !out->first || !permuted) {
        free(permuted);
        return CEMU_NO_MEMORY;
    }
    permute(l, orders, n, permuted);
    int64_t at = 0, runs = 0;
    for (int64_t start = 0; start < n; start += block) {
        int64_t stop = n - start > block ? start + block : n;
        for (int64_t lane = 0; lane < lanes && start + lane < stop; lane++) {
            out->first[runs++] = at;
            for (int64_t i = start + lane; i < stop; i += lanes) out->index[at++] = permuted[i];
        }
        if (n - start <= block) break;
    }
    out->first[runs] = at;
    out->runs = runs;
    free(permuted);
    return CEMU_OK;
}

static inline int64_t make_schedule(const cemu_tables *t, int64_t terms, schedule *s) {
    int64_t n = terms, levels = t->unit->levels;
    s->terms = terms;
    s->levels = levels;
    s->level = calloc((size_t)levels, sizeof *s->level);
    if (!s->level) return CEMU_NO_MEMORY;
    for (int64_t i = 0; i < levels; i++) {
        level_schedule *out = s->level + i;
        int64_t status = schedule_level(t->levels + i, t->orders, n, out);
        if (status) return status;
        if (i == levels - 1 && out->runs > 1) return CEMU_RUNS;
        if (i == levels - 1 && out->runs == 0) { /* the outermost level always has one run */
            out->first[0] = out->first[1] = 0;
            out->runs = 1;
        }
        n = out->runs;
    }
    return CEMU_OK;
}

#endif
