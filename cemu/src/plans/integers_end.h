/* From sums to d: what stands at the start, and what is done at last. */
#ifndef CEMU_INTEGERS_END_H
#define CEMU_INTEGERS_END_H

#include "integers_pack.h"
#include "integers_store.h"

/* c of a row of elements, in units of the sum. */
static void start_row(const cemu_plan_integers_t *p, int64_t at, int64_t count, uint64_t *restrict line) {
    const uint64_t sign = p->c_sign;
    const int64_t shift = p->c_shift;
    if (!p->c) {
        memset(line, 0, (size_t)count * sizeof *line);
        return;
    }
#define START(T) \
    for (int64_t j = 0; j < count; j++) line[j] = ((((const T *)p->c)[at + j] ^ sign) - sign) << shift
    BY_WIDTH(p->c_width, START)
#undef START
}

/* A row of 64-bit sums, cast for the last time, into d; or kept. */
static void finish_row(const cemu_plan_integers_t *p, int64_t at, int64_t count, uint64_t *restrict line) {
    int64_t low = p->finish.low, high = p->finish.high, shift = p->finish.shift;
    uint64_t mask = p->mask;
    if (p->finish.kind == CEMU_INTEGERS_CLAMP) {
        for (int64_t j = 0; j < count; j++) {
            int64_t x = (int64_t)line[j];
            x = x < low ? low : x;
            x = x > high ? high : x;
            line[j] = (uint64_t)x & mask;
        }
    } else if (p->finish.kind == CEMU_INTEGERS_WRAP) {
        for (int64_t j = 0; j < count; j++) line[j] = (uint64_t)((int64_t)(line[j] << shift) >> shift) & mask;
    } else if (mask != ~(uint64_t)0) {
        for (int64_t j = 0; j < count; j++) line[j] &= mask;
    }
    if (p->d)
        store_row(p->d, p->d_width, at, count, line);
    else
        memcpy(p->sums + at, line, (size_t)count * sizeof *line);
}

/* The same for sums of 32 bits, all that d needs, without c; `line` has PANEL_BYTES. */
INLINE void finish_row_32(const cemu_plan_integers_t *p, int64_t at, int64_t count, uint32_t *restrict line) {
    enum { COLUMNS = PANEL_BYTES / 4 };
    if (p->c) {
        const uint32_t sign = (uint32_t)p->c_sign;
        const int shift = (int)p->c_shift;
#define ADD(T) \
    for (int64_t j = 0; j < count; j++) line[j] += (((uint32_t)((const T *)p->c)[at + j] ^ sign) - sign) << shift
        BY_WIDTH(p->c_width, ADD)
#undef ADD
    }
    if (p->finish.kind == CEMU_INTEGERS_CLAMP) {
        int32_t low = p->finish.low < INT32_MIN ? INT32_MIN : (int32_t)p->finish.low;
        int32_t high = p->finish.high > INT32_MAX ? INT32_MAX : (int32_t)p->finish.high;
        for (int j = 0; j < COLUMNS; j++) {
            int32_t x = (int32_t)line[j] < low ? low : (int32_t)line[j];
            line[j] = (uint32_t)(x > high ? high : x);
        }
    }
    if ((uint32_t)p->mask != ~(uint32_t)0)
        for (int j = 0; j < COLUMNS; j++) line[j] &= (uint32_t)p->mask;
    if (p->d_width == 4 && count == COLUMNS) {
        memcpy((uint32_t *)p->d + at, line, PANEL_BYTES);
        return;
    }
#define STORE(T) \
    for (int64_t j = 0; j < count; j++) ((T *)p->d)[at + j] = (T)line[j]
    BY_WIDTH(p->d_width, STORE)
#undef STORE
}

#endif
