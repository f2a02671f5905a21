/* Whether a probe can run; on other machines than x86-64, that none can. */
#include "probe.h"

#if defined(__x86_64__)
CEMU_API int64_t cemu_probe_available(int64_t probe) {
    if (probe < 0 || probe >= CEMU_PROBE_COUNT) return CEMU_PROBE_BAD_ARGUMENT;
    return probe < CEMU_PROBE_VECTORS ? probe_vector_available(probe) : probe_tile_available(probe);
}
#else
CEMU_API int64_t cemu_probe_available(int64_t probe) {
    return probe < 0 || probe >= CEMU_PROBE_COUNT ? CEMU_PROBE_BAD_ARGUMENT : CEMU_PROBE_NO_CPU;
}

CEMU_API int64_t cemu_probe_run(int64_t probe, int64_t mode, const void *a, const void *b, const void *c, void *d,
                                int64_t n) {
    (void)mode, (void)a, (void)b, (void)c, (void)d, (void)n;
    return cemu_probe_available(probe);
}

CEMU_API int64_t cemu_probe_flags(int64_t probe, int64_t mode, const void *a, const void *b, const void *c,
                                  uint8_t *flags, int64_t n) {
    (void)mode, (void)a, (void)b, (void)c, (void)flags, (void)n;
    return cemu_probe_available(probe);
}

CEMU_API int64_t cemu_probe_tiles(int64_t probe, int64_t mode, int64_t m, int64_t n, int64_t k, const void *a,
                                  const void *b, const void *c, void *d, int64_t tiles) {
    (void)mode, (void)m, (void)n, (void)k, (void)a, (void)b, (void)c, (void)d, (void)tiles;
    return cemu_probe_available(probe);
}
#endif
