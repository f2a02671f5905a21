"""How plots of studies look: on paper (a file) and on a page (inline SVG that follows the page's colours).

* Series have colours that people with any kind of colour vision tell apart (Okabe and Ito), and markers besides; the
  values of a numeric axis have shades of one map (viridis) in their order.
* Cells have one colour, the stronger the larger the number.
* Numbers spread over more than two decades have a logarithmic axis, powers of two one of base 2.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.deviation.names import cut
from emu.report.svg import FONT_SIZE, Ink
from emu.report.svg import figure as page_figure
from emu.studies.objectives import Constraint, Objective
from emu.studies.words import words_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a8f98", "#7a5195")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
SHADES = (0.15, 0.8)
"""The part of the colour map that is seen on light and on dark ground."""
DECADES = 2.0
LABEL = 34
"""Characters of a name in a plot."""
UPRIGHT = 46
"""Letters of a line along the upright side."""
STRONG = 0.6
"""Cells stronger than this need light ink."""


@dataclass(frozen=True, kw_only=True)
class Palette:
    """Colours of everything that is no series."""

    text: str
    muted: str
    grid: str
    accent: str
    alert: str
    surface: str


PAPER = Palette(
    text="#1d2126", muted="#646b73", grid="#e6e6e1", accent="#2c6aa8", alert="#b7410e", surface="#ffffff"
)  # fmt: skip
"""Of a file: the report's light colours."""
PAGE = Palette(
    text=Ink.TEXT.value, muted=Ink.MUTED.value, grid=Ink.GRID.value, accent=Ink.ACCENT.value, alert=Ink.ALERT.value,
    surface=Ink.SURFACE.value,
)  # fmt: skip
"""Of inline SVG: stand-ins for the page's own colours."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A plot, ready to be written."""

    kind: str
    figure: Figure
    title: str
    note: str
    """what a reader has to know besides; may be empty"""


def canvas(palette: Palette, *, height: float, width: float = 10.0) -> tuple[Figure, Axes]:
    """A figure with one pair of axes, styled."""
    fig, (ax,) = page_figure(1, 1, height=height, width=width)
    for spine in ax.spines.values():
        spine.set_color(palette.muted)
    ax.tick_params(colors=palette.muted, labelcolor=palette.text)
    for text in (ax.xaxis.label, ax.yaxis.label):
        text.set_color(palette.muted)
        text.set_fontsize(FONT_SIZE + 0.5)
    ax.grid(color=palette.grid, linewidth=0.6)
    return fig, ax


def label_sides(ax: Axes, x: str, y: str) -> None:
    """What the sides are; long words along the upright side are broken into lines."""
    ax.set_xlabel(x)
    ax.set_ylabel(textwrap.fill(y, UPRIGHT))


def legend(ax: Axes, palette: Palette, title: str) -> None:
    """A legend to the right of the axes, if anything has a label."""
    handles, _ = ax.get_legend_handles_labels()
    if not handles:
        return
    box = ax.legend(
        title=title, fontsize=FONT_SIZE, title_fontsize=FONT_SIZE, frameon=False, loc="upper left",
        bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, alignment="left",
    )  # fmt: skip
    for text in (*box.get_texts(), box.get_title()):
        text.set_color(palette.text)


def colours(labels: Sequence[str], *, ordered: bool) -> dict[str, str]:
    """A colour for each value of an axis.

    Args:
        labels: in order.
        ordered: whether they are numbers, or more than there are colours.
    """
    if not ordered and len(labels) <= len(SERIES):
        return dict(zip(labels, SERIES, strict=False))
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    low, high = SHADES
    shades = colormaps["viridis"]
    count = max(1, len(labels) - 1)
    return {label: to_hex(shades(low + (high - low) * i / count)) for i, label in enumerate(labels)}


def markers(labels: Sequence[str]) -> dict[str, str]:
    """A marker for each value of an axis."""
    return {label: MARKERS[i % len(MARKERS)] for i, label in enumerate(labels)}


def set_scale(ax: Axes, side: str, objective: Objective, values: Sequence[float]) -> None:
    """A logarithmic axis for a metric that spreads over decades."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    known = [value for value in values if math.isfinite(value)]
    wide = bool(known) and min(known) > 0 and math.log10(max(known) / min(known)) > DECADES
    if wide and words_of(objective).unit != "dB":
        (ax.set_xscale if side == "x" else ax.set_yscale)("log")
        axis = ax.xaxis if side == "x" else ax.yaxis
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))  # the usual one writes mathematics
        axis.set_minor_formatter(NullFormatter())


def constraint_lines(
    ax: Axes,
    palette: Palette,
    side: str,
    objective: Objective,
    constraints: Sequence[Constraint],
    drawn: Sequence[float],
) -> list[str]:
    """Dashed lines where the constraints on an objective are.

    Args:
        ax: the axes.
        palette: the colours.
        side: `x` or `y`.
        objective: what is drawn along this side.
        constraints: all of the study.
        drawn: the numbers along this side.

    Returns:
        A note on each constraint that is too far away to be drawn.
    """
    notes = []
    known = [value for value in drawn if math.isfinite(value)]
    if not known:
        return []
    low, high = min(known), max(known)
    span = high - low or abs(high) or 1.0
    for one in constraints:
        if one.objective != objective.name:
            continue
        text = f"{one.objective} {one.text}"
        if not low - span <= one.bound <= high + span:
            notes.append(f"{text} is outside the picture")
            continue
        line = ax.axvline if side == "x" else ax.axhline
        line(one.bound, color=palette.muted, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
        place = (one.bound, 1.0) if side == "x" else (1.0, one.bound)
        ax.annotate(
            one.text, place, xycoords=("data", "axes fraction") if side == "x" else ("axes fraction", "data"),
            xytext=(3, -3) if side == "x" else (-3, 2), textcoords="offset points", fontsize=FONT_SIZE - 0.5,
            ha="left" if side == "x" else "right", va="top" if side == "x" else "bottom", color=palette.muted,
        )  # fmt: skip
    return notes


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the values of an axis stand along a plot's side."""

    by_label: Mapping[str, float]
    base: int | None
    """of a logarithmic side"""
    numeric: bool

    @staticmethod
    def of(labels: Sequence[str], numbers: Mapping[str, float] | None) -> Places:
        """At their numbers, if they are some; else one after the other."""
        if numbers is None:
            return Places(by_label={label: float(i) for i, label in enumerate(labels)}, base=None, numeric=False)
        powers = len(numbers) > 2 and all(x > 0 and math.log2(x).is_integer() for x in numbers.values())
        return Places(by_label=numbers, base=2 if powers else None, numeric=True)

    def apply(self, ax: Axes, side: str) -> None:
        """Ticks at the values."""
        from matplotlib.ticker import NullLocator

        axis = ax.xaxis if side == "x" else ax.yaxis
        if self.base is not None:
            (ax.set_xscale if side == "x" else ax.set_yscale)("log", base=self.base)
        places = list(self.by_label.values())
        if self.numeric and len(places) > MOST_TICKS and self.base is None:
            return  # the usual ticks
        axis.set_minor_locator(NullLocator())
        named = self._apart() if self.numeric and self.base is None else dict(self.by_label)
        axis.set_ticks(list(named.values()), [cut(label, LABEL) for label in named])
        if side == "x" and not self.numeric and sum(min(len(label), LABEL) for label in self.by_label) > MOST_LETTERS:
            ax.tick_params(axis="x", labelrotation=30)
            for text in ax.get_xticklabels():
                text.set_horizontalalignment("right")

    def _apart(self) -> dict[str, float]:
        """Numbers that have room for their names, from the smallest on; names of many digits are cut to four."""
        span = max(self.by_label.values()) - min(self.by_label.values())
        kept: dict[str, float] = {}
        for label, place in sorted(self.by_label.items(), key=lambda one: one[1]):
            if not kept or place - max(kept.values()) >= LEAST_APART * span:
                kept[f"{place:.4g}" if len(label) > DIGITS else label] = place
        return kept


MOST_TICKS = 16
LEAST_APART = 0.05
"""Of the whole side, between two numbers with names."""
DIGITS = 7
MOST_LETTERS = 80
"""Letters side by side before labels are slanted."""


def shade(colour: str, strength: float) -> tuple[str, float]:
    """A colour and its opacity, for a number between 0 and 1."""
    return colour, round(0.06 + 0.94 * min(1.0, max(0.0, strength)), 3)
