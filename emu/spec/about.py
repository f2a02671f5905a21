"""What the tables of all spec files have in common, and what every file may say about itself."""

from __future__ import annotations

from typing import Literal

import msgspec

Maturity = Literal["validated", "documented", "reconstructed", ""]
"""How far a spec is proven: golden vectors or silicon agree; a published description; parts are guesses."""


class Keys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all tables of a spec file: frozen, keyword-only, unknown keys refused."""


class AboutKeys(Keys, frozen=True, kw_only=True):
    """The keys that formats, units, schemes and accelerators have in common."""

    name: str | None = None
    doc: str = ""
    source: str = ""
    maturity: Maturity = ""
    scope: str = ""
