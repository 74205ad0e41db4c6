"""The facts' own asserts are to say what they saw."""

import pytest

pytest.register_assert_rewrite("tests.contract.facts")
pytest.register_assert_rewrite("tests.contract.trunk_facts")
