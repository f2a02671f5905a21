"""16, 32 and 64-bit formats, mixed formats and every keyword, against the oracle: codes and flags."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu import SpecError
from tests.oracle.scalar.exact import cast_to_integral, operate
from tests.oracle.scalar.formats import describe

from .drawing import FLOATS, MIXED, codes, how_of, keywords
from .running import ARITY, assert_same, function, has

COUNT = 6


@st.composite
def problems(
    draw: Any, operation: str, mixed: bool
) -> tuple[list[str], str, list[list[int]], list[int], dict[str, Any]]:
    """Formats, target, `COUNT` codes of each operand, random numbers, keywords."""
    if mixed:
        names = [draw(st.sampled_from(MIXED)) for _ in range(ARITY[operation])]
        target = draw(st.sampled_from(MIXED))
    else:
        names = [draw(st.sampled_from(FLOATS))] * ARITY[operation]
        target = names[0]
    operands = [[draw(codes(name)) for _ in range(COUNT)] for name in names]
    how = draw(keywords(target))
    random = [draw(st.integers(0, (1 << how.get("sr_bits", 1)) - 1)) for _ in range(COUNT)]
    return names, target, operands, random, how


def run_on(backend: str, operation: str, *arguments: Any, **how: Any) -> Any:
    """On this backend, or on any that has the operation in this form."""
    try:
        return function(operation)(*arguments, **how, flags=True, backend=backend)
    except SpecError as error:
        if "not in this backend" not in str(error):
            raise
    return function(operation)(*arguments, **how, flags=True)


def check(operation: str, problem: Any, backend: str) -> None:
    """Run it and compare."""
    names, target, operands, random, how = problem
    found = [
        operate(
            operation, [describe(n) for n in names], column, how_of(target, how, r), nan=how["nan"], daz=how["daz"]
        )
        for *column, r in zip(*operands, random, strict=True)
    ]  # fmt: skip
    arrays = [np.array(x, dtype=np.uint64) for x in operands]
    extra = {"random": np.array(random, np.uint64)} if "sr_bits" in how else {}
    fmt = names[0] if len(set(names)) == 1 else tuple(names)
    result = run_on(backend, operation, *arrays, fmt, to=target, **how, **extra)
    expected, flags = zip(*found, strict=True)
    assert_same(result, np.array(expected, np.uint64), flags, operands, f"{operation} {names} {target} {how}")


@pytest.mark.parametrize("operation", [o for o in ARITY if o != "round_to_integral"])
def test_same_format(operation, backend):
    if not has(backend, operation):
        return

    @settings(max_examples=40)
    @given(problems(operation, mixed=False))
    def run(problem):
        check(operation, problem, backend)

    run()


@pytest.mark.parametrize("operation", ["add", "sub", "mul", "fma", "div"])
def test_mixed_formats(operation, backend):
    if not has(backend, operation):
        return

    @settings(max_examples=40)
    @given(problems(operation, mixed=True))
    def run(problem):
        check(operation, problem, backend)

    run()


@pytest.mark.parametrize("target", FLOATS)
def test_round_to_integral(target):
    @settings(max_examples=40)
    @given(st.lists(codes(target), min_size=4, max_size=4), keywords(target, deterministic=True), st.booleans())
    def run(column, how, exact):
        how |= {"rounding": "to_odd"} if how["rounding"] == "jamming" else {}
        fmt = describe(target)
        found = [
            operate("round_to_integral", [fmt], [x], how_of(target, how), nan=how["nan"], daz=how["daz"], exact=exact)
            for x in column
        ]  # fmt: skip
        result = function("round_to_integral")(np.array(column, np.uint64), target, **how, exact=exact, flags=True)
        assert_same(
            result, *(np.array(part, np.uint64) for part in zip(*found, strict=True)), [column], f"{target} {how}"
        )

    run()


def test_cast(backend):
    """Between any two; what has no NaN gets `nan_to`."""

    @settings(max_examples=200)
    @given(st.data())
    def run(data):
        target = data.draw(st.sampled_from(MIXED))
        source = data.draw(st.sampled_from(MIXED))
        column = data.draw(st.lists(codes(source), min_size=COUNT, max_size=COUNT))
        how = data.draw(keywords(target))
        if describe(target).is_integral:
            how["overflow"] = data.draw(st.sampled_from(["saturate", "saturate_propagate", "wrap"]))
        random = [data.draw(st.integers(0, (1 << how.get("sr_bits", 1)) - 1)) for _ in column]
        found = [
            operate("cast", [describe(source)], [x], how_of(target, how, r), nan=how["nan"], daz=how["daz"])
            for x, r in zip(column, random, strict=True)
        ]  # fmt: skip
        extra = {"random": np.array(random, np.uint64)} if "sr_bits" in how else {}
        result = run_on(backend, "cast", np.array(column, np.uint64), source, target, **how, **extra, nan_to="zero")
        assert_same(
            result,
            *(np.array(part, np.uint64) for part in zip(*found, strict=True)),
            [column],
            f"{source} {target} {how}",
        )

    run()


def test_cast_to_integers(backend):
    """No overflow named: NaN, infinities and what is out of range raise invalid alone."""

    @settings(max_examples=150)
    @given(st.data())
    def run(data):
        target = data.draw(st.sampled_from(["int8", "uint8", "int16", "int32", "uint64", "int4"]))
        source = data.draw(st.sampled_from(FLOATS))
        column = data.draw(st.lists(codes(source), min_size=COUNT, max_size=COUNT))
        how = data.draw(keywords(target, deterministic=True)) | {"overflow": None}
        exact = data.draw(st.booleans())
        found = [
            cast_to_integral(describe(source), x, how_of(target, how), nan=how["nan"], daz=how["daz"], exact=exact)
            for x in column
        ]  # fmt: skip
        result = run_on(backend, "cast", np.array(column, np.uint64), source, target, **how, exact=exact)
        assert_same(
            result,
            *(np.array(part, np.uint64) for part in zip(*found, strict=True)),
            [column],
            f"{source} {target} {how}",
        )

    run()
