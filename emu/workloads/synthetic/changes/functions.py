"""Changes of all elements: bounds, an activation function, and normalisations along an axis."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from emu.errors import SpecError
from emu.spec.about import means
from emu.workloads.synthetic import elementary
from emu.workloads.synthetic.changes.base import AlongKeys, ChangeKeys
from emu.workloads.synthetic.elementary import Floats

SLOPE, CUBIC = 1.5957691216057308, 0.044715
"""2 sqrt(2/pi), and the cubic term, of GELU's tanh form."""


class ClampKeys(ChangeKeys, frozen=True, kw_only=True):
    """Bounds."""

    low: Annotated[float | None, means("the smallest value", default="no bound")] = None
    high: Annotated[float | None, means("the largest value", default="no bound")] = None

    def check(self, shape: tuple[int, ...], file: str, key: str) -> None:  # noqa: ARG002
        """There is a bound, and room between two."""
        if self.low is None and self.high is None:
            raise SpecError("give low, high or both", file=file, key=f"{key}.low")
        if self.low is not None and self.high is not None and not self.low <= self.high:
            raise SpecError("must not be below low", file=file, key=f"{key}.high", value=self.high)

    def apply(self, x: Floats) -> Floats:
        """x between the bounds."""
        low, high = (-np.inf if self.low is None else self.low), (np.inf if self.high is None else self.high)
        return np.minimum(np.maximum(x, low), high)


class GeluKeys(ChangeKeys, frozen=True, kw_only=True):
    """GELU."""

    def apply(self, x: Floats) -> Floats:
        """The activation function."""
        return x / (1 + elementary.exp(-SLOPE * (x + CUBIC * (x * x * x))))


class SoftmaxKeys(AlongKeys, frozen=True, kw_only=True):
    """Softmax."""

    def apply(self, x: Floats) -> Floats:
        """Probabilities along the axis."""
        powers = elementary.exp(x - x.max(axis=self.axis, keepdims=True))
        return powers / elementary.total(powers, self.axis)


class LayerNormKeys(AlongKeys, frozen=True, kw_only=True):
    """Layer normalisation without gain, bias and epsilon."""

    def apply(self, x: Floats) -> Floats:
        """Mean 0 and variance 1 along the axis; what is constant along it becomes zeros."""
        size = x.shape[self.axis]
        centred = x - elementary.total(x, self.axis) / size
        largest = np.frexp(np.abs(centred).max(axis=self.axis, keepdims=True))[1]
        centred = np.ldexp(centred, -largest)  # exact, and no square overflows
        deviation = np.sqrt(elementary.total(centred * centred, self.axis) / size)
        return np.asarray(np.divide(centred, deviation, out=np.zeros_like(centred), where=deviation != 0))
