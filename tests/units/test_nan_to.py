"""`nan_to` of a pipe's cast: no NaN leaves it, neither one that comes in nor one of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emu import SpecError, load_unit
from emu.units.words import unit_words

from .checked import unit_of
from .small import dot
from .test_published_units import f16, f32, flushed, half

INF, NAN = np.inf, np.nan
NONE = {"start": "none"}
VALUES = {"zero": "0.0", "negative_zero": "-0.0", "max": "65504.0"}


def cast(nan_to: str, **keys: Any) -> dict[str, Any]:
    """A level that casts each sum to binary16."""
    return {**NONE, "result": {"format": "float16", "nan_to": nan_to, **keys}}


@pytest.mark.parametrize(("nan_to", "wanted"), VALUES.items())
def test_every_nan_becomes_it(backend, nan_to, wanted):
    """An operand's of either sign, one of a product, one of a sum."""
    unit = unit_of("float32 float32 float32", {"group": 2, **cast(nan_to)})
    negative = np.array([0xFFC00000], np.uint32)
    cases = [([NAN], [1]), (negative, [1]), ([INF], [0]), ([INF, -INF], [1, 1])]
    assert [dot(unit, a, b, backend=backend) for a, b in cases] == [wanted] * 4
    assert dot(unit, [INF, 1], [1, 1], backend=backend) == "inf"
    assert dot(unit, [-1.5], [1], backend=backend) == "-1.5"


@pytest.mark.parametrize(("nan_to", "wanted"), VALUES.items())
def test_a_nan_of_the_cast_s_own_overflow_too(backend, nan_to, wanted):
    unit = unit_of("float32 float32 float32", cast(nan_to, overflow="nan"))
    assert dot(unit, [1e6], [-1], backend=backend) == wanted
    # E4M3 has no infinity: one that comes in, or a value beyond 448, would be NaN
    e4m3 = unit_of("float32 float32 float32", {**NONE, "result": {"format": "e4m3", "nan_to": nan_to}})
    values = wanted.replace("65504", "448")
    assert [dot(e4m3, [x], [1], backend=backend) for x in (-INF, 1000, NAN)] == [values] * 3


def test_what_it_becomes_is_not_flushed_and_keeps_no_sign(backend):
    """The smallest value of a format without zero is what stands for zero there."""
    unit = unit_of("float32 float32 float32", cast("max", ftz="result", rounding="toward_negative"))
    assert dot(unit, np.array([0xFFC00000], np.uint32), [1], backend=backend) == "65504.0"
    logs = {"kind": "log", "radix": 2, "exp_bits": 4, "bias": 3, "signed": False, "zero": False, "nan": "top_code"}
    unit = load_unit({
        "name": "small", "operands": {"a": "float32", "b": "float32", "d": "float32"},
        "level": [{**NONE, "result": {"format": logs, "nan_to": "zero"}}],
    })  # fmt: skip
    assert dot(unit, [NAN], [1], backend=backend) == "0.125"
    assert dot(unit, [0], [1], backend=backend) == "0.125"


def test_a_step_goes_before_its_format(backend):
    fmt = {"exp_bits": 4, "man_bits": 3, "infinities": False, "nan": "none", "nan_to": "max"}
    for keys, wanted in (({}, "480.0"), ({"nan_to": "negative_zero"}, "-0.0")):
        unit = load_unit({
            "name": "small", "operands": {"a": "float32", "b": "float32", "d": "float32"},
            "level": [{**NONE, "result": {"format": fmt, **keys}}],
        })  # fmt: skip
        assert dot(unit, [NAN], [1], backend=backend) == wanted


def test_zero_is_dead_and_max_aligns(backend):
    """In a float +0 has no exponent, and the largest value its own; a live zero of an integer stands at the point."""
    grid = {"group": 2, **NONE, "align_bits": 1}
    for keys, wanted in (
        ({"format": "float16", "nan_to": "zero"}, "0.25"),
        ({"format": "float16", "nan_to": "max"}, "49152.0"),
        ({"format": "int8", "nan_to": "zero", "overflow": "wrap"}, "0.0"),
    ):
        first = {"length": 1, **NONE, "input": {"format": "float16"}}
        unit = unit_of("float16 float16 float32", first, {**grid, "input": [{"multiply": [1, 1]}, keys]})
        a = [NAN, 0.25]
        assert dot(unit, a, [1, 1], backend=backend) == wanted


def test_events(backend):
    """Invalid at the cast, as in a format without NaN; what made the NaN is counted where it was made."""
    unit = load_unit({
        "name": "small", "operands": {"a": "float16", "b": "float16", "d": "float16"},
        "level": [cast("zero", overflow="nan")],
    })  # fmt: skip
    a = np.array([[0x7C00, 0x7E00, 0x7BFF]], np.uint16)
    b = np.array([[0x0000], [0x3C00], [0x4400]], np.uint16)
    d, events = unit.matmul(a, b, events=True, backend=backend)
    counted = {(stage, str(kind)): count for stage, kind, count in events.table()}
    assert d.tolist() == [[0]]
    assert counted == {
        ("product", "nan_made"): 1, ("level 0", "invalid"): 3, ("level 0", "overflow"): 1, ("level 0", "inexact"): 1,
    }  # fmt: skip


def test_loads_and_products(backend):
    """An operand's NaN is taken for the value before it is multiplied."""
    load = {"a": {"load": {"format": "float16", "nan_to": "max"}}}
    unit = unit_of("float16 float16 float32", {}, operands=load)
    assert dot(unit, [NAN, 1], [2, 1], backend=backend) == "131009.0"
    product = unit_of("float16 float16 float32", {}, product={"result": {"format": "float16", "nan_to": "zero"}})
    assert dot(product, [INF, 3, NAN], [0, 1, 1], backend=backend) == "3.0"


def test_it_needs_a_format():
    with pytest.raises(SpecError, match="no effect without a format"):
        unit_of("float16 float16 float32", {"result": {"multiply": 2, "nan_to": "zero"}})
    with pytest.raises(SpecError, match="zero"):
        unit_of("float16 float16 float32", {"result": {"format": "float16", "nan_to": "zeros"}})


def test_words_say_it():
    form = unit_of("float16 float16 float32", cast("negative_zero")).unit.form
    assert any("NaN becomes negative_zero" in line for line in unit_words(form))


# fakelowp's flush, and its clamp


def specials(seed: int, *shape: int) -> Any:
    """Numbers with NaN, infinities and values that binary16 overflows at, among them."""
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal(shape) * np.exp2(rng.integers(-16, 9, shape))).astype(f32)
    odd = rng.choice(np.array([NAN, INF, -INF, 65519, 65520, -1e9, -0.0, 2.0**-15], f32), shape)
    return np.where(rng.random(shape) < 0.05, odd, x)


def clamped(x: Any) -> Any:
    """FBGEMM's conversion with clamping: the minimum of NaN and a number is the number."""
    return half(np.maximum(np.minimum(np.where(np.isnan(x), f32(65504), x), f32(65504)), f32(-65504)))


def nnpi_flush(x: Any) -> Any:
    """What is no number at least as large as the smallest normal one is +0."""
    return np.where(np.abs(x) >= 2.0**-14, x, f32(0))


@pytest.mark.parametrize("name", ["acc16", "fp16"])
@pytest.mark.parametrize("from_", ["", ".f32", ".clamp"])
def test_nnpi_flushes_nan(backend, name, from_):
    """The loops of custom_fp16_gemm; the total of fp16 may be NaN after the last block."""
    a, b, c = specials(1, 5, 150), specials(2, 150, 7), specials(3, 5, 7)
    unit = load_unit(f"nnpi:{name}{from_}")
    rounded = clamped if from_ == ".clamp" else half
    with np.errstate(invalid="ignore", over="ignore"):
        halves = [half(x).astype(f16).view(np.uint16) for x in (a, b, c)]
        given = [x.view(np.uint32) for x in (a, b, c)] if from_ else halves
        given = [*given[:2], halves[2]] if name == "fp16" else given
        x, y = nnpi_flush(rounded(a)), nnpi_flush(rounded(b))
        total = nnpi_flush(rounded(c) if name == "acc16" else half(c))
        for start in range(0, 150, 128 if name == "fp16" else 1):
            block = f32(0)
            for k in range(start, min(start + 128, 150) if name == "fp16" else start + 1):
                product = nnpi_flush(half(x[:, k, None] * y[None, k]))
                block = half(block + product) if name == "fp16" else product
            total = half(nnpi_flush(total) + block)
            total = total if name == "fp16" else nnpi_flush(total)
    wanted = total.astype(f16)
    d = unit.matmul(*given, backend=backend).view(f16)
    assert (np.isnan(d) == np.isnan(wanted)).all()
    assert np.isnan(d).any() == (name == "fp16")
    assert (d.view(np.uint16) == wanted.view(np.uint16))[~np.isnan(d)].all()


def test_nnpi_flush_is_the_published_one(backend):
    """On numbers without NaN it is the flush that was modelled before."""
    a, b = np.abs(specials(4, 3, 20)), np.abs(specials(5, 20, 3))
    a, b = np.where(np.isfinite(a), a, f32(1)), np.where(np.isfinite(b), b, f32(1))
    assert (nnpi_flush(a) == flushed(a)).all()
    unit = load_unit("nnpi:acc16.clamp")
    d, events = unit.matmul(a.view(np.uint32), b.view(np.uint32), events=True, backend=backend)
    assert d.dtype == np.uint16
    assert all(kind != "invalid" for _, kind, _ in events.table())
