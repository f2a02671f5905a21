"""The hash of a unit is that of its datapath: names and prose do not count, every bit that could change does."""

from emu import load_unit

KEYS = {"operands": {"a": "e4m3", "b": "e4m3", "d": "float32"}, "level": [{"group": 4, "align_bits": 9}]}


def test_name_and_prose_do_not_count():
    assert load_unit(KEYS).spec_hash == load_unit({**KEYS, "name": "other", "doc": "words", "source": "me"}).spec_hash


def test_every_number_counts():
    plain = load_unit(KEYS).spec_hash
    assert load_unit({**KEYS, "level": [{"group": 4, "align_bits": 10}]}).spec_hash != plain
    assert load_unit({**KEYS, "k": 8, "operands": {**KEYS["operands"], "c": "float32"}}).spec_hash != plain
    assert load_unit({**KEYS, "nan": {"code": {"float32": 0x7FFFFFFF}}}).spec_hash != plain
