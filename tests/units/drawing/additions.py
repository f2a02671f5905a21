"""Zero points, split operands, terms, requantisation and parameters at the point of use, legal by construction."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from random import Random
from typing import Any

from tests.oracle.codes import Format

from . import formats, pipes

RULES = [
    "gemmlowp", "gemmlowp_single", "gemmlowp_16", "tosa", "tosa_double", "tosa_16", "cmsis_nn", "cmsis_nn_single",
    "nnpi", "onnx", "shift",
]  # fmt: skip
MULTIPLIERS = [1, 2, 0.5, 0.25, 1 - 2.0**-40, 1 - 2.0**-20, 0.5 + 2.0**-33, 2.0**-31, 2.0**-32, 2.0**-33, 3e-11, 254.5]
CALLS = {
    "nvidia-ampere:mma.sync.m16n8k8.f32.f16.f16.f32": {
        "align_bits": ["0", "13", "all", "40"], "group": ["1", "3", "16"], "k": ["5", "8"],
        "a": ["float8_e4m3fn", "e5m2", "{exp_bits=5, man_bits=4}", "f16"], "b": ["bf16", '"f16"'],
        "align_min_exp": ["-3", "-133"],
        "result": ['{format="e8m13", rounding="RTZ"}', "{ format = 'float32' }", '[{format="e8m20"}, {format="bf16"}]'],
    },
    "amd-cdna2:v_mfma_f32_16x16x4f16": {
        "tree": ["1", "2", "3"], "a": ["bf16", "e4m3", "f16"], "k": ["3", "4"],
        "cast": ['{format="f32"}', '{format="bf16", ftz="result", rounding="RTN"}'],
    },
    "amd-cdna3:v_mfma_f32_32x32x8_f16": {
        "a": ["fp8", "bf8", "xf32", "f16"], "group": ["2", "4"], "result": ['{format="f32", overflow="saturate"}'],
    },
    "intel-amx:tdpbssd": {"a": ["int4", "uint8", "int16"], "b": ["uint3", "int8"]},
    "flexq:nibble.int8.int8": {"a": ["uint6", "int5"], "b": ["uint8", "int8"]},
}  # fmt: skip

PIPES = {"load", "input", "result", "output", "split"}


def zero_point(r: Random, fmt: Format) -> Any:
    """The zero points of an operand; None for one that cannot have any."""
    if fmt.kind != "integer" or fmt.encoding != "twos_complement" or fmt.bits > 32 or r.random() > 0.35:
        return None
    same = f"{'' if fmt.signed else 'u'}int{fmt.bits}"
    spec = same if r.random() < 0.6 else f"{r.choice(['', 'u'])}int{r.choice([3, 8, 16, 32])}"
    if r.random() < 0.5:
        return spec if r.random() < 0.7 else {"format": spec}
    return {"format": spec, "block": r.choice([1, 2, 3, 4, 8])}


def split(r: Random) -> tuple[Any, int, int]:
    """`product.split`, and how many parts a and b have."""
    both = r.random() < 0.4
    sides = "ab" if r.random() < 0.5 else r.choice("ab")
    steps = {side: _steps(r) for side in ("a" if both else sides)}
    if both:
        return steps["a"], len(steps["a"]), len(steps["a"])
    return steps, len(steps.get("a", "1")), len(steps.get("b", "1"))


def _steps(r: Random) -> list[dict[str, Any]]:
    count = r.choice([1, 2, 2, 2, 3, 3, 4, 8] if r.random() < 0.3 else [1, 2, 2, 3])
    spec = _float(r)
    made = []
    for _ in range(count):
        step = pipes.cast(r, spec, stochastic=0)
        if step.get("rounding") == "exact":
            del step["rounding"]
        made.append(step)
        spec = spec if r.random() < 0.8 else _float(r)
    return made


def _float(r: Random) -> formats.Spec:
    pick = r.random()
    if pick < 0.5:
        return r.choice(["bfloat16", "bfloat16", "tf32", "float16", "e8m3", "e5m2", "e4m3"])
    if pick < 0.8:
        return r.choice([*formats.WIDE_FLOATS, *formats.SMALL_FLOATS])
    return formats.odd_float(r) if r.random() < 0.5 else formats.by_rule(r)


def terms(r: Random, n_a: int, n_b: int) -> list[list[int]]:
    """Some of the pairs, in any order."""
    every = [list(pair) for pair in product(range(n_a), range(n_b))]
    return r.sample(every, r.randint(1, min(len(every), 9)))


def requantize(r: Random, fmt: Format, n: int) -> dict[str, Any]:
    """A requantisation into an integer format, for n columns."""
    rule = r.choice(RULES)
    made = {"rule": rule, "multiplier": _columns(r, n, lambda: _multiplier(r, rule))}
    if r.random() < 0.6:
        low, high = fmt.lowest.m, fmt.highest.m
        made["zero_point"] = _columns(r, n, lambda: r.choice([0, 1, low, high, r.randint(low, high)]))
    if rule == "shift" and r.random() < 0.5:
        made["rounding"] = r.choice(pipes.ROUNDINGS)
    return made


def _multiplier(r: Random, rule: str) -> float:
    if rule == "shift":
        return 2.0 ** r.randint(-20, 3)
    if r.random() < 0.3:
        least, most = {"tosa": (2.0**-32, 1e3), "tosa_double": (2.0**-32, 1e3), "nnpi": (1e-9, 127)}.get(rule, (0, 1e3))
        return r.choice([x for x in MULTIPLIERS if least <= x <= most])
    return r.uniform(0.5, 1) * 2.0 ** r.choice([0, r.randint(-12, 5)])


def _columns(r: Random, n: int, one: Any) -> Any:
    if r.random() < 0.5:
        return one()
    return [one() for _ in range(1 if r.random() < 0.2 else n)]


def with_nan_to(r: Random, unit: Any) -> Any:
    """A drawn unit, of which some casts name what every NaN becomes."""
    if not isinstance(unit, dict) or r.random() > 0.3:
        return unit
    for step in _casts(unit):
        if r.random() < 0.5:
            step["nan_to"] = r.choice(["zero", "negative_zero", "max"])
    return unit


def _casts(keys: Any) -> Iterator[dict[str, Any]]:
    """The steps with a cast, in all pipes of a unit and of its base."""
    if isinstance(keys, list):
        for inner in keys:
            yield from _casts(inner)
    elif isinstance(keys, dict):
        for name, inner in keys.items():
            pipe = name in PIPES or (name == "product" and (isinstance(inner, list) or "format" in inner))
            if not pipe:
                yield from _casts(inner)
            elif name == "split" and isinstance(inner, dict):
                yield from (step for steps in inner.values() for step in steps)
            else:
                yield from (step for step in ([inner] if isinstance(inner, dict) else inner) if "format" in step)


def called(r: Random) -> Any:
    """An instruction of a built-in family with parameters of its own, by itself or as a base."""
    name = r.choice(sorted(CALLS))
    choices = CALLS[name]
    given = r.sample(sorted(choices), r.randint(1, len(choices)))
    if "a" in given and "group" in choices and "group" not in given:
        given.append("group")  # only some operands have one of their own
    space = r.choice(["", " "])
    name += "(" + f",{space}".join(f"{key}{space}={space}{r.choice(choices[key])}" for key in given) + ")"
    if r.random() < 0.5:
        return name
    base = {"unit": name, **r.choice([{}, {"length": r.randint(1, 9)}, {"parts": r.randint(1, 4)}])}
    return {"name": "drawn", "base": base, "level": [{"result": pipes.feedback(r)}]}
