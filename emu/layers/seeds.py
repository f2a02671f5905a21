"""Seeds of layers that run more than once: every call, and every product of a call, draws anew.

Call n (from 0) of a layer takes the seed s + (3 n + p) · 0x9E3779B97F4A7C15 modulo 2^64, s being the plan's seed; p is
0 for the forward product, 1 for the gradient of the first operand, 2 for that of the second. Call 0, forward, is so
that of a replay.
"""

from __future__ import annotations

GOLDEN = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1
PRODUCTS = 3
"""Forward, and the gradients of both operands."""


def seed_of_call(seed: int, call: int, product: int) -> int:
    """The seed of one product.

    Args:
        seed: the plan's.
        call: the number of the layer's call.
        product: 0 forward, 1 and 2 for the gradients of the operands.
    """
    return (seed + (PRODUCTS * call + product) * GOLDEN) & MASK
