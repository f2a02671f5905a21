/* Chains of fused multiply-adds and trees of rounded products: see cemu_plan_fma.h. Only intrinsics (or an exact
 * emulation) multiply and add, under a control word that is set and restored here. */
#include "cemu_plan_fma.h"
#include "fma_vector.h"
#include "isa.h"

#define BLOCK 256

#define REAL float
#define BITS uint32_t
#define LEAST_NORMAL 0x00800000u
#include "fma_tile.h"
#undef REAL
#undef BITS
#undef LEAST_NORMAL

#define REAL double
#define BITS uint64_t
#define LEAST_NORMAL 0x0010000000000000u
#include "fma_tile.h"

#if defined(__x86_64__)
#include <immintrin.h>
static unsigned control(void) { return _mm_getcsr(); }
static void set_control(const cemu_plan_fma_t *p) {
    _mm_setcsr(0x1f80u | (unsigned)p->rounding << 13 | (p->flush ? 0x8000u : 0));
}
static void restore(unsigned word) { _mm_setcsr(word); }
static int can(const cemu_plan_fma_t *p) {
#if defined(NO_VECTORS)
    return !p->fused || (!p->double_ && p->rounding == CEMU_FMA_NEAREST);
#else
    return p->rounding >= 0;
#endif
}
#else /* rounding to nearest even is taken for granted */
static unsigned control(void) { return 0; }
static void set_control(const cemu_plan_fma_t *p) { (void)p; }
static void restore(unsigned word) { (void)word; }
static int can(const cemu_plan_fma_t *p) { return p->rounding == CEMU_FMA_NEAREST && !p->flush && !p->double_; }
#endif

int64_t FOR_ISA(plan_fma_pack)(cemu_plan_fma_pack_t *p) {
    if (p->double_)
        pack_double(p);
    else
        pack_float(p);
    return CEMU_OK;
}

int64_t FOR_ISA(plan_fma)(cemu_plan_fma_t *p) {
    if (!can(p)) return CEMU_NO_ISA;
    const unsigned before = control();
    set_control(p);
    if (p->double_)
        all_tiles_double(p);
    else
        all_tiles_float(p);
    restore(before);
    return CEMU_OK;
}
