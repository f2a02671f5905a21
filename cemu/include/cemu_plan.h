/* Plans: fast kernels for units of a known shape. Each has a header of its own (cemu_plan_*.h); this one has what they
 * share. They give the bits of cemu_matmul wherever emu's matchers (emu/units/plans) have proved that they do. */
#ifndef CEMU_PLAN_H
#define CEMU_PLAN_H

#include "cemu.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cdef-begin */
/* Instruction sets that plan kernels are compiled for (emu/units/plans/plan.py). */
enum { CEMU_ISA_BASE, CEMU_ISA_V3, CEMU_ISA_V4 };
enum { CEMU_NO_ISA = 6 }; /* status: this machine, or this build, lacks the forced instruction set */

/* The best of these that this machine and this build have. */
CEMU_API int64_t cemu_isa_level(void);
/* cdef-end */

#ifdef __cplusplus
}
#endif
#endif
