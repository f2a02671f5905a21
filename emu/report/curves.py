"""Error along the graph, and error by magnitude: the plots whose width does not depend on how many layers there are.

* Depth: SQNR of every layer over its place in the graph. A layer without any error stands as a triangle at the top, one
  without a finite pair, or with a truth of zeros, as a cross at the bottom; lines connect the others. Another run of
  the same model (its other mode, another accelerator) may be drawn behind.
* Magnitude: root mean square of the error in every binade of |truth|, and how many elements lie there. Where the points
  are on the line, the error is as large as the value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from emu.deviation import numbers
from emu.deviation.names import cut
from emu.deviation.result import Result
from emu.deviation.rows import LayerRow, worst
from emu.replaying.result import Kind
from emu.report.svg import FONT_SIZE, Ink, figure, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME_WIDTH = 40
"""Characters of the worst layer's name in the plot."""
LEAST_LAYERS = 3
"""Fewer make no curve."""
MOST_TICKS = 12


def depth_plot(result: Result, beside: Result | None = None) -> str | None:
    """SQNR along the graph.

    Args:
        result: the run.
        beside: another run of the same model; its layers are found by place and name.
    """
    from matplotlib.ticker import MaxNLocator

    rows = result.rows
    if len(rows) < LEAST_LAYERS:
        return None
    there = {(row.index, row.layer) for row in rows}
    others = [row for row in beside.rows if (row.index, row.layer) in there] if beside is not None else []
    finite = [row.sqnr_db for row in (*rows, *others) if math.isfinite(row.sqnr_db)]
    low, high = min([0.0, *finite]), max([10.0, *finite])
    room = 0.08 * (high - low)
    fig, (ax,) = figure(1, 1, height=3.2)
    if beside is not None:
        _curve(ax, others, Ink.MUTED, low - room, high + room, _label(beside))
    _curve(ax, rows, Ink.ACCENT, low - room, high + room, _label(result))
    _mark_worst(ax, rows)
    ax.set_ylim(low - 2 * room, high + 2 * room)
    ax.set_xlabel("place in the graph (column # of the table)")
    ax.set_ylabel("SQNR in dB")
    ax.xaxis.set_major_locator(MaxNLocator(MOST_TICKS, integer=True))
    ax.grid(color=Ink.GRID.value, linewidth=0.6)
    if beside is not None or any(row.kind == Kind.VECTOR.value for row in rows):
        legend = ax.legend(fontsize=FONT_SIZE - 0.5, frameon=False, loc="upper left", bbox_to_anchor=(0, 1.16), ncols=4)
        for text in legend.get_texts():
            text.set_color(Ink.TEXT.value)
    return to_svg(fig, "depth", "Line chart: signal to quantisation-noise ratio of the layers along the graph")


def _label(result: Result) -> str:
    return f"{result.accelerator}, {result.mode}"


def _curve(ax: Axes, rows: Sequence[LayerRow], ink: Ink, bottom: float, top: float, label: str) -> None:
    """One run: a line through the finite points, and marks."""
    finite = [row for row in rows if math.isfinite(row.sqnr_db)]
    ax.plot([row.index for row in finite], [row.sqnr_db for row in finite], color=ink.value, linewidth=1.0, alpha=0.6)
    for kind, face, words in ((Kind.MATRIX, ink.value, label), (Kind.VECTOR, "none", "vector operations")):
        chosen = [(row.index, row.sqnr_db) for row in finite if row.kind == kind.value]
        if chosen:
            named = words if kind is Kind.MATRIX or ink is Ink.ACCENT else "_"
            ax.plot(
                *zip(*chosen, strict=True), "o", markersize=4, markerfacecolor=face, markeredgecolor=ink.value,
                markeredgewidth=1.0, label=named,
            )  # fmt: skip
    exact = [row.index for row in rows if row.sqnr_db == math.inf]
    lost = [row.index for row in rows if math.isnan(row.sqnr_db) or row.sqnr_db == -math.inf]
    for xs, y, marker, words in ((exact, top, "^", "exact"), (lost, bottom, "x", "no ratio")):
        if xs:
            named = words if ink is Ink.ACCENT else "_"
            ax.plot(xs, [y] * len(xs), marker, markersize=4, color=ink.value, alpha=0.6, label=named)


def _mark_worst(ax: Axes, rows: Sequence[LayerRow]) -> None:
    bad = worst(rows)
    if bad is None or not math.isfinite(bad.sqnr_db):
        return
    first, last = rows[0].index, rows[-1].index
    right = bad.index > (first + last) / 2
    ax.plot([bad.index], [bad.sqnr_db], "o", markersize=5.5, color=Ink.ALERT.value)
    ax.annotate(
        f"{cut(bad.layer, NAME_WIDTH)}, {numbers.decibels_unit(bad.sqnr_db)}", (bad.index, bad.sqnr_db),
        xytext=(-6 if right else 6, -4), textcoords="offset points", ha="right" if right else "left", va="top",
        fontsize=FONT_SIZE, color=Ink.ALERT.value,
    )  # fmt: skip


def magnitude_plot(row: LayerRow) -> str | None:
    """Error by binade of the truth, and where the truth lies."""
    from matplotlib.ticker import MaxNLocator

    erring = [(n, math.log2(rms)) for n, rms in zip(row.binades, row.binade_rms, strict=True) if 0 < rms < math.inf]
    if len(row.binades) < 2 or not erring:
        return None
    fig, (left, right) = figure(1, 2, height=3.4)
    ends = [row.binades[0], row.binades[-1]]
    middle = [n + 0.5 for n in ends]
    left.plot(middle, middle, color=Ink.ALERT.value, linewidth=0.8)
    left.plot(
        [n + 0.5 for n, _ in erring], [y for _, y in erring], "o-", color=Ink.ACCENT.value, markersize=4, linewidth=1
    )
    left.set_ylabel("RMS of the error")
    _powers(left, "y", min(y for _, y in erring), max(*(y for _, y in erring), middle[1]))
    right.bar([n + 0.5 for n in row.binades], row.binade_counts, width=0.8, color=Ink.ACCENT.value)
    right.set_ylabel("elements")
    right.set_ylim(0, None)
    right.yaxis.set_major_locator(MaxNLocator(6, integer=True))
    for ax in (left, right):
        ax.set_xlabel("|truth|, one binade each")
        _powers(ax, "x", *ends)
        ax.set_xlim(ends[0] - 0.2, ends[1] + 1.2)
        ax.grid(color=Ink.GRID.value, linewidth=0.6)
    return to_svg(fig, "magnitude", "Error of the worst layer by magnitude of the truth, and number of elements there")


def _powers(ax: Axes, axis: str, low: float, high: float) -> None:
    """Ticks at powers of two: `2^-3` as people write it."""
    first, last = math.floor(low), math.ceil(high)
    step = max(1, -(-(last - first) // MOST_TICKS))
    ticks = range(first - first % step, last + 1, step)
    place = ax.set_xticks if axis == "x" else ax.set_yticks
    place(list(ticks), [_power(n) for n in ticks])


def _power(n: int) -> str:
    return "2" + str(n).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
