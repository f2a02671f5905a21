/* The plan `lanes`: any unit, many columns at a time (cemu_plan_lanes.h). */
#include "cemu_plan_lanes.h"
#include "isa.h"

CEMU_DISPATCH(cemu_plan_lanes, plan_lanes, cemu_plan_lanes_t)
