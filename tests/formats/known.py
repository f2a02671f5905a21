"""The built-in formats, and which of them other libraries know."""

from __future__ import annotations

from emu import load_format
from emu.formats.blocks import block_names
from emu.formats.enums import FormatKind, Subnormals
from emu.formats.model import Format
from emu.spec import builtin_names
from tests.oracle.codes import Format as OracleFormat
from tests.oracle.support import formats

ALL = tuple(
    name for name in builtin_names("formats")
    if name not in block_names() and load_format(name).kind is not FormatKind.CODEBOOK
)  # fmt: skip
"""The formats that the executor of units reads: tests/oracle/scalar knows the others."""
SMALL = [name for name in ALL if load_format(name).bits <= 8]
TARGETS = [
    name for name in (*ALL, "int4", "int6", "int8", "uint5", "e3m5", "e5m6")
    if load_format(name).bits <= 16 and load_format(name).kind is not FormatKind.LOG
    and load_format(name).subnormals is not Subnormals.NONE
]  # fmt: skip
"""Formats of at most 16 bits with a regular grid, as table_oracle.py reads it; tests/oracle/scalar knows the others."""
ML_DTYPES = (
    "bfloat16", "float4_e2m1fn", "float6_e2m3fn", "float6_e3m2fn", "float8_e3m4", "float8_e4m3", "float8_e4m3fn",
    "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
)  # fmt: skip
GFLOAT = {
    "bfloat16": "format_info_bfloat16", "float16": "format_info_binary16", "float4_e2m1fn": "format_info_ocp_e2m1",
    "float6_e2m3fn": "format_info_ocp_e2m3", "float6_e3m2fn": "format_info_ocp_e3m2",
    "float8_e4m3fn": "format_info_ocp_e4m3", "float8_e5m2": "format_info_ocp_e5m2",
    "float8_e8m0fnu": "format_info_ocp_e8m0",
}  # fmt: skip


def oracle_format(fmt: Format) -> OracleFormat:
    """The same format, as the independent executor reads it."""
    return formats().get(fmt.name)
