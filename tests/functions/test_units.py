"""Built-in function units, evaluated again the straightforward way, over all inputs; errors; small worked units.

Nothing here looks into emu.functions: entries come from MPFR, arithmetic is NumPy's float16 and float64 where those
are exact, and integers.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emu.errors import OverflowRaised, SpecError
from emu.functions import load_function
from emu.spec import builtin_names

from .mpfr import bracket
from .plain import FLOAT16

CODES = np.arange(1 << 16, dtype=np.uint16)
HALF = CODES.view(np.float16)


def value(function: str, x: Fraction) -> Fraction:
    """The function, to 2^-499 relative."""
    if x == 0:
        return {"exp2": Fraction(1), "tanh": Fraction(0), "sigmoid": Fraction(1, 2), "gelu": Fraction(0)}[function]
    low, high = bracket(function, float(x))
    return (low + high) / 2


def fp16(x: Fraction) -> float:
    """x, rounded to float16, ties to even."""
    return float(FLOAT16.values[FLOAT16.round(dyadic(x), "ties_to_even")[0]])


def dyadic(x: Fraction) -> Fraction:
    """x to 600 bits after the point, never a tie that it was not."""
    scaled = x * (1 << 600)
    whole = scaled.numerator // scaled.denominator
    return Fraction(whole if whole == scaled else 2 * whole + 1, 1 << (600 if whole == scaled else 601))


def nearest(x: Fraction) -> int:
    """The nearest integer, ties to even."""
    return round(x)


def half(x: Any) -> Any:
    """float64 rounded to float16, kept as float64."""
    with np.errstate(over="ignore"):
        return np.asarray(x, np.float64).astype(np.float16).astype(np.float64)


def test_nnpi_sigmoid() -> None:
    """fakelowp's CalcSigmoidByLUT line by line; float64 holds every product and sum of float16 numbers here."""
    table = np.array([fp16(value("sigmoid", Fraction(-18) + i * Fraction(7, 64))) for i in range(256)])
    number = ~np.isnan(HALF)
    x = np.clip(HALF[number].astype(np.float64), -18, 10)
    delta, inverse = 0.109375, float(half(1 / 0.109375))
    shift = float(half(-18 * inverse))
    place = half(x * inverse - shift)
    segment = np.clip(np.floor(place), 0, 254).astype(np.int64)
    p = half(half(x - half(delta * segment - 18)) * inverse)
    upper = half(table[segment + 1] * p)
    lower = half(-p * table[segment] + table[segment])
    want = (upper + lower).astype(np.float16).view(np.uint16)
    got = load_function("nnpi-sigmoid").table()
    assert (got[number] == want).all() and (got[~number] == 0x7E00).all()


def test_nnpi_tanh() -> None:
    """fakelowp's CalcTanhByLUT line by line: float32 multiply-add, sign put back, NaN like infinity."""
    nodes = [Fraction(float(np.uint16(10048 + 64 * i).view(np.float16))) for i in range(119)]
    exact = [value("tanh", node) for node in nodes]
    entries = np.array([fp16(y) for y in exact[:118]])
    quotients = [round((b - a) / 64, 8) for a, b in pairwise(exact)]  # the source has 8 decimals, as float32
    slopes = np.array([float(np.float16(np.float32(float(q)))) for q in quotients])
    slopes[115:] = 0
    magnitude = (CODES & 0x7FFF).astype(np.int64)
    segment, offset = np.divmod(np.clip(magnitude - 10048, 0, 118 * 64 - 1), 64)
    single = (slopes[segment] * offset + entries[segment]).astype(np.float32)  # the float64 sum is exact
    want = np.where(magnitude >= 17538, np.float16(1), single.astype(np.float16)).astype(np.float16).view(np.uint16)
    want = np.where(magnitude < 10048, magnitude, want) | (CODES & 0x8000)
    assert (load_function("nnpi-tanh").table() == want).all()


def test_exp2_linear64() -> None:
    """Entries in 2^-17, slopes in 2^-11; the product is truncated to 2^-17; one rounding to float16."""
    node = [value("exp2", Fraction(i, 64)) for i in range(64)] + [Fraction(2)]
    entries = np.array([nearest(y * (1 << 17)) for y in node[:64]])
    slopes = np.array([nearest((b - a) * 64 * (1 << 11)) for a, b in pairwise(node)])
    x = CODES.astype(np.int64)
    segment, low = x >> 10, x & 0x3FF
    y = entries[segment] + ((slopes[segment] * low) >> (11 + 16 - 17))
    y = np.minimum(y, (1 << 18) - 1)
    want = (y / 2.0**17).astype(np.float16).view(np.uint16)
    assert (load_function("exp2-linear64").table() == want).all()


def test_tanh_quadratic() -> None:
    """c0 in 2^-17, c1 in 2^-14, c2 in 2^-11, offset in 2^-24; products down to 2^-18, sums to nearest 2^-17."""
    tables: list[list[int]] = [[], [], []]
    for i in range(32):
        y0, y1, y2 = (value("tanh", Fraction(2 * i + j, 16)) for j in range(3))
        c1, c2 = (-3 * y0 + 4 * y1 - y2) * 8, (2 * y0 - 4 * y1 + 2 * y2) * 64
        for table, c, bits in zip(tables, (y0, c1, c2), (17, 14, 11), strict=True):
            table.append(nearest(c * (1 << bits)))
    c0, c1, c2 = (np.array(table, dtype=object) for table in tables)
    magnitude = np.arange(0x7C00)
    x = magnitude.astype(np.uint16).view(np.float16)
    middle = (x >= 0.03125) & (x < 4)
    t24 = np.array([int(v * 2.0**24) for v in x[middle].astype(np.float64)], dtype=object)
    segment = (t24 >> 21).astype(np.int64)
    t = t24 - (segment.astype(object) << 21)

    def add(product: Any, entry17: Any) -> Any:
        """A product in 2^-18 and an entry in 2^-17: their sum, to nearest 2^-17."""
        twice = product + 2 * entry17
        return np.array([nearest(Fraction(int(v), 2)) for v in twice], dtype=object)

    y = add((c2[segment] * t) >> (11 + 24 - 18), c1[segment] << 3)
    y = add((y * t) >> (17 + 24 - 18), c0[segment])
    want = magnitude.astype(np.uint16)
    want[middle] = (y.astype(np.float64) / 2.0**17).astype(np.float16).view(np.uint16)
    want[x >= 4] = 0x3C00
    got = load_function("tanh-quadratic").table()
    assert (got[:0x7C00] == want).all() and got[0x7C00] == 0x3C00 and got[0xFC00] == 0xBC00
    assert (got[0x8000:0xFC00] == want | 0x8000).all() and got[0x7C01] == 0x7E00


def test_gelu_lut_int8() -> None:
    want = [nearest(16 * value("gelu", Fraction(v, 16))) & 0xFF for v in [*range(128), *range(-128, 0)]]
    assert load_function("gelu-lut-int8").table().tolist() == want


def test_every_builtin_has_an_independent_test() -> None:
    here = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert all(f"def test_{name.replace('-', '_')}()" in here for name in builtin_names("functions"))


BYTE = {"kind": "fixed", "bits": 8, "frac_bits": 6, "signed": False}


def small(**keys: Any) -> dict[str, Any]:
    """2^x on [0, 1) in eighths, by four segments."""
    piece = {
        "kind": "linear",
        "segments": {"low": 0, "width": 0.25, "count": 4},
        "entries": {"format": {**BYTE}, "values": [1, 1.25, 1.5, 1.75]},
        "slopes": {"format": "float16", "values": [1, 1, 1, 1]},
    }  # fmt: skip
    mapping = {
        "name": "small", "function": "exp2", "input": {"kind": "fixed", "bits": 3, "frac_bits": 3, "signed": False},
        "output": {"format": {**BYTE}}, "piece": [piece],
    }  # fmt: skip
    for path, new in keys.items():
        *way, last = path.split("__")
        at: Any = mapping
        for step in way:
            at = at[int(step)] if step.isdigit() else at[step]
        at[last] = new
    return mapping


def test_worked_linear() -> None:
    """1 + x exactly, in 2^-6: 64, 72, 80, ..."""
    unit = load_function(small())
    assert unit.table().tolist() == [64 + 8 * i for i in range(8)]
    assert unit.apply([[7, 0]]).tolist() == [[120, 64]] and unit.apply(np.uint8(1)) == 72


def test_worked_profile() -> None:
    """2^(i/8) in 2^-6 is 64, 70, 76, 83, 91, 99, 108, 117: the unit is 2, 4, 5, 5, 5, 4, 3 too high."""
    profile = load_function(small()).error_profile()
    assert (profile.inputs, profile.compared, profile.correctly_rounded) == (8, 8, 1)
    assert profile.max_ulp == 5 and profile.mean_ulp == 28 / 8 and profile.worst[0] == 3
    assert profile.max_absolute == 1.375 - 2**0.375 or abs(profile.max_absolute_at - 4) <= 1
    assert profile.monotonicity_violations == 0 and profile.fraction_correct == 1 / 8
    assert "max 5, mean 3.5" in str(profile)


def test_monotonicity_violations_are_found() -> None:
    unit = load_function(small(piece__0__entries__values=[1, 1.25, 1.0, 1.75]))
    profile = unit.error_profile()
    assert profile.monotonicity_violations == 1 and profile.first_violation == 3


def test_worked_lut_places() -> None:
    """log2 at the start, middle and end of [1, 2), [2, 3) ...: uniform segments; the offset plays no part."""
    piece = {"kind": "lut", "segments": {"low": 1, "width": 1, "count": 3}, "entries": {"format": "float16"}}
    fixed = {"kind": "fixed", "bits": 5, "frac_bits": 2, "signed": False}
    for place, at in (("start", [1.0, 2.0, 3.0]), ("middle", [1.5, 2.5, 3.5]), ("end", [2.0, 3.0, 4.0])):
        mapping = {"function": "log2", "input": fixed, "output": "float16", "piece": [{**piece, "place": place}]}
        want = np.log2(at).astype(np.float16).view(np.uint16)
        got = load_function(mapping).table()
        assert got.tolist() == [*[want[0]] * 8, *[want[1]] * 4, *[want[2]] * 20]


def test_worked_polynomial_and_fusion() -> None:
    """1 + x/2 - x^2/4 at x = 3/4, products cut to eighths: -1/4 * 3/4 = -3/16 -> -1/8 (toward zero); fused: no cut."""
    eighths = {"kind": "fixed", "bits": 8, "frac_bits": 3}
    piece = {
        "kind": "polynomial", "segments": {"low": 0, "width": 1, "count": 1},
        "coefficients": [{"format": "float16", "values": [c]} for c in (1, 0.5, -0.25)],
        "multiply": {"format": eighths, "rounding": "toward_zero"},
    }  # fmt: skip
    mapping = {
        "function": "exp2", "input": {"kind": "fixed", "bits": 2, "frac_bits": 2, "signed": False},
        "output": {"format": "float16"}, "piece": [piece],
    }  # fmt: skip
    cut = 1 + 0.25  # (-1/8 + 1/2) * 3/4 = 9/32 -> 2/8
    exact = 1 + 0.375 - 0.140625
    assert load_function(mapping).table().view(np.float16)[3] == cut
    piece["fused"] = True
    assert load_function(mapping).table().view(np.float16)[3] == exact


def test_complement_and_even() -> None:
    """sigmoid(-x) = 1 - sigmoid(x), from the table of x >= 0; cos is even."""
    piece = {"kind": "lut", "segments": {"rule": "code", "low_code": 0, "shift": 0, "count": 8}}
    fixed = {"kind": "fixed", "bits": 4, "frac_bits": 1}
    byte = {"kind": "fixed", "bits": 9, "frac_bits": 8, "signed": False}
    mapping = {
        "function": "sigmoid", "input": fixed, "output": {"format": byte}, "symmetry": "complement",
        "piece": [{**piece, "entries": {"format": byte}}],
    }  # fmt: skip
    unit = load_function({**mapping, "piece": [*mapping["piece"], {"kind": "constant", "from": 4, "value": 1}]})
    got = unit.table().astype(int)
    assert (got[1:8] + got[15:8:-1] == 256).all() and got[0] == 128 and got[8] == 0
    even = {"function": "cos", "input": "int4", "output": "float16", "symmetry": "even"}
    cosine = load_function(
        {**even, "piece": [{**piece, "entries": {"format": "float16"}}, {"kind": "constant", "from": 8, "value": 0}]}
    )
    table = cosine.table().view(np.float16)
    assert (table[1:8] == table[15:8:-1]).all() and table[8] == 0 and table[0] == 1


def test_raise_is_raised_only_where_it_happens() -> None:
    narrow = {"format": {"kind": "fixed", "bits": 6, "frac_bits": 6, "signed": False}, "overflow": "raise"}
    unit = load_function(small(output=narrow, piece__0__entries__values=[0, 0.25, 0.5, 1]))
    assert unit.apply([0, 1]).tolist() == [0, 8]
    with pytest.raises(OverflowRaised, match=r"index \(1,\)"):
        unit.apply([0, 6])
    with pytest.raises(OverflowRaised):
        unit.table()


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"function": "sinh"}, "function: unknown value .got 'sinh'.*'sin'"),
        ({"input": "float32"}, "input: inputs have at most 16 bits"),
        ({"colour": 1}, "colour: unknown key"),
        ({"piece": []}, "piece"),
        ({"piece__0__kind": "spline"}, r"piece\[0\].kind: unknown kind of piece .*Allowed: constant, identity, lut"),
        ({"piece__0__steps": 4}, r"piece\[0\].steps: unknown key"),
        ({"piece__0__from": 0}, "first piece starts at the least input"),
        ({"piece__0__segments__shift": 2}, r"segments.shift: has no meaning with rule = 'uniform'"),
        ({"piece__0__segments": {"count": 4, "rule": "code", "shift": 1}}, "segments.low_code: rule = 'code' needs it"),
        ({"piece__0__segments": {"count": 9, "rule": "code", "low_code": 0, "shift": 0}}, "codes .* end before that"),
        ({"piece__0__segments__width": -1}, "must be positive"),
        ({"piece__0__entries__values": [1, 2]}, r"entries: needs 4 entries .got 2"),
        ({"piece__0__entries__values": [1, 2, 3, 4]}, "4.0 does not fit"),
        ({"piece__0__entries__codes": [1, 2, 3, 4]}, "values or codes, not both"),
        ({"piece__0__slopes": None}, r"piece\[0\].slopes"),
        ({"piece__0__interpolation": "blend"}, r"offset: a blend weighs by a fraction"),
        ({"piece__0__offset": "code"}, "only segments of codes"),
        ({"piece__0__multiply": "floaty16"}, "unknown format"),
        ({"piece__0__multiply": {"format": "float16", "rounding": "stochastic"}}, "one definite way"),
        ({"piece__0__clamp": [1, 0]}, "first bound is below the second"),
        ({"piece__0__segments__index": [{"rounding": "toward_zero"}]}, "an empty step"),
        ({"piece__0__segments__index": [{"add": 1, "rounding": "toward_zero"}]}, "no effect without a format"),
        ({"output": {"format": "float16", "overflow": "wrap"}}, "output.overflow: only integer and fixed"),
        ({"input": "float16"}, "infinities of the input fall into this piece"),
    ],
)
def test_errors(keys: dict[str, Any], text: str) -> None:
    mapping = small(**keys)
    if keys.get("piece__0__slopes", 0) is None:
        del mapping["piece"][0]["slopes"]
    with pytest.raises(SpecError, match=text):
        load_function(mapping)


def test_no_value_at_a_node() -> None:
    piece = {"kind": "lut", "segments": {"low": 0, "width": 1, "count": 2}, "entries": {"format": "float16"}}
    with pytest.raises(SpecError, match="log has no finite value at 0"):
        load_function({"function": "log", "input": "uint4", "output": "float16", "piece": [piece]})


def test_unknown_name_and_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="nnpi-tanh"):
        load_function("nnpi-tan")
    path = tmp_path / "mine.toml"
    path.write_text('extends = "gelu-lut-int8"\nfunction = "silu"\n', encoding="utf-8")
    unit = load_function(path)
    assert unit.name == "mine" and unit.form.function.value == "silu" and unit.maturity == ""
    with pytest.raises(ValueError, match="outside"):
        unit.apply([256])


def test_shown() -> None:
    from io import StringIO

    from rich.console import Console

    from emu.cli.function_table import print_function

    out = StringIO()
    print_function(Console(file=out, width=80), load_function(small()))
    text = out.getvalue()
    for part in ("function unit small", "linear, 4 segments of width 0.25 from 0", "ULP error           max 5", "#"):
        assert part in text
