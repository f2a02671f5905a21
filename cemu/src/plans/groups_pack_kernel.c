/* Codes of a and b as numbers, b in blocks of columns; what is not finite, how far the bits of each run reach, and
 * which of its terms are not zero. */
#include <string.h>

#include "cemu_plan_groups.h"
#include "isa.h"

#define LANES CEMU_GROUPS_LANES
#define INLINE static inline __attribute__((always_inline))

int64_t FOR_ISA(plan_groups_pack)(cemu_plan_groups_pack_t *p);

INLINE void put(const cemu_plan_groups_pack_t *p, int64_t at, double x) {
    if (p->wide)
        ((double *)p->out)[at] = x;
    else
        ((float *)p->out)[at] = (float)x;
}

INLINE double get(const cemu_plan_groups_pack_t *p, int64_t at) {
    return p->wide ? ((const double *)p->out)[at] : (double)((const float *)p->out)[at];
}

INLINE void decode(const cemu_plan_groups_pack_t *p, int64_t bytes) {
    int64_t blocks = (p->columns + LANES - 1) / LANES;
    for (int64_t r = 0; r < p->rows; r++) {
        for (int64_t j = 0; j < (p->by_columns ? blocks * LANES : p->columns); j++) {
            int64_t from = r * p->columns + j, to = p->by_columns ? (j / LANES * p->rows + r) * LANES + j % LANES : from;
            double x = 0;
            if (j < p->columns)
                x = p->table[bytes == 1 ? ((const uint8_t *)p->codes)[from] : ((const uint16_t *)p->codes)[from]];
            if (!(x - x == 0)) {
                p->marks[p->by_columns ? j : r] = 1;
                x = 0;
            }
            put(p, to, x);
        }
    }
}

INLINE void see(double x, int16_t *low, int16_t *top) {
    uint64_t u;
    if (x == 0) return;
    memcpy(&u, &x, sizeof u); /* never a subnormal double */
    int field = (int)(u >> 52 & 2047), zeros = __builtin_ctzll(u & 0xfffffffffffffu ? u & 0xfffffffffffffu : 1ull << 52);
    int16_t lowest = (int16_t)(field - 1075 + zeros), highest = (int16_t)(field - 1022);
    if (lowest < *low) *low = lowest;
    if (highest > *top) *top = highest;
}

static void look(const cemu_plan_groups_pack_t *p) {
    int64_t blocks = (p->columns + LANES - 1) / LANES, parts = p->by_columns ? blocks : p->rows;
    int64_t lanes = p->by_columns ? LANES : 1, k = p->by_columns ? p->rows : p->columns;
    for (int64_t i = 0; i < parts; i++) {
        for (int64_t s = 0; s < p->run_count; s++) {
            const cemu_groups_run *run = p->runs + s;
            int64_t first = (i * k + run->first) * lanes;
            int16_t low = CEMU_GROUPS_EMPTY, top = -CEMU_GROUPS_EMPTY;
            if (p->low) {
                for (int64_t t = 0; t < run->count * lanes; t++) see(get(p, first + t), &low, &top);
                p->low[i * p->run_count + s] = low;
                p->top[i * p->run_count + s] = top;
            }
            if (p->live) {
                uint64_t *live = p->live + (p->by_columns ? (s * blocks + i) * LANES : i * p->run_count + s);
                for (int64_t j = 0; j < lanes; j++) live[j] = 0;
                for (int64_t t = 0; t < run->count; t++)
                    for (int64_t j = 0; j < lanes; j++)
                        live[j] |= (uint64_t)(get(p, first + t * lanes + j) != 0) << t;
            }
        }
    }
}

int64_t FOR_ISA(plan_groups_pack)(cemu_plan_groups_pack_t *p) {
    if (p->code_bytes == 1)
        decode(p, 1);
    else
        decode(p, 2);
    if (p->low || p->live) look(p);
    return CEMU_OK;
}
