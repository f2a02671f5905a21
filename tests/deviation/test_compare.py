"""Two accelerators on one model: what differs, where first, at which step."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from emu.deviation import metrics, ulp
from emu.deviation.compare import compare
from emu.deviation.parting import Place
from emu.replaying.driver import run
from emu.replaying.result import Kind
from tests.replaying.small_models import FLOAT, every_operator, save
from tests.replaying.small_models import model as model_of

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
    assert found.parting.place is Place.LEVEL
    first, second = found.parting.step
    assert first.level == second.level == 0
    assert first.k == second.k
    assert first.after != second.after
    assert first.exact == second.exact


def test_a_difference_outside_the_units_steps(model, inputs):
    narrow = accelerator(8, "y")
    narrow["matrix"] |= {"output": "bfloat16"}
    found = compare(model, inputs, accelerator(8), narrow, layers="conv")
    assert found.first is not None
    assert found.parting.place is Place.EPILOGUE
    assert (found.parting.one, found.parting.other) == found.first.values[:2]
    assert [key.key for key in found.keys] == ["matrix.output.format"]


def test_how_much_is_said_of_each_pair(model, inputs):
    """Against what the layers themselves are, under each accelerator alone."""
    one, other = (run(model, inputs, accelerator(bits)).layers for bits in (6, 7))
    for found, x, y in zip(compare(model, inputs, accelerator(6), accelerator(7)).layers, one, other, strict=True):
        assert found.layer == x.name
        for distance, truth, seen in (
            (found.one, x.truth, x.emulated), (found.other, y.truth, y.emulated), (found.apart, x.emulated, y.emulated),
        ):  # fmt: skip
            pairs = metrics.finite_pairs(truth, seen)
            distances = ulp.ulp_distances(pairs, x.output_format)
            assert distance.sqnr_db == metrics.sqnr_db(pairs)
            assert (distance.max_ulp, distance.p99_ulp) == (int(distances.max()), ulp.percentile(distances, 99))


def test_the_key_that_differs_is_named(model, inputs):
    (key,) = compare(model, inputs, accelerator(6), accelerator(7, "y")).keys
    assert (key.key, key.one, key.other) == ("matrix.unit.level.0.align_bits", "6", "7")


@pytest.mark.parametrize(
    ("change", "place", "key"),
    [
        ({"a": "float8_e5m2"}, Place.OPERAND_A, "matrix.unit.a.format"),
        ({"b": "float8_e5m2"}, Place.OPERAND_B, "matrix.unit.b.format"),
        ({"d": "bfloat16"}, Place.D, "matrix.unit.d.format"),
    ],
)
def test_the_first_place_is_named(model, inputs, change, place, key):
    other = accelerator(20, "y")
    other["matrix"]["unit"]["operands"] |= change
    found = compare(model, inputs, accelerator(20), other, layers="y")
    assert found.parting.place is place
    assert found.parting.one != found.parting.other
    assert key in [one.key for one in found.keys]


def test_a_product_that_is_rounded(model, inputs):
    other = accelerator(20, "y")
    other["matrix"]["unit"]["product"] = {"result": {"format": "e8m2"}}
    found = compare(model, inputs, accelerator(20), other, layers="y")
    assert found.parting.place is Place.PRODUCT
    exact, rounded = found.parting.one.fraction(), found.parting.other.fraction()
    assert exact != rounded
    k = found.parting.k
    assert exact == found.traces[0].trace.a_values[k].fraction() * found.traces[0].trace.b_values[k].fraction()


def test_vector_operations_are_compared_and_those_of_one_alone_are_named(tmp_path, inputs):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["m"], "product"),
        helper.make_node("Tanh", ["m"], ["t"], "tanh"),
    ]
    w = np.random.default_rng(5).standard_normal((6, 4), dtype=np.float32)
    path = save(model_of(nodes, {"x": (FLOAT, [3, 2, 6, 6])}, {"t": (FLOAT, 4)}, {"w": w}), tmp_path, "tanh.onnx")
    narrow, wide = (
        accelerator(8) | {"vector": {"format": "bfloat16"}},
        accelerator(8) | {"vector": {"format": "float16"}},
    )
    found = compare(path, inputs, narrow, wide)
    assert (found.first.layer, found.first.kind, found.first.apart.max_ulp) == ("tanh", Kind.VECTOR, None)
    assert found.traces is None and found.parting is None
    assert [key.key for key in found.keys] == ["vector.format"]
    for pair in ((narrow, accelerator(8)), (accelerator(8), narrow)):
        found = compare(path, inputs, *pair)
        assert found.alone == ("tanh",)
        assert found.first is None
        assert [key.key for key in found.keys] == ["vector"]
