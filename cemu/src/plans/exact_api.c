/* Picks the instruction set of the passes around an exact matrix product. */
#include "cemu_plan_exact.h"
#include "isa.h"

CEMU_DISPATCH(cemu_plan_exact_decode, plan_exact_decode, cemu_plan_exact_decode_t)
CEMU_DISPATCH(cemu_plan_exact_finish, plan_exact_finish, cemu_plan_exact_finish_t)
