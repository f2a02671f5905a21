"""`emu replay`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from emu.cli import options
from emu.cli.main import EXIT_DIFFERENT

if TYPE_CHECKING:
    from emu.deviation.run import Replay

FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(name="replay")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--inputs",
    required=True,
    type=click.Path(path_type=Path),
    help="An .npz file with one array for each input of the model.",
)
@click.option(
    "--accelerator",
    required=True,
    metavar="NAME|FILE.toml",
    help="A built-in name (see `emu list accelerators`) or a file.",
)
@click.option(
    "--layers",
    default="*",
    show_default=True,
    metavar="GLOB",
    help="Layers to emulate; the others run in reference arithmetic.",
)
@click.option("--mode", type=click.Choice(["isolated", "propagated"]), default="isolated", show_default=True,
              help="Each layer on reference inputs, or errors flow.")  # fmt: skip
@click.option(
    "--truth",
    type=click.Choice(["float64", "float32"]),
    default="float64",
    show_default=True,
    help="What deviations are measured against.",
)
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    metavar="X.npz",
    help="Inputs from which static activation scales are chosen.",
)
@options.BACKEND
@click.option("--out", type=FOLDER, help="Store the run: layers.parquet, run.json and the bits of every layer.")
@click.option("--report", type=FILE, help="Write a self-contained HTML report.")
@click.option(
    "--expect", type=FOLDER, metavar="RUN", help="Compare every bit with a stored run; exit with 3 on any difference."
)
@click.pass_context
def command(
    ctx: click.Context, model: Path, inputs: Path, accelerator: str, layers: str, mode: str, truth: str,
    calibration: Path | None, backend: str, out: Path | None, report: Path | None, expect: Path | None,
) -> int:  # fmt: skip
    """Replay MODEL (an ONNX file) layer by layer under an accelerator and say how far every layer is from IEEE."""
    del ctx
    from emu.cli.consoles import messages, output
    from emu.deviation.run import replay
    from emu.deviation.table import print_layers

    _check_outputs(out, report, expect)
    console = messages()
    with _progress(console) as bar:
        done = replay(
            model, inputs, accelerator=accelerator, mode=mode, layers=layers, backend=backend, truth=truth,
            calibration=calibration, progress=bar,
        )  # fmt: skip
    print_layers(output(), done.rows)
    _remarks(done)
    if out is not None:
        done.write(out)
        console.print(f"stored in {out}", soft_wrap=True)
    if report is not None:
        from emu.report import write_report

        write_report(report, done.result)
        console.print(f"report: {report}", soft_wrap=True)
    return _compare(done, expect)


def _check_outputs(out: Path | None, report: Path | None, expect: Path | None) -> None:
    """Refuse places that cannot be written or read before any work starts."""
    from emu.deviation.store import check_folder, read_run
    from emu.errors import ModelError

    if out is not None:
        check_folder(out)
    if report is not None:
        check_folder(report.resolve().parent)
        if not report.resolve().parent.is_dir():
            raise ModelError(f"{report}: the folder {report.resolve().parent} does not exist")
    if expect is not None:
        read_run(expect)


def _remarks(done: Replay) -> None:
    from emu.cli.consoles import messages

    console = messages()
    fallback = done.run.fallback
    if fallback:
        ops = sorted({entry.op for entry in fallback})
        console.print(
            f"{len(fallback)} nodes ran in reference arithmetic: {', '.join(ops)}", soft_wrap=True, highlight=False
        )
    if done.run.truth_float32:
        count = len(done.run.truth_float32)
        console.print(
            f"{count} nodes of the truth ran in float32, widened: the engine has no double kernel for them",
            highlight=False,
        )


def _compare(done: Replay, expect: Path | None) -> int:
    if expect is None:
        return 0
    from emu.cli.consoles import messages

    difference = done.difference(expect)
    console = messages()
    if difference is None:
        console.print(f"every bit is as in {expect}", soft_wrap=True)
        return 0
    console.print(f"emu: differs from {expect}: {difference}", soft_wrap=True, highlight=False)
    return EXIT_DIFFERENT


class _progress:  # noqa: N801 (a context manager that reads as a function)
    """A progress bar over layers, to standard error."""

    def __init__(self, console: object) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        assert isinstance(console, Console)
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=console, transient=True, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("reading", total=None)

    def __enter__(self) -> _progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, done: int, total: int, name: str) -> None:
        """Called by the replay when a layer starts."""
        self._bar.update(self._task, completed=done, total=total, description=name[-40:] or "done")
