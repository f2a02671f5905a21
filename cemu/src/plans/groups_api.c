/* The plan `groups`: exact group sums that are scaled and accumulated (cemu_plan_groups.h). */
#include "cemu_plan_groups.h"
#include "isa.h"

CEMU_DISPATCH(cemu_plan_groups_pack, plan_groups_pack, cemu_plan_groups_pack_t)
CEMU_DISPATCH(cemu_plan_groups, plan_groups, cemu_plan_groups_t)
