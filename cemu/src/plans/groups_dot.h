/* Sums of products of a run, for some rows of a and the columns of a block, in registers.
 * With products and partial sums exact, neither order nor fused multiply-adds make a difference. */
#ifndef CEMU_PLANS_GROUPS_DOT_H
#define CEMU_PLANS_GROUPS_DOT_H

#include "aligned_cast.h"

typedef float floats __attribute__((vector_size(BYTES), may_alias));
typedef float floats_at __attribute__((vector_size(BYTES), aligned(4), may_alias));
typedef uint64_t words_at __attribute__((vector_size(BYTES), aligned(8), may_alias));

/* Of an array of the caller's. */
#define OF(array, j) (*(const doubles_at *)((array) + (j)))

#if defined(__AVX512F__)
#define MULTIPLY_ADD(x, y, z) ((doubles)_mm512_fmadd_pd((__m512d)(x), (__m512d)(y), (__m512d)(z)))
#define MULTIPLY_ADD_SINGLES(x, y, z) ((floats)_mm512_fmadd_ps((__m512)(x), (__m512)(y), (__m512)(z)))
enum { ROWS_AT_ONCE = 4 };
#elif defined(__FMA__)
#define MULTIPLY_ADD(x, y, z) ((doubles)_mm256_fmadd_pd((__m256d)(x), (__m256d)(y), (__m256d)(z)))
#define MULTIPLY_ADD_SINGLES(x, y, z) ((floats)_mm256_fmadd_ps((__m256)(x), (__m256)(y), (__m256)(z)))
enum { ROWS_AT_ONCE = 2 };
#else
#define MULTIPLY_ADD(x, y, z) ((x) * (y) + (z))
#define MULTIPLY_ADD_SINGLES(x, y, z) ((x) * (y) + (z))
enum { ROWS_AT_ONCE = 2 };
#endif

enum { FLOATS = BYTES / 4, CHUNK = 4 };

INLINE void dot_singles(const float *a, int64_t stride, const float *b, int64_t count, int rows, float start,
                        double (*sums)[LANES]) {
    for (int at = 0; at < LANES; at += CHUNK * FLOATS) {
        floats held[ROWS_AT_ONCE][CHUNK];
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < CHUNK; v++) held[r][v] = start - (floats){0};
        for (int64_t i = 0; i < count; i++) {
            floats other[CHUNK];
            for (int v = 0; v < CHUNK; v++) other[v] = *(const floats_at *)(b + i * LANES + at + v * FLOATS);
            for (int r = 0; r < rows; r++) {
                floats one = a[r * stride + i] - (floats){0};
                for (int v = 0; v < CHUNK; v++) held[r][v] = MULTIPLY_ADD_SINGLES(one, other[v], held[r][v]);
            }
        }
        for (int r = 0; r < rows; r++) {
            float out[CHUNK * FLOATS] ALIGNED;
            for (int v = 0; v < CHUNK; v++) *(floats *)(out + v * FLOATS) = held[r][v];
            for (int j = 0; j < CHUNK * FLOATS; j++) sums[r][at + j] = out[j];
        }
    }
}

INLINE void dot_doubles(const double *a, int64_t stride, const double *b, int64_t count, int rows, double start,
                        double (*sums)[LANES]) {
    for (int at = 0; at < LANES; at += CHUNK * DOUBLES) {
        doubles held[ROWS_AT_ONCE][CHUNK];
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < CHUNK; v++) held[r][v] = all(start);
        for (int64_t i = 0; i < count; i++) {
            doubles other[CHUNK];
            for (int v = 0; v < CHUNK; v++) other[v] = OF(b, i * LANES + at + v * DOUBLES);
            for (int r = 0; r < rows; r++) {
                doubles one = all(a[r * stride + i]);
                for (int v = 0; v < CHUNK; v++) held[r][v] = MULTIPLY_ADD(one, other[v], held[r][v]);
            }
        }
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < CHUNK; v++) AT(sums[r], at + v * DOUBLES) = held[r][v];
    }
}

/* Each product cut in two at `magic` = 1.5 * 2^(t + 52): multiples of 2^t, and what is left; both sums are exact. */
INLINE void dot_split(const double *a, const double *b, int64_t count, double magic, double start, double *sums,
                      double *rests) {
    for (int at = 0; at < LANES; at += CHUNK * DOUBLES) {
        doubles held[CHUNK], rest[CHUNK];
        for (int v = 0; v < CHUNK; v++) held[v] = rest[v] = all(start);
        for (int64_t i = 0; i < count; i++) {
            for (int v = 0; v < CHUNK; v++) {
                doubles x = a[i] * OF(b, i * LANES + at + v * DOUBLES);
                doubles high = (x + magic) - magic, low = x - high;
                held[v] += with_sign(high, x);
                rest[v] += choose((words)(low == 0), with_sign(low, x), low);
            }
        }
        for (int v = 0; v < CHUNK; v++) {
            AT(sums, at + v * DOUBLES) = held[v];
            AT(rests, at + v * DOUBLES) = rest[v];
        }
    }
}

#endif
