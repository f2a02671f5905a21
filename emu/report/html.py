"""The report: one HTML file that needs nothing else.

* Style, script and plots are inline; a Content-Security-Policy in the page forbids the browser to load
  anything.
* Every text from outside (model, layer, accelerator names) is escaped by the template engine; only the SVG
  made here is not.
* Deterministic: the same `Result` gives the same bytes.
* Sections: summary, layers, where the error comes from, plots, accelerator, what was not emulated, provenance.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

from emu.atomic import replacing
from emu.deviation import numbers
from emu.deviation.agreement import TOP
from emu.deviation.more_tables import output_columns
from emu.deviation.names import fit
from emu.deviation.result import FallbackRow, Result
from emu.deviation.rows import known_sum, of_units, totals
from emu.errors import ModelError
from emu.replaying.course import course
from emu.replaying.result import Mode
from emu.report import plots
from emu.report.columns import columns_of
from emu.report.curves import depth_plot, magnitude_plot
from emu.report.heat import heat_map
from emu.report.page import Card, fill

NAME_WIDTH = 40
"""Characters of a layer's name in the table; the whole name is shown where the mouse rests on it."""
MODE_WORDS = {
    "isolated": "Every layer reads the float32 reference activations: a row is that layer's own error.",
    "propagated": "Every layer reads what the accelerator computed before: errors run through the model.",
}
FROM_WORDS = (
    "What comes before {} in graph order runs in float32, for the truth too; from there on every layer reads what the "
    "accelerator computed before: errors run through the rest of the model."
)
TRUTH_WORDS = {
    "float64": "float64",
    "float32": "float32 of the reference engine",
    "accelerator": "another accelerator, {} (hash {}), in the same mode: no deviation here is one from IEEE arithmetic",
}
REASON_WORDS = {
    "hidden_macs": "multiplies and accumulates inside, where no unit is put in",
    "integer_semantics": "runs as the model states it, in integers with the model's own scales",
    "unsupported_type": "tensors are neither float32 nor float16",
    "not_selected": "left out by the choice of layers",
    "before": "comes before the layer that the replay starts from, run in float32",
    "vector": "vector operation, run in float32",
}
PROVENANCE_WORDS = {
    "emu_version": "emu",
    "semantics_version": "semantics version",
    "created": "finished (UTC)",
    "cpu": "processor",
    "cpus": "processors at hand",
    "python": "Python",
    "numpy": "NumPy",
}


SHORT = 12
"""Digits of a hash in a sentence."""


def write_report(path: Path, result: Result, beside: Result | None = None) -> None:
    """Write the report; the file is there whole or not at all.

    Args:
        path: the file.
        result: what it is about.
        beside: another run of the same model, for the curve along the graph.

    Raises:
        ModelError: the folder does not exist or cannot be written, or the path is there and no regular file.
    """
    text = render(result, beside)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def render(result: Result, beside: Result | None = None) -> str:
    """The page; `beside` as for `write_report`.

    Raises:
        ModelError: `beside` is a run of another model.
    """
    if beside is not None and beside.model_sha256 != result.model_sha256:
        raise ModelError(f"{beside.model}: another model than {result.model}, their layers cannot stand side by side")
    worst, columns = result.worst, columns_of(result.rows)
    names = fit([row.layer for row in result.rows], NAME_WIDTH)
    return fill(
        "emu.report",
        result=result,
        worst=worst if len(result.rows) > 1 else None,
        mode_words=_mode_words(result),
        truth_words=TRUTH_WORDS.get(result.truth, result.truth).format(result.against, result.against_hash[:SHORT]),
        cards=cards(result),
        columns=columns,
        names=names,
        lines=[
            (row, row is worst, name, [(column, column.cell(row)) for column in columns[1:]])
            for row, name in zip(result.rows, names, strict=True)
        ],
        sqnr=plots.sqnr_plot(result.rows),
        depth=depth_plot(result, beside),
        beside=beside,
        heat=[one for one in (heat_map(result.rows), heat_map(result.rows, shapley=True)) if one is not None],
        unattributed=[row for row in result.rows if row.no_attribution],
        tall=len(result.rows) > plots.TALL,
        magnitude=None if worst is None else magnitude_plot(worst),
        ulp=plots.ulp_plot(result.rows),
        events=plots.event_plot(result.rows),
        counted=all(row.counted for row in of_units(result.rows)),
        scatter=None if result.sample is None else plots.scatter_plot(result.sample),
        fallback=_by_reason(result.fallback),
        outputs=result.outputs,
        output_columns=output_columns(result.outputs),
        provenance=_provenance(result),
        numbers=numbers,
    )


def cards(result: Result) -> list[Card]:
    """The summary: end metric, worst layer, work, events."""
    out = []
    for output in result.outputs[:1]:
        same, rows = (
            round(output.argmax_agreement * output.argmax_rows) if output.argmax_rows else 0,
            output.argmax_rows,
        )
        note = f"{numbers.count(rows - same)} of {numbers.count(rows)} rows of {output.output} changed"
        out.append(Card(label="same argmax as the truth", value=numbers.share(same, rows), note=note))
        note = f"end to end, cosine {numbers.cosine(output.cosine)}"
        if not math.isnan(output.topk_agreement):
            note += f", {numbers.part(output.topk_agreement)} of the top {TOP} kept"
        out.append(Card(label="SQNR at the output", value=numbers.decibels_unit(output.sqnr_db), note=note))
    if result.worst is not None:
        label = "worst layer" if len(result.rows) > 1 else "SQNR"
        out.append(
            Card(label=label, value=numbers.decibels_unit(result.worst.sqnr_db), note=result.worst.layer, alert=True)
        )
    sums = {name: numbers.count(n) for name, n in totals(result.rows).items()}
    work = f"{sums['macs']} MACs, {numbers.seconds(sum(r.seconds for r in result.rows))} emulating"
    in_units = of_units(result.rows)
    if len(in_units) < len(result.rows):
        work = f"{numbers.plural(len(result.rows) - len(in_units), 'vector operation')} besides; {work}"
    out.append(Card(label="layers emulated", value=str(len(in_units)), note=work))
    clamped = known_sum(row.all_saturated for row in in_units)
    flushed = numbers.count(known_sum(row.flushed for row in in_units))
    overflowed = numbers.count(known_sum(row.all_overflowed for row in in_units))
    note = f"{flushed} flushed, {overflowed} overflowed, {sums['nan_made']} NaN made"
    if clamped is None:
        note = "events of the units were not counted"
    broken = any(row.emulated_not_finite for row in result.rows)
    out.append(Card(label="values saturated", value=numbers.count(clamped), note=note, alert=broken))
    return out


def _mode_words(result: Result) -> str:
    asked = course(result.mode)
    return FROM_WORDS.format(asked.start) if asked.mode is Mode.FROM else MODE_WORDS[result.mode]


def _by_reason(rows: Sequence[FallbackRow]) -> list[tuple[str, list[tuple[str, list[str]]]]]:
    """Nodes that were not emulated: reason, then operator, then names."""
    out: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        words = REASON_WORDS.get(row.reason, row.reason)
        out.setdefault(words, {}).setdefault(row.op, []).append(row.node)
    return [(reason, sorted(ops.items())) for reason, ops in out.items()]


def _provenance(result: Result) -> list[tuple[str, str]]:
    return [
        ("model", result.model),
        ("model SHA-256", result.model_sha256),
        ("inputs SHA-256", result.inputs_sha256),
        ("accelerator", result.accelerator),
        ("accelerator hash", result.accelerator_hash),
        *((("against", result.against), ("hash of that", result.against_hash)) if result.against else ()),
        ("backend", result.backend),
        ("time, truth included", numbers.seconds(result.elapsed)),
        *((f"static scale of {tensor}", str(scale)) for tensor, scale in result.calibration.items()),
        *(
            (PROVENANCE_WORDS.get(f.name, f.name), str(getattr(result.provenance, f.name)))
            for f in dataclasses.fields(result.provenance)
        ),
    ]
