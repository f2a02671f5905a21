"""The row of a layer, and of an output: tensors in, metrics out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from emu.deviation import agreement, divergence, metrics, relative, ulp
from emu.deviation.custom import Metric, values_of
from emu.deviation.rows import LayerRow, OutputRow
from emu.formats.enums import EventKind

if TYPE_CHECKING:
    from emu.attribution import Attribution
    from emu.attribution.stages import Stage
    from emu.replaying.result import LayerRun, OutputPair
    from emu.units import Events

LOGARITHMIC = "LogSoftmax"
"""The softmax whose elements are logarithms."""
T = TypeVar("T")
NO_METRICS: Mapping[str, Metric] = {}


def layer_row(run: LayerRun, user: Mapping[str, Metric] = NO_METRICS) -> LayerRow:
    """The row of one layer.

    Args:
        run: the layer with its tensors.
        user: metrics of the user's own.

    Raises:
        ValueError: the tensors of the run do not fit together (shapes, or elements that its output format
            does not have).
        ModelError: a metric of the user's fails.
    """
    pairs = metrics.finite_pairs(run.truth, run.emulated)
    distances = ulp.ulp_distances(pairs, run.output_format)
    by_binade = relative.binades(pairs)
    kl = divergence.NONE
    if run.softmax_axes:
        kl = divergence.divergence(run.truth, run.emulated, run.softmax_axes, logarithmic=run.op == LOGARITHMIC)
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
        **_errors(pairs),
        abs_p50=metrics.abs_percentile(pairs, 50),
        abs_p99=metrics.abs_percentile(pairs, 99),
        truth_zeros=relative.zeros(pairs),
        binades=by_binade.exponents,
        binade_counts=by_binade.counts,
        binade_rms=by_binade.rms,
        kl_mean=kl.mean,
        kl_max=kl.worst,
        kl_lost=kl.lost,
        kl_rows=kl.rows,
        max_ulp=int(distances.max(initial=0)),
        mean_ulp=float(distances.mean()) if distances.size else math.nan,
        ulp_p50=ulp.percentile(distances, 50),
        ulp_p99=ulp.percentile(distances, 99),
        ulp_histogram=ulp.histogram(distances),
        elements=pairs.total,
        truth_not_finite=pairs.truth_not_finite,
        emulated_not_finite=pairs.emulated_not_finite,
        quantiser_saturated=run.quantiser_saturated,
        quantiser_overflowed=run.quantiser_overflowed,
        output_saturated=run.output_saturated,
        output_overflowed=run.output_overflowed,
        **_counts(run.events),
        **_attributed(run.attribution),
        no_attribution=run.no_attribution,
        user=values_of(user, run.truth, run.emulated, f"layer {run.name}"),
    )


def _counts(events: Events | None) -> dict[str, Any]:
    return {kind.value: None if events is None else int(events.total(kind)) for kind in EventKind}


def _attributed(found: Attribution | None) -> dict[str, Any]:
    if found is None:
        return {
            "share": {}, "shapley": {}, "stage_rms": {}, "charged": {}, "attributed_elements": 0,
            "attributed_left_out": 0,
        }  # fmt: skip
    shares = found.shares
    return {
        "share": _named(shares.share),
        "shapley": _named(found.shapley),
        "stage_rms": _named(shares.rms),
        "charged": _named(shares.charged),
        "attributed_elements": shares.elements,
        "attributed_left_out": shares.left_out,
    }


def _errors(pairs: metrics.Pairs) -> dict[str, Any]:
    """What the rows of layers and of outputs say alike."""
    return {
        "sqnr_db": metrics.sqnr_db(pairs),
        "mse": metrics.mse(pairs),
        "max_abs": metrics.max_abs(pairs),
        "mean_error": metrics.mean_error(pairs),
        "magnitude_error": relative.magnitude_error(pairs),
        "truth_mean": metrics.truth_mean(pairs),
        "emulated_mean": metrics.emulated_mean(pairs),
        "cosine": metrics.cosine(pairs),
        "mean_relative": relative.mean_relative(pairs),
        "max_relative": relative.max_relative(pairs),
        "sign_flips": relative.sign_flips(pairs),
        "zeros_lost": relative.zeros_lost(pairs),
        "left_out": pairs.left_out,
    }


def _named(by_stage: Mapping[Stage, T]) -> dict[str, T]:
    return {stage.value: x for stage, x in by_stage.items()}


def output_row(name: str, pair: OutputPair, user: Mapping[str, Metric] = NO_METRICS) -> OutputRow | None:
    """The row of one output, or None for one that holds no numbers (strings) or has no axis.

    Args:
        name: of the output.
        pair: its tensors.
        user: metrics of the user's own.

    Raises:
        ModelError: a metric of the user's fails.
    """
    if pair.truth.ndim == 0 or not all(np.issubdtype(x.dtype, np.number) for x in (pair.truth, pair.emulated)):
        return None
    pairs = metrics.finite_pairs(pair.truth, pair.emulated)
    return OutputRow(
        output=name,
        shape=pair.truth.shape,
        **_errors(pairs),
        argmax_agreement=agreement.argmax_agreement(pair.truth, pair.emulated),
        argmax_rows=pair.truth.size // max(pair.truth.shape[-1], 1),
        topk_agreement=agreement.topk_agreement(pair.truth, pair.emulated),
        user=values_of(user, pair.truth, pair.emulated, f"output {name}"),
    )
