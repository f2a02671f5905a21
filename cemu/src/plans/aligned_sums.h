/* The inner loops of an aligned step, over the terms of one row and the columns of one block: the largest exponent, and
 * the sum of the cut products. Vectors stay in registers over all terms. */
#ifndef CEMU_PLANS_ALIGNED_SUMS_H
#define CEMU_PLANS_ALIGNED_SUMS_H

#include "aligned_cast.h"

#if defined(__AVX512F__)
#define LARGER16(x, y) ((shorts)_mm512_max_epi16((__m512i)(x), (__m512i)(y)))
#define CUT(x) ((ints)_mm512_cvttps_epi32((__m512)(x)))
#elif defined(__AVX2__)
#define LARGER16(x, y) ((shorts)_mm256_max_epi16((__m256i)(x), (__m256i)(y)))
#define CUT(x) ((ints)_mm256_cvttps_epi32((__m256)(x)))
#elif defined(__SSE2__)
#define LARGER16(x, y) ((shorts)_mm_max_epi16((__m128i)(x), (__m128i)(y)))
#define CUT(x) ((ints)_mm_cvttps_epi32((__m128)(x)))
#else
#define LARGER16(x, y) larger16(x, y)
#define CUT(x) __builtin_convertvector(x, ints)
#endif

typedef int16_t shorts __attribute__((vector_size(BYTES), may_alias));
typedef int32_t ints __attribute__((vector_size(BYTES), may_alias));
typedef float floats __attribute__((vector_size(BYTES), may_alias));
typedef float floats_at __attribute__((vector_size(BYTES), aligned(4), may_alias));
typedef int16_t shorts_at __attribute__((vector_size(BYTES), aligned(2), may_alias));

#if !defined(__SSE2__)
INLINE shorts larger16(shorts x, shorts y) {
    shorts first = x > y;
    return (x & first) | (y & ~first);
}
#endif

enum { SHORTS = BYTES / 2, FLOATS = BYTES / 4, HELD = 4 };

/* top[j] = max over terms of a[i] + b[i][j] */
INLINE void largest_exponents(const int16_t *a, const int16_t *b, int64_t count, int16_t *top) {
    for (int at = 0; at < LANES; at += 2 * SHORTS) {
        shorts most[2];
        for (int v = 0; v < 2; v++) most[v] = (shorts){0} + (int16_t)(4 * CEMU_ALIGNED_DEAD + 1);
        for (int64_t i = 0; i < count; i++) {
            shorts broadcast = (shorts){0} + a[i];
            for (int v = 0; v < 2; v++) {
                shorts other = *(const shorts_at *)(b + i * LANES + at + v * SHORTS);
                most[v] = LARGER16(most[v], broadcast + other);
            }
        }
        for (int v = 0; v < 2; v++) *(shorts_at *)(top + at + v * SHORTS) = most[v];
    }
}

/* total[j] = the sum of the products times scale[j], each cut to an integer toward zero; it fits an int32. */
INLINE void sum_products(const float *a, const float *b, int64_t count, const float *scale, int32_t *total) {
    for (int at = 0; at < LANES; at += HELD * FLOATS) {
        ints held[HELD];
        floats scales[HELD];
        for (int v = 0; v < HELD; v++) {
            held[v] = (ints){0};
            scales[v] = *(const floats_at *)(scale + at + v * FLOATS);
        }
        for (int64_t i = 0; i < count; i++) {
            floats broadcast = a[i] - (floats){0};
            for (int v = 0; v < HELD; v++) {
                floats other = *(const floats_at *)(b + i * LANES + at + v * FLOATS);
                held[v] += CUT(broadcast * other * scales[v]);
            }
        }
        for (int v = 0; v < HELD; v++) *(ints *)(total + at + v * FLOATS) = held[v];
    }
}

/* sum[j] += the same; `terms` at a time fit an int32. */
INLINE void add_products(const float *a, const float *b, int64_t count, int64_t terms, const float *scale,
                         double *sum) {
    int32_t total[LANES] ALIGNED;
    for (int64_t first = 0; first < count; first += terms) {
        int64_t left = count - first;
        sum_products(a + first, b + first * LANES, left < terms ? left : terms, scale, total);
        for (int j = 0; j < LANES; j++) sum[j] += total[j];
    }
}

/* The same in doubles: exact for every exponent, and for sums of up to 53 bits. */
INLINE void add_products_wide(const float *a, const float *b, int64_t count, int floored, double *scale, double *sum) {
    for (int64_t i = 0; i < count; i++) {
        double x[LANES] ALIGNED;
        for (int j = 0; j < LANES; j++) x[j] = (double)a[i] * b[i * LANES + j];
        for EACH(j) AT(sum, j) += whole(AT(x, j) * AT(scale, j), floored);
    }
}

#endif
