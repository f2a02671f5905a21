"""Combinations of unit, schemes and output that cannot run, or whose every result would be an infinity or a NaN.

Found when the accelerator is loaded, before any model is.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from emu.accelerators.plan import BiasPlacement, LayerPlan
from emu.errors import OverflowRaised, SpecError
from emu.formats import Format, Overflow
from emu.formats.cast import check_cast
from emu.formats.codec import fits_float64
from emu.formats.enums import FormatKind, IntegerEncoding
from emu.schemes import Assignment, Granularity, Range
from emu.units import Unit
from emu.units.form import PerBlock


def check_plan(plan: LayerPlan, file: str, key: str) -> None:
    """Refuse what cannot be run.

    Args:
        plan: the layer plan.
        file: the accelerator's file, for the error message.
        key: where in it the plan stands.

    Raises:
        SpecError: a format that a scheme cannot encode, scale or decode, or maxima whose product is not finite.
    """
    unit = plan.unit
    sides = [
        ("activations", unit.a, plan.activations, unit.scale_a),
        ("weights", unit.b, plan.weights, unit.scale_b),
        ("activations", unit.b, plan.activations, unit.scale_b),  # a second activation enters at b
    ]
    if plan.gradients is not None:
        sides.append(("gradients", unit.a, plan.gradients, unit.scale_a))
        if plan.gradients.per is Granularity.CHANNEL and (unit.scale_a is None or unit.scale_a.block != 1):
            reason = "a scale for everything that is summed over needs a unit that takes one for every k"
            raise SpecError(reason, file=file, key=f"{key}.gradients.per", value=plan.gradients.per.value)
    for side, fmt, assignment, scale in sides:
        if side != "weights" and assignment.scheme.looks:
            reason = f"scheme {assignment.scheme.name!r} is for weights: it looks at the activations of their layer"
            raise SpecError(reason, file=file, key=f"{key}.{side}.scheme")
        if assignment.scheme.blocks is not None:
            _check_blocks(assignment, fmt, scale, file, f"{key}.{side}")
        else:
            assignment.scheme.check(fmt, file, f"{key}.{side}.scheme")
            _check_granularity(assignment, scale, file, f"{key}.{side}.per", weights=side == "weights")
    of_zeros = [("activations", unit.form.a, plan.activations), ("weights", unit.form.b, plan.weights)]
    for side, operand, assignment in of_zeros:
        if assignment.scheme.asymmetric and operand.zero is None:
            reason = f"scheme {assignment.scheme.name!r} makes zero points, and unit {unit.name} takes none there"
            raise SpecError(reason, file=file, key=f"{key}.{side}.scheme")
    for scale in (unit.scale_a, unit.scale_b):
        if scale is not None:
            check_cast(scale.format, overflow=Overflow.SATURATE, file=file, key=f"{key}.unit")
    for what, fmt, where in (("operand d", unit.d, "unit"), ("output", plan.output.format, "output")):
        if not fits_float64(fmt):
            reason = f"{what} has format {fmt.name}, with values that float64 does not hold: a layer gives tensors"
            raise SpecError(reason, file=file, key=f"{key}.{where}")
    if plan.weights.scheme.looks:
        _check_looking(plan, file, key)
    if plan.epilogue.requantize is not None:
        _check_requantize(plan, file, f"{key}.epilogue.requantize")
    scaled = [side for side in (plan.activations, plan.gradients) if side is not None and side.scheme.scales]
    if scaled and plan.weights.scheme.scales and not _product_is_finite(unit, plan.seed):
        reason = (
            f"scheme {scaled[0].scheme.name!r} scales operands up to the largest values of {unit.a.name} and "
            f"{unit.b.name}, and in unit {unit.name} the product of these two is not finite: "
            'use scheme "cast", which does not scale'
        )
        raise SpecError(
            reason, file=file, key=f"{key}.{'activations' if scaled[0] is plan.activations else 'gradients'}.scheme"
        )


def _check_looking(plan: LayerPlan, file: str, key: str) -> None:
    """Weights whose codes depend on activations are those that the transforms know."""
    name = plan.weights.scheme.name
    for index, one in enumerate(plan.transforms):
        if one.transform.reads:
            reason = f"it needs the codes of the weights, and those of scheme {name!r} depend on what it does"
            raise SpecError(reason, file=file, key=f"{key}.transform[{index}]")
        if plan.static and one.range is Range.DYNAMIC and (one.transform.looks or one.transform.compares):
            reason = f"weights of scheme {name!r} are of calibration inputs here, and so is what changes with them"
            where = f"{key}.transform[{index}].range"
            raise SpecError(reason, file=file, key=where, value=one.range.value, allowed=(Range.STATIC.value,))


def is_twos_complement(fmt: Format) -> bool:
    """Whether codes are integers, two's complement or unsigned."""
    return fmt.kind is FormatKind.INTEGER and fmt.encoding is IntegerEncoding.TWOS_COMPLEMENT


def _check_requantize(plan: LayerPlan, file: str, key: str) -> None:
    """The sum is an integer, and every output channel has one multiplier."""
    if not is_twos_complement(plan.unit.d):
        reason = f"unit {plan.unit.name} gives {plan.unit.d.name}; only integers are requantised"
        raise SpecError(reason, file=file, key=key)
    if plan.activations.per is Granularity.TOKEN:
        reason = 'a multiplier is of the layer or of an output channel, and activations.per = "token" is of rows'
        raise SpecError(reason, file=file, key=key)
    if plan.bias is not BiasPlacement.C:
        raise SpecError('the bias is added in integers: bias = "c"', file=file, key=key)
    if not plan.epilogue.plain:
        reason = "the output is made in integers: the epilogue's other keys stay at their defaults"
        raise SpecError(reason, file=file, key=key)


def _check_granularity(assignment: Assignment, scale: PerBlock | None, file: str, key: str, *, weights: bool) -> None:
    """Where scales differ along K, the unit applies them."""
    per = assignment.per
    if per is Granularity.GROUP and assignment.scheme.stochastic:
        reason = "groups are made row by row, and stochastic rounding goes by an element's place in its tensor"
        raise SpecError(reason, file=file, key=key)
    if per is Granularity.GROUP and (scale is None or scale.block is None):
        reason = "groups along K need a unit with a scale operand for every so many k (`scale.x.block`) on this side"
        raise SpecError(reason, file=file, key=key, value=per.value)
    if per is Granularity.GROUP and assignment.scheme.spans:
        reason = f"scheme {assignment.scheme.name!r} looks at all channels at once, not at groups along K"
        raise SpecError(reason, file=file, key=key, value=per.value)
    if per is Granularity.CHANNEL and not weights and scale is not None and scale.block not in (None, 1):
        reason = f"a scale for every input channel needs a unit that takes one for every k, not for every {scale.block}"
        raise SpecError(reason, file=file, key=key, value=per.value)


def _check_blocks(assignment: Assignment, fmt: Format, scale: PerBlock | None, file: str, key: str) -> None:
    """The unit takes the elements and the scales that the scheme makes, block by block."""
    blocks = assignment.scheme.blocks
    assert blocks is not None
    if assignment.per_line or assignment.range is Range.STATIC:
        raise SpecError("blocks have scales of their own: per tensor, dynamic", file=file, key=key)
    wanted = f"elements of {blocks.element.name} with a scale of {blocks.scale.name} for every {blocks.block}"
    taken = "no block scales" if scale is None else f"a scale of {scale.format.name} for every {scale.block or 'row'}"
    if scale is None or (fmt, scale.format, scale.block) != (blocks.element, blocks.scale, blocks.block):
        reason = f"scheme {assignment.scheme.name!r} makes {wanted}; the unit takes {fmt.name} with {taken}"
        raise SpecError(reason, file=file, key=f"{key}.scheme")


@lru_cache(maxsize=1024)
def _product_is_finite(unit: Unit, seed: int | None) -> bool:
    """Whether the unit gives a number for the product of the two largest operands alone; scales are 1."""
    a, b = (_code(fmt, fmt.max_finite) for fmt in (unit.a, unit.b))
    scales = [None if scale is None else _code(scale.format, 1.0) for scale in (unit.scale_a, unit.scale_b)]
    try:
        d = unit.matmul(a, b, a_scale=scales[0], b_scale=scales[1], seed=seed, backend="reference")
    except OverflowRaised:
        return True  # a range check, which is meant to fail when the layer runs
    return bool(np.isfinite(unit.d.decode(d)).all())


def _code(fmt: Format, value: float) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
    """A 1 x 1 matrix of the code of a value, or of the largest one."""
    codes: np.ndarray[tuple[int, ...], np.dtype[np.uint64]] = fmt.encode(
        np.full((1, 1), value), overflow=Overflow.SATURATE
    )
    return codes


VECTOR_BITS = 26
"""Significand bits of a vector format: two of its values multiply exactly in float64."""
VECTOR_EXPONENT = 300
"""|exponents| of a vector format: products and quotients are normal float64."""


def check_vector_format(fmt: Format, file: str | None = None, key: str | None = None) -> None:
    """Refuse a format that vector operations cannot be exact in.

    Raises:
        SpecError: naming the key.
    """
    fits = (
        fmt.kind is FormatKind.FLOAT
        and fmt.man_bits < VECTOR_BITS
        and max(abs(fmt.lsb), abs(fmt.msb)) < VECTOR_EXPONENT
    )
    if not fits:
        bounds = f"of at most {VECTOR_BITS} significand bits, within 2^±{VECTOR_EXPONENT}"
        reason = f"vector operations need a float format {bounds}"
        raise SpecError(reason, file=file, key=key, value=fmt.name, allowed=("float32", "bfloat16", "float16"))
