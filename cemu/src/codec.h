/* From codes to values and back: emu/formats/decode.py and encode.py. */
#ifndef CEMU_CODEC_H
#define CEMU_CODEC_H

#include "listed.h"

INLINE uint64_t low_bits(int64_t n) { return n >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1; }

INLINE void decode_integral(const cemu_format *f, uint64_t code, value *x) {
    uint64_t top = UINT64_C(1) << (f->bits - 1);
    int negative = f->is_signed && (code & top);
    uint64_t magnitude = code;
    if (negative)
        magnitude = f->encoding == CEMU_INTEGER_ENCODING_SIGN_MAGNITUDE ? code ^ top : (~code + 1) & low_bits(f->bits);
    if (magnitude == 0) {
        set_zero(x, 0, 0, 0);
        return;
    }
    set_small(x, negative, magnitude, (int32_t)-f->frac_bits, 0);
}

INLINE void decode(const cemu_tables *t, const cemu_format *f, uint64_t code, value *x) {
    if (f->points && f->first_rank >= 0) {
        decode_listed(t, f, code, x);
        return;
    }
    if (f->kind == CEMU_FORMAT_KIND_INTEGER || f->kind == CEMU_FORMAT_KIND_FIXED) {
        decode_integral(f, code, x);
        return;
    }
    int64_t field_bits = f->exp_bits + f->man_bits;
    uint64_t seen = (code >> f->ignored_low_bits) & low_bits(field_bits + (f->is_signed ? 1 : 0));
    uint64_t magnitude = seen & low_bits(field_bits);
    int negative = (int)(field_bits >= 64 ? 0 : seen >> field_bits & 1);
    if (f->kind == CEMU_FORMAT_KIND_LOG) {
        if (f->nan == CEMU_NAN_ENCODING_TOP_CODE && magnitude > (uint64_t)f->max_magnitude) {
            set_nan(x, negative, QUIET, 0);
        } else if (f->has_zero && magnitude == 0) {
            set_zero(x, negative, 0, 0);
        } else {
            int32_t e = (int32_t)(f->radix_log2 * ((int64_t)magnitude - f->bias) - f->odd_phase);
            set_small(x, negative, 1, e, e);
        }
        return;
    }
    uint64_t mantissa = magnitude & low_bits(f->man_bits);
    int64_t exponent = (int64_t)(magnitude >> f->man_bits);
    if (magnitude == 0) {
        if (negative && f->nan == CEMU_NAN_ENCODING_NEGATIVE_ZERO) set_nan(x, 0, QUIET, 0);
        else set_zero(x, negative && f->negative_zero, 0, 0);
        return;
    }
    if (magnitude > (uint64_t)f->max_magnitude) {
        if (f->infinities && magnitude == (uint64_t)f->max_magnitude + 1) {
            set_infinity(x, negative);
        } else {
            uint64_t payload = f->nan == CEMU_NAN_ENCODING_IEEE ? mantissa << (64 - f->man_bits) : QUIET;
            set_nan(x, negative, payload, 0);
        }
        return;
    }
    if (exponent == 0 && f->subnormals == CEMU_SUBNORMALS_NONE) {
        set_zero(x, negative && f->negative_zero, 0, 0);
        return;
    }
    int hidden = exponent > 0 || f->subnormals == CEMU_SUBNORMALS_NORMAL;
    int64_t e = exponent - f->bias;
    if (e < f->emin) e = f->emin;
    uint64_t sig = mantissa + ((uint64_t)hidden << f->man_bits);
    set_small(x, negative, sig, (int32_t)(e - f->man_bits), (int32_t)e);
}

/* The code of a value that a cast made for this format. */
INLINE uint64_t encode(const cemu_tables *t, const cemu_format *f, const value *x) {
    if (f->points) return encode_listed(t, f, x);
    if (f->kind == CEMU_FORMAT_KIND_INTEGER || f->kind == CEMU_FORMAT_KIND_FIXED) {
        uint64_t sig = 0;
        int32_t shift = x->q + (int32_t)f->frac_bits;
        if (x->n) sig = shift >= 0 ? x->limb[0] << shift : x->limb[0] >> -shift;
        if (f->encoding == CEMU_INTEGER_ENCODING_SIGN_MAGNITUDE)
            return sig | (uint64_t)(x->negative && sig) << (f->bits - 1);
        return (x->negative ? ~sig + 1 : sig) & low_bits(f->bits);
    }
    int64_t field_bits = f->exp_bits + f->man_bits;
    uint64_t sign = x->negative && f->is_signed ? UINT64_C(1) << field_bits : 0, word;
    if (x->kind == NAN_VALUE) {
        if (f->nan == CEMU_NAN_ENCODING_NEGATIVE_ZERO) word = UINT64_C(1) << field_bits;
        else if (f->nan == CEMU_NAN_ENCODING_IEEE)
            word = sign | low_bits(f->exp_bits) << f->man_bits | (x->limb[0] | QUIET) >> (64 - f->man_bits);
        else word = sign | low_bits(field_bits);
    } else if (x->kind == INFINITE) {
        word = sign | ((uint64_t)f->max_magnitude + 1);
    } else if (!x->n) {
        word = f->negative_zero ? sign : 0;
    } else {
        int64_t e = top_of(x);
        if (e < f->emin) e = f->emin;
        int64_t shift = x->q - (e - f->man_bits);
        uint64_t sig = shift >= 0 ? x->limb[0] << shift : word_below(x, (int32_t)(64 - shift));
        uint64_t field = sig >> f->man_bits || f->subnormals == CEMU_SUBNORMALS_NORMAL ? (uint64_t)(e + f->bias) : 0;
        word = sign | field << f->man_bits | (sig & low_bits(f->man_bits));
    }
    return word << f->ignored_low_bits;
}

#endif
