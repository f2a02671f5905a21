"""A trace as a picture: the accumulators of every level next to the exact sum, and what they lost.

* One column for each level. Above: the accumulator after each step, and the exact sum of what it stands for. Below:
  what is lost so far, and the largest single losses marked.
* Steps that are NaN or infinite are gaps.
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from emu.attribution.element import ElementTrace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from emu.attribution.trace import TraceStep

MARKED = 5
"""Losses that are marked in each level."""
EXACT, REAL, LOST = "#8a8f98", "#1f6feb", "#c9372c"


def write_trace_plot(path: Path, layer: str, found: ElementTrace) -> None:
    """Draw a trace.

    Args:
        path: .svg, .png or .pdf.
        layer: its name.
        found: the trace.
    """
    from matplotlib.figure import Figure

    trace = found.trace
    fig = Figure(figsize=(5.2 * trace.levels + 1.2, 5.4), layout="constrained")
    axes = fig.subplots(2, trace.levels, squeeze=False, sharex="col")
    for level in range(trace.levels):
        _level(axes[0][level], axes[1][level], trace.of_level(level), level)
    element = ", ".join(map(str, found.index))
    fig.suptitle(
        f"{layer} [{element}]   unit {trace.unit}   exact {found.truth:.9g}   emulated {found.emulated:.9g}",
        fontsize=9, parse_math=False,
    )  # fmt: skip
    fig.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)


def _level(above: Axes, below: Axes, steps: list[TraceStep], level: int) -> None:
    x = list(range(len(steps)))
    above.plot(x, [_float(step.exact) for step in steps], color=EXACT, linewidth=2.4, label="exact")
    after = [_float(step.after.fraction() if step.after.finite else None) for step in steps]
    above.plot(x, after, color=REAL, linewidth=1.0, marker="." if len(x) < 80 else "", label="accumulator")
    above.set_title(f"level {level}", fontsize=9, loc="left")
    above.legend(fontsize=8, frameon=False)
    below.axhline(0, color=EXACT, linewidth=0.8)
    below.plot(x, [_float(step.error) for step in steps], color=LOST, linewidth=1.0, label="lost so far")
    worst = sorted(x, key=lambda i: -abs(_float(steps[i].own_error) or 0.0))[:MARKED]
    worst = [i for i in worst if steps[i].own_error]
    below.plot(
        worst, [_float(steps[i].error) for i in worst], "o", color=LOST, markersize=4, label="largest single losses"
    )
    below.legend(fontsize=8, frameon=False)
    below.set_xlabel("step")
    for ax in (above, below):
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
        ax.grid(color="#e5e7eb", linewidth=0.6)


def _float(x: Fraction | None) -> float:
    return math.nan if x is None else float(x)
