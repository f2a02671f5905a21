"""`emu cost`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from emu.cli.consoles import output

if TYPE_CHECKING:
    from rich.table import Table

    from emu.costs import Cost

BAR = 24


def _tile(_: click.Context, __: click.Parameter, text: str) -> tuple[int, int]:
    try:
        rows, columns = (int(part) for part in text.lower().split("x"))
    except ValueError:
        rows, columns = 0, 0
    if min(rows, columns) < 1:
        raise click.BadParameter("two counts with an x between them, as 128x128")
    return rows, columns


@click.command(name="cost")
@click.argument("names", nargs=-1, metavar="UNIT...")
@click.option("--baseline", metavar="UNIT", help="Compare with this.  [default: FP16 FMA into FP32]")
@click.option("-k", "--k", "length", type=click.IntRange(min=1), help="Length of the dot products.")
@click.option("--tile", callback=_tile, default="128x128", show_default=True, metavar="MxN",
              help="Results that share operands: rows x columns.")  # fmt: skip
@click.option("--model", default="default", show_default=True, help="Cell constants: a name or a path.")
@click.option("--accelerator", is_flag=True, help="The names are those of accelerators.")
@click.option("--published", is_flag=True, help="Instead: published ratios, and what the model says of them.")
@click.option("--json", "as_json", is_flag=True, help="Print all figures as JSON.")
def command(
    names: tuple[str, ...], baseline: str | None, length: int | None, tile: tuple[int, int], model: str,
    accelerator: bool, published: bool, as_json: bool,
) -> None:  # fmt: skip
    """Estimate gates, registers, energy and memory traffic of UNIT, by part of its datapath.

    UNIT is a unit as `emu show` takes it, or an accelerator: its matrix unit, with traffic under its schemes. Several
    are compared. The model is analytic; its rules and errors are in emu/costs.
    """
    import json

    if published == bool(names):
        raise click.UsageError("give the units to price, or --published")
    if published:
        _published(model)
        return

    from emu.accelerators import load_accelerator
    from emu.costs import cost

    found = [
        cost(load_accelerator(name) if accelerator else name, k=length, model=model, baseline=baseline, tile=tile)
        for name in names
    ]
    if as_json:
        click.echo(json.dumps([one.as_json() for one in found] if len(found) > 1 else found[0].as_json(), indent=1))
        return
    if len(found) == 1:
        _one(found[0])
    else:
        _several(found)
    for one in found:
        for note in one.notes:
            output().print(f"{one.name}: {note}", soft_wrap=True)


def _table(*headings: str) -> Table:
    from rich import box
    from rich.table import Table as RichTable

    made = RichTable(box=box.SIMPLE_HEAD)
    for number, heading in enumerate(headings):
        made.add_column(
            heading, justify="right" if number else "left", no_wrap=0 < number < len(headings) - 1, overflow="fold",
            min_width=0 if number else 24,
        )  # fmt: skip
    return made


def _one(one: Cost) -> None:
    from emu.costs import PartKind

    console, energy = output(), one.energy_per_mac
    console.print(
        f"cost of {one.name} for K = {one.k}, model {one.model}: {one.macs_per_cycle:g} MACs a cycle, "
        f"{one.gates:,.0f} gates in all",
        soft_wrap=True,
    )
    rows = _table("part", "gates/MAC", "registers", "fJ/MAC", "share of energy")
    rows.columns[-1].justify = "left"
    for kind in PartKind:
        gates, used, bits = one.of(kind)
        if gates:
            share = used / energy
            bar = "█" * round(share * BAR)
            held = str(bits or "")
            rows.add_row(kind.value, f"{gates:,.1f}", held, f"{used:.1f}", f"{share:5.1%} {bar}")
    rows.add_section()
    rows.add_row("total", f"{one.area_per_mac:,.1f}", str(one.register_bits), f"{energy:.1f}", "")
    console.print(rows)
    _relative(one)
    _traffic(one)


def _relative(one: Cost) -> None:
    console, base = output(), one.baseline
    if base is None or one.relative_area is None or one.relative_energy is None:
        return
    for what, ratio, unit, error in (
        ("area", one.relative_area, base.area_per_mac, one.error.area),
        ("energy", one.relative_energy, base.energy_per_mac, one.error.energy),
    ):
        low, high = ratio / (1 + error), ratio * (1 + error)
        console.print(f"{what:<8}{ratio:.3f} of {base.name} ({unit:,.0f}); {low:.3f} to {high:.3f}", soft_wrap=True)
    console.print(f"        the range is for one kind of arithmetic; {_kinds(one)}")


def _published(model: str) -> None:
    from emu.costs.published import compare

    rows = _table("ratio", "of", "computed", "published", "error", "stated", "")
    found = compare(model)
    for one in found:
        given = f"{one.low:.3g}" if one.low == one.high else f"{one.low:.3g} to {one.high:.3g}"
        rows.add_row(
            one.keys.name, one.keys.quantity, f"{one.computed:.3f}", given, f"{one.error:+.0%}",
            f"{one.allowed:.0%}", "" if one.reached else "not reproduced",
        )  # fmt: skip
    console = output()
    console.print(rows)
    for one in found:
        if not one.keys.reproduced:
            console.print(f"{one.keys.name} ({one.keys.quantity}): {one.keys.why}", soft_wrap=True)


def _kinds(one: Cost) -> str:
    return f"integers against floats: a factor of {1 + one.error.kinds:g}"


def _traffic(one: Cost) -> None:
    traffic = one.traffic
    console = output()
    console.print(
        f"traffic {traffic.total:.3f} bits/MAC for a tile of {traffic.tile[0]} x {traffic.tile[1]} results: "
        f"a {traffic.a:.3f}, b {traffic.b:.3f}, d {traffic.d:.3f}",
        soft_wrap=True,
    )
    console.print(
        f"        an element of a has {traffic.a_element:.3g} bits, of b {traffic.b_element:.3g}, scales included"
    )


def _several(found: list[Cost]) -> None:
    from emu.costs import PartKind

    console = output()
    base = found[0].baseline
    name = "" if base is None else base.name
    headings = ("unit", "MACs/cycle", "gates/MAC", "registers", "fJ/MAC", "traffic", "area", "energy", "largest part")
    rows = _table(*headings)
    for one in found:
        largest = max(PartKind, key=lambda kind: one.of(kind)[1])
        rows.add_row(
            one.name, f"{one.macs_per_cycle:g}", f"{one.area_per_mac:,.1f}", str(one.register_bits),
            f"{one.energy_per_mac:.1f}", f"{one.traffic_bits_per_mac:.3f}", f"{one.relative_area or 0:.3f}",
            f"{one.relative_energy or 0:.3f}", f"{largest.value} {one.of(largest)[1] / one.energy_per_mac:.0%}",
        )  # fmt: skip
    console.print(rows)
    console.print(
        f"area and energy relative to {name}, within {1 + found[0].error.area:g} and {1 + found[0].error.energy:g} "
        f"times in one kind of arithmetic; {_kinds(found[0])}; traffic in bits/MAC; the largest part by energy",
        soft_wrap=True,
    )
