"""emu: hardware-accurate, bit-level numeric emulation of AI accelerators.

Everything is imported when it is first used, so that `import emu` is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emu.accelerators import Accelerator, load_accelerator
    from emu.arithmetic.random import Lfsr, Philox
    from emu.costs import Cost, cost
    from emu.deviation.run import Replay, replay
    from emu.errors import EmuError, FormatError, ModelError, OverflowRaised, SpecError
    from emu.formats import Format, NanTo, Overflow, Rounding
    from emu.formats.blocks import Blocked, BlockFormat
    from emu.formats.codes import as_dtype
    from emu.formats.public import load_format
    from emu.functions import (
        FunctionUnit,
        cos,
        erf,
        exp,
        exp2,
        gelu,
        load_function,
        log,
        log2,
        recip,
        rsqrt,
        sigmoid,
        silu,
        sin,
        tanh,
    )
    from emu.layers.matrix import matmul
    from emu.operations import (
        add,
        cast,
        div,
        equal,
        fma,
        less,
        less_equal,
        maximum,
        maximum_number,
        minimum,
        minimum_number,
        mul,
        next_down,
        next_up,
        remainder,
        round_to_integral,
        sqrt,
        sub,
        total_order,
    )
    from emu.studies import Study, load_results, load_study
    from emu.units import Events, Unit, load_unit

_WHERE = {
    "Accelerator": "emu.accelerators",
    "load_accelerator": "emu.accelerators",
    "Cost": "emu.costs",
    "cost": "emu.costs",
    "EmuError": "emu.errors",
    "FormatError": "emu.errors",
    "ModelError": "emu.errors",
    "OverflowRaised": "emu.errors",
    "SpecError": "emu.errors",
    "BlockFormat": "emu.formats.blocks",
    "Blocked": "emu.formats.blocks",
    "Format": "emu.formats",
    "NanTo": "emu.formats",
    "Overflow": "emu.formats",
    "Rounding": "emu.formats",
    "load_format": "emu.formats.public",
    "as_dtype": "emu.formats.codes",
    "matmul": "emu.layers.matrix",
    "Replay": "emu.deviation.run",
    "replay": "emu.deviation.run",
    "Study": "emu.studies",
    "load_study": "emu.studies",
    "load_results": "emu.studies",
    "Events": "emu.units",
    "Unit": "emu.units",
    "load_unit": "emu.units",
    "FunctionUnit": "emu.functions",
    "load_function": "emu.functions",
    "cos": "emu.functions",
    "erf": "emu.functions",
    "exp": "emu.functions",
    "exp2": "emu.functions",
    "gelu": "emu.functions",
    "log": "emu.functions",
    "log2": "emu.functions",
    "recip": "emu.functions",
    "rsqrt": "emu.functions",
    "sigmoid": "emu.functions",
    "silu": "emu.functions",
    "sin": "emu.functions",
    "tanh": "emu.functions",
    "Lfsr": "emu.arithmetic.random",
    "Philox": "emu.arithmetic.random",
    "add": "emu.operations",
    "sub": "emu.operations",
    "mul": "emu.operations",
    "div": "emu.operations",
    "fma": "emu.operations",
    "sqrt": "emu.operations",
    "remainder": "emu.operations",
    "round_to_integral": "emu.operations",
    "cast": "emu.operations",
    "equal": "emu.operations",
    "less": "emu.operations",
    "less_equal": "emu.operations",
    "total_order": "emu.operations",
    "minimum": "emu.operations",
    "maximum": "emu.operations",
    "minimum_number": "emu.operations",
    "maximum_number": "emu.operations",
    "next_up": "emu.operations",
    "next_down": "emu.operations",
}

__all__ = [  # noqa: RUF022 (in the order of _WHERE)
    "Accelerator", "load_accelerator", "Cost", "cost", "EmuError", "FormatError", "ModelError", "OverflowRaised",
    "SpecError", "BlockFormat", "Blocked", "Format", "NanTo", "Overflow", "Rounding", "load_format", "as_dtype",
    "matmul", "Replay", "replay", "Study", "load_study", "load_results",
    "Events", "Unit", "load_unit", "FunctionUnit", "load_function",
    "cos", "erf", "exp", "exp2", "gelu", "log", "log2", "recip", "rsqrt", "sigmoid", "silu", "sin", "tanh",
    "Lfsr", "Philox",
    "add", "sub", "mul", "div", "fma", "sqrt", "remainder", "round_to_integral", "cast",
    "equal", "less", "less_equal", "total_order", "minimum", "maximum", "minimum_number", "maximum_number",
    "next_up", "next_down", "__version__",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from emu._version import emu_version

        return emu_version()
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    if name == "torch":
        return import_module("emu.torch")  # an extra: imported when it is asked for
    raise AttributeError(f"module 'emu' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
