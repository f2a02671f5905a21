"""What a cost is: parts with gates, registers and energy, and the traffic to memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emu.costs.cells import Errors
from emu.formats.enums import Vocabulary


class PartKind(Vocabulary):
    """What a part of the datapath does."""

    OPERANDS = "operands"
    """registers that hold a and b, their scales and zero points"""
    DECODE = "decode"
    """from codes to significands and exponents: hidden bits, special values, tables, zero points, casts on entry"""
    MULTIPLIER = "multiplier"
    """significands times significands"""
    EXPONENT = "exponent add"
    """exponent plus exponent"""
    SCALE = "scales"
    """scales, weights and other factors in the datapath"""
    ALIGNMENT = "alignment"
    """the largest exponent, the distances to it, and the shifters"""
    ADDER = "adder"
    """the rows of the adder tree, and its carry-propagate adder"""
    ACCUMULATOR = "accumulator"
    """the adder's last row, that of the running sum, and its registers"""
    NORMALISER = "normaliser"
    """negation, leading-zero count, shifter and exponent of a result"""
    ROUNDING = "rounding"
    """sticky bits, increment, range; random bits"""
    OUTPUT = "output"
    """whatever is done once for a result: c on entry, output pipe, cast to d"""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a datapath."""

    kind: PartKind
    place: str
    """where in the unit: `a`, `product`, `level 0`, `output`"""
    gates: float
    """gate equivalents of logic, all instances"""
    register_bits: int
    area: float
    """gate equivalents with registers"""
    shared: float
    """the same, of logic only the share of time in which it works: the rest can serve other units"""
    energy: float
    """fJ for each MAC"""


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Bits to and from memory, with a tile of results held in the unit: an element of a serves a row of it."""

    tile: tuple[int, int]
    """rows and columns of results that share operands"""
    a_element: float
    """bits of one element of a, with its share of scales and zero points"""
    b_element: float
    d_element: float
    """bits of one result"""
    a: float
    """bits for each MAC"""
    b: float
    d: float

    @property
    def total(self) -> float:
        """Bits for each MAC."""
        return self.a + self.b + self.d


objectives: Mapping[str, str] = {
    "energy_per_mac": "fJ",
    "area_per_mac": "gate equivalents",
    "register_bits": "bits",
    "traffic_bits_per_mac": "bits",
}
"""What a study can weigh against error: attributes of `Cost`, and their units. Less is better in each."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a unit costs. Made by `emu.cost`."""

    name: str
    k: int
    """length of the dot products"""
    model: str
    error: Errors
    """stated relative errors of ratios"""
    macs_per_cycle: float
    parts: tuple[Part, ...]
    traffic: Traffic
    baseline: Cost | None = None
    notes: tuple[str, ...] = ()
    """what of this unit the model does not see"""

    @property
    def gates(self) -> float:
        """Gate equivalents of the whole unit, registers among them."""
        return sum(part.area for part in self.parts)

    @property
    def area_per_mac(self) -> float:
        """Gate equivalents for each MAC a cycle; what is idle at times is shared with other units."""
        return sum(part.shared for part in self.parts) / self.macs_per_cycle

    @property
    def energy_per_mac(self) -> float:
        """fJ, without memory."""
        return sum(part.energy for part in self.parts)

    @property
    def register_bits(self) -> int:
        """Bits of all registers of the unit."""
        return sum(part.register_bits for part in self.parts)

    @property
    def traffic_bits_per_mac(self) -> float:
        """Bits to and from memory."""
        return self.traffic.total

    @property
    def relative_energy(self) -> float | None:
        """Energy over the baseline's."""
        return None if self.baseline is None else self.energy_per_mac / self.baseline.energy_per_mac

    @property
    def relative_area(self) -> float | None:
        """Area for each MAC over the baseline's."""
        return None if self.baseline is None else self.area_per_mac / self.baseline.area_per_mac

    def of(self, kind: PartKind) -> tuple[float, float, int]:
        """Gate equivalents for each MAC, energy for each MAC and register bits of all parts of a kind."""
        parts = [part for part in self.parts if part.kind is kind]
        bits = sum(part.register_bits for part in parts)
        area = sum(part.shared for part in parts) / self.macs_per_cycle
        return area, sum(part.energy for part in parts), bits

    def as_json(self) -> dict[str, Any]:
        """All figures as plain data."""
        return {
            "name": self.name, "k": self.k, "model": self.model,
            "error": {name: getattr(self.error, name) for name in self.error.__struct_fields__},
            "macs_per_cycle": self.macs_per_cycle, "gates": self.gates,
            **{name: getattr(self, name) for name in objectives},
            "baseline": None if self.baseline is None else self.baseline.name,
            "relative_energy": self.relative_energy, "relative_area": self.relative_area,
            "parts": [
                {"kind": part.kind.value, "place": part.place, "gates": part.gates, "area": part.area,
                 "shared_area": part.shared,
                 "register_bits": part.register_bits, "energy_per_mac": part.energy}
                for part in self.parts
            ],
            "traffic": {
                "tile": list(self.traffic.tile), "a_bits_per_element": self.traffic.a_element,
                "b_bits_per_element": self.traffic.b_element, "d_bits_per_element": self.traffic.d_element,
                "a": self.traffic.a, "b": self.traffic.b, "d": self.traffic.d,
            },
            "notes": list(self.notes),
        }  # fmt: skip
