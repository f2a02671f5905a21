"""Plots as files: one picture, or a page with all of them.

A file has its title and note in it; a page has them around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from emu.atomic import replacing
from emu.errors import SpecError
from emu.report.svg import FONT_SIZE, SALT
from emu.studies.plots.choose import every_plot, one_plot
from emu.studies.plots.style import PAGE, PAPER, Drawn
from emu.studies.view import View

PICTURES = (".png", ".svg", ".pdf")
DPI = 160


def write_plot(
    path: Path,
    view: View,
    *,
    kind: str | None = None,
    objective: str | None = None,
    cost: str | None = None,
    axes: Sequence[str] = (),
) -> list[str]:
    """Write a picture, or an HTML page with every plot that the study has.

    Args:
        path: its ending says what is written.
        view: the points.
        kind: a value of `Plot`; None: what suits the rest, of a page all of them.
        objective: what is drawn.
        cost: what it is drawn against.
        axes: what it is drawn over.

    Returns:
        What was written, for people.

    Raises:
        SpecError: an ending that is none of these, names of nothing, or a plot that the study does not have.
    """
    if path.suffix == ".html":
        from emu.studies.report import write_page

        whole = kind is None and objective is None and cost is None and not axes
        drawn = (
            every_plot(view, PAGE)
            if whole
            else [one_plot(view, PAGE, kind=kind, objective=objective, cost=cost, axes=axes)]
        )
        write_page(path, view, drawn)
        return [f"{path}: {', '.join(one.title for one in drawn)}"]
    if path.suffix not in PICTURES:
        raise SpecError("no kind of picture", key="-o", value=path.name, allowed=(*PICTURES, ".html"))
    one = one_plot(view, PAPER, kind=kind, objective=objective, cost=cost, axes=axes)
    _write(path, view, one)
    return [f"{path}: {one.kind}: {one.title}"]


def _write(path: Path, view: View, drawn: Drawn) -> None:
    import matplotlib
    from matplotlib.text import Text

    title = f"{view.asked.name}: {drawn.title}"
    drawn.figure.suptitle(title, fontsize=FONT_SIZE + 2, x=0.01, ha="left", color=PAPER.text)
    if drawn.note:
        drawn.figure.axes[0].set_title(drawn.note, fontsize=FONT_SIZE, loc="left", color=PAPER.muted)
    for text in drawn.figure.findobj(Text):
        text.set_parse_math(False)
    same = {"Date": None} if path.suffix == ".svg" else {"CreationDate": None} if path.suffix == ".pdf" else None
    with replacing(path) as temporary, matplotlib.rc_context({"svg.hashsalt": SALT, "text.parse_math": False}):
        drawn.figure.savefig(temporary, format=path.suffix[1:], dpi=DPI, facecolor=PAPER.surface, metadata=same)
