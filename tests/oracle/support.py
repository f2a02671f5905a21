"""What the tests of the oracle share: where unit and format files are, and codes of real numbers.

Unit files are the repository's own where it has them, else those beside the golden vectors.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .formats import Formats
from .rounding import encode
from .units import Executor

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared"
GOLDEN = SHARED / "golden"
SPEC = REPOSITORY / "spec"
IN_SPEC = (SPEC / "units").is_dir() and (SPEC / "formats").is_dir()
UNITS = SPEC / "units" if IN_SPEC else SHARED / "units"
FORMATS = SPEC / "formats" if IN_SPEC else SHARED / "units" / "formats-used.toml"

needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="shared/ golden vectors not here")
needs_units = pytest.mark.skipif(not UNITS.is_dir(), reason="shared/ golden vectors not here")


@cache
def formats() -> Formats:
    return Formats(FORMATS)


@cache
def executor(name: str) -> Executor:
    return Executor(name, formats(), UNITS)


def code(x: float, name: str) -> int:
    return encode(x, formats().get(name))


def codes(values: Any, name: str) -> np.ndarray:
    values = np.asarray(values, float)
    return np.array([code(float(x), name) for x in values.flat], np.uint64).reshape(values.shape)
