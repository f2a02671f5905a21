"""The step `scale`: choose the scale, and the zero point if asymmetric, or take the given ones.

Symmetric: the rule (`emu.schemes.rules`) chooses a range [−r, r].

1. r + eps, in float32. 2. s = fl32(r / divisor), one division rounded once; 1 where r = 0. 3. s becomes a power of two.
4. s is clamped to [at_least, at_most]. 5. s is rounded to `format`. 6. Where the unit applies scales itself, s is
rounded to the unit's scale format, so that codes and scales agree. Steps 3 to 6 only where asked for.

Asymmetric, for integer formats: the rule chooses [low, high], which `include_zero` widens to hold 0;
s = fl32(fl32(high − low + eps) / (qmax − qmin)) over the whole range of the format, then as above; the zero point last.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np

from emu.errors import SpecError
from emu.formats import Format, load_format
from emu.formats.cast import check_cast
from emu.formats.enums import Overflow
from emu.schemes.cast import Float32
from emu.schemes.draft import Draft, Integers, Step, Target
from emu.schemes.enums import Divisor, PowerOfTwo, ScaleRule, ZeroPoint
from emu.schemes.rules import RULES
from emu.schemes.rules.rule import Aim, Bounds, Rule, kept, lines, shown
from emu.schemes.scaling import (
    as_power_of_two,
    divided,
    divisor_of,
    integer_range,
    inverse_of,
    reciprocal_of,
    rounded_to,
    zero_point_of,
)
from emu.schemes.steps.keys import Place, StepKeys, in_float32
from emu.spec.about import FormatKeys, means

Positive = Annotated[float, msgspec.Meta(gt=0)]


ONE_SIDED = (ScaleRule.MEAN_ABS, ScaleRule.BOUND, ScaleRule.GIVEN, ScaleRule.SAWB, ScaleRule.PACT)
"""Rules that know one range alone."""


class ScaleKeys(StepKeys, frozen=True, kw_only=True):
    """Keys of `scale`."""

    rule: Annotated[
        ScaleRule,
        means(
            "how the range is chosen. s has one rounding; it is 1 where the range is 0. Infinities and NaN take no "
            "part. A quotient that underflows is 2^−149"
        ),
    ]
    symmetric: Annotated[bool, means("no zero point: the range goes as far below zero as above it")] = True
    include_zero: Annotated[
        bool | None, means("of `symmetric = false`: the range is widened to hold zero", default="true")
    ] = None
    zero_point: Annotated[
        ZeroPoint | None, means("of `symmetric = false`: how the code of zero is chosen", default="`low`")
    ] = None
    divisor: Annotated[
        Divisor | Positive | None,
        means("what the range is divided by", default="`max_finite`; the format's steps if asymmetric"),
    ] = None
    eps: Annotated[Annotated[float, msgspec.Meta(ge=0)], means("is added to the range, in float32")] = 0.0
    power_of_two: Annotated[PowerOfTwo | None, means("s becomes a power of two", default="no")] = None
    format: Annotated[FormatKeys | None, means("s is rounded to it (`ties_to_even`, clamped)", default="none")] = None
    at_least: Annotated[Positive | None, means("a smaller s becomes this")] = None
    at_most: Annotated[Positive | None, means("a larger s becomes this")] = None
    value: Annotated[Positive | None, means("of `given` and `bound`: s, or the end of the range")] = None
    percentile: Annotated[
        Annotated[float, msgspec.Meta(gt=0, le=100)] | None, means("of `percentile`: so many in a hundred are inside")
    ] = None
    candidates: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=100000)] | None,
        means("of `mse`: how many, evenly from `lowest` to `highest`", default="100"),
    ] = None
    lowest: Annotated[Positive | None, means("of `mse`: the first candidate, as a fraction", default="0.01")] = None
    highest: Annotated[Positive | None, means("of `mse`: the last candidate, as a fraction", default="1")] = None
    code: Annotated[
        Literal[3, 4, 5, 102, 103, 403, 703, 803] | None,
        means("of `sawb`: the set of levels. 4: 16 without zero; 403: 15 with zero"),
    ] = None
    alpha: Annotated[Positive | None, means("of `pact`: the clip")] = None

    def build(self, place: Place) -> Step:
        """The step."""
        return self.scale_step(place)

    def scale_step(self, place: Place) -> ScaleStep:
        """What chooses the scale.

        Raises:
            SpecError: keys that contradict each other.
        """
        if self.symmetric and self.rule is ScaleRule.MINMAX:
            raise place.error("rule", "has a meaning with `symmetric = false` alone", self.rule.value, ("absmax",))
        if not self.symmetric and self.rule in ONE_SIDED:
            raise place.error("rule", "makes symmetric scales", self.rule.value, ("minmax", "percentile", "mse"))
        for key, of_asymmetric in (("include_zero", True), ("zero_point", True), ("divisor", False)):
            if getattr(self, key) is not None and self.symmetric is of_asymmetric:
                raise place.error(key, f"is a key of {'a' * of_asymmetric}symmetric scales")
        for key in ("divisor", "eps", "at_least", "at_most", "value", "lowest", "highest", "alpha"):
            value = getattr(self, key)
            if isinstance(value, float) and value and not in_float32(value):
                raise place.error(key, "is 0 or infinite in float32", value)
        if (self.at_least or 0.0) > (self.at_most or np.inf):
            raise place.error("at_least", "is more than `at_most`", self.at_least)
        fmt = None if self.format is None else load_format(self.format, file=place.file, key=f"{place.key}.format")
        if fmt is not None:
            check_cast(fmt, overflow=Overflow.SATURATE, file=place.file, key=f"{place.key}.format")
        return ScaleStep(
            rule=self._rule(place), symmetric=self.symmetric, include_zero=self.include_zero is not False,
            zero_point=self.zero_point or ZeroPoint.LOW, divisor=self.divisor or Divisor.MAX_FINITE, eps=self.eps,
            power_of_two=self.power_of_two, format=fmt, at_least=self.at_least, at_most=self.at_most,
        )  # fmt: skip

    def _rule(self, place: Place) -> Rule:
        rule = RULES[self.rule]
        taken = {one.name for one in fields(rule)}  # type: ignore[arg-type]
        given: dict[str, Any] = {}
        for key in sorted({one.name for kind in RULES.values() for one in fields(kind)}):  # type: ignore[arg-type]
            value = getattr(self, key)
            if value is not None and key not in taken:
                raise place.error(key, f"is no key of rule {self.rule.value!r}", value)
            if value is not None:
                given[key] = value
        try:
            return rule(**given)
        except TypeError:
            missing = sorted(taken - set(given))
            raise place.error(missing[0], f"required key of rule {self.rule.value!r} is missing") from None


@dataclass(frozen=True, kw_only=True, repr=False)
class ScaleStep(Step):
    """Choose the scale."""

    scales: ClassVar[bool] = True
    rule: Rule
    symmetric: bool = True
    include_zero: bool = True
    zero_point: ZeroPoint = ZeroPoint.LOW
    divisor: Divisor | float = Divisor.MAX_FINITE
    eps: float = 0.0
    power_of_two: PowerOfTwo | None = None
    format: Format | None = None
    at_least: float | None = None
    at_most: float | None = None

    def __repr__(self) -> str:
        """With what is not as it is by default."""
        return shown(self)

    @property
    def asymmetric(self) -> bool:
        """Whether it makes zero points."""
        return not self.symmetric

    def check(self, fmt: Format, file: str, key: str) -> None:
        """A format to whose largest value a range can be mapped; of integers, if there is a zero point."""
        if not fmt.max_finite:
            raise SpecError(f"a scale divides by the largest value of {fmt.name}, which is 0", file=file, key=key)
        whole = fmt.is_integral and not fmt.frac_bits
        if self.asymmetric and not whole:
            raise SpecError(f"zero points are for integer formats, which {fmt.name} is not", file=file, key=key)
        if self.divisor in (Divisor.HALF_STEP, Divisor.FULL_RANGE) and not whole:
            reason = f"divisor {Divisor(self.divisor).value!r} is for integer formats, which {fmt.name} is not"
            raise SpecError(reason, file=file, key=key)

    def apply(self, draft: Draft, target: Target) -> Draft:
        """Fill in `scale` and `zero`: the given ones, or the rule's."""
        if target.scale is not None:
            return replace(draft, scale=self._in_unit(target.scale, target), zero=target.zero)
        stated = self.rule.scale()
        if stated is not None:
            return replace(draft, scale=self._in_unit(self._changed(stated), target), zero=target.zero)

        def error(bounds: Bounds) -> Any:
            return squared_error(draft, self._with(draft, target, bounds), target)

        aim = Aim(format=target.format, axes=target.axes, symmetric=self.symmetric, error=error)
        return self._with(draft, target, self.rule.bounds(draft.values, aim))

    def _with(self, draft: Draft, target: Target, bounds: Bounds) -> Draft:
        """The draft with the scale of a range."""
        fmt, eps = target.format, np.float32(self.eps)
        low, high = bounds
        with np.errstate(all="ignore"):
            if self.symmetric:
                extent = np.maximum(-low, high) + eps if eps else np.maximum(-low, high)
                divisor = divisor_of(fmt, self.divisor)
            else:
                if self.include_zero:
                    low, high = np.minimum(low, np.float32(0)), np.maximum(high, np.float32(0))
                extent = high - low + eps
                ends = integer_range(fmt)
                divisor = float(ends[1] - ends[0])
        extent = np.minimum(extent, np.finfo(np.float32).max)
        plain = divided(extent, fmt if divisor is None else divisor)
        scale = self._in_unit(self._changed(plain), target)
        ratio = inverse_of(extent, fmt if divisor is None else divisor)
        inverse = np.where(scale == plain, ratio, reciprocal_of(scale)).astype(np.float32)  # each by itself
        zero: Integers | None = None
        if not self.symmetric:
            zero = zero_point_of(low, high, scale, fmt, self.zero_point)
        return replace(draft, scale=scale, inverse=inverse, zero=zero)

    def _changed(self, scale: Float32) -> Float32:
        if self.power_of_two is not None:
            scale = as_power_of_two(scale, self.power_of_two)
        if self.at_least is not None:
            scale = np.maximum(scale, np.float32(self.at_least))
        if self.at_most is not None:
            scale = np.minimum(scale, np.float32(self.at_most))
        return scale if self.format is None else rounded_to(scale, self.format)

    def _in_unit(self, scale: Float32, target: Target) -> Float32:
        return scale if target.scale_format is None else rounded_to(scale, target.scale_format)


def squared_error(draft: Draft, tried: Draft, target: Target) -> Any:
    """Σ(x − x̂)² of the finite values, for every scale: of the codes that the scheme's last step makes of a draft."""
    assert target.maker is not None
    assert tried.scale is not None
    codes = target.maker.apply(tried, target).codes
    assert codes is not None
    values = target.format.decode(codes)
    if tried.zero is not None:
        values = values - tried.zero
    with np.errstate(all="ignore"):
        off = draft.values - values * (tried.scale.astype(np.float64) / target.maker.codes_per_scale)
    squares = np.where(np.isfinite(draft.values), off * off, 0.0)
    return kept(lines(squares, target.axes).sum(axis=1), draft.values.shape, target.axes)
