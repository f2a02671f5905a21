/* The parts of binary16 chains: chain_fp16.c computes, chain_fp16_check.c says whether it may. */
#ifndef CEMU_PLANS_CHAIN_FP16_H
#define CEMU_PLANS_CHAIN_FP16_H

#include "cemu_plan_chain.h"

int64_t chain_fp16_unchecked(const cemu_plan_chain_fp16_t *p);
int chain_fp16_can_run(void);

#endif
