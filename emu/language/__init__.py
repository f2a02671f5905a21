"""The spec language described from its own types: the tables of spec/README.md, and JSON Schemas for editors.

* `fields` reads a struct of keys, `members` the meanings of a vocabulary's values, `words` says types in plain words.
* `page` writes the tables into spec/README.md; `schema` makes the JSON Schemas of spec/schemas.
* `python -m emu.language --write` renews both; a test fails where they differ from the types.
"""
