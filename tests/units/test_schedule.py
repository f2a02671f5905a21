"""Which inputs go into which run: unit-spec's `deal`, by example and against a plain restatement."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu import load_unit
from emu.units.form import Level
from emu.units.schedule import level_runs, run_count, runs


def level(**keys) -> Level:
    unit = load_unit({"operands": dict.fromkeys("abd", "int8"), "level": [{"start": "none", **keys}]})
    return unit.form.levels[0]


@pytest.mark.parametrize(
    ("keys", "n", "expected"),
    [
        ({}, 3, [[0, 1, 2]]),
        ({}, 0, []),
        ({"length": 2}, 5, [[0, 1], [2, 3], [4]]),
        ({"length": 2, "lanes": 2}, 7, [[0, 2], [1, 3], [4, 6], [5]]),
        ({"lanes": 3}, 2, [[0], [1]]),
        ({"parts": 2, "group": 4}, 10, [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9]]),
        ({"parts": 4}, 5, [[0, 1], [2, 3], [4]]),
        ({"order": [1, 0]}, 5, [[1, 0, 3, 2, 4]]),
        ({"order": [2, 0, 1], "length": 2}, 5, [[2, 0], [1, 3], [4]]),
        ({"order": [1, 0], "lanes": 2}, 4, [[1, 3], [0, 2]]),
    ],
)
def test_examples(keys, n, expected):
    assert runs(level(**keys), n) == expected


@given(
    n=st.integers(0, 60), group=st.integers(1, 5), lanes=st.integers(1, 4), length=st.integers(1, 9) | st.none(),
    parts=st.integers(1, 5) | st.none(), order=st.permutations(range(4)) | st.none(),
)  # fmt: skip
def test_every_input_once_and_in_its_lane(n, group, lanes, length, parts, order):
    keys = {"group": group, "lanes": lanes, "order": list(order or [])}
    if parts is not None:
        keys["parts"] = parts
    elif length is not None:
        keys["length"] = length
    one = level(**keys)
    dealt = runs(one, n)
    assert len(dealt) == run_count(one, n)
    assert all(dealt)
    permuted = [s + j for s in range(0, n, 4) for j in order if s + j < n] if order else list(range(n))
    if parts is not None:
        length = -(-n // (parts * group)) * group
    length = length or n or 1
    expected = []
    for block in range(0, n, lanes * length):
        expected += [
            permuted[i] for lane in range(lanes) for i in range(block + lane, min(block + lanes * length, n), lanes)
        ]
    assert [i for run in dealt for i in run] == expected
    assert all(len(run) <= length for run in dealt)


def test_the_outermost_level_has_one_run():
    unit = load_unit({"operands": dict.fromkeys("abd", "int8"), "level": [{"length": 4}, {}]})
    assert level_runs(unit.form.levels, 9) == [[[0, 1, 2, 3], [4, 5, 6, 7], [8]], [[0, 1, 2]]]
    assert level_runs(unit.form.levels, 0) == [[], [[]]]


@pytest.mark.parametrize("keys", [{"length": 2}, {"parts": 2}, {"lanes": 2}])
def test_more_than_one_result_is_refused(keys, backend):
    unit = load_unit({"name": "cut", "operands": dict.fromkeys("abd", "int8"), "level": [keys]})
    with pytest.raises(ValueError, match=r"the outermost level must hand up one result.*3"):
        unit.matmul([[1, 2, 3]], [[1], [2], [3]], backend=backend)
    assert unit.matmul([[2]], [[3]], backend=backend) == 6
