"""`emu study`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from emu.cli.main import EXIT_DIFFERENT, EXIT_INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from emu.studies.study import Study
    from emu.studies.view import View

FOLDER = click.Path(file_okay=False, path_type=Path)
STORE = click.Path(exists=True, file_okay=False, path_type=Path)
BEST = click.option("--best", default=10, show_default=True, type=click.IntRange(min=1), metavar="N",
                    help="How many of the best points to print.")  # fmt: skip
BY = click.option("--by", metavar="OBJECTIVE", help="What the best points are best in (default: the first objective).")
WHERE = click.option("--where", multiple=True, metavar="AXIS=VALUE",
                     help="Only points with this value; may be repeated.")  # fmt: skip


@click.group(name="study")
def command() -> None:
    """What-if studies: fields of an accelerator are varied over a workload, and every point is run bit by bit.

    A study is a TOML file; spec/README.md explains it. Answers are kept in a folder, one file each: a run that is
    interrupted goes on where it was, and an edited study runs what is new.
    """


@command.command(name="list")
def list_studies() -> None:
    """List the built-in studies."""
    from emu.cli.list_command import print_list

    print_list("studies")


@command.command()
@click.argument("name", metavar="FILE.toml|NAME")
@click.option("--out", type=FOLDER, metavar="DIR",
              help="Where the answers are kept (default: a folder here, called as the study).")  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), metavar="N",
              help="Run in N processes, which share this machine's cores (default: in this process).")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS", help="Run on a Dask cluster: the address of its scheduler.")
@click.option("--dry-run", is_flag=True,
              help="Check every point, and say how many there are and what time and disk they would take.")  # fmt: skip
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Also write an HTML report.")
@click.option("--plot/--no-plot", "drawn", default=True, show_default=True,
              help="Draw what `emu study plot` draws, as DIR.png next to DIR.")  # fmt: skip
@click.option("--quick", is_flag=True, help="At the size of `emu verify studies`: the keys of [quick] hold.")
@BEST
@BY
def run(
    name: str, out: Path | None, workers: int | None, scheduler: str | None, dry_run: bool, report: Path | None,
    drawn: bool, quick: bool, best: int, by: str | None,
) -> int:  # fmt: skip
    """Run a study, or what is left of it; print its points, what they show, and draw them.

    Exit code 0 says that it ran. Whether it shows what it says is printed, and `emu verify studies` exits by it.
    """
    from emu.cli.consoles import messages
    from emu.studies.load import load_study

    if workers is not None and scheduler is not None:
        raise click.UsageError("give --workers or --scheduler, not both")
    study = load_study(name, quick=quick)
    if by is not None and by not in [one.name for one in study.objectives]:
        raise click.UsageError(f"--by {by}: the objectives are {', '.join(one.name for one in study.objectives)}")
    if dry_run:
        return _dry_run(study, out)
    out = Path(study.name.replace("/", "-")) if out is None else out
    if report is not None:
        from emu.atomic import check_file

        check_file(report)
    picture = out.with_name(f"{out.resolve().name}.png") if drawn else None
    return _run(messages(), study, out, workers or 0, scheduler, report, picture, best, by)


def _run(
    console: Console, study: Study, out: Path, workers: int, scheduler: str | None, report: Path | None,
    picture: Path | None, best: int, by: str | None,
) -> int:  # fmt: skip
    from emu.cli.consoles import output
    from emu.cli.progress import StudyProgress
    from emu.cli.study_tables import print_effects, print_examples, print_results
    from emu.studies.view import View

    bar = StudyProgress(console)
    try:
        with bar:
            results = study.run(out, workers=workers, scheduler=scheduler, progress=bar)
    except KeyboardInterrupt:
        done = f"{bar.done} of {bar.total} points are done" if bar.total else "no point is done yet"
        where = f": they are in {out}" if bar.done else ""
        console.print(f"emu: interrupted: {done}{where}. The same command goes on from there.", soft_wrap=True)
        return EXIT_INTERRUPTED
    view = View(results)
    if report is not None:
        from emu.studies.report import write_report

        write_report(report, view)
    print_results(output(), view, best=best, by=by)
    print_effects(output(), view)
    print_examples(output(), view)
    console.print(f"stored in {out}", soft_wrap=True)
    if picture is not None and study.has_points:
        _draw(console, view, picture)
    if report is not None:
        console.print(f"report: {report}", soft_wrap=True)
    return 0


def _draw(console: Console, view: View, picture: Path) -> None:
    """The plot that the study has by itself; a study without one says so."""
    from emu.errors import SpecError
    from emu.studies.plots import write_plot

    try:
        for one in write_plot(picture, view):
            console.print(f"plot: {one}", soft_wrap=True)
    except SpecError as error:
        console.print(f"no plot: {error.reason}", soft_wrap=True)


def _dry_run(study: Study, out: Path | None) -> int:
    from emu.cli.consoles import messages, output
    from emu.cli.progress import StudyProgress
    from emu.cli.study_tables import facts
    from emu.studies.estimate import estimate
    from emu.studies.words import estimate_words

    with StudyProgress(messages()) as bar:
        bar(0, 0, "checking the points")
        found = estimate(study, out)
    output().print(facts(estimate_words(study, found)))
    return 0


@command.command()
@click.argument("name", metavar="DIR|FILE.toml|NAME")
@BEST
@BY
@WHERE
@click.option("--all", "every", is_flag=True, help="Every point, in the order of the study.")
def show(name: str, best: int, by: str | None, where: tuple[str, ...], every: bool) -> None:
    """Show the answers in DIR: best points, Pareto front, what failed, which layer is worst where.

    Of a built-in study or a file: what it asks.
    """
    from emu.cli.consoles import output
    from emu.cli.study_tables import (
        points_table,
        print_effects,
        print_examples,
        print_failures,
        print_layers,
        print_results,
        print_study,
        summary,
    )
    from emu.deviation.table import print_table
    from emu.studies.load import load_study

    console = output()
    if not Path(name).is_dir():
        print_study(console, load_study(name))
        return
    view = _view(Path(name), where)
    if view.asked.doc:
        console.print(view.asked.doc, soft_wrap=True)
    if every:
        console.print(summary(view))
        print_table(console, points_table(view, view.points))
        print_failures(console, view)
        return
    print_results(console, view, best=best, by=by)
    if not where:
        print_effects(console, view)
        print_examples(console, view)
    print_layers(console, view, by)


def _view(folder: Path, where: Sequence[str] = ()) -> View:
    """The answers in a folder, or some of them."""
    from emu.studies.results import load_results
    from emu.studies.view import View

    for text in where:
        if text.find("=") < 1:
            raise click.UsageError(f"--where {text}: an axis, = and a value")
    view = View(load_results(folder))
    wanted = dict(_axis_and_value(view, text) for text in where)
    return view.where(wanted)


def _axis_and_value(view: View, text: str) -> tuple[str, str]:
    """What stands before and after the first = that has the name of an axis before it: both may have a = in them."""
    from emu.errors import SpecError

    places = [place for place, sign in enumerate(text) if sign == "="]
    for place in places:
        with contextlib.suppress(SpecError):
            return view.axis(text[:place]), text[place + 1 :]
    return text[: places[0]], text[places[0] + 1 :]


@command.command()
@click.argument("folder", metavar="DIR", type=STORE)
@click.option("-o", "--output", "path", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="A .png, .svg or .pdf; .html: every plot that the study has. [default: DIR.png]")  # fmt: skip
@click.option("--kind", type=click.Choice(["pareto", "heat", "lines", "layers", "width"]),
              help="What to draw (default: what suits the axes).")  # fmt: skip
@click.option("--objective", metavar="NAME", help="What is drawn (default: the first objective).")
@click.option("--cost", metavar="OBJECTIVE", help="Of `pareto`: the other axis (default: a cost, or the second).")
@click.option("--axis", "axes", multiple=True, metavar="AXIS",
              help="What is drawn over: x first; may be repeated.")  # fmt: skip
@WHERE
def plot(
    folder: Path, path: Path | None, kind: str | None, objective: str | None, cost: str | None, axes: tuple[str, ...],
    where: tuple[str, ...],
) -> None:  # fmt: skip
    """Draw the answers in DIR.

    pareto: two objectives against each other, the Pareto front drawn; heat: an objective over two axes; lines: over
    one axis, a line for each value of another (or each layer); layers: layers by values of an axis; width: the
    smallest value of an axis that keeps the constraint in each layer, over the layer's K.
    """
    from emu.studies.plots import write_plot

    target = path or Path(f"{folder.resolve().name}.png")
    for one in write_plot(target, _view(folder, where), kind=kind, objective=objective, cost=cost, axes=axes):
        click.echo(one)


@command.command()
@click.argument("one", metavar="DIR", type=STORE)
@click.argument("other", metavar="DIR", type=STORE)
@BEST
def compare(one: Path, other: Path, best: int) -> int:
    """Compare the answers in two folders: points with the same values of all axes, and answers of the same question.

    Exit code 3 if two answers of the same question (accelerator, model, inputs, version) are not the same.
    """
    from emu.cli.consoles import output
    from emu.cli.study_compare import print_comparison
    from emu.studies.compare import compare as compare_stores

    found = compare_stores(_view(one), _view(other))
    print_comparison(output(), found, most=best)
    return EXIT_DIFFERENT if found.changed else 0


@command.command()
@click.argument("folder", metavar="DIR", type=STORE)
@click.option("-o", "--output", "path", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="The HTML file.")  # fmt: skip
def report(folder: Path, path: Path) -> None:
    """Write the HTML report of the answers in DIR."""
    from emu.studies.report import write_report

    write_report(path, _view(folder))
    click.echo(str(path))
