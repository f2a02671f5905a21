"""Units that no one has built: filled in by a call, or written as one TOML file, on every backend."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emu import load_unit
from emu.cli.main import run
from tests.compare import assert_same_bits

from .small import unit_of

UNBUILT = """
name = "unbuilt"
doc = "Seven products a step, cut 11 bits below the largest exponent; 1-6-9, ties away, saturating, without subnormals."
source = "a thought"
maturity = "reconstructed"
scope = "no machine"
operands = { a = "float8_e4m3fn", b = "float8_e5m2", c = "e6m9", d = "e6m9" }
[[level]]
group = 7
align_bits = 11
result = { format = "e6m9", rounding = "ties_to_away", overflow = "saturate", ftz = "result" }
"""
CALL = (
    "generic:aligned(a=float8_e4m3fn, b=float8_e5m2, acc=e6m9, group=7, align_bits=11, rounding=ties_to_away, "
    "overflow=saturate, ftz=result, zero_sign=ieee)"
)


def problem(seed: int, k: int = 60) -> tuple[Any, Any]:
    """Codes of all kinds: subnormals, infinities, NaN, but mostly numbers."""
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(0, 256, shape).astype(np.uint8) for shape in ((9, k), (k, 8)))
    a[:8], b[:, :7] = a[:8] & 0xB7, b[:, :7] & 0xAF  # all rows and columns but one are small numbers
    return a, b


@pytest.fixture
def unbuilt(tmp_path: Path) -> Path:
    path = tmp_path / "unbuilt.toml"
    path.write_text(UNBUILT, encoding="utf-8")
    return path


def test_a_unit_that_no_one_has_built_is_one_file(unbuilt):
    unit, (a, b) = load_unit(unbuilt), problem(1)
    first = unit.matmul(a, b, backend="reference")
    assert len(np.unique(first)) > 40
    for backend in ("numba", "c"):
        assert_same_bits(unit.matmul(a, b, backend=backend), first, unit.d, backend)


def test_and_the_command_line_shows_it(unbuilt, capsys):
    assert run(["show", "--kind", "unit", str(unbuilt)]) == 0
    text = capsys.readouterr().out
    assert "Seven products a step" in text
    for word in ("ties_to_away", "saturate", "7", "11"):
        assert word in text


def test_and_it_can_be_called_for(unbuilt, backend):
    a, b = problem(2)
    by_file, by_call = load_unit(unbuilt), load_unit(CALL)
    assert by_call.name == CALL
    d = by_file.matmul(a, b, backend=backend)
    assert_same_bits(by_call.matmul(a, b, backend=backend), d, by_file.d, backend)


FORMATS = "float8_e4m3fn float8_e5m2 {0} {0}"
SAME: dict[str, Any] = {
    "float(b=float8_e5m2, acc=e6m9, group=4)": lambda: unit_of(
        FORMATS.format("e6m9"), {"group": 4, "result": {"format": "e6m9"}}
    ),
    "float(b=float8_e5m2, acc=e6m9, d=float16, rounding=to_odd, ftz=result, daz=signed)": lambda: unit_of(
        "float8_e4m3fn float8_e5m2 e6m9 float16",
        {"result": {"format": "e6m9", "rounding": "to_odd", "ftz": "result"}},
        operands={side: {"daz": "signed"} for side in "abc"},
    ),
    "fma(a=float8_e4m3fn, b=float8_e5m2)": lambda: unit_of(
        FORMATS.format("float16"), {"result": {"format": "float16"}}
    ),
    "mul-add(a=float8_e4m3fn, b=float8_e5m2, acc=e5m7)": lambda: unit_of(
        FORMATS.format("e5m7"), {"result": {"format": "e5m7"}}, product={"result": {"format": "e5m7"}}
    ),
    'float(b=float8_e5m2, product={format="float8_e5m2"})': lambda: unit_of(
        FORMATS.format("float32"), {"result": {"format": "float32"}}, product={"result": {"format": "float8_e5m2"}}
    ),
    "chunked(a=float8_e4m3fn, chunk=16, overflow=saturate)": lambda: unit_of(
        FORMATS.format("e6m9"),
        *({"result": {"format": "e6m9", "overflow": "saturate"}, **x} for x in ({"length": 16}, {})),
    ),
    'chunked(a=float8_e4m3fn, chunk=8, group=2, c=float32, d=float32, outer={format="float32"})': lambda: unit_of(
        FORMATS.format("float32"),
        {"group": 2, "length": 8, "result": {"format": "e6m9"}},
        {"result": {"format": "float32"}},
    ),
    "tree(a=float8_e4m3fn, b=float8_e5m2, depth=4, acc=bfloat16)": lambda: unit_of(
        FORMATS.format("bfloat16"),
        {"group": 2, "length": 2, "start": "none", "repeat": 4, "result": {"format": "bfloat16"}},
        {"result": {"format": "bfloat16"}},
        product={"result": {"format": "bfloat16"}},
    ),
    "exact(b=float8_e5m2, acc=float16, rounding=toward_zero)": lambda: unit_of(
        FORMATS.format("float16"), {}, output={"format": "float16", "rounding": "toward_zero"}
    ),
    'exact(register={format={kind="fixed", bits=24, frac_bits=8}, rounding="RTN"}, group=1, b=float8_e5m2)': (
        lambda: unit_of(
            FORMATS.format("float32"),
            {"result": {"format": {"kind": "fixed", "bits": 24, "frac_bits": 8}, "rounding": "toward_negative"}},
            output={"format": "float32"},
        )
    ),
}


@pytest.mark.parametrize("call", SAME)
def test_a_call_is_the_unit_written_out(backend, call):
    a, b = problem(3)
    written, called = SAME[call](), load_unit(f"generic:{call}")
    d = written.matmul(a, b, backend=backend)
    assert_same_bits(called.matmul(a, b, backend=backend), d, written.d, backend)


def test_stochastic_rounding_by_a_call(backend):
    called = load_unit("generic:float(acc=e6m9, rounding=stochastic, sr_bits=8)")
    cast = {"format": "e6m9", "rounding": "stochastic", "sr_bits": 8}
    written = unit_of("float8_e4m3fn float8_e4m3fn e6m9 e6m9", {"result": cast})
    a, b = problem(4)
    d = written.matmul(a, b, seed=5, backend=backend)
    assert_same_bits(called.matmul(a, b, seed=5, backend=backend), d, written.d, backend)
