"""`emu show` and `emu list` of formats: what they print, to the letter where it is small."""

import re

import pytest

from emu import load_format
from emu.cli.main import run
from emu.formats.families import FAMILIES
from emu.formats.rules import RULES
from emu.spec import builtin_names


def show(name, capsys):
    assert run(["show", name]) == 0
    return capsys.readouterr().out.splitlines()


PHASES = """\
          even phase  odd phase
0  0 000  0           0
1  0 001  1/64        1/128
2  0 010  1/16        1/32
3  0 011  1/4         1/8
4  0 100  1           1/2
5  0 101  4           2
6  0 110  16          8
7  0 111  64          32
8  1 000  -0          -0
9  1 001  -1/64       -1/128
a  1 010  -1/16       -1/32
b  1 011  -1/4        -1/8
c  1 100  -1          -1/2
d  1 101  -4          -2
e  1 110  -16         -8
f  1 111  -64         -32"""


@pytest.mark.parametrize("name", ["log4", "float4_radix4_odd"])
def test_a_radix_4_format_shows_both_phases_as_numerics_a1_has_them(name, capsys):
    assert show(name, capsys)[-17:] == PHASES.splitlines()


PICTURES = {
    "e4m3": """\
positive values by power of two (# value, o subnormal), how many, from and to
 2^8 |#   #   #   #   #   #   #       | 7  256 to 448
 2^7 |#   #   #   #   #   #   #   #   | 8  128 to 240
   : 12 more like these
2^-6 |#   #   #   #   #   #   #   #   | 8  0.015625 to ~0.0292969
2^-7 |o       o       o       o       | 4  0.0078125 to ~0.0136719
2^-8 |o               o               | 2  0.00390625 to ~0.00585938
2^-9 |o                               | 1  ~0.00195312
+0 and -0; NaN; the negative values mirror these""",
    "log4": """\
positive values by power of two (# value), how many, from and to
 2^6 |#                               | 1  64
   : 5 more like these, a factor of 2^2 apart
2^-6 |#                               | 1  0.015625
+0 and -0; the negative values mirror these""",
    "int8": """\
positive values by power of two (# value), how many, from and to
2^6 |################################| 64  64 to 127
2^5 |################################| 32  32 to 63
2^4 |# # # # # # # # # # # # # # # # | 16  16 to 31
2^3 |#   #   #   #   #   #   #   #   |  8  8 to 15
2^2 |#       #       #       #       |  4  4 to 7
2^1 |#               #               |  2  2 to 3
2^0 |#                               |  1  1
zero; besides: -128""",
    "dlfloat16": """\
positive values by power of two (# value), how many, from and to
 2^32 |################################| 511  2^32 to ~8.57316e+09
 2^31 |################################| 512  2^31 to ~4.29077e+09
    : 60 more like these
2^-30 |################################| 512  2^-30 to ~1.86083e-09
2^-31 |################################| 511  ~4.66571e-10 to ~9.30413e-10
+0 and -0; NaN; the negative values mirror these""",
    "nf4": """\
positive values by power of two (# value), how many, from and to
 2^0 |#                               | 1  1
2^-1 |    #         #                 | 2  ~0.562617 to ~0.722957
2^-2 |           #            #       | 2  ~0.337915 to ~0.44071
2^-3 |         #                     #| 2  ~0.16093 to ~0.246112
2^-4 |        #                       | 1  ~0.0795803
zero

negative values by power of two (# value), how many, from and to
 2^0 |#                               | 1  1
2^-1 | #          #                   | 2  ~0.525073 to ~0.696193
2^-2 |    #             #             | 2  ~0.284441 to ~0.394917
2^-3 |               #                | 1  ~0.184773
2^-4 |              #                 | 1  ~0.09105""",
    "binary16p1se": """\
positive values by power of two (# value), how many, from and to
 2^16382 |#                               | 1  2^16382
 2^16381 |#                               | 1  2^16381
       : 32762 more like these
2^-16382 |#                               | 1  2^-16382
2^-16383 |#                               | 1  2^-16383
zero; infinities; NaN; the negative values mirror these""",
}


@pytest.mark.parametrize("name", PICTURES)
def test_the_values_are_drawn(name, capsys):
    assert PICTURES[name] in "\n".join(show(name, capsys))


EIGHT_BIT = (
    "float8_e3m4",
    "float8_e5m2fnuz",
    "binary8p3sf",
    "binary8p4ue",
    "3m4e",
    "float6_e2m3fn",
    "hfp8_1_4_3",
    "int8",
)


@pytest.mark.parametrize("name", EIGHT_BIT)
def test_a_picture_from_the_rule_is_that_from_the_codes(name, monkeypatch):
    from emu.formats import picture

    fmt = load_format(name)
    monkeypatch.setattr(picture, "MAX_ALIKE", 1000)
    monkeypatch.setattr(picture, "MAX_HALVING", 1000)
    listed = picture.picture(fmt)
    monkeypatch.setattr(picture, "MAX_CODE_BITS", 0)
    assert picture.picture(fmt) == listed


@pytest.mark.parametrize("name", [*builtin_names("formats"), "int600", "posit8", "binary8p1se", "u4m4e"])
def test_pictures_and_short_tables_fit_80_columns(name, capsys):
    lines = show(name, capsys)
    drawn = [line for line in lines if "|" in line or " more like these" in line or line.startswith("positive")]
    assert all(len(line) <= 80 for line in drawn)
    if lines[-1].startswith("f  "):  # a table of 4-bit codes
        assert all(len(line) <= 80 for line in lines[-17:])


def test_properties_are_those_that_mean_something(capsys):
    text = "\n".join(show("e4m3", capsys))
    for line in (
        "mantissa bits       3 (precision 4)", "largest             448", "lowest              -448",
        "smallest normal     0.015625", "smallest positive   2^-9", "eps                 0.125",
        "exponents           -6 to 8", "codes               0 00, -0 80, 1 38, largest 7e, lowest fe, NaN 7f",
        "not finite          2 NaN, 0 infinities",
    ):  # fmt: skip
        assert line in text
    keys = {line[:20].strip() for line in show("int4", capsys) if not line.startswith(" ")}
    assert "encoding" in keys
    assert not keys & {"eps", "bias", "infinities", "exponents", "smallest normal", "ignored bits"}
    assert "ignored bits        0 high, 13 low" in show("tf32", capsys)


def test_a_block_format_shows_its_parts(capsys):
    lines = show("mxfp4", capsys)
    for line in (
        "kind                block", "element             float4_e2m1fn",
        "block               32 values along the axis",
        "scale               float8_e8m0fnu", "rule                floor", "bits per value      4.25",
    ):  # fmt: skip
        assert line in lines
    assert not any(line.startswith(("largest scale", "tensor scale", "quotient")) for line in lines)
    assert any(line.startswith("tensor scale        nvfp4") for line in show("nvfp4", capsys))
    scale = next(line for line in show("msfp12", capsys) if line.startswith("scale   "))
    assert run(["show", scale[20:]]) == 0  # what it names can be shown


def test_a_format_is_shown_from_an_inline_table(capsys):
    text = "{exp_bits = 4, man_bits = 2, bias = 9}"
    assert show(text, capsys)[0] == f"format {text}"
    assert run(["show", "{exp_bits = 4, man_bits = 2, bias = 9"]) == 1
    assert run(["show", "--kind", "format", "{exp_bits = 4, man_bits = 2, bias = 9"]) == 1
    assert "is no TOML inline table" in capsys.readouterr().err


def test_the_list_has_every_format_and_every_rule_with_its_source(capsys):
    assert run(["list", "formats"]) == 0
    rows = [re.split(r"  +", line.strip()) for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["name", "aliases", "bits", "kind", "what it is", "source"]
    assert [row[0] for row in rows[1:]] == [*builtin_names("formats"), *RULES]
    for name, row in zip(builtin_names("formats"), rows[1:], strict=False):
        fmt = load_format(name)
        assert row[-2:] == [fmt.doc, fmt.source]
        assert (row[1] == ", ".join(fmt.alias)) == bool(fmt.alias)
    assert {row[-3] for row in rows[1:]} == {"float", "integer", "log", "codebook", "block"}


def test_every_rule_is_described_and_its_example_is_made_by_it():
    assert tuple(family.name for family in FAMILIES) == RULES
    for family in FAMILIES:
        assert load_format(family.example).kind is family.kind
        assert family.source
        assert family.doc
        assert family.example not in builtin_names("formats")
