"""Plugins of all tests; they live beside this file."""

pytest_plugins = ["engines_fixtures", "require_all"]
