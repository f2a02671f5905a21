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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emu.deviation import numbers
from emu.deviation.rows import LayerRow
from emu.deviation.table import plain_table, print_table

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
        OSError: the report cannot be written.
    """
    from emu.accelerators import load_accelerator

    chosen = [load_accelerator(name) for name in accelerators]  # refuse a wrong name before work starts
    with np.load(DATA, allow_pickle=False) as data:
        pictures, labels = data["images"][:images], data["labels"][:images]
    rows: list[DemoRow] = []
    replays: list[Replay] = []
    for accelerator in chosen:
        with console.status(f"{accelerator.name}: {len(labels)} images, bit by bit"):
            ieee, row, replay = _run(accelerator, pictures, labels, backend)
        rows = [*(rows or [ieee]), row]
        replays.append(replay)
    print_table(console, demo_table(rows))
    if report is not None and replays:
        from emu.report import write_report

        farthest = min(zip(rows[1:], replays, strict=True), key=lambda pair: (pair[0].correct, -(pair[0].changed or 0)))
        write_report(report, farthest[1].result)
        console.print(f"report of {farthest[0].name}: {report}", soft_wrap=True)
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
        saturated=sum(layer.all_saturated for layer in done.rows),
        seconds=seconds,
    )
    return reference, row, done


def predictions(logits: NDArray[np.floating]) -> NDArray[np.int64]:
    """The place of the largest logit of each row; -1, which is no digit, for a row with a NaN."""
    return np.where(np.isnan(logits).any(axis=1), -1, logits.argmax(axis=1))


def demo_table(rows: Sequence[DemoRow]) -> Table:
    """The table of the demo."""
    table = plain_table()
    table.title_justify = "left"
    table.title = f"Handwritten digits, {rows[0].images} images that the network has never seen" if rows else None
    table.add_column("arithmetic", no_wrap=True)
    for heading in ("accuracy", "changed", "worst layer", "SQNR", "saturated", "time"):
        table.add_column(heading, justify="left" if heading == "worst layer" else "right", no_wrap=True)
    for row in rows:
        worst = row.worst
        table.add_row(
            row.name,
            f"{100 * row.accuracy:.2f} %",
            "" if row.changed is None else str(row.changed),
            "" if worst is None else worst.layer,
            "" if worst is None else _decibels(worst.sqnr_db),
            "" if row.saturated is None else numbers.count(row.saturated),
            "" if row.seconds is None else numbers.seconds(row.seconds),
        )
    return table


def _decibels(x: float) -> str:
    text = numbers.decibels(x)
    return text if text in ("exact", "–") else f"{text} dB"
