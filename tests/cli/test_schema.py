"""`emu schema`: what the page says, and the same text as in spec/schemas."""

import json

import pytest

from emu.cli.main import run
from emu.cli.schema_command import command
from emu.language.schema import DRAFT, KINDS, path
from emu.spec import spec_root


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_printed_as_it_is_shipped(kind, capsys):
    assert run(["schema", kind]) == 0
    text = capsys.readouterr().out
    assert text == path(spec_root(), kind).read_text(encoding="utf-8")
    assert json.loads(text)["$schema"] == DRAFT


def test_the_command_takes_every_kind_that_has_a_schema():
    (argument,) = command.params
    assert sorted(argument.type.choices) == sorted(KINDS)


def test_another_kind_is_refused_with_those_there_are(capsys):
    assert run(["schema", "studies"]) == 2
    assert "accelerator" in capsys.readouterr().err
