"""The obligations of the plan for integers at their edges: it is refused, or runs otherwise, exactly when one fails."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from emu import load_unit
from emu.formats.cast import check_cast
from emu.formats.load import load_format
from emu.units.plans.integers import layout
from emu.units.plans.integers.casts import Span, change_of
from emu.units.plans.integers.run import Steps, Whole
from emu.units.plans.plan import Plan, UnprovedError

from .integers_checked import SAT16, STYLES, WRAP16, WRAP32, check, kind, made, operands, planned

OPERANDS = st.sampled_from(["int2", "int4", "uint4", "int7", "int8", "uint8", "int11", "int16", "uint16"])
ZEROS = st.sampled_from([None, None, "int4", "uint8", "int8"])


def span_of(name: str, zero: str | None = None) -> Span:
    """What an operand can be."""
    fmt = load_format(name)
    codes = Span(low=-fmt.min_sig, high=fmt.max_sig)
    if zero is None:
        return codes
    off = span_of(zero)
    return codes + Span(low=-off.high, high=-off.low)


def bits_for(span: Span) -> int:
    """The fewest bits of two's complement that hold a span."""
    bits = 1
    while not span.within(Span(low=-(1 << bits - 1), high=(1 << bits - 1) - 1)):
        bits += 1
    return bits


def operand(name: str, zero: str | None) -> Any:
    return {"format": name, "zero": zero} if zero else name


def same_bits(unit: Any, k: int, seed: int) -> None:
    for style in STYLES:
        check(unit, operands(unit, (3, k, 19), style, seed))


@settings(max_examples=40, deadline=None)
@given(OPERANDS, OPERANDS, ZEROS, ZEROS, st.integers(1, 40), st.sampled_from([-1, 0, 1]), st.integers(0, 1 << 20))
def test_a_clamp_is_out_of_reach(a, b, zero_a, zero_b, k, more, seed):
    """One product of matrices exactly if the accumulator holds K products; else steps."""
    sums = (span_of(a, zero_a) * span_of(b, zero_b)).upto(k)
    bits = bits_for(sums) + more
    assume(2 <= bits <= 62)
    cast = {"format": f"int{bits}", "overflow": "saturate"}
    unit = made([{"result": cast}], a=operand(a, zero_a), b=operand(b, zero_b), c=None, d="int64")
    assert isinstance(kind(planned(unit, k)), Whole if more >= 0 else Steps)
    same_bits(unit, k, seed)


@settings(max_examples=25, deadline=None)
@given(OPERANDS, OPERANDS, st.integers(1, 40), st.integers(0, 1), st.integers(0, 1 << 20))
def test_a_wrap_is_never_out_of_reach(a, b, k, less, seed):
    """Wraps are one product of matrices whether they come or not, if nothing wider follows."""
    bits = max(bits_for((span_of(a) * span_of(b)).upto(k)) - less, 2)
    for after, whole in ((bits, True), (bits + 1, not less)):
        unit = made([{"length": 3, "result": {"format": f"int{bits}"}}, {"result": {"format": f"int{after}"}}],
                    a=a, b=b, c=None, d=f"int{after}")  # fmt: skip
        found = planned(unit, k)
        if k > 3 or whole:  # a run of K products may be too short to wrap
            fits = bits_for((span_of(a) * span_of(b)).upto(min(k, 3))) <= bits
            assert isinstance(kind(found), Whole) is (whole or fits)
        same_bits(unit, k, seed)


@settings(max_examples=30, deadline=None)
@given(OPERANDS, OPERANDS, st.integers(1, 40), st.booleans(), st.integers(0, 1 << 20))
def test_a_float_holds_the_sums(a, b, k, enough, seed):
    """A float accumulator of p bits is exact up to 2^p, and refused from 2^p + 1 on."""
    most = (span_of(a) * span_of(b)).upto(k).largest
    bits = max((most - 1).bit_length(), 1) - (0 if enough else 1)
    assume(2 <= bits <= 53)
    assert (most <= 1 << bits) is enough
    cast = {"format": {"kind": "float", "exp_bits": 8, "man_bits": bits - 1}}
    unit = made([{"result": cast}], a=a, b=b, c=None, d="float64")
    assert isinstance(planned(unit, k), Plan) is enough
    if enough:
        same_bits(unit, k, seed)


@settings(max_examples=40, deadline=None)
@given(
    OPERANDS, OPERANDS, st.integers(1, 4), st.integers(1, 50), st.sampled_from(["wrap", "saturate"]),
    st.booleans(), st.integers(0, 1 << 20),
)  # fmt: skip
def test_lanes_hold_a_step(a, b, group, bits, overflow, signed, seed):
    """Lanes of 16, 32 and 64 bits are taken exactly where the accumulator and one step more fit them."""
    fmt = load_format(f"{'' if signed else 'u'}int{bits}")
    product, acc = span_of(a) * span_of(b), Span(low=-fmt.min_sig, high=fmt.max_sig)
    k = 37
    unit = made([{"group": group, "result": {"format": fmt.name, "overflow": overflow}}, {"start": "none"}],
                a=a, b=b, c=None, d="int64")  # fmt: skip
    found = kind(planned(unit, k))
    if isinstance(found, Steps):
        step = (acc | Span(low=0, high=0)) + product.upto(group)
        halves = all(span_of(x).within(Span(low=-(1 << 15), high=(1 << 15) - 1)) for x in (a, b))
        narrow = product.within(Span(low=-(1 << 15), high=(1 << 15) - 1)) and bits <= 16 and group == 1
        int32 = Span(low=-(1 << 31), high=(1 << 31) - 1)
        in_32 = step.within(int32) or (overflow == "wrap" and acc.within(int32))  # uint32 in d's 64 bits needs more
        if halves and narrow and overflow == "saturate":
            assert found.words == layout.SINGLES
        else:
            assert found.words == (layout.PAIRS if halves and in_32 else layout.WIDE)
    same_bits(unit, k, seed)


@pytest.mark.parametrize(("k", "whole"), [(1, True), (2, False)])
def test_the_bound_of_a_clamp(k, whole):
    """2^14 fits 16 bits, twice 2^14 does not."""
    unit = made([{"result": SAT16}], c=None, d="int16")
    assert isinstance(kind(planned(unit, k)), Whole) is whole
    for style in STYLES:
        check(unit, operands(unit, (5, k, 35), style, 3))


@pytest.mark.parametrize(("k", "accepted"), [(1 << 10, True), ((1 << 10) + 1, False)])
def test_the_bound_of_a_float_accumulator(k, accepted):
    """Integers up to 2^24 are float32, the next one is not."""
    unit = made([{"result": {"format": "float32"}}], c=None, d="float32")
    assert isinstance(planned(unit, k), Plan) is accepted
    if accepted:
        check(unit, operands(unit, (2, k, 3), "largest", 3), [None])


def test_the_first_integer_that_a_float_does_not_hold():
    """2^24 is float32, 2^24 + 1 is not."""
    how = check_cast(load_format("float32"))
    for sign in (1, -1):
        for top, held in ((1 << 24, True), ((1 << 24) + 1, False)):
            span = Span(low=min(0, sign * top), high=max(0, sign * top))
            if held:
                assert change_of(how, span, 0, "here") is None
            else:
                with pytest.raises(UnprovedError, match="exactly"):
                    change_of(how, span, 0, "here")


@pytest.mark.parametrize("a", ["int17", "int24", "uint24", "int32"])
@pytest.mark.parametrize("b", ["int2", "uint16", "int24", "int32", "uint32"])
def test_operands_in_parts(a, b):
    """Operands of more than 16 bits are cut; sums of the parts' products leave 32 bits after some words."""
    unit = made([{"result": {"format": "int64"}}], a=a, b=b, c="int64", d="int64")
    for style in STYLES:
        for k in (1, 2, 300):
            check(unit, operands(unit, (2, k, 5), style, 3))


def test_the_bound_of_32_bits():
    """(-2^15)^2 is 2^30: two of them leave 32 bits, and wider sums are added in blocks."""
    unit = load_unit("integer:once(a=int16, b=int16, acc=int40)")
    for k in (1, 2, 3, 700):
        for style in STYLES:
            check(unit, operands(unit, (3, k, 18), style, 3))
    bytes_only = load_unit("integer:once(a=uint8, b=uint8, acc=int40)")
    check(bytes_only, operands(bytes_only, (7, 5000, 18), "largest", 3))


@pytest.mark.parametrize(("later", "whole"), [("int16", True), ("int17", False)])
def test_wraps_may_only_grow_narrower(later, whole):
    unit = made([{"length": 4, "result": {"format": "int16"}}, {"result": {"format": later}}], c=None)
    assert isinstance(kind(planned(unit, 64)), Whole) is whole
    check(unit, operands(unit, (5, 64, 35), "uniform", 3))
    unit = made([{"length": 4, "result": {"format": "int16"}}, {"start": "zero"}], c=None, d="int16")
    check(unit, operands(unit, (5, 64, 35), "uniform", 3))


WEIGHTS = {"input": {"multiply": "digits"}}


def digits(levels: list[dict[str, Any]], width: int = 2, a: str = "int4", b: str = "uint4", **rest: Any) -> Any:
    return made(levels, a=a, b=b, product={"digits": width}, **rest)


@pytest.mark.parametrize(
    ("levels", "accepted"),
    [
        ([{"lanes": 4, "length": 3}, WEIGHTS], True),
        ([{"lanes": 4, "length": 2, "group": 2}, {"lanes": 4, "length": 2}, WEIGHTS | {"group": 4}], True),
        ([WEIGHTS | {"result": WRAP32}], True),
        ([{"lanes": 4, "length": 4, "result": {"format": "int5"}}, WEIGHTS | {"result": WRAP16}], False),
        ([{"lanes": 4, "length": 4, "result": {"format": "int9"}}, WEIGHTS | {"result": {"format": "int9"}}], True),
        # -2 times 3 four times is -24: 6 bits hold it, 5 do not
        ([{"lanes": 4, "length": 4, "result": {"format": "int7", "overflow": "saturate"}}, WEIGHTS], True),
        ([{"lanes": 4, "length": 4, "result": {"format": "int5", "overflow": "saturate"}}, WEIGHTS], False),
        ([{"lanes": 3, "length": 4}, WEIGHTS], False),
        ([{"lanes": 8, "length": 4}, WEIGHTS], False),
        ([{"lanes": 4, "length": 4, "order": [1, 0]}, WEIGHTS], False),
        ([{"lanes": 4, "length": 4}, WEIGHTS | {"order": [1, 0]}], False),
        ([{"lanes": 4, "length": 4}, {}], False),
        ([{"lanes": 4, "length": 4} | WEIGHTS, WEIGHTS], False),
        ([{"lanes": 4, "length": 4, "start": "c"}, WEIGHTS | {"start": "zero"}], False),
    ],
)
def test_digits(levels, accepted):
    """Products of digits are one product of numbers where every pair of digits gets its own weight, unclamped."""
    for rest in ({}, {"a": "int3", "b": "int4"}, {"k": 6}):
        unit = digits(levels, **rest)
        for k in (5, 12, 29):
            assert isinstance(planned(unit, k), Plan) is accepted
            if accepted:
                for style in STYLES:
                    check(unit, operands(unit, (5, k, 35), style, k))
