/* Before and after an exact matrix product: codes to numbers; partial sums and c to one rounded code. */
#include "cemu_plan_exact.h"
#include "exact_odd.h"
#include "isa.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define NEAREST_EVEN 0x1f80u /* exceptions masked, nothing flushed */
static unsigned control(void) { return _mm_getcsr(); }
static void set_control(unsigned word) { _mm_setcsr(word); }
#else /* rounding to nearest even is taken for granted */
#define NEAREST_EVEN 0u
static unsigned control(void) { return 0; }
static void set_control(unsigned word) { (void)word; }
#endif

int64_t FOR_ISA(plan_exact_decode)(cemu_plan_exact_decode_t *p) {
    const uint64_t *codes = p->codes;
    uint8_t *used = p->used;
    if (used)
        for (int64_t i = 0; i < p->count; i++) used[codes[i]] = 1;
    if (p->single_) {
        const float *table = p->table;
        float *out = p->out;
        for (int64_t i = 0; i < p->count; i++) out[i] = table[codes[i]];
    } else {
        const double *table = p->table;
        double *out = p->out;
        for (int64_t i = 0; i < p->count; i++) out[i] = table[codes[i]];
    }
    return CEMU_OK;
}

enum { BLOCK = 512 };

typedef struct {
    double high[BLOCK], low[BLOCK], c[BLOCK], x[BLOCK];
} block_t;

/* high + low = the sum of the partial sums. low is exact: errors are multiples of the unit, and few and small. */
static void add_sums(const cemu_plan_exact_finish_t *p, int64_t first, int64_t count, block_t *t) {
    if (p->single_) {
        const float *sum = (const float *)p->sum[0] + first;
        for (int64_t i = 0; i < count; i++) t->high[i] = (double)sum[i];
    } else {
        memcpy(t->high, (const double *)p->sum[0] + first, (size_t)count * sizeof(double));
    }
    for (int64_t i = 0; i < count; i++) t->low[i] = 0;
    for (int64_t s = 1; s < p->sums; s++) {
        const double *sum = (const double *)p->sum[s] + first;
        for (int64_t i = 0; i < count; i++) {
            double error;
            two_sum(t->high[i], sum[i], &t->high[i], &error);
            t->low[i] += error;
        }
    }
    if (p->sums > 1)
        for (int64_t i = 0; i < count; i++) two_sum(t->high[i], t->low[i], &t->high[i], &t->low[i]);
}

static void load_c(const cemu_plan_exact_finish_t *p, int64_t first, int64_t count, block_t *t) {
    if (p->c_kind == CEMU_EXACT_C_DOUBLE) {
        memcpy(t->c, (const double *)p->c + first, (size_t)count * sizeof(double));
    } else {
        const uint64_t *codes = (const uint64_t *)p->c + first;
        for (int64_t i = 0; i < count; i++) {
            uint32_t bits = (uint32_t)codes[i];
            float x;
            memcpy(&x, &bits, sizeof x);
            t->c[i] = (double)x;
        }
    }
}

/* Codes of the numbers x, rounded to nearest even. Adding 1.5 * 2^(52 + e) cuts a number at 2^e. */
static void encode(const cemu_plan_exact_finish_t *p, int64_t count, const double *x, uint64_t *out) {
    const int64_t man = p->man_bits, least = 1 - p->bias + 1023; /* exponent field, in double, of the smallest normal */
    const double smallest = double_of(least << 52), limit = 2 * p->largest, largest = p->largest;
    const int64_t bias = (1023 - p->bias) << man, hidden = (int64_t)1 << man;
    const uint64_t over = p->over_code, sign = (uint64_t)1 << (man + p->exp_bits);
    for (int64_t i = 0; i < count; i++) {
        int64_t bits = bits_of(x[i]);
        double size = double_of(bits & INT64_MAX);
        size = size < limit ? size : limit;
        int64_t field = bits_of(size) >> 52;
        field = field > least ? field : least;
        double magic = double_of(((field - man + 52) << 52) | (int64_t)1 << 51);
        double rounded = (size + magic) - magic;
        int64_t below = rounded < smallest;
        double whole = rounded + (below ? smallest : 0.0);
        uint64_t code = (uint64_t)((bits_of(whole) >> (52 - man)) - bias - (below ? hidden : 0));
        code = rounded > largest ? over : code;
        out[i] = code | (bits < 0 ? sign : 0);
    }
}

__attribute__((noinline)) /* not moved across set_control */ static int64_t finish_block(const cemu_plan_exact_finish_t *p, int64_t first, int64_t count, block_t *t) {
    uint8_t *flags = p->flags + first;
    int64_t seen = 0;
    add_sums(p, first, count, t);
    if (p->c_kind == CEMU_EXACT_NO_C) {
        for (int64_t i = 0; i < count; i++) t->x[i] = to_odd(t->high[i], t->low[i]) + 0.0; /* no -0 */
        for (int64_t i = 0; i < count; i++) flags[i] = t->x[i] == 0 ? CEMU_EXACT_MAYBE_MINUS_ZERO : 0;
    } else {
        load_c(p, first, count, t);
        for (int64_t i = 0; i < count; i++) {
            double c = t->c[i], size = double_of(bits_of(c) & INT64_MAX);
            int64_t special = !(size < double_of((int64_t)0x7ff << 52)); /* NaN, infinity */
            t->c[i] = special ? 0.0 : c;
            flags[i] = special ? CEMU_EXACT_SPECIAL_C : bits_of(c) == INT64_MIN ? CEMU_EXACT_MAYBE_MINUS_ZERO : 0;
        }
        if (p->sums == 1)
            for (int64_t i = 0; i < count; i++) {
                double sum, error;
                two_sum(t->high[i], t->c[i], &sum, &error);
                t->x[i] = to_odd(sum, error) + 0.0;
            }
        else
            for (int64_t i = 0; i < count; i++) t->x[i] = sum_of_three(t->high[i], t->low[i], t->c[i]) + 0.0;
        for (int64_t i = 0; i < count; i++) flags[i] &= t->x[i] == 0 ? 3 : CEMU_EXACT_SPECIAL_C;
    }
    for (int64_t i = 0; i < count; i++) seen |= flags[i];
    if (p->to_float)
        encode(p, count, t->x, p->out + first);
    else
        memcpy(p->out + first, t->x, (size_t)count * sizeof(double));
    return seen;
}

int64_t FOR_ISA(plan_exact_finish)(cemu_plan_exact_finish_t *p) {
    block_t block;
    const unsigned before = control();
    set_control(NEAREST_EVEN);
    p->seen = 0;
    for (int64_t first = 0; first < p->count; first += BLOCK) {
        int64_t count = p->count - first < BLOCK ? p->count - first : BLOCK;
        p->seen |= finish_block(p, first, count, &block);
    }
    set_control(before);
    return CEMU_OK;
}
