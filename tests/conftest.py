"""Plugins of all tests; they live beside this file."""

import pytest

# Lets a failed assertion of a conformance case show its values.
pytest.register_assert_rewrite("conformance")

pytest_plugins = ["engines_fixtures", "require_all"]

# These need the embedded engine, or Kafka by the command line, which are not complete yet.
collect_ignore = ["api", "e2e", "conformance/test_sqlite.py", "cli/test_records.py"]
