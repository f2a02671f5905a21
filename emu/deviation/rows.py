"""One flat record for each layer of a replay, and for each output of the model.

* A row holds numbers and short strings only: it goes into Parquet, JSON, a terminal table and the HTML report
  as it is.
* Metrics are those of `emu.deviation.metrics` and `emu.deviation.ulp`, over the whole output tensor of the
  layer.
* Event counts are those of the unit, summed over its stages, one field per `EventKind`; what left its range in
  the quantisers and in the layer's last cast are fields of their own, because it happens outside the unit:
  *saturated* values were clamped to the largest finite one, *overflowed* ones became an infinity or a NaN, or
  wrapped.
* A replay without events has None, not 0, for what the unit would have counted, and for every sum with it.
* The *worst* layer is the one with the lowest SQNR; a layer whose SQNR is NaN (no finite pair at all) is
  worse than any other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emu.deviation import metrics, ulp
from emu.formats.enums import EventKind
from emu.replaying.result import Kind

if TYPE_CHECKING:
    from emu.replaying.result import LayerRun, OutputPair

EVENTS = tuple(kind.value for kind in EventKind)
"""Names of the fields that count what happened inside the unit."""
OUTSIDE = ("quantiser_saturated", "quantiser_overflowed", "output_saturated", "output_overflowed")
"""Names of the fields that count what left its range outside the unit."""
ADDITIVE = ("macs", "elements", "left_out", *OUTSIDE, *EVENTS)
"""Fields whose sum over layers means something."""


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One layer: what it is, how far it is from the truth, what happened inside."""

    index: int
    """position in the graph's node list"""
    kind: str = "matrix"
    """`matrix` or `vector`"""
    layer: str
    op: str
    shape: tuple[int, ...]
    """of the output"""
    k: int
    """products per output element"""
    macs: int
    unit: str
    activations: str
    """the activation scheme in words"""
    weights: str
    """the weight scheme in words"""
    output_format: str
    seconds: float
    """wall time of the emulation"""
    sqnr_db: float
    mse: float
    max_abs: float
    mean_error: float
    abs_p50: float
    """median of |e|"""
    abs_p99: float
    """99th percentile of |e|"""
    cosine: float
    max_ulp: int
    """0 if there is no finite pair"""
    mean_ulp: float
    ulp_histogram: tuple[int, ...]
    """counts for 0, 1, 2, 3-4, 5-8, ... ULP"""
    elements: int
    truth_not_finite: int
    emulated_not_finite: int
    left_out: int
    """pairs that are not finite on one side: no metric sees them"""
    quantiser_saturated: int
    """operand elements that the schemes clamped"""
    quantiser_overflowed: int
    """operand elements that became an infinity or a NaN (or wrapped) in the schemes' casts"""
    output_saturated: int
    """output elements that the last cast clamped"""
    output_overflowed: int
    """output elements that became an infinity or a NaN (or wrapped) in the last cast"""
    inexact: int | None
    underflow: int | None
    overflow: int | None
    invalid: int | None
    saturated: int | None
    wrapped: int | None
    flushed_in: int | None
    flushed_out: int | None
    nan_made: int | None
    truncated: int | None

    @property
    def counted(self) -> bool:
        """Whether the events of the unit were counted."""
        return self.inexact is not None

    @property
    def all_saturated(self) -> int | None:
        """Values clamped to a largest finite one anywhere: quantisers, unit, last cast."""
        return known_sum((self.quantiser_saturated, self.saturated, self.output_saturated))

    @property
    def all_overflowed(self) -> int | None:
        """Values beyond the range of a format anywhere; what the unit clamped or wrapped is counted here too."""
        return known_sum((self.quantiser_overflowed, self.overflow, self.output_overflowed))

    @property
    def flushed(self) -> int | None:
        """Subnormals taken for zero, as operands or as results."""
        return known_sum((self.flushed_in, self.flushed_out))


@dataclass(frozen=True, kw_only=True)
class OutputRow:
    """One output of the model, errors of all layers in it."""

    output: str
    shape: tuple[int, ...]
    sqnr_db: float
    max_abs: float
    cosine: float
    argmax_agreement: float
    """NaN for an output without rows"""
    argmax_rows: int
    left_out: int


def layer_row(run: LayerRun) -> LayerRow:
    """The row of one layer.

    Raises:
        ValueError: the tensors of the run do not fit together (shapes, or elements that its output format
            does not have).
    """
    pairs = metrics.finite_pairs(run.truth, run.emulated)
    distances = ulp.ulp_distances(pairs, run.output_format)
    return LayerRow(
        index=run.node_index,
        kind=run.kind.value,
        layer=run.name,
        op=run.op,
        shape=tuple(run.output_shape),
        k=run.k,
        macs=run.macs,
        unit=run.unit_name,
        activations=run.activations,
        weights=run.weights,
        output_format=run.output_format.name,
        seconds=run.seconds,
        sqnr_db=metrics.sqnr_db(pairs),
        mse=metrics.mse(pairs),
        max_abs=metrics.max_abs(pairs),
        mean_error=metrics.mean_error(pairs),
        abs_p50=metrics.abs_percentile(pairs, 50),
        abs_p99=metrics.abs_percentile(pairs, 99),
        cosine=metrics.cosine(pairs),
        max_ulp=int(distances.max(initial=0)),
        mean_ulp=float(distances.mean()) if distances.size else math.nan,
        ulp_histogram=ulp.histogram(distances),
        elements=pairs.total,
        truth_not_finite=pairs.truth_not_finite,
        emulated_not_finite=pairs.emulated_not_finite,
        left_out=pairs.left_out,
        quantiser_saturated=run.quantiser_saturated,
        quantiser_overflowed=run.quantiser_overflowed,
        output_saturated=run.output_saturated,
        output_overflowed=run.output_overflowed,
        **{kind.value: None if run.events is None else int(run.events.total(kind)) for kind in EventKind},
    )


def output_row(name: str, pair: OutputPair) -> OutputRow | None:
    """The row of one output, or None for one that holds no numbers (strings) or has no axis."""
    if pair.truth.ndim == 0 or not all(np.issubdtype(x.dtype, np.number) for x in (pair.truth, pair.emulated)):
        return None
    pairs = metrics.finite_pairs(pair.truth, pair.emulated)
    return OutputRow(
        output=name,
        shape=pair.truth.shape,
        sqnr_db=metrics.sqnr_db(pairs),
        max_abs=metrics.max_abs(pairs),
        cosine=metrics.cosine(pairs),
        argmax_agreement=metrics.argmax_agreement(pair.truth, pair.emulated),
        argmax_rows=pair.truth.size // max(pair.truth.shape[-1], 1),
        left_out=pairs.left_out,
    )


def worst(rows: Iterable[LayerRow]) -> LayerRow | None:
    """The row with the lowest SQNR, the first one among equals; None if there is no row."""
    return min(rows, key=lambda row: (not math.isnan(row.sqnr_db), row.sqnr_db), default=None)


def totals(rows: Sequence[LayerRow]) -> dict[str, int | None]:
    """The integer counts that add up over layers: MACs, elements and every event that was counted."""
    in_units = of_units(rows)
    return {name: known_sum(getattr(row, name) for row in (in_units if name in EVENTS else rows)) for name in ADDITIVE}


def of_units(rows: Iterable[LayerRow]) -> list[LayerRow]:
    """The rows of layers that a unit ran: vector units count no events."""
    return [row for row in rows if row.kind == Kind.MATRIX.value]


def known_sum(counts: Iterable[int | None]) -> int | None:
    """The sum; None if a part of it was not counted."""
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total
