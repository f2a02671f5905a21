/* float32 and float64 to codes on a regular grid; blocks with scales. */
#include "cemu_plan_encode.h"
#include "isa.h"

#include "encode_32.h"

#define WORD uint64_t
#define SIGNED int64_t
#define REAL double
#define MANT 52
#define T(x) x##_64
#include "encode_lane.h"

/* float32 by the encoder of float64; the largest magnitude's bits. */
static uint64_t widened(const coder_64 *c, const cemu_plan_encode_t *job) {
    enum { SOME = 1024 };
    double wide[SOME];
    uint64_t most = 0;
    for (int64_t begin = 0; begin < job->n; begin += SOME) {
        int64_t n = job->n - begin < SOME ? job->n - begin : SOME;
        const float *restrict from = (const float *)job->in + begin;
        for (int64_t i = 0; i < n; i++) wide[i] = from[i];
        cemu_plan_encode_t piece = *job;
        piece.in = wide;
        piece.out = (char *)job->out + begin * (job->out_bits / 8);
        piece.n = n;
        uint64_t found = encode_64(c, &piece);
        most = found > most ? found : most;
    }
    return most;
}

int64_t FOR_ISA(plan_encode)(cemu_plan_encode_t *job) {
    if (job->in_bits == 32 && !job->widen) {
        coder_32 c;
        set_coder_32(&c, job->grid);
        job->nan_seen = encode_32(&c, job) > c.grid.infinity;
    } else {
        coder_64 c;
        set_coder_64(&c, job->grid);
        job->nan_seen = (job->in_bits == 32 ? widened(&c, job) : encode_64(&c, job)) > c.grid.infinity;
    }
    return CEMU_OK;
}

#undef WORD
#undef SIGNED
#undef REAL
#undef MANT
#undef T
#define SIGNED int32_t /* of GREATER */
#include "encode_blocks.h"
