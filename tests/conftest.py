"""Plugins of all tests; they live beside this file."""

import hypothesis
import pytest

# How long an example takes says more about what else the machine does than about the code.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# Lets a failed assertion of a conformance case show its values.
pytest.register_assert_rewrite("conformance")

pytest_plugins = ["engines_fixtures", "require_all"]
