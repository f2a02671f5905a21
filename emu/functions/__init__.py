"""Elementary functions, correctly rounded, and function units: how hardware approximates them."""

from emu.functions.elementary import cos, erf, exp, exp2, gelu, log, log2, recip, rsqrt, sigmoid, silu, sin, tanh
from emu.functions.enums import Function
from emu.functions.unit import FunctionUnit, load_function

__all__ = [
    "Function", "FunctionUnit", "cos", "erf", "exp", "exp2", "gelu", "load_function", "log", "log2", "recip", "rsqrt",
    "sigmoid", "silu", "sin", "tanh",
]  # fmt: skip
