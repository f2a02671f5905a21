"""An accelerator with one bad stage is blamed on that stage, for every stage in turn; shares sum to 1.

How far a sum of shares may be from 1. With u = 2^-53, N elements, n stages and R = Σ_k |Δ_k| / |e| (Euclidean norms):
every product <e, Δ_k> and <e, e> of N terms is off by at most N u |e| |Δ_k| (N u |e|^2), e = Σ Δ_k by n u Σ |Δ_k| in
the norm, and the quotients and their sum by (n + 1) u R. Together, to first order, (2 N + 2 n + 1) u R.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from emu.attribution import LADDER, Stage
from emu.replaying.driver import run
from emu.replaying.result import Kind
from tests.acceptance.bad_machines import MACHINES, K, Machine, normal, unit
from tests.replaying.small_models import FLOAT, model, save

M, N = 24, 20
LEAST = 0.95
ALL = 1 << 20


def one_layer(folder: Path, machine: Machine) -> tuple[Path, dict[str, Any]]:
    """A MatMul [M, K] x [K, N] on what the machine is fed with."""
    x, w = (
        machine.draw(np.random.default_rng(s), *shape).astype(np.float32) for s, shape in ((1, (M, K)), (2, (K, N)))
    )
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], "product")]
    return save(model(nodes, {"x": (FLOAT, [M, K])}, {"y": (FLOAT, 2)}, {"w": w}), folder), {"x": x}


def check_sum(layer: Any) -> None:
    """The shares of a layer sum to 1, as near as float64 can tell."""
    found = layer.attribution.shares
    count = found.elements - found.left_out
    error = (layer.emulated.astype(np.float64) - layer.truth).ravel()
    energy = np.linalg.norm(error[np.isfinite(error)])
    ratio = sum(found.rms.values()) * np.sqrt(count) / energy
    assert abs(sum(found.share.values()) - 1) <= (2 * count + 2 * len(found.share) + 1) * 2.0**-53 * ratio


@pytest.mark.parametrize("name", MACHINES)
def test_the_bad_stage_is_blamed(name: str, tmp_path: Path) -> None:
    machine = MACHINES[name]
    path, inputs = one_layer(tmp_path, machine)
    (layer,) = run(path, inputs, machine.accelerator, attribution=ALL).layers
    found = layer.attribution
    assert found.whole
    assert found.shares.left_out == 0
    assert found.shares.blamed is machine.stage
    assert found.shares.share[machine.stage] >= LEAST
    check_sum(layer)


def test_every_stage_has_a_machine() -> None:
    assert {machine.stage for machine in MACHINES.values()} == set(LADDER)
    assert set(Stage) - set(LADDER) == {Stage.INPUTS, Stage.VECTOR}  # which have tests of their own below


@pytest.mark.parametrize("name", MACHINES)
def test_a_good_machine_has_no_such_error(name: str, tmp_path: Path) -> None:
    """The bad stage makes nearly all of the error: without it, on the same operands, 95 % of the energy is gone."""
    machine = MACHINES[name]
    path, inputs = one_layer(tmp_path, machine)
    perfect = Machine(stage=machine.stage, unit=unit()).accelerator
    layers = [run(path, inputs, accelerator).layers[0] for accelerator in (machine.accelerator, perfect)]
    bad, good = (float(np.sum(np.square(layer.emulated - layer.truth))) for layer in layers)
    assert good <= 0.05 * bad


@pytest.mark.parametrize(("overflow", "left_out"), [("infinity_always", True), ("nan", True), ("saturate", False)])
def test_what_leaves_the_range_is_charged_to_the_range(overflow: str, left_out: bool, tmp_path: Path) -> None:
    """Infinities and NaN have no share: they are left out, counted, and charged to the rung that made them."""
    level = {"result": {"format": "e4m23", "overflow": overflow}}
    machine = Machine(stage=Stage.RANGE, unit=unit(level), draw=lambda rng, *shape: 9 * normal(rng, *shape))
    path, inputs = one_layer(tmp_path, machine)
    (layer,) = run(path, inputs, machine.accelerator, attribution=ALL).layers
    found = layer.attribution.shares
    gone = int(np.count_nonzero(~np.isfinite(layer.emulated)))
    assert (found.left_out > 0) is left_out
    assert found.left_out >= gone
    assert found.charged == ({Stage.RANGE: found.left_out} if left_out else {})


def three_steps(folder: Path) -> tuple[Path, dict[str, Any]]:
    """A product, a normalisation, a product."""
    rng = np.random.default_rng(5)
    nodes = [
        helper.make_node("MatMul", ["x", "v"], ["h"], "first"),
        helper.make_node("LayerNormalization", ["h", "g"], ["n"], "norm", axis=-1),
        helper.make_node("MatMul", ["n", "w"], ["y"], "second"),
    ]
    weights = {"v": normal(rng, K, 16), "w": normal(rng, 16, N), "g": 1 + normal(rng, 16) / 8}
    constants = {name: value.astype(np.float32) for name, value in weights.items()}
    path = save(model(nodes, {"x": (FLOAT, [M, K])}, {"y": (FLOAT, 2)}, constants), folder)
    return path, {"x": normal(rng, M, K).astype(np.float32)}


VECTORS = {
    "format": {"format": "e5m4"},
    "sum": {"format": "float32", "sum": {"order": "chain", "format": "e8m3"}},
}


@pytest.mark.parametrize("bad", VECTORS)
@pytest.mark.parametrize("mode", ["isolated", "propagated"])
def test_bad_vector_operations_are_blamed(bad: str, mode: str, tmp_path: Path) -> None:
    """And what comes after them is blamed on its inputs, where it reads them."""
    path, inputs = three_steps(tmp_path)
    accelerator = Machine(stage=Stage.VECTOR, unit=unit()).accelerator | {"vector": VECTORS[bad]}
    first, norm, second = run(path, inputs, accelerator, mode=mode, attribution=ALL).layers
    assert norm.kind is Kind.VECTOR
    assert norm.attribution.shares.blamed is Stage.VECTOR
    assert norm.attribution.shares.share[Stage.VECTOR] >= LEAST
    check_sum(norm)
    loss = [float(np.sum(np.square(one.emulated - one.truth))) for one in (first, norm, second)]
    assert loss[0] <= 1e-6 * loss[1]
    if mode == "isolated":
        assert loss[2] <= 1e-6 * loss[1]
    else:
        check_sum(second)
        assert second.attribution.shares.blamed is Stage.INPUTS
        assert second.attribution.shares.share[Stage.INPUTS] >= LEAST


@pytest.mark.parametrize("name", MACHINES)
def test_propagated_the_inputs_have_a_share_of_their_own(name: str, tmp_path: Path) -> None:
    """The first layer's inputs are exact: it is blamed as before."""
    machine = MACHINES[name]
    path, inputs = one_layer(tmp_path, machine)
    (layer,) = run(path, inputs, machine.accelerator, mode="propagated", attribution=ALL).layers
    assert layer.attribution.shares.share[machine.stage] >= LEAST
    assert abs(layer.attribution.shares.share[Stage.INPUTS]) < 1e-9
