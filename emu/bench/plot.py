"""A plot of rate against size."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from emu.bench.results import Results, Timing

MARKERS, LINES = "osD^vP*X", ("-", "--")
"""One marker for each plan; another line where colours begin again."""


def plot(results: Results, path: Path) -> None:
    """Write the rates of the products (but for batches) and sgemm's median as a picture.

    Raises:
        ValueError: no product was measured.
    """
    products: dict[str, list[Timing]] = {}
    for x in results.timings:
        if x.plan and x.goal != "threads" and not x.batch:
            products.setdefault(f"{x.key} [{x.plan}]", []).append(x)
    if not products:
        raise ValueError("no product was measured: there is nothing to plot")
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    colors = [colormaps["tab20"](i) for i in range(20)]
    plans = sorted({timings[0].plan for timings in products.values()})
    sgemm: dict[int, list[float]] = {}
    for number, (name, timings) in enumerate(products.items()):
        axes.plot(
            [x.size for x in timings], [x.rate for x in timings], label=name, color=colors[number % len(colors)],
            marker=MARKERS[plans.index(timings[0].plan) % len(MARKERS)], linestyle=LINES[number // len(colors) % 2],
        )  # fmt: skip
        for x in timings:
            sgemm.setdefault(x.size, []).append(x.size**3 / x.against["sgemm"] / 1e9)
    sizes = sorted(sgemm)
    axes.plot(sizes, [median(sgemm[size]) for size in sizes], color="black", linewidth=2.5, label="sgemm (NumPy)")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xlabel("M = N = K")
    axes.set_ylabel("G multiply-accumulates per second, one thread")
    axes.set_title(f"{results.machine.processor}, kernels {results.machine.isa}", fontsize="small")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize="x-small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, dpi=120)
