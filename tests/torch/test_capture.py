"""Captured products of PyTorch models: what is in the file, and that its replay is the emulation's."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch not installed")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

import emu.torch  # noqa: E402
from emu.captures import load, open_capture  # noqa: E402
from emu.captures.header import Source  # noqa: E402
from emu.cli.main import run as emu_command  # noqa: E402
from emu.errors import ModelError  # noqa: E402
from emu.layers.plain import evaluate  # noqa: E402
from emu.replaying.driver import run  # noqa: E402

ACCELERATOR = "hopper-fp8-promoted"


class Net(nn.Module):
    """A bit of everything; `twice` runs two times."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding="same", groups=2)
        self.up = nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1)
        self.twice = nn.Linear(8, 8)
        self.plain = nn.Linear(8, 8, bias=False)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mix = nn.Parameter(torch.randn(8, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.up(self.conv(x)).flatten(1).reshape(x.shape[0], -1, 8)
        y = self.plain(torch.tanh(self.twice(self.twice(y))))
        y = self.attention(y, y, y, need_weights=False)[0]
        y = F.scaled_dot_product_attention(y, y, y, is_causal=True)
        z = y @ self.mix
        return torch.einsum("bij,bkj->bik", z, z)


@pytest.fixture
def net():
    torch.manual_seed(3)
    return Net().eval()


@pytest.fixture
def x():
    return torch.randn(2, 2, 4, 4, generator=torch.Generator().manual_seed(5))


@pytest.fixture
def stored(net, x, tmp_path):
    return emu.torch.capture(net, x, out=tmp_path / "net.safetensors")


NAMES = [
    "conv", "up", "twice", "twice#2", "plain", "attention/in_proj", "attention/qk", "attention/pv",
    "attention.out_proj", "qk", "pv", "mix", "einsum",
]  # fmt: skip


def test_names_and_operators_are_those_of_the_emulation(net, x, stored):
    layers = load(stored.path)
    assert [layer.name for layer in layers] == NAMES
    emulated = emu.torch.emulate(net, ACCELERATOR)
    emulated(x)
    used = emu.torch.emulation(emulated).layers
    assert list(used) == [name for name in NAMES if "#" not in name]
    for layer in layers:
        assert layer.op == used[layer.name.split("#")[0]].op
    assert layers.source is Source.TORCH and layers.model == "Net" and stored.left_out == ()


def test_outputs_are_pytorchs_own(tmp_path):
    """Hooks see what the modules made; small whole numbers, so that every order of a sum gives the same."""
    torch.manual_seed(2)
    model = nn.Sequential(
        nn.Conv2d(2, 4, (3, 4), padding="same", groups=2, stride=1, dilation=2), nn.ReLU(),
        nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1, bias=False), nn.Flatten(2),
        nn.Linear(64, 3), nn.Conv1d(2, 4, 2, stride=2, padding=1), nn.Linear(2, 2, bias=False),
    )  # fmt: skip
    for parameter in model.parameters():
        parameter.data = torch.randint(-2, 3, parameter.shape).float()
    x, made = torch.randint(-2, 3, (3, 2, 4, 4)).float(), {}

    def note(name):
        def hook(_, __, y):
            made[name] = y.detach().numpy()

        return hook

    for name, module in model.named_children():
        module.register_forward_hook(note(name))
    layers = load(emu.torch.capture(model, x, out=tmp_path / "a.safetensors").path)
    assert [layer.name for layer in layers] == ["0", "2", "4", "5", "6"]
    for layer in layers:
        y = made[layer.name]
        assert np.array_equal(layer.output, y.reshape(layer.output.shape))
        assert layer.output.shape == (y.shape if "Conv" in layer.op else (y.size // y.shape[-1], y.shape[-1]))
        assert np.array_equal(evaluate(layer.lower()), layer.output)


def test_weights_are_parameters_and_go_by_their_names(net, stored):
    layers = load(stored.path)
    parameters = dict(net.named_parameters())
    assert layers["twice"].operand_names[1:] == ("twice.weight", "twice.bias")
    assert layers["twice#2"].operand_names[1:] == ("twice.weight", "twice.bias")
    assert layers["twice"].constant == (False, True, True)
    assert layers["conv"].operand_names[1:] == ("conv.weight", "conv.bias")
    assert np.array_equal(layers["conv"].operands[1], parameters["conv.weight"].detach().numpy())
    assert np.array_equal(layers["plain"].operands[1], parameters["plain.weight"].detach().numpy().T)
    assert layers["mix"].operand_names[1] == "mix" and layers["mix"].constant == (False, True)
    assert layers["qk"].constant == (False, False)
    assert layers["twice"].attributes == {"transB": 1}


def test_the_model_is_as_it_was(net, x, tmp_path):
    with torch.no_grad():
        before = net(x)
        state = {name: value.clone() for name, value in net.state_dict().items()}
        emu.torch.capture(net, x, out=tmp_path / "a.safetensors")
        assert torch.equal(net(x), before)
    assert all("forward" not in module.__dict__ for module in net.modules())
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


ALONE = {
    "linear": (lambda: nn.Linear(5, 3), (2, 4, 5)),
    "no_bias": (lambda: nn.Linear(5, 3, bias=False), (4, 5)),
    "conv1d": (lambda: nn.Conv1d(4, 6, 3, stride=2, dilation=2, padding=1, groups=2), (2, 4, 9)),
    "conv2d_same": (lambda: nn.Conv2d(2, 3, 4, padding="same"), (1, 2, 5, 5)),
    "conv3d": (lambda: nn.Conv3d(2, 3, 2, padding=1), (1, 2, 3, 3, 3)),
    "transposed": (lambda: nn.ConvTranspose1d(4, 6, 3, stride=3, padding=1, output_padding=2, groups=2), (2, 4, 5)),
    "unbatched": (lambda: nn.Conv2d(2, 3, 3), (2, 5, 5)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("case", ALONE)
def test_replay_has_the_bits_of_the_emulated_module(case, dtype, tmp_path):
    torch.manual_seed(1)
    make, shape = ALONE[case]
    module, x = make().to(dtype), torch.randn(shape).to(dtype)
    model = nn.Sequential(module)
    stored = emu.torch.capture(model, x, out=tmp_path / "one.safetensors")
    (layer,) = load(stored.path)
    assert layer.name == "0" and layer.operands[0].dtype == {
        torch.float32: np.float32, torch.float16: np.float16, torch.bfloat16: ml_dtypes.bfloat16,
    }[dtype]  # fmt: skip
    (alone,) = run(*open_capture(stored.path), "bf16-fma-f32", layers="0").layers
    with torch.no_grad():
        emulated = emu.torch.emulate(model, "bf16-fma-f32")(x).to(torch.float32).numpy()
    replayed = alone.emulated.reshape(emulated.shape)
    if dtype is torch.bfloat16:  # a capture is replayed in float32, the widest type that a bfloat16 layer fits
        replayed = replayed.astype(ml_dtypes.bfloat16).astype(np.float32)
    assert replayed.tobytes() == emulated.tobytes()


def test_hashes_say_which_parameters_and_which_inputs(tmp_path):
    model, x = nn.Linear(4, 3).to(torch.bfloat16), torch.ones(2, 4, dtype=torch.bfloat16)

    def hashes(*args: torch.Tensor) -> tuple[str, str]:
        layers = load(emu.torch.capture(model, *args, out=tmp_path / "a.safetensors").path)
        return layers.model_sha256, layers.inputs_sha256

    first = hashes(x)
    assert hashes(x) == first
    assert hashes(2 * x)[0] == first[0] and hashes(2 * x)[1] != first[1]
    with torch.no_grad():
        model.bias += 1
    assert hashes(x)[0] != first[0] and hashes(x)[1] == first[1]


def test_equal_tensors_are_stored_once(stored):
    layers = load(stored.path)
    assert layers["einsum"].operand_names[0] == layers["einsum"].operand_names[1] == layers["mix"].output_name
    assert layers["twice#2"].operand_names[0] == layers["twice"].output_name


def test_layers_glob_selects(net, x, tmp_path):
    out = tmp_path / "a.safetensors"
    names = [layer.name for layer in emu.torch.capture(net, x, out=out, layers="att*").layers]
    assert names == ["attention/in_proj", "attention/qk", "attention/pv", "attention.out_proj"]
    with pytest.raises(ModelError, match=r"no layer matches 'nothing\*'; the layers are: conv, up"):
        emu.torch.capture(net, x, out=out, layers="nothing*")


def test_a_limit_is_kept(net, x, stored, tmp_path):
    out = tmp_path / "a.safetensors"
    with pytest.raises(ModelError, match="would have more than 1000 bytes by layer"):
        emu.torch.capture(net, x, out=out, limit=1000)
    with pytest.raises(ModelError, match=f"would have {stored.nbytes} bytes"):
        emu.torch.capture(net, x, out=out, limit=stored.nbytes - 1)
    assert not out.exists() and all("forward" not in module.__dict__ for module in net.modules())


def test_what_cannot_be_captured(net, x, tmp_path):
    out = tmp_path / "a.safetensors"
    with pytest.raises(ModelError, match=r"layer 'conv'.*float64: allowed are"):
        emu.torch.capture(net.double(), x.double(), out=out)
    with pytest.raises(ModelError, match="the model is emulated"):
        emu.torch.capture(emu.torch.emulate(net.float(), ACCELERATOR), x, out=out)
    with pytest.raises(ModelError, match=r"a function is no PyTorch model"):
        emu.torch.capture(lambda y: y, x, out=out)
    with pytest.raises(ModelError, match="has no product of floats"):
        emu.torch.capture(nn.ReLU(), x, out=out)
    assert not out.exists()


class Recurrent(nn.Module):
    """What runs step by step, and what hides its products."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.pair, self.head = nn.LSTM(4, 3), nn.Bilinear(3, 3, 2), nn.Linear(2, 2)

    def forward(self, x):
        y = self.lstm(x)[0]
        return self.head(self.pair(y, y))


def test_steps_are_calls_and_what_hides_its_products_is_listed(tmp_path):
    stored = emu.torch.capture(Recurrent(), torch.randn(3, 1, 4), out=tmp_path / "a.safetensors")
    steps = ["lstm/l0/state", "lstm/l0/state#2", "lstm/l0/state#3"]
    assert [layer.name for layer in stored.layers] == ["lstm/l0/inputs", *steps, "head"]
    assert stored.left_out == ("bilinear in pair",)


def test_command_line(tmp_path, monkeypatch, capsys):
    (tmp_path / "captured_model.py").write_text(
        "import torch\n"
        "def made():\n"
        "    torch.manual_seed(0)\n"
        "    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU()), (torch.ones(2, 4),)\n"
        "def wrong():\n"
        "    return torch.nn.Linear(4, 3)\n"
        "def unfit():\n"
        "    return torch.nn.Linear(4, 3), (torch.ones(5),)\n"
        "def broken():\n"
        "    return 1 / 0\n"
    )
    monkeypatch.chdir(tmp_path)
    assert emu_command(["capture", "captured_model:made", "--out", "a.safetensors"]) == 0
    assert "Gemm" in capsys.readouterr().out
    assert load("a.safetensors").model == "captured_model:made"
    assert emu_command(["replay", "a.safetensors", "--accelerator", ACCELERATOR]) == 0
    for function, code, reason in (
        ("captured_model:wrong", 1, "must return (model, arguments)"),
        ("captured_model:unfit", 1, "captured_model:unfit failed: RuntimeError: "),
        ("captured_model:broken", 1, "captured_model:broken failed: ZeroDivisionError: division by zero"),
        ("captured_model:nothing", 1, "has no function 'nothing'"),
        ("no_such_module:made", 1, "cannot be imported"),
    ):
        assert emu_command(["capture", function, "--out", "b.safetensors"]) == code
        assert reason in capsys.readouterr().err
    assert emu_command(["capture", "captured_model:made", "--inputs", "x.npz", "--out", "b.safetensors"]) == 2
