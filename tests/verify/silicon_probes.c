/* The probes under sanitizers. Vectors: many numbers of results, unaligned, in arrays of just their size. Tiles: an AMX
 * instruction that this process may not use raises SIGILL, and the handler below does what the manual says, so that
 * configuration, strides, packing, operands and opcodes are checked on any x86-64 machine. */
#define _GNU_SOURCE /* the names of registers in a signal frame */
#include "probe.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__linux__)
#include <immintrin.h>
#include <ucontext.h>

int64_t real_probe_features(int features); /* features.c, renamed */

static const int AMX = FEATURE_AMX_TILE | FEATURE_AMX_INT8 | FEATURE_AMX_BF16;

int64_t probe_features(int features) { return features & AMX ? CEMU_PROBE_AVAILABLE : real_probe_features(features); }

/* A machine with tiles. */
static struct {
    int configured, rows[8], bytes[8], operations;
    uint8_t data[8][16][64];
} tiles;

static void fail(const char *what, int64_t number) {
    printf("failed: %s %lld\n", what, (long long)number);
    exit(1);
}

static float number_of(const uint8_t *at) {
    uint16_t code;
    memcpy(&code, at, 2);
    uint32_t wide = (uint32_t)code << 16;
    float x;
    memcpy(&x, &wide, 4);
    return x;
}

static void configure(const uint8_t *config) {
    if (config[0] != 1 || config[1]) fail("palette", config[0]);
    for (int i = 2; i < 16; i++)
        if (config[i]) fail("reserved byte", i);
    memset(&tiles.data, 0, sizeof tiles.data);
    for (int i = 0; i < 16; i++) {
        int rows = config[48 + i], bytes = config[16 + 2 * i] | config[17 + 2 * i] << 8;
        if (i >= 8 ? rows || bytes : rows > 16 || bytes > 64 || !rows != !bytes) fail("tile", i);
        if (i < 8) tiles.rows[i] = rows, tiles.bytes[i] = bytes;
    }
    tiles.configured = 1;
}

static int32_t product(int operation, const uint8_t *a, const uint8_t *b) {
    int32_t x = operation & 2 ? *a : (int8_t)*a, y = operation & 1 ? *b : (int8_t)*b;
    return x * y;
}

/* operation: -1 bf16, else bits "a unsigned", "b unsigned". */
static void dot(int d, int a, int b, int operation) {
    if (tiles.rows[d] != tiles.rows[a] || tiles.bytes[d] != tiles.bytes[b] || tiles.bytes[a] != 4 * tiles.rows[b])
        fail("shapes of tiles", d);
    for (int m = 0; m < tiles.rows[d]; m++)
        for (int k = 0; k < tiles.rows[b]; k++)
            for (int n = 0; n < tiles.bytes[d] / 4; n++) {
                const uint8_t *x = &tiles.data[a][m][4 * k], *y = &tiles.data[b][k][4 * n];
                uint8_t *z = &tiles.data[d][m][4 * n];
                if (operation < 0) {
                    float sum;
                    memcpy(&sum, z, 4);
                    for (int i = 0; i < 4; i += 2) sum += number_of(x + i) * number_of(y + i);
                    memcpy(z, &sum, 4);
                } else {
                    uint32_t sum;
                    memcpy(&sum, z, 4);
                    for (int i = 0; i < 4; i++) sum += (uint32_t)product(operation, x + i, y + i);
                    memcpy(z, &sum, 4);
                }
            }
    tiles.operations++;
}

/* Carry out the instruction at the instruction pointer; its length. */
static int64_t carry_out(const uint8_t *code, const greg_t *gregs) {
    static const int order[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    if (code[0] != 0xC4 || (code[1] & 0x1F) != 2 || code[2] & 0x84) fail("no AMX instruction", code[0]);
    int x = ~code[1] >> 6 & 1, b = ~code[1] >> 5 & 1, prefix = code[2] & 3; /* none, 66, F3, F2 */
    int mod = code[4] >> 6, reg = code[4] >> 3 & 7, rm = code[4] & 7, vvvv = ~code[2] >> 3 & 15;
    if (code[3] == 0x49 && prefix == 0 && code[4] == 0xC0) {
        tiles.configured = 0;
        return 5;
    }
    if (code[3] == 0x5E || code[3] == 0x5C) {
        static const int by_prefix[] = {3, 2, 1, 0}; /* UU, US (66), SU (F3), SS (F2) */
        if (mod != 3 || !tiles.configured || (code[3] == 0x5C && prefix != 2)) fail("product", code[4]);
        dot(reg, rm, vvvv, code[3] == 0x5C ? -1 : by_prefix[prefix]);
        return 5;
    }
    int64_t length = 5, address;
    if (rm == 4) {
        int base = (code[5] & 7) + 8 * b, index = (code[5] >> 3 & 7) + 8 * x;
        if ((base & 7) == 5 && mod == 0) fail("address without base", base);
        address = gregs[order[base]]; /* the index is the stride */
        if (code[5] >> 6 || (index == 4) != (code[3] == 0x49)) fail("stride", index);
        length++;
    } else {
        address = gregs[order[rm + 8 * b]];
    }
    if (mod == 1) address += (int8_t)code[length++];
    if (mod > 1) fail("form of address", mod);
    if (code[3] == 0x49 && prefix == 0) {
        configure((const uint8_t *)address);
        return length;
    }
    if (code[3] != 0x4B || prefix < 2 || !tiles.configured) fail("instruction", code[3]);
    int64_t stride = gregs[order[(code[5] >> 3 & 7) + 8 * x]];
    for (int m = 0; m < tiles.rows[reg]; m++) {
        uint8_t *memory = (uint8_t *)(address + m * stride);
        if (prefix == 3) memcpy(tiles.data[reg][m], memory, (size_t)tiles.bytes[reg]);
        if (prefix == 2) memcpy(memory, tiles.data[reg][m], (size_t)tiles.bytes[reg]);
    }
    return length;
}

static void on_illegal(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    greg_t *gregs = ((ucontext_t *)context)->uc_mcontext.gregs;
    gregs[REG_RIP] += carry_out((const uint8_t *)gregs[REG_RIP], gregs);
}

static uint32_t state = 1;

static uint8_t any_byte(void) {
    state = state * 1664525u + 1013904223u;
    return (uint8_t)(state >> 24);
}

/* Small whole numbers as bf16: their sums are exact in any order. */
static void fill(uint8_t *to, int64_t elements, int size) {
    static const uint16_t codes[] = {0x0000, 0x3F80, 0xBF80, 0x4000, 0x4040, 0xC0A0, 0x40E0, 0xC100};
    for (int64_t i = 0; i < elements; i++)
        if (size == 2)
            memcpy(to + 2 * i, &codes[any_byte() & 7], 2);
        else
            to[i] = any_byte();
}

static void check_tiles(int64_t probe, int m, int n, int k) {
    int size = probe == CEMU_PROBE_TDPBF16PS ? 2 : 1, count = 3, operation = (int)(probe - CEMU_PROBE_TDPBSSD);
    uint8_t *a = malloc((size_t)(count * m * k * size)), *b = malloc((size_t)(count * k * n * size));
    uint8_t *c = malloc((size_t)(count * m * n * 4)), *d = malloc((size_t)(count * m * n * 4));
    fill(a, count * m * k, size);
    fill(b, count * k * n, size);
    for (int i = 0; i < count * m * n; i++) {
        float x = (float)(any_byte() - 128);
        int32_t y = (int32_t)((uint32_t)any_byte() << 24 | any_byte());
        memcpy(c + 4 * i, size == 2 ? (void *)&x : (void *)&y, 4);
    }
    int before = tiles.operations;
    if (cemu_probe_tiles(probe, 0, m, n, k, a, b, c, d, count)) fail("probe", probe);
    if (tiles.operations != before + count || tiles.configured) fail("operations of", probe);
    for (int t = 0; t < count; t++)
        for (int i = 0; i < m; i++)
            for (int j = 0; j < n; j++) {
                int64_t at = ((int64_t)t * m + i) * n + j;
                float number;
                uint32_t word;
                memcpy(&number, c + 4 * at, 4);
                memcpy(&word, c + 4 * at, 4);
                for (int l = 0; l < k; l++) {
                    const uint8_t *x = a + ((t * m + i) * k + l) * size, *y = b + ((t * k + l) * n + j) * size;
                    if (size == 2)
                        number += number_of(x) * number_of(y);
                    else
                        word += (uint32_t)product(operation, x, y);
                }
                if (size == 2) memcpy(&word, &number, 4);
                if (memcmp(d + 4 * at, &word, 4)) fail("result", at);
            }
    free(a), free(b), free(c), free(d);
}

static void all_tiles(void) {
    struct sigaction action = {0};
    action.sa_sigaction = on_illegal;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGILL, &action, 0);
    for (int64_t probe = CEMU_PROBE_VECTORS; probe < CEMU_PROBE_COUNT; probe++) {
        int size = probe == CEMU_PROBE_TDPBF16PS ? 2 : 1;
        if (cemu_probe_available(probe) == CEMU_PROBE_NOT_COMPILED) continue;
        static const int shapes[][3] = {{16, 16, 64}, {1, 1, 4}, {5, 3, 12}, {16, 1, 64}, {1, 16, 60}, {7, 9, 32}};
        for (int i = 0; i < 6; i++) check_tiles(probe, shapes[i][0], shapes[i][1], shapes[i][2] / size);
        uint8_t memory[64];
        static const int bad[][3] = {{17, 1, 4}, {0, 1, 4}, {1, 17, 4}, {1, 0, 4}, {1, 1, 68}, {1, 1, 0}, {1, 1, 3}};
        for (int i = 0; i < 7; i++)
            if (cemu_probe_tiles(probe, 0, bad[i][0], bad[i][1], bad[i][2], memory, memory, memory, memory, 1) !=
                CEMU_PROBE_BAD_ARGUMENT)
                fail("a bad shape was taken", i);
        if (cemu_probe_tiles(probe, 0, 1, 1, 4, 0, 0, 0, 0, 0)) fail("no tiles", probe);
    }
}

/* Results of n at once are those of one by one; every array has just its size, at an odd address. */
static void check_vector(int64_t probe, int64_t n) {
    enum { MOST = 8 };
    size_t bytes = (size_t)n * MOST;
    const probe_vector *rows[] = {probe_bf16, probe_vnni, probe_madd, probe_half, probe_convert, probe_fma,
                                  probe_arithmetic, probe_resize};
    static const int64_t first[] = {CEMU_PROBE_VDPBF16PS, CEMU_PROBE_VPDPBUSD,   CEMU_PROBE_VPMADDUBSW,
                                    CEMU_PROBE_VADDPH,    CEMU_PROBE_VCVTPS2PH, CEMU_PROBE_VFMADD231PS,
                                    CEMU_PROBE_ADDPS,     CEMU_PROBE_CVTPS2DQ};
    int group = 7;
    while (probe < first[group]) group--;
    const probe_vector v = rows[group][probe - first[group]];
    uint8_t *memory[4], *at[4];
    const int sizes[] = {v.a, v.b, v.c, v.d};
    for (int i = 0; i < 4; i++) {
        memory[i] = malloc((size_t)n * (size_t)sizes[i] + 1);
        at[i] = memory[i] + 1;
        fill(at[i], n * sizes[i], 1);
    }
    uint8_t *one = malloc(bytes + 1), *flags = malloc((size_t)n + 1);
    uint32_t mxcsr = _mm_getcsr();
    for (int64_t mode = 0; mode < CEMU_PROBE_MODES; mode++) {
        if (cemu_probe_run(probe, mode, at[0], v.b ? at[1] : 0, v.c ? at[2] : 0, at[3], n)) fail("probe", probe);
        for (int64_t i = 0; i < n; i++)
            if (cemu_probe_run(probe, mode, at[0] + i * v.a, at[1] + i * v.b, at[2] + i * v.c, one + i * v.d, 1))
                fail("probe", probe);
        if (memcmp(one, at[3], (size_t)(n * v.d))) fail("one by one differs", probe);
        if (cemu_probe_flags(probe, mode, at[0], v.b ? at[1] : 0, v.c ? at[2] : 0, flags, n)) fail("flags", probe);
        for (int64_t i = 0; i < n; i++) {
            uint8_t alone = 0xFF;
            if (cemu_probe_flags(probe, mode, at[0] + i * v.a, at[1] + i * v.b, at[2] + i * v.c, &alone, 1))
                fail("flags", probe);
            if (alone != flags[i] || alone > 0x3F) fail("flags one by one differ", probe);
        }
        if (_mm_getcsr() != mxcsr) fail("MXCSR", probe);
    }
    for (int i = 0; i < 4; i++) free(memory[i]);
    free(one), free(flags);
}

static int all_vectors(void) {
    int ran = 0;
    for (int64_t probe = 0; probe < CEMU_PROBE_VECTORS; probe++) {
        int64_t answer = cemu_probe_available(probe);
        uint8_t memory[256] = {0};
        if (cemu_probe_run(probe, 0, memory, memory, memory, memory, 1) != answer) fail("available", probe);
        if (answer) continue;
        static const int64_t numbers[] = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65};
        for (int i = 0; i < 14; i++) check_vector(probe, numbers[i]);
        ran++;
    }
    static const int64_t none[] = {-1, CEMU_PROBE_COUNT};
    for (int i = 0; i < 2; i++)
        if (cemu_probe_available(none[i]) != CEMU_PROBE_BAD_ARGUMENT) fail("number of a probe", none[i]);
    if (cemu_probe_run(0, CEMU_PROBE_MODES, 0, 0, 0, 0, 0) != CEMU_PROBE_BAD_ARGUMENT) fail("mode", CEMU_PROBE_MODES);
    if (cemu_probe_flags(CEMU_PROBE_ADDPS_SSE, 0, 0, 0, 0, 0, 1) != CEMU_PROBE_BAD_ARGUMENT) fail("no operands", 1);
    if (cemu_probe_run(CEMU_PROBE_VECTORS, 0, 0, 0, 0, 0, 0) != CEMU_PROBE_BAD_ARGUMENT) fail("a tile is no vector", 0);
    return ran;
}

int main(void) {
    int ran = all_vectors();
    all_tiles();
    printf("passed: %d vector probes, %d tile operations\n", ran, tiles.operations);
    return 0;
}
#else
int main(void) {
    for (int64_t probe = 0; probe < CEMU_PROBE_COUNT; probe++)
        if (cemu_probe_available(probe) != CEMU_PROBE_NO_CPU) return 1;
    printf("passed: no probes here\n");
    return 0;
}
#endif
