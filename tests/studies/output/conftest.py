"""Answers of small studies, run once."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.studies import load_results, load_study
from emu.studies.view import View
from tests.studies.conftest import ALIGN, LENGTH


@pytest.fixture(scope="session")
def eight(mlp) -> dict:
    """The keys of a study of eight points with a constraint that some keep."""
    return {
        "name": "small <study>",
        "doc": "Does the width matter?",
        "workload": mlp,
        "accelerator": "hopper-fp8-promoted",
        "axes": {ALIGN: [4, 6, 9, 13], LENGTH: [32, "all"]},
        "objectives": {"error": "sqnr", "ulp": {"metric": "mean_ulp", "over": "mean"}, "bias": "mean_error"},
        "constraints": {"error": ">= 25"},
    }


@pytest.fixture(scope="session")
def folder(eight, tmp_path_factory) -> Path:
    """Its answers."""
    out = tmp_path_factory.mktemp("answers") / "store"
    load_study(eight).run(out)
    return out


@pytest.fixture
def view(folder) -> View:
    """Ready to be shown."""
    return View(load_results(folder))
