/* Vectors of int32 and int16, as wide as the instruction set has them. Everything wraps, but where it says otherwise. */
#ifndef CEMU_INTEGERS_LANES_H
#define CEMU_INTEGERS_LANES_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#if defined(__AVX512BW__)
#define VECTOR_BYTES 64
#define TILE_ROWS 6
#define TILE_VECTORS 4
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#define TILE_ROWS 6
#define TILE_VECTORS 2
#else
#define VECTOR_BYTES 16
#define TILE_ROWS 6
#define TILE_VECTORS 2
#endif
#define LANES32 (VECTOR_BYTES / 4)
#define LANES16 (VECTOR_BYTES / 2)
#define PANEL_BYTES (TILE_VECTORS * VECTOR_BYTES) /* of one word or number for each column of a panel */
#define INLINE static inline __attribute__((always_inline))

typedef int32_t v32 __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef uint32_t u32 __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef int16_t v16 __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef uint16_t u16 __attribute__((vector_size(VECTOR_BYTES), may_alias));

INLINE v32 load32(const void *p) { v32 x; memcpy(&x, p, sizeof x); return x; }
INLINE v16 load16(const void *p) { v16 x; memcpy(&x, p, sizeof x); return x; }
INLINE v32 all32(int32_t x) { return x - (v32){0}; }
INLINE v16 all16(int16_t x) { return x - (v16){0}; }
/* The word at an address, in all lanes. */
INLINE v32 word32(const void *p) { int32_t x; memcpy(&x, p, sizeof x); return all32(x); }
INLINE v32 add32(v32 x, v32 y) { return (v32)((u32)x + (u32)y); }

#if defined(__AVX512BW__)
INLINE v32 min32(v32 x, v32 y) { return (v32)_mm512_min_epi32((__m512i)x, (__m512i)y); }
INLINE v32 max32(v32 x, v32 y) { return (v32)_mm512_max_epi32((__m512i)x, (__m512i)y); }
INLINE v16 min16(v16 x, v16 y) { return (v16)_mm512_min_epi16((__m512i)x, (__m512i)y); }
INLINE v16 max16(v16 x, v16 y) { return (v16)_mm512_max_epi16((__m512i)x, (__m512i)y); }
INLINE v16 saturating_add16(v16 x, v16 y) { return (v16)_mm512_adds_epi16((__m512i)x, (__m512i)y); }
INLINE v32 pairs(v32 x, v32 y) { return (v32)_mm512_madd_epi16((__m512i)x, (__m512i)y); }
#elif defined(__AVX2__)
INLINE v32 min32(v32 x, v32 y) { return (v32)_mm256_min_epi32((__m256i)x, (__m256i)y); }
INLINE v32 max32(v32 x, v32 y) { return (v32)_mm256_max_epi32((__m256i)x, (__m256i)y); }
INLINE v16 min16(v16 x, v16 y) { return (v16)_mm256_min_epi16((__m256i)x, (__m256i)y); }
INLINE v16 max16(v16 x, v16 y) { return (v16)_mm256_max_epi16((__m256i)x, (__m256i)y); }
INLINE v16 saturating_add16(v16 x, v16 y) { return (v16)_mm256_adds_epi16((__m256i)x, (__m256i)y); }
INLINE v32 pairs(v32 x, v32 y) { return (v32)_mm256_madd_epi16((__m256i)x, (__m256i)y); }
#else
INLINE v32 choose32(v32 which, v32 x, v32 y) { return (x & which) | (y & ~which); }
INLINE v16 choose16(v16 which, v16 x, v16 y) { return (x & which) | (y & ~which); }
INLINE v32 min32(v32 x, v32 y) { return choose32(x < y, x, y); }
INLINE v32 max32(v32 x, v32 y) { return choose32(x > y, x, y); }
#if defined(__SSE2__)
INLINE v16 min16(v16 x, v16 y) { return (v16)_mm_min_epi16((__m128i)x, (__m128i)y); }
INLINE v16 max16(v16 x, v16 y) { return (v16)_mm_max_epi16((__m128i)x, (__m128i)y); }
INLINE v16 saturating_add16(v16 x, v16 y) { return (v16)_mm_adds_epi16((__m128i)x, (__m128i)y); }
INLINE v32 pairs(v32 x, v32 y) { return (v32)_mm_madd_epi16((__m128i)x, (__m128i)y); }
#else
INLINE v16 min16(v16 x, v16 y) { return choose16(x < y, x, y); }
INLINE v16 max16(v16 x, v16 y) { return choose16(x > y, x, y); }
INLINE v16 saturating_add16(v16 x, v16 y) {
    v16 sum = (v16)((u16)x + (u16)y), left = ((x ^ sum) & (y ^ sum)) >> 15;
    return choose16(left, (x >> 15) ^ all16(INT16_MAX), sum);
}
/* The int16 of two words, multiplied and added: -2^15 four times is 2^31, which wraps. Words are memory, low half first. */
INLINE v32 low_half(v32 x) { return (v32)((u32)x << 16) >> 16; }
INLINE v32 pairs(v32 x, v32 y) {
    u32 low = (u32)low_half(x) * (u32)low_half(y), high = (u32)(x >> 16) * (u32)(y >> 16);
    return (v32)(low + high);
}
#endif
#endif
INLINE v16 multiply16(v16 x, v16 y) { return (v16)((u16)x * (u16)y); }

#endif
