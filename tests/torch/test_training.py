"""The examples of the README: an evaluation loop and a training loop under an accelerator."""

from __future__ import annotations

from typing import Any

import pytest

from emu.accelerators import Pass

torch = pytest.importorskip("torch", reason="torch not installed")
et = pytest.importorskip("emu.torch", reason="torch not installed")

FP8_TRAINING = "hopper-fp8-training"
BF16_HEAD: dict[str, Any] = {
    "extends": FP8_TRAINING,
    "rule": [
        {
            "match": {"layer": "2"}, "unit": "bf16-fma-f32", "gradients": {"scheme": "cast"},
            "activations": {"scheme": "cast"}, "weights": {"scheme": "cast"},
        },
        {"match": {"pass": "backward"}, "unit": "nvidia-hopper:wgmma.mma_async.m64n8k32.f32.e5m2.e4m3"},
    ],
}  # fmt: skip
"""The last layer forward and backward in BF16; a list of rules replaces that of the machine it extends."""


def data() -> tuple[Any, Any]:
    """Points, and which of three directions they are nearest to."""
    generator = torch.manual_seed(0)
    points = torch.randn(96, 8, generator=generator)
    return points, (points @ torch.randn(8, 3, generator=generator)).argmax(1)


def network() -> Any:
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3))


def train(accelerator: Any, steps: int) -> tuple[Any, list[float]]:
    points, labels = data()
    model = et.emulate(network(), accelerator)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(points), labels)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return model, losses


def accuracy(model: Any) -> float:
    points, labels = data()
    model.eval()
    with torch.inference_mode():
        right = [(model(x).argmax(1) == y).sum() for x, y in zip(points.split(32), labels.split(32), strict=True)]
    return float(sum(right)) / len(labels)


def test_a_network_learns_in_fp8_and_twice_the_same_bits() -> None:
    model, losses = train(FP8_TRAINING, 30)
    assert accuracy(model) > 0.9 > accuracy(et.emulate(network(), FP8_TRAINING))
    again, same = train(FP8_TRAINING, 30)
    assert losses == same
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_machines_learn_different_bits() -> None:
    losses = [train(machine, 3)[1] for machine in (FP8_TRAINING, BF16_HEAD, "hopper-fp8", "bf16-fma-f32")]
    assert len({tuple(one) for one in losses}) == len(losses)
    model, _ = train(BF16_HEAD, 1)
    units = {name: use.unit for name, use in et.emulation(model).layers.items()}
    assert units["2"] == "bf16-fma-f32" != units["0"]


def test_an_evaluation_loop_of_a_trained_network() -> None:
    """One trained network under several accelerators."""
    model = et.restore(train(FP8_TRAINING, 30)[0])
    outputs = set()
    for name in ("bf16-fma-f32", "hopper-fp8-promoted", "int6-sat16"):
        emulated = et.emulate(model, name)
        assert accuracy(emulated) > 0.8
        outputs.add(emulated(data()[0]).sum().item())
    assert len(outputs) == 3


def test_activation_checkpointing_runs_the_forward_again() -> None:
    from torch.utils.checkpoint import checkpoint

    class Checkpointed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network()

        def forward(self, x: Any) -> Any:
            return checkpoint(self.inner, x, use_reentrant=False)

    points, labels = data()
    plain, checkpointed = et.emulate(network(), FP8_TRAINING), et.emulate(Checkpointed(), FP8_TRAINING)
    for model in (plain, checkpointed):
        torch.nn.functional.cross_entropy(model(points), labels).backward()
    for one, other in zip(plain.parameters(), checkpointed.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)
    assert et.emulation(checkpointed).layers["inner.0"].passes[Pass.FORWARD] == 2
