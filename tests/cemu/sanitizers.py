"""cemu's sources, compiled with the address and undefined-behaviour sanitizers, which stop at the first finding.

The flags are those of cemu/CMakeLists.txt but for the optimisation; plan kernels are compiled for every instruction set
that the compiler knows. Objects are made once, by whichever process of a test run comes first, and serve C programs and
a Python extension module. Accesses are checked by calls, not inline: the same checks, and the large kernels compile in
less than half the time.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
CEMU = HERE.parents[1] / "cemu"
FLAGS = [
    "-std=gnu11", "-O1", "-g1", "-fPIC", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror",
    "-fsanitize=address,undefined", "-fno-sanitize-recover=all", f"-I{CEMU / 'include'}",
    "--param", "asan-instrumentation-with-call-threshold=0",
]  # fmt: skip
WORKERS = 2


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """One process at a time: the folder is shared by all processes of a test run."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def gcc(*arguments: object) -> None:
    """Run the compiler; it must have nothing to say."""
    done = subprocess.run(["gcc", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr


def levels() -> tuple[str, ...]:
    """The instruction sets that plan kernels are compiled for."""
    command = ["gcc", "-march=x86-64-v4", "-E", "-x", "c", "/dev/null"]
    known = subprocess.run(command, capture_output=True, check=False).returncode == 0
    return ("base", "v3", "v4") if known else ("base",)


class Sanitized:
    """Objects of cemu, and what is linked with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.levels = levels()
        self.lock = folder / "lock"
        jobs = [(source, level) for source in sorted((CEMU / "src").rglob("*.c")) for level in self._levels_of(source)]
        with alone(self.lock), ThreadPoolExecutor(WORKERS) as pool:
            self.objects = list(pool.map(lambda job: self._object(*job), jobs))

    def program(self, name: str) -> Path:
        """A program of this folder: NAME.c, or all of NAME/*.c."""
        out = self.folder / name
        one = HERE / f"{name}.c"
        with alone(self.lock):
            if not out.exists():
                gcc(*FLAGS, *([one] if one.exists() else sorted((HERE / name).glob("*.c"))), *self.objects, "-o", out)
        return out

    def module(self) -> Path:
        """The extension module `cemu._cemu`."""
        source, out = self.folder / "_cemu.c", self.folder / "_cemu.so"
        make = [sys.executable, "-m", "cffi.gen_src", "exec-python", str(CEMU / "_cffi_build.py"), str(source)]
        python = f"-I{sysconfig.get_path('include')}"
        with alone(self.lock):
            if not out.exists():
                subprocess.run(make, check=True)
                gcc(*FLAGS, "-Wno-error", "-w", python, "-shared", source, *self.objects, "-o", out)
        return out

    def _levels_of(self, source: Path) -> tuple[str, ...]:
        return self.levels if source.match("plans/*_kernel.c") else ("base",)

    def _object(self, source: Path, level: str) -> Path:
        out = self.folder / f"{source.parent.name}_{source.stem}_{level}.o"
        chosen = [] if level == "base" else [f"-march=x86-64-{level}", "-mprefer-vector-width=512"]
        several = ["-DCEMU_HAS_LEVELS"] if len(self.levels) > 1 else []
        if out.exists():
            return out
        gcc(*FLAGS, *several, *chosen, f"-DCEMU_ISA={level}", "-c", source, "-o", out)
        return out
