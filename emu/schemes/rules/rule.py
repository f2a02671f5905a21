"""What a rule is, and the arrays that all of them work on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emu.formats import Format
from emu.schemes.cast import Float32

Axes = tuple[int, ...] | None
"""What one scale covers; None: the whole tensor."""


class Bounds(NamedTuple):
    """The range that is mapped to the format: low ≤ high, with size 1 along the axes that one scale covers."""

    low: Float32
    high: Float32


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What the bounds are for."""

    format: Format
    axes: Axes = None
    symmetric: bool = True
    error: Callable[[Bounds], NDArray[np.float64]] | None = None
    """of the codes that bounds would give: Σ (x − x̂)² of the elements that share a scale, kept as the bounds are; None:
    nothing makes codes here"""


class Rule:
    """One rule: the base of all."""

    by_absmax: ClassVar[bool] = False
    """the largest magnitude is all it looks at"""

    def scale(self) -> Float32 | None:
        """The scale itself, of a rule that has no use for a range."""
        return None

    def bounds(self, x: Float32, aim: Aim) -> Bounds:
        """The range of the values. Infinities and NaN take no part.

        Args:
            x: values of any shape.
            aim: what shares a range, and what it is for.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        """With the fields that are not as they are by default."""
        return shown(self)


def around_zero(magnitude: NDArray[Any]) -> Bounds:
    """A symmetric range."""
    high = np.asarray(magnitude, np.float32)
    return Bounds(-high, high)


def finite_or(x: Float32, other: float) -> Float32:
    """The values, with another number for infinities and NaN."""
    finite = np.isfinite(x)
    return x if finite.all() else np.where(finite, x, np.float32(other))


def lines(x: NDArray[Any], axes: Axes) -> NDArray[Any]:
    """[scales, elements of each], contiguous, in the order of the axes: for sums and sorting in one order."""
    if axes is None:
        return np.ascontiguousarray(x).reshape(1, -1)
    covered = {axis % x.ndim for axis in axes}
    rest = [axis for axis in range(x.ndim) if axis not in covered]
    turned = np.ascontiguousarray(x.transpose(*rest, *sorted(covered)))
    count = int(np.prod([x.shape[axis] for axis in rest], dtype=np.int64))
    return turned.reshape(count, x.size // count if count else 0)


def kept(of_lines: NDArray[Any], shape: tuple[int, ...], axes: Axes) -> NDArray[Any]:
    """[scales] in the shape of a tensor with size 1 along the covered axes; 0-D for the whole tensor."""
    if axes is None:
        return of_lines.reshape(())
    covered = {axis % len(shape) for axis in axes}
    return of_lines.reshape([1 if axis in covered else size for axis, size in enumerate(shape)])


def shown(one: Any) -> str:
    """A dataclass as text, without what it has by default: keys that are added later change no identity."""
    return f"{type(one).__name__}({', '.join(f'{name}={value!r}' for name, value in given(one))})"


def given(one: Any) -> Iterator[tuple[str, Any]]:
    """The fields of a dataclass that are not as they are by default."""
    for field in fields(one):
        value = getattr(one, field.name)
        if field.default is MISSING or value != field.default:
            yield field.name, value
