"""Batches of small products: a call of a plan takes 50 to 150 us, whatever the product, so several go into one call.

Where the first events are is asked product by product.
"""

from __future__ import annotations

from enum import Enum

from emu.formats.backend import Backend
from emu.units.arguments import Arguments
from emu.units.plans.plan import GENERAL, Plan
from emu.units.tiling import SERIAL_MACS
from emu.units.together import how_many
from emu.units.turned import worth_turning

FEW_TOGETHER = 128
"""`Plan.few` where a plan could compute several at a time, and takes a fraction of a ns for a multiply-accumulate (one
that counts events takes some ns)."""


class Way(Enum):
    """How the products of a matmul are computed. All give the same bits, events and errors."""

    ONE_CALL = "one call"
    """the general kernel of C, one after the other (`cemu_matmul_many`): where that is quicker than the plan's calls
    (`Plan.few`), and for small products that it runs anyway"""
    TOGETHER = "together"
    """several at a time on the diagonal of a larger product (emu/units/together.py), where a plan computes that in less
    time than several calls take"""
    TURNED = "turned"
    """one by one, transposed (emu/units/turned.py)"""
    EACH = "each"
    """one by one"""


def way_of(given: Arguments, plan: Plan, backend: Backend, *, named: bool, events: bool, limit: int) -> Way:
    """The way of a matmul.

    Args:
        given: their operands.
        plan: what would run each.
        backend: what it was chosen for.
        named: whether the caller asked for this plan.
        events: whether they are counted.
        limit: how many positions of events are kept.
    """
    form, k, general = given.form, given.a.shape[-1], plan.name == GENERAL
    count, rows, columns = given.folded
    together = not (general or events) and how_many(form, count, rows, columns, k) > 1
    if backend is Backend.C and count > 1 and not limit:
        work = rows * columns * max(k, 1) * form.terms_per_k
        few = min(plan.few, FEW_TOGETHER) if together and not plan.counts else plan.few
        if work <= (SERIAL_MACS if general else 0 if named else few):
            return Way.ONE_CALL
    if general:
        return Way.EACH
    if together:
        return Way.TOGETHER
    return Way.TURNED if worth_turning(form, rows, columns, k) else Way.EACH
