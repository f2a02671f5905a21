"""A lowered layer through a unit: values → transforms → codes and scales → unit → epilogue → values.

1. The plan's transforms change both operands (`emu.layers.prepare`).
2. Both are quantised (`emu.layers.operands`).
3. Row tile by row tile, the unit multiplies, and the epilogue (`emu.layers.epilogue`) makes values of the codes.
4. The outputs of second products (a transform that splits) are added, one after the other: in float32, then cast to the
   layer's output format.

* Tiles change no bit and no count (`emu.layers.flushed`). A unit with stochastic rounding numbers its draws by output
  element, so it is not tiled.
* Events are those of the first product; elements beyond a range are counted in all.
* Memory: B, one copy of A's source, the output, and one tile; never M × K or M × K × N.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.accelerators import LayerPlan
from emu.layers.epilogue import accumulator_bias, bias_scale, floats, scaled_bias
from emu.layers.flushed import flushed_in, no_events, with_flushed_in
from emu.layers.gemm import Lowered
from emu.layers.operands import Side, check_rows, operands_of
from emu.layers.prepare import prepare
from emu.layers.requantize import Scales, chosen_output, requantized
from emu.layers.static import AT_HAND, Static
from emu.schemes import Quantised
from emu.schemes.cast import Float32, OutOfRange
from emu.units.events import Events


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


def emulate(
    lowered: Lowered,
    plan: LayerPlan,
    *,
    static: Static = AT_HAND,
    backend: str | None = None,
    events: bool = True,
    columns: Quantised | None = None,
) -> LayerOutput:
    """Run one layer.

    Args:
        lowered: the layer with its operands.
        plan: transforms, unit, schemes, epilogue.
        static: what was chosen beforehand.
        backend: as for `Unit.matmul`.
        events: count them.
        columns: B quantised, from an earlier call with the same weights under the same plan; not looked at if what
            becomes of weights depends on the activations.

    Raises:
        FormatError: NaN in an operand whose format has none.
        ValueError: the unit cannot take this K, or the operator not this transform or granularity.
    """
    if lowered.b_is_weights and not plan.keeps_weights:
        columns = None
    prepared = prepare(lowered, plan, static)
    made = _first(prepared.lowered, prepared.plan, static, backend, events, columns)
    for second, of_second in prepared.seconds:
        more = emulate(second, of_second, backend=backend, events=False)
        with np.errstate(all="ignore"):
            y, beyond = plan.output(made.y + more.y)
        made = replace(made, y=y, quantiser=made.quantiser + more.quantiser, output=made.output + more.output + beyond)
    return made


def _first(
    lowered: Lowered, plan: LayerPlan, static: Static, backend: str | None, events: bool, columns: Quantised | None
) -> LayerOutput:
    """A layer without transforms."""
    operands = operands_of(lowered, plan, static, columns)
    y = lowered.new_product(np.float32)
    requantize = plan.epilogue.requantize
    if requantize is not None:
        check_rows(lowered, plan, operands)
    sums = None if requantize is None else np.empty(y.shape, plan.unit.d.code_dtype)
    total, beyond, flushed = no_events(plan.unit), OutOfRange(), operands.flushed(plan.unit) if events else 0
    quantiser = operands.beyond
    tiles = [(0, lowered.geometry.m)] if plan.unit.form.stochastic else lowered.tiles()
    for start, stop in tiles:
        rows = operands.a(start, stop)
        quantiser += rows.beyond
        if events and operands.source is None:
            flushed += flushed_in(plan.unit.form.a, rows.codes)
        tile = _multiply(lowered, plan, rows, operands.b, (start, stop), events, backend)
        if sums is None:
            y[:, start:stop], out = plan.output(tile.floats(plan))
            beyond += out
        else:
            sums[:, start:stop] = tile.d
            if static.y is None:
                y[:, start:stop] = tile.floats(plan)
        flushed += tile.flushed
        if tile.events is not None:
            total += tile.events
    if requantize is not None and sums is not None and sums.size:
        fixed = static.y or chosen_output(y, requantize)
        scales = Scales(a=tile.a, b=tile.b, alpha=lowered.alpha)  # of all tiles: none is of rows
        y, clamped = requantized(sums, plan.unit.d, scales, fixed, requantize, backend)
        y, out = plan.output(y)
        beyond += clamped + out
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
    a: Float32 | None
    b: Float32 | None
    """the epilogue's scales"""
    alpha: float
    bias: Float32 | None
    """of the epilogue"""
    events: Events | None
    flushed: int
    """elements of c that the unit takes for zero"""

    def floats(self, plan: LayerPlan) -> Float32:
        """The epilogue but for the last cast."""
        return floats(self.d, plan.unit.d, self.a, self.b, self.alpha, self.bias, plan.epilogue)


def _multiply(
    lowered: Lowered, plan: LayerPlan, a: Side, b: Side, rows: tuple[int, int], events: bool, backend: str | None
) -> _Tile:
    unit = plan.unit
    of_rows = lowered.bias_rows(*rows)
    bias = None if of_rows is None else scaled_bias(of_rows, lowered.beta)
    scale = partial(bias_scale, a.epilogue_scale, b.epilogue_scale, lowered.alpha, plan.epilogue)
    c = accumulator_bias(bias, scale, plan.bias, unit.c)
    result = unit.matmul(
        a.codes, b.codes, c, a_scale=a.unit_scale, b_scale=b.unit_scale, a_zero=a.zero, b_zero=b.zero,
        seed=plan.seed, events=events, backend=backend,
    )  # fmt: skip
    d, counted = result if events else (result, None)
    flushed = 0
    if events and c is not None and unit.form.c is not None:
        flushed = flushed_in(unit.form.c, np.broadcast_to(c, d.shape))
    return _Tile(
        d=d, a=a.epilogue_scale, b=b.epilogue_scale, alpha=lowered.alpha, bias=bias if c is None else None,
        events=counted, flushed=flushed,
    )  # fmt: skip
