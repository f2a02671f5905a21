"""The pipe: a list of steps, each multiply, then add, then cast with one rounding (unit-spec section 1).

This is the one construct at every place of a unit where a value is scaled or rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from emu.arithmetic.exact import add, multiply
from emu.formats.cast import Cast, cast
from emu.formats.enums import EventKind, Rounding, Vocabulary
from emu.formats.rounding import RandomBits
from emu.formats.value import Value


class Factor(Vocabulary):
    """What a step multiplies by."""

    NONE = "none"
    """nothing"""
    CONSTANTS = "constants"
    """a constant, or a list of them indexed by the term's position modulo the list's length"""
    A_SCALE = "a_scale"
    """the scale of the term's block of a"""
    B_SCALE = "b_scale"
    """the scale of the term's block of b"""
    SCALE = "scale"
    """a_scale * b_scale through `scale.product`"""
    DIGITS = "digits"
    """2^(w (i + j)), the weight of the product of digits i and j"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a pipe."""

    factor: Factor = Factor.NONE
    constants: tuple[Value, ...] = ()
    addends: tuple[Value, ...] = ()
    """nothing to add, one number, or a list indexed as `constants` is"""
    cast: Cast | None = None


Pipe = tuple[Step, ...]


class Surroundings(Protocol):
    """What a pipe needs to know of the element it runs for."""

    def factor(self, step: Step, term: Term) -> Value:
        """The value that a step multiplies the term by."""

    def draw(self, how: Cast) -> RandomBits:
        """The next random bits of this element."""

    def count(self, stage: int, events: int) -> None:
        """Count the events of a mask at a stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """Where a value stands: what the factors of a step are looked up by."""

    k: int = 0
    """absolute k of its first product"""
    position: int = 0
    """its index in the level's input; in `output`, the column of the output element"""


def run_pipe(pipe: Pipe, x: Value, term: Term, around: Surroundings, stage: int) -> Value:
    """Send one value through a pipe."""
    for step in pipe:
        if step.factor is not Factor.NONE:
            before, factor = x, around.factor(step, term)
            x = multiply(before, factor)
            if x.nan and not before.nan and not factor.nan:
                around.count(stage, EventKind.NAN_MADE.bit)
        if step.addends:
            downward = step.cast is not None and step.cast.rounding is Rounding.TOWARD_NEGATIVE
            x = add(x, step.addends[term.position % len(step.addends)], toward_negative=downward)
        if step.cast is not None:
            stochastic = step.cast.rounding is Rounding.STOCHASTIC and x.finite
            x, events = cast(x, step.cast, around.draw(step.cast) if stochastic else None)
            around.count(stage, events)
    return x
