"""Puts the parts together into processes. Imports everything; nothing imports it but the CLI."""
