"""What tables and plots call an objective, a constraint and a number of theirs.

* Decibels have two decimals (points of a study are close to each other), counts are whole, everything else has three
  significant digits (`emu.deviation.numbers`).
* A metric without words of its own is called by its column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emu.costs.result import objectives as cost_units
from emu.deviation import numbers
from emu.deviation.names import cut
from emu.studies.objectives import RELATIVE, TASK, Objective
from emu.studies.vocabulary import Goal, Over

if TYPE_CHECKING:
    from emu.studies.axes import Axis
    from emu.studies.estimate import Estimate
    from emu.studies.study import Study


@dataclass(frozen=True, kw_only=True)
class Words:
    """A metric in words."""

    title: str
    unit: str = ""
    spell: Callable[[float], str] = numbers.short
    """a number without its unit"""


def _decibels(x: float) -> str:
    return f"{x:.2f}".replace("-", "−") if math.isfinite(x) else numbers.decibels(x)


def _count(x: float) -> str:
    return numbers.count(int(x)) if x == int(x) else numbers.short(x)


METRICS = {
    "sqnr_db": Words(title="SQNR", unit="dB", spell=_decibels),
    "cosine": Words(title="cosine", spell=numbers.cosine),
    "mse": Words(title="mean squared error"),
    "max_abs": Words(title="largest |error|"),
    "abs_p50": Words(title="median |error|"),
    "abs_p99": Words(title="99th percentile of |error|"),
    "mean_error": Words(title="mean signed error"),
    "magnitude_error": Words(title="mean error of the magnitude"),
    "truth_mean": Words(title="mean of the truth"),
    "emulated_mean": Words(title="mean of the results"),
    "mean_relative": Words(title="mean relative error"),
    "max_relative": Words(title="largest relative error"),
    "kl_mean": Words(title="KL divergence", unit="nats"),
    "max_ulp": Words(title="largest distance", unit="ULP", spell=_count),
    "mean_ulp": Words(title="mean distance", unit="ULP"),
    "ulp_p50": Words(title="median distance", unit="ULP", spell=_count),
    "ulp_p99": Words(title="99th percentile of the distance", unit="ULP", spell=_count),
    "argmax_agreement": Words(title="rows with the same argmax", spell=numbers.part),
    "topk_agreement": Words(title="top elements kept", spell=numbers.part),
    "energy_per_mac": Words(title="energy per MAC", unit=cost_units["energy_per_mac"]),
    "area_per_mac": Words(title="area per MAC", unit=cost_units["area_per_mac"]),
    "register_bits": Words(title="registers", unit=cost_units["register_bits"], spell=_count),
    "traffic_bits_per_mac": Words(title="memory traffic per MAC", unit=cost_units["traffic_bits_per_mac"]),
}
RELATIVE_WORDS = Words(title="relative error", unit="%")
OVERS = {
    Over.WORST: "worst layer", Over.MEAN: "mean over layers", Over.MEDIAN: "median layer", Over.TOTAL: "all layers",
}  # fmt: skip


def words_of(objective: Objective) -> Words:
    """The metric of an objective."""
    if objective.metric.endswith(RELATIVE):
        return RELATIVE_WORDS
    return METRICS.get(objective.column, Words(title=objective.column.removeprefix(TASK).replace("_", " ")))


def describe(objective: Objective) -> str:
    """`SQNR in dB, worst layer`."""
    words = words_of(objective)
    text = f"{words.title} in {words.unit}" if words.unit else words.title
    if objective.is_cost or objective.is_task:
        return text
    over = OVERS[objective.over].replace("layer", "output") if objective.is_output else OVERS[objective.over]
    return f"{text}, {over}" + (f" of {objective.layers}" if objective.layers != "*" else "")


def by_layer(objective: Objective) -> str:
    """`SQNR in dB`: of one layer."""
    words = words_of(objective)
    return f"{words.title} in {words.unit}" if words.unit else words.title


def better(objective: Objective) -> str:
    """Which way is better."""
    if objective.signed:
        return "nearer to 0 is better"
    return "more is better" if objective.goal is Goal.MAXIMISE else "less is better"


def spelled(objective: Objective, value: float) -> str:
    """A value without its unit; `–` for NaN, `exact` for a ratio without any error."""
    if math.isnan(value):
        return "–"
    spell = words_of(objective).spell
    return spell(value) if math.isfinite(value) or spell is _decibels else numbers.short(value)


SHORT_UNIT = 4
"""Letters of a unit that a heading has room for."""


def heading(objective: Objective) -> str:
    """Of a column: the objective's own name, and its unit."""
    unit = words_of(objective).unit
    return f"{objective.name} ({unit})" if 0 < len(unit) <= SHORT_UNIT else objective.name


MOST_SHOWN = 12
"""Values of an axis in words."""


def axis_words(axis: Axis) -> str:
    """The values of an axis, how many, and where it applies."""
    labels = [choice.label for choice in axis.choices]
    text = ", ".join(labels[:MOST_SHOWN]) + (f", … {labels[-1]}" if len(labels) > MOST_SHOWN else "")
    text += f" ({numbers.plural(len(labels), 'value')})"
    if axis.when:
        text += ", only if " + " and ".join(
            f"{name} is {' or '.join(sorted(some))}" for name, some in axis.when.items()
        )
    return text


def short_axes(names: Sequence[str], width: int = 40) -> dict[str, str]:
    """Names of axes as they stand in headings: the ends of paths, as much as tells them apart.

    A part that is a place in a list stays with the key before it: `level.0.align_bits`.
    """
    parts = {name: name.split(".") for name in names}
    out = {}
    for name, own in parts.items():
        count = 1
        while count < len(own) and (
            own[-count].isdecimal() or any(other[-count:] == own[-count:] for n, other in parts.items() if n != name)
        ):
            count += 1
        out[name] = cut(".".join(own[-count:]), width)
    return out


def estimate_words(study: Study, found: Estimate) -> list[tuple[str, str]]:
    """What a study would take, in words."""
    axes = [
        (
            f"  axis {one.name}",
            numbers.plural(one.values, "value")
            + (f", applies to {numbers.count(one.points)} points" if one.points < found.grid else ""),
        )
        for one in found.axes
    ]
    most = "" if found.exact else f"at most {numbers.count(found.points)}, chosen from a grid of "
    rows = [
        ("study", study.name),
        ("search", study.search.method.value),
        ("points", f"{most}{numbers.count(found.grid)}, all legal"),
        *axes,
        ("different accelerators", numbers.count(found.accelerators)),
    ]
    if found.answered is not None:
        rows.append(("answered already", numbers.count(found.answered)))
    rows.append(("to run", numbers.count(found.to_run) + ("" if found.exact else " at most")))
    if not found.to_run:
        return rows
    if found.seconds is not None and found.each is not None and found.opening is not None:
        each = f"{numbers.seconds(found.each)} a point, {numbers.seconds(found.opening)} to open the workload"
        rows.append(("time", f"about {numbers.seconds(found.seconds)} here ({each})"))
    if found.bytes is not None and found.bytes_each is not None:
        rows.append(("disk", f"about {size(found.bytes)} ({size(found.bytes_each)} a point)"))
    if found.why_not:
        rows.append(("time and disk", f"not known: {found.why_not}"))
    return rows


def size(count: int) -> str:
    """Bytes: `12 KB`, `3.4 MB`."""
    if count < 1000:
        return f"{count} B"
    for power, unit in enumerate(("KB", "MB", "GB", "TB"), 1):
        scaled = count / 1000**power
        if scaled < 999.5 or unit == "TB":
            return f"{scaled:.3g} {unit}"
    raise AssertionError("the loop returns")
