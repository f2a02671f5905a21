"""Accelerator files: the built-in ones, rules, a new machine from one file, and every way to get one wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emu.accelerators import BiasPlacement, FallbackOps, KOrder, load_accelerator
from emu.errors import SpecError
from emu.layers.matrix import matmul
from emu.spec import builtin_names

INT8 = {
    "unit": "int8-int32",
    "activations": {"scheme": "absmax"},
    "weights": {"scheme": "absmax", "per": "channel"},
}


def matrix(**keys: Any) -> dict[str, Any]:
    return {"matrix": {**INT8, **keys}}


@pytest.mark.parametrize("name", builtin_names("accelerators"))
def test_built_ins_say_what_they_are(name: str) -> None:
    accelerator = load_accelerator(name)
    assert accelerator.name == name
    assert all((accelerator.doc, accelerator.source, accelerator.maturity, accelerator.scope))


def test_hopper_promotes_every_128_products() -> None:
    """A sum of 256 equal products: without promotion, the low bits of E8M13 are lost on the way."""
    x, w = np.ones((1, 4096), np.float32), np.full((4096, 1), 1 + 2.0**-3, np.float32)
    x[0, 0] = 2.0**-3
    exact = np.float32(x @ w).item()
    wide = {"matrix": {"output": "float32"}}
    promoted = matmul(x, w, accelerator={"extends": "hopper-fp8-promoted", **wide}).item()
    plain = matmul(x, w, accelerator={"extends": "hopper-fp8", **wide}).item()
    assert abs(promoted - exact) < abs(plain - exact)


def test_sixteen_bits_saturate() -> None:
    x = np.full((1, 64), 1.0, np.float32)
    wide = matmul(x, x.T, accelerator="int8-int32").item()
    clipped = matmul(x, x.T, accelerator="int8-sat16").item()
    narrow = matmul(x, x.T, accelerator="int6-sat16").item()
    assert wide == np.float32(64 * 127**2) * (np.float32(1) / np.float32(127)) ** 2
    assert clipped == np.float32(32767) * (np.float32(1) / np.float32(127)) ** 2
    assert narrow == np.float32(32767) * (np.float32(1) / np.float32(31)) ** 2


def test_first_matching_rule_wins() -> None:
    accelerator = load_accelerator(
        {
            **matrix(output="bfloat16"),
            "rule": [
                {"match": {"layer": "*head*"}, "unit": "int8-sat16"},
                {"match": {"op": "Conv"}, "k_order": "kh_kw_c", "bias": "c"},
                {"match": {"layer": "enc?der.*", "op": "MatMul"}, "output": "float16"},
            ],
        }
    )
    assert accelerator.plan("lm_head", "Conv").unit.name == "int8-sat16"
    conv = accelerator.plan("stem", "Conv")
    assert (conv.k_order, conv.bias, conv.unit.name) == (KOrder.KH_KW_C, BiasPlacement.C, "int8-int32")
    assert accelerator.plan("encoder.0", "MatMul").output.format.name == "float16"
    assert accelerator.plan("encoder.0", "Gemm").output.format.name == "bfloat16"
    assert accelerator.plan("Encoder.0", "MatMul") == accelerator.matrix, "globs look at case"


def test_vector_and_fallback_are_read() -> None:
    accelerator = load_accelerator("hopper-fp8-promoted")
    assert accelerator.vector is not None
    assert accelerator.vector.format.name == "bfloat16"
    assert accelerator.vector.sum is not None
    assert accelerator.vector.sum.width == 32
    assert accelerator.fallback is FallbackOps.REFERENCE
    assert load_accelerator({**matrix(), "fallback": {"ops": "error"}}).fallback is FallbackOps.ERROR


def test_hash_follows_what_is_computed(tmp_path: Path) -> None:
    """The file's keys and the units behind them; not its name on disk."""
    base = load_accelerator(matrix()).spec_hash
    assert load_accelerator(matrix()).spec_hash == base
    assert load_accelerator(matrix(output="float16")).spec_hash != base
    unit = tmp_path / "u.toml"
    accelerator = tmp_path / "a.toml"
    accelerator.write_text(
        '[matrix]\nunit = "u.toml"\nactivations = { scheme = "absmax" }\nweights = { scheme = "absmax" }\n'
    )
    hashes = []
    for bits in (20, 24):
        unit.write_text(f'operands = {{ a = "int8", b = "int8", d = "int{bits}" }}\n[[level]]\n')
        hashes.append(load_accelerator(accelerator).spec_hash)
    assert hashes[0] != hashes[1], "the unit's file changed"


def test_hash_is_of_the_content_alone(tmp_path: Path) -> None:
    """A copy elsewhere, another name and other prose are the same machine; an edited scheme or format is another."""
    scheme = '[[step]]\nop = "encode"\nrounding = "{}"\noverflow = "saturate"\n'
    text = (
        'doc = "{}"\n[matrix]\nunit = "int8-int32"\nactivations = {{ scheme = "mine.toml" }}\n'
        'weights = {{ scheme = "mine.toml" }}\noutput = "narrow.toml"\n'
    )

    def written(folder: str, *, rounding: str = "rne", doc: str = "", man_bits: int = 3) -> str:
        here = tmp_path / folder
        here.mkdir(exist_ok=True)
        (here / "mine.toml").write_text(scheme.format(rounding))
        (here / "narrow.toml").write_text(f"exp_bits = 5\nman_bits = {man_bits}\n")
        (here / f"{folder}.toml").write_text(text.format(doc))
        return load_accelerator(here / f"{folder}.toml").spec_hash

    first = written("one")
    assert written("two", doc="a copy") == first
    assert written("two", rounding="rtz") != first
    assert written("two", man_bits=4) != first
    rule = {"match": {"op": "Conv"}, "output": "float16"}
    hashes = [load_accelerator({**matrix(), **keys}).spec_hash for keys in (
        {}, {"rule": [rule]}, {"fallback": {"ops": "error"}}, {"vector": {"format": "bf16"}},
    )]  # fmt: skip
    assert len({*hashes, load_accelerator(matrix(bias="c")).spec_hash}) == 5


BF16 = {"operands": {"a": "bfloat16", "b": "bfloat16", "d": "float32"}, "level": [{}]}


def test_cast_of_wide_operands_is_kept() -> None:
    """Only where two scaled maxima have no finite product are scales refused."""
    cast = {"scheme": "cast"}
    load_accelerator(matrix(unit=BF16, activations=cast, weights=cast))
    load_accelerator(matrix(unit=BF16, weights=cast))
    quarter = {**BF16, "level": [{"input": {"multiply": 2.0**-100}}, {"input": {"multiply": 2.0**-50}}]}
    load_accelerator(matrix(unit=quarter))


def test_unknown_names_say_where_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(
        '[matrix]\nunit = "int8-int33"\nactivations = { scheme = "absmax" }\nweights = { scheme = "absmax" }\n'
    )
    with pytest.raises(SpecError, match=r"a.toml: matrix.unit: unknown name .*; did you mean 'int8-int32'"):
        load_accelerator(path)


NEW_MACHINE = """
name = "e5m9-machine"
doc = "FP8 operands, an accumulator nobody has built: 5 exponent bits, 9 mantissa bits, truncated, in lanes of 4"

[matrix]
activations = { scheme = "absmax", per = "token" }
weights = { scheme = "absmax", per = "channel" }
output = "float32"

[matrix.unit]
operands = { a = "float8_e4m3fn", b = "float8_e4m3fn", d = "float32" }
output = { multiply = 4096 }

[[matrix.unit.level]]
group = 4
input = { multiply = 0.000244140625 }
result = { format = { kind = "float", exp_bits = 5, man_bits = 9 }, rounding = "toward_zero", overflow = "saturate" }
"""


def test_a_new_accumulator_format_takes_one_file_and_no_python(tmp_path: Path) -> None:
    path = tmp_path / "e5m9-machine.toml"
    path.write_text(NEW_MACHINE)
    rng = np.random.default_rng(2)
    x, w = rng.normal(size=(5, 96)).astype(np.float32), rng.normal(size=(96, 7)).astype(np.float32)
    got = matmul(x, w, accelerator=path)
    assert np.array_equal(got, matmul(x, w, accelerator=path, backend="reference"))
    errors = {}
    for name, machine in (("e5m9", path), ("fp16", "fp8-fp16acc"), ("e8m13", "hopper-fp8")):
        errors[name] = float(np.abs(matmul(x, w, accelerator=machine) - x @ w).mean())
    assert errors["e8m13"] < errors["e5m9"], "nine truncated bits lose more than thirteen"
    assert len(set(errors.values())) == 3


def test_units_and_schemes_are_found_next_to_the_file(tmp_path: Path) -> None:
    (tmp_path / "units").mkdir()
    (tmp_path / "units" / "tiny.toml").write_text('operands = { a = "int4", b = "int4", d = "int8" }\n[[level]]\n')
    (tmp_path / "family.toml").write_text(
        '[body.default]\noperands = { a = "$t", b = "$t", d = "int32" }\n[[body.default.level]]\n'
        '[[instruction]]\nname = "dot.{t}"\nt = ["int4", "int8"]\n'
    )
    (tmp_path / "mine.toml").write_text('[[step]]\nop = "encode"\nrounding = "rtz"\noverflow = "saturate"\n')
    path = tmp_path / "a.toml"
    path.write_text(
        '[matrix]\nunit = "units/tiny.toml"\n'
        'activations = { scheme = "mine.toml" }\nweights = { scheme = "mine.toml" }\n'
        '[[rule]]\nmatch = { op = "Conv" }\nunit = "family.toml:dot.int8"\n'
    )
    accelerator = load_accelerator(path)
    assert accelerator.matrix.unit.name == "tiny"
    assert accelerator.plan("x", "Conv").unit.a.name == "int8"
    assert accelerator.matrix.activations.scheme.name == "mine"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("hopper", "unknown name in accelerators .got 'hopper'.; did you mean 'hopper-fp8'"),
        ({}, "matrix: required key is missing"),
        ({"matrix": {"unit": "int8-int32"}}, "matrix.activations: required key is missing"),
        (matrix(unit="int8-int33"), "unknown name in units .got 'int8-int33'.; did you mean 'int8-int32'"),
        (matrix(units="x"), "matrix.units: unknown key .*did you mean 'unit'"),
        (matrix(activations={"scheme": "absmin"}), "unknown name in schemes .got 'absmin'.; did you mean 'absmax'"),
        (
            matrix(activations={"scheme": "absmax", "per": "group"}),
            "matrix.activations.per: groups along K need",
        ),
        (matrix(weights={"scheme": "absmax", "per": "token"}), "matrix.weights.per.*Allowed: tensor, channel"),
        (matrix(weights={"scheme": "absmax", "range": "static"}), "matrix.weights.range: unknown key"),
        (
            matrix(activations={"scheme": "absmax", "per": "token", "range": "static"}),
            "matrix.activations.range: a scale per token is dynamic",
        ),
        (matrix(output="bfloat61"), "matrix.output: unknown format.*did you mean 'bfloat16'"),
        (matrix(output={"format": "int8", "overflow": "nan"}), "matrix.output.overflow: integer and fixed formats"),
        (matrix(k_order="kw_kh_c"), "matrix.k_order: unknown value.*Allowed: c_kh_kw, kh_kw_c"),
        (matrix(unit="fp8-e4m3-fp16acc", bias="c"), "matrix.bias: unit fp8-e4m3-fp16acc has no operand c"),
        (matrix(unit="dlfloat16-sr"), "matrix.seed: unit dlfloat16-sr rounds stochastically and needs a seed"),
        ({**matrix(), "rule": [{"unit": "int8-sat16"}]}, r"rule\[0\].match: required key is missing"),
        ({**matrix(), "rule": [{"match": {"name": "*"}}]}, r"rule\[0\].match.name: unknown key"),
        ({**matrix(), "rule": [{"match": {}, "output": "f17"}]}, r"rule\[0\].output: unknown format"),
        ({**matrix(), "vector": {"format": "bf61"}}, "vector.format: unknown format"),
        ({**matrix(), "vector": {"format": "bf16", "sum": {"order": "tre", "format": "f32"}}}, "did you mean 'tree'"),
        ({**matrix(), "fallback": {"ops": "ignore"}}, "fallback.ops: unknown value.*Allowed: error, reference"),
        ({**matrix(), "maturity": "guess"}, "maturity"),
        ({**matrix(), "rule": [{"match": {}, "unit": "nope"}]}, r"<mapping>: rule\[0\].unit: unknown name in units"),
        (matrix(weights={"scheme": "absmin"}), "<mapping>: matrix.weights.scheme: unknown name in schemes"),
        (matrix(unit=BF16), 'matrix.activations.scheme: .*product of these two is not finite: use scheme "cast"'),
        (matrix(unit={**BF16, "operands": dict.fromkeys("abd", "float64")}), "product of these two is not finite"),
        (
            matrix(unit={"operands": {"a": "int1", "b": "int8", "d": "int32"}, "level": [{}]}),
            "matrix.activations.scheme: a scale divides by the largest value of int1, which is 0",
        ),
        *(
            (
                matrix(unit={"operands": {"a": "int8", "b": "int8", "d": d}, "level": [{}]}),
                f"matrix.unit: operand d has format {d}, with values that float64 does not hold",
            )
            for d in ("int64", "uint64", "e15m16")
        ),
        (matrix(output="int64"), "matrix.output: output has format int64"),
    ],
)
def test_bad_accelerators(spec: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        load_accelerator(spec)
    assert "\n" not in str(caught.value)


def test_importing_is_light() -> None:
    """No ONNX, no engine, no plots: an accelerator is loaded by `emu list` too."""
    code = (
        "import sys, emu.accelerators, emu.layers.matrix\n"
        "heavy = {'onnx', 'onnxruntime', 'matplotlib', 'pyarrow', 'numba'} & set(sys.modules)\n"
        "raise SystemExit(str(sorted(heavy)) if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 0
