"""The tools of the tests themselves: the bitwise comparer, and the rule about skips."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emu import load_format

from .compare import assert_same_bits
from .conftest import PROJECT, allowed_skips

F16 = load_format("float16")


def test_equal_codes_pass():
    assert_same_bits([0x7E00, 0x8000], np.array([0x7E00, 0x8000], np.uint16), F16)
    assert_same_bits(np.zeros((0, 3), np.uint16), np.zeros((0, 3), np.uint16), F16)
    assert_same_bits(3, np.uint16(3), F16)


def test_differences_are_counted_by_class():
    actual = np.array([[0x3C00, 0x0000, 0x7E00], [0x7E01, 0x7C00, 0x3C00]])
    expected = np.array([[0x3C01, 0x8000, 0x7E01], [0x3C00, 0xFC00, 0x3C00]])
    with pytest.raises(AssertionError) as error:
        assert_same_bits(actual, expected, F16, "here")
    head, *lines = str(error.value).splitlines()
    assert head == "here: 5 of 6 codes of float16 differ (value: 2, zero sign: 1, NaN payload: 1, NaN vs number: 1)"
    assert lines[0] == "  (0, 0): 0x3c00, expected 0x3c01 (value)"
    assert len(lines) == 5


def test_ten_are_shown_and_any_nan_will_do():
    with pytest.raises(AssertionError) as error:
        assert_same_bits(np.zeros(30, int), np.ones(30, int), F16)
    assert len(str(error.value).splitlines()) == 11
    assert_same_bits([0x7E01], [0x7E00], F16, any_nan=True)
    with pytest.raises(AssertionError, match="NaN vs number: 1"):
        assert_same_bits([0x7E01], [0x3C00], F16, any_nan=True)
    with pytest.raises(AssertionError, match="shapes"):
        assert_same_bits([1, 2], [1], F16)


@pytest.mark.parametrize(("ci", "reason", "code"), [("true", "not today", 1), ("true", None, 0), ("", "not today", 0)])
def test_ci_fails_on_a_skip_that_is_not_on_the_list(tmp_path: Path, ci, reason, code):
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n", encoding="utf-8")
    skip = f"pytest.skip({reason or allowed_skips()[0]!r})"
    text = f"import pytest\ndef test_one():\n    {skip}\ndef test_two():\n    pass\n"
    (tmp_path / "test_made.py").write_text(text, encoding="utf-8")
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(PROJECT.parent)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        f"--rootdir={tmp_path}",
    ]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("skip not on the list" in done.stdout) == (reason is not None)
    assert "1 passed, 1 skipped" in done.stdout
