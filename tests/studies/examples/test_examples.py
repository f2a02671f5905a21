"""Worked examples: what is right, what is wrong, and what cannot be asked."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from emu.errors import SpecError
from emu.spec import convert
from emu.studies import load_study
from emu.studies.examples.numbers import exact, float32, text_of
from emu.workloads.synthetic.keys import TensorKeys
from emu.workloads.synthetic.tensors import build_tensor

SUM = {"name": "e", "unit": "int8-int32", "a": [100, 45], "b": [123, 1], "result": 12345}
SCHEME = {"name": "e", "scheme": "absmax", "format": "int8", "x": [0.5, -1, 2, 0], "scale": "2/127"}
HALF = {"matrix": {"unit": "generic:exact(a=float16, b=float16, acc=float32)",
                   "activations": {"scheme": "cast"}, "weights": {"scheme": "cast"}}}  # fmt: skip
PRODUCT = {"name": "e", "accelerator": HALF, "x": [[1, 2], [3, 4]], "w": [[1, 0], [0, 1]]}
TABLE = {"name": "e", "accelerator": {**HALF, "vector": {"format": "float16"}},
         "table": [[1, 2], [3, 4], [8, 9]], "indices": [1, 0, 0], "result": [[5, 8]]}  # fmt: skip


def checked(**keys):
    study = load_study({"example": [keys]})
    return study.examples[0].check()


@pytest.mark.parametrize(
    "keys",
    [
        SUM,
        {**SUM, "result": "12345"},
        {**SUM, "result": "24690/2", "code": 12345},
        {**SUM, "result": None, "code": 12345},
        {**SUM, "c": [-12345], "result": 0},
        {**SUM, "a": {"codes": [100, 45]}},
        {**SUM, "a": [{"repeat": [1, 2], "count": 3}], "b": [{"repeat": 1, "count": 6}], "result": 9},
        {**SUM, "unit": "flexq:kernel.int6.int6", "a": [5, -13], "b": [-1, 7], "a_scale": [0.5], "b_scale": [2],
         "result": -96},
        {**SUM, "unit": "nnpi:int8.m0.01.zp3", "result": 126},
        {**SUM, "unit": "nnpi:int8.m0.01.zp3", "b_zero": 1, "result": 124},  # less the sum of a, which is 145
        {**SUM, "unit": "generic:fma(a=float16, b=float16, acc=float32)", "a": ["inf"], "b": [0], "result": "nan"},
        {**SUM, "unit": "generic:fma(a=float16, b=float16, acc=float32)", "a": [1], "b": ["-inf"], "result": "-inf"},
        SCHEME,
        {**SCHEME, "codes": [32, -64, 127, 0], "scale": None},
        {**SCHEME, "codes": [32, 192, 127, 0]},
        {"name": "e", "scheme": "mxfp4_blocks", "x": [1, -2, 6, 0.5], "codes": [2, 12, 7, 1], "block_scales": [127]},
        {**PRODUCT, "result": [["1.0", 2], [3, 4]]},
        {**PRODUCT, "x": [1, 2], "w": [3, 4], "result": 11},
        TABLE,
        {**TABLE, "factors": [2, 1, 0.5], "result": [[7.5, 11]]},
    ],
)  # fmt: skip
def test_what_is_right(keys):
    found = checked(**keys)
    assert found.right, (found.found, found.expected, found.problem)
    assert found.found == found.expected


@pytest.mark.parametrize(
    "keys",
    [
        {**SUM, "result": 12346},
        {**SUM, "result": "nan"},
        {**SUM, "code": 1},
        {**SCHEME, "scale": "2/128"},
        {**SCHEME, "codes": [32, -64, 127]},
        {**SCHEME, "zero": 0},
        {**PRODUCT, "result": [[1, 2], [3, 5]]},
        {**PRODUCT, "result": [1, 2, 3, 4]},
        {**TABLE, "result": [[5, 9]]},
        {**PRODUCT, "result": [[1, 2], [3]]},
    ],
)
def test_what_is_wrong(keys):
    found = checked(**keys)
    assert not found.right
    assert found.found != found.expected
    assert found.plain()["as_stated"] is False


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"unit": "int8-int3"}, "did you mean 'int8-int32'"),
        ({"a": [128, 45]}, "example[0].a: is no value of int8 (got '128')"),
        ({"a": ["1/3", 45]}, "is no value of int8 (got '1/3')"),
        ({"a": ["many", 45]}, "example[0].a: is no number (got 'many')"),
        ({"a": {"codes": [256, 45]}}, "is no code of int8 (got 256)"),
        ({"a": {"code": [1]}}, "code"),
        ({"a": [1]}, "example[0].b: as many elements as a"),
        ({"a_scale": [1]}, "the unit has no such scales"),
        ({"result": "a few"}, "example[0].result: is no number"),
    ],
)
def test_what_cannot_be_worked_out_is_wrong_with_its_reason(changes, says):
    found = checked(**{**SUM, **changes})
    assert not found.right
    assert says in found.problem


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"unit": None}, "example[0]"),
        ({"scheme": "absmax"}, "example[0]"),
        ({"b": None}, "example[0].b"),
        ({"result": None}, "example[0]"),
        ({"x": [1]}, "example[0].x"),
        ({"scale": 1}, "example[0].scale"),
        ({"colour": 1}, "example[0].colour"),
    ],
)
def test_keys_that_do_not_go_together(changes, key):
    with pytest.raises(SpecError) as caught:
        checked(**{**SUM, **changes})
    assert caught.value.key == key


def test_two_examples_of_one_name():
    with pytest.raises(SpecError, match="two examples have this name"):
        load_study({"example": [SUM, SUM]})


@pytest.mark.parametrize("key", ["accelerator", "objectives"])
def test_examples_alone_have_nothing_to_run(key):
    given = {"accelerator": "int8-int32", "objectives": {"error": "sqnr"}}[key]
    with pytest.raises(SpecError, match="examples alone") as caught:
        load_study({"example": [SUM], key: given})
    assert caught.value.key == key


def test_a_study_with_neither_is_refused():
    with pytest.raises(SpecError, match="required key is missing") as caught:
        load_study({"name": "empty"})
    assert caught.value.key == "workload"


def test_a_drawn_sum_is_that_of_the_tensor():
    tensor = {"shape": [64], "distribution": "uniform", "seed": 3, "format": "float8_e5m2"}
    found = checked(name="e", unit="kulisch-e5m2-66", a=tensor, b=[{"repeat": 1, "count": 64}], result=0)
    drawn = build_tensor("x", convert(tensor, TensorKeys, file="f"), "f").draw()
    assert Fraction(found.found) == sum(map(Fraction, drawn.tolist()))


def test_a_study_of_examples_alone_runs_and_is_read_back(tmp_path):
    study = load_study({"name": "sums", "example": [SUM, {**SUM, "name": "wrong", "result": 1}]})
    results = study.run(tmp_path / "out")
    assert [one["as_stated"] for one in results.examples()] == [True, False]
    assert results.points().num_rows == 0
    assert results.effects() == ()


@pytest.mark.parametrize(
    ("value", "number"), [(3, 3), (0.1, Fraction(0.1)), ("0.1", Fraction(1, 10)), ("-1/4", Fraction(-1, 4))]
)
def test_numbers_are_exact(value, number):
    assert exact(value) == number


@pytest.mark.parametrize("value", [True, None, "1/0", "x", [1]])
def test_what_is_no_number(value):
    with pytest.raises(ValueError, match="is no number"):
        exact(value)


def test_words_of_numbers():
    assert [text_of(x) for x in (Fraction(3), Fraction(1, 4), Fraction(1, 3), math.inf)] == ["3", "0.25", "1/3", "inf"]
    assert text_of(Fraction(1, 4), fraction=True) == "1/4"
    assert float32(Fraction(1, 3)) == 0.3333333432674408
