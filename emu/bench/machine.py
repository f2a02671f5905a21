"""The machine that a benchmark ran on, and running on one of its cores."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_info

from emu.units.blas import blas_threads


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What figures depend on."""

    processor: str
    isa: str
    """the instruction set that plan kernels use"""
    cores: int
    avx512: bool
    vnni: bool
    fp16: bool
    """AVX512-FP16"""
    amx: bool
    blas: str
    numpy: str
    python: str
    emu: str

    def line(self) -> str:
        """All of it in one line."""
        has = [name for name, here in (("VNNI", self.vnni), ("AVX512-FP16", self.fp16), ("AMX", self.amx)) if here]
        return "; ".join([
            self.processor, f"kernels {self.isa}", ", ".join(has) or "no VNNI, AVX512-FP16, AMX",
            f"{self.cores} cores, one used", f"BLAS {self.blas}", f"numpy {self.numpy}", f"Python {self.python}",
            f"emu {self.emu}",
        ])  # fmt: skip


def this_machine() -> Machine:
    """The machine that this runs on."""
    from emu._version import emu_version
    from emu.formats.isa import Isa, best_isa
    from emu.verify.silicon.probes import State, processor, state

    isa = best_isa()
    return Machine(
        processor=processor() or platform.machine(), isa=isa.value, cores=len(_cores()), avx512=isa is Isa.V4,
        vnni=state("VPDPBUSD") is State.AVAILABLE or state("VPDPBUSD_VEX") is State.AVAILABLE,
        fp16=state("VADDPH") is State.AVAILABLE, amx=state("TDPBSSD") is State.AVAILABLE,
        blas=_blas(), numpy=np.__version__, python=platform.python_version(), emu=emu_version(),
    )  # fmt: skip


def _blas() -> str:
    found = [
        f"{x['internal_api']} {x['version']} {x.get('architecture', '')}"
        for x in threadpool_info()
        if x["user_api"] == "blas"
    ]
    return found[0].strip() if found else "unknown"


def _cores() -> set[int]:
    return set(os.sched_getaffinity(0))


@contextlib.contextmanager
def cores(count: int) -> Iterator[None]:
    """Run on so many cores: emu takes as many threads as it may use cores, and so does BLAS."""
    before = _cores()
    os.sched_setaffinity(0, set(sorted(before)[-count:]))
    try:
        with blas_threads(count):
            yield
    finally:
        os.sched_setaffinity(0, before)
