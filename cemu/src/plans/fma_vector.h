/* One vector of floats and one of doubles for each instruction set, with a multiply-add that is rounded once. */
#ifndef CEMU_PLANS_FMA_VECTOR_H
#define CEMU_PLANS_FMA_VECTOR_H

#include "exact_odd.h"

#if defined(__AVX512F__)
#include <immintrin.h>
#define TILE_ROWS 8
typedef __m512 vector_float;
typedef __m512d vector_double;
#define WIDTH_float 16
#define WIDTH_double 8
#define SIMD(name, suffix) _mm512_##name##_##suffix
#elif defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#define TILE_ROWS 4
typedef __m256 vector_float;
typedef __m256d vector_double;
#define WIDTH_float 8
#define WIDTH_double 4
#define SIMD(name, suffix) _mm256_##name##_##suffix
#else
#define TILE_ROWS 4
#define NO_VECTORS
typedef float vector_float;
typedef double vector_double;
#define WIDTH_float 1
#define WIDTH_double 1
#endif

#ifndef NO_VECTORS
#define fma_float SIMD(fmadd, ps)
#define mul_float SIMD(mul, ps)
#define add_float SIMD(add, ps)
#define load_float SIMD(loadu, ps)
#define store_float SIMD(storeu, ps)
#define all_float SIMD(set1, ps)
#define fma_double SIMD(fmadd, pd)
#define mul_double SIMD(mul, pd)
#define add_double SIMD(add, pd)
#define load_double SIMD(loadu, pd)
#define store_double SIMD(storeu, pd)
#define all_double SIMD(set1, pd)
#else
/* The product of two floats is exact in double; the sum is rounded to odd there, so that the rounding to float is the
 * only one (nearest even alone; NaN and infinities go through the plain sum). */
static inline float fma_float(float x, float y, float z) {
    double product = (double)x * (double)y, sum, error;
    two_sum(product, (double)z, &sum, &error);
    return (float)(error - error == 0 ? to_odd(sum, error) : sum);
}
/* Never called: the kernel refuses this (`can`). The builtin would be libm's function, and cemu needs libc alone. */
static inline double fma_double(double x, double y, double z) {
    (void)x, (void)y, (void)z;
    __builtin_trap();
}
#define mul_float(x, y) ((x) * (y))
#define add_float(x, y) ((x) + (y))
#define load_float(p) (*(p))
#define store_float(p, x) (*(p) = (x))
#define all_float(x) (x)
#define mul_double(x, y) ((x) * (y))
#define add_double(x, y) ((x) + (y))
#define load_double(p) (*(p))
#define store_double(p, x) (*(p) = (x))
#define all_double(x) (x)
#endif

#endif
