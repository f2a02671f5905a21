"""The probes in C: states, shapes, sanitizers; and the machine code of those that may not run here."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from cemu import lib
from emu.verify.silicon import probes
from emu.verify.silicon.probes import State

CEMU = Path(__file__).parents[2] / "cemu"
SOURCES = CEMU / "src" / "probe"
INCLUDE = [f"-I{CEMU / 'include'}", f"-I{SOURCES}"]
STRICT = ["-std=gnu11", "-g", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"]
SANITIZED = [*STRICT, "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
ARGUMENTS = {"rdi": "a", "rsi": "b", "rdx": "c"}


OTHERS = {
    "AVAILABLE", "NOT_COMPILED", "NO_CPU", "NO_OS", "BAD_ARGUMENT", "NEAREST", "DOWN", "UP", "ZERO", "DAZ", "FTZ",
    "MODES", "VECTORS", "COUNT",
}  # fmt: skip
"""Constants that are no probes"""


def constants() -> set[str]:
    return {name.removeprefix("CEMU_PROBE_") for name in dir(lib) if name.startswith("CEMU_PROBE_")}


def names() -> list[str]:
    """The probes by number."""
    numbers = {name: getattr(lib, f"CEMU_PROBE_{name}") for name in constants() - OTHERS}
    return sorted(numbers, key=numbers.__getitem__)


def gcc(*arguments: str | Path) -> None:
    done = subprocess.run(["gcc", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_probe_says_whether_it_can_run():
    assert [probes.number(name) for name in names()] == list(range(lib.CEMU_PROBE_COUNT))
    assert {lib.cemu_probe_available(i) for i in range(lib.CEMU_PROBE_COUNT)} <= {0, 1, 2, 3}
    assert [probes.state(name) for name in names()] == [
        list(State)[lib.cemu_probe_available(i)] for i in range(lib.CEMU_PROBE_COUNT)
    ]
    known = ("AVAILABLE", "NOT_COMPILED", "NO_CPU", "NO_OS")
    assert [getattr(lib, f"CEMU_PROBE_{name}") for name in known] == list(range(len(State)))
    assert [state.name for state in State] == list(known)
    assert (probes.DAZ, probes.FTZ, probes.MODES) == (
        lib.CEMU_PROBE_DAZ, lib.CEMU_PROBE_FTZ, lib.CEMU_PROBE_MODES,
    )  # fmt: skip


@pytest.mark.parametrize("n", [0, 1, 31, 100])
@pytest.mark.parametrize("name", names())
def test_an_absent_probe_does_nothing(name, n):
    if probes.state(name) is State.AVAILABLE or name.startswith("TDP"):
        return
    memory = np.zeros(4 * n + 4, np.uint8)
    with pytest.raises(AssertionError, match=r"status [123]"):
        probes.run_lanes(name, 0, [memory] * 3, memory, n)
    with pytest.raises(AssertionError, match=r"status [123]"):
        probes.run_flags(name, 0, [memory] * 3, n)
    assert not memory.any()


def test_sanitized(tmp_path):
    """Every probe that is here on every number of results, and the tiles on a machine in a signal handler."""
    renamed = tmp_path / "features.o"
    gcc(*SANITIZED, *INCLUDE, "-Dprobe_features=real_probe_features", "-c", SOURCES / "features.c", "-o", renamed)
    sources = [path for path in sorted(SOURCES.glob("*.c")) if path.stem != "features"]
    program = tmp_path / "probes"
    gcc(*SANITIZED, *INCLUDE, Path(__file__).with_name("silicon_probes.c"), renamed, *sources, "-o", program)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()[0], done.stderr) == (0, "passed:", ""), done.stdout + done.stderr


@pytest.mark.parametrize("flags", [["-O3"], ["-O0"], ["-O2", "-Wconversion", "-Wpedantic"]])
def test_no_warnings(tmp_path, flags):
    for source in SOURCES.glob("*.c"):
        gcc(*STRICT, *flags, *INCLUDE, "-c", source, "-o", tmp_path / "out.o")


def test_the_header_stands_alone(tmp_path):
    source = tmp_path / "use.c"
    source.write_text('#include "cemu_probe.h"\nint main(void) { return CEMU_PROBE_AVAILABLE; }\n', encoding="utf-8")
    gcc("-std=c11", *STRICT[3:], "-Wpedantic", f"-I{CEMU / 'include'}", source, "-o", tmp_path / "use")


def disassembled(name: str, folder: Path, optimisation: str) -> dict[str, list[str]]:
    """The instructions of every function of a source file."""
    out = folder / f"{name}.o"
    gcc(*STRICT, optimisation, *INCLUDE, "-c", SOURCES / f"{name}.c", "-o", out)
    command = ["objdump", "-d", "--no-show-raw-insn", "--no-addresses", str(out)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    parts = re.split(r"^<(\w+)>:$", text, flags=re.MULTILINE)[1:]
    return {
        function: [" ".join(line.split()) for line in body.splitlines() if line.strip()]
        for function, body in zip(parts[::2], parts[1::2], strict=True)
    }


def roles(lines: list[str], mnemonic: str) -> tuple[str, ...]:
    """Immediate or rounding of an instruction, then what its registers hold (AT&T order): a, a+64, b, c, result."""
    holds: dict[str, str] = {}
    for line in lines:
        load = re.match(r"v?mov(?:dq|up)\w+ (?:0x(\w+))?\(%(\w+)\),%([xyz]mm\d+)$", line)
        if load:
            holds[load[3]] = ARGUMENTS[load[2]] + (f"+{int(load[1], 16)}" if load[1] else "")
        found = re.match(rf"(?:\{{vex\}} )?{mnemonic} (.*)$", line)
        if found:
            *sources, destination = found[1].split(",")
            given = [holds.get(source.strip().lstrip("%"), source.strip()) for source in sources]
            return (*given, holds.get(destination.lstrip("%"), "result"))
    raise AssertionError(f"no {mnemonic} in {lines}")


TWO, THREE, ONE = ("b", "a"), ("b", "a", "c"), ("a",)
HALF = {
    "add": ("vaddph", TWO), "sub": ("vsubph", TWO), "mul": ("vmulph", TWO), "div": ("vdivph", TWO),
    "sqrt": ("vsqrtph", ONE), "fma": ("vfmadd231ph", THREE),
    "fma_213": ("vfmadd213ph", ("c", "a", "b")), "fma_132": ("vfmadd132ph", ("b", "c", "a")),
    "complex_mul": ("vfmulcph", TWO), "complex_fma": ("vfmaddcph", THREE),
    "conjugate_mul": ("vfcmulcph", TWO), "conjugate_fma": ("vfcmaddcph", THREE),
}  # fmt: skip


@pytest.mark.parametrize("optimisation", ["-O1", "-O3"])
def test_machine_code_of_float16(tmp_path, optimisation):
    """Which instruction, its rounding, and which operand is which: these decide rounding and the NaN that survives."""
    functions = disassembled("half", tmp_path, optimisation)
    if not functions:  # an old compiler: the probes say "not compiled in"
        assert probes.state("VADDPH") is not State.AVAILABLE
        return
    rounded = {f"{name}_{rounding}" for name in HALF for rounding in ("rn", "rd", "ru", "rz")}
    assert set(functions) == rounded | {"recip", "rsqrt"}
    for name, mnemonic in (("recip", "vrcpph"), ("rsqrt", "vrsqrtph")):  # which have no rounding
        (line,) = (line for line in functions[name] if line.startswith(mnemonic))
        assert re.match(rf"{mnemonic} %zmm\d+,%zmm\d+$", line) and roles(functions[name], mnemonic)[0] == "a"
    for name, (mnemonic, operands) in HALF.items():
        for rounding in ("rn", "rd", "ru", "rz"):
            found = roles(functions[f"{name}_{rounding}"], mnemonic)
            assert found[:-1] == (f"{{{rounding}-sae}}", *operands[:2]), name
            if len(operands) == 3:
                assert found[-1] == operands[2], name
            if mnemonic.endswith("cph"):  # the destination must not be a source
                (line,) = (line for line in functions[f"{name}_{rounding}"] if line.startswith(mnemonic))
                assert len(set(re.findall(r"%zmm\d+", line))) == 3


@pytest.mark.parametrize(
    ("file", "function", "mnemonic", "operands"),
    [
        ("bf16", "dot", "vdpbf16ps", THREE),
        ("bf16", "narrow_two", "vcvtne2ps2bf16", ("a", "a+64")),
        ("fma", "wide", "vfmadd231ps", THREE),
        ("fma", "vex", "vfmadd231ps", THREE),
        ("fma", "wide_213", "vfmadd213ps", ("c", "a", "b")),
        ("fma", "vex_132", "vfmadd132ps", ("b", "c", "a")),
        ("fma", "wide_double", "vfmadd231pd", THREE),
        ("fma", "vex_double_213", "vfmadd213pd", ("c", "a", "b")),
        ("arithmetic", "sub_ps", "vsubps", TWO),
        ("arithmetic", "vex_div_pd", "vdivpd", TWO),
        ("arithmetic", "sse_sub_pd", "subpd", TWO),
        ("arithmetic", "sse_sqrt_ps", "sqrtps", ONE),
        ("resize", "truncated", "vcvttps2dq", ONE),
        ("resize", "sse_integer", "cvtps2dq", ONE),
        ("vnni", "bytes", "vpdpbusd", THREE),
        ("vnni", "words_saturated", "vpdpwssds", THREE),
        ("vnni", "vex_bytes_saturated", "vpdpbusds", THREE),
        ("madd", "bytes", "vpmaddubsw", TWO),
        *(("convert", f"{form}narrow_{i}", "vcvtps2ph", (f"$0x{i}", "a")) for i in range(4) for form in ("", "vex_")),
        ("convert", "vex_narrow_mxcsr", "vcvtps2ph", ("$0x4", "a")),
    ],
)
def test_machine_code_of_others(tmp_path, file, function, mnemonic, operands):
    functions = disassembled(file, tmp_path, "-O2")
    if function not in functions:
        return
    found = roles(functions[function], mnemonic)
    assert found[: len(operands)] == operands or found[:-1] == operands
