"""Where a result comes from: enough to run it again, and to judge whether the same bits are to be expected.

* The emulated bits depend on the model, the inputs, the mode, the accelerator and the semantics version, and
  on nothing else. `emu.deviation.expect` says which of them must be equal before bits are compared.
* The machine, the backend and the library versions are recorded because the *truth* may depend on them (BLAS
  and onnxruntime sum in their own order), and times do.
* Nothing here names the host or the user.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Versions and machine of one run."""

    emu_version: str
    semantics_version: int
    created: str
    """UTC, ISO 8601, to the second"""
    cpu: str
    cpus: int
    """logical processors that this process may use"""
    system: str
    """operating system and architecture"""
    python: str
    numpy: str
    onnx: str
    onnxruntime: str


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's model name as the system tells it, else its architecture."""
    try:
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    except OSError:
        pass  # no such file outside Linux
    return platform.processor() or platform.machine() or "unknown"


def here(*, emu_version: str, semantics_version: int, created: str) -> Provenance:
    """The provenance of a run on this machine.

    Args:
        emu_version: version of the distribution.
        semantics_version: version of the meaning of released units (DESIGN section 4, bits over time).
        created: when the run ended, UTC.
    """
    import os

    return Provenance(
        emu_version=emu_version,
        semantics_version=semantics_version,
        created=created,
        cpu=cpu_name(),
        cpus=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        numpy=_version("numpy"),
        onnx=_version("onnx"),
        onnxruntime=_version("onnxruntime"),
    )


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"
