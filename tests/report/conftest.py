"""Results made by hand: the report must show whatever a replay can yield, so these hold every special case at
once."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emu.deviation.provenance import Provenance
from emu.deviation.result import Description, FallbackRow, Result, Sample, StageCount
from emu.deviation.rows import EVENTS, OUTSIDE, LayerRow, OutputRow, worst


def make_row(index: int, **other: object) -> LayerRow:
    """A layer without anything remarkable, but for what is named."""
    plain: dict[str, object] = {
        "index": index,
        "layer": f"conv{index}",
        "op": "Conv",
        "shape": (4, 8, 8, 8),
        "k": 9,
        "macs": 18432,
        "unit": "some-unit",
        "activations": "absmax per tensor, dynamic",
        "weights": "absmax per channel",
        "output_format": "float32",
        "seconds": 0.25,
        "sqnr_db": 30.0,
        "mse": 1e-4,
        "max_abs": 0.5,
        "mean_error": -1e-3,
        "abs_p50": 0.01,
        "abs_p99": 0.2,
        "cosine": 0.9995,
        "max_ulp": 9,
        "mean_ulp": 1.5,
        "ulp_histogram": (1000, 500, 300, 200, 40, 8),
        "elements": 2048,
        "truth_not_finite": 0,
        "emulated_not_finite": 0,
        "left_out": 0,
        "mean_relative": 0.02,
        "max_relative": 3.5,
        "sign_flips": 0,
        "zeros_lost": 0,
        "magnitude_error": -0.001953125,
        "truth_mean": 0.25,
        "emulated_mean": 0.375,
        "truth_zeros": 0,
        "binades": (-3, -2, 0, 1),
        "binade_counts": (10, 30, 1000, 1008),
        "binade_rms": (0.001, 0.002, 0.01, 0.02),
        "kl_mean": math.nan,
        "kl_max": math.nan,
        "kl_lost": math.nan,
        "kl_rows": 0,
        "ulp_p50": 1,
        "ulp_p99": 8,
        "share": {},
        "shapley": {},
        "stage_rms": {},
        "charged": {},
        "attributed_elements": 0,
        "attributed_left_out": 0,
        "no_attribution": "",
        "user": {},
        **dict.fromkeys((*OUTSIDE, *EVENTS), 0),
    }
    return LayerRow(**(plain | other))  # type: ignore[arg-type]


def make_result(rows: list[LayerRow], **other: object) -> Result:
    """A result with these rows."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(4000) * 3
    noisy = (truth + 0.1 * rng.standard_normal(4000) * np.abs(truth)).astype(np.float32)
    plain: dict[str, object] = {
        "model": "digits.onnx",
        "model_sha256": "ab" * 32,
        "inputs_sha256": "cd" * 32,
        "accelerator": "some-accelerator",
        "accelerator_hash": "ef" * 32,
        "mode": "propagated",
        "truth": "float64",
        "backend": "default",
        "elapsed": 12.5,
        "rows": tuple(rows),
        "outputs": (
            OutputRow(
                output="logits",
                shape=(450, 10),
                sqnr_db=17.31,
                mse=1e-3,
                max_abs=2.5,
                mean_error=-1e-4,
                cosine=0.9912345,
                mean_relative=0.03,
                max_relative=12.0,
                sign_flips=3,
                zeros_lost=0,
                magnitude_error=-0.001953125,
                truth_mean=0.25,
                emulated_mean=0.375,
                argmax_agreement=441 / 450,
                argmax_rows=450,
                topk_agreement=0.97,
                left_out=0,
                user={},
            ),
        ),
        "fallback": (
            FallbackRow(node="relu1", op="Relu", reason="vector"),
            FallbackRow(node="relu2", op="Relu", reason="vector"),
            FallbackRow(node="pool", op="MaxPool", reason="vector"),
            FallbackRow(node="lstm", op="LSTM", reason="hidden_macs"),
        ),
        "truth_float32": ("pool",),
        "stages": tuple(
            StageCount(layer=row.layer, stage=stage, kind=kind, count=getattr(row, kind))
            for row in rows
            for stage, kind in (("product", "inexact"), ("level 0", "saturated"), ("level 0", "truncated"))
            if getattr(row, kind)
        ),
        "calibration": {"conv1/a": 0.03125},
        "descriptions": (
            Description(
                title="Accelerator some-accelerator",
                text="What its author says.",
                facts=(("source", "a paper"),),
                lines=("matrix operators", "  unit   some-unit"),
            ),
            Description(title="Unit some-unit", text="", facts=(), lines=("a        float8_e4m3fn", "b        int4")),
        ),
        "provenance": Provenance(
            emu_version="0.1.0",
            semantics_version=1,
            created="2026-01-01T00:00:00+00:00",
            cpu="A processor",
            cpus=2,
            system="Linux x86_64",
            python="3.11.7",
            numpy="2.4.6",
            onnx="1.23.2",
            onnxruntime="1.31.1",
        ),
        "sample": Sample(layer=worst(rows).layer, truth=truth, emulated=noisy) if rows else None,
    }
    return Result(**(plain | other))  # type: ignore[arg-type]


@pytest.fixture
def ordinary() -> Result:
    """Four layers, one of them bad."""
    rows = [make_row(i, sqnr_db=value) for i, value in enumerate((38.0, 31.5, 12.25, 27.0))]
    return make_result(rows)


STAGES = ("inputs", "operand_a", "alignment", "output")


@pytest.fixture
def explained() -> Result:
    """Errors charged to stages: a negative share, infinities, a vector operation, a layer without error and one that
    cannot be explained; a softmax; a metric of the user's own; a drawn unit."""
    share = dict(zip(STAGES, (0.5, 0.875, -0.375, 0.0), strict=True))
    looked_at: dict[str, object] = {"stage_rms": dict.fromkeys(STAGES, 1.0), "attributed_elements": 512}
    vector: dict[str, object] = {"kind": "vector", "k": 0, "macs": 0, "unit": "vector bfloat16"} | dict.fromkeys(EVENTS)
    rows = [
        make_row(2, share=share, charged={"alignment": 12}, shapley={"operand_a": 0.25, "alignment": 0.75},
                 **looked_at),
        make_row(3, stage_rms={"inputs": 0.0, "operand_a": 0.0}, attributed_elements=2048, sqnr_db=math.inf),
        make_row(
            5, **vector, op="Softmax", share={"inputs": 0.25, "vector": 0.75}, stage_rms={"inputs": 1.0, "vector": 2.0},
            attributed_elements=2048, kl_mean=0.125, kl_max=0.5, kl_lost=0.0625, kl_rows=8, zeros_lost=77,
        ),
        make_row(7, no_attribution="rounds stochastically", user={"mine:f": 0.4375}, sqnr_db=3.5, op="Gemm"),
    ]  # fmt: skip
    unit = Description(
        title="Unit u", text="", facts=(("hash", "12" * 32),), lines=("a", "b"), drawing=("┌──┐", "└──┘")
    )
    return make_result(rows, descriptions=(unit,))


@pytest.fixture
def hostile() -> Result:
    """Every special case: markup in names, infinities, NaNs, all kinds of events, long names, no finite
    pair."""
    nan = math.nan
    events = {kind: 10**i for i, kind in enumerate(EVENTS)}
    rows = [
        make_row(0, layer='<script>alert("x")</script> & <img src=http://example.invalid/a.png>'),
        make_row(1, layer="/model/encoder/layer.11/attention/self/query/" * 3 + "MatMul", op="MatMul", shape=()),
        make_row(2, sqnr_db=math.inf, max_ulp=0, ulp_histogram=(2048,), max_abs=0.0),
        make_row(3, sqnr_db=-math.inf, cosine=0.0, ulp_histogram=(0,) * 30 + (2048,), max_ulp=2**29),
        make_row(
            4,
            sqnr_db=nan,
            mse=nan,
            max_abs=nan,
            mean_error=nan,
            abs_p50=nan,
            abs_p99=nan,
            cosine=nan,
            mean_ulp=nan,
            ulp_histogram=(),
            max_ulp=0,
            left_out=2048,
            emulated_not_finite=2048,
            **events,
        ),
        make_row(5, sqnr_db=-7.5, quantiser_saturated=12, output_saturated=7, quantiser_overflowed=3),
        make_row(6, layer="cost in $: a$b_{", output_overflowed=11),
        make_row(7, layer="$\\frac{$"),
    ]
    return make_result(rows, model="<b>model</b>.onnx", accelerator="a&b", mode="isolated", outputs=())


@pytest.fixture
def empty() -> Result:
    """No layer at all."""
    return make_result([], outputs=(), fallback=(), truth_float32=(), descriptions=())
