"""Forward bits: those of `emu.replay` of the same layer as ONNX, and of `emu.matmul`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

import emu
from tests.replaying.small_models import FLOAT, model, save
from tests.torch.machines import NARROW

torch = pytest.importorskip("torch", reason="torch not installed")
nn, F = torch.nn, torch.nn.functional
et = pytest.importorskip("emu.torch", reason="torch not installed")

Arrays = dict[str, np.ndarray[Any, Any]]


def replayed(folder: Path, nodes: list[Any], x: Any, constants: Arrays, axes: int, accelerator: Any) -> Any:
    """What the last node of a graph makes of the input `x` under an accelerator."""
    proto = model(nodes, {"x": (FLOAT, list(x.shape))}, {"y": (FLOAT, axes)}, constants, opset=23)
    done: list[Any] = []
    path = save(proto, folder)
    emu.replay(path, {"x": x.numpy()}, accelerator=accelerator, mode="propagated", on_layer=done.append)
    return done[-1].emulated


def same(y: Any, want: Any) -> None:
    got = y.detach().numpy()
    assert got.dtype == np.float32
    assert np.array_equal(got.view(np.uint32), np.ascontiguousarray(want, np.float32).view(np.uint32))


def constants_of(module: Any) -> Arrays:
    return {name: tensor.detach().numpy() for name, tensor in module.named_parameters()}


CONVS = [
    (nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), (2, 4, 9)),
    (nn.Conv2d(3, 4, (3, 2), dilation=(1, 2), bias=False), (2, 3, 6, 7)),
    (nn.Conv2d(3, 4, (2, 3), padding="same"), (1, 3, 5, 6)),
    (nn.Conv3d(2, 3, 2), (1, 2, 3, 4, 3)),
    (nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), (2, 4, 5)),
    (nn.ConvTranspose2d(3, 2, (3, 2), stride=(1, 2)), (1, 3, 4, 3)),
    (nn.ConvTranspose3d(2, 3, 2, bias=False), (1, 2, 2, 3, 2)),
]


@pytest.mark.parametrize("accelerator", NARROW)
@pytest.mark.parametrize("conv", CONVS, ids=lambda one: type(one[0]).__name__)
def test_convolutions(tmp_path: Path, conv: Any, accelerator: str) -> None:
    module, shape = conv
    x = torch.randn(*shape, generator=torch.manual_seed(1))
    transposed = isinstance(module, nn.modules.conv._ConvTransposeNd)
    rank = len(shape) - 2
    pads = module.padding if module.padding != "same" else None
    total = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
    attributes = {
        "strides": module.stride, "dilations": module.dilation, "group": module.groups,
        "pads": [*pads, *pads] if pads else [t // 2 for t in total] + [t - t // 2 for t in total],
        **({"output_padding": module.output_padding} if transposed else {}),
    }  # fmt: skip
    inputs = ["x", "weight", *([] if module.bias is None else ["bias"])]
    node = helper.make_node("ConvTranspose" if transposed else "Conv", inputs, ["y"], **attributes)
    want = replayed(tmp_path, [node], x, constants_of(module), rank + 2, accelerator)
    with torch.no_grad():
        same(et.emulate(module, accelerator)(x), want)


@pytest.mark.parametrize("accelerator", NARROW)
def test_linear(tmp_path: Path, accelerator: str) -> None:
    module = nn.Linear(40, 5)
    x = torch.randn(7, 40)
    node = helper.make_node("Gemm", ["x", "weight", "bias"], ["y"], transB=1)
    want = replayed(tmp_path, [node], x, constants_of(module), 2, accelerator)
    emulated = et.emulate(module, accelerator)
    same(emulated(x), want)
    with torch.inference_mode():
        same(emulated(x), want)
    bare = et.emulate(nn.Linear(40, 5, bias=False), accelerator)
    same(bare(x), emu.matmul(x.numpy(), bare.weight.detach().numpy().T, accelerator=accelerator))
    same(bare(x.reshape(1, 7, 1, 40))[0, :, 0], bare(x).detach().numpy())
    same(bare(x[0]), bare(x[:1])[0].detach().numpy())


class Functions(nn.Module):
    """Products of two inputs by every function."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Any) -> Any:
        return self.function(*inputs)


PRODUCTS = {
    "matmul": torch.matmul, "operator": lambda a, b: a @ b, "method": lambda a, b: a.matmul(b), "bmm": torch.bmm,
    "einsum": lambda a, b: torch.einsum("bij,bjk->bik", a, b),
    "einsum of a list": lambda a, b: torch.einsum("bij,bjk->bik", [a, b]),
    "baddbmm": lambda a, b: torch.baddbmm(torch.zeros(()), a, b, beta=0),
    "mm": lambda a, b: torch.stack([torch.mm(x, y) for x, y in zip(a, b, strict=True)]),
    "addmm": lambda a, b: torch.stack([torch.zeros(5).addmm(x, y) for x, y in zip(a, b, strict=True)]),
    "mv": lambda a, b: torch.stack(
        [torch.stack([torch.mv(x, y[:, i]) for i in range(5)], 1) for x, y in zip(a, b, strict=True)]
    ),
    "tensordot": lambda a, b: torch.stack([torch.tensordot(x, y, 1) for x, y in zip(a, b, strict=True)]),
}  # fmt: skip


@pytest.mark.parametrize("how", PRODUCTS)
def test_functions(how: str) -> None:
    a, b = torch.randn(2, 3, 24), torch.randn(2, 24, 5)
    emulated = et.emulate(Functions(PRODUCTS[how]), "bf16-fma-f32")
    want = emu.matmul(a.numpy(), b.numpy(), accelerator="bf16-fma-f32")
    assert not np.array_equal(want, torch.matmul(a, b).numpy())
    same(emulated(a, b), want)
    with torch.inference_mode():
        same(emulated(a, b), want)


@pytest.mark.parametrize("accelerator", NARROW)
def test_attention(tmp_path: Path, accelerator: str) -> None:
    """Each product has its own unit, the softmax the vector unit."""
    width, heads, tokens = 32, 2, 6
    mixed = {
        "extends": accelerator,
        "rule": [
            {
                "match": {"layer": "*pv"}, "unit": "bf16-fma-f32",
                "activations": {"scheme": "cast"}, "weights": {"scheme": "cast"},
            }
        ],
    }  # fmt: skip
    x = torch.randn(heads, tokens, width)
    root = np.float32(width**-0.25)
    nodes = [
        helper.make_node("Mul", ["x", "s"], ["q"]),
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        helper.make_node("Mul", ["t", "s"], ["k"]),
        helper.make_node("MatMul", ["q", "k"], ["scores"], name="attn/qk"),
        helper.make_node("Softmax", ["scores"], ["p"], axis=-1),
        helper.make_node("MatMul", ["p", "x"], ["y"], name="attn/pv"),
    ]
    want = replayed(tmp_path, nodes, x, {"s": np.asarray(root)}, 3, mixed)
    emulated = et.emulate(Functions(lambda x: F.scaled_dot_product_attention(x, x, x)), mixed)
    same(emulated(x), want)
    used = et.emulation(emulated).layers
    assert list(used) == ["qk", "pv"]
    assert used["pv"].unit == "bf16-fma-f32"
    assert (used["qk"].unit == "bf16-fma-f32") == (accelerator == "bf16-fma-f32")
    outer = nn.Sequential(Functions(lambda x: F.scaled_dot_product_attention(x, x, x)))
    same(et.emulate(outer, mixed)(x), want)


def test_masks_causal_and_grouped_heads() -> None:
    q, k = torch.randn(2, 4, 5, 8), torch.randn(2, 2, 5, 8)
    allowed = torch.rand(5, 5) > 0.5
    allowed[2] = False  # sees nothing
    added = torch.zeros(5, 5).masked_fill(~torch.ones(5, 5, dtype=torch.bool).tril(), -torch.inf)

    def run(**kwargs: Any) -> Any:
        function = Functions(lambda: F.scaled_dot_product_attention(q, k, k, enable_gqa=True, **kwargs))
        plain, emulated = function(), et.emulate(function, "bf16-fma-f32")()
        assert torch.allclose(plain, emulated, atol=0.05)
        return emulated

    assert torch.equal(run(is_causal=True), run(attn_mask=added))
    assert not run(attn_mask=allowed)[:, :, 2].any()
    run(scale=0.3)


@pytest.mark.parametrize("weights", [False, True])
def test_multihead_attention_and_encoder(weights: bool) -> None:
    """The module is its parts: projections, QKᵀ, softmax, PV; PyTorch's fused kernels stay away."""
    torch.manual_seed(3)
    attention = nn.MultiheadAttention(16, 2, batch_first=True).eval()
    x = torch.randn(2, 5, 16)
    with torch.inference_mode():
        emulated = et.emulate(attention, "bf16-fma-f32")
        y, shares = emulated(x, x, x, need_weights=weights)
        assert list(et.emulation(emulated).layers) == ["in_proj", "qk", "pv", "out_proj"]
        plain, _ = attention(x, x, x)
        assert torch.allclose(y, plain, atol=0.05) and not torch.equal(y, plain)
        assert (shares is not None) == weights
        encoder = et.emulate(nn.TransformerEncoderLayer(16, 2, 8, batch_first=True).eval(), "bf16-fma-f32")
        encoder(x)
    names = ["self_attn/in_proj", "self_attn/qk", "self_attn/pv", "self_attn.out_proj", "linear1", "linear2"]
    assert list(et.emulation(encoder).layers) == names
    assert not et.emulation(encoder).fallbacks


def test_in_proj_is_what_matmul_makes() -> None:
    attention = nn.MultiheadAttention(16, 2, bias=False, batch_first=True)
    machine = {"extends": "hopper-fp8", "matrix": {"output": "float32"}}
    x = torch.randn(1, 5, 16)
    emulated = et.emulate(attention, machine, layers="in_proj")
    emulated(x, x, x)
    want = emu.matmul(x[0].numpy(), attention.in_proj_weight.detach().numpy().T, accelerator=machine)
    q, k = (torch.from_numpy(part.copy()).reshape(5, 2, 8).transpose(0, 1) for part in np.split(want, 3, 1)[:2])
    shares = torch.softmax(q * (1 / 8) ** 0.5 @ k.mT, -1)
    same(emulated(x, x, x)[1][0], shares.mean(0).detach().numpy())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_tensors(dtype: Any) -> None:
    """The output is rounded once more, into the model's type."""
    module = nn.Linear(33, 4, bias=False).to(dtype)
    machine = {"extends": "hopper-fp8", "matrix": {"output": "float32"}}
    x = torch.randn(3, 33).to(dtype)
    y = et.emulate(module, machine)(x)
    want = emu.matmul(x.float().numpy(), module.weight.detach().float().numpy().T, accelerator=machine)
    assert y.dtype is dtype
    assert torch.equal(y, torch.from_numpy(want).to(dtype))


def test_vector_operations_are_those_of_a_replay(tmp_path: Path) -> None:
    norm = nn.LayerNorm(12)
    nn.init.normal_(norm.weight)
    x = torch.randn(4, 12)
    nodes = [
        helper.make_node("LayerNormalization", ["x", "weight", "bias"], ["n"], axis=-1, epsilon=1e-5),
        helper.make_node("Gelu", ["n"], ["g"]),
        helper.make_node("Add", ["g", "x"], ["r"]),
        helper.make_node("MatMul", ["r", "w"], ["y"]),
    ]
    w = torch.randn(12, 3)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.gelu, self.w = norm, nn.GELU(), nn.Parameter(w)

        def forward(self, x: Any) -> Any:
            y = self.gelu(self.norm(x))
            y += x
            return y @ self.w

    constants = {**constants_of(norm), "w": w.numpy()}
    want = replayed(tmp_path, nodes, x, constants, 2, "hopper-fp8-promoted")
    emulated = et.emulate(Block(), "hopper-fp8-promoted")
    with torch.no_grad():
        same(emulated(x), want)
    assert list(et.emulation(emulated).layers) == ["w"] and not et.emulation(emulated).fallbacks
