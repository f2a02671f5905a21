/* The loops of plan "chain" for one carrier. Columns go by panels of a few vectors, packed so that they are read in one
 * stream; rows by ROWS at a time, their accumulators in registers; k by blocks, between which accumulators rest in a
 * table. Chunks end where they end: a block is cut there. */
#include <stdlib.h>

#include "chain_codes.h"

#define WIDTH (VECTORS * LANES) /* columns of a panel */
#define TILE (ROWS * VECTORS)
enum { DEPTH = 256 }; /* k of a packed panel */
#define EACH _Pragma("GCC unroll 16") for (int i = 0; i < TILE; i++)

typedef struct {
    int64_t how, over, signs, flush; /* of `inner`, or of `quick` */
    int64_t plain;                   /* exact products, one for each step */
    int64_t product, product_over, product_signs, product_flush;
    int64_t odd;
} shape;

/* All steps of the k in [0, count) of a panel for ROWS rows; by `quick`: all bits of all results, or-ed. */
INLINE V steps(const cemu_plan_chain_t *p, int quick, shape f, const T *const *rows, const T *panel, int64_t count,
               V *acc) {
    const cast_v inner = cast_vectors(quick ? &p->quick : &p->inner);
    V s[TILE], high = v_set(0);
    EACH s[i] = acc[i];
    if (quick) EACH high = v_or(high, s[i]);
    if (f.plain) {
        for (int64_t k = 0; k < count; k++) {
            V b[VECTORS];
            _Pragma("GCC unroll 16") for (int j = 0; j < VECTORS; j++) b[j] = v_load(panel + k * WIDTH + j * LANES);
            EACH s[i] = v_fma(v_set(rows[i / VECTORS][k]), b[i % VECTORS], s[i]);
            EACH s[i] = round_to(s[i], &inner, f.how, f.over, f.signs, f.flush);
            if (quick) EACH high = v_or(high, s[i]);
        }
    } else {
        const cast_v cast = cast_vectors(&p->product);
        const V nothing = v_set(p->mode == CEMU_CHAIN_DOWN ? (T)0.0 : (T)-0.0); /* x + this is x, of zeros too */
        for (int64_t first = 0; first < count; first += p->group) {
            int64_t end = first + p->group < count ? first + p->group : count;
            V sum[TILE];
            EACH sum[i] = nothing;
            for (int64_t k = first; k < end; k++) {
                EACH {
                    V b = v_load(panel + k * WIDTH + i % VECTORS * LANES), a = v_set(rows[i / VECTORS][k]);
                    if (f.odd == CEMU_CHAIN_CHECKED) sum[i] = v_exact_sum(sum[i], a * b);
                    else if (f.product == CEMU_CHAIN_KEEP) sum[i] = v_fma(a, b, sum[i]);
                    else {
                        V made = round_to(a * b, &cast, f.product, f.product_over, f.product_signs, f.product_flush);
                        if (quick) high = v_or(high, made);
                        sum[i] = sum[i] + made;
                    }
                }
            }
            if (f.odd) EACH s[i] = v_odd_sum(s[i], sum[i], p->mode == CEMU_CHAIN_NEAREST);
            else EACH s[i] = s[i] + sum[i];
            if (p->positive) EACH s[i] = s[i] + v_set(0);
            EACH s[i] = round_to(s[i], &inner, f.how, f.over, f.signs, f.flush);
            if (quick) EACH high = v_or(high, s[i]);
        }
    }
    EACH acc[i] = s[i];
    return high;
}

/* Whether a step is one fused multiply-add and a rounding. */
static int is_plain(const cemu_plan_chain_t *p) {
    return p->group == 1 && p->product.how == CEMU_CHAIN_KEEP && !p->positive && !p->odd;
}

/* The same without overflow, where that is common; whether all results were below 2, else acc is as it was. */
static int quick_steps(const cemu_plan_chain_t *p, const T *const *rows, const T *panel, int64_t count, V *acc) {
    const cemu_plan_chain_cast *c = &p->quick, *q = &p->product;
    const int64_t plain = is_plain(p), odd = p->odd;
    V before[TILE], high = v_bits(TOP);
    EACH before[i] = acc[i];
#define QUICK_SUM(h, s, z, one, o)                                                                            \
    else if (c->how == h && c->signs == s && c->flush == z && plain == one && odd == o)                       \
        high = steps(p, 1, (shape){h, CEMU_CHAIN_IN_RANGE, s, z, one, CEMU_CHAIN_KEEP, 0, 0, 0, o}, rows, panel, count, acc);
#define QUICK(h, s, z, one) QUICK_SUM(h, s, z, one, 0)
#define QUICK_PRODUCT(s, z)                                                                                   \
    else if (c->how == CEMU_CHAIN_SPLIT && !c->flush && q->how == CEMU_CHAIN_DIRECTION && q->signs == s &&    \
             q->flush == z)                                                                                  \
        high = steps(p, 1, (shape){CEMU_CHAIN_SPLIT, CEMU_CHAIN_IN_RANGE, 0, 0, 0, CEMU_CHAIN_DIRECTION,     \
                     CEMU_CHAIN_IN_RANGE, s, z, 0}, rows, panel, count, acc);
    if (odd && q->how != CEMU_CHAIN_KEEP) {}
    QUICK_PRODUCT(0, 0)
    QUICK_PRODUCT(1, 0)
    QUICK_PRODUCT(1, 2)
    else if (q->how != CEMU_CHAIN_KEEP) {}
    QUICK(CEMU_CHAIN_SPLIT, 0, 0, 1)
    QUICK(CEMU_CHAIN_SPLIT, 0, 0, 0)
    QUICK(CEMU_CHAIN_BITS_ADD, 0, 0, 1)
    QUICK(CEMU_CHAIN_SPLIT, 0, 2, 1)
    QUICK(CEMU_CHAIN_BITS_ADD, 0, 2, 1)
    QUICK(CEMU_CHAIN_BITS_ODD, 0, 0, 1)
    QUICK(CEMU_CHAIN_DIRECTION, 0, 0, 1)
    QUICK(CEMU_CHAIN_DIRECTION, 1, 0, 1)
    QUICK(CEMU_CHAIN_DIRECTION, 2, 0, 1)
    QUICK(CEMU_CHAIN_DIRECTION, 0, 2, 1)
    QUICK(CEMU_CHAIN_DIRECTION, 1, 2, 1)
    QUICK(CEMU_CHAIN_DIRECTION, 0, 0, 0)
    QUICK(CEMU_CHAIN_DIRECTION, 1, 0, 0)
#if !CHAIN_FLOAT
    QUICK_SUM(CEMU_CHAIN_SPLIT, 0, 0, 0, CEMU_CHAIN_CHECKED)
    QUICK_SUM(CEMU_CHAIN_DIRECTION, 0, 0, 0, CEMU_CHAIN_CHECKED)
    QUICK_SUM(CEMU_CHAIN_SPLIT, 0, 0, 0, 1)
    QUICK_SUM(CEMU_CHAIN_DIRECTION, 0, 0, 0, 1)
    QUICK_SUM(CEMU_CHAIN_DIRECTION, 1, 0, 0, 1)
    QUICK_SUM(CEMU_CHAIN_BITS_ADD, 0, 0, 0, 1)
    QUICK_SUM(CEMU_CHAIN_BITS_ODD, 0, 0, 0, 1)
#endif
    if (!v_any(v_and(high, v_bits(TOP)))) return 1;
    EACH acc[i] = before[i];
    return 0;
}

/* The same with the casts as constants where they are common, which keeps everything in registers. */
static void steps_of(const cemu_plan_chain_t *p, const T *const *rows, const T *panel, int64_t count, V *acc) {
    const cemu_plan_chain_cast *c = &p->inner, *q = &p->product;
    const int64_t plain = is_plain(p);
    const shape f = {c->how, c->over, c->signs, c->flush, plain, q->how, q->over, q->signs, q->flush, p->odd};
#define CASE(h, o, s, z, one, q_how) \
    if (!f.odd && f.how == h && f.over == o && f.signs == s && f.flush == z && f.product == q_how && \
        f.plain == one && (!q_how || (f.product_over == o && f.product_signs == s && f.product_flush == z))) { \
        steps(p, 0, (shape){h, o, s, z, one, q_how, o, s, z, 0}, rows, panel, count, acc);                \
        return;                                                                                               \
    }
#define PLAIN(h, o, s, z) CASE(CEMU_CHAIN_##h, CEMU_CHAIN_##o, s, z, 1, CEMU_CHAIN_KEEP)
#define SUMMED(h, o, s, z) CASE(CEMU_CHAIN_##h, CEMU_CHAIN_##o, s, z, 0, CEMU_CHAIN_KEEP)
#define ROUNDED(h, o, s, z) CASE(CEMU_CHAIN_##h, CEMU_CHAIN_##o, s, z, 0, CEMU_CHAIN_##h)
#define BOTH(h, z) PLAIN(h, CLAMP, 0, z) PLAIN(h, REPLACE, 0, z)
    PLAIN(DIRECTION, CLAMP, 1, 0) PLAIN(DIRECTION, REPLACE, 1, 0) PLAIN(DIRECTION, CLAMP, 1, 2)
    PLAIN(DIRECTION, REPLACE, 1, 2) PLAIN(DIRECTION, REPLACE_SIGNED, 1, 0) PLAIN(DIRECTION, REPLACE_SIGNED, 2, 0)
    PLAIN(DIRECTION, REPLACE_SIGNED, 0, 0) SUMMED(DIRECTION, REPLACE, 1, 0) SUMMED(DIRECTION, REPLACE, 0, 0)
    ROUNDED(DIRECTION, REPLACE, 1, 0)
    BOTH(DIRECTION, 0) BOTH(DIRECTION, 2) BOTH(TRUNCATE, 0) BOTH(TIES_AWAY, 0) BOTH(TRUNCATE, 2) BOTH(TIES_AWAY, 2)
    BOTH(TIES_ZERO, 0) BOTH(TIES_POSITIVE, 0) BOTH(TIES_NEGATIVE, 0) BOTH(AWAY, 0) BOTH(ODD, 0) BOTH(JAM, 0)
#if CHAIN_FLOAT
    PLAIN(HALF, IN_RANGE, 0, 0) PLAIN(HALF, CLAMP, 0, 0) PLAIN(HALF, IN_RANGE, 0, 2)
    SUMMED(HALF, IN_RANGE, 0, 0) ROUNDED(HALF, IN_RANGE, 0, 0) ROUNDED(HALF, IN_RANGE, 0, 2)
    PLAIN(BITS_EVEN, IN_RANGE, 0, 0) PLAIN(BITS_EVEN, CLAMP, 0, 0)
    PLAIN(BITS_ADD, IN_RANGE, 0, 0) PLAIN(BITS_ADD, CLAMP, 0, 0)
#endif
    steps(p, 0, f, rows, panel, count, acc);
}

/* The packed columns of k0 ... k1. */
static void pack(cemu_plan_chain_t *p, int64_t column, int64_t k0, int64_t k1, T *panel) {
    int64_t width = p->n - column < WIDTH ? p->n - column : WIDTH;
    for (int64_t k = k0; k < k1; k++, panel += WIDTH) {
        if (numbers(&p->b, k, column, width, panel)) p->seen |= 2;
        for (int64_t j = width; j < WIDTH; j++) panel[j] = 0;
    }
}

/* The accumulators before the first step. */
static void start(cemu_plan_chain_t *p, int64_t column, double value, T *table) {
    int64_t width = p->n - column < WIDTH ? p->n - column : WIDTH;
    for (int64_t row = 0; row < p->m; row++, table += WIDTH) {
        if (p->c.codes && numbers(&p->c, row, column, width, table)) p->seen |= 4;
        for (int64_t j = p->c.codes ? width : 0; j < WIDTH; j++) table[j] = (T)value;
    }
}

/* The k in [k0, k1) of all rows; they end a chunk if `ends`, and begin one if `begins`. */
static void segment(const cemu_plan_chain_t *p, const T *a, int64_t k0, int64_t k1, int begins, int ends,
                    const T *panel, T *inner, T *outer, int *wait) {
    const cast_v cast = cast_vectors(&p->outer);
    const cemu_plan_chain_cast *q = &p->outer;
    for (int64_t row = 0; row < p->m; row += ROWS) {
        const T *rows[ROWS];
        T *at[TILE], *sums[TILE];
        V acc[TILE];
        for (int64_t r = 0; r < ROWS; r++) {
            int64_t one = row + r < p->m ? row + r : p->m - 1; /* a row too many is the last one again */
            rows[r] = a + one * p->k + k0;
            for (int64_t j = 0; j < VECTORS; j++) {
                at[r * VECTORS + j] = inner + (row + r) * WIDTH + j * LANES;
                sums[r * VECTORS + j] = outer + (row + r) * WIDTH + j * LANES;
            }
        }
        EACH acc[i] = begins ? v_set((T)p->start_inner) : v_load(at[i]);
        if (p->quick.how == CEMU_CHAIN_KEEP || --*wait > 0) {
            steps_of(p, rows, panel, k1 - k0, acc);
        } else if (!quick_steps(p, rows, panel, k1 - k0, acc)) {
            *wait = 8; /* where one overflows, its neighbours will */
            steps_of(p, rows, panel, k1 - k0, acc);
        }
        if (!ends) {
            EACH v_store(at[i], acc[i]);
            continue;
        }
        EACH {
            V s = v_load(sums[i]) + acc[i];
            if (p->positive) s = s + v_set(0);
            v_store(sums[i], round_to(s, &cast, q->how, q->over, q->signs, q->flush));
        }
    }
}

static void columns(cemu_plan_chain_t *p, const T *a, int64_t column, T *panel, T *inner, T *outer) {
    int wait = 0;
    int64_t length = p->length ? p->length : p->k, depth = DEPTH / p->group * p->group;
    if (!depth) depth = p->group;
    start(p, column, p->start_outer, outer);
    if (!p->length) start(p, column, p->start_inner, inner);
    for (int64_t block = 0; block < p->k; block += depth) {
        int64_t end = block + depth < p->k ? block + depth : p->k;
        pack(p, column, block, end, panel);
        for (int64_t k0 = block, k1; k0 < end; k0 = k1) {
            int64_t last = (k0 / length + 1) * length; /* where the chunk of k0 ends */
            if (last > p->k) last = p->k;
            k1 = last < end ? last : end;
            segment(p, a, k0, k1, p->length && k0 % length == 0, p->length && k1 == last, panel + (k0 - block) * WIDTH,
                    inner, outer, &wait);
        }
    }
}

static void *aligned(size_t bytes) { return aligned_alloc(64, (bytes + 63) / 64 * 64); }

int64_t FOR_ISA(CHAIN_RUN)(cemu_plan_chain_t *p) {
    size_t rows = (size_t)(p->m + ROWS - 1) / ROWS * ROWS, depth = (size_t)(p->group > DEPTH ? p->group : DEPTH);
    T *panel = aligned(depth * WIDTH * sizeof(T)), *inner = aligned(2 * rows * WIDTH * sizeof(T));
    T *a = aligned((size_t)p->m * (size_t)p->k * sizeof(T));
    const cast_v last = cast_vectors(&p->last);
    p->seen = 0;
    if (panel && inner && a) {
        T *outer = inner + rows * WIDTH, *table = p->length ? outer : inner;
        memset(inner, 0, 2 * rows * WIDTH * sizeof(T));
        for (int64_t row = 0; row < p->m; row++)
            if (numbers(&p->a, row, 0, p->k, a + row * p->k)) p->seen |= 1;
        for (int64_t column = 0; column < p->n; column += WIDTH) {
            int64_t width = p->n - column < WIDTH ? p->n - column : WIDTH;
            columns(p, a, column, panel, inner, outer);
            if (p->last.how != CEMU_CHAIN_KEEP)
                for (T *at = table; at < table + rows * WIDTH; at += LANES)
                    v_store(at, round_to(v_load(at), &last, p->last.how, p->last.over, p->last.signs, p->last.flush));
            for (int64_t row = 0; row < p->m; row++) write_codes(p, table + row * WIDTH, row, column, width);
        }
    }
    int64_t status = panel && inner && a ? CEMU_OK : CEMU_NO_MEMORY;
    free(panel);
    free(inner);
    free(a);
    return status;
}
