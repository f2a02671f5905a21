"""What is compared with silicon: every instruction that emu computes, the probes that run it, and in which modes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from itertools import product

from emu.formats.load import load_format
from emu.formats.model import Format
from emu.functions import load_function
from emu.units import load_unit
from emu.verify.instructions import ROUNDINGS, Instruction, instructions
from emu.verify.silicon import baseline
from emu.verify.silicon.probes import DAZ, FTZ, MODES, State, state


class Layout(Enum):
    """How operands of many patterns are laid out."""

    GRID = "rows of a times columns of b"
    """of a dot product: every row meets every column, with an accumulator of its own"""
    LANES = "arrays"
    TILES = "tiles"


@dataclass(frozen=True, kw_only=True)
class Target:
    """One instruction in one rounding."""

    name: str
    instruction: Instruction
    layout: Layout
    k: int
    """products of one dot product; 0: elementwise"""
    probes: tuple[str, ...]
    """the forms of the instruction, all of which must give the same bits"""
    modes: tuple[int, ...]
    """modes that must all give the same bits: rounding, and DAZ and FTZ, which most instructions do not heed"""

    @property
    def group(self) -> str:
        """The row of the table."""
        return self.name.partition(".")[0]

    @property
    def computed_by(self) -> str:
        """What of emu is compared."""
        return self.instruction.computed_by

    @property
    def formats(self) -> tuple[Format, ...]:
        """Of the operands."""
        return tuple(load_format(name) for name in self.instruction.operands)

    @property
    def result(self) -> Format:
        """Format of the result."""
        return load_format(self.instruction.result)

    def prepare(self) -> None:
        """Load unit and formats."""
        _ = self.formats, self.result
        if self.instruction.unit is not None:
            load_unit(self.instruction.unit)
        if self.instruction.function is not None:
            load_function(self.instruction.function).table()

    @property
    def available(self) -> tuple[str, ...]:
        """The probes that run here."""
        return tuple(probe for probe in self.probes if state(probe) is State.AVAILABLE)

    @property
    def why_absent(self) -> str:
        """Why none runs here."""
        return state(self.probes[0]).value


BOTH_FORMS = ("", "_VEX")
VNNI = ("vpdpbusd", "vpdpbusds", "vpdpwssd", "vpdpwssds")
FMA32 = ("vfmadd231ps", "vfmadd213ps", "vfmadd132ps", "vfmaddps")
ALL_FORMS = ("", "_VEX", "_SSE")
FMA64 = ("vfmadd231pd", "vfmadd213pd", "vfmadd132pd")
BASELINE = tuple(dict.fromkeys(name.partition(".")[0] for name in baseline.instructions()))
FORMS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(BASELINE, ALL_FORMS),
    **dict.fromkeys((*VNNI, "vpmaddubsw", "vpmaddwd", *FMA32, "vcvtph2ps"), BOTH_FORMS),
    "vfmaddpd": BOTH_FORMS,
    "vcvtps2ph": ("", "_VEX", "_MXCSR"),
}
"""By mnemonic; others have one form"""
PROBE_NAMES: dict[str, tuple[str, ...]] = {
    "vfmaddps": ("vfmadd231ps",),
    "vfmaddph": ("vfmadd231ph",),
    "vfmaddpd": FMA64,
}
"""of instructions that have other names there"""
HEED_ALL = (*FMA32, *(name for name, *_ in baseline.MXCSR))
"""MXCSR.DAZ and MXCSR.FTZ change their results"""
HEED_DAZ = ("vcvtps2ph", "cvtps2dq")
ROUND_ALWAYS_ALIKE = ("vdpbf16ps", "vcvtneps2bf16", "vcvtne2ps2bf16", "vcvtph2ps", "tdpbf16ps", "vrcpph", "vrsqrtph")
"""No mode changes their results"""
HEED_DAZ_ALONE = ("cvttps2dq", "cvtps2pd")
"""Nor does rounding, nor FTZ"""


def targets(only: tuple[str, ...] = ()) -> list[Target]:
    """All targets, or those whose name matches one of some patterns; those of one instruction follow each other."""
    found = [
        _target(name, instruction)
        for name, instruction in (instructions() | _more_orders() | baseline.instructions()).items()
    ]
    at = [target.name for target in found].index("vcvtneps2bf16")
    found.insert(at + 1, _target("vcvtne2ps2bf16", instructions()["vcvtneps2bf16"]))
    first = {target.group: i for i, target in reversed([*enumerate(found)])}
    found.sort(key=lambda target: first[target.group])
    return [target for target in found if not only or any(fnmatchcase(target.name, glob) for glob in only)]


def _more_orders() -> dict[str, Instruction]:
    """Units beside those of `instructions`: the other orders of fused multiply-adds, DAZ and FTZ in every rounding."""
    out: dict[str, tuple[str, str]] = {}
    for order, rounding in product(("231", "213", "132"), ROUNDINGS):
        for mode in ("", ".daz", ".ftz", ".daz.ftz"):
            out[f"vfmadd{order}ps.{rounding}{mode}"] = ("fma", "float32")
        out[f"vfmadd{order}ph.{rounding}"] = ("avx512_fp16", "float16")
    return {
        name: Instruction(
            name=name, feature=feature, unit=f"intel-avx512:{name}", operands=(fmt,) * 3, result=fmt
        )
        for name, (feature, fmt) in out.items()
        if name not in instructions()
    }  # fmt: skip


def _target(name: str, instruction: Instruction) -> Target:
    mnemonic, *details = name.split(".")
    names = [one.upper() for one in PROBE_NAMES.get(mnemonic, (mnemonic,))]
    layout = Layout.LANES if instruction.unit is None else Layout.TILES if name.startswith("tdp") else Layout.GRID
    k = 0
    if layout is Layout.GRID:
        k = load_format(instruction.result).bits // load_format(instruction.operands[0]).bits
    return Target(
        name=name, instruction=instruction, layout=layout, k=k, modes=_modes(mnemonic, details),
        probes=tuple(one + form for one, form in product(names, FORMS.get(mnemonic, ("",)))),
    )  # fmt: skip


def _modes(mnemonic: str, details: list[str]) -> tuple[int, ...]:
    if mnemonic in ROUND_ALWAYS_ALIKE:
        return tuple(range(MODES))
    if mnemonic in HEED_DAZ_ALONE:
        return tuple(mode for mode in range(MODES) if bool(mode & DAZ) is ("daz" in details))
    rounding = next((ROUNDINGS.index(detail) for detail in details if detail in ROUNDINGS), 0)
    asked = rounding | (DAZ if "daz" in details else 0) | (FTZ if "ftz" in details else 0)
    if mnemonic in HEED_ALL:
        return (asked,)
    if mnemonic in HEED_DAZ:
        return (asked, asked | FTZ)
    return (asked, asked | DAZ, asked | FTZ, asked | DAZ | FTZ)
