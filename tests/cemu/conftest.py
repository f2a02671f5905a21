"""cemu under sanitizers, compiled once."""

from __future__ import annotations

import pytest

from .sanitizers import Sanitized


@pytest.fixture(scope="session")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> Sanitized:
    """cemu's objects, compiled with sanitizers."""
    return Sanitized(tmp_path_factory.mktemp("sanitized"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need them run in one process, however many there are."""
    for item in items:
        if "sanitized" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("sanitized"))
