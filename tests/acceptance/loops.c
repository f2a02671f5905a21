/* The sums of IEEE machines as plain loops, one output element after the other: C = A B, A [m, k] and B [k, n].
 * Compiled without contraction, so that only `fmaf` fuses. */
#include <math.h>
#include <stddef.h>

void fused(const float *a, const float *b, const float *start, float *c, size_t m, size_t k, size_t n) {
    for (size_t i = 0; i < m; ++i)
        for (size_t j = 0; j < n; ++j) {
            float sum = start[i * n + j];
            for (size_t x = 0; x < k; ++x)
                sum = fmaf(a[i * k + x], b[x * n + j], sum);
            c[i * n + j] = sum;
        }
}
