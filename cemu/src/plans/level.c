/* Which instruction set plan kernels use here. */
#include "cemu_plan.h"

CEMU_API int64_t cemu_isa_level(void) {
#if defined(CEMU_HAS_LEVELS)
    __builtin_cpu_init();
    int v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") &&
             __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    int v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
    return v4 ? CEMU_ISA_V4 : v3 ? CEMU_ISA_V3 : CEMU_ISA_BASE;
#else
    return CEMU_ISA_BASE;
#endif
}
