"""`emu bench`."""

from __future__ import annotations

from pathlib import Path

import click

from emu.cli.main import EXIT_DIFFERENT

SIZES = (128, 256, 512, 1024)


def _sizes(_: click.Context, __: click.Parameter, text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    try:
        sizes = tuple(int(part) for part in text.split(","))
    except ValueError:
        sizes = (0,)
    if min(sizes) < 1 or max(sizes) > 8192:
        raise click.BadParameter("sizes are integers from 1 to 8192 with commas between them, as 128,512")
    return sizes


@click.command(name="bench")
@click.option("--only", multiple=True, metavar="GLOB", help="Only these (several times): what is measured, or a goal.")
@click.option("--sizes", callback=_sizes, metavar="N,N", help=f"M = N = K of products.  [default: {SIZES}; quick: 2]")
@click.option("--quick", is_flag=True, help="Smaller arrays, fewer rounds, less time for slow items.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Also write all figures as JSON.")  # fmt: skip
@click.option("--plot", "plot_file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.png",
              help="Also plot rate against size.")  # fmt: skip
@click.option("--peers", is_flag=True, help="Also measure other libraries that are installed, at a small size.")
@click.option("--markdown", "markdown_file", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
              metavar="FILE", help="Also write the table of the goals as Markdown (-: print it).")  # fmt: skip
def command(
    only: tuple[str, ...], sizes: tuple[int, ...], quick: bool, json_file: Path | None, plot_file: Path | None,
    peers: bool, markdown_file: Path | None,
) -> int:  # fmt: skip
    """Measure matrix products and casts next to what NumPy and other libraries do in the same run.

    On one thread. The first table is that of the goals: time as a ratio to a float32 product of the same size (casts:
    how many times as fast as ml_dtypes). The bits of every plan are compared with the general kernel, and that one's
    with the reference, on samples.

    Exit code 3: bits differ.
    """
    import json

    from emu.bench import plot, table
    from emu.bench.run import run
    from emu.cli.consoles import messages
    from emu.cli.verify_output import print_table
    from emu.errors import SpecError

    console = messages()
    chosen = sizes or ((128, 512) if quick else SIZES)
    results = run(only, chosen, quick, report=lambda what: console.print(f"{what} …", soft_wrap=True), peers=peers)
    if not results.timings and not results.peers:
        raise SpecError("nothing of that name is measured", key="--only", value=", ".join(only))
    click.echo(results.machine.line())
    print_table(table.GOAL_HEADINGS, ("measured",), table.goal_rows(results, every=not only))
    click.echo()
    print_table(table.HEADINGS, ("size", "rate"), table.rows(results))
    if results.peers:
        click.echo()
        print_table(table.PEER_HEADINGS, ("rate", "times slower"), table.peer_rows(results))
    if markdown_file is not None:
        with click.open_file(str(markdown_file), "w", encoding="utf-8") as file:
            file.write(table.markdown(results))
    if json_file is not None:
        json_file.write_text(json.dumps(results.as_json(), indent=1) + "\n", encoding="utf-8")
    if plot_file is not None:
        plot.plot(results, plot_file)
    for timing in results.differences:
        click.echo(f"{timing.key}: {timing.note}")
    return EXIT_DIFFERENT if results.differences else 0
