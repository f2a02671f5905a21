"""The plots of a report, each an inline SVG or None where there is nothing to draw.

* SQNR per layer: one bar each, the worst one marked. A layer without any error is a full bar that says
  `exact`.
* ULP distances: one row per layer, one column per bin of `emu.deviation.ulp.histogram`, the share of the
  layer's elements as shade and number. Long tails are folded into the last column.
* Events: one panel for each kind that occurred anywhere, bars with counts; panels have their own scales. Vector
  operations count nothing, so they are there only if something left its range.
* The worst layer: emulated value against truth, and error against truth, as densities.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emu.deviation import numbers
from emu.deviation.names import fit
from emu.deviation.result import Sample
from emu.deviation.rows import LayerRow, worst
from emu.deviation.ulp import bin_label, merge_bins
from emu.replaying.result import Kind
from emu.report.svg import FONT_SIZE, Ink, figure, layer_axis, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME_WIDTH = 34
"""Characters of a layer's name in a plot."""
ROW = 0.22
"""Inches per layer."""
MARGIN = 0.65
"""Inches for the axis and its label."""
MOST_PANELS = 4
"""Panels side by side in the plot of events."""
TALL = 40
"""Figures of more layers than this scroll, and say on top too what their columns are."""
MOST_BINS = 16
"""Columns of the ULP plot: more binades than that are merged, the same number in every column but the
first."""

EVENT_PANELS: tuple[tuple[str, Callable[[LayerRow], int | None]], ...] = (
    ("saturated in the unit", lambda r: r.saturated),
    ("saturated by the quantiser", lambda r: r.quantiser_saturated),
    ("saturated in the last cast", lambda r: r.output_saturated),
    ("overflowed in the unit", lambda r: r.overflow),
    ("overflowed in the quantiser", lambda r: r.quantiser_overflowed),
    ("overflowed in the last cast", lambda r: r.output_overflowed),
    ("wrapped", lambda r: r.wrapped),
    ("flushed to zero", lambda r: r.flushed),
    ("NaN made", lambda r: r.nan_made),
    ("outputs not finite", lambda r: r.emulated_not_finite),
)


def sqnr_plot(rows: Sequence[LayerRow]) -> str | None:
    """SQNR of each layer."""
    if not rows:
        return None
    finite = [row.sqnr_db for row in rows if math.isfinite(row.sqnr_db)]
    high, low = max([10.0, *finite]), min([0.0, *finite])
    bad = worst(rows)
    fig, (ax,) = figure(1, 1, height=MARGIN + ROW * len(rows))
    for i, row in enumerate(rows):
        ink = Ink.ALERT if row is bad and len(rows) > 1 else Ink.ACCENT
        value = row.sqnr_db if math.isfinite(row.sqnr_db) else high if row.sqnr_db == math.inf else 0.0
        ax.barh(i, value, height=0.62, color=ink.value, alpha=1.0 if math.isfinite(row.sqnr_db) else 0.35)
        text = "no finite value" if math.isnan(row.sqnr_db) else numbers.decibels_unit(row.sqnr_db)
        _label(ax, max(value, 0.0), i, text)
    ax.set_xlim(1.02 * low, high * 1.1)
    ax.set_xlabel("SQNR in dB (more is better)")
    ax.grid(axis="x", color=Ink.GRID.value, linewidth=0.6)
    layer_axis(ax, _names(rows), _place(rows, bad))
    return to_svg(fig, "sqnr", "Bar chart: signal to quantisation-noise ratio of each layer, in decibels")


def ulp_plot(rows: Sequence[LayerRow]) -> str | None:
    """The distribution of ULP distances of each layer."""
    longest = max((len(row.ulp_histogram) for row in rows), default=0)
    if not longest:
        return None
    merged = max(1, -(-(longest - 1) // (MOST_BINS - 1)))
    labels = ["0", *(bin_label(b, merged) for b in range(1, longest, merged))]
    fig, (ax,) = figure(1, 1, height=MARGIN + 0.1 + ROW * len(rows))
    for i, row in enumerate(rows):
        for j, n in enumerate(merge_bins(row.ulp_histogram, merged)):
            if n:
                _shaded_cell(ax, j, i, n / sum(row.ulp_histogram))
    ax.set_xticks(range(len(labels)), labels)
    ax.set_xlim(-0.55, len(labels) - 0.45)
    ax.set_xlabel("ULP between the result and the correctly rounded truth (numbers: % of the layer's elements)")
    ax.tick_params(axis="x", length=0, labeltop=len(rows) > TALL)
    bad = worst(rows)
    layer_axis(ax, _names(rows), _place(rows, bad))
    return to_svg(fig, "ulp", "Heat map: share of each layer's elements by ULP distance from the truth")


def event_plot(rows: Sequence[LayerRow]) -> str | None:
    """Counts of what happened, for the kinds that did."""
    rows = [row for row in rows if row.kind == Kind.MATRIX.value or row.emulated_not_finite]
    panels = [(title, [show(row) or 0 for row in rows]) for title, show in EVENT_PANELS]
    panels = [(title, counts) for title, counts in panels if any(counts)]
    if not panels:
        return None
    columns = min(len(panels), MOST_PANELS)
    lines = -(-len(panels) // columns)
    height = lines * (0.45 + ROW * len(rows)) + 0.2
    fig, axes = figure(lines, columns, height=height, share_y=True)
    bad = worst(rows)
    for ax, (title, counts) in zip(axes, panels, strict=False):
        _event_panel(ax, title, counts, room=0.2 + 0.15 * columns)
        layer_axis(ax, _names(rows), _place(rows, bad))
    for ax in axes[len(panels) :]:
        ax.remove()
    return to_svg(fig, "events", "Bar charts: counts of saturation, overflow, flushing and NaN in each layer")


def _event_panel(ax: Axes, title: str, counts: Sequence[int], *, room: float) -> None:
    """Bars and counts of one kind; `room` is the space for the counts, as a share of the longest bar."""
    ax.set_title(title, fontsize=FONT_SIZE, color=Ink.TEXT.value, loc="left")
    for i, n in enumerate(counts):
        ax.barh(i, n, height=0.62, color=Ink.ACCENT.value)
        if n:
            _label(ax, n, i, numbers.count(n))
    ax.set_xlim(0, max(counts) * (1 + room))
    ax.set_xticks([])
    ax.spines["bottom"].set_visible(False)
    ax.axvline(0, color=Ink.MUTED.value, linewidth=0.6)


def scatter_plot(sample: Sample) -> str | None:
    """Emulated against truth, and error against truth, of one layer."""
    truth, emulated = sample.truth, sample.emulated.astype(np.float64)
    finite = np.isfinite(truth) & np.isfinite(emulated)
    truth, emulated = truth[finite], emulated[finite]
    if truth.size < 2 or np.ptp(truth) == 0:
        return None
    fig, (left, right) = figure(1, 2, height=4.2)
    _density(left, truth, emulated)
    ends = [float(truth.min()), float(truth.max())]
    left.plot(ends, ends, color=Ink.ALERT.value, linewidth=0.8)
    left.set_ylabel("emulated value")
    _density(right, truth, emulated - truth)
    right.axhline(0, color=Ink.ALERT.value, linewidth=0.8)
    right.set_ylabel("error: emulated − truth")
    for ax in (left, right):
        ax.set_xlabel("truth")
        ax.grid(color=Ink.GRID.value, linewidth=0.6)
    return to_svg(
        fig,
        "scatter",
        "Two density plots of the worst layer: emulated value against truth, error against truth",
    )


def _density(ax: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Hexagons, darker where more points fall; the logarithm of the count decides the shade."""
    mesh = ax.hexbin(x, y, gridsize=48, mincnt=1, linewidths=0)
    shade: Any = np.log1p(np.asarray(mesh.get_array(), np.float64))
    mesh.set_array(None)
    rgb = tuple(int(Ink.ACCENT.value[i : i + 2], 16) / 255 for i in (1, 3, 5))
    mesh.set_facecolor([(*rgb, round(0.25 + 0.75 * s / float(shade.max()), 2)) for s in shade])


def _shaded_cell(ax: Axes, x: int, y: int, share: float) -> None:
    """One cell of the heat map: shade and percentage."""
    from matplotlib.patches import Rectangle

    ax.add_patch(
        Rectangle(
            (x - 0.48, y - 0.44),
            0.96,
            0.88,
            facecolor=Ink.ACCENT.value,
            alpha=round(0.06 + 0.94 * share, 3),
            linewidth=0,
        )
    )
    text = f"{100 * share:.0f}" if share >= 0.095 else f"{100 * share:.1f}" if share >= 0.0005 else "·"
    ink = Ink.SURFACE if share > 0.55 else Ink.TEXT
    ax.text(x, y, text, ha="center", va="center_baseline", fontsize=FONT_SIZE - 1, color=ink.value)


def _label(ax: Axes, x: float, y: int, text: str) -> None:
    """A number at the end of a bar."""
    ax.annotate(
        text, (x, y), xytext=(4, 0), textcoords="offset points", va="center_baseline",
        fontsize=FONT_SIZE - 0.5, color=Ink.TEXT.value,
    )  # fmt: skip


def _names(rows: Sequence[LayerRow]) -> list[str]:
    return fit([row.layer for row in rows], NAME_WIDTH)


def _place(rows: Sequence[LayerRow], row: LayerRow | None) -> int | None:
    """The position of a row, by identity; None if there is only one row to be worst of."""
    if len(rows) < 2:
        return None
    return next((i for i, r in enumerate(rows) if r is row), None)
