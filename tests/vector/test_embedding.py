"""Embedding sums: loops written from their definition, and the same model in ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

import emu
from emu.accelerators import load_accelerator
from emu.formats import load_format
from emu.replaying.driver import run
from emu.vector import Arithmetic, QuantisedRows, embedding_bag, vector_unit
from emu.vector.embedding import unpack
from tests.replaying.small_models import FLOAT, model, save

CAST = {"scheme": "cast"}
MATRIX = {"unit": "bf16-fma-f32", "activations": CAST, "weights": CAST}
RNG = np.random.default_rng(8)
TABLE = RNG.standard_normal((40, 6)).astype(np.float32)
INDICES = RNG.integers(0, 40, 37)
OFFSETS = np.array([0, 3, 3, 4, 20, 27])
ENDS = [*OFFSETS[1:], 37]
SUMS: list[dict[str, Any]] = [
    {}, {"sum": {"order": "chain", "format": "float32"}}, {"sum": {"order": "tree", "width": 4, "format": "bfloat16"}},
    {"sum": {"order": "lanes", "width": 3, "format": "float16"}},
]  # fmt: skip


def accelerator(fmt: str = "bfloat16", **keys: Any) -> dict[str, Any]:
    return {"name": "v", "matrix": MATRIX, "vector": {"format": fmt, **keys}}


def unit(fmt: str = "bfloat16", **keys: Any) -> Any:
    vector = load_accelerator(accelerator(fmt, **keys)).vector
    assert vector is not None
    return vector_unit(vector)


def test_a_weighted_sum_is_a_product_and_an_addition_for_every_row() -> None:
    """On codes: bfloat16 rows and weights, a chain in float32."""
    b, f = load_format("bfloat16"), load_format("float32")
    weights = RNG.standard_normal(37)
    found = embedding_bag(TABLE, INDICES, OFFSETS, unit(**SUMS[1]), per_sample_weights=weights)
    for bag, (start, stop) in enumerate(zip(OFFSETS, ENDS, strict=True)):
        total = f.encode(np.zeros(6))
        for i in range(start, stop):
            product = emu.mul(b.encode(TABLE[INDICES[i]]), b.encode(np.float64(weights[i])), b)
            total = emu.add(total, emu.cast(product, b, f), f)
        assert np.array_equal(b.encode(found[bag]), emu.cast(total, f, b)), bag


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("keys", SUMS, ids=str)
def test_gather_and_reduce_in_a_model_give_the_same_bits(mode: str, keys: dict[str, Any], tmp_path: Path) -> None:
    """Bags of one size, as rows of a matrix and as a list; the order is the one that the unit states."""
    op = {"sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax"}[mode]
    nodes = [
        helper.make_node("Gather", ["table", "i"], ["rows"], "gather"),
        helper.make_node(op, ["rows", "axes"], ["y"], "bag", keepdims=0),
        helper.make_node("Add", ["y", "zero"], ["z"], "round"),
    ]
    proto = model(
        nodes, {"i": (7, [5, 7])}, {"z": (FLOAT, 2)},
        {"table": TABLE, "axes": np.array([1]), "zero": np.zeros((), np.float32)}, opset=18,
    )  # fmt: skip
    bags = INDICES[:35].reshape(5, 7)
    result = run(save(proto, tmp_path), {"i": bags}, accelerator(**keys), mode="propagated")
    found = embedding_bag(TABLE, bags, None, unit(**keys), mode=mode)
    assert np.array_equal(result.outputs["z"].emulated, found)
    flat = embedding_bag(TABLE, INDICES[:35], np.arange(0, 35, 7), unit(**keys), mode=mode)
    assert np.array_equal(flat, found)
    orders = {embedding_bag(TABLE, bags, None, unit(**other), mode=mode).tobytes() for other in SUMS}
    assert len(orders) == (1 if mode == "max" else len(SUMS)), "a test of the order must be able to fail"


def test_bags_that_are_empty_or_padded() -> None:
    one = unit()
    for mode in ("sum", "mean", "max"):
        found = embedding_bag(TABLE, INDICES, OFFSETS, one, mode=mode)
        assert not found[1].any()
        assert not np.signbit(found[1]).any()
        kept = INDICES != 7
        places = [int(np.count_nonzero(kept[:at])) for at in OFFSETS]
        padded = embedding_bag(TABLE, np.where(kept, INDICES, 7), OFFSETS, one, mode=mode, padding_idx=7)
        assert np.array_equal(padded, embedding_bag(TABLE, INDICES[kept], places, one, mode=mode))
        last = embedding_bag(TABLE, INDICES, [*OFFSETS, 37], one, mode=mode, include_last_offset=True)
        assert np.array_equal(last, found)


@pytest.mark.parametrize("fmt", ["float16", "float32"])
def test_quantised_rows(fmt: str) -> None:
    """q · scale, then + bias: two roundings in the format of the scale."""
    f = load_format(fmt)
    packed = RNG.integers(0, 256, (40, 3)).astype(np.uint8)
    codes = unpack(packed)
    assert [int(one) for one in codes[0, :2]] == [packed[0, 0] & 15, packed[0, 0] >> 4]
    scale, bias = (f.decode(f.encode(RNG.standard_normal(40))) for _ in range(2))
    table = QuantisedRows(codes=codes, scale=scale, bias=bias, arithmetic=Arithmetic(format=f))
    product = emu.mul(f.encode(codes.astype(np.float64)), f.encode(scale)[:, None], f)
    rows = f.decode(emu.add(product, f.encode(bias)[:, None], f))
    one = unit("float32")
    assert np.array_equal(
        embedding_bag(table, INDICES, OFFSETS, one), embedding_bag(rows.astype(np.float32), INDICES, OFFSETS, one)
    )


@pytest.mark.parametrize(
    ("indices", "offsets", "keys", "says"),
    [
        ([0, 40], [0], {}, "the table has 40 rows"),
        ([-1], [0], {}, "the table has 40 rows"),
        ([0, 1], [1], {}, "offsets begin at 0"),
        ([0, 1], [0, 2, 1], {}, "do not fall"),
        ([0, 1], None, {}, r"\[bags, size\]"),
        ([0.5, 1], [0], {}, "integers"),
        ([0, 1], [0], {"per_sample_weights": [1.0]}, "one weight for each of 2"),
        ([0, 1], [0], {"per_sample_weights": [1.0, 1.0], "mode": "max"}, "mode sum"),
        ([0, 1], [0], {"mode": "median"}, "median"),
    ],
)
def test_what_is_refused(indices: Any, offsets: Any, keys: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        embedding_bag(TABLE, indices, offsets, unit(), **keys)
