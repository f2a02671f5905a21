/* One number to its code, without a branch that depends on it. Included once for each width:
 *   WORD, SIGNED: unsigned and signed integers of the width; REAL: the float; MANT: its stored mantissa bits; T(x): names.
 *
 * Counts (see cemu_grid) come from one of these, all exact:
 * - MAGIC: x + m with m = 2^(E + MANT - man), E the exponent of x, at least emin: the addition itself rounds x to a
 *   multiple of 2^(E - man), to nearest even, and the sum's bits minus those of m are the significand. For nearest even
 *   with at least one mantissa bit, where m is a number and the processor rounds to nearest.
 * - UNIFORM: the grid has the source's exponents, so that the source's bits are counts but for their low end.
 * - EVEN, ZERO, ANY: the significand shifted by what its exponent says, for nearest even, toward zero, any rounding. */

typedef struct {
    WORD clamp, least, field, magic, man, fixed, shift, deepest, infinity;
    WORD flush_below, offset, limit[2], over[2], inf[2], nan, sign, zero_sign, mask;
    WORD half[2], less[2], even, sticky, always;
    uint32_t ignored;
} T(grid);

static void T(set_grid)(T(grid) *g, const cemu_grid *f) {
    const int64_t bias = ((int64_t)1 << (8 * sizeof(WORD) - MANT - 2)) - 1;
    g->infinity = (WORD)(2 * bias + 1) << MANT;
    g->field = g->infinity;
    g->clamp = f->top > bias ? g->infinity : (WORD)(f->top + bias) << MANT;
    g->man = (WORD)f->man_bits;
    g->least = (WORD)(f->emin + bias) << MANT;
    g->shift = (WORD)(MANT - f->man_bits);
    g->magic = g->shift << MANT;
    g->fixed = (WORD)(f->emin + bias) << f->man_bits;
    g->deepest = MANT + 2;
    g->flush_below = (WORD)f->flush_below;
    g->offset = (WORD)f->offset;
    for (int i = 0; i < 2; i++) {
        g->limit[i] = (WORD)f->limit[i];
        g->over[i] = (WORD)f->over[i];
        g->inf[i] = (WORD)f->infinity[i];
    }
    g->nan = (WORD)f->nan;
    g->sign = (WORD)f->sign;
    g->zero_sign = f->negative_zero ? g->sign : 0;
    g->mask = f->complement ? ((WORD)1 << f->complement) - 1 : 0;
    g->ignored = (uint32_t)f->ignored;
    /* What is added to the significand before it is cut: half[sign] halves of the last place, minus less[sign]. */
    for (int negative = 0; negative < 2; negative++) {
        WORD halves = 0, less = 0;
        switch (f->rounding) {
            case CEMU_ROUNDING_TIES_TO_EVEN: case CEMU_ROUNDING_TIES_TO_ZERO: halves = 1, less = 1; break;
            case CEMU_ROUNDING_TIES_TO_AWAY: halves = 1; break;
            case CEMU_ROUNDING_TIES_TO_POSITIVE: halves = 1, less = (WORD)negative; break;
            case CEMU_ROUNDING_TIES_TO_NEGATIVE: halves = 1, less = (WORD)!negative; break;
            case CEMU_ROUNDING_TOWARD_POSITIVE: halves = negative ? 0 : 2, less = (WORD)!negative; break;
            case CEMU_ROUNDING_TOWARD_NEGATIVE: halves = negative ? 2 : 0, less = (WORD)negative; break;
            case CEMU_ROUNDING_AWAY_FROM_ZERO: halves = 2, less = 1; break;
            default: break;
        }
        g->half[negative] = halves;
        g->less[negative] = less;
    }
    g->even = f->rounding == CEMU_ROUNDING_TIES_TO_EVEN;
    g->sticky = f->rounding == CEMU_ROUNDING_TO_ODD;
    g->always = f->rounding == CEMU_ROUNDING_JAMMING;
}

/* The count of a magnitude u (bits of a float without sign, not beyond g->clamp). */
INLINE WORD T(count)(const T(grid) *g, WORD u, WORD negative, int how) {
    if (how == MAGIC) {
        WORD binade = (GREATER(u, g->least) ? u : g->least) & g->field, bits = binade + g->magic;
        REAL x, m, sum;
        memcpy(&x, &u, sizeof x);
        memcpy(&m, &bits, sizeof m);
        sum = x + m;
        memcpy(&u, &sum, sizeof u);
        return u - bits + (binade >> g->shift) - g->fixed;
    }
    if (how == UNIFORM) return (u + (((WORD)1 << (g->shift - 1)) - 1) + (u >> g->shift & 1)) >> g->shift;
    WORD e = u >> MANT, lowest = g->least >> MANT;
    WORD binade = GREATER(e, lowest) ? e : lowest;
    WORD sig = (u & (((WORD)1 << MANT) - 1)) | (WORD)(e != 0) << MANT;
    WORD shift = binade - (e ? e : 1) + g->shift;
    shift = GREATER(shift, g->deepest) ? g->deepest : shift;
    WORD before = (binade << g->man) - g->fixed;
    if (how == ZERO) return before + (sig >> shift);
    WORD last = (WORD)1 << shift;
    WORD cut = before + (sig >> shift);
    if (how == EVEN) return before + ((sig + (last >> 1) - 1 + (cut & 1)) >> shift);
    WORD halves = negative ? g->half[1] : g->half[0], less = negative ? g->less[1] : g->less[0];
    WORD made = before + ((sig + (last * halves >> 1) - less + (cut & g->even)) >> shift);
    made |= (sig & (last - 1)) ? g->sticky : 0;
    return made | (u ? g->always : 0);
}

/* Which codes: those of a signed format with -0 and without flushing, whose infinities become what overflow becomes,
 * that is a code with their sign (SIGNED_OVER) or one code (ONE_OVER); or any others. */
INLINE WORD T(code)(const T(grid) *g, WORD bits, int how, int shape) {
    const WORD all = (WORD)-1 >> 1;
    WORD whole = bits & all, negative = bits >> (8 * sizeof(WORD) - 1);
    WORD u = GREATER(whole, g->clamp) ? g->clamp : whole;
    WORD n = T(count)(g, u, negative, how);
    if (shape == SIGNED_OVER) {
        n = GREATER(n, g->limit[0]) ? g->over[0] : n;
        n |= negative ? g->sign : 0;
        return GREATER(whole, g->infinity) ? g->nan : n;
    }
    if (shape == ONE_OVER) {
        WORD code = n | (negative ? g->sign : 0);
        code = GREATER(n, g->limit[0]) ? g->over[0] : code;
        return GREATER(whole, g->infinity) ? g->nan : code;
    }
    n = GREATER(g->flush_below, n) ? 0 : n - g->offset;
    WORD limit = negative ? g->limit[1] : g->limit[0], over = negative ? g->over[1] : g->over[0];
    WORD inf = negative ? g->inf[1] : g->inf[0], signed_zero = n ? g->sign : g->zero_sign;
    WORD complement = ((WORD)0 - n) & g->mask;
    WORD with_sign = g->mask ? complement : n | signed_zero;
    WORD code = GREATER(n, limit) ? over : negative ? with_sign : n;
    code = whole == g->infinity ? inf : code;
    return GREATER(whole, g->infinity) ? g->nan : code;
}

INLINE WORD T(run)(const T(grid) *g, const cemu_plan_encode_t *job, int how, int shape) {
    const WORD *in = job->in;
    WORD codes[BLOCK], most = 0;
    for (int64_t begin = 0; begin < job->n; begin += BLOCK) {
        int64_t n = job->n - begin < BLOCK ? job->n - begin : BLOCK;
        const WORD *restrict from = in + begin;
        if (n == BLOCK) { /* a known length is unrolled */
            for (int64_t i = 0; i < BLOCK; i++) {
                WORD whole = from[i] & ((WORD)-1 >> 1);
                most = GREATER(whole, most) ? whole : most;
                codes[i] = T(code)(g, from[i], how, shape);
            }
        } else {
            for (int64_t i = 0; i < n; i++) {
                WORD whole = from[i] & ((WORD)-1 >> 1);
                most = GREATER(whole, most) ? whole : most;
                codes[i] = T(code)(g, from[i], how, shape);
            }
        }
        if (job->out_bits == 8) {
            uint8_t *restrict to = (uint8_t *)job->out + begin;
            for (int64_t i = 0; i < n; i++) to[i] = (uint8_t)codes[i];
        } else if (job->out_bits == 16) {
            uint16_t *restrict to = (uint16_t *)job->out + begin;
            for (int64_t i = 0; i < n; i++) to[i] = (uint16_t)codes[i];
        } else {
            uint32_t *restrict to = (uint32_t *)job->out + begin;
            const uint32_t ignored = g->ignored;
            for (int64_t i = 0; i < n; i++) to[i] = (uint32_t)codes[i] << ignored;
        }
    }
    return most;
}

static int T(shape_of)(const cemu_grid *f) {
    if (!f->sign || !f->negative_zero || f->complement || f->flush_below || f->offset) return ANY_CODE;
    for (int i = 0; i < 2; i++)
        if (f->infinity[i] != f->over[i] || f->limit[i] != f->limit[0]) return ANY_CODE;
    if ((f->over[0] | f->sign) == f->over[1]) return SIGNED_OVER;
    return f->over[0] == f->over[1] ? ONE_OVER : ANY_CODE;
}

/* A grid, and the ways to count and to code that suit it. */
typedef struct {
    T(grid) grid;
    int how, shape;
} T(coder);

static void T(set_coder)(T(coder) *c, const cemu_grid *f) {
    const int64_t bias = ((int64_t)1 << (8 * sizeof(WORD) - MANT - 2)) - 1;
    T(set_grid)(&c->grid, f);
    c->shape = T(shape_of)(f);
    c->how = f->rounding == CEMU_ROUNDING_TIES_TO_EVEN ? EVEN : f->rounding == CEMU_ROUNDING_TOWARD_ZERO ? ZERO : ANY;
    if (c->how == EVEN && f->man_bits) {
        if (f->emin == 1 - bias) c->how = UNIFORM;
        else if (f->top + MANT - f->man_bits <= bias && rounds_to_nearest()) c->how = MAGIC;
    }
}

/* Encodes, and returns the largest magnitude's bits. */
static WORD T(encode)(const T(coder) *c, const cemu_plan_encode_t *job) {
    const T(grid) g = c->grid; /* of its own, so that no store may change it: else loops do not become vectors */
    const int shape = c->shape;
#define RUN(HOW)                                                        \
    case HOW:                                                           \
        return shape == SIGNED_OVER ? T(run)(&g, job, HOW, SIGNED_OVER) \
               : shape == ONE_OVER  ? T(run)(&g, job, HOW, ONE_OVER)    \
                                    : T(run)(&g, job, HOW, ANY_CODE)
    switch (c->how) {
        RUN(MAGIC);
        RUN(UNIFORM);
        RUN(EVEN);
        RUN(ZERO);
        RUN(ANY);
    }
#undef RUN
    return 0;
}
