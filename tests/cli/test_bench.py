"""emu bench: what it prints and writes. How fast anything is is not tested."""

import json

import pytest

from emu.bench import run as bench
from emu.bench.goals import GOALS
from emu.bench.products import PRODUCTS
from emu.bench.timing import medians
from emu.cli.main import run


@pytest.fixture
def small(monkeypatch):
    """One unit, tiny products."""
    monkeypatch.setattr(bench, "PRODUCTS", tuple(x for x in PRODUCTS if x.unit == "kulisch-e4m3"))


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
