"""Two accelerators on one model: what differs, where first, at which step."""

from __future__ import annotations

import numpy as np
import pytest

from emu.deviation.compare import compare
from tests.replaying.small_models import every_operator, save

KEYS = {"activations": {"scheme": "absmax"}, "weights": {"scheme": "absmax"}}


def accelerator(bits, name="x"):
    operands = {"a": "float8_e4m3fn", "b": "float8_e4m3fn", "c": "float32", "d": "float32"}
    level = {"group": 4, "align_bits": bits, "result": {"format": "e8m13", "rounding": "toward_zero"}}
    return {"name": name, "matrix": {"unit": {"name": name, "operands": operands, "level": [level]}, **KEYS}}


@pytest.fixture
def model(tmp_path):
    return save(every_operator(np.random.default_rng(1)), tmp_path)


@pytest.fixture
def inputs():
    return {"x": np.random.default_rng(2).standard_normal((3, 2, 6, 6), dtype=np.float32)}


def test_the_same_accelerator_differs_nowhere(model, inputs):
    found = compare(model, inputs, accelerator(8), accelerator(8))
    assert found.first is None
    assert found.traces is None
    assert all(layer.different == 0 for layer in found.layers)
    assert len(found.layers) == 5


def test_one_more_alignment_bit_names_the_level_and_the_first_element(model, inputs):
    found = compare(model, inputs, accelerator(6), accelerator(7, "y"))
    assert found.first is not None
    one, other = found.traces
    assert one.index == other.index == found.first.first
    assert one.emulated != other.emulated
    first, second = found.step
    assert first.level == second.level == 0
    assert first.k == second.k
    assert first.after != second.after
    assert first.exact == second.exact


def test_a_difference_outside_the_units_steps(model, inputs):
    narrow = accelerator(8, "y")
    narrow["matrix"] |= {"output": "bfloat16"}
    found = compare(model, inputs, accelerator(8), narrow, layers="conv")
    assert found.first is not None
    assert found.step is None
