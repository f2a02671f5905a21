/* Operations on two operands of at most 8 bits: numbers of codes from tables of 256, float32's operation, and the encoder
 * of float32; or results from a table of all pairs. */
#include "cemu_plan_pairs.h"
#include "isa.h"

#include "encode_32.h"

enum { SOME = 2048 }; /* elements at a time: numbers and codes stay in the first level of cache */

#if defined(__AVX512BW__)
#include <immintrin.h>

/* Words of 256 by bytes: eight registers, four lookups of 64, and the two upper bits of a byte choose among those. */
typedef struct {
    __m512i part[8];
} words;

INLINE words load_words(const uint16_t *table) {
    words w;
    for (int i = 0; i < 8; i++) w.part[i] = _mm512_loadu_si512(table + 32 * i);
    return w;
}

INLINE __m512i word_of(const words *w, __m512i at) {
    __m512i first = _mm512_permutex2var_epi16(w->part[0], at, w->part[1]);
    __m512i second = _mm512_permutex2var_epi16(w->part[2], at, w->part[3]);
    __m512i third = _mm512_permutex2var_epi16(w->part[4], at, w->part[5]);
    __m512i fourth = _mm512_permutex2var_epi16(w->part[6], at, w->part[7]);
    __mmask32 odd = _mm512_test_epi16_mask(at, _mm512_set1_epi16(64));
    __mmask32 upper = _mm512_test_epi16_mask(at, _mm512_set1_epi16(128));
    first = _mm512_mask_blend_epi16(odd, first, second);
    third = _mm512_mask_blend_epi16(odd, third, fourth);
    return _mm512_mask_blend_epi16(upper, first, third);
}

static void look_up_words(const uint16_t *restrict table, const uint8_t *restrict in, uint16_t *restrict out, int64_t n) {
    const words w = load_words(table);
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m512i at = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const void *)(in + i)));
        _mm512_storeu_si512(out + i, word_of(&w, at));
    }
    for (; i < n; i++) out[i] = table[in[i]];
}

/* The same, of the lower bytes of words. */
static void look_up_bytes(const uint16_t *restrict table, const uint8_t *restrict in, uint8_t *restrict out, int64_t n) {
    const words w = load_words(table);
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m512i at = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const void *)(in + i)));
        _mm256_storeu_si256((void *)(out + i), _mm512_cvtepi16_epi8(word_of(&w, at)));
    }
    for (; i < n; i++) out[i] = (uint8_t)table[in[i]];
}
#else
static void look_up_words(const uint16_t *restrict table, const uint8_t *restrict in, uint16_t *restrict out, int64_t n) {
    for (int64_t i = 0; i < n; i++) out[i] = table[in[i]];
}

static void look_up_bytes(const uint16_t *restrict table, const uint8_t *restrict in, uint8_t *restrict out, int64_t n) {
    for (int64_t i = 0; i < n; i++) out[i] = (uint8_t)table[in[i]];
}
#endif

int64_t FOR_ISA(plan_bytes)(cemu_plan_bytes_t *job) {
    uint8_t seen = 0;
    for (int64_t begin = 0; begin < job->n; begin += SOME) { /* a piece is in cache when it is read again */
        int64_t n = job->n - begin < SOME ? job->n - begin : SOME;
        const uint8_t *in = job->in + begin;
        if (job->out_bits == 8) look_up_bytes(job->entries, in, (uint8_t *)job->out + begin, n);
        else look_up_words(job->entries, in, (uint16_t *)job->out + begin, n);
        for (int64_t i = 0; i < n; i++) seen |= in[i];
    }
    job->seen = seen;
    return CEMU_OK;
}

#define OPERATION(OP)                                                            \
    for (int64_t i = 0; i < n; i++) {                                            \
        uint32_t left = (uint32_t)x[i] << 16, right = (uint32_t)y[i] << 16;      \
        float a, b, c;                                                           \
        memcpy(&a, &left, sizeof a);                                             \
        memcpy(&b, &right, sizeof b);                                            \
        c = a OP b;                                                              \
        memcpy(out + i, &c, sizeof c);                                           \
    }                                                                            \
    break

static void operate(int64_t operation, const uint16_t *restrict x, const uint16_t *restrict y, uint32_t *restrict out,
                    int64_t n) {
    switch (operation) {
        case CEMU_OPERATION_ADD: OPERATION(+);
        case CEMU_OPERATION_SUBTRACT: OPERATION(-);
        case CEMU_OPERATION_MULTIPLY: OPERATION(*);
        default: OPERATION(/);
    }
}

int64_t FOR_ISA(plan_pairs)(cemu_plan_pairs_t *job) {
    uint16_t x[SOME], y[SOME];
    uint32_t made[SOME];
    coder_32 c;
    job->refused = !rounds_to_nearest();
    if (job->refused) return CEMU_OK;
    set_coder_32(&c, job->grid);
    for (int64_t begin = 0; begin < job->n; begin += SOME) {
        int64_t n = job->n - begin < SOME ? job->n - begin : SOME;
        look_up_words(job->x_numbers, job->x + begin, x, n);
        look_up_words(job->y_numbers, job->y + begin, y, n);
        operate(job->operation, x, y, made, n);
        cemu_plan_encode_t piece = {
            .in = made, .in_bits = 32, .out = (char *)job->out + begin * (job->out_bits / 8), .out_bits = job->out_bits, .n = n};
        encode_32(&c, &piece);
    }
    return CEMU_OK;
}

#define LOOKUP(TYPE)                                             \
    do {                                                         \
        const TYPE *restrict entries = job->table;               \
        TYPE *restrict out = (TYPE *)job->out + begin;           \
        for (int64_t i = 0; i < n; i++) out[i] = entries[at[i]]; \
    } while (0)

int64_t FOR_ISA(plan_pair_table)(cemu_plan_pair_table_t *job) {
    const uint16_t x_mask = (uint16_t)((1 << job->x_bits) - 1), y_mask = (uint16_t)((1 << job->y_bits) - 1);
    const int shift = (int)job->y_bits;
    uint16_t at[SOME];
    if (job->x_bits > 8 || job->y_bits > 8) return CEMU_BAD_TABLE;
    for (int64_t begin = 0; begin < job->n; begin += SOME) {
        int64_t n = job->n - begin < SOME ? job->n - begin : SOME;
        const uint8_t *restrict x = job->x + begin, *restrict y = job->y + begin;
        for (int64_t i = 0; i < n; i++) at[i] = (uint16_t)((x[i] & x_mask) << shift | (y[i] & y_mask));
        switch (job->out_bits) {
            case 8: LOOKUP(uint8_t); break;
            case 16: LOOKUP(uint16_t); break;
            case 32: LOOKUP(uint32_t); break;
            default: LOOKUP(uint64_t); break;
        }
    }
    return CEMU_OK;
}
