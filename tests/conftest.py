"""Plugins of all tests; they live beside this file."""

import pytest

# Lets a failed assertion of a conformance case show its values.
pytest.register_assert_rewrite("conformance")

pytest_plugins = ["engines_fixtures", "require_all"]

# Not complete yet: the end-to-end tests and the stand-ins of the local cluster; Kafka by the
# command line.
collect_ignore = [
    "api/test_paging.py",
    "e2e",
    "records",
    "store",
    "worker",
    "cli/test_records.py",
    "cli/test_start.py",
    "tools/test_localcluster.py",
]
