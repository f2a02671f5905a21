"""Rows: every number of a layer comes from the right place."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emu.deviation.judge import layer_row, output_row
from emu.deviation.result import from_run, take_sample
from emu.deviation.rows import EVENTS, totals, worst
from emu.formats.enums import EventKind
from emu.replaying.result import OutputPair


def rows_of(run):
    return [layer_row(layer) for layer in run.layers]


def test_a_layer_with_one_small_error(two_layers):
    row = rows_of(two_layers)[0]
    assert (row.layer, row.op, row.shape, row.k, row.macs) == ("first", "MatMul", (2, 2), 3, 12)
    assert (row.unit, row.activations, row.weights, row.output_format) == (
        "some-unit", "absmax per token, dynamic", "absmax per channel", "bfloat16",
    )  # fmt: skip
    assert row.sqnr_db == 10 * math.log10(21 / 2**-10)
    assert row.max_abs == 2**-5
    assert row.mse == 2**-12
    assert row.mean_error == 2**-7
    assert row.left_out == 0
    # 2^-5 is far from 0 in bfloat16: every subnormal and all binades below lie between
    assert row.max_ulp == (127 - 5) * 128
    assert row.ulp_histogram[0] == 3
    assert sum(row.ulp_histogram) == 4
    assert row.mean_ulp == row.max_ulp / 4


def test_events_and_clamping_are_kept_apart(two_layers):
    row = rows_of(two_layers)[1]
    assert (row.saturated, row.quantiser_saturated, row.output_saturated, row.all_saturated) == (5, 1, 2, 8)
    assert (row.overflow, row.quantiser_overflowed, row.output_overflowed, row.all_overflowed) == (16, 4, 8, 28)
    assert (row.flushed_in, row.flushed_out, row.flushed, row.nan_made) == (0, 3, 3, 1)
    assert (row.emulated_not_finite, row.truth_not_finite, row.left_out, row.elements) == (1, 0, 1, 4)
    assert set(EVENTS) == {kind.value for kind in EventKind}


def test_worst_and_totals(two_layers):
    rows = rows_of(two_layers)
    assert worst(rows) is rows[1]
    assert worst([]) is None
    sums = totals(rows)
    assert (sums["macs"], sums["saturated"], sums["quantiser_saturated"], sums["left_out"]) == (24, 5, 2, 1)
    assert (sums["overflow"], sums["quantiser_overflowed"], sums["output_overflowed"]) == (16, 8, 16)


def test_nothing_finite_is_worse_than_anything(two_layers):
    rows = rows_of(two_layers)
    import dataclasses

    lost = dataclasses.replace(rows[0], sqnr_db=math.nan)
    infinite = dataclasses.replace(rows[0], sqnr_db=-math.inf)
    assert worst([rows[1], infinite, lost]) is lost


def test_outputs(two_layers):
    row = output_row("probabilities", two_layers.outputs["probabilities"])
    assert row is not None
    assert (row.argmax_agreement, row.argmax_rows, row.shape) == (0.5, 2, (2, 2))
    assert output_row("names", two_layers.outputs["names"]) is None
    assert output_row("scalar", OutputPair(truth=np.float32(1), emulated=np.float32(1))) is None


def test_an_output_that_is_an_index_can_be_compared():
    row = output_row("index", OutputPair(truth=np.array([3, 4]), emulated=np.array([3, 5])))
    assert row is not None
    assert row.max_abs == 1.0


def test_a_result_holds_it_all(two_layers):
    result = from_run(two_layers, emu_version="1.2", semantics_version=3)
    assert (result.model, result.mode, result.truth, result.backend) == (
        "model.onnx",
        "propagated",
        "float64",
        "default",
    )
    assert [row.layer for row in result.rows] == ["first", "a/second:0"]
    assert result.worst is result.rows[1]
    assert [output.output for output in result.outputs] == ["probabilities"]
    assert [(s.layer, s.stage, s.kind, s.count) for s in result.stages] == [
        ("a/second:0", "level 0", "overflow", 16),
        ("a/second:0", "level 0", "saturated", 5),
        ("a/second:0", "level 0", "flushed_out", 3),
        ("a/second:0", "level 0", "nan_made", 1),
    ]
    assert result.fallback[0].reason == "vector"
    assert (result.provenance.emu_version, result.provenance.semantics_version) == ("1.2", 3)
    assert result.provenance.numpy == np.__version__
    assert result.sample is not None
    assert result.sample.layer == "a/second:0"


def test_a_run_without_layers(two_layers):
    import dataclasses

    result = from_run(dataclasses.replace(two_layers, layers=(), outputs={}), emu_version="1", semantics_version=1)
    assert result.rows == ()
    assert result.worst is None
    assert result.sample is None


@pytest.mark.parametrize(
    ("points", "expected"), [(1, [1.0]), (2, [1.0, 4.0]), (3, [1.0, 4.0]), (4, [1.0, -2.0, 4.0, 0.0])]
)
def test_samples_are_evenly_spaced(two_layers, points, expected):
    sample = take_sample(two_layers.layers[0], points)
    assert sample.truth.tolist() == expected
    assert sample.truth.shape == sample.emulated.shape
