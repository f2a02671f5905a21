"""A trace as text: the element, its largest products, and the steps that matter.

* Numbers are printed with nine significant digits, exact fractions of two in full in the JSON.
* Steps: all if they fit; else the first, the last and those that lost most, in the order of execution.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from emu.attribution.element import ElementTrace
from emu.attribution.trace import Trace, TraceStep
from emu.deviation.table import plain_table
from emu.formats.value import Value

if TYPE_CHECKING:
    from rich.table import Table

STEPS = 24
"""Steps that are shown unless the caller says otherwise."""
PRODUCTS = 8


def number(x: Value | Fraction | float | None) -> str:
    """A value as people read it."""
    if x is None:
        return "–"
    if isinstance(x, Value):
        if x.nan:
            return "NaN"
        if x.inf:
            return "−∞" if x.negative else "∞"
        if x.is_zero:
            return "−0" if x.negative else "0"
        x = x.fraction()
    return f"{float(x):.9g}".replace("-", "−")


def products_table(found: ElementTrace, most: int = PRODUCTS) -> Table:
    """The largest products, with their operands."""
    trace = found.trace
    table = plain_table()
    for name in ("k", "code a", "code b", "a", "b", "a · b"):
        table.add_column(name, justify="right", no_wrap=True)
    sizes = [
        (abs(x.fraction() * y.fraction()) if x.finite and y.finite else Fraction(10) ** 99, k)
        for k, (x, y) in enumerate(zip(trace.a_values, trace.b_values, strict=True))
    ]
    for _, k in sorted(sizes, key=lambda size: (-size[0], size[1]))[:most]:
        x, y = trace.a_values[k], trace.b_values[k]
        product = number(x.fraction() * y.fraction()) if x.finite and y.finite else "–"
        table.add_row(str(k), hex(trace.a[k]), hex(trace.b[k]), number(x), number(y), product)
    return table


def steps_table(trace: Trace, most: int = STEPS) -> Table:
    """The steps."""
    table = plain_table()
    for name in ("step", "level", "k", "addends", "before", "after", "lost here", "lost so far"):
        table.add_column(name, justify="right", no_wrap=True)
    for index in chosen(trace, most):
        step = trace.steps[index]
        table.add_row(
            str(index), str(step.level), span(step.k), str(len(step.terms)), number(step.before), number(step.after),
            number(step.own_error), number(step.error),
        )  # fmt: skip
    left = len(trace.steps) - table.row_count
    if left:
        table.caption = f"{left} of {len(trace.steps)} steps are not shown: they lost less"
    return table


def chosen(trace: Trace, most: int) -> list[int]:
    """The steps to show, by index."""
    count = len(trace.steps)
    if count <= most:
        return list(range(count))
    kept = {0, count - 1}

    def lost(index: int) -> tuple[bool, Fraction]:
        error = trace.steps[index].own_error
        return error is None, Fraction(0) if error is None else abs(error)

    for index in sorted(range(count), key=lost, reverse=True):
        if len(kept) >= most:
            break
        kept.add(index)
    return sorted(kept)


def span(k: tuple[int, ...]) -> str:
    """`5`, `0…31`, `0, 2, 4, …`."""
    distinct = sorted(set(k))
    if not distinct:
        return "–"
    if len(distinct) == 1:
        return str(distinct[0])
    if distinct[-1] - distinct[0] + 1 == len(distinct):
        return f"{distinct[0]}…{distinct[-1]}"
    return ", ".join(map(str, distinct[:3])) + (", …" if len(distinct) > 3 else "")


def as_json(layer: str, found: ElementTrace) -> dict[str, Any]:
    """Everything, numbers as exact decimal fractions or `numerator/denominator`."""
    trace = found.trace
    return {
        "layer": layer, "element": list(found.index), "group": found.group, "row": found.row, "column": found.column,
        "unit": trace.unit, "truth": found.truth, "emulated": found.emulated, "scale": found.scale,
        "a": list(trace.a), "b": list(trace.b), "d": trace.d, "d_value": _exact(trace.d_value),
        "steps": [_step(step) for step in trace.steps],
    }  # fmt: skip


def _step(step: TraceStep) -> dict[str, Any]:
    return {
        "piece": step.piece, "level": step.level, "run": step.run, "k": list(step.k),
        "terms": [_exact(x) for x in step.terms], "before": _exact(step.before), "after": _exact(step.after),
        "exact": _exact(step.exact), "own_error": _exact(step.own_error), "error": _exact(step.error),
    }  # fmt: skip


def _exact(x: Value | Fraction | None) -> str | None:
    if x is None:
        return None
    if isinstance(x, Value):
        if not x.finite:
            return number(x).replace("−", "-").replace("∞", "inf")
        if x.is_zero:
            return "-0" if x.negative else "0"
        x = x.fraction()
    return str(x)
