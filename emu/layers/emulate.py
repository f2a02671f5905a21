"""A lowered layer through a unit: values → codes and scales → unit → epilogue → values.

1. B is quantised whole: by the weights' scheme, or by the activations' scheme if it is a second activation.
   `per = channel` (or `token`) is one scale per column of B.
2. A's source is quantised whole, before it is lowered: each element is encoded once, however many rows read it. Rows
   are gathered from codes, with the code of zero in the padding. `per = token` is one scale per row of a matrix, per
   image of a convolution.
3. Row tile by row tile, the unit multiplies, and the epilogue (`emu.layers.epilogue`) makes values of the codes.

* A unit that takes block scales gets them: the scheme's scale is repeated for every block, as codes of the unit's scale
  format, and left out of the epilogue.
* Tiles change no bit and no count (`emu.layers.flushed`). A unit with stochastic rounding numbers its draws by output
  element, so it is not tiled.
* Memory: B, one copy of A's source, the output, and one tile; never M × K or M × K × N.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emu.accelerators import BiasPlacement, LayerPlan
from emu.formats import Overflow, Rounding
from emu.layers.epilogue import bias_codes, finish, scale_product, scaled_bias
from emu.layers.flushed import flushed_in, no_events, with_flushed_in
from emu.layers.gemm import Lowered
from emu.schemes import Assignment, Quantised, Target
from emu.schemes.cast import Float32, OutOfRange
from emu.units.events import Events

if TYPE_CHECKING:
    from emu.units import Unit
    from emu.units.form import PerBlock

StaticScales = tuple[Float32 | None, Float32 | None]
"""Scales of A and of B that were chosen beforehand."""
ROW_AXIS, COLUMN_AXIS = -1, -2
"""Where K is: the last axis of A, the last but one of B."""


@dataclass(frozen=True, kw_only=True)
class LayerOutput:
    """What the accelerator makes of one layer."""

    y: Float32
    """values of the output format, in the operator's shape"""
    events: Events | None
    """None if they were not asked for"""
    quantiser: OutOfRange
    """operand elements beyond the operand format's range"""
    output: OutOfRange
    """output elements beyond the output format's range"""
    columns: Quantised
    """B as the unit got it; weights can be given to the next call"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """One operand of the unit, or some rows of it, quantised."""

    codes: NDArray[Any]
    epilogue_scale: Float32 | None
    """None: 1, or applied by the unit"""
    unit_scale: NDArray[Any] | None
    """codes for the unit's own scale operand"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Operands:
    """Both operands of a layer, quantised."""

    a: Callable[[int, int], Side]
    """from (start, stop) to those rows of A"""
    b: Side
    """whole"""
    quantised: tuple[Quantised, Quantised]
    """A's source and B"""

    def flushed(self, unit: Unit) -> int:
        """Elements that the unit takes for zero."""
        of_a, of_b = self.quantised
        return flushed_in(unit.form.a, of_a.codes) + flushed_in(unit.form.b, of_b.codes)


def operands_of(
    lowered: Lowered, plan: LayerPlan, static: StaticScales = (None, None), columns: Quantised | None = None
) -> Operands:
    """Quantise both operands of a layer; arguments and errors as in `emulate`."""
    unit = plan.unit
    assignment = plan.weights if lowered.b_is_weights else plan.activations
    of_columns = Target(
        format=unit.b,
        axes=(COLUMN_AXIS,) if assignment.per_line else None,
        scale=static[1],
        scale_format=None if unit.scale_b is None else unit.scale_b.format,
        name=lowered.b_name,
    )
    of_b = columns or _quantise(lowered.b, assignment, of_columns)
    b = _side(of_b.codes, of_b.scale, assignment, unit.scale_b, COLUMN_AXIS)
    rows = Target(
        format=unit.a,
        axes=lowered.geometry.token_axes if plan.activations.per_line else None,
        scale=static[0],
        scale_format=None if unit.scale_a is None else unit.scale_a.format,
        name=lowered.source_name,
    )
    of_a = _quantise(lowered.source, plan.activations, rows)
    codes = lowered.geometry.rows(of_a.codes, unit.a.encode(np.zeros((), np.float32)))
    scales = lowered.geometry.row_scales(of_a.scale) if of_a.scale.ndim else lambda *_: of_a.scale
    return Operands(
        a=lambda start, stop: _side(codes(start, stop), scales(start, stop), plan.activations, unit.scale_a, ROW_AXIS),
        b=b, quantised=(of_a, of_b),
    )  # fmt: skip


def _quantise(values: NDArray[Any], assignment: Assignment, target: Target) -> Quantised:
    return assignment.scheme.quantise(values.astype(np.float32, copy=False), target)


def emulate(
    lowered: Lowered,
    plan: LayerPlan,
    *,
    static: StaticScales = (None, None),
    backend: str | None = None,
    events: bool = True,
    columns: Quantised | None = None,
) -> LayerOutput:
    """Run one layer.

    Args:
        lowered: the layer with its operands.
        plan: unit, schemes, epilogue.
        static: scales of activations with a static range.
        backend: as for `Unit.matmul`.
        events: count them.
        columns: B quantised, from an earlier call with the same weights under the same plan.

    Raises:
        FormatError: NaN in an operand whose format has none.
        ValueError: the unit cannot take this K.
    """
    operands = operands_of(lowered, plan, static, columns)
    y = lowered.new_product(np.float32)
    total, beyond, flushed = no_events(plan.unit), OutOfRange(), operands.flushed(plan.unit) if events else 0
    tiles = [(0, lowered.geometry.m)] if plan.unit.form.stochastic else lowered.tiles()
    for start, stop in tiles:
        tile = _multiply(lowered, plan, operands.a(start, stop), operands.b, (start, stop), events, backend)
        y[:, start:stop], out = finish(tile.d, plan.unit.d, tile.scale, tile.bias, plan.output)
        beyond += out
        flushed += tile.flushed
        if tile.events is not None:
            total += tile.events
    return LayerOutput(
        y=lowered.assemble(y),
        events=with_flushed_in(total, flushed) if events else None,
        quantiser=operands.quantised[0].beyond + operands.quantised[1].beyond,
        output=beyond,
        columns=operands.quantised[1],
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Tile:
    """Some rows out of the unit."""

    d: NDArray[Any]
    scale: Float32 | None
    """the scale product of the epilogue"""
    bias: Float32 | None
    """of the epilogue"""
    events: Events | None
    flushed: int
    """elements of c that the unit takes for zero"""


def _multiply(
    lowered: Lowered, plan: LayerPlan, a: Side, b: Side, rows: tuple[int, int], events: bool, backend: str | None
) -> _Tile:
    unit = plan.unit
    t = scale_product(a.epilogue_scale, b.epilogue_scale, lowered.alpha)
    of_rows = lowered.bias_rows(*rows)
    bias = None if of_rows is None else scaled_bias(of_rows, lowered.beta)
    c = None
    if bias is not None and plan.bias is BiasPlacement.C and unit.c is not None:
        c, bias = bias_codes(bias, t, unit.c), None
    result = unit.matmul(
        a.codes, b.codes, c, a_scale=a.unit_scale, b_scale=b.unit_scale, seed=plan.seed, events=events, backend=backend,
    )  # fmt: skip
    d, counted = result if events else (result, None)
    flushed = 0
    if events and c is not None and unit.form.c is not None:
        flushed = flushed_in(unit.form.c, np.broadcast_to(c, d.shape))
    return _Tile(d=d, scale=t, bias=bias, events=counted, flushed=flushed)


def _side(codes: NDArray[Any], scale: Float32, assignment: Assignment, operand: PerBlock | None, axis: int) -> Side:
    """Codes, and their scale either for the epilogue or, block by block, for the unit."""
    if operand is None:
        return Side(codes=codes, epilogue_scale=scale if assignment.scheme.scales else None, unit_scale=None)
    shape = list(codes.shape)
    shape[axis] = operand.blocks(codes.shape[axis])
    scales = operand.format.encode(scale, Rounding.TIES_TO_EVEN, Overflow.SATURATE)
    return Side(codes=codes, epilogue_scale=None, unit_scale=np.broadcast_to(scales, shape))
