"""Batches of small products in one call: a call of a plan for each takes 50 to 150 us, whatever the product.

The general kernel of C computes them one after the other (`cemu_matmul_many`), with the bits and events that it has for
each by itself. It is taken where that is quicker than what the plan's calls cost (`Plan.few`), and for small products
that it runs anyway. The other backends, positions of events and plans asked for by name go product by product.
"""

from __future__ import annotations

from emu.formats.backend import Backend
from emu.units.plans.plan import GENERAL, Plan
from emu.units.stack import Stack
from emu.units.tiling import SERIAL_MACS


def in_one_call(stack: Stack, plan: Plan, backend: Backend, *, named: bool) -> bool:
    """Whether a stack is computed by `c_backend.run_many`.

    Args:
        stack: the products.
        plan: what would run each.
        backend: what it was chosen for.
        named: whether the caller asked for this plan.
    """
    if backend is not Backend.C or stack.count < 2:
        return False
    work = stack.macs * stack.form.terms_per_k
    return work <= SERIAL_MACS if plan.name == GENERAL else work <= plan.few and not named
