"""Where Numba keeps the compiled kernels.

Numba notices a change of the file that holds a kernel, but not of a file that it calls into: an edited helper would
leave the old result. So the cache folder is named by a hash of all kernel sources and of Numba's version. The setting
is Numba's own and global; it is put back as soon as the kernels are declared.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emu.cache import cache_folder


def sources_hash() -> str:
    """A short hash of every kernel source, of what they take constants from, and of Numba's version."""
    here = Path(__file__).parent
    units, formats = here.parent / "units", here.parent / "formats"
    files = sorted([*here.glob("*.py"), *(units / "kernels").glob("*.py")])
    files += [units / "tables.py", units / "enums.py", units / "events.py", here.parent / "arithmetic" / "pipe.py"]
    files += [formats / "tables.py", formats / "enums.py", formats / "grid.py", here.parent / "operations" / "enums.py"]
    files.append(here.parent / "operations" / "kernel.py")
    return _hash(files)


def plan_sources_hash() -> str:
    """The same of the kernels of plans (emu/kernels/plans), which call into no others: an edited one does not cost a
    minute for the general kernel.
    """
    here = Path(__file__).parent
    return _hash([*sorted((here / "plans").glob("*.py")), here.parent / "formats" / "enums.py"])


def _hash(files: list[Path]) -> str:
    import numba

    digest = hashlib.sha256(numba.__version__.encode())
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def cache_root() -> Path:
    """The folder for compiled kernels.

    Raises:
        OSError: neither the user's cache nor the temporary folder can be written.
    """
    folder = cache_folder("numba")
    if folder is None:
        raise OSError(
            "no folder for compiled kernels can be written: neither the user's cache nor the temporary folder"
        )
    return folder


_DECLARING = threading.RLock()


@contextmanager
def kernel_cache(sources: Callable[[], str] = sources_hash) -> Iterator[None]:
    """Within this, Numba puts what it compiles into the folder of these very sources.

    Only one thread is within: the folder is a setting of the whole process.
    """
    from numba.core import config

    with _DECLARING:
        yield from _redirected(vars(config), sources())


def _redirected(settings: dict[str, Any], sources: str) -> Iterator[None]:
    before = settings["CACHE_DIR"]
    settings["CACHE_DIR"] = str(cache_root() / sources)
    try:
        yield
    finally:
        settings["CACHE_DIR"] = before
