"""Plugins of all tests; they live beside this file."""

import pytest

# Lets a failed assertion of a conformance case show its values.
pytest.register_assert_rewrite("conformance")

pytest_plugins = ["engines_fixtures", "require_all"]
