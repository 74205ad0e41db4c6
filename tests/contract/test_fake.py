"""The stand-in does as the engine does: every fact, in virtual time, without Docker."""

from __future__ import annotations

import pytest

from tests.contract.facts import FACTS, Fact
from tests.contract.trunk_facts import TRUNK_FACTS
from tests.contract.worlds import in_virtual_time


@pytest.mark.parametrize("fact", [*FACTS, *TRUNK_FACTS], ids=lambda fact: fact.__name__)
def test_of_the_stand_in(fact: Fact) -> None:
    in_virtual_time(fact)
