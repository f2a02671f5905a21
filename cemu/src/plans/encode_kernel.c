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

int64_t FOR_ISA(plan_encode)(cemu_plan_encode_t *job) {
    if (job->in_bits == 32) {
        coder_32 c;
        set_coder_32(&c, job->grid);
        job->nan_seen = encode_32(&c, job) > c.grid.infinity;
    } else {
        coder_64 c;
        set_coder_64(&c, job->grid);
        job->nan_seen = encode_64(&c, job) > c.grid.infinity;
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
