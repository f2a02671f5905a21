/* The plan `aligned`: aligned multi-operand adders (cemu_plan_aligned.h). */
#include "cemu_plan_aligned.h"
#include "isa.h"

CEMU_DISPATCH(cemu_plan_aligned, plan_aligned, cemu_plan_aligned_t)
