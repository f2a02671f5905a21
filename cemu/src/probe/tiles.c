/* AMX: the tile products. Tile 0 is c and d, tile 1 is a, tile 2 is b with groups of 4 bytes along k interleaved. */
#include "probe.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

enum { MOST_ROWS = 16, MOST_BYTES = 64, GROUP = 4 };

#if PROBE_AMX
#define TARGET __attribute__((target("amx-tile,amx-int8,amx-bf16")))

/* Palette 1: 8 tiles of 16 rows of 64 bytes; unused tiles stay unconfigured. */
typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;

_Static_assert(sizeof(tile_config) == 64, "LDTILECFG reads 64 bytes");

typedef struct {
    const uint8_t *a, *b, *c;
    uint8_t *d;
    int64_t a_stride, d_stride;
} tile_operands;

#define TILES(name, instruction)                                                                        \
    TARGET static void name(const tile_operands *t) {                                                   \
        __asm__ volatile("tileloadd (%0,%4,1), %%tmm0\n\t"                                              \
                         "tileloadd (%1,%5,1), %%tmm1\n\t"                                              \
                         "tileloadd (%2,%6,1), %%tmm2\n\t"                                              \
                         instruction " %%tmm2, %%tmm1, %%tmm0\n\t"                                      \
                         "tilestored %%tmm0, (%3,%4,1)"                                                 \
                         :                                                                              \
                         : "r"(t->c), "r"(t->a), "r"(t->b), "r"(t->d), "r"(t->d_stride),                \
                           "r"(t->a_stride), "r"((int64_t)MOST_BYTES)                                   \
                         : "memory");                                                                   \
    }
TILES(dot_bf16, "tdpbf16ps")
TILES(dot_ss, "tdpbssd")
TILES(dot_su, "tdpbsud")
TILES(dot_us, "tdpbusd")
TILES(dot_uu, "tdpbuud")

TARGET static void configure(const tile_config *config) {
    __asm__ volatile("ldtilecfg (%0)" : : "r"(config) : "memory");
}

TARGET static void release(void) { __asm__ volatile("tilerelease" : : : "memory"); }

/* b [k, n] of elements of `size` bytes, as rows of n groups of 4 bytes. */
static void pack(const uint8_t *b, uint8_t packed[MOST_ROWS][MOST_BYTES], int64_t k, int64_t n, int64_t size) {
    int64_t group = GROUP / size;
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = 0; j < n; j++)
            memcpy(&packed[i / group][j * GROUP + i % group * size], b + (i * n + j) * size, (size_t)size);
}

static const struct {
    void (*run)(const tile_operands *);
    int features, size;
} instructions[] = {
    {dot_bf16, FEATURE_AMX_TILE | FEATURE_AMX_BF16, 2}, {dot_ss, FEATURE_AMX_TILE | FEATURE_AMX_INT8, 1},
    {dot_su, FEATURE_AMX_TILE | FEATURE_AMX_INT8, 1},   {dot_us, FEATURE_AMX_TILE | FEATURE_AMX_INT8, 1},
    {dot_uu, FEATURE_AMX_TILE | FEATURE_AMX_INT8, 1},
};

int64_t probe_tile_available(int64_t probe) {
    return probe_features(instructions[probe - CEMU_PROBE_VECTORS].features);
}

CEMU_API int64_t cemu_probe_tiles(int64_t probe, int64_t mode, int64_t m, int64_t n, int64_t k, const void *a,
                                  const void *b, const void *c, void *d, int64_t tiles) {
    if (probe < CEMU_PROBE_VECTORS || probe >= CEMU_PROBE_COUNT || mode < 0 || mode >= CEMU_PROBE_MODES || tiles < 0)
        return CEMU_PROBE_BAD_ARGUMENT;
    int64_t state = probe_tile_available(probe);
    if (state != CEMU_PROBE_AVAILABLE) return state;
    int64_t size = instructions[probe - CEMU_PROBE_VECTORS].size;
    if (m < 1 || m > MOST_ROWS || n < 1 || n > MOST_ROWS || k < 1 || k > MOST_BYTES / size || k * size % GROUP)
        return CEMU_PROBE_BAD_ARGUMENT;
    if (tiles && (!a || !b || !c || !d)) return CEMU_PROBE_BAD_ARGUMENT;
    tile_config config = {.palette = 1};
    config.rows[0] = config.rows[1] = (uint8_t)m;
    config.rows[2] = (uint8_t)(k * size / GROUP);
    config.row_bytes[0] = config.row_bytes[2] = (uint16_t)(n * GROUP);
    config.row_bytes[1] = (uint16_t)(k * size);
    uint8_t packed[MOST_ROWS][MOST_BYTES] = {{0}};
    tile_operands t = {.a = a, .b = packed[0], .c = c, .d = d, .a_stride = k * size, .d_stride = n * GROUP};
    const uint8_t *next_b = b;
    uint32_t mxcsr = _mm_getcsr();
    _mm_setcsr(probe_mxcsr(mode));
    configure(&config);
    for (int64_t i = 0; i < tiles; i++) {
        pack(next_b, packed, k, n, size);
        instructions[probe - CEMU_PROBE_VECTORS].run(&t);
        t.a += m * t.a_stride;
        t.c += m * t.d_stride;
        t.d += m * t.d_stride;
        next_b += k * n * size;
    }
    release();
    _mm_setcsr(mxcsr);
    return CEMU_PROBE_AVAILABLE;
}
#else
int64_t probe_tile_available(int64_t probe) {
    (void)probe;
    return CEMU_PROBE_NOT_COMPILED;
}

CEMU_API int64_t cemu_probe_tiles(int64_t probe, int64_t mode, int64_t m, int64_t n, int64_t k, const void *a,
                                  const void *b, const void *c, void *d, int64_t tiles) {
    (void)mode, (void)m, (void)n, (void)k, (void)a, (void)b, (void)c, (void)d, (void)tiles;
    return probe < CEMU_PROBE_VECTORS || probe >= CEMU_PROBE_COUNT ? CEMU_PROBE_BAD_ARGUMENT : CEMU_PROBE_NOT_COMPILED;
}
#endif
#endif
