"""How the tools this checkout needs get onto a machine that has only Python, make and git.

Here belongs finding a tool or installing it into the user's cache. It runs before the project's own
environment exists, so nothing here may import anything but the standard library.
"""
