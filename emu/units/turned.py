"""Products computed transposed, where the unit cannot tell: kernels are fast along the columns of d.

dᵀ = bᵀ aᵀ in every bit and every count of events if nothing in a unit knows a from b:

* both operands have the same format, flushing, `load` and block scales; none has zero points (they are part of one
  operand's call);
* products are not looked up and not of parts; no pipe multiplies by the scale of one operand alone. A product, and the
  product of two scales, is exact before it is rounded, so it commutes;
* the terms are dealt and added by their position k, which stays; c stands at its element;
* every NaN has the default code (`nan.rule = "first"` looks at a before b);
* `output` has no lists by column; no random bits, and no error that names the first element: both go by the element's
  place in d.

It is done where d has few columns and many rows: depthwise convolution, a matrix times a vector.
"""

from __future__ import annotations

from functools import lru_cache

from emu.arithmetic.pipe import Factor
from emu.units.enums import NanRule
from emu.units.form import UnitForm
from emu.units.plans.raising import raises

FEW_COLUMNS = 8
"""No more columns leave the kernels' vectors empty."""
MANY_ROWS = 4
"""Times as many rows as columns are worth it."""
FEW_PRODUCTS = 64
"""Longer dot products fill vectors along k in some kernels."""


def worth_turning(form: UnitForm, rows: int, columns: int, k: int) -> bool:
    """Whether a product of this shape is computed transposed."""
    return columns <= FEW_COLUMNS and rows >= MANY_ROWS * columns and k < FEW_PRODUCTS and commutes(form)


@lru_cache(maxsize=4096)
def commutes(form: UnitForm) -> bool:
    """Whether bᵀ aᵀ has the bits and events of a b, transposed."""
    same = form.a == form.b and form.a.zero is None and form.scale_a == form.scale_b
    whole = form.product.table is None and form.product.parts is None
    of_one = any(step.factor in (Factor.A_SCALE, Factor.B_SCALE) for pipe in form.pipes().values() for step in pipe)
    placed = form.columns or form.stochastic or raises(form)
    return same and whole and not of_one and not placed and form.nan_rule is NanRule.DEFAULT
