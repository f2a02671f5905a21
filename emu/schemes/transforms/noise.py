"""The transform `noise`: X + N, with a fixed noisy vector N over channels, and what it adds in the bias.

* N = s (m + a u): s is the layer's own activation scale on X (the largest, if there are several), u_j a random number
  for each channel, m a mean and a an amplitude, both in steps. N is made in float64 and rounded to float32 once; with
  `format` it is then rounded to that, under an absmax scale of its own.
* u: `uniform` in (−1, 1), or `gaussian`, 2 z − 1 with z normal, which is what the authors' code draws (mean −1,
  deviation 2). u and z come from Philox4x64-10 under (seed, 0); z is the normal quantile, rounded to float32.
* X' = fl32(X + N), all rows alike; −fl32(Σ N_k q(W_k)) is added with the bias, q(W) the layer's own quantised weights.
  `noise` is the last transform.
* Search, on the data at hand or for calibration: with `mean`, first m in −1, −1 + 1/200, …, 1 − 1/200 with a = 0; then
  a in 0, 1/1000, …, 2 − 1/1000 (`reach` and `candidates`). The first with the least ‖(Q(X + N) − N − X) q(W)‖² stays:
  a = 0 if noise does not help. `amplitude` gives a instead. Q is the layer's own quantisation.
* Scales are those of X, whatever N is, so noise may push values beyond the range, where they are clamped.
* Padding of a convolution counts as elements of x, and becomes N.
* Errors are compared as `emu.schemes.transforms.loss` makes them.

Source: NoisyQuant (Liu et al., arXiv:2211.16056), and its authors' code (commit ba544d1) for the search. The INT16 of N
is an absmax-scaled int16 here, which is a reading. Not modelled: the INT16 bias.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Annotated, ClassVar

import msgspec
import numpy as np

from emu.formats import Format, Overflow, Rounding
from emu.schemes.cast import Float32
from emu.schemes.draft import Fixed
from emu.schemes.enums import NoiseDistribution
from emu.schemes.scaling import absmax_scale, encode_scaled
from emu.schemes.steps.keys import Place
from emu.schemes.transforms.keys import TransformKeys, value_format
from emu.schemes.transforms.loss import Float64, product, total_square
from emu.schemes.transforms.pair import Pair, Parameters, Transform
from emu.spec.about import FormatKeys, means

MEANS = 200
"""Candidates of the mean, on either side of 0."""
CANDIDATES, REACH = 2000, 2.0


class NoiseKeys(TransformKeys, frozen=True, kw_only=True):
    """Keys of `noise`."""

    distribution: Annotated[NoiseDistribution, means("what the noise is drawn from")] = NoiseDistribution.UNIFORM
    seed: Annotated[Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)], means("of the noise")]
    amplitude: Annotated[
        Annotated[float, msgspec.Meta(ge=0, le=1024)] | None,
        means("in steps of the activations' scale", default="it is searched for"),
    ] = None
    reach: Annotated[
        Annotated[float, msgspec.Meta(gt=0, le=1024)] | None,
        means("amplitudes of the search lie below it, in steps", default="2"),
    ] = None
    candidates: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=1 << 16)] | None,
        means("amplitudes that are tried, 0 among them", default="2000"),
    ] = None
    mean: Annotated[bool, means("search for a mean first, of −1 to 1 step")] = False
    format: Annotated[FormatKeys | None, means("what the noise is rounded to", default="it is not")] = None

    def build(self, place: Place) -> Noise:
        """The transform."""
        if self.amplitude is not None:
            for key, value in (("reach", self.reach), ("candidates", self.candidates)):
                if value is not None:
                    raise place.error(key, "is of a search, and the amplitude is given", value)
        fmt = None if self.format is None else value_format(self.format, place, "format")
        return Noise(
            distribution=self.distribution, seed=self.seed, amplitude=self.amplitude,
            reach=self.reach or REACH, candidates=self.candidates or CANDIDATES, mean=self.mean, format=fmt,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Noise(Transform):
    """Move values off the middle between two codes, each channel in its own way."""

    pads: ClassVar[bool] = True
    compares: ClassVar[bool] = True
    distribution: NoiseDistribution = NoiseDistribution.UNIFORM
    seed: int
    amplitude: float | None = None
    """None: searched for"""
    reach: float = REACH
    candidates: int = CANDIDATES
    mean: bool = False
    format: Format | None = None

    @property
    def reads(self) -> bool:
        """Its part of the bias is of the quantised weights."""
        return True

    def choose(self, pair: Pair) -> Parameters:
        """`noise`: float32 [channels]."""
        assert pair.scale_of_x is not None  # of a pair that a layer makes
        of_x = pair.scale_of_x()
        if of_x is None:
            raise ValueError(
                "noise is measured in steps of the activations' scale: their scheme needs one, of no blocks"
            )
        step = float(of_x.scale.max())
        drawn = draw(self.distribution, self.seed, pair.channels)
        middle = np.zeros(pair.channels)
        if self.mean:
            tried = (np.full(pair.channels, i / MEANS) for i in range(-MEANS, MEANS))
            middle = self._best(pair, of_x, tried)
        if self.amplitude is not None:
            return {"noise": self._noise(step, middle + self.amplitude * drawn)}
        tried = (middle + self.reach * i / self.candidates * drawn for i in range(self.candidates))
        return {"noise": self._noise(step, self._best(pair, of_x, tried))}

    def apply(self, pair: Pair, chosen: Parameters) -> Pair:
        """X + N, and −N · q(W) in the bias."""
        assert pair.quantised_w is not None  # of a pair that a layer makes
        n = chosen["noise"]
        taken = (pair.per_k(n).astype(np.float64) * pair.quantised_w(pair.w)).sum(axis=1, keepdims=True)
        return replace(pair, x=pair.x + pair.per_channel(n), ranges=pair.x).plus(-taken.astype(np.float32))

    def _noise(self, step: float, in_steps: Float64) -> Float32:
        noise = (step * in_steps).astype(np.float32)
        if self.format is None:
            return noise
        scale = absmax_scale(noise, self.format)
        codes, _ = encode_scaled(
            noise, scale, self.format, rounding=Rounding.TIES_TO_EVEN, overflow=Overflow.SATURATE, name="noise"
        )
        return (self.format.decode(codes) * scale.astype(np.float64)).astype(np.float32)

    def _best(self, pair: Pair, of_x: Fixed, tried: Iterable[Float64]) -> Float64:
        """The first candidate, in steps, with the least error of the layer's output."""
        assert pair.quantised_x is not None  # of a pair that a layer makes
        assert pair.quantised_w is not None
        w = pair.quantised_w(pair.w)
        best, least = np.zeros(pair.channels), np.inf
        for candidate in tried:
            n = pair.per_channel(self._noise(float(of_x.scale.max()), candidate))
            error = pair.quantised_x(pair.x + n, of_x) - n - pair.x
            loss = total_square(product(pair.rows(error), w))
            if loss < least:
                best, least = candidate, loss
        return best


def draw(distribution: NoiseDistribution, seed: int, count: int) -> Float64:
    """Random numbers of amplitude 1."""
    words = np.random.Philox(key=np.array([seed, 0], np.uint64)).random_raw(count)
    uniform = ((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
    if distribution is NoiseDistribution.UNIFORM:
        return 2.0 * uniform - 1.0
    normal = NormalDist()
    z = np.array([normal.inv_cdf(float(u)) for u in uniform], np.float32).astype(np.float64)
    return 2.0 * z - 1.0
