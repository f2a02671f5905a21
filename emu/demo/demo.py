"""`emu demo`: the digits network in IEEE float32 and bit by bit under three accelerators.

* Nothing is downloaded: the network and its 450 held-out images are in this folder (`train_digits.py` made
  them).
* Each accelerator runs the whole network, propagated: errors of one layer reach the next, and what counts is
  what the network says at the end.
* The IEEE row is the reference engine's float32 run of the same model, which is also the truth of every SQNR
  here.
* Every number that is printed was computed just then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emu.atomic import check_file
from emu.deviation import numbers
from emu.deviation.rows import LayerRow, known_sum, of_units
from emu.deviation.table import not_shown, plain_table, print_table, table_width

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from emu.accelerators import Accelerator
    from emu.deviation.run import Replay

FOLDER = Path(__file__).parent
MODEL, DATA = FOLDER / "digits.onnx", FOLDER / "digits.npz"
ACCELERATORS = ("hopper-fp8-promoted", "fp8-fp16acc", "int8-sat16")
"""A machine that is built, one with half its accumulator, and one whose accumulator is too narrow."""


@dataclass(frozen=True, kw_only=True)
class DemoRow:
    """One line of the demo's table."""

    name: str
    correct: int
    """images whose largest logit is their label's"""
    images: int
    changed: int | None = None
    """predictions that differ from IEEE float32; None in the IEEE row itself"""
    worst: LayerRow | None = None
    """the layer with the lowest SQNR; None in the IEEE row"""
    saturated: int | None = None
    """values clamped anywhere; None in the IEEE row"""
    seconds: float | None = None
    """of the whole replay, reference run included; None in the IEEE row"""

    @property
    def accuracy(self) -> float:
        """Share of correct predictions."""
        return self.correct / self.images

    @property
    def rank(self) -> tuple[int, int]:
        """Sorts rows: fewest correct predictions first, then most changed ones."""
        return self.correct, -(self.changed or 0)


def run_demo(
    console: Console,
    *,
    accelerators: Sequence[str] = ACCELERATORS,
    backend: str | None = None,
    report: Path | None = None,
    images: int | None = None,
) -> tuple[DemoRow, ...]:
    """Run the demo and print its table.

    Args:
        console: where to.
        accelerators: names or paths.
        backend: as for `emu.replay`.
        report: where to write the HTML report of the run that is farthest from IEEE; None: nowhere.
        images: how many of the images; None: all.

    Returns:
        The IEEE row, then one row per accelerator.

    Raises:
        SpecError: an unknown accelerator.
        ModelError: the report cannot be written.
    """
    from rich.text import Text

    from emu.accelerators import load_accelerator

    if report is not None:
        check_file(report)
    chosen = [load_accelerator(name) for name in accelerators]  # refuse a wrong name before work starts
    with np.load(DATA, allow_pickle=False) as data:
        pictures, labels = data["images"][:images], data["labels"][:images]
    rows: list[DemoRow] = []
    replays: list[Replay] = []
    for accelerator in chosen:
        with console.status(Text(f"{accelerator.name}: {numbers.plural(len(labels), 'image')}, bit by bit")):
            ieee, row, replay = _run(accelerator, pictures, labels, backend)
        rows = [*(rows or [ieee]), row]
        replays.append(replay)
    if report is not None and replays:
        from emu.report import write_report

        row, farthest = min(zip(rows[1:], replays, strict=True), key=lambda pair: pair[0].rank)
        write_report(report, farthest.result)
    print_table(console, demo_table(rows, width=console.width if console.is_terminal else None))
    if report is not None and replays:
        console.print(Text(f"report of {row.name}: {report}"), soft_wrap=True)
    return tuple(rows)


def _run(
    accelerator: Accelerator, pictures: NDArray[np.uint8], labels: NDArray[np.uint8], backend: str | None
) -> tuple[DemoRow, DemoRow, Replay]:
    """The row of IEEE, that of an accelerator, and the replay."""
    from emu.deviation.run import replay

    start = time.perf_counter()
    done = replay(
        MODEL,
        {"images": pictures},
        accelerator=accelerator,
        mode="propagated",
        truth="float32",
        backend=backend,
    )
    seconds = time.perf_counter() - start
    (logits,) = done.run.outputs.values()
    ieee, said = predictions(logits.truth), predictions(logits.emulated)
    reference = DemoRow(name="IEEE float32", correct=int((ieee == labels).sum()), images=len(labels))
    row = DemoRow(
        name=accelerator.name,
        correct=int((said == labels).sum()),
        images=len(labels),
        changed=int((said != ieee).sum()),
        worst=done.result.worst,
        saturated=known_sum(layer.all_saturated for layer in of_units(done.rows)),
        seconds=seconds,
    )
    return reference, row, done


def predictions(logits: NDArray[np.floating]) -> NDArray[np.int64]:
    """The place of the largest logit of each row; -1, which is no digit, for a row with a NaN."""
    return np.where(np.isnan(logits).any(axis=1), -1, logits.argmax(axis=1))


def demo_table(rows: Sequence[DemoRow], *, width: int | None = None) -> Table:
    """The table of the demo.

    Args:
        rows: in the order to be shown.
        width: characters that fit: columns are left out, least important first, until the table does, and the
            caption names them; None: as wide as it needs to be.
    """
    headings = list(COLUMNS)
    table = _build(rows, headings)
    for heading in DROPPED_FIRST:
        if width is None or table_width(table) <= width:
            break
        headings.remove(heading)
        table = _build(rows, headings)
        table.caption = not_shown(name for name in COLUMNS if name not in headings)
    return table


def _build(rows: Sequence[DemoRow], headings: Sequence[str]) -> Table:
    from rich.text import Text

    table = plain_table()
    table.title_justify = "left"
    if rows:
        table.title = f"Handwritten digits, {numbers.plural(rows[0].images, 'image')} that the network has never seen"
    for heading in headings:
        left = heading in ("arithmetic", "worst layer")
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(COLUMNS[heading](row)) for heading in headings))
    return table


COLUMNS: dict[str, Callable[[DemoRow], str]] = {
    "arithmetic": lambda row: row.name,
    "accuracy": lambda row: f"{100 * row.accuracy:.2f} %",
    "changed": lambda row: "" if row.changed is None else str(row.changed),
    "worst layer": lambda row: "" if row.worst is None else row.worst.layer,
    "SQNR": lambda row: "" if row.worst is None else numbers.decibels_unit(row.worst.sqnr_db),
    "saturated": lambda row: "" if row.saturated is None else numbers.count(row.saturated),
    "time": lambda row: "" if row.seconds is None else numbers.seconds(row.seconds),
}
"""Headings of the demo's table, and what a cell shows."""
DROPPED_FIRST = ("time", "worst layer", "SQNR", "saturated", "changed")
"""Columns that a narrow terminal does not show, the first one first."""
