"""No product escapes: below the emulation PyTorch multiplies no matrices, forward or backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emu.vector import vector_unit
from tests.torch.machines import WIDE

torch = pytest.importorskip("torch", reason="torch not installed")
nn, F = torch.nn, torch.nn.functional
et = pytest.importorskip("emu.torch", reason="torch not installed")

TorchDispatchMode = torch.utils._python_dispatch.TorchDispatchMode

MACS = (
    "mm", "mv", "dot", "conv", "attention", "lstm", "gru", "rnn", "linear", "matmul", "einsum", "bilinear", "encoder",
)  # fmt: skip


class Kernels(TorchDispatchMode):
    """The kernels of PyTorch that run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func._schema.name.removeprefix("aten::"))
        return func(*args, **(kwargs or {}))

    @property
    def macs(self) -> set[str]:
        """Those that multiply and accumulate."""
        return {name for name in self.names if any(part in name for part in MACS)}


class Everything(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.up = nn.Conv2d(1, 2, 3, padding=1), nn.ConvTranspose2d(2, 1, 2, stride=2)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), 2)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.lstm, self.gru = nn.LSTM(8, 8), nn.GRUCell(8, 8)
        self.table = nn.Parameter(torch.randn(8, 8))

    def forward(self, x: Any) -> Any:
        y = self.up(self.conv(x[:, None]))[:, 0, ::2, ::2]
        y = self.encoder(y)
        y = self.attention(y, y, y)[0] + F.scaled_dot_product_attention(y, y, y, is_causal=True)
        y = self.lstm(y)[0]
        y = torch.stack([self.gru(one) for one in y])
        y = torch.tensordot(y, self.table, 1) + torch.einsum("bij,jk->bik", y, self.table)
        y = torch.baddbmm(y, y @ y.mT, y)
        return torch.stack([torch.addmm(one, one, self.table) @ one[0] for one in y])


@pytest.mark.parametrize("context", ["no_grad", "inference_mode", "enable_grad"])
@pytest.mark.parametrize("training", [False, True])
def test_no_product_escapes(context: str, training: bool) -> None:
    torch.manual_seed(0)
    model = Everything().train(training)
    x = torch.randn(2, 8, 8)
    emulated = et.emulate(model, "bf16-fma-f32")
    with getattr(torch, context)():
        with Kernels() as plain:
            model(x)
        assert plain.macs  # the list of names sees what it should
        with Kernels() as kernels:
            y = emulated(x)
            if context == "enable_grad":
                y.sum().backward()
    assert kernels.names and not kernels.macs
    assert not et.emulation(emulated).fallbacks
    if context == "enable_grad":
        assert all(parameter.grad is not None for parameter in emulated.parameters())


def test_what_a_forward_switches_stays_switched() -> None:
    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            with torch.no_grad():
                y = self.a(x)
            assert not y.requires_grad
            return self.b(y)

    emulated = et.emulate(Frozen(), WIDE)
    emulated(torch.randn(2, 4)).sum().backward()
    assert emulated.a.weight.grad is None and emulated.b.weight.grad is not None


NUMBER = 1 + 2.0**-8 + 2.0**-30


@pytest.mark.parametrize("number", [NUMBER, torch.tensor(NUMBER, dtype=torch.float64)])
def test_numbers_are_float32_first(number: Any) -> None:
    """A number just above a tie of bfloat16 that float32 rounds onto the tie."""
    machine = {**WIDE, "vector": {"format": "bfloat16"}}

    class Scaled(nn.Module):
        def forward(self, x: Any) -> Any:
            return x * number

    emulated = et.emulate(Scaled(), machine)
    unit = vector_unit(et.emulation(emulated).accelerator.vector)
    assert float(unit.constant(NUMBER)) == 1 + 2.0**-7 and float(np.float32(NUMBER)) == 1 + 2.0**-8
    assert emulated(torch.ones(1)).item() == 1.0
