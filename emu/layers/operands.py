"""The operands of a lowered layer, quantised: what goes to the unit, and what is left for the epilogue.

1. B is quantised whole: by the weights' scheme, or by the activations' scheme if it is a second activation.
   `per = channel` (or `token`) is one scale per column of B, the same for all phases of a transposed convolution;
   `matrix` one per matrix of the batch.
2. A's source is quantised whole, before it is lowered: each element is encoded once, however many rows read it. Rows
   are gathered from codes, with the code of zero (of the zero point) in the padding. `per = token` is one scale per row
   of a matrix, per image of a convolution; `channel` one per input channel, for a unit that takes one for every k, or
   where every group of a convolution has one channel.
3. What lies along K in each row (block formats, `per = group`) is made of rows: A is gathered as values and quantised
   tile by tile, as hardware quantises what it multiplies.

* A unit that takes block scales gets them. Of a scheme without blocks and groups the scale is repeated for every block,
  as codes of the unit's scale format, and left out of the epilogue.
* Stochastic encoders take the plan's seed, that of B with its last bit turned over.
* Zero points go to the unit's run-time zero points.
* Where zeros of a padding have no one zero point (per token, per channel), padding is made part of the source first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emu.accelerators import LayerPlan
from emu.formats import Overflow, Rounding
from emu.layers.flushed import flushed_in
from emu.layers.gemm import Lowered
from emu.layers.static import AT_HAND, Static, fixed_scale
from emu.schemes import Assignment, Fixed, Granularity, Quantised, Target
from emu.schemes.cast import Float32, OutOfRange
from emu.schemes.draft import Step
from emu.schemes.scaling import integer_range
from emu.schemes.scheme import in_groups
from emu.schemes.steps.encode import EncodeStep

if TYPE_CHECKING:
    from emu.units import Unit
    from emu.units.form import Operand, PerBlock

ROW_AXIS, COLUMN_AXIS = -1, -2
"""Where K is: the last axis of A, the last but one of B."""
ALL_BUT_K = (-4, -3, -1)
"""Of B [G / phases, phases, K, N], as the next."""
PHASE_AXIS = -3
"""Of B [G / phases, phases, K, N]."""


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
    zero: NDArray[Any] | None = None
    """for the unit's own zero points"""


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
    lowered: Lowered, plan: LayerPlan, static: Static = AT_HAND, columns: Quantised | None = None
) -> Operands:
    """Quantise both operands of a layer without transforms; arguments and errors as in `emulate`."""
    unit = plan.unit
    per = plan.activations.per
    if plan.activations.scheme.asymmetric and per in (Granularity.TOKEN, Granularity.CHANNEL, Granularity.MATRIX):
        lowered = lowered.padded()
    of_b = columns or static.columns or _quantised_columns(lowered, plan, static)
    assignment = plan.weights if lowered.b_is_weights else plan.activations
    b = _side(of_b, assignment, unit.scale_b, unit.form.b, COLUMN_AXIS)
    if plan.activations.scheme.blocks is not None or per is Granularity.GROUP:
        return Operands(a=_rows_by_themselves(lowered, plan), b=b, source=None, columns=of_b)
    of_a = _quantised_source(lowered, plan, static)
    codes = lowered.geometry.rows(of_a.codes, _fill(of_a, unit.form.a, plan.activations.scheme.steps[-1]))
    scales = _of_rows(lowered, plan, of_a.scale)
    zeros = None if of_a.zero is None else _of_rows(lowered, plan, of_a.zero)

    def some(start: int, stop: int) -> Side:
        part = replace(
            of_a, codes=codes(start, stop), scale=scales(start, stop),
            zero=None if zeros is None else zeros(start, stop), beyond=OutOfRange(),
        )  # fmt: skip
        return _side(part, plan.activations, unit.scale_a, unit.form.a, ROW_AXIS)

    return Operands(a=some, b=b, source=of_a, columns=of_b)


def _fill(made: Quantised, operand: Operand, last: Step) -> Any:
    """The code of the zeros around a source, rounded as they are where the format has none."""
    if made.zero is None or made.zero.ndim:
        how = last.rounding if isinstance(last, EncodeStep) and not last.stochastic else Rounding.TIES_TO_EVEN
        return operand.format.encode(np.zeros((), np.float32), how)
    low, high = integer_range(operand.format)  # a zero point may be outside: the nearest code stands for 0 then
    return made.codes.dtype.type(min(max(int(made.zero), low), high) & ((1 << operand.format.bits) - 1))


def _of_rows(lowered: Lowered, plan: LayerPlan, scale: NDArray[Any]) -> Callable[[int, int], NDArray[Any]]:
    """Scales (or zero points) of the source as those of A's rows: [G or 1, rows or 1, K or 1], or 0-D."""
    if not scale.ndim:
        return lambda *_: scale
    geometry = lowered.geometry
    if plan.activations.per is not Granularity.CHANNEL:
        return geometry.row_scales(scale)
    of_k = scale.ravel()[geometry.channel_of_k]
    if plan.unit.scale_a is not None and plan.unit.scale_a.block == 1:
        return lambda *_: of_k[:, None, :]
    if not _one_channel(lowered):
        raise ValueError(
            f"unit {plan.unit.name} has no scale for every k, so per = 'channel' of activations needs a convolution "
            "with one input channel for each group"
        )
    return lambda *_: of_k[:, None, :1]


def check_rows(lowered: Lowered, plan: LayerPlan, operands: Operands) -> None:
    """Refuse a layer whose rows of one product have scales of their own, where it needs one for all.

    Raises:
        ValueError: several matrices, or images, are rows of one product.
    """
    source = operands.source
    if plan.activations.per is not Granularity.MATRIX or plan.unit.scale_a is not None or source is None:
        return
    if not source.scale.ndim:
        return
    places = np.arange(source.scale.size).reshape(source.scale.shape)
    of_rows = lowered.geometry.row_scales(places)(0, lowered.geometry.m)
    if (of_rows != of_rows[:, :1]).any():
        raise ValueError(
            "a multiplier is of the layer or of an output channel, and here activations.per = 'matrix' is of rows: "
            "several matrices, or images, are multiplied by the same weights"
        )


def _one_channel(lowered: Lowered) -> bool:
    of_k = lowered.geometry.channel_of_k
    return bool((of_k == of_k[:, :1]).all())


def _quantised_source(lowered: Lowered, plan: LayerPlan, static: Static = AT_HAND) -> Quantised:
    """A's source as codes of its shape."""
    return _quantise(lowered.source, plan.activations, _target_of_source(lowered, plan, static))


def _target_of_source(lowered: Lowered, plan: LayerPlan, static: Static = AT_HAND) -> Target:
    """What A's source is to be turned into."""
    unit = plan.unit
    axes = source_axes(lowered, plan.activations.per)
    fixed = lowered.fixed_a or static.a
    if fixed is None and lowered.ranges is not None:
        fixed = fixed_scale(lowered.ranges, plan, axes=axes)
    return Target(
        format=unit.a,
        axes=axes,
        scale=None if fixed is None else fixed.scale,
        zero=None if fixed is None else fixed.zero,
        scale_format=None if unit.scale_a is None else unit.scale_a.format,
        name=lowered.source_name,
        partner=lambda: np.asarray(lowered.b, np.float32),
        seed=plan.seed,
    )


def source_axes(lowered: Lowered, per: Granularity) -> tuple[int, ...] | None:
    """The axes of A's source that one scale covers; None: all."""
    geometry = lowered.geometry
    rank = lowered.source.ndim
    match per:
        case Granularity.TOKEN:
            return geometry.token_axes
        case Granularity.MATRIX:
            return geometry.matrix_axes
        case Granularity.CHANNEL:
            return tuple(axis for axis in range(rank) if axis != geometry.channel_axis % rank)
    return None


def _quantised_columns(lowered: Lowered, plan: LayerPlan, static: Static = AT_HAND) -> Quantised:
    """B as the unit gets it; its scales, where there are several, as [G, …, N]."""
    assignment = plan.weights if lowered.b_is_weights else plan.activations
    groups, k, n = lowered.b.shape
    made = _quantise(_by_phases(lowered), assignment, _target_of_columns(lowered, plan, static))
    blocks = made.block_scales
    return replace(
        made,
        codes=made.codes.reshape(groups, k, n),
        scale=_by_group(made.scale, lowered.phases),
        block_scales=None if blocks is None else blocks.reshape(groups, blocks.shape[COLUMN_AXIS], n),
        zero=None if made.zero is None else (
            _by_group(made.zero, lowered.phases) if blocks is None
            else made.zero.reshape(groups, blocks.shape[COLUMN_AXIS], n)
        ),
    )  # fmt: skip


def _by_phases(lowered: Lowered) -> NDArray[Any]:
    """B as [G / phases, phases, K, N]."""
    groups, k, n = lowered.b.shape
    return lowered.b.reshape(groups // lowered.phases, lowered.phases, k, n)


def _target_of_columns(lowered: Lowered, plan: LayerPlan, static: Static = AT_HAND) -> Target:
    """What B, by phases, is to be turned into."""
    assignment = plan.weights if lowered.b_is_weights else plan.activations
    scale = plan.unit.scale_b
    fixed = lowered.fixed_b or (None if lowered.b_is_weights else static.b)
    axes: dict[Granularity, tuple[int, ...] | None] = {
        Granularity.TENSOR: None, Granularity.GROUP: None, Granularity.MATRIX: (PHASE_AXIS, COLUMN_AXIS, -1),
    }  # fmt: skip
    if not lowered.b_is_weights and assignment.per is Granularity.CHANNEL:
        axes[Granularity.CHANNEL] = ALL_BUT_K
        if scale is None or scale.block != 1:
            raise ValueError(f"unit {plan.unit.name} has no scale for every k at operand b: per = 'channel' needs one")
    if assignment.scheme.asymmetric and plan.unit.form.b.zero is None:
        raise ValueError(f"unit {plan.unit.name} takes no zero points at operand b: give this layer a rule of its own")
    grouped = assignment.per is Granularity.GROUP
    if grouped and (scale is None or scale.block is None):
        raise ValueError(f"unit {plan.unit.name} takes no scales for groups at operand b")
    return Target(
        format=plan.unit.b,
        axes=axes.get(assignment.per, (PHASE_AXIS, COLUMN_AXIS)),
        scale=None if fixed is None else fixed.scale,
        zero=None if fixed is None else fixed.zero,
        scale_format=None if scale is None else scale.format,
        name=lowered.b_name,
        k_axis=COLUMN_AXIS,
        group=scale.block if grouped and scale is not None else None,
        partner=lambda: _rows_of(lowered),
        seed=None if plan.seed is None else plan.seed ^ 1,
    )


def _rows_of(lowered: Lowered) -> Float32:
    """A whole, as values [G / phases, phases, M, K]."""
    geometry = lowered.geometry
    rows = geometry.rows(np.asarray(lowered.source, np.float32), np.float32(0))(0, geometry.m)
    made: Float32 = rows.reshape(geometry.groups // lowered.phases, lowered.phases, geometry.m, geometry.k)
    return made


def _by_group(scale: NDArray[Any], phases: int) -> NDArray[Any]:
    """[G / phases, 1, …] as [G, …]; one that all share stays as it is."""
    return scale if scale.ndim == 0 else np.repeat(scale[:, 0], phases, axis=0)


def _rows_by_themselves(lowered: Lowered, plan: LayerPlan) -> Callable[[int, int], Side]:
    """Rows of A, gathered as values and quantised along K; the tensor's scale is that of the whole source."""
    _check_ranges(lowered)
    unit = plan.unit
    scale = unit.scale_a
    values = lowered.geometry.rows(lowered.source.astype(np.float32, copy=False), np.float32(0))
    magnitude = np.abs(lowered.source[np.isfinite(lowered.source)])
    target = Target(
        format=unit.a,
        scale_format=None if scale is None else scale.format,
        name=lowered.source_name,
        tensor_absmax=float(np.float32(magnitude.max(initial=0.0))),
        group=scale.block if scale is not None and plan.activations.per is Granularity.GROUP else None,
        partner=lambda: np.asarray(lowered.b, np.float32),
        seed=plan.seed,
    )

    def some(start: int, stop: int) -> Side:
        made = _quantise(np.ascontiguousarray(values(start, stop)), plan.activations, target)
        return _side(made, plan.activations, unit.scale_a, unit.form.a, ROW_AXIS)

    return some


def _check_ranges(lowered: Lowered) -> None:
    if lowered.ranges is not None:
        raise ValueError("scales of blocks and groups see what they scale, and a transform here gives other values")


def _quantise(values: NDArray[Any], assignment: Assignment, target: Target) -> Quantised:
    return assignment.scheme.quantise(values.astype(np.float32, copy=False), target)


def _side(made: Quantised, assignment: Assignment, scale: PerBlock | None, operand: Operand, axis: int) -> Side:
    """Codes, and their scale either for the epilogue or, block by block, for the unit."""
    zero = made.zero
    if zero is not None and zero.ndim and operand.zero is not None:
        shape = list(made.codes.shape)
        shape[axis] = operand.zero.blocks(made.codes.shape[axis])
        zero = np.broadcast_to(zero, shape)
    if made.block_scales is not None:
        tensor = None if made.scale.ndim == 0 and made.scale == 1 else made.scale
        return Side(
            codes=made.codes, epilogue_scale=tensor, unit_scale=made.block_scales, beyond=made.beyond, zero=zero
        )  # fmt: skip
    if scale is None:
        of_epilogue = made.scale if assignment.scheme.scales else None
        if of_epilogue is not None and made.outer is not None:
            of_epilogue = of_epilogue * made.outer
        return Side(codes=made.codes, epilogue_scale=of_epilogue, unit_scale=None, beyond=made.beyond, zero=zero)
    shape = list(made.codes.shape)
    shape[axis] = scale.blocks(made.codes.shape[axis])
    scales = scale.format.encode(made.scale, Rounding.TIES_TO_EVEN, Overflow.SATURATE)
    unit_scale = np.broadcast_to(scales, shape)
    return Side(
        codes=made.codes, epilogue_scale=made.outer, unit_scale=unit_scale, beyond=made.beyond, zero=zero
    )  # fmt: skip


def requantised_source(lowered: Lowered, plan: LayerPlan) -> Float32:
    """A's source as its codes and scales mean it, as float32 values of its shape.

    Raises:
        ValueError: codes that are made of rows (blocks, groups), which have no shape of the source.
    """
    by_rows = plan.activations.scheme.blocks is not None or plan.activations.per is Granularity.GROUP
    if by_rows:
        geometry = lowered.geometry
        if geometry.channel_axis % lowered.source.ndim != lowered.source.ndim - 1:
            raise ValueError("what is quantised along K has no values in the shape of a convolution's input")
        _check_ranges(lowered)
        unit = plan.unit
        scale = unit.scale_a
        target = Target(
            format=unit.a, scale_format=None if scale is None else scale.format, name=lowered.source_name,
            group=scale.block if scale is not None and plan.activations.per is Granularity.GROUP else None,
        )  # fmt: skip
        made = _quantise(lowered.source, plan.activations, target)
        return _values(made, plan.activations, unit.form.a, scale, ROW_AXIS)
    return _values(_quantised_source(lowered, plan), plan.activations, plan.unit.form.a, None, ROW_AXIS)


def requantised_columns(lowered: Lowered, plan: LayerPlan) -> Float32:
    """B as its codes and scales mean it, as float32 values of its shape."""
    made = _quantised_columns(lowered, plan)
    return _values(made, plan.weights, plan.unit.form.b, plan.unit.scale_b, COLUMN_AXIS)


def scale_of_source(lowered: Lowered, plan: LayerPlan) -> Fixed | None:
    """What the scheme of A chooses for its source; None if it has no scale, or more than could be given."""
    if plan.activations.scheme.blocks is not None or plan.activations.per is Granularity.GROUP:
        return None
    values = lowered.source.astype(np.float32, copy=False)
    return plan.activations.scheme.choose(values, _target_of_source(lowered, plan))


def scale_of_columns(lowered: Lowered, plan: LayerPlan) -> Fixed | None:
    """What the scheme of the weights chooses, by phases; None likewise."""
    if plan.weights.scheme.blocks is not None or plan.weights.per is Granularity.GROUP:
        return None
    values = _by_phases(lowered).astype(np.float32, copy=False)
    return plan.weights.scheme.choose(values, _target_of_columns(lowered, plan))


def _values(made: Quantised, assignment: Assignment, operand: Operand, scale: PerBlock | None, axis: int) -> Float32:
    """(code - zero) · scale / codes_per_scale, in float64 and rounded once."""
    values = operand.format.decode(made.codes)
    zero, scales = made.zero, made.scale.astype(np.float64) / assignment.scheme.codes_per_scale
    if made.outer is not None:
        scales = scales * made.outer
    if made.block_scales is not None:
        assert scale is not None
        k, size = values.shape[axis], scale.block or values.shape[axis]
        cut = in_groups(values, axis % values.ndim, size)
        place = axis % values.ndim + 1
        if zero is not None:
            cut = cut - np.expand_dims(zero, place)
        spread = cut * np.expand_dims(scale.format.decode(made.block_scales), place) * scales
        flat = spread.reshape(*values.shape[: place - 1], cut.shape[place - 1] * size, *values.shape[place:])
        return flat.take(range(k), axis=place - 1).astype(np.float32)
    if zero is not None:
        values = values - zero
    return np.asarray(values * scales, np.float32)
