/* Picks the instruction set of an exact matrix product. */
#include "cemu_plan_exact.h"
#include "isa.h"

CEMU_DISPATCH(cemu_plan_exact_used, plan_exact_used, cemu_plan_exact_used_t)
CEMU_DISPATCH(cemu_plan_exact_run, plan_exact_run, cemu_plan_exact_t)
