"""A layer's output as integers of its own scale, made of the unit's integers: `[matrix.epilogue]`, `requantize`.

1. s_y and z are chosen by the output's scheme, one for the layer: from calibration data (`static`: the layer in
   float64, rounded to float32), or from the whole output in floats (`dynamic`): steps 1 to 4 of `emu.layers.epilogue`.
2. M = (s_a · s_b · alpha) / s_y, in float32 or float64, one rounding each; one for the layer, or for an output channel.
3. q = clamp(round(d · M) + z), by the arithmetic of the rule. It stands in `emu.units.requantize` alone: here a unit
   without products (K = 0), whose c is d, has it as its output stage.
4. y = fl32((q − z) · s_y), or fl32((q − z) / r) of r = fl32(1 / s_y).

* A bias is in d: `bias = "c"`, in units of fl32(s_a · s_b · alpha), ties to even.
* Elements beyond the output's range are counted where step 3 clamps.

Not modelled: a multiplier that differs by row; outputs handed to the next layer as they are, without step 4 and that
layer's own quantisation (which finds the same codes if it has the same scale).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.accelerators.epilogue import Dequantize, Precision, Requantize
from emu.errors import SpecError
from emu.formats import EventKind, Format, Rounding
from emu.schemes import Fixed, Target
from emu.schemes.cast import Float32, OutOfRange
from emu.units import Unit, load_unit
from emu.units.enums import RequantizeRule

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Scales:
    """The scales of both operands, and Gemm's alpha; None is 1."""

    a: Float32 | None
    b: Float32 | None
    alpha: float = 1.0

    def over(self, output: Float32, precision: Precision) -> Floats:
        """(s_a · s_b · alpha) / s_y."""
        kind = np.float64 if precision is Precision.DOUBLE else np.float32
        made = np.ones((), kind)
        with np.errstate(all="ignore"):
            for factor in (self.a, self.b, None if self.alpha == 1.0 else np.asarray(self.alpha, np.float32)):
                if factor is not None:
                    made = np.multiply(made, factor, dtype=kind)
            return np.divide(made, output, dtype=kind).astype(np.float64)


def chosen_output(y: Float32, how: Requantize, name: str = "y") -> Fixed:
    """s_y and z of an output."""
    found = how.scheme.choose(np.asarray(y, np.float32), Target(format=how.format, name=name))
    assert found is not None  # the scheme scales
    return found


def requantized(
    d: NDArray[Any], fmt: Format, scales: Scales, output: Fixed, how: Requantize, backend: str | None = None
) -> tuple[Float32, OutOfRange]:
    """Steps 2 to 4.

    Args:
        d: codes of the sums [G, M, N], bias included.
        fmt: their format.
        scales: of the operands, one for the layer, a group or a column.
        output: s_y and z.
        how: the rule.
        backend: as for `Unit.matmul`.

    Raises:
        ValueError: a multiplier that the rule cannot take.
    """
    groups, m, columns = d.shape
    multipliers = scales.over(output.scale, how.multiplier)
    if multipliers.ndim > 1:
        multipliers = multipliers[..., :1, :]  # rows have all the same
    zero = 0 if output.zero is None else int(output.zero)
    if multipliers.ndim < 3 or multipliers.shape[0] == 1:  # groups below each other
        rows, of_columns = d.reshape(groups * m, columns), multipliers.reshape(-1)
    else:  # beside each other
        rows = d.swapaxes(0, 1).reshape(m, groups * columns)
        of_columns = np.broadcast_to(multipliers, (groups, 1, columns)).reshape(-1)
    unit = output_stage(fmt, how.format, how.rule, how.rounding, tuple(of_columns.tolist()), zero)
    empty = np.empty((rows.shape[0], 0), np.uint8), np.empty((0, rows.shape[1]), np.uint8)
    made, events = unit.matmul(*empty, rows, events=True, backend=backend)
    clamped = events.of("output").get(EventKind.SATURATED.value, 0)
    q = made.reshape(d.shape) if rows.shape[1] == columns else made.reshape(m, groups, columns).swapaxes(0, 1)
    return dequantized(q, output, how), OutOfRange(saturated=clamped)


def dequantized(q: NDArray[Any], output: Fixed, how: Requantize) -> Float32:
    """What codes of an output mean."""
    zero = 0 if output.zero is None else output.zero
    values = (how.format.decode(q) - zero).astype(np.float32)
    with np.errstate(all="ignore"):
        if how.dequantize is Dequantize.MULTIPLY:
            return np.multiply(values, output.scale, dtype=np.float32)
        return np.divide(values, np.divide(np.float32(1), output.scale, dtype=np.float32), dtype=np.float32)


@lru_cache(maxsize=256)
def output_stage(
    d: Format, q: Format, rule: RequantizeRule, rounding: Rounding | None, multipliers: tuple[float, ...], zero: int
) -> Unit:
    """The unit without products that requantises its c.

    Raises:
        ValueError: a multiplier that the rule cannot take.
    """
    stage: dict[str, Any] = {"rule": rule.value, "multiplier": multipliers, "zero_point": zero}
    if rounding is not None:
        stage["rounding"] = rounding.value
    keys = {
        "name": f"{rule.value} of {d.name} to {q.name}", "level": [{}], "requantize": stage,
        "operands": {"a": "uint1", "b": "uint1", "c": _keys(d), "d": _keys(q)},
    }  # fmt: skip
    try:
        return load_unit(keys)
    except SpecError as error:
        raise ValueError(f"the output cannot be requantised: {error.reason} (M = {error.value})") from None


def _keys(fmt: Format) -> dict[str, Any]:
    return {"kind": "integer", "bits": fmt.bits, "signed": fmt.signed, "symmetric": fmt.symmetric}
