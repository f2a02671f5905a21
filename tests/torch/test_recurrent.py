"""LSTM, GRU and RNN: the bits of a replay, and of the same loop written by hand, gradients included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

import emu
from tests.replaying.small_models import FLOAT, model, save

torch = pytest.importorskip("torch", reason="torch not installed")
nn, F = torch.nn, torch.nn.functional
et = pytest.importorskip("emu.torch", reason="torch not installed")

INPUTS, HIDDEN, STEPS, BATCH = 5, 4, 3, 2
ONNX_GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2)}
"""ONNX's i, o, f, c from PyTorch's i, f, g, o; z, r, h from r, z, n."""


def ordered(op: str, tensor: Any) -> Any:
    parts = np.split(tensor.detach().numpy(), len(ONNX_GATES[op]))
    return np.concatenate([parts[which] for which in ONNX_GATES[op]])


@pytest.mark.parametrize("accelerator", ["bf16-fma-f32", "hopper-fp8-promoted"])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("op", ["LSTM", "GRU"])
def test_bits_are_those_of_a_replay(tmp_path: Path, op: str, both: bool, accelerator: str) -> None:
    torch.manual_seed(2)
    module = getattr(nn, op)(INPUTS, HIDDEN, bidirectional=both)
    x = torch.randn(STEPS, BATCH, INPUTS)
    ways = ["l0", "l0_reverse"] if both else ["l0"]
    w, r = (np.stack([ordered(op, getattr(module, f"weight_{kind}_{way}")) for way in ways]) for kind in ("ih", "hh"))
    b = np.stack(
        [np.concatenate([ordered(op, getattr(module, f"bias_{kind}_{way}")) for kind in ("ih", "hh")]) for way in ways]
    )
    attributes = {"hidden_size": HIDDEN, "direction": "bidirectional" if both else "forward"}
    if op == "GRU":
        attributes["linear_before_reset"] = 1
    cell = helper.make_node(op, ["x", "w", "r", "b"], ["", "h"], "cell", **attributes)
    one = helper.make_node("Mul", ["h", "one"], ["y"], "last")  # an operation that changes nothing, to look at
    constants = {"w": w, "r": r, "b": b, "one": np.ones((), np.float32)}
    proto = model([cell, one], {"x": (FLOAT, [STEPS, BATCH, INPUTS])}, {"y": (FLOAT, 3)}, constants, opset=20)
    done: list[Any] = []
    emu.replay(
        save(proto, tmp_path), {"x": x.numpy()}, accelerator=accelerator, mode="propagated", on_layer=done.append
    )
    emulated = et.emulate(module, accelerator)
    y, last = emulated(x)
    h = last[0] if op == "LSTM" else last
    assert np.array_equal(h.detach().numpy(), next(one.emulated for one in done if one.name == "last"))
    assert torch.equal(y[-1, :, :HIDDEN], h[0])
    assert list(et.emulation(emulated).layers) == [f"{way}/{part}" for way in ways for part in ("inputs", "state")]
    assert not et.emulation(emulated).fallbacks


class ByHand(nn.Module):
    """Two layers, batch first, both directions."""

    def __init__(self, of: Any, kind: str) -> None:
        super().__init__()
        self.of, self.kind = of, kind

    def step(self, x: Any, h: Any, state: Any) -> Any:
        if self.kind == "RNN":
            return (torch.tanh(x + h),)
        if self.kind == "LSTM":
            i, f, g, o = (x + h).chunk(4, -1)
            c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
            return torch.sigmoid(o) * torch.tanh(c), c
        (xr, xz, xn), (hr, hz, hn) = x.chunk(3, -1), h.chunk(3, -1)
        r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
        return ((1 - z) * torch.tanh(xn + r * hn) + z * state[0],)

    def forward(self, x: Any) -> Any:
        x = x.transpose(0, 1)
        for layer in range(2):
            ways = []
            for suffix in ("", "_reverse"):
                w, r, wb, rb = (
                    getattr(self.of, f"{kind}_l{layer}{suffix}")
                    for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                )
                state = (torch.zeros(BATCH, HIDDEN),) * 2
                rows, made = F.linear(x, w, wb), [torch.zeros(())] * STEPS
                for t in reversed(range(STEPS)) if suffix else range(STEPS):
                    state = self.step(rows[t], F.linear(state[0], r, rb), state)
                    made[t] = state[0]
                ways.append(torch.stack(made))
            x = torch.cat(ways, -1)
        return x.transpose(0, 1)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_layers_directions_and_gradients_are_those_of_a_loop(kind: str) -> None:
    torch.manual_seed(5)
    module = getattr(nn, kind)(INPUTS, HIDDEN, num_layers=2, bidirectional=True, batch_first=True)
    x = torch.randn(BATCH, STEPS, INPUTS)
    emulated = et.emulate(module, "bf16-fma-f32")
    y, by_hand = emulated(x)[0], et.emulate(ByHand(module, kind), "bf16-fma-f32")
    want = by_hand(x)
    assert torch.equal(y, want)
    y.square().sum().backward()
    want.square().sum().backward()
    for one, other in zip(emulated.parameters(), by_hand.parameters(), strict=True):
        assert one.grad.abs().sum() > 0
        assert torch.equal(one.grad, other.grad)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_cell_is_a_layer_of_one_step(kind: str) -> None:
    module, cell = getattr(nn, kind)(INPUTS, HIDDEN), getattr(nn, f"{kind}Cell")(INPUTS, HIDDEN)
    for parameter, source in zip(cell.parameters(), module.parameters(), strict=True):
        parameter.data = source.data
    x = torch.randn(1, BATCH, INPUTS)
    whole = et.emulate(module, "bf16-fma-f32")(x)[0][0]
    emulated = et.emulate(nn.Sequential(cell), "bf16-fma-f32")
    one = emulated(x[0])
    assert torch.equal(whole, one[0] if kind == "LSTM" else one)
    assert list(et.emulation(emulated).layers) == ["0/inputs", "0/state"]


def test_packed_sequences_fall_back() -> None:
    packed = nn.utils.rnn.pack_sequence([torch.randn(3, INPUTS), torch.randn(2, INPUTS)])
    module = et.emulate(nn.GRU(INPUTS, HIDDEN), "bf16-fma-f32")
    module(packed)
    assert [(one.op, one.reason.name) for one in et.emulation(module).fallbacks.values()] == [("gru", "HIDDEN_MACS")]
