/* Each kernel of cemu_plan_encode.h for the instruction set of this machine. */
#include "cemu_plan_encode.h"
#include "isa.h"

CEMU_DISPATCH(cemu_plan_encode, plan_encode, cemu_plan_encode_t)
CEMU_DISPATCH(cemu_plan_blocks, plan_blocks, cemu_plan_blocks_t)
CEMU_DISPATCH(cemu_plan_numbers, plan_numbers, cemu_plan_numbers_t)
CEMU_DISPATCH(cemu_plan_whole, plan_whole, cemu_plan_whole_t)
