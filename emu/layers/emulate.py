"""A lowered layer through a unit: values → codes and scales → unit → epilogue → values.

1. B is quantised whole: by the weights' scheme, or by the activations' scheme if it is a second activation.
   `per = channel` (or `token`) is one scale per column of B, the same for all phases of a transposed convolution.
2. A's source is quantised whole, before it is lowered: each element is encoded once, however many rows read it. Rows
   are gathered from codes, with the code of zero in the padding. `per = token` is one scale per row of a matrix, per
   image of a convolution.
3. Row tile by row tile, the unit multiplies, and the epilogue (`emu.layers.epilogue`) makes values of the codes.

* A unit that takes block scales gets them. A scheme of a block format makes them, along K: A is then gathered as values
  and quantised tile by tile, as hardware quantises what it multiplies. Of another scheme the scale is repeated for
  every block, as codes of the unit's scale format, and left out of the epilogue.
* Tiles change no bit and no count (`emu.layers.flushed`). A unit with stochastic rounding numbers its draws by output
  element, so it is not tiled.
* Memory: B, one copy of A's source, the output, and one tile; never M × K or M × K × N.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
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
PHASE_AXIS = -3
"""Of B [G / phases, phases, K, N]."""


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
    beyond: OutOfRange = field(default_factory=OutOfRange)
    """of rows that were quantised by themselves: elements beyond the operand format's range"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Operands:
    """Both operands of a layer, quantised."""

    a: Callable[[int, int], Side]
    """from (start, stop) to those rows of A"""
    b: Side
    """whole"""
    source: Quantised | None
    """what A is gathered from; None: its rows are quantised when they are gathered"""
    columns: Quantised
    """B"""

    @property
    def beyond(self) -> OutOfRange:
        """Elements beyond the operand formats' ranges, but for rows that are quantised by themselves."""
        return self.columns.beyond if self.source is None else self.source.beyond + self.columns.beyond

    def flushed(self, unit: Unit) -> int:
        """Elements that the unit takes for zero, but for rows that are quantised by themselves."""
        of_a = 0 if self.source is None else flushed_in(unit.form.a, self.source.codes)
        return of_a + flushed_in(unit.form.b, self.columns.codes)


def operands_of(
    lowered: Lowered, plan: LayerPlan, static: StaticScales = (None, None), columns: Quantised | None = None
) -> Operands:
    """Quantise both operands of a layer; arguments and errors as in `emulate`."""
    unit = plan.unit
    assignment = plan.weights if lowered.b_is_weights else plan.activations
    of_columns = Target(
        format=unit.b,
        axes=(PHASE_AXIS, COLUMN_AXIS) if assignment.per_line else None,
        scale=static[1],
        scale_format=None if unit.scale_b is None else unit.scale_b.format,
        name=lowered.b_name,
        k_axis=COLUMN_AXIS,
    )
    of_b = columns or _quantised_columns(lowered, assignment, of_columns)
    b = _side(of_b, of_b.scale, assignment, unit.scale_b, COLUMN_AXIS)
    rows = Target(
        format=unit.a,
        axes=lowered.geometry.token_axes if plan.activations.per_line else None,
        scale=static[0],
        scale_format=None if unit.scale_a is None else unit.scale_a.format,
        name=lowered.source_name,
    )
    if plan.activations.scheme.blocks is not None:
        return Operands(a=_block_rows(lowered, plan, rows), b=b, source=None, columns=of_b)
    of_a = _quantise(lowered.source, plan.activations, rows)
    codes = lowered.geometry.rows(of_a.codes, unit.a.encode(np.zeros((), np.float32)))
    scales = lowered.geometry.row_scales(of_a.scale) if of_a.scale.ndim else lambda *_: of_a.scale

    def some(start: int, stop: int) -> Side:
        part = replace(of_a, codes=codes(start, stop))
        return replace(_side(part, scales(start, stop), plan.activations, unit.scale_a, ROW_AXIS), beyond=OutOfRange())

    return Operands(a=some, b=b, source=of_a, columns=of_b)


def _quantised_columns(lowered: Lowered, assignment: Assignment, target: Target) -> Quantised:
    """B as the unit gets it; its scales, where there are several, as [G, …, N]."""
    groups, k, n = lowered.b.shape
    made = _quantise(lowered.b.reshape(groups // lowered.phases, lowered.phases, k, n), assignment, target)
    blocks = made.block_scales
    return replace(
        made,
        codes=made.codes.reshape(groups, k, n),
        scale=made.scale if made.scale.ndim == 0 else np.repeat(made.scale[:, 0], lowered.phases, axis=0),
        block_scales=None if blocks is None else blocks.reshape(groups, blocks.shape[COLUMN_AXIS], n),
    )


def _block_rows(lowered: Lowered, plan: LayerPlan, target: Target) -> Callable[[int, int], Side]:
    """Rows of A, gathered as values and quantised in blocks along K; the tensor's scale is that of the whole source."""
    values = lowered.geometry.rows(lowered.source.astype(np.float32, copy=False), np.float32(0))
    magnitude = np.abs(lowered.source[np.isfinite(lowered.source)])
    whole = replace(target, tensor_absmax=float(np.float32(magnitude.max(initial=0.0))))

    def some(start: int, stop: int) -> Side:
        made = _quantise(np.ascontiguousarray(values(start, stop)), plan.activations, whole)
        return _side(made, made.scale, plan.activations, plan.unit.scale_a, ROW_AXIS)

    return some


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
    quantiser = operands.beyond
    tiles = [(0, lowered.geometry.m)] if plan.unit.form.stochastic else lowered.tiles()
    for start, stop in tiles:
        rows = operands.a(start, stop)
        quantiser += rows.beyond
        if events and operands.source is None:
            flushed += flushed_in(plan.unit.form.a, rows.codes)
        tile = _multiply(lowered, plan, rows, operands.b, (start, stop), events, backend)
        y[:, start:stop], out = finish(tile.d, plan.unit.d, tile.scale, tile.bias, plan.output)
        beyond += out
        flushed += tile.flushed
        if tile.events is not None:
            total += tile.events
    return LayerOutput(
        y=lowered.assemble(y),
        events=with_flushed_in(total, flushed) if events else None,
        quantiser=quantiser,
        output=beyond,
        columns=operands.columns,
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


def _side(made: Quantised, scale: Float32, assignment: Assignment, operand: PerBlock | None, axis: int) -> Side:
    """Codes, and their scale either for the epilogue or, block by block, for the unit."""
    if made.block_scales is not None:
        tensor = None if scale == 1 else scale
        return Side(codes=made.codes, epilogue_scale=tensor, unit_scale=made.block_scales, beyond=made.beyond)
    if operand is None:
        return Side(codes=made.codes, epilogue_scale=scale if assignment.scheme.scales else None, unit_scale=None)
    shape = list(made.codes.shape)
    shape[axis] = operand.blocks(made.codes.shape[axis])
    scales = operand.format.encode(scale, Rounding.TIES_TO_EVEN, Overflow.SATURATE)
    return Side(codes=made.codes, epilogue_scale=None, unit_scale=np.broadcast_to(scales, shape))
