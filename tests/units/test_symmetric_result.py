"""Symmetric and sign-magnitude integers can be results: they saturate, since they cannot wrap."""

import numpy as np
import pytest

from emu import load_unit
from tests.oracle.units import Executor

from .drawing.formats import known


@pytest.mark.parametrize("more", [{"symmetric": True}, {"encoding": "sign_magnitude"}])
def test_they_saturate_by_default(backend, more):
    keys = {"operands": {"a": "int8", "b": "int8", "d": {"kind": "integer", "bits": 8, **more}}, "level": [{}]}
    a, b = np.array([[100, 100], [-100, -100], [1, 2]], np.int8), np.array([[3], [4]], np.int8)
    codes = load_unit(keys).matmul(a, b, backend=backend)
    assert codes.tolist() == Executor(keys, known()).matmul(a.view(np.uint8), b.view(np.uint8)).tolist()
    assert codes[0, 0] == 127
    assert codes[2, 0] == 11
