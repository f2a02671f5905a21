"""What all changes of a drawn tensor have.

* A change is keys and what they do. It looks at the values alone, never at how they were made, so that changes can
  stand in any order.
* Everything is float64, of the operations of `emu.workloads.synthetic.elementary`.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from emu.errors import SpecError
from emu.formats.enums import Vocabulary
from emu.spec.about import Keys, means
from emu.workloads.synthetic.elementary import Floats
from emu.workloads.synthetic.keys import MAX_RANK

Axis = Annotated[int, msgspec.Meta(ge=-MAX_RANK, le=MAX_RANK - 1)]


class ChangeKind(Vocabulary):
    """What is done to a drawn tensor."""

    MULTIPLY = "multiply"
    """channels times `factor`"""
    RANGES = "ranges"
    """every channel times exp(`sigma` z), z normal: ranges that differ from channel to channel"""
    OFFSET = "offset"
    """to channels `value` + `spread` z is added, z normal and drawn for each channel"""
    MIX = "mix"
    """channels that depend on each other: `own` times itself, plus normal multiples of the first `count` channels"""
    CLAMP = "clamp"
    """no smaller than `low`, no larger than `high`"""
    GELU = "gelu"
    """x / (1 + exp(-1.5957691216057308 (x + 0.044715 x^3))): GELU in its tanh form"""
    SOFTMAX = "softmax"
    """exp(x - max) over its sum, along `axis`"""
    LAYER_NORM = "layer_norm"
    """(x - mean) / sqrt(variance), along `axis`"""


class ChangeKeys(Keys, frozen=True, kw_only=True):
    """The keys that all changes have."""

    op: Annotated[ChangeKind, means("what is done")]

    def apply(self, x: Floats) -> Floats:
        """The changed tensor; the argument is left alone."""
        raise NotImplementedError

    def check(self, shape: tuple[int, ...], file: str, key: str) -> None:
        """Refuse what does not fit the tensor.

        Args:
            shape: of the tensor.
            file: what errors call the file.
            key: where the change stands.

        Raises:
            SpecError: naming the key.
        """


class AlongKeys(ChangeKeys, frozen=True, kw_only=True):
    """A change along an axis."""

    axis: Annotated[Axis, means("which axis; −1 is the last")] = -1

    def check(self, shape: tuple[int, ...], file: str, key: str) -> None:
        """The axis is there."""
        if not -len(shape) <= self.axis < len(shape):
            raise SpecError(f"the tensor has {len(shape)} axes", file=file, key=f"{key}.axis", value=self.axis)
