"""emu: hardware-accurate, bit-level numeric emulation of AI accelerators.

Everything is imported when it is first used, so that `import emu` is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emu.accelerators import Accelerator, load_accelerator
    from emu.deviation.run import Replay, replay
    from emu.errors import EmuError, FormatError, ModelError, OverflowRaised, SpecError
    from emu.formats import Format, NanTo, Overflow, Rounding, load_format
    from emu.formats.codes import as_dtype
    from emu.layers.matrix import matmul
    from emu.units import Events, Unit, load_unit

_WHERE = {
    "Accelerator": "emu.accelerators",
    "load_accelerator": "emu.accelerators",
    "EmuError": "emu.errors",
    "FormatError": "emu.errors",
    "ModelError": "emu.errors",
    "OverflowRaised": "emu.errors",
    "SpecError": "emu.errors",
    "Format": "emu.formats",
    "NanTo": "emu.formats",
    "Overflow": "emu.formats",
    "Rounding": "emu.formats",
    "load_format": "emu.formats",
    "as_dtype": "emu.formats.codes",
    "matmul": "emu.layers.matrix",
    "Replay": "emu.deviation.run",
    "replay": "emu.deviation.run",
    "Events": "emu.units",
    "Unit": "emu.units",
    "load_unit": "emu.units",
}

__all__ = [  # noqa: RUF022 (in the order of _WHERE)
    "Accelerator", "load_accelerator", "EmuError", "FormatError", "ModelError", "OverflowRaised",
    "SpecError", "Format", "NanTo", "Overflow", "Rounding", "load_format", "as_dtype", "matmul", "Replay", "replay",
    "Events", "Unit", "load_unit", "__version__",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from emu._version import emu_version

        return emu_version()
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'emu' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
