/* Plan "chain" with float as the carrier. */
#define CHAIN_FLOAT 1
#define CHAIN_RUN chain_float
#include "chain_body.h"
