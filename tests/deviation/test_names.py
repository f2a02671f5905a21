"""Names made to fit keep what tells them apart."""

from __future__ import annotations

import pytest

from emu.deviation.names import cut, fit


@pytest.mark.parametrize(("width", "text"), [(6, "abcdef"), (5, "ab…ef"), (4, "ab…f"), (3, "a…f"), (2, "a…"), (1, "…")])
def test_cut(width, text):
    assert cut("abcdef", width) == text


def test_names_that_fit_stay():
    names = ["/model/a/MatMul", "/model/b/MatMul"]
    assert fit(names, 15) == names
    assert fit([], 1) == []


def test_shared_parts_go_first():
    names = [f"/bert/encoder/layer.{i}/attention/{part}/MatMul" for i in (1, 10) for part in ("query", "key")]
    assert fit(names, 28) == [f"…layer.{i}/attention/{part}…" for i in (1, 10) for part in ("query", "key")]
    assert all(len(name) <= 10 for name in fit(names, 10))


def test_dots_separate_where_there_is_no_slash():
    assert fit(["model.layers.1.up", "model.layers.10.up"], 12) == ["…1…", "…10…"]


def test_one_name_and_nested_names_are_cut_in_the_middle():
    assert fit(["/model/encoder/MatMul"], 9) == ["/mod…tMul"]
    short, long = fit(["a/x/x", "a/x/b/x/x"], 6)
    assert short
    assert long != short
