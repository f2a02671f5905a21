"""The parts of the oracle, one by one.

* Rounding against its definition and NumPy, the random stream against its published vectors.
* Keys of the language against numbers small enough to work out by hand.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .formats import Formats
from .reading import UnknownUnitError, read_unit
from .rounding import Cast, cast, encode, number, real, round_fraction
from .stream import Draws, philox4x32
from .support import code, codes, executor, formats, needs_units
from .units import Executor
from .values import NaN, Num

# --- formats and rounding ---------------------------------------------------------------------------------

SMALL = [
    "e2m1",
    "e3m2",
    "e2m3",
    "e4m3",
    "e5m2",
    "e3m4",
    "int4",
    "uint5",
    "ue4m3",
    "float8_e4m3fnuz",
    "dlfloat16",
]


@needs_units
@pytest.mark.parametrize("name", SMALL)
def test_every_code_comes_back(name: str) -> None:
    fmt = formats().get(name)
    for c in range(1 << fmt.bits):
        value = fmt.decode(c)
        if isinstance(value, NaN):
            continue
        again = fmt.encode(Cast(fmt).apply(value))
        assert fmt.decode(again) == value and (again == c or fmt.ignored_high_bits)


@needs_units
@pytest.mark.parametrize("name", ["float16", "float32", "float64"])
def test_nearest_even_is_numpy(name: str) -> None:
    fmt, dtype = formats().get(name), np.dtype(name)
    random = np.random.default_rng(5)
    raw = random.integers(0, 1 << 64, 3000, np.uint64).view(np.float64)
    near = random.normal(size=1000) * 2.0 ** random.integers(-30, 18, 1000)
    with np.errstate(all="ignore"):
        for x in np.concatenate([raw[~np.isnan(raw)], near]):
            assert encode(float(x), fmt) == int(x.astype(dtype).view(f"u{dtype.itemsize}"))


@pytest.mark.parametrize(
    ("rounding", "wanted"),
    [
        ("ties_to_even", [0, 0, 2, 2, 2, -2]),
        ("ties_to_away", [0, 1, 2, 2, 3, -3]),
        ("ties_to_zero", [0, 0, 1, 2, 2, -2]),
        ("ties_to_positive", [0, 1, 2, 2, 3, -2]),
        ("ties_to_negative", [0, 0, 1, 2, 2, -3]),
        ("toward_zero", [0, 0, 1, 2, 2, -2]),
        ("toward_positive", [1, 1, 2, 2, 3, -2]),
        ("toward_negative", [0, 0, 1, 2, 2, -3]),
        ("away_from_zero", [1, 1, 2, 2, 3, -3]),
        ("to_odd", [1, 1, 1, 2, 3, -3]),
        ("jamming", [1, 1, 1, 3, 3, -3]),
    ],
)
def test_roundings(rounding: str, wanted: list[int]) -> None:
    values = [Fraction(1, 4), Fraction(1, 2), Fraction(3, 2), Fraction(2), Fraction(5, 2), Fraction(-5, 2)]
    assert [round_fraction(x, 0, rounding) for x in values] == wanted
    assert [round_fraction(x / 8, -3, rounding) * 8 for x in values] == wanted
    assert round_fraction(Fraction(0), 0, rounding) == 0


@pytest.mark.parametrize(("variant", "ups"), [("A", (1, 1)), ("B", (1, 2)), ("C", (1, 2))])
def test_stochastic_counts(variant: str, ups: tuple[int, int]) -> None:
    # N = 3; nu * 2^N = 1.375 and 1.5: A cuts, B rounds half up, C half to even
    for nu, wanted in zip((Fraction(11, 64), Fraction(3, 16)), ups, strict=True):
        assert sum(round_fraction(nu, 0, "stochastic", (3, variant, r)) for r in range(8)) == wanted


def test_philox_vectors() -> None:
    assert philox4x32((0, 0, 0, 0), (0, 0)) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    ones = 0xFFFFFFFF
    assert philox4x32((ones,) * 4, (ones,) * 2) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)
    draw = Draws(3 << 32 | 7, 5)
    assert [draw(), draw()] == [w[0] | w[1] << 32 for w in (philox4x32((5, 0, n, 0), (7, 3)) for n in (0, 1))]


@needs_units
@pytest.mark.parametrize(
    ("overflow", "rounding", "wanted"),
    [
        (None, "ties_to_even", 0x7C00),
        (None, "toward_zero", 0x7BFF),
        ("infinity_always", "toward_zero", 0x7C00),
        ("saturate", "ties_to_even", 0x7BFF),
        (None, "toward_negative", 0x7BFF),
        (None, "exact", 0x7C00),
    ],
)
def test_overflow(overflow: str | None, rounding: str, wanted: int) -> None:
    half = formats().get("f16")
    assert half.encode(Cast(half, rounding, overflow).apply(number(1 << 17))) == wanted
    assert encode(465.0, formats().get("e4m3")) == 0x7F
    assert encode(300, formats().get("int8")) == 127


@needs_units
@pytest.mark.parametrize(
    ("ftz", "exact", "kept"),
    [
        ("before_rounding", 1 - 2.0**-30, 0.0),
        ("after_rounding", 1 - 2.0**-30, 1.0),
        ("result", 1 - 2.0**-30, 1.0),
        ("after_rounding", 1 - 2.0**-11, 0.0),
        ("result", 1 - 2.0**-11, 1.0),
        ("result", 0.5, 0.0),
        ("off", 0.5, 0.5),
    ],
)
def test_flush_to_zero(ftz: str, exact: float, kept: float) -> None:
    half, least = formats().get("f16"), 2.0**-14
    assert half.encode(Cast(half, ftz=ftz).apply(real(-exact * least))) == encode(-kept * least, half)


def test_dead_and_live_zero() -> None:
    eight = Formats().get("int8")
    assert cast(Num(0, 0, None, True), eight) == Num(0, 0, None, False)
    assert cast(Num(1, -4, -4, False), eight).e == 0


# --- the language -----------------------------------------------------------------------------------------


FAMILY = """
parameters.d = "f32"
when.a.f16 = { group = 2 }
when.d.f32 = { group = 3 }
when.a.bf16 = { group = 3 }
[body.default]
k = "$n?"
operands = { a = "$a", b = "$b", d = "$d" }
level = [{ group = "$group" }]
[[instruction]]
name = "x{n}.{a}"
a = ["bf16"]
b = "{a}"
n = [4, 8]
[[instruction]]
name = "settled"
a = "f16"
b = "f16"
group = 5
[[instruction]]
name = "clash"
a = "f16"
b = "f16"
"""


def test_family_reading(tmp_path: Path) -> None:
    (tmp_path / "made.toml").write_text(FAMILY, "utf-8")
    flat, _ = read_unit("made:x8.bf16", tmp_path)
    assert flat["k"] == 8 and flat["operands"] == {"a": "bf16", "b": "bf16", "d": "f32"}
    assert flat["level"] == [{"group": 3}]
    settled, _ = read_unit(tmp_path / "made.toml:settled", None)
    assert settled["level"] == [{"group": 5}] and "k" not in settled
    with pytest.raises(ValueError, match="disagree"):
        read_unit("made:clash", tmp_path)
    with pytest.raises(UnknownUnitError):
        read_unit("made:absent", tmp_path)


def test_extends_is_a_deep_merge(tmp_path: Path) -> None:
    (tmp_path / "below.toml").write_text('operands = { a = "int8", b = "int8" }\nlevel = [{ group = 4 }]', "utf-8")
    (tmp_path / "above.toml").write_text('extends = "below"\noperands = { b = "int4" }\nlevel = [{}]', "utf-8")
    flat, _ = read_unit("above", tmp_path)
    assert flat == {"operands": {"a": "int8", "b": "int4"}, "level": [{}]}


def exact_unit(**keys: Any) -> dict[str, Any]:
    return {"operands": {"a": "f16", "b": "f16", "c": "f32", "d": "f32"}} | keys


@needs_units
def test_zero_signs() -> None:
    minus, plus, one = codes([[-0.0]], "f16"), codes([[0.0]], "f16"), codes([[1.0]], "f16")
    c = codes([[-0.0]], "f32")

    def run(a: np.ndarray, rounding: str = "RNE", **level: Any) -> int:
        unit = exact_unit(level=[level | {"result": {"format": "f32", "rounding": rounding}}])
        return int(Executor(unit, formats()).matmul(a, one, c)[0, 0])

    assert run(minus) == 0x80000000
    assert run(plus) == 0
    assert run(minus, start="zero") == 0
    assert run(plus, rounding="RTN") == 0x80000000
    assert run(minus, zero_sign="positive") == 0


@needs_units
def test_no_products() -> None:
    run = Executor(exact_unit(k=4), formats())
    empty = np.zeros((1, 0), np.uint16)
    assert run.matmul(empty, empty.T, codes([[2.5]], "f32")) == code(2.5, "f32")
    assert Executor(exact_unit(level=[{"length": 2}]), formats()).matmul(empty, empty.T) == 0
    with pytest.raises(ValueError, match="K = 3"):
        Executor(exact_unit(level=[{"length": 2}]), formats()).matmul(np.zeros((1, 3), int), np.zeros((3, 1), int))


@needs_units
def test_pairwise_tree_and_order() -> None:
    tree = {"group": 2, "length": 2, "start": "none", "repeat": 3, "result": {"format": "f16"}}
    values = [2048.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    a, b = codes([values], "f16"), codes(np.ones((8, 1)), "f16")
    assert Executor(exact_unit(level=[tree, {}]), formats()).matmul(a, b) == code(2054.0, "f32")
    chain = {"start": "zero", "result": {"format": "f16"}}
    assert Executor(exact_unit(level=[chain]), formats()).matmul(a, b) == code(2048.0, "f32")
    back = chain | {"order": [7, 6, 5, 4, 3, 2, 1, 0]}
    assert Executor(exact_unit(level=[back]), formats()).matmul(a, b) == code(2056.0, "f32")


@needs_units
def test_stochastic_is_seeded_by_element() -> None:
    run = executor("dlfloat16-sr")
    a, b = codes(np.full((4, 6), 1.25), "e5m2"), codes(np.full((6, 5), 2.0**-9), "e5m2")
    c = codes(np.ones((4, 5)), "dlfloat16")
    d = run.matmul(a, b, c, seed=11)
    assert len(np.unique(d)) > 1
    assert np.array_equal(d, run.matmul(a, b, c, seed=11))
    assert int(d[2, 3]) == run.element(a[2].tolist(), b[:, 3].tolist(), int(c[2, 3]), index=2 * 5 + 3, seed=11)
    assert np.array_equal(d, run.matmul(a.reshape(2, 2, 6), b, c.reshape(2, 2, 5), seed=11).reshape(4, 5))
    with pytest.raises(ValueError, match="seed"):
        run.matmul(a, b, c)


@needs_units
def test_overflow_can_raise() -> None:
    unit = {
        "operands": dict.fromkeys("abd", "int8"),
        "level": [{"result": {"format": "int8", "overflow": "raise"}}],
    }
    with pytest.raises(OverflowError):
        Executor(unit, formats()).matmul([[100]], [[100]])


BASE = exact_unit(level=[{"group": 2, "result": {"format": "f16"}}])


@needs_units
@pytest.mark.parametrize(("length", "wanted"), [(2, 2050.0), (4, 2049.0), ("all", 2048.0)])
def test_base_hands_up(length: int | str, wanted: float) -> None:
    # float16 at 2048 has no odd numbers: a pair that adds up to 1 survives only in a run of its own
    unit = {"base": {"unit": BASE, "length": length}, "level": [{}]}
    a = codes([[2048.0, 0.25, 0.75, 0.25, 0.5, 0.5]], "f16")
    d = Executor(unit, formats()).matmul(a, codes(np.ones((6, 1)), "f16"), codes([[0.0]], "f32"))
    assert d == code(wanted, "f32")


@needs_units
def test_digits_are_the_plain_product() -> None:
    random = np.random.default_rng(1)
    a, b = random.integers(0, 64, (3, 20)), random.integers(0, 32, (20, 2))
    keys = {"operands": {"a": "int6", "b": "uint5", "d": "int32"}}
    plain = Executor(keys, formats()).matmul(a, b)
    for width, lanes in ((1, 30), (2, 9), (3, 4), (7, 1)):
        split = keys | {
            "product": {"digits": width},
            "level": [{"lanes": lanes}, {"input": {"multiply": "digits"}}],
        }
        assert np.array_equal(Executor(split, formats()).matmul(a, b), plain)


@needs_units
def test_an_exact_level_hides_every_way_of_dealing() -> None:
    random = np.random.default_rng(3)
    a, b = random.integers(0, 256, (2, 23)), random.integers(0, 256, (23, 2))
    keys = {"operands": dict.fromkeys("ab", "e3m4") | dict.fromkeys("cd", "f32")}
    finite = [x if (x & 0x70) != 0x70 else x & 0x8F for x in range(256)]
    a, b = np.take(finite, a), np.take(finite, b)
    plain = Executor(keys, formats()).matmul(a, b)
    for level in ({"group": 5}, {"length": 4, "lanes": 3}, {"parts": 4, "group": 2}, {"order": [2, 0, 1]}):
        dealt = keys | {"level": [level, {}]}
        assert np.array_equal(Executor(dealt, formats()).matmul(a, b), plain)


@needs_units
@pytest.mark.parametrize("parts", [3, 4])
def test_split_k(parts: int) -> None:
    run = Executor({"base": {"unit": BASE, "parts": parts}, "operands": {"d": "f32"}}, formats())
    x = np.arange(1.0, 8.0)
    assert run.matmul(codes(x[None], "f16"), codes(x[:, None], "f16")) == code(float(x @ x), "f32")
