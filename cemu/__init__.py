"""cemu: the C library of emu, and where its header and shared library are.

`ffi` and `lib` are the cffi module's. `include_dir()` and `library_path()` serve C, SystemVerilog and ctypes users.
"""

from pathlib import Path

from cemu._cemu import ffi, lib

__all__ = ["ffi", "include_dir", "isa", "lib", "library_path"]


def _installed(relative: str) -> Path:
    """A file of the installed package; an editable install keeps built files apart from the sources."""
    import cemu._cemu as module

    for folder in (Path(__file__).parent, Path(module.__file__).parent):
        if (folder / relative).exists():
            return folder / relative
    raise FileNotFoundError(f"{relative} is not installed with cemu")


def include_dir() -> Path:
    """The folder that holds cemu.h."""
    return _installed("include")


def library_path() -> Path:
    """The plain C shared library libcemu.so."""
    return _installed("libcemu.so")


def isa() -> str:
    """The instruction set level of this machine."""
    return str(ffi.string(lib.cemu_isa()).decode())
