"""Accelerators for the tests, and what an accelerator's own layers make of a tensor."""

from __future__ import annotations

from typing import Any

FLOAT32 = {
    "name": "f32-exact",
    "operands": {"a": "float32", "b": "float32", "c": "float32", "d": "float32"},
    "level": [{}],
}
"""Exact sums, rounded once: as wide as a unit gets."""

WIDE: dict[str, Any] = {
    "name": "wide",
    "matrix": {"unit": FLOAT32, "activations": {"scheme": "cast"}, "weights": {"scheme": "cast"}},
}
"""Nothing is rounded where integers are small."""

NARROW = ("bf16-fma-f32", "hopper-fp8-promoted", "int8-int32", "blackwell-mxfp8")
"""Built-in accelerators of several kinds: no scales, scales per token and channel, integers, blocks."""

STOCHASTIC: dict[str, Any] = {
    "name": "stochastic",
    "matrix": {
        "unit": {
            "name": "sr",
            "operands": {"a": "float32", "b": "float32", "d": "float32"},
            "level": [{"start": "none", "result": {"format": "bfloat16", "rounding": "stochastic", "sr_bits": 8}}],
        },
        "activations": {"scheme": "cast"}, "weights": {"scheme": "cast"}, "seed": 7,
    },
}  # fmt: skip
"""A sum that is rounded by chance."""
