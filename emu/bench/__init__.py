"""How fast emu is here: plans and casts next to what NumPy and other libraries do in the same process."""
