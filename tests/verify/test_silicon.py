"""emu against the processor that runs this: instructions that it has; that a wrong model would be noticed; corners.

Of instructions that it has not, `silicon_of` stands in for the processor, so that the whole path is run everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from emu.formats import load_format
from emu.spec import spec_root
from emu.verify.instructions import ROUNDINGS, instructions
from emu.verify.silicon import chunks, integers, live, probes, recorded, rows, targets
from emu.verify.silicon.floats import Theme
from emu.verify.silicon.probes import State
from emu.verify.silicon.targets import Layout

ALL = {target.name: target for target in targets.targets()}
HERE = [name for name, target in ALL.items() if target.available and target.group not in targets.BASELINE]
CHUNKS = 20


def check(target: targets.Target, number: int = CHUNKS, backends: bool = False) -> rows.Outcome:
    """The first chunks of a target, the c backend alone unless `backends`."""
    out = rows.Outcome(target=target)
    with pytest.MonkeyPatch.context() as patch:
        if not backends:
            patch.setattr(live, "SAMPLES", {})
        for index in range(1 if chunks.exhaustive(target) else number):
            out.add(live.compare(target, 1, index))
    return out


def silicon_of(name: str, mode: int, operands, shape) -> np.ndarray:
    """What a processor would give: NumPy for integers, else emu's models, each given its operands one by one."""
    low = name.lower().partition("_")[0]
    if low == "tdpbf16ps":
        return instructions()[low].run(*operands)
    if low.startswith("tdp"):
        signed = [np.int8 if letter == "s" else np.uint8 for letter in low[4:6]]
        a, b = (x.view(kind).astype(np.int64) for x, kind in zip(operands, signed, strict=False))
        return (a @ b + operands[2].view(np.int32)).astype(np.uint32)
    low = low.translate(str.maketrans("", "", "123"))
    if low in instructions():
        return instructions()[low].run(*(x.reshape(shape) for x in operands))
    return instructions()[f"{low}.{ROUNDINGS[mode & 3]}"].run(*(x.reshape(shape) for x in operands))


@pytest.fixture
def stand_in(monkeypatch):
    """A processor that has what this one has not."""

    def run_lanes(name, mode, operands, out, n):
        assert out.size == (2 * n if "CPH" in name else n)
        assert all(x.flags.c_contiguous for x in operands)
        out[...] = silicon_of(name, mode, operands, out.shape)

    def run_tiles(name, mode, a, b, c, out):
        assert all(x.flags.c_contiguous for x in (a, b, c, out))
        out[...] = silicon_of(name, mode, (a, b, c), out.shape)

    monkeypatch.setattr(targets, "state", lambda _: State.AVAILABLE)
    monkeypatch.setattr(probes, "run_lanes", run_lanes)
    monkeypatch.setattr(probes, "run_tiles", run_tiles)


@pytest.mark.parametrize("name", HERE)
def test_live(name):
    """All instructions of this processor: no mismatch, on any backend."""
    outcome = check(ALL[name], 8, backends=True)
    assert (outcome.counts, outcome.examples) == ([0] * len(rows.COUNTED), [])
    assert bool(outcome.flagged) == ALL[name].instruction.flags
    assert outcome.patterns["c"] >= 1 << 16 or chunks.exhaustive(ALL[name])
    assert outcome.patterns["numba"] and outcome.patterns["reference"]


@pytest.mark.parametrize("group", targets.BASELINE)
def test_live_on_every_processor(group):
    """Results and flags, a chunk of each variant: their themes take turns."""
    mine = [target for target in ALL.values() if target.group == group]
    if not any(target.available for target in mine):
        return  # another architecture, or no FMA3
    for index, target in enumerate(mine):
        outcome = live.compare(target, 1, index * 7)
        assert (outcome.counts, outcome.examples) == ([0] * len(rows.COUNTED), [])
        assert outcome.flagged >= outcome.patterns["c"] * len(target.available) >= 1 << 14
        assert outcome.patterns["reference"]


@pytest.mark.parametrize("name", [name for name in ALL if name.startswith(("tdp", "vf")) or name[-4:] == "even"])
@pytest.mark.usefixtures("stand_in")
def test_the_path_of_all(name):
    if ALL[name].group.endswith("ps") and not name.startswith("tdp"):
        return  # live
    if ALL[name].group.startswith("vcvt") or ALL[name].group in targets.BASELINE:
        return
    outcome = check(ALL[name], 2, backends=True)
    assert (outcome.mismatches, outcome.examples) == (0, [])


def test_every_instruction_is_a_target_and_has_probes():
    live_only = {name for name, target in ALL.items() if target.group in targets.BASELINE}
    more = live_only | {"vcvtne2ps2bf16"} | {name for name in ALL if name.startswith("vfmadd") and "c" not in name}
    assert set(ALL) - more <= set(instructions()) <= set(ALL)
    for target in ALL.values():
        assert [probes.number(probe) for probe in target.probes]
        assert target.modes[0] < probes.MODES
        twos = ("vdpbf16ps", "vpdpwssd", "vpdpwssds", "vpmaddubsw", "vpmaddwd")
        k = 2 if target.group in twos else 4 if target.group.startswith("vpdpb") else 1
        assert target.k == (k if target.layout is Layout.GRID else 0)
    assert ALL["vcvtps2ph.toward_zero.daz"].modes == (7, 15)
    assert ALL["vfmadd231ps.daz.ftz"].modes == (12,)
    assert ALL["vaddph.toward_positive"].modes == (2, 6, 10, 14)
    assert ALL["vdpbf16ps"].modes == ALL["vrcpph"].modes == tuple(range(16))
    assert ALL["addps.toward_zero.ftz"].modes == (11,)
    assert ALL["cvtps2dq.toward_negative.daz"].modes == (5, 13)
    assert ALL["cvtps2pd.daz"].modes == (4, 5, 6, 7, 12, 13, 14, 15)
    assert ALL["divpd.ties_to_even"].probes == ("DIVPD", "DIVPD_VEX", "DIVPD_SSE")
    assert len(ALL["vfmaddpd.ties_to_even"].probes) == 6


WRONG = [
    ("vdpbf16ps", 'order = [1, 0]\nresult = { format = "f32", ftz = "after_rounding" }',
     'order = [1, 0]\nresult = { format = "f32", ftz = "before_rounding" }'),
    ("vdpbf16ps", 'order = [1, 0]\nresult = { format = "f32", ftz = "after_rounding" }',
     'order = [1, 0]\nresult = { format = "f32", ftz = "off" }'),
    ("vdpbf16ps", "order = [1, 0]", "order = [0, 1]"),
    ("vdpbf16ps", "order = [1, 0]", 'order = [1, 0]\nnan_order = "accumulator_first"'),
    ("vdpbf16ps", "order = [1, 0]", "group = 2"),
    ("vdpbf16ps", 'operands.a = { format = "bf16", daz = "signed" }', 'operands.a = "bf16"'),
    ("vdpbf16ps", 'operands.c = { format = "f32", daz = "signed" }', 'operands.c = "f32"'),
    ("vdpbf16ps", 'operands.b = { format = "bf16", daz = "signed" }',
     'operands.b = { format = "bf16", daz = "positive" }'),
    ("vdpbf16ps", "0xffc00000", "0x7fc00000"),
    ("vfmadd231ps.ties_to_even", 'rounding = ["ties_to_even",', 'rounding = ["ties_to_even", "ties_to_away",'),
    ("vfmadd231ps.daz.ftz", 'ftz = "after_rounding"', 'ftz = "before_rounding"'),
    ("vfmadd231ps.toward_negative", "[[body.fma.level]]", '[[body.fma.level]]\nzero_sign = "always_positive"'),
    ("vpmaddwd", 'group = 2\nlength = 2\nstart = "none"\nresult = { format = "int32", overflow = "wrap" }',
     'group = 2\nlength = 2\nstart = "none"\nresult = { format = "int32", overflow = "saturate" }'),
    ("vpmaddubsw", 'result = { format = "int16", overflow = "saturate" }',
     'result = { format = "int16", overflow = "wrap" }'),
    ("vpdpbusds", 'group = 4\noverflow = "saturate"', "group = 4"),
    ("vpdpbusds", "group = 4", "group = 2"),
    ("vpdpwssds", "group = 2", "group = 1"),
    ("vpdpwssd", 'overflow = "wrap"', 'overflow = "saturate"'),
    ("tdpbf16ps", "lanes = 2\nlength = 16", "length = 32"),
    ("tdpbf16ps", 'nan_order = "accumulator_first"', ""),
    ("tdpbf16ps", 'length = 16\nresult = { format = "f32", ftz = "after_rounding" }',
     'length = 16\nresult = { format = "f32", ftz = "before_rounding" }'),
    ("tdpbf16ps", 'operands.c = { format = "f32", daz = "signed" }', 'operands.c = "f32"'),
    ("tdpbssd", 'overflow = "wrap"', 'overflow = "saturate"'),
]  # fmt: skip
"""Wrong models: what is replaced in the file of the family, and by what"""


@pytest.mark.parametrize(("name", "right", "wrong"), WRONG)
def test_a_wrong_model_is_noticed(name, right, wrong, tmp_path, request):
    target = ALL[name]
    if name.startswith("tdp"):
        request.getfixturevalue("stand_in")
    if not target.available:
        return  # a processor without it
    family, _, instruction = target.instruction.unit.partition(":")
    text = (spec_root() / "units" / f"{family}.toml").read_text(encoding="utf-8")
    assert right in text
    path = tmp_path / f"{family}.toml"
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    if "ties_to_away" in wrong:
        instruction = "vfmadd231ps.ties_to_away"
    changed = replace(target.instruction, unit=f"{path}:{instruction}")
    assert noticed(replace(target, instruction=changed))


def noticed(target: targets.Target) -> bool:
    """Whether the c backend alone differs in one of the first chunks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "SAMPLES", {})
        outcomes = (live.compare(target, 1, index) for index in range(40))
        return any(outcome.mismatches and outcome.examples for outcome in outcomes)


@pytest.mark.parametrize("keyword", [{"rounding": "toward_zero"}, {"daz": True}, {"ftz": "before_rounding"}])
def test_a_wrong_operation_is_noticed(keyword):
    target = ALL["vfmaddps.ties_to_even"]
    if not target.available:
        return
    wrong = replace(target.instruction, keywords={**target.instruction.keywords, **keyword})
    assert noticed(replace(target, instruction=wrong))


@pytest.mark.parametrize(
    ("name", "keywords", "flags_alone"),
    [
        ("mulps.ties_to_even", {"tininess": "before_rounding"}, True),
        ("vfmaddpd.toward_negative", {"tininess": "before_rounding"}, True),
        ("cvtpd2ps.ties_to_even.ftz", {"ftz": "before_rounding"}, False),
        ("addpd.ties_to_even.daz", {"daz": False}, False),
        ("divps.toward_positive", {"rounding": "toward_zero"}, False),
        ("sqrtpd.ties_to_even", {"rounding": "to_odd"}, False),
        ("cvtps2dq.ties_to_even", {"rounding": "ties_to_away"}, False),
        ("cvttps2dq", {"exact": False}, True),
        ("cvtps2pd", {"daz": True}, False),
        ("vcvtps2ph.ties_to_even", {"tininess": "before_rounding"}, True),
    ],
)
def test_a_wrong_rule_is_noticed_in_results_or_flags(name, keywords, flags_alone):
    target = ALL[name]
    if not target.available:
        return
    wrong = replace(target.instruction, keywords={**target.instruction.keywords, **keywords})
    wrong_target, counts = replace(target, instruction=wrong), [0] * len(rows.COUNTED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live, "SAMPLES", {})
        for index in range(len(Theme)):
            outcome = live.compare(wrong_target, 1, index)
            counts = [x + y for x, y in zip(counts, outcome.counts, strict=True)]
    assert sum(counts) and bool(sum(counts[:-1])) is not flags_alone, counts


@pytest.mark.usefixtures("stand_in")
def test_a_wrong_table_is_noticed(tmp_path):
    text = (spec_root() / "functions" / "intel-vrsqrtph.toml").read_text(encoding="utf-8")
    path = tmp_path / "wrong.toml"
    path.write_text(text.replace(" 1445, ", " 1446, ", 1), encoding="utf-8")
    target = ALL["vrsqrtph"]
    assert check(target, 1).mismatches == 0
    wrong = replace(target, instruction=replace(target.instruction, function=str(path)))
    assert 0 < check(wrong, 1).mismatches < 70


def lanes(name: str, mode: int, *operands: np.ndarray, dtype, form: str = "") -> np.ndarray:
    """A probe on arrays of lanes."""
    n = len(operands[0])
    out = probes.empty((n,), dtype)
    probes.run_lanes(name + form, mode, [np.ascontiguousarray(x) for x in operands], out, n)
    return out


CORNERS = {
    "vpmaddubsw": (2, "uint8", "int8", None),
    "vpmaddwd": (2, "int16", "int16", None),
    "vpdpwssd": (2, "int16", "int16", 9),
    "vpdpwssds": (2, "int16", "int16", 9),
    "vpdpbusd": (4, "uint8", "int8", 5),
    "vpdpbusds": (4, "uint8", "int8", 5),
}


@pytest.mark.parametrize("name", CORNERS)
def test_integer_corners(name):
    """Every combination of extremes in every operand: silicon, emu, and plain Python integers in NumPy."""
    k, a_name, b_name, accumulators = CORNERS[name]
    a_format, b_format, result = (load_format(x) for x in (a_name, b_name, ALL[name].instruction.result))
    a, b = integers.corner_rows(a_format, k), integers.corner_rows(b_format, k)
    exact = integers.values(a, a_format) @ integers.values(b, b_format).T
    top = 1 << (result.bits - 1)
    starts = [0, top - 1, -top, -1, 1, top - 2, 1 - top, 255 * 127, 1 << 30][: accumulators or 1]
    saturates = name.endswith("s") or name == "vpmaddubsw"
    for start in starts:
        sums = exact + start
        expected = np.clip(sums, -top, top - 1) if saturates else sums
        expected = expected.astype(result.code_dtype)
        c = np.full(exact.shape, start & (2 * top - 1), result.code_dtype)
        operands = [a.astype(a_format.code_dtype), b.T.astype(b_format.code_dtype), *([c] if accumulators else [])]
        assert np.array_equal(ALL[name].instruction.run(*operands), expected)
        for probe in ALL[name].available:
            given = chunks.run_expanded(ALL[name], probe, 0, chunks.expanded(ALL[name], operands))
            assert np.array_equal(given, expected), probe


def test_processor_facts():
    """What the recordings said of another processor, live: fixed rounding, saturation once, order of operands."""
    word = np.array
    if ALL["vdpbf16ps"].available:
        tiny = word([0x0080, 0x0000, 0x3F80, 0x0000], np.uint16)  # 2^-126 * 1, and -0 * 1
        one = word([0x3F80, 0x3F80, 0x3F80, 0x3F80], np.uint16)
        c = word([0x80000000, 0x00000001], np.uint32)
        for mode in range(probes.MODES):
            found = lanes("VDPBF16PS", mode, tiny.reshape(2, 2), one.reshape(2, 2), c, dtype=np.uint32)
            assert [hex(x) for x in found] == ["0x800000", "0x3f800000"]
    if ALL["vcvtps2ph.toward_positive"].available:
        small = word([1], np.uint32)
        for probe in ALL["vcvtps2ph.toward_positive"].available:
            assert lanes(probe, 2, small, dtype=np.uint16) == 1
            assert lanes(probe, 2 | probes.DAZ, small, dtype=np.uint16) == 0
    for probe in ALL["vfmadd231ps.ties_to_even"].available:
        a, b, c = (word([x], np.uint32) for x in (0x7F800001, 0x7FC00002, 0xFFC00003))
        assert lanes(probe, 0, a, b, c, dtype=np.uint32) == 0x7FC00001
        assert lanes(probe, 0, word([0x3F800000], np.uint32), b, c, dtype=np.uint32) == 0x7FC00002


def test_patterns_go_where_it_hurts():
    """Every class of operand and result is there: NaN, infinities, subnormals, both zeros, and all themes."""
    for name in ("vdpbf16ps", "vfmadd231ps.ties_to_even", "vaddph.ties_to_even", "vcvtps2ph.ties_to_even"):
        target, fmt = ALL[name], ALL[name].result
        codes = np.concatenate([
            target.instruction.run(*chunks.chunk(target, 1, index).operands).ravel() for index in range(len(Theme))
        ])  # fmt: skip
        magnitude = codes & np.array((1 << fmt.field_bits) - 1, codes.dtype)
        infinity, unit = fmt.infinity_magnitude, 1 << fmt.man_bits
        for found in (
            magnitude > infinity, magnitude == infinity, codes == 0, codes == 1 << fmt.field_bits,
            (magnitude >= infinity - unit) & (magnitude < infinity), (magnitude >= unit) & (magnitude < 2 * unit),
        ):  # fmt: skip
            assert found.mean() > 0.0003, name
        if name != "vdpbf16ps":  # which flushes them
            assert ((magnitude > 0) & (magnitude < unit)).mean() > 0.005


def test_chunks_are_reproducible_and_as_large_as_said():
    names = ["vpdpbusd", "vfmaddcph.toward_zero", "tdpbssd", "vpmaddwd", "vsqrtph.toward_zero"]
    for name, index in product(names, [0, 1, 5]):
        target = ALL[name]
        one, same, other = (chunks.chunk(target, seed, index) for seed in (1, 1, 2))
        assert all(np.array_equal(x, y) for x, y in zip(one.operands, same.operands, strict=True))
        if index and not chunks.exhaustive(target):
            assert not np.array_equal(one.operands[0], other.operands[0])
        assert target.instruction.run(*one.operands).size == chunks.outputs(target, index)
        part, at = one.sample(target, 16, np.random.default_rng(0))
        assert np.array_equal(target.instruction.run(*part.operands), target.instruction.run(*one.operands)[at])


def test_recorded_vectors_of_what_is_absent(monkeypatch):
    monkeypatch.setattr(targets, "state", lambda _: State.NO_CPU)
    entries = recorded.entries_of(Path(__file__).parents[1] / "golden")
    names = ["tdpbssd", "vfmadd231ph.toward_zero"]
    found = list(recorded.run([ALL[name] for name in names], entries, full=False))
    assert [outcome.how for outcome in found] == ["recorded: not in this processor"] * 2
    assert all(outcome.checked and outcome.patterns["c"] and not outcome.mismatches for outcome in found)
    (nothing,) = recorded.run([ALL["tdpbssd"]], [], full=False)
    assert nothing.how == "absent, not checked: not in this processor"
    assert not nothing.checked
