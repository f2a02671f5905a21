/* The loops of plan "chain" for one carrier. Columns go by panels of a few vectors, packed so that they are read in one
 * stream; rows by ROWS at a time, their accumulators in registers; k by blocks, between which accumulators rest in a
 * table. Chunks end where they end: a block is cut there. */
#include <stdlib.h>
#include <string.h>

#include "chain_round.h"

#define WIDTH (VECTORS * LANES) /* columns of a panel */
#define TILE (ROWS * VECTORS)
enum { DEPTH = 256 }; /* k of a packed panel */
#define EACH _Pragma("GCC unroll 16") for (int i = 0; i < TILE; i++)

typedef struct {
    int64_t how, over, signs, flush; /* of `inner` */
    int64_t plain;                   /* exact products, one for each step */
    int64_t product, product_over, product_signs, product_flush;
} shape;

/* All steps of the k in [0, count) of a panel for ROWS rows. */
INLINE void steps(const cemu_plan_chain_t *p, shape f, const T *const *rows, const T *panel, int64_t count, V *acc) {
    const cast_v inner = cast_vectors(&p->inner);
    V s[TILE];
    EACH s[i] = acc[i];
    if (f.plain) {
        for (int64_t k = 0; k < count; k++) {
            V b[VECTORS];
            _Pragma("GCC unroll 16") for (int j = 0; j < VECTORS; j++) b[j] = v_load(panel + k * WIDTH + j * LANES);
            EACH s[i] = v_fma(v_set(rows[i / VECTORS][k]), b[i % VECTORS], s[i]);
            EACH s[i] = round_to(s[i], &inner, f.how, f.over, f.signs, f.flush);
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
                    if (f.product == CEMU_CHAIN_KEEP) sum[i] = v_fma(a, b, sum[i]);
                    else sum[i] = sum[i] + round_to(a * b, &cast, f.product, f.product_over, f.product_signs, f.product_flush);
                }
            }
            EACH s[i] = s[i] + sum[i];
            if (p->positive) EACH s[i] = s[i] + v_set(0);
            EACH s[i] = round_to(s[i], &inner, f.how, f.over, f.signs, f.flush);
        }
    }
    EACH acc[i] = s[i];
}

/* The same with the casts as constants where they are common, which keeps everything in registers. */
static void steps_of(const cemu_plan_chain_t *p, const T *const *rows, const T *panel, int64_t count, V *acc) {
    const cemu_plan_chain_cast *c = &p->inner, *q = &p->product;
    int64_t plain = p->group == 1 && q->how == CEMU_CHAIN_KEEP && !p->positive;
    const shape f = {c->how, c->over, c->signs, c->flush, plain, q->how, q->over, q->signs, q->flush};
#define CASE(h, o, s, z, one, q_how) \
    if (f.how == h && f.over == o && f.signs == s && f.flush == z && f.product == q_how && \
        f.plain == one && (!q_how || (f.product_over == o && f.product_signs == s && f.product_flush == z))) { \
        steps(p, (shape){h, o, s, z, one, q_how, o, s, z}, rows, panel, count, acc);                   \
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
    PLAIN(BITS_TRUNCATE, IN_RANGE, 0, 0) PLAIN(BITS_TRUNCATE, CLAMP, 0, 0)
#endif
    steps(p, f, rows, panel, count, acc);
}

/* Numbers to codes. */
static void write_codes(const cemu_plan_chain_t *p, const T *values, int64_t count, uint64_t *codes) {
    const int shift = (int)(52 - p->man_bits);
    const uint64_t rebias = (uint64_t)(1023 - p->bias) << p->man_bits;
    for (int64_t j = 0; j < count; j++) {
        double x = (double)values[j] * p->factor;
        uint64_t bits, code;
        memcpy(&bits, &x, sizeof bits);
        double size = __builtin_fabs(x);
        int finite = size < __builtin_inf();
        uint64_t below = (uint64_t)(int64_t)((finite & (size < p->normal) ? size : 0) * p->quantum);
        code = size < p->normal ? below : (((bits & 0x7fffffffffffffff) >> shift) - rebias);
        code |= bits >> 63 ? p->sign : 0;
        code = size == 0 ? (bits >> 63 ? p->code_negative_zero : 0) : code;
        code = size == __builtin_inf() ? (bits >> 63 ? p->code_negative_infinity : p->code_infinity) : code;
        codes[j] = x != x ? p->code_nan : code;
    }
}

static void pack(const cemu_plan_chain_t *p, int64_t column, int64_t k0, int64_t k1, T *panel) {
    const T *b = p->b;
    int64_t width = p->n - column < WIDTH ? p->n - column : WIDTH;
    for (int64_t k = k0; k < k1; k++, panel += WIDTH) {
        if (width == WIDTH) memcpy(panel, b + k * p->n + column, (size_t)WIDTH * sizeof(T));
        else
            for (int64_t j = 0; j < WIDTH; j++) panel[j] = j < width ? b[k * p->n + column + j] : 0;
    }
}

/* The accumulators before the first step. */
static void start(const cemu_plan_chain_t *p, int64_t column, double value, T *table) {
    const T *c = p->c;
    for (int64_t row = 0; row < p->m; row++)
        for (int64_t j = 0; j < WIDTH; j++, table++)
            *table = c && column + j < p->n ? c[row * p->n + column + j] : (T)value;
}

/* The k in [k0, k1) of all rows; they end a chunk if `ends`, and begin one if `begins`. */
static void segment(const cemu_plan_chain_t *p, int64_t k0, int64_t k1, int begins, int ends, const T *panel, T *inner,
                    T *outer) {
    const T *a = p->a;
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
        steps_of(p, rows, panel, k1 - k0, acc);
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

static void columns(const cemu_plan_chain_t *p, int64_t column, T *panel, T *inner, T *outer) {
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
            segment(p, k0, k1, p->length && k0 % length == 0, p->length && k1 == last, panel + (k0 - block) * WIDTH,
                    inner, outer);
        }
    }
}

static void *aligned(size_t bytes) { return aligned_alloc(64, (bytes + 63) / 64 * 64); }

int64_t FOR_ISA(CHAIN_RUN)(const cemu_plan_chain_t *p) {
    size_t rows = (size_t)(p->m + ROWS - 1) / ROWS * ROWS, depth = (size_t)(p->group > DEPTH ? p->group : DEPTH);
    T *panel = aligned(depth * WIDTH * sizeof(T)), *inner = aligned(2 * rows * WIDTH * sizeof(T));
    const cast_v last = cast_vectors(&p->last);
    if (panel && inner) {
        T *outer = inner + rows * WIDTH, *table = p->length ? outer : inner;
        memset(inner, 0, 2 * rows * WIDTH * sizeof(T));
        for (int64_t column = 0; column < p->n; column += WIDTH) {
            int64_t width = p->n - column < WIDTH ? p->n - column : WIDTH;
            columns(p, column, panel, inner, outer);
            if (p->last.how != CEMU_CHAIN_KEEP)
                for (T *at = table; at < table + rows * WIDTH; at += LANES)
                    v_store(at, round_to(v_load(at), &last, p->last.how, p->last.over, p->last.signs, p->last.flush));
            for (int64_t row = 0; row < p->m; row++)
                write_codes(p, table + row * WIDTH, width, p->d + row * p->n + column);
        }
    }
    int64_t status = panel && inner ? CEMU_OK : CEMU_NO_MEMORY;
    free(panel);
    free(inner);
    return status;
}
