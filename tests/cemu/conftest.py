"""cemu under sanitizers, compiled once."""

from __future__ import annotations

import pytest

from .sanitizers import Sanitized


@pytest.fixture(scope="session")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Sanitized:
    """cemu's objects, compiled with sanitizers."""
    return Sanitized(tmp_path_factory.mktemp("sanitized"))
