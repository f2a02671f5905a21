"""cemu.h says what emu's vocabularies and table dtypes say: members in their order, structs field by field."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

import cemu
from cemu import ffi, lib
from emu.arithmetic.pipe import Factor
from emu.formats import enums as formats
from emu.formats import tables as format_tables
from emu.kernels.status import Status
from emu.operations import enums as operations
from emu.operations import tables as operation_tables
from emu.units import enums as units
from emu.units import stages, tables
from emu.units.plans.plan import Isa

HEADER = Path(__file__).parents[2] / "cemu" / "include" / "cemu.h"
HEADERS = (HEADER, HEADER.with_name("cemu_probe.h"))
PROBE = "CEMU_PROBE_"  # tests/verify/test_silicon_probes.py
PLAN_HEADERS = sorted((Path(__file__).parents[2] / "cemu" / "include").glob("cemu_plan_*.h"))
VOCABULARIES = {
    "FORMAT_KIND": formats.FormatKind, "SUBNORMALS": formats.Subnormals, "NAN_ENCODING": formats.NanEncoding,
    "NAN_TO": formats.NanTo, "INTEGER_ENCODING": formats.IntegerEncoding, "ROUNDING": formats.Rounding,
    "OVERFLOW": formats.Overflow, "FTZ": formats.Ftz, "DAZ": formats.Daz,
    "STOCHASTIC_VARIANT": formats.StochasticVariant, "TININESS": formats.Tininess,
    "OPERATION": operations.Operation, "NAN_STYLE": operations.NanStyle, "EVENT_KIND": formats.EventKind,
    "FACTOR": Factor, "START": units.Start, "ALIGN_TO": units.AlignTo,
    "ZERO_SIGN": units.ZeroSign, "NAN_RULE": units.NanRule, "NAN_ORDER": units.NanOrder,
    "PRODUCT_EXPONENT": units.ProductExponent, "ISA": Isa,
}  # fmt: skip
STRUCTS = {
    "cemu_operation": operation_tables.OPERATION, "cemu_format": format_tables.FORMAT,
    "cemu_point": format_tables.POINT,
    "cemu_cast": format_tables.CAST, "cemu_constant": tables.CONSTANT,
    "cemu_step": tables.STEP, "cemu_pipe": tables.PIPE, "cemu_level": tables.LEVEL, "cemu_operand": tables.OPERAND,
    "cemu_per_block": tables.PER_BLOCK, "cemu_unit": tables.UNIT,
}  # fmt: skip
RANKS = {
    "NAN": format_tables.RANK_NAN, "INFINITY": format_tables.RANK_INFINITY,
    "NEGATIVE_INFINITY": format_tables.RANK_NEGATIVE_INFINITY, "NEGATIVE_ZERO": format_tables.RANK_NEGATIVE_ZERO,
}  # fmt: skip
STAGES = {
    "OPERAND": stages.OPERAND,
    "SCALE": stages.SCALE,
    "PRODUCT": stages.PRODUCT,
    "FIRST_LEVEL": stages.FIRST_LEVEL,
}


def constants() -> dict[str, int]:
    own = (PROBE, *(f"CEMU_{path.stem.removeprefix('cemu_plan_').upper()}_" for path in PLAN_HEADERS))
    return {name: getattr(lib, name) for name in dir(lib) if name.startswith("CEMU_") and not name.startswith(own)}


@pytest.mark.parametrize("prefix", VOCABULARIES)
def test_enum_members(prefix):
    members = {f"CEMU_{prefix}_{member.name}": member.code for member in VOCABULARIES[prefix]}
    assert {name: value for name, value in constants().items() if name in members} == members


def test_the_header_has_no_other_enum():
    known = {f"CEMU_{prefix}_{member.name}" for prefix, kind in VOCABULARIES.items() for member in kind}
    known |= {f"CEMU_{member.name}" for member in Status} | {f"CEMU_STAGE_{name}" for name in STAGES}
    known |= {f"CEMU_RANK_{name}" for name in RANKS} | {"CEMU_NO_ISA"}
    assert set(constants()) - known == {"CEMU_EVENT_KINDS"}
    assert len(formats.EventKind) == lib.CEMU_EVENT_KINDS == stages.KINDS


def test_status_stages_and_ranks():
    assert {f"CEMU_RANK_{name}": value for name, value in RANKS.items()}.items() <= constants().items()
    assert {f"CEMU_{member.name}": member.code for member in Status}.items() <= constants().items()
    assert {f"CEMU_STAGE_{name}": value for name, value in STAGES.items()}.items() <= constants().items()


def same_layout(kind, dtype: np.dtype) -> None:
    """The struct has the dtype's fields, at their offsets, all int64."""
    assert [name for name, _ in kind.fields] == list(dtype.names)
    assert ffi.sizeof(kind) == dtype.itemsize
    for name, field in kind.fields:
        inner, offset = dtype.fields[name][:2]
        assert field.offset == offset, name
        if field.type.kind == "struct":
            same_layout(field.type, inner)
        else:
            assert (field.type.cname, inner) == ("int64_t", np.dtype(np.int64)), name


@pytest.mark.parametrize("name", STRUCTS)
def test_struct_fields(name):
    same_layout(ffi.typeof(name), STRUCTS[name])


def test_the_installed_header_and_library():
    assert cemu.isa() in ("x86-64-v4", "x86-64-v3", "x86-64", "generic")
    assert cemu.library_path().is_file()
    assert re.fullmatch(r"\d+\.\d+\.\d+.*|unknown", ffi.string(lib.cemu_version()).decode())
    symbols = subprocess.run(
        ["nm", "-D", "--defined-only", cemu.library_path()], capture_output=True, text=True, check=True
    )
    exported = {line.split()[-1] for line in symbols.stdout.splitlines()}
    assert {name for name in exported if name.startswith("cemu_")} == {
        "cemu_cast_codes", "cemu_isa", "cemu_matmul", "cemu_matmul_many", "cemu_operate", "cemu_version",
        "cemu_probe_available", "cemu_probe_flags", "cemu_probe_run", "cemu_probe_tiles", "cemu_isa_level",
        *(name for name in exported if name.startswith("cemu_plan_")),
    }  # fmt: skip
    text = "".join(header.read_text(encoding="utf-8") for header in HEADER.parent.glob("*.h"))
    declared = set(re.findall(r"CEMU_API [\w ]+\*?(cemu_\w+)\(", text))
    assert declared == {name for name in exported if name.startswith("cemu_")}


def test_no_fused_or_reassociated_arithmetic():
    build = (HEADER.parents[1] / "CMakeLists.txt").read_text(encoding="utf-8")
    assert "-ffp-contract=off" in build
    assert not re.search(r"^[^#]*(-ffast-math|-Ofast)", build, re.MULTILINE)
    machines = re.findall(r"-march=\S+", build)  # of plan kernels, which are chosen at run time
    assert machines
    assert all(name.startswith("-march=x86-64-") for name in machines)
    assert "target_compile_options(cemu_objects PRIVATE ${cemu_flags})" in build
