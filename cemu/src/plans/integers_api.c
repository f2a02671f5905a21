/* The plan for integers, on the instruction set of this machine or a forced one. */
#include "cemu_plan_integers.h"
#include "isa.h"

CEMU_DISPATCH(cemu_plan_integers_sum, plan_integers_sum, cemu_plan_integers_t)
CEMU_DISPATCH(cemu_plan_integers_chain, plan_integers_chain, cemu_plan_integers_t)
CEMU_DISPATCH(cemu_plan_integers_steps, plan_integers_steps, cemu_plan_integers_t)
CEMU_DISPATCH(cemu_plan_integers_output, plan_integers_output, cemu_integers_output)

CEMU_API int64_t cemu_plan_integers_bytes(int64_t isa) {
#if defined(CEMU_HAS_LEVELS)
    __builtin_cpu_init();
    int64_t level = isa < 0 ? cemu_isa_level() : isa;
    return level == CEMU_ISA_V4 && __builtin_cpu_supports("avx512vnni") ? CEMU_INTEGERS_BYTES : CEMU_INTEGERS_PAIRS;
#else
    (void)isa;
    return CEMU_INTEGERS_PAIRS;
#endif
}
