/* Picks the instruction set of FMA chains. */
#include "cemu_plan_fma.h"
#include "isa.h"

CEMU_DISPATCH(cemu_plan_fma_pack, plan_fma_pack, cemu_plan_fma_pack_t)
CEMU_DISPATCH(cemu_plan_fma, plan_fma, cemu_plan_fma_t)
