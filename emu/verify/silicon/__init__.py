"""Silicon: the instructions of the processor that runs this, compared bit for bit with what emu computes.

* `probes`: running an instruction on arrays, if the processor and the system let us.
* `targets`: what is compared: an instruction of `emu.verify.instructions`, its forms and modes.
* `floats`, `integers`: operands that go where arithmetic goes wrong; `chunks`: operands of a whole call.
* `live`: the comparison; `recorded`: replaying recorded vectors of an instruction that is not here.
* `rows`: counts for people.
"""
