"""What the tables of all spec files have in common, what every file may say about itself, and how a key is explained.

A key's meaning stands beside its type, as `Annotated[type, means("…")]`: the tables of spec/README.md and the JSON
Schemas are made from both (emu/language).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Maturity = Literal["validated", "documented", "reconstructed", ""]
"""How far a spec is proven: golden vectors or silicon agree; a published description; parts are guesses."""


def means(
    meaning: str, *, values: str | None = None, default: str | None = None, without: tuple[str, ...] = ()
) -> msgspec.Meta:
    """What a key means, in one plain sentence without a full stop.

    Args:
        meaning: for users; the values of a vocabulary explain themselves, by their own docstrings.
        values: what may be given, where the type does not say it all; a vocabulary's values are then not listed.
        default: what holds if the key is left out, where the type's default does not say it.
        without: values of the vocabulary that are refused here.
    """
    extra = {"values": values, "default": default, "without": without}
    return msgspec.Meta(description=meaning, extra={name: value for name, value in extra.items() if value is not None})


def word(name: str) -> msgspec.Meta:
    """The page's word for a kind of value that several keys take, such as `format`."""
    return msgspec.Meta(extra={"word": name})


FormatKeys = Annotated[str | dict[str, Any], word("format")]
"""A format's name, or its keys as a table."""


class Keys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all tables of a spec file: frozen, keyword-only, unknown keys refused."""


class AboutKeys(Keys, frozen=True, kw_only=True):
    """The keys that formats, functions, units, schemes and accelerators have in common."""

    name: Annotated[str | None, means("what it is called", default="the file's stem")] = None
    doc: Annotated[str, means("what it is, in a sentence or two")] = ""
    source: Annotated[str, means("paper, standard, vendor document or recording that it was written from")] = ""
    maturity: Annotated[
        Maturity,
        means(
            "`validated`: golden vectors or silicon agree. `documented`: from a published description. "
            "`reconstructed`: parts are guesses, or it is no real machine"
        ),
    ] = ""
    scope: Annotated[str, means("what was checked, on what, and what is not known")] = ""
