"""The three backends, the default one's plan and the independent executor agree on any legal unit (2000 random draws).

The executor of tests/oracle shares no code with emu: it reads the same mapping and the same format files itself.
It counts the events, too, and says where the first of each kind happened.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu import load_unit
from emu.errors import OverflowRaised
from tests.compare import assert_same_bits
from tests.conftest import BACKENDS
from tests.oracle.support import SPEC
from tests.oracle.units import Executor

from .drawing import Draw, draw
from .drawing.formats import known

DRAWS, CHUNK = 2000, 100
RAISED = "overflow raised"


def oracle(one: Draw) -> Any:
    """The executor's codes and its log of events, or RAISED."""
    executor = Executor(one.unit, known(), SPEC / "units")
    try:
        return executor.matmul(**one.operands, seed=one.seed), executor.log
    except OverflowError:
        return RAISED


def check(one: Draw) -> None:
    """All four agree on one draw."""
    try:
        unit = load_unit(one.unit)
        expected = oracle(one)
        keys: dict[str, Any] = {"seed": one.seed, "events": True, "positions": one.number % 5}
        results: dict[str, Any] = {}
        for backend in BACKENDS:
            try:
                results[backend] = unit.matmul(**one.operands, **keys, backend=backend)
            except OverflowRaised:
                results[backend] = RAISED
        try:  # without events another plan may run
            results["plan"] = (unit.matmul(**one.operands, seed=one.seed), None)
        except OverflowRaised:
            results["plan"] = RAISED
        raised = [name for name, result in results.items() if isinstance(result, str)]
        if isinstance(expected, str) or raised:
            assert expected is RAISED, f"{raised} raised, the executor did not"
            assert raised == list(results), f"only {raised} and the executor raised"
            return
        wanted, log = expected
        for backend, (codes, events) in results.items():
            assert_same_bits(codes, wanted, unit.d, backend)
            if events is None:
                continue
            counted = {(stage, str(kind)): count for stage, kind, count in events.table()}
            assert counted == log.counts(), backend
            found = [(each.stage, each.kind.value, each.index, each.k) for each in events.positions]
            assert found == log.positions(keys["positions"]), backend
    except Exception as error:
        error.add_note(str(one))
        raise


@pytest.mark.parametrize("first", range(0, DRAWS, CHUNK))
def test_draws(first: int) -> None:
    for number in range(first, first + CHUNK):
        check(draw(number))


@settings(max_examples=15, deadline=None)
@given(st.integers(min_value=DRAWS, max_value=1 << 48))
def test_any_other_draw(number: int) -> None:
    check(draw(number))


def test_the_draws_hold_what_they_should() -> None:
    remarks: Counter[str] = Counter()
    for number in range(DRAWS):
        one = draw(number)
        remarks.update(one.remarks)
        assert all(np.issubdtype(array.dtype, np.unsignedinteger) for array in one.operands.values())
    least = {
        "nan": 150, "infinity": 100, "subnormal": 300, "K = 0": 60, "K not a multiple of group": 300,
        "exact level over bfloat16": 50, "exact level over float32": 50, "exact level over float64": 50,
        "cancellation across > 128 bits": 20, "zero points": 80, "zero points by block": 30, "split": 100,
        "terms of parts": 40, "terms of digits": 40, "scale in output": 25, "requantize": 40,
        "multiply list in input": 40, "add list in input": 30, "multiply list in output": 40, "add list in output": 30,
        "parameters at the point of use": 30, "nan_to": 300,
    }  # fmt: skip
    assert {name: remarks[name] for name in least if remarks[name] < least[name]} == {}
