/* What the checks of plan kernels share. Every number here is an integer times a power of two, computed in plain C
 * integers; every array is allocated to its exact size, so that a sanitizer sees any access beyond it. */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cemu_plan.h"

enum way { EVEN, TRUNCATE, UP, DOWN, TIES_AWAY, ODD };

/* A format with gradual subnormals and -0. `over`: the magnitude code of what is too large. */
typedef struct {
    int man_bits, bias, exp_bits;
    uint64_t largest, over;
} format;

extern const format E4M3, BINARY16, BINARY32, BINARY64;

/* Arrays of random numbers, the same in every run; all are freed together. */
void *room(int64_t count, size_t size);
void free_rooms(void);
int64_t between(int64_t low, int64_t high);
int64_t *numbers(int64_t count, int64_t low, int64_t high);
/* Codes of integers in two's complement. */
uint64_t *codes_of(const int64_t *numbers, int64_t count, int bits);

/* x with so many significant bits. */
int64_t rounded(int64_t x, int bits, enum way way);
/* x / 2^shift, rounded. */
int64_t shifted(int64_t x, int shift, enum way way);
int64_t clamped(int64_t x, int64_t low, int64_t high);
/* The code of sig * 2^q, rounded to nearest even. */
uint64_t code_of(int64_t sig, int q, const format *f);
/* floor(log2(|x|)), x not 0. */
int log2_of(int64_t x);

/* Compare a number with the right one, or many. */
void check(const char *what, int64_t at, uint64_t got, uint64_t wanted);
void check_all(const char *what, const uint64_t *got, const uint64_t *wanted, int64_t count);

/* Everything of one plan on one instruction set (or -1, the best one). */
void integers(int64_t isa);
void integer_output(int64_t isa);
void exact(int64_t isa);
void fma_chains(int64_t isa);
void chain(int64_t isa);
void aligned(int64_t isa);
void encode(int64_t isa);
void group_sums(int64_t isa);
void lanes(int64_t isa);

#endif
