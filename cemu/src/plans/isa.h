/* Kernels of plans are compiled once for each instruction set: x86-64, -v3, -v4 (elsewhere: once). A file NAME_kernel.c
 * defines FOR_ISA(name); NAME_api.c picks one of them at run time. All give the same bits. */
#ifndef CEMU_PLANS_ISA_H
#define CEMU_PLANS_ISA_H

#include "cemu_plan.h"

#ifndef CEMU_ISA
#define CEMU_ISA base
#endif
#define CEMU_PASTE_(name, isa) name##_##isa
#define CEMU_PASTE(name, isa) CEMU_PASTE_(name, isa)
#define FOR_ISA(name) CEMU_PASTE(name, CEMU_ISA)

/* Of an _api.c file: the public function `api`, which calls the kernel of the best instruction set, or of the forced one
 * (isa: CEMU_ISA_..., or -1 for the best). */
#if defined(CEMU_HAS_LEVELS)
#define CEMU_DISPATCH(api, kernel, type)                       \
    int64_t kernel##_base(type *);                             \
    int64_t kernel##_v3(type *);                               \
    int64_t kernel##_v4(type *);                               \
    CEMU_API int64_t api(type *p, int64_t isa) {               \
        int64_t best = cemu_isa_level();                       \
        if (isa > best || isa < -1) return CEMU_NO_ISA;        \
        switch (isa < 0 ? best : isa) {                        \
            case CEMU_ISA_V4: return kernel##_v4(p);           \
            case CEMU_ISA_V3: return kernel##_v3(p);           \
            default: return kernel##_base(p);                  \
        }                                                      \
    }
#else
#define CEMU_DISPATCH(api, kernel, type)                                                   \
    int64_t kernel##_base(type *);                                                         \
    CEMU_API int64_t api(type *p, int64_t isa) {                                           \
        return isa > CEMU_ISA_BASE || isa < -1 ? CEMU_NO_ISA : kernel##_base(p);           \
    }
#endif

#endif
