"""How often each part of a unit works: what stands side by side, and what is used again and again.

The unit language says what is added to what, not how many adders there are. The rule here, for a dot product of K:

* A level whose runs are one step (a tree's levels) is *spatial*: it stands as often as its results are needed at once.
* The innermost level that has several steps in a run, or the outermost one, is the *loop*: one adder that takes
  `group` inputs in each cycle. What is below it stands as often as that takes. That is the unit's width, in MACs a
  cycle. Lanes of the loop take turns at its adder, and have an accumulator each.
* Levels above the loop have one adder each, used when a run below has ended. In the area for each MAC their logic
  counts by the share of cycles in which it works, as does that of the output: the rest of its time can serve other
  units of an array. Registers count whole: they hold a sum for all of the time.
"""

from __future__ import annotations

from dataclasses import dataclass

from emu.units.form import UnitForm
from emu.units.schedule import run_count, run_length


@dataclass(frozen=True, kw_only=True)
class LevelRate:
    """How often one level works."""

    group: int
    """terms of a step, as far as there are so many"""
    length: int
    """inputs of a run"""
    steps: int
    """steps of a run"""
    inputs: float
    """a cycle"""
    loop: bool
    """the loop itself, or above it: it keeps an accumulator from cycle to cycle"""

    @property
    def uses(self) -> float:
        """Steps a cycle."""
        return self.inputs / self.group


@dataclass(frozen=True, kw_only=True)
class Rates:
    """How often the parts of a unit work."""

    levels: tuple[LevelRate, ...]
    macs: float
    """a cycle"""
    piece: int
    """MACs of one result of the unit"""


def instances(uses: float) -> int:
    """How many of a part that is used so often in a cycle there are."""
    whole = int(uses)
    return max(whole + int(uses > whole), 1)


def rates_of(form: UnitForm, k: int) -> Rates:
    """The rates of a unit for dot products of length k."""
    piece = min(form.k or k, k)
    n = piece * form.terms_per_k
    sizes = []
    for level in form.levels:
        length = max(min(run_length(level, n), n), 1)
        group = min(level.group, length)
        sizes.append((group, length, -(-length // group)))
        n = run_count(level, n)
    loop = next((at for at, size in enumerate(sizes) if size[2] > 1), len(sizes) - 1)
    inputs = [0.0] * len(sizes)
    inputs[loop] = sizes[loop][0]
    for at in range(loop - 1, -1, -1):
        inputs[at] = inputs[at + 1] * sizes[at][1]
    for at in range(loop + 1, len(sizes)):
        inputs[at] = inputs[at - 1] / sizes[at - 1][1]
    levels = tuple(
        LevelRate(group=group, length=length, steps=steps, inputs=inputs[at], loop=at >= loop)
        for at, (group, length, steps) in enumerate(sizes)
    )
    return Rates(levels=levels, macs=inputs[0] / form.terms_per_k, piece=piece)
