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


@dataclass(frozen=True, kw_only=True)
class _Side:
    """One operand of the unit, quantised."""

    codes: NDArray[Any]
    epilogue_scale: Float32 | None
    """None: 1, or applied by the unit"""
    unit_scale: NDArray[Any] | None
    """codes for the unit's own scale operand"""


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
    return _Emulation(lowered, plan, static, backend).run(events, columns)


class _Emulation:
    """The state of one call of `emulate`."""

    def __init__(self, lowered: Lowered, plan: LayerPlan, static: StaticScales, backend: str | None) -> None:
        self.lowered, self.plan, self.static, self.backend = lowered, plan, static, backend
        self.beyond = OutOfRange()
        self.flushed = 0

    def run(self, events: bool, columns: Quantised | None) -> LayerOutput:
        """All tiles."""
        lowered, plan = self.lowered, self.plan
        columns = columns or self._quantised_columns()
        b = self._columns(columns, events)
        tile_of = self._rows(events)
        y = lowered.new_product(np.float32)
        total, beyond = no_events(plan.unit), OutOfRange()
        tiles = [(0, lowered.geometry.m)] if plan.unit.form.stochastic else lowered.tiles()
        for start, stop in tiles:
            d, t, bias, counted = self._multiply(tile_of(start, stop), b, start, stop, events)
            y[:, start:stop], out = finish(d, plan.unit.d, t, bias, plan.output)
            beyond += out
            if counted is not None:
                total += counted
        return LayerOutput(
            y=lowered.assemble(y),
            events=with_flushed_in(total, self.flushed) if events else None,
            quantiser=self.beyond,
            output=beyond,
            columns=columns,
        )

    def _multiply(
        self, a: _Side, b: _Side, start: int, stop: int, events: bool
    ) -> tuple[NDArray[Any], Float32 | None, Float32 | None, Events | None]:
        """One tile: d, the scale product, the bias for the epilogue, the events."""
        lowered, plan, unit = self.lowered, self.plan, self.plan.unit
        t = scale_product(a.epilogue_scale, b.epilogue_scale, lowered.alpha)
        rows = lowered.bias_rows(start, stop)
        bias = None if rows is None else scaled_bias(rows, lowered.beta)
        c = None
        if bias is not None and plan.bias is BiasPlacement.C and unit.c is not None:
            c, bias = bias_codes(bias, t, unit.c), None
        result = unit.matmul(
            a.codes, b.codes, c, a_scale=a.unit_scale, b_scale=b.unit_scale,
            seed=plan.seed, events=events, backend=self.backend,
        )  # fmt: skip
        d, counted = result if events else (result, None)
        if events and c is not None and unit.form.c is not None:
            self.flushed += flushed_in(unit.form.c, np.broadcast_to(c, d.shape))
        return d, t, bias, counted

    @property
    def _b_assignment(self) -> Assignment:
        return self.plan.weights if self.lowered.b_is_weights else self.plan.activations

    def _quantised_columns(self) -> Quantised:
        """B, quantised whole."""
        lowered, unit, assignment = self.lowered, self.plan.unit, self._b_assignment
        target = Target(
            format=unit.b,
            axes=(COLUMN_AXIS,) if assignment.per_line else None,
            scale=self.static[1],
            scale_format=None if unit.scale_b is None else unit.scale_b.format,
            name=lowered.b_name,
        )
        return assignment.scheme.quantise(lowered.b.astype(np.float32, copy=False), target)

    def _columns(self, whole: Quantised, events: bool) -> _Side:
        """B for the unit, and its share of the counts."""
        unit = self.plan.unit
        self.beyond += whole.beyond
        if events:
            self.flushed += flushed_in(unit.form.b, whole.codes)
        return _side(whole.codes, whole.scale, self._b_assignment, unit.scale_b, COLUMN_AXIS)

    def _rows(self, events: bool) -> Callable[[int, int], _Side]:
        """A function from (start, stop) to that tile of A, quantised."""
        lowered, unit, assignment = self.lowered, self.plan.unit, self.plan.activations
        target = Target(
            format=unit.a,
            axes=lowered.geometry.token_axes if assignment.per_line else None,
            scale=self.static[0],
            scale_format=None if unit.scale_a is None else unit.scale_a.format,
            name=lowered.source_name,
        )
        whole = assignment.scheme.quantise(lowered.source.astype(np.float32, copy=False), target)
        self.beyond += whole.beyond
        if events:
            self.flushed += flushed_in(unit.form.a, whole.codes)
        codes = lowered.geometry.rows(whole.codes, unit.a.encode(np.zeros((), np.float32)))
        scales = lowered.geometry.row_scales(whole.scale) if whole.scale.ndim else lambda *_: whole.scale
        return lambda start, stop: _side(codes(start, stop), scales(start, stop), assignment, unit.scale_a, ROW_AXIS)


def _side(codes: NDArray[Any], scale: Float32, assignment: Assignment, operand: PerBlock | None, axis: int) -> _Side:
    """Codes, and their scale either for the epilogue or, block by block, for the unit."""
    if operand is None:
        return _Side(codes=codes, epilogue_scale=scale if assignment.scheme.scales else None, unit_scale=None)
    shape = list(codes.shape)
    shape[axis] = operand.blocks(codes.shape[axis])
    scales = operand.format.encode(scale, Rounding.TIES_TO_EVEN, Overflow.SATURATE)
    return _Side(codes=codes, epilogue_scale=None, unit_scale=np.broadcast_to(scales, shape))
