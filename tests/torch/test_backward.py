"""Backward products: PyTorch's own gradients where nothing rounds, the unit's bits where it does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import emu
from emu.accelerators import Pass
from tests.torch.machines import STOCHASTIC, WIDE

torch = pytest.importorskip("torch", reason="torch not installed")
nn, F = torch.nn, torch.nn.functional
et = pytest.importorskip("emu.torch", reason="torch not installed")


def whole(*shape: int, seed: int = 0) -> Any:
    """Small whole numbers: every sum is exact in float32."""
    return torch.randint(-4, 5, shape, generator=torch.manual_seed(seed)).float()


def integral(module: Any) -> Any:
    with torch.no_grad():
        for number, parameter in enumerate(module.parameters()):
            parameter.copy_(whole(*parameter.shape, seed=number + 1))
    return module


def of_all(module: Any, *inputs: Any) -> list[Any]:
    """The output, and the gradients of the inputs and the parameters."""
    given = [one.clone().requires_grad_() for one in inputs]
    y = module(*given)
    g = whole(*y.shape, seed=99)
    return [y.detach(), *torch.autograd.grad(y, [*given, *module.parameters()], g)]


class Functions(nn.Module):
    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Any) -> Any:
        return self.function(*inputs)


class Projection(nn.Module):
    """A parameter at the left."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(5, 3))

    def forward(self, x: Any) -> Any:
        return self.weight @ x


EXACT = {
    "Linear": (nn.Linear(6, 4), [(5, 6)]),
    "Linear of a sequence": (nn.Linear(6, 4), [(2, 3, 6)]),
    "Linear of a vector": (nn.Linear(6, 4), [(6,)]),
    "Conv1d": (nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), [(2, 4, 9)]),
    "Conv2d": (nn.Conv2d(3, 4, (3, 2), stride=(1, 3), dilation=(1, 2), padding=(2, 1)), [(2, 3, 6, 7)]),
    "Conv2d same": (nn.Conv2d(2, 2, (2, 3), padding="same", bias=False), [(1, 2, 5, 5)]),
    "Conv2d circular": (nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"), [(1, 2, 5, 5)]),
    "Conv2d depthwise": (nn.Conv2d(4, 8, 3, groups=4), [(1, 4, 6, 5)]),
    "Conv2d of one image": (nn.Conv2d(2, 3, 2), [(2, 4, 4)]),
    "Conv3d": (nn.Conv3d(2, 3, 2, stride=2), [(1, 2, 5, 4, 4)]),
    "ConvTranspose1d": (nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, output_padding=1, groups=2), [(2, 4, 5)]),
    "ConvTranspose2d": (nn.ConvTranspose2d(3, 2, (3, 2), stride=(3, 1), dilation=(1, 2)), [(1, 3, 4, 3)]),
    "ConvTranspose3d": (nn.ConvTranspose3d(2, 3, 2, stride=2), [(1, 2, 2, 3, 2)]),
    "matmul": (Functions(torch.matmul), [(2, 3, 4), (2, 4, 5)]),
    "matmul with one batch": (Functions(torch.matmul), [(2, 3, 4), (4, 5)]),
    "matmul that broadcasts": (Functions(torch.matmul), [(2, 1, 3, 4), (3, 4, 5)]),
    "matrix times vector": (Functions(torch.mv), [(3, 4), (4,)]),
    "dot": (Functions(torch.dot), [(4,), (4,)]),
    "weights at the left": (Projection(), [(2, 3, 4)]),
    "addmm": (Functions(lambda c, a, b: torch.addmm(c, a, b, alpha=2, beta=3)), [(5,), (3, 4), (4, 5)]),
    "baddbmm": (Functions(lambda c, a, b: torch.baddbmm(c, a, b, alpha=2, beta=3)), [(2, 3, 5), (2, 3, 4), (2, 4, 5)]),
    "einsum": (Functions(lambda a, b: torch.einsum("bhid,bhjd->bhij", a, b)), [(2, 2, 3, 4), (2, 2, 5, 4)]),
    "tensordot": (Functions(lambda a, b: torch.tensordot(a, b, ([2, 0], [1, 0]))), [(2, 3, 4), (2, 4, 5)]),
    "a transposed view": (Functions(lambda a, b: a.mT @ b.transpose(1, 2)), [(2, 4, 3), (2, 5, 4)]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("name", EXACT)
def test_exact_gradients_are_pytorchs(name: str) -> None:
    module, shapes = EXACT[name]
    integral(module)
    inputs = [whole(*shape, seed=7 + i) for i, shape in enumerate(shapes)]
    emulated = et.emulate(module, WIDE)
    want, got = of_all(module, *inputs), of_all(emulated, *inputs)
    assert len(want) == len(got) > 1
    for one, other in zip(want, got, strict=True):
        assert torch.equal(one, other)
    (used,) = et.emulation(emulated).layers.values()
    assert sum(used.passes.values()) == 3


BACKWARD: dict[str, Any] = {
    "extends": "hopper-fp8",
    "matrix": {"output": "float32", "gradients": {"scheme": "absmax"}},
    "rule": [
        {
            "match": {"pass": "backward"},
            "unit": "nvidia-hopper:wgmma.mma_async.m64n8k32.f32.e5m2.e4m3",
            "gradients": {"scheme": "absmax", "per": "token"},
        }
    ],
}
"""FP8 training: gradients in E5M2, weights and activations in E4M3."""


def alone(weights: dict[str, Any]) -> dict[str, Any]:
    """A machine whose forward product is a backward one of BACKWARD, whose operand b is quantised so."""
    unit = "nvidia-hopper:wgmma.mma_async.m64n8k32.f32.e5m2.e4m3"
    activations = {"scheme": "absmax", "per": "token"}
    matrix = {"unit": unit, "activations": activations, "weights": weights, "output": "float32"}
    return {"name": "alone", "matrix": matrix}


def same(y: Any, want: Any) -> None:
    assert np.array_equal(y.numpy().view(np.uint32), np.ascontiguousarray(want).view(np.uint32))


def test_both_backward_products_are_emulated() -> None:
    torch.manual_seed(0)
    module = et.emulate(nn.Linear(48, 8), BACKWARD)
    x, g = torch.randn(20, 48, requires_grad=True), torch.randn(20, 8)
    module(x).backward(g)
    w, array = module.weight.detach().numpy(), x.detach().numpy()
    machine = alone({"scheme": "absmax", "per": "channel"})
    same(x.grad, emu.matmul(g.numpy(), w, accelerator=machine))
    same(module.weight.grad, emu.matmul(g.numpy().T, array, accelerator=machine))
    assert torch.equal(module.bias.grad, g.sum(0))
    assert not torch.equal(x.grad, g @ module.weight.detach())
    assert dict(et.emulation(module).layers["linear"].passes) == {Pass.FORWARD: 1, Pass.DGRAD: 1, Pass.WGRAD: 1}


def test_weights_gradient_of_a_convolution_is_of_its_patches() -> None:
    conv = et.emulate(nn.Conv2d(3, 4, 3, padding=1, stride=2), BACKWARD)
    x = torch.randn(2, 3, 6, 6)
    y = conv(x)
    g = torch.randn(*y.shape)
    y.backward(g)
    patches = F.unfold(x, 3, padding=1, stride=2).transpose(1, 2).reshape(-1, 27).numpy()
    rows = g.flatten(2).transpose(0, 1).reshape(4, -1).numpy()
    want = emu.matmul(rows, patches, accelerator=alone({"scheme": "absmax", "per": "channel"}))
    same(conv.weight.grad.reshape(4, 27), want)


def test_inputs_gradient_of_a_convolution_is_a_transposed_one() -> None:
    conv = et.emulate(nn.Conv2d(3, 4, 3, stride=2), BACKWARD)
    x = torch.randn(1, 3, 7, 7, requires_grad=True)
    y = conv(x)
    g = torch.randn(*y.shape)
    y.backward(g)
    turned = nn.ConvTranspose2d(4, 3, 3, stride=2, bias=False)
    turned.weight = conv.weight
    with torch.no_grad():
        same(x.grad, et.emulate(turned, alone({"scheme": "absmax", "per": "channel"}))(g).numpy())


def test_products_of_activations_have_two_dgrads() -> None:
    module = et.emulate(Functions(lambda q, k: q @ k.mT), BACKWARD)
    q, k = torch.randn(5, 32, requires_grad=True), torch.randn(6, 32, requires_grad=True)
    g = torch.randn(5, 6)
    module(q, k).backward(g)
    machine = alone({"scheme": "absmax", "per": "channel"})
    same(q.grad, emu.matmul(g.numpy(), k.detach().numpy(), accelerator=machine))
    same(k.grad, emu.matmul(g.numpy().T, q.detach().numpy(), accelerator=machine))
    assert et.emulation(module).layers["matmul"].passes == {Pass.FORWARD: 1, Pass.DGRAD: 2}


def test_rules_choose_by_pass() -> None:
    only_wgrad = {**WIDE, "rule": [{"match": {"pass": "wgrad"}, "output": "float8_e5m2"}]}
    module = integral(nn.Linear(6, 4))
    (y, dx, dw, _), plain = of_all(et.emulate(module, only_wgrad), whole(5, 6)), of_all(module, whole(5, 6))
    assert torch.equal(y, plain[0]) and torch.equal(dx, plain[1])
    assert torch.equal(dw, plain[2].to(torch.float8_e5m2).float()) and not torch.equal(dw, plain[2])


def test_vector_operations_have_pytorchs_derivative() -> None:
    machine = {**WIDE, "vector": {"format": "bfloat16"}}
    x = torch.randn(4, 8)
    module = nn.Sequential(nn.LayerNorm(8), nn.GELU(), nn.Softmax(-1))
    emulated = et.emulate(module[:1], machine)
    (y, *got), (plain, *want) = of_all(emulated, x), of_all(module[:1], x)
    assert not torch.equal(y, plain)
    assert all(torch.equal(one, other) for one, other in zip(got, want, strict=True))


def test_clipping() -> None:
    """A cast that clamps: straight through, or nothing beyond the range."""
    machine = {
        **WIDE,
        "matrix": {**WIDE["matrix"], "unit": {
            "name": "e4m3", "operands": {"a": "float8_e4m3fn", "b": "float8_e4m3fn", "d": "float32"},
            "level": [{"start": "none"}],
        }},
        "rule": [{"match": {"pass": "backward"}, **WIDE["matrix"]}],
    }  # fmt: skip
    module = integral(nn.Linear(3, 2))
    x = torch.tensor([[500.0, 2, -1000]])

    def dx(clipping: str) -> Any:
        return of_all(et.emulate(module, machine, clipping=clipping), x)[1]

    through = dx("pass")
    assert through.all()
    assert torch.equal(dx("zero"), through * torch.tensor([0.0, 1, 0]))


def test_stochastic_rounding_draws_anew_and_reproducibly() -> None:
    module, x = nn.Linear(16, 16, bias=False), torch.randn(8, 16)

    def run(emulated: Any, times: int) -> list[Any]:
        return [of_all(emulated, x) for _ in range(times)]

    emulated = et.emulate(module, STOCHASTIC)
    first = run(emulated, 3)
    again = run(et.emulate(module, STOCHASTIC), 3)
    for one, other in zip(first, again, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    for part in range(3):  # output, input's gradient, weights' gradient
        assert not torch.equal(first[0][part], first[1][part])
    assert not torch.equal(run(et.emulate(module, STOCHASTIC, seed=8), 1)[0][0], first[0][0])
    same(first[0][0], emu.matmul(x.numpy(), module.weight.detach().numpy().T, accelerator=STOCHASTIC))
    resumed = et.emulate(module, STOCHASTIC)
    et.emulation(resumed).steps.update({"linear": 2})
    assert torch.equal(run(resumed, 1)[0][0], first[2][0])


def test_weights_that_are_rounded_by_chance_are_drawn_anew() -> None:
    dither = {"step": [{"op": "scale", "rule": "absmax"}, {
        "op": "encode", "rounding": "stochastic", "overflow": "saturate",
    }]}  # fmt: skip
    machine = {"extends": "int8-int32", "matrix": {"weights": {"scheme": dither}, "seed": 7}}
    module, x = nn.Linear(16, 16, bias=False), torch.randn(8, 16)
    emulated, later = et.emulate(module, machine), et.emulate(module, machine)
    with torch.no_grad():
        first, second = emulated(x), emulated(x)
        assert not torch.equal(first, second)
        et.emulation(later).steps.update({"linear": 1})
        assert torch.equal(later(x), second)


def test_a_gradient_of_a_gradient_is_refused() -> None:
    x = torch.randn(2, 4, requires_grad=True)
    (dx,) = torch.autograd.grad(et.emulate(nn.Linear(4, 1), WIDE)(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        dx.sum().backward()


def test_half_gradients_have_the_operands_type() -> None:
    module = nn.Linear(8, 4).to(torch.bfloat16)
    got = of_all(et.emulate(module, WIDE), torch.randn(3, 8).to(torch.bfloat16))
    assert {one.dtype for one in got} == {torch.bfloat16}


def test_operations_in_place() -> None:
    """A residual block as it is often written has the gradients of one without operations in place."""

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc, self.relu = nn.Conv2d(2, 2, 1), nn.Linear(4, 4), nn.ReLU(inplace=True)

        def forward(self, x: Any) -> Any:
            y = self.conv(x)
            y += x
            y = self.fc(self.relu(y))
            y.mul_(2)
            z = F.silu(y, inplace=True)
            z -= 1
            return z / 2

    class Plain(Residual):
        def forward(self, x: Any) -> Any:
            y = torch.relu(self.conv(x) + x)
            return (F.silu(self.fc(y) * 2) - 1) / 2

    torch.manual_seed(4)
    module, plain, x = Residual(), Plain(), torch.randn(2, 2, 3, 4)
    plain.load_state_dict(module.state_dict())
    got, want = (of_all(et.emulate(one, "bf16-fma-f32"), x) for one in (module, plain))
    assert all(torch.equal(one, other) for one, other in zip(got, want, strict=True))
