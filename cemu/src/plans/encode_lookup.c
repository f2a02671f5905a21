/* Looking codes up in a table of all of them. */
#include "cemu_plan_encode.h"

#define LOOKUP(IN, OUT)                                                         \
    do {                                                                        \
        const IN *restrict from = in;                                           \
        const OUT *restrict entries = table;                                    \
        OUT *restrict to = out;                                                 \
        uint64_t all = 0;                                                       \
        for (int64_t i = 0; i < n; i++) {                                       \
            all |= from[i];                                                     \
            to[i] = entries[from[i] & mask];                                    \
        }                                                                       \
        *seen = all;                                                            \
    } while (0)

#define LOOKUP_FROM(IN)                                                         \
    switch (out_bytes) {                                                        \
        case 1: LOOKUP(IN, uint8_t); break;                                     \
        case 2: LOOKUP(IN, uint16_t); break;                                    \
        case 4: LOOKUP(IN, uint32_t); break;                                    \
        default: LOOKUP(IN, uint64_t); break;                                   \
    }

CEMU_API int64_t cemu_plan_lookup(const void *in, int64_t in_bytes, const void *table, void *out, int64_t out_bytes,
                                  int64_t n, uint64_t mask, uint64_t *seen) {
    if (in_bytes == 1) {
        LOOKUP_FROM(uint8_t)
    } else {
        LOOKUP_FROM(uint16_t)
    }
    return CEMU_OK;
}
