"""Plans of units with `nan_to`: the bits of the reference, on data that is rich in NaN and infinities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emu import load_unit
from emu.formats.backend import Backend
from emu.units.plans import plan_of, refusals
from tests.compare import assert_same_bits

NONE = {"start": "none"}
F16, F32 = "float16", "float32"


def unit_of(operands: dict[str, Any], *levels: dict[str, Any], **keys: Any) -> Any:
    """A unit of its parts."""
    return load_unit({"name": "watched", "operands": operands, "level": list(levels), **keys})


def floats(a: str, c: str = F32, d: str = F32, **load: Any) -> dict[str, Any]:
    """Operands a and b of one format."""
    return {"a": {"format": a, **load}, "b": a, "c": c, "d": d}


TENSOR_CORE = {"group": 4, "align_bits": 24, "result": {"format": F32, "rounding": "toward_zero", "nan_to": "max"}}
UNITS = {
    "chain": unit_of(floats(F16, F16, F16), {"result": {"format": F16, "nan_to": "zero"}}),
    "fma": unit_of(floats("bfloat16"), {"result": {"format": F32, "nan_to": "negative_zero"}}),
    "aligned": unit_of(floats(F16), TENSOR_CORE),
    "groups": unit_of(floats("float8_e4m3"), {"group": 32, "length": 32}, {"result": {"format": F32, "nan_to": "max"}}),
    "exact": unit_of(
        floats("e5m2"), {}, output={"format": F32, "nan_to": "max"},
        product={"result": {"format": F32, "nan_to": "zero"}},
    ),
}  # fmt: skip


def given(unit: Any, k: int, seed: int, share: float) -> dict[str, Any]:
    """Codes of numbers near one; of a share of them, any code of the largest magnitudes: infinities and NaN too."""
    r = np.random.default_rng(seed)

    def codes(fmt: Any, shape: tuple[int, int]) -> Any:
        made = np.asarray(fmt.encode(r.normal(size=shape), overflow="saturate")).astype(np.uint64)
        top = np.uint64(fmt.max_magnitude) - r.integers(0, 3, shape).astype(np.uint64)
        ends = (
            top
            + r.integers(0, 6, shape).astype(np.uint64)
            + (r.integers(0, 2, shape).astype(np.uint64) << np.uint64(fmt.bits - 1))
        )
        return np.where(r.random(shape) < share, ends, made).astype(fmt.code_dtype)

    return {"a": codes(unit.a, (6, k)), "b": codes(unit.b, (k, 9)), "c": codes(unit.c, (6, 9))}


@pytest.mark.parametrize("name", UNITS)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.2])
def test_watched(name, share):
    """And some elements met a NaN that d does not show."""
    unit, k = UNITS[name], 37
    assert plan_of(unit.form, k, Backend.C).name == name
    operands = given(unit, k, 5, share)
    wanted = unit.matmul(**operands, backend="reference")
    for backend in ("c", "numba"):
        assert_same_bits(unit.matmul(**operands, backend=backend), wanted, unit.d, backend)
        with_events, _ = unit.matmul(**operands, backend=backend, events=True)
        assert_same_bits(with_events, wanted, unit.d, backend)
    assert not np.isnan(unit.d.decode(wanted)).any()
    found = "invalid" in {str(kind) for _, kind, _ in unit.matmul(**operands, events=True)[1].table()}
    assert found == (share > 0)


def test_pieces_of_k_pass_a_nan_on():
    """What is NaN in d of one piece without the keys is a number in c of the next with them."""
    keys = {"result": {"format": F16}}
    unit = unit_of(floats(F16, F16, F16), keys, k=16, output={"format": F16, "nan_to": "zero"})
    assert plan_of(unit.form, 64, Backend.C).name == "chain"
    operands = given(unit, 64, 8, 0.02)
    assert_same_bits(unit.matmul(**operands), unit.matmul(**operands, backend="reference"), unit.d, "c")


def test_what_would_not_be_seen_is_refused():
    """int8 would show no NaN of the level before it; an overflow that is raised names its element."""
    blind = unit_of(floats(F16, F16, "int8"), {"result": {"format": F16, "nan_to": "max"}})
    raising = unit_of(
        floats(F16, F16, F16), {"result": {"format": F16, "nan_to": "max"}}, output={"format": F16, "overflow": "raise"}
    )
    for unit, reason in ((blind, "no NaN would be seen"), (raising, "raise")):
        assert plan_of(unit.form, 20, Backend.C).name in ("lanes", "general")
        assert any(reason in found.reason for found in refusals(unit.form, 20))
        assert "not any" in unit.explain(20)


def test_integers_meet_no_nan():
    """The key does nothing there, and the plan is the usual one."""
    operands = {"a": "int8", "b": "int8", "c": "int32", "d": "int32"}
    unit = unit_of(operands, {"result": {"format": "int32", "nan_to": "max"}})
    assert plan_of(unit.form, 64, Backend.C).name == "integers"
    assert "NaN" not in " ".join(plan_of(unit.form, 64, Backend.C).proof)
