"""Random pipes, legal by construction: what a cast to a format may be asked for."""

from __future__ import annotations

from random import Random
from typing import Any

from . import formats

ROUNDINGS = [
    "ties_to_even", "ties_to_away", "ties_to_zero", "ties_to_positive", "ties_to_negative", "toward_zero",
    "toward_positive", "toward_negative", "away_from_zero", "to_odd", "jamming",
]  # fmt: skip
ALIASES = {"RNE": "ties_to_even", "RTZ": "toward_zero", "RTN": "toward_negative", "RTO": "to_odd"}
CONSTANTS = [0, 1, -1, 2, 3, 0.5, -0.25, 0.1, -1.5, 7.0, 1024, 1e-9, -3e12, 2.0**-140, -0.0, (1 << 62) + 1]


def overflow(r: Random, fmt: Any) -> str | None:
    """An overflow rule that this format allows; None leaves the key out."""
    if fmt.is_integer:
        plain = not fmt.symmetric and fmt.encoding == "twos_complement"
        return r.choice(["saturate", "saturate_propagate", *(["wrap", None] if plain else [])])
    allowed: list[str | None] = ["saturate", "saturate_propagate", None]
    if fmt.infinities or fmt.has_nan:
        allowed += ["infinity", "infinity_always"]
    if fmt.has_nan:
        allowed.append("nan")
    return r.choice(allowed)


def cast(r: Random, spec: formats.Spec, *, raising: float = 0.01, stochastic: float = 0.1) -> dict[str, Any]:
    """The keys of one cast."""
    fmt = formats.meaning(spec)
    step: dict[str, Any] = {"format": spec}
    if (mode := overflow(r, fmt)) is not None:
        step["overflow"] = mode
    if r.random() < raising:
        step["overflow"] = "raise"
    if r.random() < stochastic:
        step |= {"rounding": "stochastic", "sr_bits": r.choice([1, 2, 3, 8, 23, 63, 64])}
        if r.random() < 0.7:
            step["sr_variant"] = r.choice("ABC")
    elif not fmt.is_integer and r.random() < 0.06:
        return step | {"rounding": "exact"}
    elif r.random() < 0.6:
        step["rounding"] = r.choice([*ROUNDINGS, *ALIASES])
    if not fmt.is_integer and r.random() < 0.3:
        step["ftz"] = r.choice(["off", "before_rounding", "after_rounding", "result"])
    return step


def constants(r: Random, lengths: list[int]) -> Any:
    """A number or, where some length is allowed, a list of them."""
    if not lengths or r.random() < 0.7:
        return r.choice(CONSTANTS)
    return [r.choice(CONSTANTS) for _ in range(r.choice(lengths))]


def step(r: Random, spec: formats.Spec | None, factors: list[str], lengths: list[int]) -> dict[str, Any]:
    """One step: some of multiply, add and cast."""
    made: dict[str, Any] = {}
    if factors and r.random() < 0.5:
        made["multiply"] = r.choice(factors)
    elif r.random() < 0.2:
        made["multiply"] = constants(r, lengths)
    if r.random() < 0.15:
        made["add"] = constants(r, lengths)
    if spec is not None and (r.random() < 0.8 or not made):
        made |= cast(r, spec)
    return made or {"multiply": 1}


def pipe(r: Random, factors: tuple[str, ...] = (), lengths: tuple[int, ...] = ()) -> Any:
    """A pipe: one step as a table, or a list of up to three. `lengths`: those that a list of constants may have."""
    count = r.choice([1, 1, 1, 2, 3])
    steps = [
        step(r, formats.target(r) if r.random() < 0.8 else None, list(factors), list(lengths)) for _ in range(count)
    ]
    return steps[0] if count == 1 and r.random() < 0.7 else steps


def feedback(r: Random) -> Any:
    """The result of a level: almost always one cast to an accumulator format."""
    if r.random() < 0.15:
        return pipe(r)
    spec = r.choice(
        ["float32", "float16", "bfloat16", "e8m13", "dlfloat16", "float64", formats.target(r), formats.target(r)]
    )
    return cast(r, spec)
