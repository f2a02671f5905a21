"""The cheap workloads with their real weights: IEEE solves the task, and so does an accelerator that should.

Packages come from the index that pip uses; without one (and without the files in the cache) these tests are skipped.
"""

from __future__ import annotations

import numpy as np
import pytest

from emu.replaying.session import LoadedModel
from emu.workloads.export import export
from emu.workloads.load import load_workload
from emu.workloads.run import IEEE, Opened, run_propagated
from tests.workloads.reach import fetched

pytestmark = pytest.mark.slow


def opened(name: str, limit: int) -> Opened:
    return Opened(fetched(load_workload(name)), limit=limit, download=False)


def scores(name: str, accelerators: list[str], limit: int) -> dict[str, dict[str, float]]:
    result = run_propagated(opened(name, limit), accelerators)
    return {row.name: row.scores for row in result.rows}


def test_orientation():
    found = scores("orientation", ["int8-int32"], 4)
    assert found[IEEE]["accuracy"] == 1
    assert found["int8-int32"]["accuracy"] == 1


def test_ocr_rec():
    found = scores("ocr-rec", ["int8-int32"], 2)
    assert found[IEEE]["character error rate"] == 0
    assert found["int8-int32"]["character error rate"] <= 0.1


def test_silero_vad():
    found = scores("silero-vad", ["bf16-fma-f32"], 60)
    assert found[IEEE]["frame agreement"] == 1
    assert 0.3 < found[IEEE]["speech"] < 0.9
    assert found["bf16-fma-f32"]["frame agreement"] >= 0.85


def test_an_exported_model_has_its_fixed_input_inside(tmp_path):
    whole = opened("silero-vad", 8)
    ((model, inputs),) = export(whole, tmp_path)
    alone = LoadedModel(model)
    assert [value.name for value in alone.graph.inputs] == ["input", "state"]
    for name, value in whole.parts["model"].run(inputs).items():
        assert np.array_equal(alone.run(inputs)[name], value)


def test_minilm():
    found = scores("minilm", ["hopper-fp8-promoted"], 10)
    assert found[IEEE]["cosine to IEEE"] == pytest.approx(1, rel=1e-6)
    assert found[IEEE]["MRR"] >= 0.7
    assert 0.99 < found["hopper-fp8-promoted"]["cosine to IEEE"] < 0.9999
    assert found["hopper-fp8-promoted"]["MRR"] >= 0.7


def test_magika():
    found = scores("magika", ["hopper-fp8"], 8)
    assert found[IEEE]["accuracy"] == 1
    assert found["hopper-fp8"]["accuracy"] == 1
