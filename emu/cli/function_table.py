"""A function unit as text: its keys, its pieces, its error profile, and a plot of its ULP error over the input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rich.console import Console

    from emu.functions.profile import Comparison
    from emu.functions.unit import FunctionUnit

COLUMNS, ROWS = 72, 8


def print_function(console: Console, unit: FunctionUnit) -> None:
    """Print a function unit; the first time its tables take a few seconds."""
    from emu.functions.describe import facts, pieces
    from emu.functions.profile import compare

    def line(text: str = "", style: str | None = None) -> None:
        console.print(text, highlight=False, markup=False, emoji=False, soft_wrap=True, style=style)

    line(f"function unit {unit.name}", "bold")
    for key, text in (
        ("doc", unit.doc), ("source", unit.source), ("maturity", unit.maturity), ("scope", unit.scope), *facts(unit),
    ):  # fmt: skip
        if text:
            line(f"{key:<20}{text}")
    line()
    for text in pieces(unit):
        line(text)
    line()
    for text in unit.error_profile().lines():
        line(text)
    line()
    for text in ulp_plot(compare(unit)):
        line(text)


def ulp_plot(pairs: Comparison, columns: int = COLUMNS, rows: int = ROWS) -> list[str]:
    """The largest ULP error in equal shares of the finite inputs, in ascending order, as lines of text.

    Args:
        pairs: a unit and its function, input by input.
        columns: how many shares.
        rows: how high, at most; the top one is the largest error.
    """
    used = np.flatnonzero(np.isfinite(pairs.inputs))
    if not used.size:
        return []
    shares = np.array_split(used, min(columns, used.size))
    heights = [int(np.abs(pairs.ulp[share]).max()) for share in shares]
    most = max(heights)
    if most == 0:
        return ["ULP error: 0 everywhere"]
    levels = sorted({-(-most * row // min(rows, most)) for row in range(1, min(rows, most) + 1)}, reverse=True)
    width = len(str(most))
    lines = ["largest ULP error, inputs ascending in equal shares"]
    for level in levels:
        bar = "".join("#" if height >= level else " " for height in heights)
        lines.append(f"{level:>{width}} |{bar.rstrip()}")
    ends = [f"{pairs.inputs[used[at]]:.6g}" for at in (0, used.size // 2, -1)]
    middle = ends[1].center(max(0, len(shares) - len(ends[0]) - len(ends[2])))
    return [*lines, f"{'':>{width}} +{'-' * len(shares)}", f"{'':>{width + 2}}{ends[0]}{middle}{ends[2]}"]
