"""cemu under sanitizers, compiled once."""

from __future__ import annotations

import os

import pytest

from .sanitizers import Sanitized


@pytest.fixture(scope="session")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Sanitized:
    """cemu's objects, compiled with sanitizers; all processes of a test run share them."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "sanitized"
    folder.mkdir(exist_ok=True)
    return Sanitized(folder)
