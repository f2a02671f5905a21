"""One tensor: its keys checked, then drawn.

1. A number of the distribution for every element, in C order, from the streams of its seed (`draws.Stream`):
   normal: quantile(u). uniform: 2u - 1. laplace: -log(2u) below 1/2, negative, else log of 2(1 - u) the same way.
   lognormal: exp(sigma quantile(u)), its sign from a second stream. student_t: quantile(u) / sqrt(sum / df), the sum
   being that of df squared normal numbers, each from a stream of its own. constant and identity: nothing is drawn.
2. mean + scale times it. 3. The changes, in order. All in float64.
4. Rounded to float32; if a format is given, that value is rounded to the format (ties to even).

The result is finite, or it is refused. A sample for calibration differs in 1 alone: the numbers are others, and the
channels that changes pick, and what they draw for them, are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.errors import EmuError, SpecError
from emu.formats import Format, load_format
from emu.formats.enums import Overflow, Rounding
from emu.spec.kinds import convert_kind
from emu.workloads.synthetic import elementary
from emu.workloads.synthetic.changes import CHANGES, ChangeKeys, ChangeKind
from emu.workloads.synthetic.draws import Stream, uniform
from emu.workloads.synthetic.elementary import Floats
from emu.workloads.synthetic.keys import Distribution, TensorKeys

NOT_DRAWN = (Distribution.CONSTANT, Distribution.IDENTITY)
OWN = {Distribution.LOGNORMAL: "sigma", Distribution.STUDENT_T: "df"}
"""The key that a distribution has to itself."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor that can be drawn."""

    name: str
    keys: TensorKeys
    changes: tuple[ChangeKeys, ...]
    file: str
    """what errors call the file"""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of its axes."""
        return self.keys.shape

    def draw(self, *, calibration: bool = False) -> NDArray[np.float32]:
        """The values.

        Args:
            calibration: draw the second sample.

        Raises:
            SpecError: they leave float32, or the format.
        """
        with np.errstate(all="ignore"):  # what is not finite is refused
            x = self.keys.mean + self.keys.scale * _drawn(self.keys, Stream.CALIBRATION if calibration else 0)
            for change in self.changes:
                x = change.apply(x)
            out = x.astype(np.float32)
        if not np.isfinite(out).all():
            raise SpecError("a value is not finite in float32", file=self.file, key=self.name)
        return out if self.keys.format is None else self._rounded(out, load_format(self.keys.format))

    def _rounded(self, x: NDArray[np.float32], fmt: Format) -> NDArray[np.float32]:
        try:
            values = fmt.decode(fmt.encode(x, Rounding.TIES_TO_EVEN, Overflow.RAISE)).astype(np.float32)
        except EmuError as error:
            raise SpecError(f"does not fit {fmt.name}: {error}", file=self.file, key=f"{self.name}.format") from None
        return np.asarray(values)


def build_tensor(name: str, keys: TensorKeys, file: str) -> Tensor:
    """A tensor of its keys.

    Args:
        name: where the keys stand, such as `tensor.x`.
        keys: of the tensor.
        file: what errors call the file.

    Raises:
        SpecError: keys that are missing, do not belong to the distribution, or contradict each other.
    """

    def error(key: str, reason: str, value: object = None) -> SpecError:
        return SpecError(reason, file=file, key=f"{name}.{key}", value=value)

    for distribution, key in OWN.items():
        value = getattr(keys, key)
        if (keys.distribution is distribution) != (value is not None):
            raise error(key, "required" if value is None else f"is of {distribution.value}", value)
    if (keys.distribution in NOT_DRAWN) != (keys.seed is None):
        raise error("seed", "required: something is drawn" if keys.seed is None else "nothing is drawn", keys.seed)
    if keys.distribution is Distribution.IDENTITY and len(keys.shape) < 2:
        raise error("shape", "an identity has two axes at least", list(keys.shape))
    if keys.format is not None:
        _checked_format(keys.format, name, file)
    return Tensor(name=name, keys=keys, changes=_changes(name, keys, file), file=file)


def _changes(name: str, keys: TensorKeys, file: str) -> tuple[ChangeKeys, ...]:
    out = []
    for place, mapping in enumerate(keys.change):
        key = f"{name}.change[{place}]"
        change = convert_kind(mapping, CHANGES, ChangeKind, field="op", file=file, key=key)
        change.check(keys.shape, file, key)
        out.append(change)
    return tuple(out)


def _checked_format(spec: str | dict[str, Any], name: str, file: str) -> None:
    try:
        load_format(spec)
    except SpecError as error:
        raise SpecError(
            error.reason, file=file, key=f"{name}.format", value=error.value, allowed=error.allowed
        ) from None


def _drawn(keys: TensorKeys, first: int) -> Floats:
    """Numbers of the distribution; `first` is added to every stream."""
    shape = keys.shape
    if keys.distribution is Distribution.CONSTANT:
        return np.ones(shape)
    if keys.distribution is Distribution.IDENTITY:
        return np.broadcast_to(np.eye(shape[-2], shape[-1]), shape)
    assert keys.seed is not None
    u = uniform(keys.seed, first + Stream.VALUES, shape)
    match keys.distribution:
        case Distribution.UNIFORM:
            return 2 * u - 1
        case Distribution.LAPLACE:
            size = -elementary.log(2 * np.minimum(u, 1 - u))
            return np.where(u < 0.5, -size, size)
        case Distribution.NORMAL:
            return elementary.quantile(u)
        case Distribution.LOGNORMAL:
            assert keys.sigma is not None
            size = elementary.exp(keys.sigma * elementary.quantile(u))
            return np.where(uniform(keys.seed, first + Stream.SIGNS, shape) < 0.5, -size, size)
        case Distribution.STUDENT_T:
            assert keys.df is not None
            squares = np.zeros(shape)
            for n in range(keys.df):
                z = elementary.quantile(uniform(keys.seed, first + Stream.SQUARES + n, shape))
                squares += z * z
            return elementary.quantile(u) / np.sqrt(squares / keys.df)
