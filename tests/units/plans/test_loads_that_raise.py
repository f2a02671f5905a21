"""An operand whose `load` raises for some codes: no plan trips over codes that are not there."""

from __future__ import annotations

import numpy as np
import pytest

from emu import OverflowRaised, load_unit

UNIT = {
    "name": "x",
    "operands": {
        "a": {"format": "float8_e4m3fn", "load": {"multiply": 64, "format": "float8_e4m3fn", "overflow": "raise"}},
        "b": "float8_e4m3fn", "c": "float32", "d": "float32",
    },
    "level": [{"result": {"format": "float32"}}],
}  # fmt: skip


@pytest.mark.parametrize("events", [False, True])
def test_codes_that_do_not_raise_are_computed(events):
    unit = load_unit(UNIT)
    a, b = np.full((3, 5), 0x30, np.uint8), np.full((5, 4), 0x38, np.uint8)
    found = unit.matmul(a, b, events=events)
    assert np.array_equal(found[0] if events else found, unit.matmul(a, b, plan="general"))
    assert "plan" in unit.explain(5)


@pytest.mark.parametrize("events", [False, True])
def test_codes_that_raise_name_the_element(events):
    unit = load_unit(UNIT)
    a, b = np.full((3, 5), 0x30, np.uint8), np.full((5, 4), 0x38, np.uint8)
    a[1, 2] = 0x7E
    with pytest.raises(OverflowRaised, match=r"element \(1, 0\)"):
        unit.matmul(a, b, events=events)
