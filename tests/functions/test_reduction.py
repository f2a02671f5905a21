"""Range reduction of function units: by the book in fractions, and the reciprocals of AVX512-FP16 from recordings.

Nothing of emu is used but what is tested: tables are read from their files, values are NumPy's float16 and float64.
"""

from __future__ import annotations

import tomllib
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
import pytest

from emu.errors import SpecError
from emu.functions import load_function
from emu.spec import spec_root
from emu.verify.instructions import instructions
from tests.golden import recordings

from .plain import FLOAT8, FLOAT16, floor_log2

CODES = np.arange(1 << 16, dtype=np.uint16)
NUMBERS = CODES.view(np.float16).astype(np.float64)
MAGNITUDE = CODES & 0x7FFF


def tables(name: str) -> list[np.ndarray]:
    """The entries of each piece, as its file has them."""
    mapping = tomllib.loads((spec_root() / "functions" / f"{name}.toml").read_text(encoding="utf-8"))
    return [np.array(piece["entries"]["codes"]) for piece in mapping["piece"]]


def split(x: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """m and n of x = m 2^(step n), m from 1 up to 2^step."""
    n = (np.frexp(x)[1] - 1) // step
    return np.ldexp(x, -step * n), n


def test_intel_vrcpph() -> None:
    (entries,) = tables("intel-vrcpph")
    finite = (MAGNITUDE > 0) & (MAGNITUDE < 0x7C00)
    m, n = split(np.abs(NUMBERS[finite]), 1)
    y = np.ldexp(entries[((m - 1) * 1024).astype(int)] / 8192, -n)
    want = np.where(MAGNITUDE == 0, 0x7C00, np.where(MAGNITUDE == 0x7C00, 0, MAGNITUDE | 0x200)).astype(np.uint16)
    with np.errstate(over="ignore"):
        want[finite] = y.astype(np.float16).view(np.uint16)
    assert (load_function("intel-vrcpph").table() == want | (CODES & 0x8000)).all()


def test_intel_vrsqrtph() -> None:
    even, odd = tables("intel-vrsqrtph")
    positive = (CODES > 0) & (CODES < 0x7C00)
    m, n = split(NUMBERS[positive], 2)
    entry = np.where(m < 2, even[((m - 1) * 1024).astype(int) % 1024], odd[((m - 2) * 512).astype(int) % 1024])
    want = np.where(MAGNITUDE > 0x7C00, CODES | 0x200, 0xFE00).astype(np.uint16)
    want[positive] = np.ldexp(entry / 2048, -n).astype(np.float16).view(np.uint16)
    want[[0x0000, 0x8000, 0x7C00]] = 0x7C00, 0xFC00, 0
    assert (load_function("intel-vrsqrtph").table() == want).all()


def recorded(name: str, finite: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and results that silicon gave; with `finite` only numbers that gave numbers."""
    (entry,) = (entry for entry in recordings.index() if entry.name == name)
    recording = entry.load()
    (x,) = recording.operands.values()
    x, y = x.astype(np.int64), recording.expected.astype(np.int64)
    usable = ((x & 0x7FFF) < 0x7C00) & ((y & 0x7FFF) < 0x7C00) | (not finite)
    return x[usable], y[usable]


def numbers(codes: np.ndarray) -> tuple[list[Fraction], np.ndarray]:
    return [Fraction(float(NUMBERS[code])) for code in codes & 0x7FFF], codes >> 15 == 1


def learned(x: np.ndarray, y: np.ndarray, step: int) -> dict[Fraction, Fraction]:
    """m -> y 2^n of recordings whose result is normal: one value for each m, whatever n and the sign are."""
    seen: dict[Fraction, set[Fraction]] = {}
    for operand, result in zip(numbers(x)[0], numbers(y)[0], strict=True):
        if Fraction(1, 1 << 14) <= result:
            n = floor_log2(operand) // step
            seen.setdefault(operand / Fraction(2) ** (step * n), set()).add(result * Fraction(2) ** n)
    assert all(len(values) == 1 for values in seen.values())
    return {m: values.pop() for m, values in seen.items()}


@pytest.mark.parametrize(("name", "step"), [("vrcpph", 1), ("vrsqrtph", 2)])
def test_one_half_of_the_recordings_predicts_the_other(name: str, step: int) -> None:
    """The structure alone, without the tables of emu: y = table[m] 2^-n."""
    x, y = recorded(name)
    half = np.random.default_rng(1).random(x.size) < 0.5
    table = learned(x[half], y[half], step)
    predicted = 0
    for operand, result, same in zip(
        numbers(x[~half])[0], numbers(y[~half])[0], x[~half] >> 15 == y[~half] >> 15, strict=True
    ):
        n = floor_log2(operand) // step
        value = table.get(operand / Fraction(2) ** (step * n))
        if value is not None and Fraction(1, 1 << 14) <= result:
            assert same and value * Fraction(2) ** -n == result
            predicted += 1
    assert predicted > 0.7 * (~half & (y & 0x7FFF >= 0x400)).sum() > 2000


def test_entries_of_the_reciprocal_are_the_recordings() -> None:
    """Every entry: the recorded 11 bits, and the recorded side where a subnormal result was a tie of them."""
    (entries,) = tables("intel-vrcpph")
    x, y = recorded("vrcpph")
    near = (entries + 2) // 4
    found = learned(x, y, 1)
    assert len(found) == 1024 and all(2048 * value == near[int((m - 1) * 1024)] for m, value in found.items())
    side = entries - 4 * near
    ties = 0
    for code, result in zip(x & 0x7FFF, y & 0x7FFF, strict=True):
        lost = (int(code) >> 10) - 28  # bits, of an exponent field of 29 or 30
        value = int(near[code & 0x3FF])
        if 0 < lost < 3 and 2 * (value % (1 << lost)) == 1 << lost:
            assert side[code & 0x3FF] == (1 if result == (value >> lost) + 1 else -1)
            ties += 1
    assert ties > 512 and set(side) == {-1, 0, 1}
    assert (np.abs(near - 2048 * 1024 / (1024 + np.arange(1024))) > 0.5).sum() == 21  # not correctly rounded


def test_a_wrong_entry_is_noticed(tmp_path: Any) -> None:
    text = (spec_root() / "functions" / "intel-vrsqrtph.toml").read_text(encoding="utf-8")
    assert " 1445, " in text
    path = tmp_path / "wrong.toml"
    path.write_text(text.replace(" 1445, ", " 1444, ", 1), encoding="utf-8")
    x, y = recorded("vrsqrtph", finite=False)
    assert (load_function("intel-vrsqrtph").apply(x.astype(np.uint16)) == y).all()
    assert 0 < (load_function(path).apply(x.astype(np.uint16)) != y).sum() < 20


def test_reference_evaluates_the_definition() -> None:
    for name in ("vrcpph", "vrsqrtph"):
        x = CODES[::97]
        one, other = (instructions()[name].run(x, backend=backend) for backend in ("reference", "c"))
        assert one.dtype == other.dtype == np.uint16 and (one == other).all()


SMALL = FLOAT8[-2]  # float8_e5m2: subnormals and infinities
KEYS = [
    {"by": "exponent", "scale": -1},
    {"by": "exponent", "step": 2, "scale": -1},
    {"by": "exponent", "step": 3, "low": 0.75, "scale": 1, "add": -0.5},
    {"by": "exponent", "low": 1.5, "add": 1},
    {"by": "multiple", "scale": 1},
    {"by": "multiple", "step": 1.5, "low": -0.5, "scale": -2, "add": 0.25},
    {"by": "multiple", "step": 6},
]


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("symmetry", ["none", "odd"])
def test_reduction_by_the_book(keys: dict[str, Any], symmetry: str) -> None:
    """The pieces hand on what they see: m."""
    exponent = keys["by"] == "exponent"
    step, low = Fraction(keys.get("step", 1)), Fraction(keys.get("low", int(exponent)))
    unit = load_function({
        "function": "exp2", "input": SMALL.name, "output": {"format": "float16", "overflow": "saturate"},
        "symmetry": symmetry, "reduce": keys, "piece": [{"kind": "identity"}],
    })  # fmt: skip
    for code, number in enumerate(SMALL.values):
        got = unit.table()[code]
        if np.isnan(number):
            assert got == FLOAT16.nan
            continue
        folded = symmetry == "odd" and np.signbit(number)
        x = abs(float(number)) if folded else float(number)
        if np.isinf(x) or (exponent and x == 0):
            want = 1.0 if x == 0 else 65504.0 if x > 0 else 0.0  # what 2^x gives
        else:
            y = reduced(Fraction(x), exponent, step, low, keys)
            want = min(
                max(
                    float(FLOAT16.values[FLOAT16.round(y, "toward_zero" if abs(y) >= 65520 else "ties_to_even")[0]]),
                    -65504.0,
                ),
                65504.0,
            )
        assert FLOAT16.values[got] == (-want if folded else want), (code, number)


def reduced(x: Fraction, exponent: bool, step: Fraction, low: Fraction, keys: dict[str, Any]) -> Fraction:
    """m 2^(scale n) + add n; n by trial."""
    if exponent:
        n = next(n for n in range(-40, 40) if low <= abs(x) / 2 ** (step * n) < low * 2**step)
        m = x / Fraction(2) ** int(step * n)
    else:
        n = floor((x - low) / step)
        m = x - n * step
    return m * Fraction(2) ** (keys.get("scale", 0) * n) + Fraction(keys.get("add", 0)) * n


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"by": "exponent"}, "reduce: the exponent would be lost"),
        ({"by": "exponent", "step": 0.5, "scale": 1}, "reduce.step: must be an integer from 1 to 64"),
        ({"by": "exponent", "step": 65, "scale": 1}, "reduce.step: must be an integer from 1 to 64"),
        ({"by": "exponent", "low": 0, "scale": 1}, "reduce.low: must be positive"),
        ({"by": "multiple", "step": 0}, "reduce.step: must be positive"),
        ({"by": "logarithm"}, "reduce.by: unknown value"),
        ({"by": "multiple", "scale": 65}, "reduce.scale"),
        ({"by": "multiple", "width": 1}, "reduce.width: unknown key"),
    ],
)
def test_errors(keys: dict[str, Any], text: str) -> None:
    mapping = {"function": "exp2", "input": "float16", "output": "float16", "piece": [{"kind": "identity"}]}
    with pytest.raises(SpecError, match=text):
        load_function({**mapping, "reduce": keys})


def test_codes_are_not_seen() -> None:
    piece = {"kind": "lut", "segments": {"rule": "code", "low_code": 0, "shift": 6, "count": 4}}
    mapping = {"function": "exp2", "input": "float16", "output": "float16", "reduce": {"by": "multiple", "scale": 1}}
    with pytest.raises(SpecError, match=r"segments.rule: the pieces of a reduced range see a number"):
        load_function({**mapping, "piece": [{**piece, "entries": {"format": "float16"}}]})


def test_shown() -> None:
    from emu.functions.describe import facts, pieces

    unit = load_function("intel-vrsqrtph")
    assert dict(facts(unit))["reduced"] == "x = m * 2^(2n), 1 <= |m| < 4; result y * 2^(-1n)"
    assert dict(facts(unit))["NaN"] == "quieted; a new one is negative"
    assert pieces(unit)[2].startswith("2 <= m: lut, 1024 segments of width 0.001953125 from 2")
    multiple = {"by": "multiple", "low": -0.5, "add": 3}
    mapping = {
        "function": "exp2",
        "input": "int8",
        "output": "int8",
        "reduce": multiple,
        "piece": [{"kind": "identity"}],
    }
    assert dict(facts(load_function(mapping)))["reduced"] == "x = m + 1 n, -0.5 <= m < 0.5; result y + 3 n"
