"""Errors of a running unit: the same on all backends, and they name what the user knows."""

import numpy as np
import pytest

from emu import OverflowRaised, SpecError, load_unit

INT8 = {"a": "int8", "b": "int8"}


def raising(**more):
    return load_unit(
        {
            "name": "tight",
            "operands": {**INT8, "d": "int32"},
            "level": [{"result": {"format": "int9", "overflow": "raise"}}],
            **more,
        }
    )


@pytest.mark.parametrize(
    ("shape_a", "shape_b", "at"), [((3, 2, 1), (1, 1), (2, 1, 0)), ((3, 2, 1), (3, 1, 2), (2, 1, 0))]
)
def test_overflow_names_the_element_of_the_whole_result(backend, shape_a, shape_b, at):
    a = np.zeros(shape_a, np.int8)
    a[at[:-1]] = 100
    b = np.full(shape_b, 100, np.int8)
    with pytest.raises(OverflowRaised, match=rf"tight: output element \({at[0]}, {at[1]}, {at[2]}\)"):
        raising().matmul(a, b, backend=backend)


def test_a_raise_in_the_output_pipe_stops_before_encoding(backend):
    unit = load_unit(
        {
            "operands": {**INT8, "d": {"kind": "fixed", "bits": 64, "frac_bits": 200}},
            "level": [{}],
            "output": {"format": "int2", "overflow": "raise"},
        }
    )
    with pytest.raises(OverflowRaised):
        unit.matmul(np.full((1, 1), 100, np.int8), np.full((1, 1), 100, np.int8), backend=backend)


def test_several_results_name_the_unit_and_k(backend):
    unit = load_unit({"name": "pairs", "operands": {**INT8, "d": "int32"}, "level": [{"group": 2, "length": 2}]})
    with pytest.raises(ValueError, match="pairs: K = 4: the outermost level must hand up one result"):
        unit.matmul(np.zeros((1, 4), np.int8), np.zeros((4, 1), np.int8), backend=backend)


def test_no_zero_to_start_from(backend):
    power = {"kind": "log", "radix": 2, "exp_bits": 4, "bias": 7, "zero": False}
    unit = load_unit({"operands": {**INT8, "c": power, "d": "float32"}, "level": [{}]})
    with pytest.raises(ValueError, match="has no zero to start from: pass c"):
        unit.matmul(np.zeros((1, 1), np.int8), np.zeros((1, 1), np.int8), backend=backend)


@pytest.mark.parametrize("seed", [1.5, "1"])
def test_a_seed_is_an_integer(seed):
    unit = load_unit("dlfloat16-sr")
    with pytest.raises(ValueError, match=f"seed is a whole number, not {seed!r}"):
        unit.matmul(np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint8), seed=seed)


def test_inner_c_and_no_products(backend):
    """K = 0: inner levels have no runs, so only an outermost level that starts at c hands c up."""
    operands = {**INT8, "c": "int32", "d": "int32"}
    a, b, c = np.zeros((1, 0), np.int8), np.zeros((0, 1), np.int8), np.array([[7]], np.int32)
    outer = load_unit({"operands": operands, "level": [{}, {"start": "c"}]})
    inner = load_unit({"operands": operands, "level": [{"start": "c"}, {"start": "zero"}]})
    assert outer.matmul(a, b, c, backend=backend).tolist() == [[7]]
    assert inner.matmul(a, b, c, backend=backend).tolist() == [[0]]


@pytest.mark.parametrize(
    ("level", "words"),
    [
        ({"order": list(range(5000))}, "order"),
        ({"repeat": 64, "result": {"format": "float32"}}, "at most 64 levels"),
        ({"input": {"multiply": 1 << 4000}}, "a constant lies between"),
    ],
)
def test_specs_that_ask_for_too_much(level, words):
    with pytest.raises(SpecError, match=words):
        load_unit({"operands": {**INT8, "d": "float32"}, "level": [level, level]})


def test_a_file_nested_too_deeply(tmp_path):
    path = tmp_path / "deep.toml"
    path.write_text("x = " + "[" * 100_000)
    with pytest.raises(SpecError, match="nested too deeply"):
        load_unit(str(path))


def test_a_table_file_that_lies_about_its_size(tmp_path):
    header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000, 4), }"
    length = (len(header) + 1).to_bytes(2, "little")
    (tmp_path / "t.npy").write_bytes(b"\x93NUMPY\x01\x00" + length + header + b"\n")
    path = tmp_path / "u.toml"
    path.write_text('operands = { a = "uint4", b = "uint4", d = "uint16" }\nproduct.table = "t.npy"\n[[level]]\n')
    with pytest.raises(SpecError, match=r"product\.table: is no \.npy file"):
        load_unit(str(path))


def test_a_batch_that_does_not_broadcast_is_named():
    operand = {"format": "int8", "zero": "int8"}
    unit = load_unit({"name": "x", "operands": {"a": operand, "b": operand, "d": "int32"}, "level": [{}]})
    a, b = np.zeros((5, 2, 4), np.int8), np.zeros((4, 3), np.int8)
    with pytest.raises(ValueError, match=r"the batch of b, \(3,\), does not broadcast with .* before it, \(5,\)"):
        unit.matmul(a, np.zeros((3, 4, 3), np.int8))
    with pytest.raises(ValueError, match=r"the batch of a_zero, \(3,\), does not broadcast"):
        unit.matmul(a, b, a_zero=np.zeros((3, 2, 1), np.int8))


@pytest.mark.parametrize("rounding", ["exact", "stochastic"])
def test_a_shift_is_rounded_deterministically(rounding):
    keys = {"rule": "shift", "multiplier": 0.5, "rounding": rounding}
    operands = {"a": "int8", "b": "int8", "d": "int8"}
    with pytest.raises(SpecError, match=r"requantize\.rounding: a shift is rounded, and deterministically"):
        load_unit({"name": "x", "operands": operands, "level": [{}], "requantize": keys})


def test_a_raise_in_the_first_part_leaves_products_alone(backend):
    part = {"format": "float16", "overflow": "raise"}
    product = {"split": [part, part], "exponent": "leading_bit"}
    operands = {"a": "float64", "b": "float64", "d": "float64"}
    unit = load_unit({"name": "x", "operands": operands, "product": product, "level": [{}]})
    big = np.array([[1e300]]).view(np.uint64)
    with pytest.raises(OverflowRaised, match=r"x: output element \(0, 0\)"):
        unit.matmul(big, big, backend=backend)
