"""What an accelerator says about training: gradients, and rules for a pass."""

from __future__ import annotations

import pytest

from emu.accelerators import Pass, load_accelerator
from emu.deviation.describe import describe_accelerator
from emu.errors import SpecError
from emu.schemes import Granularity, Range

BASE = {"extends": "hopper-fp8"}


def test_a_rule_for_a_pass() -> None:
    rules = [
        {"match": {"layer": "head", "pass": "wgrad"}, "output": "float16"},
        {"match": {"pass": "backward"}, "output": "float32"},
        {"match": {"layer": "head"}, "unit": "bf16-fma-f32", "activations": {"scheme": "cast"}},
    ]
    chosen = load_accelerator({**BASE, "rule": rules})
    assert chosen.plan("fc", "Gemm").output.format.name == "bfloat16"
    assert chosen.plan("fc", "Gemm", Pass.DGRAD).output.format.name == "float32"
    assert chosen.plan("head", "Gemm", Pass.WGRAD).output.format.name == "float16"
    assert chosen.plan("head", "Gemm", Pass.FORWARD).unit.name == "bf16-fma-f32"
    assert chosen.plan("head", "Gemm", Pass.DGRAD).unit.name != "bf16-fma-f32"  # the first that matches wins
    every = load_accelerator({**BASE, "rule": rules[2:]})
    assert {every.plan("head", "Gemm", which).unit.name for which in Pass} == {"bf16-fma-f32"}


def test_schemes_of_backward_products() -> None:
    plan = load_accelerator({**BASE, "matrix": {"gradients": {"scheme": "absmax", "per": "token"}}}).matrix
    by_weights, by_activations = plan.backward(by_weights=True), plan.backward(by_weights=False)
    assert plan.gradients is not None and plan.gradients.per is Granularity.TOKEN
    assert by_weights.activations == by_activations.activations == plan.gradients
    assert by_weights.weights == plan.weights
    assert by_activations.weights == plan.activations


def test_without_gradients_they_are_as_activations_and_dynamic() -> None:
    static = {"extends": "int8-int32", "matrix": {"activations": {"scheme": "absmax", "range": "static"}}}
    plan = load_accelerator(static).matrix
    assert plan.activations.range is Range.STATIC
    backward = plan.backward(by_weights=False)
    assert backward.activations.range is backward.weights.range is Range.DYNAMIC
    assert backward.activations.scheme == plan.activations.scheme


def test_hashes_change_with_what_training_computes_only() -> None:
    plain = load_accelerator(BASE).spec_hash
    gradients = load_accelerator({**BASE, "matrix": {"gradients": {"scheme": "cast"}}}).spec_hash
    rule = load_accelerator({**BASE, "rule": [{"match": {"layer": "x"}, "output": "float32"}]}).spec_hash
    backward = load_accelerator(
        {**BASE, "rule": [{"match": {"layer": "x", "pass": "backward"}, "output": "float32"}]}
    ).spec_hash
    assert len({plain, gradients, rule, backward}) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"matrix": {"gradients": {"scheme": "absmax", "per": "channel"}}}, r"gradients\.per"),
        ({"matrix": {"gradients": {"scheme": "absmax", "range": "static"}}}, "range"),
        ({"matrix": {"gradients": {"scheme": "mxfp8_e5m2_blocks"}}}, r"matrix\.gradients"),
        ({"rule": [{"match": {"pass": "backwards"}, "output": "float32"}]}, "backwards"),
    ],
)
def test_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        load_accelerator({**BASE, **change})


def test_they_are_shown() -> None:
    rule = {"match": {"pass": "dgrad"}, "gradients": {"scheme": "absmax", "per": "token"}}
    lines = describe_accelerator(load_accelerator({**BASE, "rule": [rule]})).lines
    assert "layers *, operators *, pass dgrad" in lines
    assert [line for line in lines if "gradients" in line] == ["  gradients    absmax per token, dynamic"]
