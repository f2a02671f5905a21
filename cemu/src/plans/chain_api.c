/* Chooses the instruction set and the carrier of plan "chain". */
#include "cemu_plan_chain.h"
#include "isa.h"

CEMU_DISPATCH(cemu_plan_chain, plan_chain, cemu_plan_chain_t)
