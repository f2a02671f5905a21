"""The keys of an effect, as typed structs. spec/README.md explains them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from emu.spec.about import Keys, means
from emu.studies.vocabulary import Reduce

Bound = float | Literal["inf", "-inf"]
"""JSON has no infinities: there they are text."""
Axes = str | tuple[str, ...]
Where = Annotated[
    str | None, means("of `first` and `count`: what the number must keep", values='`"<= 0"`; `<`, `<=`, `>`, `>=`')
]


class SelectionKeys(Keys, frozen=True, kw_only=True):
    """Numbers of some points, and what is made of them."""

    objective: Annotated[str | None, means("which number; of `figure`, this or `outputs` is required")] = None
    outputs: Annotated[
        str | None,
        means(
            "instead of a number, the bits of what these layers put out: `minus` counts the layers that differ",
            values="glob",
        ),
    ] = None
    at: Annotated[
        dict[str, Any],
        means("axes, and the value (or list of values) that points must have there", values="`{ axis = value }`"),
    ] = msgspec.field(default_factory=dict)
    kept: Annotated[bool | None, means("only the points that keep the study's constraints", default="`false`")] = None
    reduce: Annotated[Reduce | None, means("what is made of them", default="all are taken as they are")] = None
    along: Annotated[
        Axes | None, means("the axes that this takes away", values="axis, list of axes", default="all of them")
    ] = None
    where: Where = None


class EffectKeys(Keys, frozen=True, kw_only=True):
    """A figure that a study shows, and what is expected of it."""

    name: Annotated[str, means("what it shows, in a few words")]
    figure: Annotated[SelectionKeys, means("which numbers")]
    minus: Annotated[
        SelectionKeys | None,
        means("taken from them, point by point; what is left out is as in `figure`, and `at` adds to its `at`"),
    ] = None
    ratio_to: Annotated[SelectionKeys | None, means("what they are divided by, likewise")] = None
    reduce: Annotated[Reduce, means("how what is left makes one figure")] = Reduce.VALUE
    along: Annotated[
        Axes | None, means("the axes that this takes away", values="axis, list of axes", default="all of them")
    ] = None
    where: Where = None
    range: Annotated[
        tuple[Bound, Bound] | None,
        means("from where to where the figure is expected, ends included", values="`[low, high]`; `inf`, `-inf`"),
    ] = None
    one_of: Annotated[
        tuple[Any, ...] | None, means("of `argmin`, `argmax` and `first`: the values that are expected")
    ] = None
    paper: Annotated[str, means("what the authors report, and where")] = ""
    note: Annotated[str, means("what else is to be known about it")] = ""
    reproduced: Annotated[
        bool, means("false: the figure is outside the authors' range here, which `reason` explains")
    ] = True
    reason: Annotated[str, means("why it is not reproduced, as far as is known")] = ""
