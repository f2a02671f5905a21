/* Error-free sums and rounding to odd in double. Rounding must be to nearest even when these run. */
#ifndef CEMU_PLANS_EXACT_ODD_H
#define CEMU_PLANS_EXACT_ODD_H

#include <stdint.h>
#include <string.h>

static inline int64_t bits_of(double x) {
    int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline double double_of(int64_t bits) {
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* x + y = *sum + *error exactly (Knuth). */
static inline void two_sum(double x, double y, double *sum, double *error) {
    double s = x + y, of_y = s - x, of_x = s - of_y;
    *sum = s;
    *error = (x - of_x) + (y - of_y);
}

/* sum + error rounded to odd, sum being that number rounded to nearest: of the two doubles around an inexact number,
 * the one whose last bit is 1. */
static inline double to_odd(double sum, double error) {
    int64_t bits = bits_of(sum), step = ((error > 0) == (sum > 0)) ? 1 : -1;
    return double_of(bits + ((error != 0) & ~bits ? step : 0));
}

/* high + low + c rounded to odd, low being at most half a last bit of high (Boldo and Melquiond 2008, with the last
 * rounding to odd, too). */
static inline double sum_of_three(double high, double low, double c) {
    double upper, upper_low, total, total_low, rest, rest_low, sum, error;
    two_sum(low, c, &upper, &upper_low);
    two_sum(high, upper, &total, &total_low);
    two_sum(total_low, upper_low, &rest, &rest_low);
    two_sum(total, to_odd(rest, rest_low), &sum, &error);
    return to_odd(sum, error);
}

#endif
