"""Matplotlib figures as inline SVG that follows the page: its colours, its font, its dark mode.

* A figure is drawn in *stand-in* colours; in the SVG each of them is replaced by a CSS variable of the page.
  Shades are one stand-in colour with an opacity, so they work on a light page and on a dark one.
* Text stays text (`svg.fonttype = "none"`) in the page's font.
* Deterministic: ids come from the content and a fixed salt, no date, no version. The same figure gives the
  same bytes.
* Self-contained: no metadata, no namespace but SVG's own, references only to ids in the same figure; ids
  carry the figure's name, so several figures fit on one page.
* No mathtext: a `$` in a layer's name is a dollar sign.
* No pyplot: no global state, no display.
"""

from __future__ import annotations

import enum
import io
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SALT = "emu"
WIDTH = 10.0
"""Inches of a figure as wide as the page: about 1060 CSS pixels there."""
FONT_SIZE = 8.5
"""Points in a figure of `WIDTH`: about 12 CSS pixels."""


class Ink(enum.Enum):
    """A stand-in colour and the CSS variable of the page that it stands for."""

    TEXT = "#010203"
    """text and axes"""
    MUTED = "#010204"
    """labels of less weight"""
    GRID = "#010205"
    """grid lines"""
    ACCENT = "#010206"
    """data"""
    ALERT = "#010207"
    """the worst layer"""
    SURFACE = "#010208"
    """what a figure stands on"""

    @property
    def variable(self) -> str:
        """The CSS variable."""
        return f"var(--{self.name.lower()})"


def figure(
    rows: int, columns: int, *, height: float, width: float = WIDTH, share_y: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure without background, and its axes in reading order."""
    from matplotlib.figure import Figure

    fig = Figure(figsize=(width, height), layout="constrained")
    fig.patch.set_visible(False)
    grid = fig.subplots(rows, columns, squeeze=False, sharey=share_y)
    axes = [ax for row in grid for ax in row]
    for ax in axes:
        _style(ax)
    return fig, axes


def _style(ax: Axes) -> None:
    """Thin axes on the left and at the bottom, a quiet grid behind the data."""
    ax.patch.set_visible(False)
    ax.set_axisbelow(True)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(Ink.MUTED.value)
        spine.set_linewidth(0.6)
    ax.tick_params(colors=Ink.MUTED.value, labelcolor=Ink.TEXT.value, labelsize=FONT_SIZE, width=0.6, length=2.5)
    for text in (ax.xaxis.label, ax.yaxis.label):
        text.set_color(Ink.MUTED.value)
        text.set_fontsize(FONT_SIZE)


def layer_axis(ax: Axes, names: Sequence[str], worst: int | None = None) -> None:
    """One row per layer, the first one on top; the worst one's name in the colour of alerts."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    labels = ax.get_yticklabels()
    if worst is not None and labels:  # panels that share an axis have labels on the first one only
        label = labels[worst]
        label.set_color(Ink.ALERT.value)
        label.set_fontweight("bold")


def to_svg(fig: Figure, name: str, description: str) -> str:
    """The figure as one `<svg>` element.

    Args:
        fig: drawn with the colours of `Ink`.
        name: letters and hyphens; goes before every id.
        description: what a reader who cannot see the figure is told.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.text import Text

    buffer = io.StringIO()
    FigureCanvasSVG(fig)
    for text in fig.findobj(Text):
        text.set_parse_math(False)
    with matplotlib.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": SALT,
            "font.family": "DejaVu Sans",
            "text.parse_math": False,  # again, for ticks that drawing makes
        }
    ):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        fig.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    return _inline(buffer.getvalue(), name, description)


def _inline(svg: str, name: str, description: str) -> str:
    """The `<svg>` element of an SVG file, made safe to stand in a page with others."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = (
        re.sub(r'\s(?:xmlns(?::\w+)?|width|height|version)="[^"]*"', "", svg[: svg.index(">")]) + svg[svg.index(">") :]
    )
    svg = svg.replace("xlink:href=", "href=")
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    for ink in Ink:
        svg = svg.replace(ink.value, ink.variable)
    svg = re.sub(r"'DejaVu Sans'(?:, [^;\"]*)?", "var(--sans)", svg)
    svg = re.sub(r"\n\s*", "\n", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1)
