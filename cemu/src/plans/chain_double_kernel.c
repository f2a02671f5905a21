/* Plan "chain" with double as the carrier. */
#define CHAIN_FLOAT 0
#define CHAIN_RUN chain_double
#include "chain_body.h"
