/* Blocks of float32 with scales that are powers of two: one pass over each block for its absmax, one for its codes. */
/* The largest magnitude of a block, as bits. */
INLINE uint32_t absmax(const uint32_t *restrict in, int64_t n) {
    uint32_t most = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t u = in[i] & 0x7fffffff;
        most = u > most ? u : most;
    }
    return most;
}

INLINE void block_codes(const grid_32 *g, const uint32_t *restrict in, float factor, uint8_t *restrict out, int64_t n,
                        int shape) {
    uint32_t codes[1024];
    for (int64_t i = 0; i < n; i++) {
        float y;
        uint32_t bits;
        memcpy(&y, in + i, sizeof y);
        y *= factor;
        memcpy(&bits, &y, sizeof bits);
        codes[i] = code_32(g, bits, MAGIC, shape);
    }
    for (int64_t i = 0; i < n; i++) out[i] = (uint8_t)codes[i];
}

int64_t FOR_ISA(plan_blocks)(cemu_plan_blocks_t *job) {
    const cemu_grid *f = job->grid;
    grid_32 g;
    set_grid_32(&g, f);
    int64_t n = job->block;
    int shape = shape_of_32(f);
    if (!rounds_to_nearest()) {
        job->refused = 1;
        return CEMU_OK;
    }
    for (int64_t i = 0; i < job->blocks; i++) {
        const uint32_t *in = (const uint32_t *)job->in + i * n;
        uint32_t most = absmax(in, n);
        int64_t k = job->low;
        if (most >= 0x7f800000) {
            job->refused = 1;
            return CEMU_OK;
        }
        if (most) {
            int64_t e = (int64_t)(most >> 23) - 127;
            uint32_t mantissa = most & 0x7fffff;
            if (e == -127) { /* a subnormal number: its leading bit becomes the hidden one */
                int shift = __builtin_clz(most) - 8;
                e = -126 - shift;
                mantissa = (most << shift) & 0x7fffff;
            }
            k = e + job->offset + (mantissa > job->threshold);
        }
        if (k < job->low) k = job->low;
        if (k > job->high || k > 126) {
            job->refused = 1;
            return CEMU_OK;
        }
        job->scales[i] = (uint8_t)(k - job->low + job->first);
        uint32_t bits = (uint32_t)(127 - k) << 23;
        float factor;
        memcpy(&factor, &bits, sizeof factor);
        uint8_t *out = job->codes + i * n;
        if (n == 32 && shape == SIGNED_OVER) block_codes(&g, in, factor, out, 32, SIGNED_OVER);
        else if (n == 32) block_codes(&g, in, factor, out, 32, ANY_CODE);
        else block_codes(&g, in, factor, out, n, ANY_CODE);
    }
    return CEMU_OK;
}
