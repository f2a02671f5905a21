"""Defines the cffi module `cemu._cemu`; the headers are the only source of its declarations."""

from pathlib import Path

from cffi import FFI

INCLUDE = Path(__file__).parent / "include"
HEADERS = sorted(path.name for path in INCLUDE.glob("*.h"))  # cemu.h, cemu_plan.h, ..., each after what it includes


def declarations(header: str) -> str:
    """The part of the header between its cdef marks, without what cffi's parser does not know."""
    body = header.split("/* cdef-begin */")[1].split("/* cdef-end */")[0]
    return body.replace("CEMU_API ", "")


ffibuilder = FFI()
for name in HEADERS:
    ffibuilder.cdef(declarations((INCLUDE / name).read_text(encoding="utf-8")))
ffibuilder.set_source("cemu._cemu", "\n".join(f'#include "{name}"' for name in HEADERS), py_limited_api=True)
