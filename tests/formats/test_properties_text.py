"""`load_format(str(fmt)) == fmt`: for every name, and for random legal formats of every kind."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import emu
from emu.errors import SpecError
from emu.formats import load_format
from emu.formats.enums import NanTo
from emu.formats.text import MAX_TEXT

from .library import EVERY


@pytest.mark.parametrize("name", EVERY)
def test_a_name_is_its_own_text(name):
    fmt = load_format(name)
    assert str(fmt) == fmt.name
    assert load_format(str(fmt)) == fmt


@pytest.mark.parametrize("name", EVERY)
def test_another_format_under_that_name_is_written_out(name):
    other = replace(load_format(name), nan_to=NanTo.MAX if load_format(name).nan_to is NanTo.ZERO else NanTo.ZERO)
    text = str(other)
    assert text.startswith("{name = ")
    assert load_format(text) == other != load_format(name)
    assert load_format(text).name == load_format(name).name


@pytest.mark.parametrize("name", EVERY)
def test_without_its_name_a_format_is_its_keys(name):
    keys = tomllib.loads(f"format = {replace(load_format(name), name='x')}")["format"]
    assert keys.pop("name") == "x"
    nameless = load_format(keys)
    assert nameless.name == str(nameless)
    assert load_format(str(nameless)) == nameless
    assert replace(nameless, name=load_format(name).name) == load_format(name)


TEXTS = {
    "{exp_bits = 4, man_bits = 2, bias = 9}": {"exp_bits": 4, "man_bits": 2, "bias": 9},
    "{exp_bits = 3, man_bits = 2}": {"exp_bits": 3, "man_bits": 2, "bias": 3, "nan": "ieee", "signed": True},
    '{exp_bits = 4, man_bits = 3, subnormals = "lowered", infinities = false, nan = "none"}': {
        "exp_bits": 4, "man_bits": 3, "subnormals": "lowered", "infinities": False, "nan": "none",
    },
    '{kind = "integer", bits = 4, symmetric = true}': {"kind": "integer", "bits": 4, "symmetric": True},
    '{kind = "fixed", bits = 8, frac_bits = 4}': {"kind": "fixed", "bits": 8, "frac_bits": 4},
    '{kind = "log", radix = 2, exp_bits = 4, bias = 7, steps = 2, table = [1.0, 1.375]}': {
        "kind": "log", "radix": 2, "exp_bits": 4, "bias": 7, "steps": 2, "table_bits": 3,
    },
    '{kind = "codebook", posit = {bits = 6, es = 1}}': {"kind": "codebook", "posit": {"bits": 6, "es": 1}},
    '{kind = "codebook", values = [0.0, 1.0, nan, -0.0]}': {"kind": "codebook", "values": [0, 1, float("nan"), -0.0]},
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_text_has_what_differs_from_the_defaults(text):
    fmt = load_format(TEXTS[text])
    assert str(fmt) == fmt.name == text
    assert emu.load_format(text) == fmt


SIGNED = st.booleans()
BIAS = st.none() | st.integers(-(1 << 20), 1 << 20)
NAN_TO = st.sampled_from(["zero", "negative_zero", "max"])
TIES = st.sampled_from(["even", "away", "zero", "positive", "negative"])


def keys(required, optional):
    return st.fixed_dictionaries(required, optional={**optional, "nan_to": NAN_TO})


FLOATS = keys(
    {"exp_bits": st.integers(1, 20), "man_bits": st.integers(0, 48)},
    {
        "bias": BIAS, "signed": SIGNED, "infinities": st.booleans(), "negative_zero": st.booleans(),
        "nan": st.sampled_from(["ieee", "all_ones", "negative_zero", "top_code", "none"]),
        "subnormals": st.sampled_from(["gradual", "none", "normal", "lowered"]),
        "ignored_low_bits": st.integers(0, 8), "ignored_high_bits": st.integers(0, 8),
    },
)  # fmt: skip
LOWERED = keys(
    {
        "exp_bits": st.integers(1, 5), "man_bits": st.integers(0, 4), "bias": BIAS, "signed": SIGNED,
        "subnormals": st.just("lowered"), "infinities": st.just(False), "nan": st.just("none"),
    },
    {},
)  # fmt: skip
INTEGERS = keys(
    {"kind": st.just("integer"), "bits": st.integers(1, 4096)},
    {"signed": SIGNED, "symmetric": st.booleans(), "encoding": st.sampled_from(["twos_complement", "sign_magnitude"])},
)
FIXED = keys(
    {"kind": st.just("fixed"), "bits": st.integers(1, 8192), "frac_bits": st.integers(-4096, 8192)}, {"signed": SIGNED}
)
LOGS = keys(
    {
        "kind": st.just("log"), "radix": st.sampled_from([2, 4, 8, 256]), "exp_bits": st.integers(1, 5),
        "bias": st.integers(-(1 << 20), 1 << 20),
    },
    {
        "signed": SIGNED, "zero": st.booleans(), "nan": st.sampled_from(["none", "top_code"]), "ties": TIES,
        "phase": st.sampled_from(["even", "odd"]),
        "boundary": st.sampled_from(["arithmetic", "geometric"]) | st.floats(0.125, 1),
        "zero_boundary": st.sampled_from(["series", "midpoint"]), "steps": st.integers(1, 8),
        "table_bits": st.integers(1, 52),
    },
)  # fmt: skip
SHORT = st.integers(-4096, 4096).map(lambda n: n / 64) | st.sampled_from(
    [-0.0, float("nan"), float("inf"), float("-inf")]
)


@st.composite
def codebooks(draw):
    made = {
        "kind": "codebook",
        "values": draw(st.integers(1, 5).flatmap(lambda n: st.lists(SHORT, min_size=1 << n, max_size=1 << n))),
    }
    if draw(st.booleans()):
        finite = sorted({x for x in made["values"] if abs(x) < 1e9})
        share = draw(st.sampled_from([0.25, 0.5, 0.625]))
        made["boundaries"] = [a + (b - a) * share for a, b in pairwise(finite)]
    return made | draw(st.fixed_dictionaries({}, optional={"ties": TIES, "nan_to": NAN_TO}))


POSITS = keys(
    {"kind": st.just("codebook"), "posit": st.fixed_dictionaries({"bits": st.integers(3, 8), "es": st.integers(0, 4)})},
    {"ties": TIES},
)
NAMES = st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@settings(max_examples=600, deadline=None)
@given(st.one_of(FLOATS, LOWERED, INTEGERS, FIXED, LOGS, codebooks(), POSITS), NAMES)
def test_any_legal_format_comes_back_from_its_text(mapping, name):
    if name is not None:
        mapping = mapping | {"name": name}
    try:
        fmt = load_format({key: value for key, value in mapping.items() if value is not None})
    except SpecError:
        assume(False)
    text = str(fmt)
    again = load_format(text)
    assert again == fmt
    assert hash(again) == hash(fmt)
    assert str(again) == text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{exp_bits = 4", "is no TOML inline table"),
        ("{exp_bits = 4, man_bits = 2} ", "unknown|is more|"),
        ("{exp_bits = 4}\nx = 1", "is more than one TOML inline table"),
        ("{exp_bits = 4, man_bit = 3}", "unknown key"),
        ("{kind = 'flaot', exp_bits = 4, man_bits = 3}", "unknown kind of format"),
        ("{" * 5000, "is nested too deeply|is no TOML"),
        ("{" + " " * MAX_TEXT, "a format as text has at most"),
        ("{extends = 'e4m3', bias = 3}", "unknown key"),
    ],
)
def test_text_that_is_none(text, message):
    if message.endswith("|"):  # spaces do no harm
        assert load_format(text).bits == 7
        return
    with pytest.raises(SpecError, match=message) as caught:
        load_format(text, file="my.toml", key="operands.a")
    assert "my.toml" in str(caught.value)
    assert len(str(caught.value)) < 400
