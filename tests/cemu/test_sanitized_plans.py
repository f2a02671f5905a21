"""Plans and fast casts under sanitizers: their own tests, with an extension module that has them. NumPy's arrays lie in
the sanitizer's memory, so that an access beyond one is seen."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .sanitizers import CEMU, Sanitized

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SUITES = {
    "plans": [f"tests/units/plans/test_{name}.py" for name in ("integers", "exact", "fma", "chain", "aligned")],
    "general plans": [f"tests/units/plans/test_{name}.py" for name in ("groups", "lanes")],
    "casts": [f"tests/formats/test_fast_{name}.py" for name in ("encode", "decode", "wide")],
}


def under_sanitizers(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Python with the sanitizers' libraries. What the interpreter leaks at its end is not looked at."""
    libraries = [
        subprocess.run(
            ["gcc", f"-print-file-name={name}.so"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan", "libubsan")
    ]
    environment = os.environ | {"LD_PRELOAD": ":".join(libraries), "ASAN_OPTIONS": "detect_leaks=0"}
    done = [sys.executable, *map(str, command)]
    return subprocess.run(done, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def module(sanitized: Sanitized) -> Path:
    """The extension module."""
    return sanitized.module()


def test_an_access_beyond_a_numpy_array_is_seen(module: Path, tmp_path: Path):
    test = tmp_path / "test_beyond.py"
    test.write_text(
        "import numpy as np\n"
        "from cemu import ffi, lib\n"
        "def test_beyond():\n"
        "    codes, table = np.zeros(100, np.uint8), np.zeros(256, np.uint8)\n"
        "    at = [ffi.cast('void *', array.ctypes.data) for array in (codes, table)]\n"
        "    lib.cemu_plan_lookup(at[0], 1, at[1], at[0], 1, 101, 255, ffi.new('uint64_t *'))\n",
        encoding="utf-8",
    )
    done = under_sanitizers(HERE / "with_module.py", module, "-q", "-s", "-n0", "-p", "no:cacheprovider", test)
    assert done.returncode
    assert "AddressSanitizer: heap-buffer-overflow" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("suite", SUITES)
def test_suites_under_sanitizers(module: Path, suite: str):
    done = under_sanitizers(
        HERE / "with_module.py", module, "-q", "-x", "-n0", "-p", "no:cacheprovider", *SUITES[suite]
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert re.search(r"^\d{3,} passed", done.stdout, re.MULTILINE)


def test_every_function_of_plans_is_called_from_c():
    headers = "".join(path.read_text(encoding="utf-8") for path in (CEMU / "include").glob("cemu_plan_*.h"))
    called = "".join(path.read_text(encoding="utf-8") for path in (HERE / "plans").glob("*.c"))
    declared = set(re.findall(r"CEMU_API int64_t (\w+)\(", headers))
    assert declared
    assert {name for name in declared if not re.search(rf"\b{name}\b", called)} == set()
