"""Self-check: formats and their arithmetic against an independent oracle, and against other people's."""
