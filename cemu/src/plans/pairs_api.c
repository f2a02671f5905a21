/* Each kernel of cemu_plan_pairs.h for the instruction set of this machine. */
#include "cemu_plan_pairs.h"
#include "isa.h"

CEMU_DISPATCH(cemu_plan_pair_table, plan_pair_table, cemu_plan_pair_table_t)
CEMU_DISPATCH(cemu_plan_pairs, plan_pairs, cemu_plan_pairs_t)
CEMU_DISPATCH(cemu_plan_bytes, plan_bytes, cemu_plan_bytes_t)
