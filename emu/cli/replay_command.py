"""`emu replay`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emu.cli import options
from emu.cli.main import EXIT_DIFFERENT

if TYPE_CHECKING:
    from rich.console import Console

    from emu.deviation.run import Replay
    from emu.deviation.store import StoredRun
    from emu.replaying.course import Course

MOST_ELEMENTS = 4096
"""Elements of a layer whose error is looked at; that of `emu.attribution.sample`, without loading the engine."""
FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
UNFINISHED = ".unfinished"
"""In a run's folder: the layers of a run that is under way, or was interrupted."""


@click.command(name="replay")
@click.argument("model", type=click.Path(path_type=Path))
@options.INPUTS
@options.ACCELERATOR
@click.option(
    "--layers",
    default="*",
    show_default=True,
    metavar="GLOB",
    help="Layers to emulate; the others run in reference arithmetic.",
)
@options.MODE
@click.option(
    "--truth",
    type=click.Choice(["float64", "float32"]),
    help="What deviations are measured against: IEEE arithmetic, in float64 unless given.",
)
@click.option(
    "--against",
    metavar="NAME|FILE.toml",
    help="Measure them against another accelerator in place of a truth: what it computes in the same mode. "
    "`emu diff` says at which level of the datapath two accelerators part.",
)
@options.CALIBRATION
@click.option(
    "--no-events", "events", is_flag=True, default=True, flag_value=False,
    help="Do not count what happens inside the units: much faster.",
)  # fmt: skip
@click.option(
    "--attribution", type=click.IntRange(min=1), is_flag=False, flag_value=MOST_ELEMENTS, metavar="[N]",
    help="Say which stages of the datapath the error of every layer comes from, as N of its elements show it (N: "
    f"{MOST_ELEMENTS} unless given).",
)  # fmt: skip
@click.option(
    "--shapley", is_flag=True,
    help="The same over all orders of the stages, too: 2^n runs for n stages. Implies --attribution.",
)  # fmt: skip
@click.option(
    "--metric", "metrics", multiple=True, metavar="MODULE:FUNCTION",
    help="A metric of your own: a function of (truth, emulated) arrays that returns a float, called for every "
    "layer and output. This imports MODULE (the current folder is looked at first) and RUNS ITS CODE with your "
    "rights. May be given several times.",
)  # fmt: skip
@options.BACKEND
@options.MEMORY_LIMIT
@click.option("--out", type=FOLDER, help="Store the run: layers.parquet, run.json and the bits of every layer.")
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run in --out that was interrupted: finished layers are taken from there.",
)
@click.option("--report", type=FILE, help="Write a self-contained HTML report.")
@click.option(
    "--expect", type=FOLDER, metavar="RUN", help="Compare every bit with a stored run; exit with 3 on any difference."
)
@click.pass_context
def command(
    ctx: click.Context, model: Path, inputs: Path | None, accelerator: str, layers: str, mode: Course,
    truth: str | None, against: str | None, calibration: Path | None, events: bool, attribution: int | None,
    shapley: bool, metrics: tuple[str, ...], backend: str, memory_limit: int | None, out: Path | None, resume: bool,
    report: Path | None, expect: Path | None,
) -> int:  # fmt: skip
    """Replay MODEL (an ONNX file, or a capture) layer by layer under an accelerator.

    It says how far every layer is from IEEE. With --against: how far it is from what another accelerator computes.
    """
    del ctx
    from emu.cli.consoles import messages, output
    from emu.cli.progress import LayerProgress
    from emu.cli.workload_files import calibration_of, opened
    from emu.deviation.more_tables import print_outputs, print_shares
    from emu.deviation.run import replay
    from emu.deviation.table import print_layers

    if against is not None and (truth or attribution or shapley):
        raise click.UsageError(
            "--against takes another accelerator for the truth: no --truth, and no --attribution or --shapley, "
            "which charge the error against exact arithmetic to stages (see `emu diff`)"
        )
    expected = _check_places(out, report, expect)
    unfinished = _unfinished(out, resume)
    console = messages()
    with LayerProgress(console) as bar:
        done = replay(
            *opened(model, inputs), accelerator=accelerator, mode=mode, layers=layers, backend=backend,
            truth=truth or "float64", against=against, calibration=calibration_of(calibration), events=events,
            attribution=attribution or (MOST_ELEMENTS if shapley else 0), shapley=shapley, metrics=metrics,
            progress=bar, unfinished=unfinished, memory_limit=memory_limit,
        )  # fmt: skip
    # what was asked for is done before anything is printed: a reader that goes away loses none of it
    difference = None if expected is None else done.difference(expected)
    if out is not None:
        done.write(out)
    if unfinished is not None:
        shutil.rmtree(unfinished)
    if report is not None:
        from emu.report import write_report

        write_report(report, done.result)
    results = output()
    print_layers(results, done.rows)
    print_outputs(results, done.result.outputs)
    print_shares(results, done.rows)
    _remarks(console, done)
    for word, path in (("stored in", out), ("report:", report)):
        if path is not None:
            console.print(f"{word} {path}", soft_wrap=True)
    if difference is not None:
        console.print(f"emu: differs from {expect}: {difference}", soft_wrap=True)
        return EXIT_DIFFERENT
    if expect is not None:
        console.print(f"every bit is as in {expect}", soft_wrap=True)
    return 0


def _unfinished(out: Path | None, resume: bool) -> Path | None:
    """Where finished layers are kept until the run is stored; without `resume` what was left there is dropped."""
    if out is None:
        if resume:
            raise click.UsageError("--resume needs --out: the folder of the run that was interrupted")
        return None
    folder = out / UNFINISHED
    if not resume and folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    return folder


def _check_places(out: Path | None, report: Path | None, expect: Path | None) -> StoredRun | None:
    """Refuse places that cannot be written or read before any work starts; the run to compare with."""
    from emu.atomic import check_file
    from emu.deviation.store import check_folder, read_run

    if out is not None and expect is not None and out.resolve() == expect.resolve():
        raise click.UsageError(f"--out and --expect are the same folder, {out}: the run there would be replaced")
    if out is not None:
        check_folder(out)
    if report is not None:
        check_file(report)
    return None if expect is None else read_run(expect)


def _remarks(console: Console, done: Replay) -> None:
    from emu.deviation.numbers import plural
    from emu.replaying.result import FallbackReason

    run = done.run
    before = [entry for entry in run.fallback if entry.reason is FallbackReason.BEFORE]
    fallback = [entry for entry in run.fallback if entry.reason is not FallbackReason.BEFORE]
    if run.against:
        console.print(f"the truth is accelerator {run.against}, not IEEE arithmetic", soft_wrap=True)
    if before:
        console.print(
            f"{plural(len(before), 'layer')} before {run.start} ran in float32 and made no error", soft_wrap=True
        )
    if fallback:
        ops = sorted({entry.op for entry in fallback})
        console.print(f"{plural(len(fallback), 'node')} ran in reference arithmetic: {', '.join(ops)}", soft_wrap=True)
    if run.truth_float32:
        nodes = plural(len(run.truth_float32), "node")
        console.print(
            f"{nodes} of the truth ran in float32, widened: the engine has no double kernel there", soft_wrap=True
        )
