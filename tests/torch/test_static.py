"""Static activation scales: chosen from data, the same bits as a calibrated replay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

import emu
from emu.errors import ModelError, SpecError
from tests.replaying.small_models import FLOAT, model, save

torch = pytest.importorskip("torch", reason="torch not installed")
nn = torch.nn
et = pytest.importorskip("emu.torch", reason="torch not installed")

STATIC = {"extends": "int8-int32", "matrix": {"activations": {"scheme": "absmax", "range": "static"}}}


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 5, bias=False)

    def forward(self, x: Any) -> Any:
        y = self.fc(x)
        return y @ y.mT


def test_bits_are_those_of_a_calibrated_replay(tmp_path: Path) -> None:
    module, seen, x = Pair(), torch.randn(9, 6), 3 * torch.randn(4, 6)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"], "fc"),
        helper.make_node("Transpose", ["y"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["y", "t"], ["z"], "matmul"),
    ]
    weights = module.fc.weight.detach().numpy().T.copy()
    proto = model(nodes, {"x": (FLOAT, ["n", 6])}, {"z": (FLOAT, 2)}, {"w": weights}, opset=20)
    done: list[Any] = []
    emu.replay(
        save(proto, tmp_path), {"x": x.numpy()}, accelerator=STATIC, mode="propagated", on_layer=done.append,
        calibration={"x": seen.numpy()},
    )  # fmt: skip
    emulated = et.emulate(module, STATIC)
    with et.calibration(emulated):
        assert torch.allclose(emulated(seen[:4]), module(seen[:4]), atol=1e-5)
        emulated(seen[4:])
    scales = et.emulation(emulated).scales
    of_fc, of_matmul = scales["fc"], scales["matmul"]
    assert of_fc.a is not None and of_fc.b is None
    assert of_fc.a.scale == np.abs(seen.numpy()).max() / np.float32(127)
    assert of_matmul.a is not None and of_matmul.b is not None
    assert of_matmul.a.scale == of_matmul.b.scale
    assert not et.emulation(emulated).layers and not et.emulation(emulated).steps
    fixed = dict(scales)
    y = emulated(x)
    assert np.array_equal(emulated.fc(x).detach().numpy(), done[0].emulated)
    assert y.shape == (4, 4) and scales == fixed
    dynamic = et.emulate(module, "int8-int32")
    assert not torch.equal(y, dynamic(x))


def test_without_calibration_and_after_a_failure() -> None:
    emulated, x = et.emulate(Pair(), STATIC), torch.randn(3, 6, requires_grad=True)
    with pytest.raises(SpecError, match="layer 'fc' has a static range, which needs calibration data"):
        emulated(x)

    def fail() -> None:
        with et.calibration(emulated):
            emulated(x)
            emulated(x[:, :3])

    with pytest.raises(ModelError, match=r"layer 'fc': .*inner sizes 3 and 6 differ"):
        fail()
    assert et.emulation(emulated).recorder is None and not et.emulation(emulated).scales
    with et.calibration(emulated):
        emulated(x)
    emulated(x).sum().backward()  # gradients have scales of their own
    assert x.grad is not None
    with pytest.raises(ModelError, match="the model is not emulated"), et.calibration(Pair()):
        pass


@pytest.mark.parametrize(
    "matrix",
    [
        {"transform": [{"op": "smooth", "rule": "migration"}]},
        {"activations": {"range": "static", "scheme": {"step": [
            {"op": "clip", "high": 1.0}, {"op": "scale", "rule": "absmax"},
            {"op": "encode", "rounding": "ties_to_even", "overflow": "saturate"},
        ]}}},
    ],
)  # fmt: skip
def test_values_that_change_before_are_not_their_magnitudes(matrix: Any) -> None:
    emulated = et.emulate(Pair(), {"extends": "int8-int32", "matrix": {**STATIC["matrix"], **matrix}})
    with pytest.raises(ModelError, match="calibration in PyTorch keeps the largest"), et.calibration(emulated):
        emulated(torch.randn(3, 6))
