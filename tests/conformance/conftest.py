"""Lets a failed assertion of a case show its values, as if it stood in the test module."""

import pytest

pytest.register_assert_rewrite("conformance")
