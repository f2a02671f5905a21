"""emu bench: what it prints and writes. How fast anything is is not tested."""

import json

import numpy as np
import pytest

from emu.bench import run as bench
from emu.bench.goals import GOALS
from emu.bench.peers import PEERS
from emu.bench.products import MORE, PRODUCTS
from emu.bench.timing import medians
from emu.cli.main import run


@pytest.fixture
def small(monkeypatch):
    """One unit, tiny products."""
    monkeypatch.setattr(bench, "PRODUCTS", tuple(x for x in PRODUCTS if x.unit == "kulisch-e4m3"))
    monkeypatch.setattr(bench, "MORE", ())


@pytest.mark.usefixtures("small")
def test_a_product_is_measured_and_its_bits_compared(tmp_path, capsys):
    file, picture = tmp_path / "out.json", tmp_path / "out.png"
    arguments = ["bench", "--only", "kulisch*", "--sizes", "8,16", "--quick"]
    assert run([*arguments, "--json", str(file), "--plot", str(picture)]) == 0
    out = capsys.readouterr().out
    assert "exact (Kulisch) FP8 accumulation" in out and "not measured" not in out
    assert "kernels" in out.splitlines()[0]
    found = json.loads(file.read_text())
    assert [x["size"] for x in found["timings"]] == [8, 16]
    assert {x["key"] for x in found["goals"]} == {goal.key for goal in GOALS}
    assert set(found["timings"][0]["against"]) == {"sgemm", "dgemm"}
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("small")
def test_wrong_bits_are_exit_code_3(monkeypatch, capsys):
    monkeypatch.setattr(bench, "sample_differs", lambda *_: 2)
    assert run(["bench", "--only", "kulisch*", "--sizes", "8", "--quick"]) == 3
    assert "2 elements of a sample differ from the general kernel" in capsys.readouterr().out


def test_every_goal_has_something_that_is_measured():
    from emu.bench.casts import CASTS

    measured = {x.goal for x in PRODUCTS} | {x.goal for x in CASTS} | {x.cached_goal for x in CASTS} | {"threads"}
    assert {goal.key for goal in GOALS} <= measured


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.key)
def test_the_units_that_are_measured_can_be_run_and_have_the_bits_of_the_general_kernel(product):
    from emu.bench.checks import reference_differs, sample_differs
    from emu.bench.products import operands

    given = operands(product.loaded, 64)
    d = given.run(product.loaded, plan=product.plan)
    assert d.shape == (64, 64)
    assert sample_differs(product.loaded, given, d) == 0
    assert reference_differs(product.loaded) == 0


@pytest.mark.parametrize("arguments", [["--sizes", "0"], ["--sizes", "a"], ["--sizes", "9999"]])
def test_bad_sizes(arguments):
    assert run(["bench", *arguments]) == 2


def test_nothing_of_that_name(capsys):
    assert run(["bench", "--only", "nothing"]) == 1
    assert "nothing of that name" in capsys.readouterr().err


def test_medians_run_all_in_turn():
    order = []
    found = medians([lambda: order.append("a"), lambda: order.append("b")], rounds=1)
    assert len(found) == 2 and {"a", "b"} == set(order)


@pytest.mark.usefixtures("small")
def test_the_goals_as_markdown(tmp_path, monkeypatch, capsys):
    from emu.bench import goals

    file = tmp_path / "table.md"
    monkeypatch.setattr(goals.Judge, "met", lambda *_: False)
    monkeypatch.setitem(goals.REASONS, "exact", "because")
    arguments = ["bench", "--only", "kulisch*", "--sizes", "8", "--quick", "--markdown"]
    assert run([*arguments, str(file)]) == 0
    assert "because" in capsys.readouterr().out
    lines = file.read_text().splitlines()
    assert lines[:2] == ["| work | goal | measured | met |", "|---|---|---|---|"]
    assert next(line for line in lines if "Kulisch" in line).endswith("| no: because |")
    assert sum("not measured" in line for line in lines) == len(GOALS) - 1
    assert run([*arguments, "-"]) == 0
    assert lines[0] in capsys.readouterr().out


def test_events_and_batches_are_measured(monkeypatch):
    chosen = [x for x in MORE if x.unit == "generic:float(acc=float16)" and (x.events or x.batch)]
    monkeypatch.setattr(bench, "PRODUCTS", ())
    monkeypatch.setattr(bench, "MORE", tuple(chosen))
    assert len(chosen) == 2
    found = bench.run(["generic*"], [8], True, report=lambda _: None).timings
    assert [(x.size, x.note, x.goal) for x in found] == [(8, "", ""), (bench.SMALL, "", "")]
    assert "the same without events" in found[0].against


def test_numba_is_measured_where_it_has_a_plan(monkeypatch):
    numba = next(x for x in MORE if x.backend.value == "numba")
    for plan, expected in (("chain", True), (bench.GENERAL, False)):
        monkeypatch.setattr(type(numba), "plan_at", lambda *_, plan=plan: plan)
        assert bench.measurable(numba) is expected


def test_the_bits_of_peers_are_compared(monkeypatch, capsys):
    """Those that the tests' environment has; the others are listed."""
    from emu.bench.peers import measure

    monkeypatch.setattr(measure, "ELEMENTS", 4096)
    monkeypatch.setattr(measure, "SIZE", 16)
    monkeypatch.setattr(measure, "PEERS", [x for x in PEERS if x.name in ("ml_dtypes", "gfloat") or not x.adapter])
    assert run(["bench", "--only", "nothing", "--quick", "--peers"]) == 0
    out = capsys.readouterr().out
    assert all(peer.name in out for peer in measure.PEERS)
    rows = [x for x in measure.peer_rows(1, lambda _: None) if x.work]
    assert {x.peer for x in rows} == {"ml_dtypes", "gfloat"} and len(rows) == 4
    assert all(x.same for x in rows)


def test_a_peer_with_other_bits_is_seen():
    from emu import load_format
    from emu.bench.peers.measure import _difference
    from emu.bench.peers.work import Work

    fmt, ours = load_format("float8_e4m3fn"), np.array([1, 0x7F, 3], np.uint8)
    for theirs, expected in (([1, 0x7F, 3], (True, "")), ([1, 0xFF, 3], (True, "1 NaN have another code")),
                             ([1, 0x7F, 4], (False, "1 of 3 differ: why"))):  # fmt: skip
        work = Work(run=lambda theirs=theirs: np.array(theirs, np.uint8), codes=lambda found: found, note="why")
        assert _difference(work, fmt, ours) == expected
