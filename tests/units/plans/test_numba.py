"""The plans' Numba kernels give the bits of the C plans and of the general kernel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import emu
from emu.errors import OverflowRaised
from emu.formats.backend import Backend
from emu.units.plans import Plan, aligned, chain, exact, fma, integers, plan_of
from emu.units.plans import numba_parts as parts
from emu.units.plans.aligned import run as aligned_run
from emu.units.unit import Unit
from tests.compare import assert_same_bits

from . import aligned_cases, exact_fma, test_chain
from .aligned_cases import unit_of
from .test_aligned import TENSOR, aligned_unit, late_unit
from .test_integers_proofs import WEIGHTS, digits

HOPPER = "nvidia-hopper:wgmma.mma_async.m64n8k"
CHAIN = [
    "generic:float(acc=float16)", "generic:float(acc=bfloat16)", "generic:float(acc=e6m9, rounding=ties_to_away)",
    "generic:float(acc=e4m3, rounding=toward_zero, overflow=saturate)", "ibm-hfp8:forward", "nnpi:acc32.blocks",
    "generic:float(acc=e6m9, rounding=toward_positive)", "generic:float(acc=float16, rounding=to_odd)",
]  # fmt: skip
FMA = ["bf16-fma-f32", "intel-amx:tdpbf16ps", "generic:tree", "generic:mul-add(acc=float32)", "generic:float"]
ALIGNED = [
    "generic:aligned", f"{HOPPER}16.f32.f16.f16", f"{HOPPER}32.f32.e4m3.e4m3", "deepseek-fp8-promoted",
    "nvidia-blackwell:tcgen05.mma.m128n8k32.kind::mxf8f6f4.block32.f32.e4m3.e2m3.ue8m0",
]  # fmt: skip
INTEGERS = [
    "int8-int32", "int8-sat16", "int6-sat16", "integer:add(a=int8, b=int8, acc=int24, overflow=saturate)",
    "integer:add(a=int16, b=uint16, acc=int48, overflow=wrap)",
]  # fmt: skip
EXACT = ["generic:exact", "kulisch-e4m3", "generic:exact(a=float16, b=float16)"]
PLANS = {"chain": CHAIN, "fma": FMA, "aligned": ALIGNED, "integers": INTEGERS, "exact": EXACT}
MATCHERS = {"chain": chain, "fma": fma, "aligned": aligned, "integers": integers, "exact": exact}
ALL = [(plan, name) for plan, names in PLANS.items() for name in names]
SHAPES = ((7, 70), (1, 1), (3, 129))


def drawn(unit: Unit, m: int, k: int, n: int, style: str) -> dict[str, Any]:
    """Operands of a style: of the plan aligned (near one, cancelling, at the ends of the range), or zeros."""
    rng = np.random.default_rng([m, k, n])
    if style != "zeros":
        return aligned_cases.operands(unit, m, k, n, (style,) * 3, seed=m + k + n)
    shapes = {"a": (m, k), "b": (k, n)} | ({"c": (m, n)} if unit.c is not None else {})
    return {name: test_chain.codes(rng, getattr(unit, name), shape, style) for name, shape in shapes.items()}


def plans(name: str, k: int, plan: str) -> tuple[Unit, Plan, Plan]:
    """A unit and its plans in C and in Numba, which are one."""
    unit = emu.load_unit(name)
    in_c = MATCHERS[plan].match(unit.form, k)
    assert isinstance(in_c, Plan), in_c
    in_numba = in_c.on(Backend.NUMBA)
    assert in_numba is not None
    return unit, in_c, in_numba


def check(unit: Unit, in_c: Plan, in_numba: Plan, operands: dict[str, Any], note: str) -> None:
    """Numba, C, and the general kernel."""
    wanted = exact_fma.run(unit, in_c, None, operands)
    assert_same_bits(exact_fma.run(unit, in_numba, None, operands), wanted, unit.d, f"{unit.name} {note}")
    assert_same_bits(unit.matmul(**operands, plan="general"), wanted, unit.d, f"{unit.name} {note}, general")


@pytest.mark.parametrize(("plan", "name"), ALL)
def test_same_bits(plan: str, name: str) -> None:
    for k in (1, 2, 67):
        unit, in_c, in_numba = plans(name, k, plan)
        styles = ["near", "cancel", "faint"] + ["zeros"] * (unit.scale_a is None and unit.a.kind.value == "float")
        for style, (m, n) in zip(styles, (*SHAPES, (5, 20)), strict=False):
            check(unit, in_c, in_numba, drawn(unit, m, k, n, style), f"{plan} {k} {style}")


@pytest.mark.parametrize(("plan", "name"), [*((plan, names[0]) for plan, names in PLANS.items()), ("chain", CHAIN[3])])
def test_special_values(plan: str, name: str) -> None:
    """NaN and infinities in rows, columns and c; overflow on the way."""
    unit, in_c, in_numba = plans(name, 40, plan)
    for style in ("any", "border"):
        check(unit, in_c, in_numba, drawn(unit, 9, 40, 30, style), style)


@pytest.mark.parametrize(("plan", "name"), [(plan, names[0]) for plan, names in PLANS.items()])
@pytest.mark.parametrize("workers", [1, 2, 3, 5])
def test_threads(plan: str, name: str, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (parts, aligned_run):
        monkeypatch.setattr(module, "quick_worker_count", lambda _: workers)
    unit, in_c, in_numba = plans(name, 33, plan)
    for m, n in ((23, 50), (2, 300)):
        check(unit, in_c, in_numba, drawn(unit, m, 33, n, "near"), f"{workers} threads")


def test_long_sums() -> None:
    """More products than a block of words has, than an int32 holds, and slices of wide integers."""
    for plan, name in (
        ("integers", "int8-int32"), ("integers", "integer:once(a=int16, b=int16, acc=int64)"),
        ("integers", "integer:once(a=int24, b=int9, acc=int64)"), ("aligned", ALIGNED[1]), ("chain", CHAIN[0]),
    ):  # fmt: skip
        unit, in_c, in_numba = plans(name, 3000, plan)
        check(unit, in_c, in_numba, drawn(unit, 3, 3000, 5, "border" if plan == "integers" else "near"), "long")


@pytest.mark.parametrize(
    ("plan", "name"), [("chain", CHAIN[1]), ("fma", FMA[0]), ("aligned", ALIGNED[1]), ("exact", EXACT[2])]
)
def test_a_thread_that_flushes_subnormals(plan: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As libraries leave it: kernels set the control word that they need, and put it back."""
    from numba import njit

    from emu.kernels.plans.machine import control_word, set_control

    swap = njit(lambda word: set_control(word))
    for module in (parts, aligned_run):
        monkeypatch.setattr(module, "quick_worker_count", lambda _: 1)
    unit, in_c, in_numba = plans(name, 20, plan)
    operands = drawn(unit, 4, 20, 30, "faint")
    wanted = exact_fma.run(unit, in_c, None, operands)
    flushing = control_word(3, flush=True)
    before = swap(flushing)
    try:
        got = exact_fma.run(unit, in_numba, None, operands)
        assert swap(flushing) & ~0x3F == flushing & ~0x3F  # but for the flags of exceptions
    finally:
        swap(before)
    assert_same_bits(got, wanted, unit.d, name)


RUNS = {"group": 2, "align_bits": 12, "zero_sign": "positive", "result": {"format": "float32", **TENSOR}}
LAST = {"result": {"format": "float32"}}
WIDE = {"exp_bits": 8, "man_bits": 25, "bias": 127, "infinities": True, "nan": "ieee"}
NOT_IN_NUMBA = {
    "aligned": [
        unit_of("float16 float16 float32 float32", RUNS | {"length": 8}, LAST | {"start": "zero"}, LAST),
        late_unit("float16 float16 float32 float32", 3), "split-k4", "emulated-fp32:tf32x3.ampere",
    ],
    "chain": [test_chain.chain("e4m3", WIDE), test_chain.chain("bfloat16", "float32", b="bfloat16", group=4)],
    "integers": ["approx-mul-int4"],
}  # fmt: skip


def loaded(unit: Any) -> Unit:
    """A unit, or that of a name."""
    return unit if isinstance(unit, Unit) else emu.load_unit(unit)


def test_what_the_kernels_do_not_do_runs_in_others() -> None:
    for plan, units in NOT_IN_NUMBA.items():
        for form in (loaded(unit).form for unit in units):
            in_c = MATCHERS[plan].match(form, 40)
            assert isinstance(in_c, Plan), in_c
            assert in_c.on(Backend.NUMBA) is None, form.name
            assert plan_of(form, 40, Backend.NUMBA).name == "general"
    first = emu.load_unit(CHAIN[0]).form
    assert plan_of(first, 8, Backend.REFERENCE).name == plan_of(first, 0, Backend.NUMBA).name == "general"


@pytest.mark.parametrize("keys", [{"lanes": 3, "length": 5}, {"parts": 3}, {"length": 8, "order": [3, 1, 0, 2]}])
def test_runs_of_every_kind(keys: dict[str, Any]) -> None:
    """Dealt to lanes, cut into parts, permuted: the steps say it."""
    unit = unit_of("float16 float16 float32 float32", RUNS | keys, LAST)
    in_c = aligned.match(unit.form, 41)
    assert isinstance(in_c, Plan), in_c
    in_numba = in_c.on(Backend.NUMBA)
    assert in_numba is not None
    for style in ("near", "cancel", "border"):
        check(unit, in_c, in_numba, drawn(unit, 3, 41, 66, style), f"{keys} {style}")


def test_wide_ranges_of_d() -> None:
    """float64's codes are its own; those of a format that reaches further, or has fewer bits there, are not made."""
    inner = {"group": 4, "align_bits": 12, "zero_sign": "positive", "result": {"format": "float32", **TENSOR}}
    for d, made in (("float64", True), ({"exp_bits": 11, "man_bits": 40, "infinities": True, "nan": "ieee"}, False)):
        operands = {"a": "float16", "b": "float16", "c": "float32", "d": d}
        unit = emu.load_unit({"name": "wide", "operands": operands, "level": [inner]})
        in_c = aligned.match(unit.form, 41)
        assert isinstance(in_c, Plan), in_c
        in_numba = in_c.on(Backend.NUMBA)
        assert (in_numba is not None) is made
        for style in ("near", "cancel", "faint", "border", "any") if in_numba is not None else ():
            check(unit, in_c, in_numba, drawn(unit, 3, 41, 66, style), f"{d} {style}")


def test_products_of_digits() -> None:
    unit = digits([{"lanes": 4, "length": 3}, WEIGHTS])
    in_c = integers.match(unit.form, 41)
    assert isinstance(in_c, Plan), in_c
    in_numba = in_c.on(Backend.NUMBA)
    assert in_numba is not None
    check(unit, in_c, in_numba, drawn(unit, 3, 41, 66, "any"), "digits")


def test_operands_whose_products_a_float_does_not_reach() -> None:
    """Few bits, which float32 would hold, but below its range."""
    unit, _, in_numba = plans("generic:exact(a=bfloat16, b=bfloat16)", 4, "exact")
    a, b = np.full((3, 4), 127 - 75 << 7, np.uint16), np.full((4, 5), 127 - 76 << 7 | 64, np.uint16)
    got = exact_fma.run(unit, in_numba, None, {"a": a, "b": b})
    assert (got == 2).all()  # 4 * 1.5 * 2^-151, to an even multiple of 2^-149
    assert_same_bits(got, unit.matmul(a, b, plan="general"), unit.d, "tiny")


def test_what_raises_names_its_element() -> None:
    result = {"rounding": "ties_to_even", "overflow": "raise"}
    unit = aligned_unit("float16 float16 float16 float16", 10, 4, result)
    assert plan_of(unit.form, 32, Backend.NUMBA).name == "aligned"
    a, b = np.full((3, 32), 0x3C00, np.uint16), np.full((32, 5), 0x3C00, np.uint16)
    assert_same_bits(unit.matmul(a, b, backend="numba"), unit.matmul(a, b, plan="general"), unit.d, "raise")
    a[1, 3], b[3, 2] = 0x7BFF, 0x7BFF
    with pytest.raises(OverflowRaised, match=r"\(1, 2\)"):
        unit.matmul(a, b, backend="numba")


CHILD = """
import sys
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in type(finder).__module__]
sys.path.insert(0, {folder!r})
class NoC:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "cemu":
            raise ImportError("no C library")
sys.meta_path.insert(0, NoC())
import numpy as np
"""
PRODUCT = """
from emu.kernels.plans import fma, machine
assert fma.__file__.startswith({folder!r})
kernel, lanes = fma.kernel("float32", False, False), machine.width("float32")
a, b, d = np.full(1, 3, np.float32), np.full(lanes, 2, np.float32), np.full(lanes, 10, np.float32)
kernel(a, b, d, (0, 1, 0, 1), (1, 1, 0, 0, 0), d, d, machine.control_word(0))
compiled = not sum(kernel.stats.cache_hits.values())
text = " ".join(kernel.inspect_asm().values()) if compiled else ""
print(d[0], compiled, "vfmadd" in text or "fmla" in text, "mulps" in text or "fmul" in text)
"""


def child(code: str, folder: Path, cache: Path) -> str:
    """What a new process prints, without the C library."""
    done = subprocess.run(
        [sys.executable, "-c", (CHILD + code).format(folder=str(folder))], text=True, capture_output=True,
        env={**os.environ, "XDG_CACHE_HOME": str(cache)}, check=False,
    )  # fmt: skip
    assert not done.returncode, done.stderr
    return done.stdout


def test_an_edited_helper_is_not_taken_from_the_cache(tmp_path: Path) -> None:
    """And a product and a sum are not contracted to one instruction."""
    source = Path(emu.__file__).parent
    shutil.copytree(source, tmp_path / "emu", ignore=shutil.ignore_patterns("__pycache__"))
    helper = tmp_path / "emu" / "kernels" / "plans" / "lanes.py"
    first = child(PRODUCT, tmp_path, tmp_path).split()
    assert first == ["16.0", "True", "False", "True"]
    assert child(PRODUCT, tmp_path, tmp_path).split()[:2] == ["16.0", "False"]
    text = helper.read_text()
    assert '"fadd", "add"' in text
    helper.write_text(text.replace('"fadd", "add"', '"fsub", "add"'))
    assert child(PRODUCT, tmp_path, tmp_path).split()[:2] == ["4.0", "True"]


def test_without_the_c_library() -> None:
    code = """
import emu
for name in {names!r}:
    unit = emu.load_unit(name)
    a, b = np.ones((4, 8), unit.a.code_dtype), np.ones((8, 5), unit.b.code_dtype)
    print(unit.matmul(a, b, backend="numba").sum())
"""
    names = [CHAIN[0], FMA[0], ALIGNED[0], INTEGERS[0], EXACT[0]]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    text = child(code.replace("{names!r}", repr(names)), Path(emu.__file__).parents[1], cache)
    wanted = []
    for name in names:
        unit = emu.load_unit(name)
        a, b = np.ones((4, 8), unit.a.code_dtype), np.ones((8, 5), unit.b.code_dtype)
        wanted.append(str(unit.matmul(a, b).sum()))
    assert text.split() == wanted
