"""Some output elements of a layer, with everything that is needed to compute them again: rows of A, columns of B.

* Rows and columns are evenly spaced, the same ones on every machine; all of them if there are few enough.
* A row is looked at with every chosen column, in every group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.accelerators import LayerPlan
from emu.layers.gemm import Lowered
from emu.layers.operands import Operands, operands_of
from emu.layers.prepare import prepare
from emu.layers.static import AT_HAND, Static

Indices = NDArray[np.int64]
MOST_ELEMENTS = 4096
"""Elements of a layer that are looked at unless the caller says otherwise."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """One operand at the chosen rows or columns."""

    values: NDArray[np.float64]
    """before the scheme: [G, R, K] or [G, K, C]"""
    codes: NDArray[Any]
    """after it"""
    epilogue_scale: NDArray[np.float32] | None
    """broadcasts to [G, R, C]; None: 1, or applied by the unit"""
    unit_scale: NDArray[Any] | None
    """codes of the unit's scale operand: [G, R, blocks] or [G, blocks, C]"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """The chosen elements of one layer."""

    lowered: Lowered
    plan: LayerPlan
    rows: Indices
    columns: Indices
    a: Side
    b: Side
    bias: NDArray[Any] | None
    """broadcasts to [G, R, C]; as the layer has it, before beta"""

    places: Indices
    """[G, R, C]: the linear index of each in the layer's output"""

    def of(self, output: NDArray[Any]) -> NDArray[np.float64]:
        """The chosen elements [G, R, C] of a tensor of the layer's output shape."""
        return output.ravel()[self.places].astype(np.float64)


def explained(lowered: Lowered, plan: LayerPlan, static: Static = AT_HAND) -> tuple[Lowered, LayerPlan]:
    """The one product that a layer is after its transforms, which have no stage of their own.

    Raises:
        ValueError: there are several, zero points, a gain, a constant or integers in the epilogue: none has a place in
            the ladder.
    """
    if plan.epilogue.requantize is not None or plan.epilogue.constant != 1.0:
        raise ValueError(
            "an output that is requantised in integers, or multiplied by a constant, is not told apart into stages"
        )
    prepared = prepare(lowered, plan, static)
    if prepared.seconds:
        raise ValueError("the layer is split into several products, whose errors are not told apart")
    of_b = plan.weights if lowered.b_is_weights else plan.activations
    if plan.activations.scheme.asymmetric or of_b.scheme.asymmetric:
        raise ValueError("operands with zero points of a scheme are not told apart into stages")
    if plan.activations.scheme.codes_per_scale != 1 or of_b.scheme.codes_per_scale != 1:
        raise ValueError(
            "operands whose scales are ranges, with a constant to make up for it, have no stages of their own"
        )
    return prepared.lowered, prepared.plan


def take_sample(lowered: Lowered, plan: LayerPlan, static: Static = AT_HAND, most: int = MOST_ELEMENTS) -> Sample:
    """Choose elements.

    Args:
        lowered: the layer with its operands.
        plan: unit, schemes, epilogue.
        static: scales that were chosen beforehand.
        most: so many elements at most, but for one of each group.
    """
    g = lowered.geometry
    each = max(1, most // max(g.groups, 1))
    columns = spaced(g.n, max(1, min(g.n, each // min(g.m, max(1, int(each**0.5))) if g.m else each)))
    rows = spaced(g.m, max(1, each // columns.size))
    return sample_at(operands_of(lowered, plan, static), lowered, plan, rows, columns)


def sample_at(operands: Operands, lowered: Lowered, plan: LayerPlan, rows: Indices, columns: Indices) -> Sample:
    """The sample of these rows and columns."""
    values = lowered.geometry.rows(lowered.source, 0)
    of_rows = [operands.a(int(row), int(row) + 1) for row in rows]
    a = Side(
        values=np.concatenate([values(int(row), int(row) + 1) for row in rows], axis=1).astype(np.float64),
        codes=np.concatenate([side.codes for side in of_rows], axis=1),
        epilogue_scale=_joined([side.epilogue_scale for side in of_rows]),
        unit_scale=_joined([side.unit_scale for side in of_rows]),
    )
    whole = operands.b
    b = Side(
        values=lowered.b[:, :, columns].astype(np.float64), codes=whole.codes[:, :, columns],
        epilogue_scale=_columns(whole.epilogue_scale, columns), unit_scale=_columns(whole.unit_scale, columns),
    )  # fmt: skip
    return Sample(
        lowered=lowered, plan=plan, rows=rows, columns=columns, a=a, b=b, bias=_bias(lowered, rows, columns),
        places=_places(lowered, rows, columns),
    )  # fmt: skip


def _places(lowered: Lowered, rows: Indices, columns: Indices) -> Indices:
    g = lowered.geometry
    made = lowered.assemble(np.arange(g.groups * g.m * g.n).reshape(g.groups, g.m, g.n)).ravel()
    place = np.empty(made.size, np.int64)
    place[made] = np.arange(made.size)
    found: Indices = place.reshape(g.groups, g.m, g.n)[:, rows][:, :, columns]
    return found


def spaced(size: int, count: int) -> Indices:
    """At most `count` of `size` places, evenly spaced, the first one among them."""
    step = max(1, -(-size // max(count, 1)))
    return np.arange(0, size, step, dtype=np.int64)


def _joined(parts: list[Any]) -> Any:
    """Scales of rows put together; one that all rows share stays as it is."""
    first = parts[0]
    return first if first is None or first.ndim < 2 else np.concatenate(parts, axis=-2)


def _columns(scale: Any, columns: Indices) -> Any:
    return scale if scale is None or scale.ndim == 0 or scale.shape[-1] == 1 else scale[..., columns]


def _bias(lowered: Lowered, rows: Indices, columns: Indices) -> NDArray[Any] | None:
    bias = lowered.bias
    if bias is None:
        return None
    bias = bias if bias.shape[1] == 1 else bias[:, rows]
    return bias if bias.shape[2] == 1 else bias[:, :, columns]
