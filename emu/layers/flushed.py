"""Events of a layer as a whole: subnormal operand elements that the unit takes for zero are counted once per element.

A unit counts `flushed_in` in the arrays that it is given, which are tiles: B comes with each of them, and a
convolution's rows hold copies. So that count of a and b is made here, from the source and B; all other events happen
at a use or at a result, and tiles add up.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emu.formats import EventKind
from emu.formats.codes import as_codes
from emu.formats.enums import Daz, Subnormals
from emu.units.events import Events
from emu.units.stages import OPERAND

if TYPE_CHECKING:
    from emu.units import Unit
    from emu.units.form import Operand


def no_events(unit: Unit) -> Events:
    """Zero everywhere."""
    return Events.none(unit.form.stages, 0)


def flushed_in(operand: Operand, codes: NDArray[Any]) -> int:
    """How many elements `daz` takes for zero although they are not: exponent field 0, mantissa field not 0."""
    fmt = operand.format
    if operand.daz is Daz.OFF or fmt.subnormals is not Subnormals.GRADUAL:
        return 0
    words = as_codes(codes, fmt) >> np.uint64(fmt.ignored_low_bits)
    magnitude = words & np.uint64((1 << fmt.field_bits) - 1)
    return int(np.count_nonzero((magnitude != 0) & (magnitude < np.uint64(1 << fmt.man_bits))))


def with_flushed_in(events: Events, count: int) -> Events:
    """The events with this count of flushed operands."""
    counts = events.counts.copy()
    counts[OPERAND, EventKind.FLUSHED_IN.code] = count
    return replace(events, counts=counts)
