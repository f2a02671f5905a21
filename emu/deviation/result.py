"""The result of a replay as it is stored, shown and reported: records, and the few points that a plot needs.

A `Result` is made from a `ReplayRun` (`from_run`), survives a round trip through its files
(`emu.deviation.store`), and is all that the HTML report reads.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emu.deviation.custom import Metric
from emu.deviation.judge import NO_METRICS, layer_row, output_row
from emu.deviation.provenance import Provenance, here
from emu.deviation.rows import LayerRow, OutputRow, worst
from emu.replaying.course import Course

if TYPE_CHECKING:
    from emu.replaying.result import LayerRun, ReplayRun

SAMPLE_POINTS = 20_000
"""How many pairs of the worst layer a result keeps for its scatter plot."""


@dataclass(frozen=True, kw_only=True)
class FallbackRow:
    """One node that ran in reference arithmetic, and why."""

    node: str
    op: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class StageCount:
    """How often one kind of event happened at one stage of the unit in one layer; never 0."""

    layer: str
    stage: str
    """`operand`, `scale`, `product`, `level 0`, ..., `output`"""
    kind: str
    count: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Pairs of one layer, evenly spaced over its elements in C order: the same ones on every machine."""

    layer: str
    truth: NDArray[np.float64]
    """1-D"""
    emulated: NDArray[np.float32]
    """1-D, same length"""


@dataclass(frozen=True, kw_only=True)
class Description:
    """What ran, in words that need no spec file: the report shows them as they are."""

    title: str
    """`Accelerator NAME` or `Unit NAME`"""
    text: str
    """what its author says of it"""
    facts: tuple[tuple[str, str], ...]
    """(source, maturity, scope) as far as they are given, by name"""
    lines: tuple[str, ...]
    """what it does, laid out with spaces"""
    drawing: tuple[str, ...] = ()
    """a unit's datapath, drawn in text"""


@dataclass(frozen=True, kw_only=True)
class Result:
    """One model under one accelerator, judged."""

    model: str
    """file name"""
    model_sha256: str
    inputs_sha256: str
    accelerator: str
    accelerator_hash: str
    mode: str
    """`isolated`, `propagated` or `from=LAYER`"""
    truth: str
    against: str = ""
    """the accelerator that is the truth; empty for any other truth"""
    against_hash: str = ""
    backend: str
    """`default` if none was asked for"""
    elapsed: float
    """seconds, the truth included"""
    rows: tuple[LayerRow, ...]
    """in graph order"""
    stages: tuple[StageCount, ...]
    """events of all layers, by stage; empty also where they were not counted"""
    outputs: tuple[OutputRow, ...]
    """empty in isolated mode"""
    fallback: tuple[FallbackRow, ...]
    truth_float32: tuple[str, ...]
    """nodes that the float64 truth ran in float32"""
    calibration: dict[str, float]
    """static activation scales; empty if every range is dynamic"""
    descriptions: tuple[Description, ...]
    """the accelerator, then each unit that a layer used"""
    provenance: Provenance
    sample: Sample | None
    """of the worst layer; None if there is no layer"""

    @property
    def worst(self) -> LayerRow | None:
        """The layer with the lowest SQNR."""
        return worst(self.rows)


def take_sample(run: LayerRun, points: int = SAMPLE_POINTS) -> Sample:
    """At most `points` pairs of a layer, evenly spaced."""
    truth, emulated = run.truth.ravel(), run.emulated.ravel()
    step = max(1, -(-truth.size // points))
    return Sample(layer=run.name, truth=truth[::step].copy(), emulated=emulated[::step].copy())


def from_run(
    run: ReplayRun,
    *,
    emu_version: str,
    semantics_version: int,
    descriptions: Sequence[Description] = (),
    metrics: Mapping[str, Metric] = NO_METRICS,
    rows: Sequence[LayerRow] | None = None,
) -> Result:
    """Judge a replay.

    Args:
        run: the replay, with its tensors.
        emu_version: version of the distribution.
        semantics_version: version of the meaning of released units.
        descriptions: the accelerator and its units in words.
        metrics: the user's own.
        rows: of the layers, if they are judged already.

    Raises:
        ModelError: a metric of the user's fails.
    """
    made = [layer_row(layer, metrics) for layer in run.layers] if rows is None else rows
    rows = tuple(sorted(made, key=lambda row: row.index))  # a run with unfinished layers hands them on as they come
    bad = worst(rows)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    outputs = (output_row(name, pair, metrics) for name, pair in run.outputs.items())
    return Result(
        model=run.model.name,
        model_sha256=run.model_sha256,
        inputs_sha256=run.inputs_sha256,
        accelerator=run.accelerator,
        accelerator_hash=run.accelerator_hash,
        mode=str(Course(mode=run.mode, start=run.start)),
        truth=run.truth.value,
        against=run.against,
        against_hash=run.against_hash,
        backend=run.backend or "default",
        elapsed=run.elapsed,
        rows=rows,
        stages=tuple(
            StageCount(layer=layer.name, stage=stage, kind=kind, count=count)
            for layer in run.layers
            if layer.events is not None
            for stage, kind, count in layer.events.table()
        ),
        outputs=tuple(row for row in outputs if row is not None),
        fallback=tuple(FallbackRow(node=f.node, op=f.op, reason=f.reason.value) for f in run.fallback),
        truth_float32=tuple(run.truth_float32),
        calibration=dict(run.calibration),
        descriptions=tuple(descriptions),
        provenance=here(emu_version=emu_version, semantics_version=semantics_version, created=now),
        sample=None
        if bad is None
        else take_sample(next(x for x in run.layers if (x.node_index, x.name) == (bad.index, bad.layer))),
    )
