/* Plan "chain": which carrier, and the direction in which it rounds. */
#include "chain.h"

#if defined(__SSE2__)
#include <immintrin.h>
/* All exceptions masked, no flushing; bits 13 and 14 are the direction. */
static int64_t enter(int64_t mode, uint64_t *before) {
    *before = _mm_getcsr();
    _mm_setcsr((unsigned)(0x1f80 | mode << 13));
    return 1;
}
static void leave(uint64_t before) { _mm_setcsr((unsigned)before); }
#elif defined(__aarch64__)
static int64_t enter(int64_t mode, uint64_t *before) {
    static const uint64_t of_mode[4] = {0, 2, 1, 3};
    __asm__ volatile("mrs %0, fpcr" : "=r"(*before));
    __asm__ volatile("msr fpcr, %0" : : "r"(of_mode[mode] << 22) : "memory");
    return 1;
}
static void leave(uint64_t before) { __asm__ volatile("msr fpcr, %0" : : "r"(before) : "memory"); }
#else
static int64_t enter(int64_t mode, uint64_t *before) {
    *before = 0;
    return mode == CEMU_CHAIN_NEAREST;
}
static void leave(uint64_t before) { (void)before; }
#endif

int64_t FOR_ISA(plan_chain)(cemu_plan_chain_t *p);
int64_t FOR_ISA(plan_chain)(cemu_plan_chain_t *p) {
    uint64_t before;
    if (!enter(p->mode, &before)) return CEMU_NO_ISA;
    int64_t status = p->wide ? FOR_ISA(chain_double)(p) : FOR_ISA(chain_float)(p);
    leave(before);
    return status;
}
