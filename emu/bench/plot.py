"""A plot of rate against size."""

from __future__ import annotations

from pathlib import Path

from emu.bench.results import Results, Timing


def plot(results: Results, path: Path) -> None:
    """Write the rates of the products, with sgemm's, as a picture.

    Raises:
        ValueError: no product was measured.
    """
    products: dict[str, list[Timing]] = {}
    for x in results.timings:
        if x.plan and x.goal != "threads":
            products.setdefault(f"{x.key} [{x.plan}]", []).append(x)
    if not products:
        raise ValueError("no product was measured: there is nothing to plot")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    sgemm: dict[int, float] = {}
    for number, (name, timings) in enumerate(products.items()):
        style = ("-", "--", ":")[number // 10 % 3]
        axes.plot([x.size for x in timings], [x.rate for x in timings], marker="o", linestyle=style, label=name)
        sgemm |= {x.size: x.size**3 / x.against["sgemm"] / 1e9 for x in timings}
    sizes = sorted(sgemm)
    axes.plot(sizes, [sgemm[size] for size in sizes], color="black", linewidth=2, label="sgemm")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xlabel("M = N = K")
    axes.set_ylabel("GMAC/s, one thread")
    axes.set_title(results.machine.processor, fontsize="small")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=120)
