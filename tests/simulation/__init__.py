"""The simulation: its parts, its determinism, and what it must catch."""
