"""One flat record for each layer of a replay, and for each output of the model.

* A row holds numbers and short strings only, in lists and in mappings by name where there are several: it goes into
  JSON, a terminal table and the HTML report as it is, and into Parquet with a column for each name.
* Metrics are those of `emu.deviation.metrics`, `relative`, `ulp`, `divergence` and `agreement`, over the whole output
  tensor of the layer.
* Where the error comes from (`emu.attribution`) is by stage, for a sample of the layer's elements; nothing of it is
  there unless it was asked for.
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

from emu.formats.enums import EventKind
from emu.replaying.result import Kind

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
    magnitude_error: float
    """mean signed error along the truth, in parts of its mean magnitude: negative where results are too small"""
    truth_mean: float
    emulated_mean: float
    abs_p50: float
    """median of |e|"""
    abs_p99: float
    """99th percentile of |e|"""
    cosine: float
    mean_relative: float
    max_relative: float
    sign_flips: int
    zeros_lost: int
    truth_zeros: int
    """pairs with t = 0: no relative error sees them"""
    binades: tuple[int, ...]
    """n of each binade 2^n <= |t| < 2^(n+1) that holds a pair"""
    binade_counts: tuple[int, ...]
    """pairs in each binade"""
    binade_rms: tuple[float, ...]
    """root mean square of e in each binade"""
    kl_mean: float
    """nats, over the rows of a softmax; NaN for any other operator"""
    kl_max: float
    kl_lost: float
    """the truth's probability where the emulated one is 0, mean over rows"""
    kl_rows: int
    max_ulp: int
    """0 if there is no finite pair"""
    mean_ulp: float
    ulp_p50: int
    """median; 0 if there is no finite pair"""
    ulp_p99: int
    """99th percentile"""
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
    share: dict[str, float]
    """by stage, in the order of the ladder: its part of the error, sums to 1; empty if there is no error, or not
    asked for"""
    shapley: dict[str, float]
    """the same over all orders of the stages; empty unless asked for"""
    stage_rms: dict[str, float]
    """by stage: root mean square of what it changes"""
    charged: dict[str, int]
    """by stage: elements that it made an infinity or a NaN; zeros left out"""
    attributed_elements: int
    """that were looked at; 0: not asked for, or not possible"""
    attributed_left_out: int
    """of those, not finite at some stage"""
    no_attribution: str
    """why there is none although it was asked for"""
    user: dict[str, float]
    """metrics of the user's own, by name"""

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that were looked at, in order; a layer without any error has them too."""
        return tuple(self.stage_rms)

    @property
    def blamed(self) -> str | None:
        """The stage with the largest share, the first of equals; None if there are no shares."""
        return max(self.share, key=lambda stage: self.share[stage]) if self.share else None

    @property
    def infinities_charged(self) -> int:
        """Elements that some stage made an infinity or a NaN."""
        return sum(self.charged.values())

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
    mse: float
    max_abs: float
    mean_error: float
    magnitude_error: float
    truth_mean: float
    emulated_mean: float
    cosine: float
    mean_relative: float
    max_relative: float
    sign_flips: int
    zeros_lost: int
    argmax_agreement: float
    """NaN for an output without rows"""
    argmax_rows: int
    topk_agreement: float
    """of the `agreement.TOP` largest; NaN for rows with no more elements than that"""
    left_out: int
    user: dict[str, float]
    """metrics of the user's own, by name"""


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
