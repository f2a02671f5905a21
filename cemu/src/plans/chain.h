/* The two carriers of plan "chain": chain_body.h, compiled for float and for double. */
#ifndef CEMU_PLANS_CHAIN_H
#define CEMU_PLANS_CHAIN_H

#include "cemu_plan_chain.h"
#include "isa.h"

int64_t FOR_ISA(chain_float)(cemu_plan_chain_t *p);
int64_t FOR_ISA(chain_double)(cemu_plan_chain_t *p);

#endif
