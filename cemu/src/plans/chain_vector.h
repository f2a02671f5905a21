/* Vectors of the carrier: AVX-512, AVX2 with FMA, or the compiler's own vectors of 16 bytes. CHAIN_FLOAT says which
 * carrier. A fused and an unfused v_fma give the same bits, as every product here is exact. */
#ifndef CEMU_PLANS_CHAIN_VECTOR_H
#define CEMU_PLANS_CHAIN_VECTOR_H

#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

#if CHAIN_FLOAT
typedef float T;
typedef int32_t B;
#define EXPONENT 0x7f800000
#define HALF_BIT 0x00400000
#else
typedef double T;
typedef int64_t B;
#define EXPONENT 0x7ff0000000000000
#define HALF_BIT 0x0008000000000000
#endif
#define TOP ((B)1 << (8 * sizeof(B) - 2)) /* the exponent's top bit: of 2 and all larger ones, infinities and NaN too */
#define SIGN ((B)((uint64_t)1 << (8 * sizeof(B) - 1)))

#if defined(__AVX512F__)
#include <immintrin.h>
#if CHAIN_FLOAT
#define V __m512
#define VI __m512i
#define OF(name) _mm512_##name##_ps
#define OFI(name) _mm512_##name##_epi32
#define INT _mm512_castps_si512
#define FLT _mm512_castsi512_ps
#define TERNARY(a, b, c, code) FLT(_mm512_ternarylogic_epi32(INT(a), INT(b), INT(c), code))
#define CMP _mm512_cmp_ps_mask
#else
#define V __m512d
#define VI __m512i
#define OF(name) _mm512_##name##_pd
#define OFI(name) _mm512_##name##_epi64
#define INT _mm512_castpd_si512
#define FLT _mm512_castsi512_pd
#define TERNARY(a, b, c, code) FLT(_mm512_ternarylogic_epi64(INT(a), INT(b), INT(c), code))
#define CMP _mm512_cmp_pd_mask
#endif
#define ROWS 3
#define VECTORS 4
INLINE V v_bits(B x) { return FLT(OFI(set1)(x)); }
INLINE V v_set(T x) { return OF(set1)(x); }
INLINE V v_and(V a, V b) { return FLT(_mm512_and_si512(INT(a), INT(b))); }
INLINE V v_or(V a, V b) { return FLT(_mm512_or_si512(INT(a), INT(b))); }
INLINE V v_fma(V a, V b, V c) { return OF(fmadd)(a, b, c); }
INLINE V v_fnma(V a, V b, V c) { return OF(fnmadd)(a, b, c); }
INLINE V v_max(V a, V b) { return OF(max)(a, b); }
INLINE V v_min(V a, V b) { return OF(min)(a, b); }
INLINE V v_addi(V a, V b) { return FLT(OFI(add)(INT(a), INT(b))); }
#if CHAIN_FLOAT
INLINE V v_clamp(V x, V limit) { return OF(range)(x, limit, 2); } /* the smaller magnitude, x's sign; NaN is lost */
#else
INLINE V v_clamp(V x, V limit) { return v_max(OF(xor)(limit, v_bits(SIGN)), v_min(limit, x)); } /* NaN stays */
#endif
INLINE V v_and_or(V a, V b, V c) { return TERNARY(a, b, c, 0xea); }      /* a & b | c */
INLINE V v_or_and(V a, V b, V c) { return TERNARY(a, b, c, 0xf8); }      /* a | b & c */
INLINE V v_if_greater(V x, V y, V then, V other) { return OF(mask_blend)(CMP(x, y, _CMP_GT_OQ), other, then); }
INLINE V v_if_equal(V x, V y, V then, V other) { return OF(mask_blend)(CMP(x, y, _CMP_EQ_OQ), other, then); }
INLINE int v_any(V x) { return _mm512_test_epi32_mask(INT(x), INT(x)) != 0; }
INLINE V v_keep_unless_less(V x, V y, V kept) { return OF(maskz_mov)(CMP(x, y, _CMP_NLT_UQ), kept); }
#elif defined(__AVX2__)
#include <immintrin.h>
#if CHAIN_FLOAT
#define V __m256
#define OF(name) _mm256_##name##_ps
#define INT _mm256_castps_si256
#define FLT _mm256_castsi256_ps
INLINE V v_bits(B x) { return FLT(_mm256_set1_epi32(x)); }
INLINE V v_addi(V a, V b) { return FLT(_mm256_add_epi32(INT(a), INT(b))); }
#else
#define V __m256d
#define OF(name) _mm256_##name##_pd
#define INT _mm256_castpd_si256
#define FLT _mm256_castsi256_pd
INLINE V v_bits(B x) { return FLT(_mm256_set1_epi64x(x)); }
INLINE V v_addi(V a, V b) { return FLT(_mm256_add_epi64(INT(a), INT(b))); }
#endif
#define ROWS 6
#define VECTORS 1
INLINE V v_set(T x) { return OF(set1)(x); }
INLINE V v_and(V a, V b) { return OF(and)(a, b); }
INLINE V v_or(V a, V b) { return OF(or)(a, b); }
INLINE V v_fma(V a, V b, V c) { return OF(fmadd)(a, b, c); }
INLINE V v_fnma(V a, V b, V c) { return OF(fnmadd)(a, b, c); }
INLINE V v_max(V a, V b) { return OF(max)(a, b); }
INLINE V v_min(V a, V b) { return OF(min)(a, b); }
INLINE V v_clamp(V x, V limit) { return v_max(OF(xor)(limit, v_bits(SIGN)), v_min(limit, x)); } /* NaN stays */
INLINE V v_and_or(V a, V b, V c) { return v_or(v_and(a, b), c); }
INLINE V v_or_and(V a, V b, V c) { return v_or(a, v_and(b, c)); }
INLINE V v_if_greater(V x, V y, V then, V other) { return OF(blendv)(other, then, OF(cmp)(x, y, _CMP_GT_OQ)); }
INLINE V v_if_equal(V x, V y, V then, V other) { return OF(blendv)(other, then, OF(cmp)(x, y, _CMP_EQ_OQ)); }
INLINE int v_any(V x) { return !_mm256_testz_si256(INT(x), INT(x)); }
INLINE V v_keep_unless_less(V x, V y, V kept) { return v_and(OF(cmp)(x, y, _CMP_NLT_UQ), kept); }
#else
typedef T V __attribute__((vector_size(16), aligned(16)));
typedef B VI __attribute__((vector_size(16), aligned(16)));
#define ROWS 4
#define VECTORS 1
INLINE V v_set(T x) { return x * ((V){0} + 1); } /* x, of zeros too, in every direction */
INLINE V v_bits(B x) { return (V)(x + (VI){0}); }
INLINE V v_and(V a, V b) { return (V)((VI)a & (VI)b); }
INLINE V v_or(V a, V b) { return (V)((VI)a | (VI)b); }
INLINE V v_fma(V a, V b, V c) { return a * b + c; }
INLINE V v_fnma(V a, V b, V c) { return c - a * b; }
INLINE V v_choose(VI mask, V then, V other) { return (V)((mask & (VI)then) | (~mask & (VI)other)); }
INLINE V v_max(V a, V b) { return v_choose(a > b, a, b); }
INLINE V v_min(V a, V b) { return v_choose(a < b, a, b); }
INLINE V v_addi(V a, V b) { return (V)((VI)a + (VI)b); }
INLINE V v_clamp(V x, V limit) { return v_max(-limit, v_min(limit, x)); } /* NaN stays */
INLINE V v_and_or(V a, V b, V c) { return v_or(v_and(a, b), c); }
INLINE V v_or_and(V a, V b, V c) { return v_or(a, v_and(b, c)); }
INLINE V v_if_greater(V x, V y, V then, V other) { return v_choose(x > y, then, other); }
INLINE V v_if_equal(V x, V y, V then, V other) { return v_choose(x == y, then, other); }
INLINE int v_any(V x) {
    uint64_t halves[2];
    __builtin_memcpy(halves, &x, sizeof halves);
    return (halves[0] | halves[1]) != 0;
}
INLINE V v_keep_unless_less(V x, V y, V kept) { return (V)(~(VI)(x < y) & (VI)kept); }
#endif

#define LANES ((int64_t)(sizeof(V) / sizeof(T)))
INLINE V v_load(const T *x) { V out; __builtin_memcpy(&out, x, sizeof out); return out; }
INLINE void v_store(T *x, V v) { __builtin_memcpy(x, &v, sizeof v); }
INLINE V v_magnitude(V x) { return v_and(x, v_bits(~SIGN)); }

/* To nearest even on the code: one less than half of the last kept bit, and that bit. */
#if CHAIN_FLOAT && defined(__AVX512F__)
INLINE V v_bits_even(V x, V half_less, V kept, int shift) {
    VI odd = _mm512_and_si512(_mm512_srl_epi32(INT(x), _mm_cvtsi32_si128(shift)), _mm512_set1_epi32(1));
    return v_and(v_addi(v_addi(x, half_less), FLT(odd)), kept);
}
INLINE V v_half(V x) { return _mm512_cvtph_ps(_mm512_cvtps_ph(x, _MM_FROUND_CUR_DIRECTION)); }
#elif CHAIN_FLOAT && defined(__AVX2__)
INLINE V v_bits_even(V x, V half_less, V kept, int shift) {
    __m256i odd = _mm256_and_si256(_mm256_srl_epi32(INT(x), _mm_cvtsi32_si128(shift)), _mm256_set1_epi32(1));
    return v_and(v_addi(v_addi(x, half_less), FLT(odd)), kept);
}
INLINE V v_half(V x) { return _mm256_cvtph_ps(_mm256_cvtps_ph(x, _MM_FROUND_CUR_DIRECTION)); }
#elif CHAIN_FLOAT
INLINE V v_bits_even(V x, V half_less, V kept, int shift) {
    VI odd = ((VI)x >> shift) & 1;
    return v_and((V)((VI)x + (VI)half_less + odd), kept);
}
#endif

/* a + b rounded to odd: of the two doubles around an inexact sum, the one whose last bit is 1. With s one of them, the
 * larger addend differs from s by a double (Boldo, Graillat, Muller 2017), so s is exact iff s - a is b and s - b is a.
 * Comparisons are false for NaN: infinities stay. */
#if !CHAIN_FLOAT && defined(__AVX512F__)
INLINE V v_odd_sum(V a, V b, int nearest) {
    (void)nearest;
    V s = _mm512_add_round_pd(a, b, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC), one = v_bits(1);
    __mmask8 differ = CMP(s - a, b, _CMP_NEQ_OQ) | CMP(s - b, a, _CMP_NEQ_OQ);
    return FLT(_mm512_mask_or_epi64(INT(s), differ, INT(s), INT(one)));
}
INLINE V v_exact_sum(V a, V b) {
    V s = a + b;
    __mmask8 differ = CMP(s - a, b, _CMP_NEQ_OQ) | CMP(s - b, a, _CMP_NEQ_OQ);
    return _mm512_mask_mov_pd(s, differ, v_bits(EXPONENT | HALF_BIT));
}
#elif !CHAIN_FLOAT
INLINE V v_odd_sum(V a, V b, int nearest) {
    V s = a + b, one = v_bits(1), none = v_set(0);
    if (!nearest) { /* toward zero: the smaller one in magnitude */
        V left = v_magnitude(s - a - b) + v_magnitude(s - b - a);
        return v_or(s, v_if_greater(left, none, one, none));
    }
    V t = s - a, error = (a - (s - t)) + (b - t); /* the next one towards the error, unless s is odd */
    V same = v_if_greater(none, error, v_if_greater(none, s, one, v_bits(-1)), v_if_greater(none, s, v_bits(-1), one));
    V step = v_if_greater(v_magnitude(error), none, same, none);
    return v_addi(s, v_if_equal(v_and(s, one), none, step, none));
}
#else
INLINE V v_odd_sum(V a, V b, int nearest) {
    (void)nearest;
    return a + b; /* never asked for */
}
#endif

/* a + b, or NaN where that is inexact. */
#if CHAIN_FLOAT || !defined(__AVX512F__)
INLINE V v_exact_sum(V a, V b) {
    V s = a + b, left = v_magnitude(s - a - b) + v_magnitude(s - b - a);
    return v_or(s, v_if_greater(left, v_set(0), v_bits(EXPONENT | HALF_BIT), v_set(0)));
}
#endif

#endif
