"""The transform `smooth`: X' = X / s and W' = s · W, with a vector s over channels.

* X' = fl32(X / s), W' = fl32(W · s); a product of exact quotients would be the same.
* `migration`: s_j = max|x_j|^alpha / max|w_j|^(1 − alpha), in decimal arithmetic of 40 digits, rounded to float32 once,
  and at least 1e-5; 1 where a channel or its weights are 0 throughout.
* `threshold`: s_j = max(1, max_j / t, −min_j / t), rounded to float32 once. t goes from m = max|X| down to 1 in n steps
  of (m − 1) / n, n = max(100, floor(m / 0.5)) unless `steps` says otherwise; the first t with the least
  ‖Q(X/s) Q(sW) − XW‖² stays. Q is the layer's own quantisation of X/s and of sW, with ranges of these. t = m is s = 1,
  so on the data that t was chosen from the error is never above the layer's own. m <= 1: s = 1.
* `power_of_two`: s is then rounded to the nearest power of two, by ratio; X / s and W · s are exact, but for underflow.
* Only finite values count. Errors are compared as `emu.schemes.transforms.loss` makes them.

Sources: SmoothQuant (Xiao et al., arXiv:2211.10438, equation 4; the bound is its code's). Outlier Suppression+ (Wei et
al., arXiv:2304.09145) and its code's Migrator1DRangeSearch. Not modelled: of queries, keys and values the code compares
the attention's output, here it is the layer's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from typing import Annotated, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from emu.schemes.cast import Float32
from emu.schemes.enums import SmoothRule
from emu.schemes.steps.keys import Place
from emu.schemes.transforms.keys import TransformKeys
from emu.schemes.transforms.loss import product, total_square
from emu.schemes.transforms.pair import Pair, Parameters, Transform
from emu.spec.about import means

DIGITS = Context(prec=40)
LEAST_SCALE = np.float32(1e-5)
STEPS, STEP = 100, 0.5
"""Outlier Suppression+ makes at least so many steps, and none wider."""


class SmoothKeys(TransformKeys, frozen=True, kw_only=True):
    """Keys of `smooth`."""

    rule: Annotated[SmoothRule, means("how s is chosen")]
    alpha: Annotated[
        Annotated[float, msgspec.Meta(ge=0, le=1)] | None,
        means("of `migration`: how much of the range goes to the weights", default="0.5"),
    ] = None
    steps: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=1 << 16)] | None,
        means("of `threshold`: from max|X| to 1", default="max(100, 2 max|X|)"),
    ] = None
    power_of_two: Annotated[bool, means("round s to a power of two")] = False

    def build(self, place: Place) -> Smooth:
        """The transform."""
        for key, value, rule in (
            ("alpha", self.alpha, SmoothRule.MIGRATION), ("steps", self.steps, SmoothRule.THRESHOLD),
        ):  # fmt: skip
            if value is not None and self.rule is not rule:
                raise place.error(key, f"belongs to rule {rule.value!r}", value)
        alpha = 0.5 if self.alpha is None else self.alpha
        return Smooth(rule=self.rule, alpha=alpha, steps=self.steps, power_of_two=self.power_of_two)


@dataclass(frozen=True, kw_only=True)
class Smooth(Transform):
    """Move some of the range of activations into the weights."""

    looks: ClassVar[bool] = True
    rule: SmoothRule
    alpha: float = 0.5
    """of `migration`"""
    steps: int | None = None
    """of `threshold`; None: as many as Outlier Suppression+ has"""
    power_of_two: bool = False

    def choose(self, pair: Pair) -> Parameters:
        """`scale`: float32 [channels]."""
        scale = self._migration(pair) if self.rule is SmoothRule.MIGRATION else self._threshold(pair)
        return {"scale": scale}

    def apply(self, pair: Pair, chosen: Parameters) -> Pair:
        """X / s and s · W."""
        return smoothed(pair, chosen["scale"])

    def _migration(self, pair: Pair) -> Float32:
        of_x = np.abs(_finite(pair.by_channel())).max(axis=0, initial=0.0)
        of_w = weight_ranges(pair)
        scale = np.array([self._migrated(float(x), float(w)) for x, w in zip(of_x, of_w, strict=True)], np.float32)
        return self._as_wanted(np.maximum(scale, LEAST_SCALE))

    def _migrated(self, x: float, w: float) -> float:
        if not x or not w:
            return 1.0
        alpha = Decimal(self.alpha)
        top = DIGITS.power(Decimal(x), alpha)
        return float(DIGITS.divide(top, DIGITS.power(Decimal(w), DIGITS.subtract(Decimal(1), alpha))))

    def _threshold(self, pair: Pair) -> Float32:
        assert pair.quantised_x is not None  # of a pair that a layer makes
        assert pair.quantised_w is not None
        x = _finite(pair.by_channel())
        high, low = x.max(axis=0, initial=0.0).astype(np.float64), x.min(axis=0, initial=0.0).astype(np.float64)
        wanted = product(pair.rows(pair.x), pair.w)
        best, least = np.ones(pair.channels, np.float32), np.inf
        for t in self._thresholds(float(max(high.max(initial=0.0), -low.min(initial=0.0)))):
            scale = self._as_wanted(np.maximum(1.0, np.maximum(high / t, -low / t)).astype(np.float32))
            made = smoothed(pair, scale)
            error = product(pair.rows(pair.quantised_x(made.x)), pair.quantised_w(made.w)) - wanted
            loss = total_square(error)
            if loss < least:
                best, least = scale, loss
        return best

    def _thresholds(self, largest: float) -> Iterator[float]:
        if largest <= 1.0:
            return
        count = self.steps or max(STEPS, int(largest / STEP))
        for i in range(count + 1):
            yield largest - i * ((largest - 1.0) / count)

    def _as_wanted(self, scale: Float32) -> Float32:
        return nearest_power(scale) if self.power_of_two else scale


def smoothed(pair: Pair, scale: Float32) -> Pair:
    """The pair with X / s and s · W."""
    with np.errstate(all="ignore"):
        return replace(pair, x=pair.x / pair.per_channel(scale), w=pair.w * pair.per_k(scale))


def weight_ranges(pair: Pair) -> Float32:
    """[channels]: the largest magnitude of the weights that each channel is multiplied by."""
    made = np.zeros(pair.channels, np.float32)
    np.maximum.at(made, pair.channel_of_k.ravel(), np.abs(_finite(pair.w)).max(axis=-1, initial=0.0).ravel())
    return made


def nearest_power(scale: Float32) -> Float32:
    """The power of two whose ratio to each positive number is nearest to 1; m² of a float32 is exact in float64.

    No number has m² = 1/2.
    """
    mantissa, exponent = np.frexp(scale.astype(np.float64))
    up = mantissa * mantissa > 0.5
    return np.ldexp(1.0, np.where(up, exponent, exponent - 1)).astype(np.float32)


def _finite(x: NDArray[np.float32]) -> Float32:
    return np.where(np.isfinite(x), x, np.float32(0))
