/* Codes of floats to float32 or float64.
 *
 * Exponent and mantissa fields are moved to where float32 has them, and the exponent gets the difference of the biases;
 * subnormals are integers times a power of two. No operation has a subnormal operand or result. */
#include "cemu_plan_encode.h"
#include "isa.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))
enum { BLOCK = 256 };

/* small: the bits of magnitude times the unit of subnormals. */
INLINE uint32_t number(const cemu_plan_numbers_t *job, uint32_t code, uint32_t small) {
    uint32_t magnitude = code & (uint32_t)job->field, moved = magnitude << (uint32_t)job->shift;
    uint32_t bits = (int32_t)magnitude < (int32_t)job->normal ? small : moved + (uint32_t)job->raise;
    uint32_t quiet = 0x400000 | (moved & (uint32_t)job->payload);
    uint32_t special = 0x7f800000 | (magnitude == (uint32_t)job->infinity ? 0 : quiet);
    bits = (int32_t)magnitude > (int32_t)job->most ? special : bits;
    bits |= code & (uint32_t)job->sign ? 0x80000000 : 0;
    return code == (uint32_t)job->minus ? (uint32_t)job->minus_zero : bits;
}

#define NUMBERS(IN, IGNORED)                                                                 \
    do {                                                                                     \
        const IN *restrict from = (const IN *)p->in + begin;                                 \
        for (int64_t i = 0; i < n; i++) { /* apart: no compiler branches around it then */   \
            float x = (float)(int32_t)(from[i] IGNORED & (uint32_t)job.field) * unit;        \
            seen |= from[i];                                                                 \
            memcpy(small + i, &x, sizeof x);                                                 \
        }                                                                                    \
        for (int64_t i = 0; i < n; i++) bits[i] = number(&job, from[i] IGNORED, small[i]);   \
    } while (0)

int64_t FOR_ISA(plan_numbers)(cemu_plan_numbers_t *p) {
    const cemu_plan_numbers_t job = *p;
    float unit;
    uint32_t power = (uint32_t)(127 + job.unit) << 23, seen = 0, small[BLOCK], block[BLOCK];
    memcpy(&unit, &power, sizeof unit);
    for (int64_t begin = 0; begin < job.n; begin += BLOCK) {
        int64_t n = job.n - begin < BLOCK ? job.n - begin : BLOCK;
        uint32_t *restrict bits = job.out_bits == 32 ? (uint32_t *)job.out + begin : block;
        if (job.in_bytes == 1) NUMBERS(uint8_t, );
        else if (job.in_bytes == 2) NUMBERS(uint16_t, );
        else NUMBERS(uint32_t, >> (uint32_t)job.ignored);
        if (job.out_bits == 32) continue;
        double *restrict to = (double *)job.out + begin;
        for (int64_t i = 0; i < n; i++) {
            float x;
            memcpy(&x, block + i, sizeof x);
            to[i] = x;
        }
    }
    p->seen = seen;
    return CEMU_OK;
}

#define WHOLE(REAL)                                                                                   \
    do {                                                                                              \
        REAL *restrict to = job.out;                                                                  \
        const REAL unit = (REAL)power;                                                                \
        if (job.with_sign)                                                                            \
            for (int64_t i = 0; i < job.n; i++) to[i] = (REAL)((int32_t)(from[i] << up) >> up) * unit; \
        else                                                                                          \
            for (int64_t i = 0; i < job.n; i++) to[i] = (REAL)(from[i] << up >> up) * unit;           \
    } while (0)

int64_t FOR_ISA(plan_whole)(cemu_plan_whole_t *p) {
    const cemu_plan_whole_t job = *p;
    const uint32_t *restrict from = job.in;
    const uint32_t up = 32 - (uint32_t)job.bits;
    uint64_t bits = (uint64_t)(1023 + job.unit) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    if (job.out_bits == 32) WHOLE(float);
    else WHOLE(double);
    return CEMU_OK;
}
