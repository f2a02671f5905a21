"""`emu verify`: tables, exit codes, going on where it was left, what it refuses."""

from __future__ import annotations

import json

import pytest

import emu.operations.c_backend
from emu.cli.main import run
from emu.verify import plan, store
from emu.verify.table import markdown, rows
from emu.verify.work import Record

TOML = """name = "u142"
exp_bits = 4
man_bits = 2
bias = 9
nan = "negative_zero"
infinities = false
subnormals = "none"
"""


@pytest.fixture
def user(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text(TOML, "utf-8")
    return str(path)


def test_a_file(user, capsys):
    assert run(["verify", "format", user]) == 0
    out = capsys.readouterr().out
    assert " 0 mismatches" in out
    assert "all pairs" in out
    assert "reference" in out


def test_a_mismatch_is_exit_code_3_and_is_shown(capsys, monkeypatch):
    right = emu.operations.c_backend.run

    def off_by_one(call):
        codes, masks = right(call)
        return codes ^ (codes == 3).astype(codes.dtype), masks

    monkeypatch.setattr(emu.operations.c_backend, "run", off_by_one)
    assert run(["verify", "format", "int2"]) == 3
    assert "emu 0x2 flags" in capsys.readouterr().out


def test_of_a_block_format_its_parts_are_checked(capsys, monkeypatch):
    from emu.verify import work

    seen = []

    def units(_, name, *__):
        seen.append(name)
        return []

    monkeypatch.setattr(work, "format_units", units)
    assert run(["verify", "format", "mxfp4"]) == 0
    assert "block format" in capsys.readouterr().err
    assert set(seen) == {"float4_e2m1fn", "float8_e8m0fnu"}


def test_an_unknown_format_is_a_line(capsys):
    assert run(["verify", "format", "float8_e9m9x"]) == 1
    assert "unknown format" in capsys.readouterr().err


def test_finished_work_is_not_done_again(tmp_path, capsys, monkeypatch):
    arguments = [
        "verify",
        "formats",
        "--only",
        "int2",
        "--only",
        "float4_e2m1fn",
        "--backend",
        "c",
        "--out",
        str(tmp_path),
    ]
    assert run(arguments) == 0
    path = tmp_path / store.FILE
    whole = path.read_bytes()
    records = store.read(tmp_path)
    assert {record.format for record in records} == {"int2", "float4_e2m1fn"}
    path.write_bytes(whole[:-30])  # as if the last line had been cut
    capsys.readouterr()
    assert run(arguments) == 0
    assert f"{len(records) - 1} of {len(records)} units of work are done already" in capsys.readouterr().err
    assert len(store.read(tmp_path)) == len(records)
    assert all(json.loads(line) for line in path.read_text("utf-8").splitlines())
    monkeypatch.setattr("emu.verify.work.CHECK_VERSION", 999)
    assert not {u.key for u in plan.units(full=False, only=["int2"])} & {r.key for r in records}


def test_an_interruption_leaves_whole_lines(tmp_path, monkeypatch):
    from emu.verify.work import Work

    right, count = Work.record, []

    def interrupted(self):
        count.append(self)
        if len(count) == 4:
            raise KeyboardInterrupt
        return right(self)

    monkeypatch.setattr(Work, "record", interrupted)
    assert run(["verify", "formats", "--only", "int2", "--backend", "c", "--jobs", "1", "--out", str(tmp_path)]) == 130
    assert len(store.read(tmp_path)) == 3


def test_the_table_of_a_folder(tmp_path, capsys):
    run(["verify", "formats", "--only", "int2", "--backend", "c", "--out", str(tmp_path)])
    capsys.readouterr()
    assert run(["verify", "formats", "--table", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "| own | c | add | 1 |" in out
    assert "TestFloat: not given" in out


def test_a_file_of_something_else_is_refused(tmp_path, capsys):
    (tmp_path / store.FILE).write_text('{"a": 1}\n', "utf-8")
    assert run(["verify", "formats", "--table", str(tmp_path)]) == 1
    assert "line 1 is no record" in capsys.readouterr().err


def record(**changes):
    facts = {
        "key": "k", "sources": "s", "format": "f", "backend": "c", "check": "add", "oracle": "own",
        "extent": "everything", "cases": 2, "mismatches": 0, "examples": [], "note": "", "seconds": 1.0,
    }  # fmt: skip
    return Record(**(facts | changes))


def test_rows_are_sums():
    found = rows([record(), record(format="g"), record(oracle="MPFR", check="exp"), record(cases=0)])
    assert [(row.oracle, row.check, row.formats, row.cases) for row in found] == [
        ("own", "add", 2, 4), ("MPFR", "elementary functions", 1, 2),
    ]  # fmt: skip


def test_markdown_names_mismatches():
    text = markdown([record(mismatches=1, examples=["add of 1: emu 2, own 3"])], "abc", [("gfloat", "not installed")])
    assert "- `f c add of 1: emu 2, own 3`" in text
    assert "gfloat: not installed." in text
    assert "commit abc" in text


def test_an_absent_library_is_said(monkeypatch):
    right = plan.find_spec
    monkeypatch.setattr(plan, "find_spec", lambda name: None if name in ("gfloat", "gmpy2") else right(name))
    assert plan.absent(None) == [("gfloat", "not installed"), ("MPFR", "not installed"), ("TestFloat", "not given")]
    assert {unit.oracle for unit in plan.units(full=False, only=["float8_e4m3fn"])} == {"own", "ml_dtypes"}
