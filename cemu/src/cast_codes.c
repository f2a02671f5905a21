/* Casts of codes, one by one. */
#include "cast.h"

#define LIMBS 256

CEMU_API int64_t cemu_cast_codes(const cemu_format *formats, int64_t source, const cemu_cast *cast, const uint64_t *codes,
                                 int64_t n, const uint64_t *draws, uint64_t *out, uint16_t *masks, int64_t *error_index) {
    uint64_t limb[LIMBS], scratch[2 * LIMBS + 2];
    cemu_tables tables = {.formats = formats};
    context c = {.t = &tables, .limbs = LIMBS, .scratch = scratch};
    value x = {.limb = limb};
    for (int64_t i = 0; i < n; i++) {
        decode(formats + source, codes[i], &x);
        uint32_t events = cast_value(&c, cast, draws ? draws[i] : 0, &x);
        if (c.status) {
            *error_index = i;
            return c.status;
        }
        out[i] = encode(formats + cast->format, &x);
        if (masks) masks[i] = (uint16_t)events;
    }
    return CEMU_OK;
}
