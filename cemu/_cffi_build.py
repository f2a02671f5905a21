"""Defines the cffi module `cemu._cemu`; the header is the only source of its declarations."""

from pathlib import Path

from cffi import FFI

HEADER = Path(__file__).parent / "include" / "cemu.h"


def declarations(header: str) -> str:
    """The part of the header between its cdef marks, without what cffi's parser does not know."""
    body = header.split("/* cdef-begin */")[1].split("/* cdef-end */")[0]
    return body.replace("CEMU_API ", "")


ffibuilder = FFI()
ffibuilder.cdef(declarations(HEADER.read_text(encoding="utf-8")))
ffibuilder.set_source("cemu._cemu", '#include "cemu.h"', py_limited_api=True)
