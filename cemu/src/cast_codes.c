/* Casts of codes, one by one. */
#include "cast.h"

#include <stdlib.h>

/* Words of the widest value of a cast: as it is decoded, or as an integer of the target's unit. */
static int64_t words_of(const cemu_tables *tables, const cemu_format *from, const cemu_format *to) {
    int64_t top = from->bits - from->frac_bits; /* every value is below 2^top */
    if (from->kind == CEMU_FORMAT_KIND_FLOAT)
        top = (int64_t)((uint64_t)from->max_magnitude >> from->man_bits) - from->bias + 1;
    if (from->points) { /* looked up: the largest magnitude is at one end */
        const cemu_point *ends[2] = {largest_point(tables, from, 0), largest_point(tables, from, 1)};
        for (int i = 0; i < 2; i++)
            if (ends[i]->q + 64 > top || !i) top = ends[i]->q + 64;
    }
    int64_t bits = 0;
    if (to->kind == CEMU_FORMAT_KIND_INTEGER || to->kind == CEMU_FORMAT_KIND_FIXED) {
        bits = top + to->frac_bits;
        if (bits < to->bits) bits = to->bits;
    }
    return (bits > 0 ? bits : 0) / 64 + 4;
}

CEMU_API int64_t cemu_cast_codes(const cemu_tables *tables, int64_t source, const cemu_cast *cast, const uint64_t *codes,
                                 int64_t n, const uint64_t *draws, uint64_t *out, uint16_t *masks, int64_t *error_index) {
    const cemu_format *from = tables->formats + source, *to = tables->formats + cast->format;
    int64_t limbs = words_of(tables, from, to), status = CEMU_OK;
    uint64_t *arena = malloc((size_t)(3 * limbs + 2) * sizeof *arena);
    if (!arena) return CEMU_NO_MEMORY;
    context c = {.t = tables, .limbs = limbs, .scratch = arena + limbs};
    value x = {.limb = arena};
    for (int64_t i = 0; i < n && !status; i++) {
        decode(tables, from, codes[i], &x);
        uint32_t events = cast_value(&c, cast, draws ? draws[i] : 0, &x);
        status = c.status;
        if (status) {
            *error_index = i;
            break;
        }
        out[i] = encode(tables, to, &x);
        if (masks) masks[i] = (uint16_t)events;
    }
    free(arena);
    return status;
}
