"""Single elements: their place in the product, their bits, the first that diverges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emu.accelerators import load_accelerator
from emu.attribution.element import first_different, first_divergent, trace_element
from emu.layers.emulate import emulate
from emu.layers.plain import evaluate

from .test_ladder import accelerator, conv, gemm, unit


@pytest.mark.parametrize("layer", [gemm, conv])
@pytest.mark.parametrize("name", ["fp8-fp16acc", "hopper-fp8-promoted", "int8-sat16"])
def test_an_element_of_every_corner(name, layer):
    lowered, plan = layer(), load_accelerator(name).matrix
    y, truth = emulate(lowered, plan, events=False).y, evaluate(lowered)
    for index in np.ndindex(*(2,) * y.ndim):
        at = tuple((size - 1) * end for size, end in zip(y.shape, index, strict=True))
        found = trace_element(lowered, plan, at)
        assert found.emulated == y[at]
        assert found.truth == pytest.approx(truth[at], rel=1e-12)
        assert found.trace.d_value.finite


def test_a_bias_in_the_accumulator_is_where_the_trace_starts():
    matrix = {
        "unit": unit({"result": {"format": "e8m6"}}), "activations": {"scheme": "cast"}, "weights": {"scheme": "cast"},
        "bias": "c",
    }  # fmt: skip
    plan = load_accelerator({"name": "biased", "matrix": matrix}).matrix
    lowered = gemm()
    found = trace_element(lowered, plan, (3, 4))
    start = found.trace.steps[0].before
    assert float(start.fraction()) == lowered.bias[0, 0, 4]
    assert found.emulated == emulate(lowered, plan, events=False).y[3, 4]


def test_the_first_divergent_element():
    lowered = gemm()
    assert first_divergent(replace(lowered, bias=None), accelerator(unit({}))) is None  # exact, rounded once
    plan = load_accelerator("fp8-fp16acc").matrix
    index = first_divergent(lowered, plan)
    y = emulate(lowered, plan, events=False).y
    right = plan.output(evaluate(lowered).astype(np.float32))[0]
    at = int(np.ravel_multi_index(index, y.shape))
    assert y.ravel()[at] != right.ravel()[at]
    assert np.array_equal(y.ravel()[:at], right.ravel()[:at])


def test_nan_equals_nan():
    x = np.array([[1.0, np.nan], [2.0, 3.0]], np.float32)
    assert first_different(x, x) is None
    assert first_different(x, np.where(np.isnan(x), 0, x)) == (0, 1)


def test_an_element_outside():
    with pytest.raises(ValueError, match=r"element \[99, 0\] is outside the layer's output of shape \[40, 20\]"):
        trace_element(gemm(), load_accelerator("fp8-fp16acc").matrix, (99, 0))
