/* Codes of floats of at most 16 bits to float32 or float64, by moving their fields.
 *
 * Exponent and mantissa fields, moved to where float32 has them, are the number times 2^(bias - 127), subnormals
 * included; the product with 2^(127 - bias) is exact. That needs a processor that does not take subnormal numbers for
 * zeros. */
#include "cemu_plan_encode.h"
#include "isa.h"

#include <string.h>

#define INLINE static inline __attribute__((always_inline))
enum { BLOCK = 256 };

INLINE uint32_t number(const cemu_plan_numbers_t *job, uint32_t code, uint32_t shift, float scale) {
    uint32_t magnitude = code & (uint32_t)job->field, moved = magnitude << shift, bits;
    float x;
    memcpy(&x, &moved, sizeof x);
    x *= scale;
    memcpy(&bits, &x, sizeof bits);
    uint32_t quiet = 0x400000 | (moved & (uint32_t)job->payload);
    uint32_t special = 0x7f800000 | (magnitude == (uint32_t)job->infinity ? 0 : quiet);
    bits = (int32_t)magnitude > (int32_t)job->most ? special : bits;
    bits |= code & (uint32_t)job->sign ? 0x80000000 : 0;
    return code == (uint32_t)job->minus ? (uint32_t)job->minus_zero : bits;
}

#define NUMBERS(IN)                                                                          \
    do {                                                                                     \
        const IN *restrict from = (const IN *)p->in + begin;                                 \
        for (int64_t i = 0; i < n; i++) {                                                    \
            seen |= from[i];                                                                 \
            bits[i] = number(&job, from[i], shift, scale);                                   \
        }                                                                                    \
    } while (0)

int64_t FOR_ISA(plan_numbers)(cemu_plan_numbers_t *p) {
    const cemu_plan_numbers_t job = *p;
    const uint32_t shift = (uint32_t)job.shift;
    volatile float tiny = 0x1p-140f;
    if (tiny * 0x1p100f == 0) return CEMU_NO_ISA;
    float scale;
    uint32_t power = (uint32_t)(127 + job.scale) << 23, seen = 0, bits[BLOCK];
    memcpy(&scale, &power, sizeof scale);
    for (int64_t begin = 0; begin < job.n; begin += BLOCK) {
        int64_t n = job.n - begin < BLOCK ? job.n - begin : BLOCK;
        if (job.in_bytes == 1) NUMBERS(uint8_t);
        else NUMBERS(uint16_t);
        if (job.out_bits == 32) {
            memcpy((float *)job.out + begin, bits, (size_t)n * sizeof *bits);
            continue;
        }
        double *restrict to = (double *)job.out + begin;
        for (int64_t i = 0; i < n; i++) {
            float x;
            memcpy(&x, bits + i, sizeof x);
            to[i] = x;
        }
    }
    p->seen = seen;
    return CEMU_OK;
}
