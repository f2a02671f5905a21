"""What `emulate` makes of a model: names, rules, what falls back, caches, refusals."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from emu.errors import ModelError, SpecError
from tests.torch.machines import WIDE

torch = pytest.importorskip("torch", reason="torch not installed")
nn, F = torch.nn, torch.nn.functional
et = pytest.importorskip("emu.torch", reason="torch not installed")

BF16 = "bf16-fma-f32"
PLAIN: dict[str, Any] = {"extends": BF16, "name": "no vector", "fallback": {"ops": "error"}}


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(8, 16), nn.Linear(16, 8)
        self.mix_weight = nn.Parameter(torch.randn(8, 8))
        self.register_buffer("cache", torch.zeros(4, 8))

    def forward(self, x: Any) -> Any:
        y = self.fc2(torch.relu(self.fc1(x))) @ self.mix_weight
        return y @ y.mT @ x


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(8, 3, bias=False)

    def forward(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return self.head(x)


@pytest.fixture
def net() -> Any:
    torch.manual_seed(0)
    return Net().eval()


@pytest.fixture
def x() -> Any:
    return torch.randn(4, 8, generator=torch.manual_seed(1))


def layers(emulated: Any) -> dict[str, str]:
    return {one.name: one.op for one in et.emulation(emulated).layers.values()}


def test_names(net: Any, x: Any) -> None:
    emulated = et.emulate(net, BF16)
    emulated(x)
    parts = {"fc1": "Gemm", "fc2": "Gemm", "/mix": "MatMul", "/matmul": "MatMul", "/matmul_2": "MatMul"}
    want = {f"blocks.{i}{'' if p[0] == '/' else '.'}{p}": op for i in range(2) for p, op in parts.items()}
    assert layers(emulated) == want | {"head": "MatMul"}
    for _ in range(2):
        emulated(x)
    assert layers(emulated) == want | {"head": "MatMul"}
    assert et.emulation(emulated.blocks[1]) is et.emulation(emulated)


def test_rules_and_globs_see_the_names(net: Any, x: Any) -> None:
    exact = {"unit": WIDE["matrix"]["unit"], "output": "float32"}
    all_but = {"extends": BF16, "rule": [{"match": {"layer": "blocks.[01].fc?"}, **exact},
                                          {"match": {"layer": "blocks.*/m*"}, **exact}]}  # fmt: skip
    emulated = et.emulate(net, all_but)
    emulated(x)
    units = {one.name: one.unit for one in et.emulation(emulated).layers.values()}
    assert units.pop("head") == BF16 and set(units.values()) == {"f32-exact"}
    only = et.emulate(net, BF16, layers="head")
    y = only(x)
    assert layers(only) == {"head": "MatMul"} and not torch.equal(y, net(x))
    hidden = nn.Sequential(*net.blocks)(x)
    assert torch.equal(y, et.emulate(net.head, BF16)(hidden))
    reasons = {one.reason.name for one in et.emulation(only).fallbacks.values()}
    assert reasons == {"NOT_SELECTED"}
    with pytest.raises(ModelError, match=r"no layer matches 'haed'; the layers are: blocks\.0\.fc1"):
        et.emulate(net, BF16, layers="haed")(x)


def test_the_model_itself_is_not_touched(net: Any, x: Any) -> None:
    before, state = net(x), deepcopy(net.state_dict())
    emulated = et.emulate(net, BF16)
    assert type(emulated) is Net and emulated is not net
    assert emulated.state_dict().keys() == state.keys()
    y = emulated(x)
    assert torch.equal(net(x), before) and not torch.equal(y, before)
    same = et.emulate(net, BF16, in_place=True)
    assert same is net and torch.equal(net(x), y)
    assert torch.equal(et.emulate(net, WIDE)(x), et.emulate(et.restore(deepcopy(net)), WIDE)(x))
    et.restore(net)
    assert torch.equal(net(x), before) and "forward" not in net.__dict__
    with pytest.raises(ModelError, match="the model is not emulated"):
        et.emulation(net)


def test_copies_are_independent(net: Any, x: Any) -> None:
    emulated = et.emulate(net, BF16)
    y = emulated(x)
    copied = deepcopy(emulated)
    assert et.emulation(copied) is not et.emulation(emulated)
    with torch.no_grad():
        copied.head.weight.zero_()
    assert not copied(x).any()
    assert torch.equal(emulated(x), y)


def test_kept_weights_follow_every_change(x: Any) -> None:
    linear = et.emulate(nn.Linear(8, 3, bias=False), BF16)

    def fresh() -> Any:
        return et.emulate(et.restore(deepcopy(linear)), BF16)(x)

    with torch.inference_mode():
        first = linear(x)
        kept = et.emulation(linear)._kept["linear"]
        assert torch.equal(linear(x), first) and et.emulation(linear)._kept["linear"] is kept
    for change in (
        lambda: linear.weight.data.mul_(2),  # does not tell the parameter's version
        lambda: linear.weight.detach().numpy().fill(0.5),
        lambda: setattr(linear, "weight", nn.Parameter(torch.randn(3, 8))),
        lambda: linear.load_state_dict({"weight": torch.randn(3, 8)}),
        lambda: setattr(linear.weight, "data", torch.zeros(3, 8).fill_(-0.0)),
    ):
        change()
        with torch.no_grad():
            assert torch.equal(linear(x), fresh())
    kept = et.emulation(linear)._kept["linear"]
    linear(x)
    linear.weight.data.add_(1)
    linear(x)
    assert et.emulation(linear)._kept["linear"] is kept  # in training nothing is kept


def test_a_cache_is_no_weight(x: Any) -> None:
    class Cached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("cache", torch.zeros(4, 8))
            self.register_buffer("table", torch.randn(8, 4))

        def forward(self, x: Any) -> Any:
            self.cache.copy_(x)
            return x @ self.cache.mT + x @ self.table

    emulated = et.emulate(Cached(), WIDE)
    with torch.no_grad():
        emulated(x)
    assert list(layers(emulated)) == ["matmul", "table"]
    assert list(et.emulation(emulated)._kept) == ["table"]


def test_a_failing_forward_leaves_nothing_behind(net: Any, x: Any) -> None:
    emulated = et.emulate(net, BF16)
    for _ in range(2):
        with pytest.raises(ModelError, match=r"layer 'blocks\.0\.fc1': .*inner sizes 5 and 8 differ"):
            emulated(x[:, :5])

    class Interrupted(nn.Module):
        def forward(self, _: Any) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        et.emulate(nn.Sequential(nn.Linear(8, 8), Interrupted()), BF16)(x)
    a = torch.randn(64, 64)
    assert torch.equal(a @ a, torch.matmul(a, a))
    assert not et.emulation(emulated).frames
    assert not torch.overrides._get_current_function_mode_stack()
    emulated(x)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_what_falls_back_is_listed_or_refused(x: Any) -> None:
    class Hidden(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.fc = nn.LSTM(8, 6, proj_size=4), nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            return torch.cumsum(self.fc(self.cell(x)[0]), -1)

    emulated = et.emulate(Hidden(), BF16)
    emulated(x)
    listed = {(one.name, one.op, one.reason.name) for one in et.emulation(emulated).fallbacks.values()}
    assert listed == {("cell", "lstm", "HIDDEN_MACS"), ("", "cumsum", "VECTOR")}
    with pytest.raises(ModelError, match=r"'cell': lstm would fall back .* accelerator no vector has fallback\.ops"):
        et.emulate(Hidden(), PLAIN)(x)
    without = {**WIDE, "fallback": {"ops": "error"}}
    sums = et.emulate(nn.Sequential(nn.Linear(8, 3), nn.Softmax(-1)), without)
    sums(x)  # no [vector], so a softmax is no fallback of the accelerator's
    assert [one.op for one in et.emulation(sums).fallbacks.values()] == ["softmax"]


def test_embedding_bags(x: Any) -> None:
    del x
    whole = torch.arange(24.0).reshape(8, 3)
    indices, offsets = torch.tensor([1, 2, 4, 5, 4, 3, 7]), torch.tensor([0, 0, 3])
    machine = {**WIDE, "vector": {"format": "float32"}}
    for mode in ("sum", "mean"):
        for extra in ({}, {"padding_idx": 4}, {"include_last_offset": True}):
            bag = nn.EmbeddingBag.from_pretrained(whole, mode=mode, freeze=False, **extra)
            emulated = et.emulate(bag, machine)
            ends = torch.tensor([0, 0, 3, 7]) if "include_last_offset" in extra else offsets
            assert torch.equal(emulated(indices, ends), bag(indices, ends))
            assert not et.emulation(emulated).fallbacks
            assert torch.equal(emulated(indices[:6].reshape(2, 3)), bag(indices[:6].reshape(2, 3)))
    weighted = nn.EmbeddingBag.from_pretrained(whole, mode="sum", freeze=False)
    factors = torch.tensor([2.0, 1, -1, 3, 1, 1, 2])
    y = et.emulate(weighted, machine)(indices, offsets, factors)
    assert torch.equal(y, weighted(indices, offsets, factors)) and y.requires_grad
    narrow = et.emulate(weighted, {**WIDE, "vector": {"format": "float8_e5m2"}})
    assert torch.equal(narrow(torch.tensor([[1]])), whole[1:2].to(torch.float8_e5m2).float())
    y.sum().backward()


def test_refused_tensors_and_models(net: Any, x: Any) -> None:
    with pytest.raises(ModelError, match=r"layer 'blocks\.0\.fc1': a tensor of torch\.float64: allowed are"):
        et.emulate(net.double(), BF16)(x.double())
    net.float()
    with pytest.raises(ModelError, match="a tensor on device 'meta': emu computes on the CPU"):
        et.emulate(net, BF16).to("meta")(x.to("meta"))
    with pytest.raises(ModelError, match=r"'blocks\.0\.fc1'.* NaN"):
        et.emulate(net, "int8-int32")(x * torch.nan)
    static = {"extends": "int8-int32", "matrix": {"activations": {"scheme": "absmax", "range": "static"}}}
    with pytest.raises(SpecError, match=r"layer 'blocks\.0\.fc1' has a static range"):
        et.emulate(net, static)(x)
    with pytest.raises(ValueError, match="some"):
        et.emulate(net, BF16, clipping="some")
    with pytest.raises(SpecError):
        et.emulate(net, "no such accelerator")


def test_integers_are_left_alone(x: Any) -> None:
    class Counting(nn.Module):
        def forward(self, x: Any) -> Any:
            whole = torch.ones(2, 2, dtype=torch.int64)
            return (whole @ whole + whole).sum() + x

    emulated = et.emulate(Counting(), WIDE)
    assert torch.equal(emulated(x), 12 + x)
    assert [one.op for one in et.emulation(emulated).fallbacks.values()] == ["add"]


@pytest.mark.parametrize("backend", ["reference", "numba", "c"])
def test_backends_agree(net: Any, x: Any, backend: str) -> None:
    assert torch.equal(et.emulate(net, BF16, backend=backend)(x), et.emulate(net, BF16)(x))


def test_modules_with_parametrizations_and_keywords(x: Any) -> None:
    class Keywords(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.utils.parametrizations.weight_norm(nn.Linear(8, 3, bias=False))

        def forward(self, x: Any) -> Any:
            y = torch.matmul(input=self.fc(x), other=torch.ones(3, 3))
            y = torch.mm(y, mat2=torch.ones(3, 3))
            return torch.mean(torch.mul(input=y, other=2), axis=-1, keepdims=True)

    module = Keywords()
    emulated = et.emulate(module, BF16)
    y = emulated(x)
    assert layers(emulated) == {"fc": "MatMul", "matmul": "MatMul", "matmul_2": "MatMul"}
    assert torch.allclose(y, module(x), rtol=0.1, atol=0.1) and y.shape == (4, 1)
    assert [one.op for one in et.emulation(emulated).fallbacks.values()] == ["_weight_norm"]


def test_empty_batches(net: Any) -> None:
    y = et.emulate(net.blocks[0].fc1, BF16)(torch.zeros(0, 8, requires_grad=True))
    assert y.shape == (0, 16)
    y.sum().backward()


def test_found_from_emu() -> None:
    import emu

    assert emu.torch is et
