"""What stands beside a call at the desk of a test: the shipped form and cards, notes in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cti import clock
from cti.people.hours import Hours
from cti.records.mine import PARIS, Day, Talk
from cti.records.notes import ChangedElsewhere, Note
from cti.records.papers import Papers
from cti.setup import copy_templates
from cti.web.notes import Writing
from tests.web_house import House


class Told:
    """Nothing may be wrong with what is shipped."""

    def __init__(self) -> None:
        self.wrong: dict[str, str] = {}

    def note(self, name: str, why: str) -> None:
        raise AssertionError((name, why))


class MemoryNotes:
    """Notes as the real store keeps them, without a database."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Note] = {}

    async def read(self, call_id: str, agent_id: str) -> Note:
        return self.kept.get((call_id, agent_id), Note())

    async def save(  # as the real one
        self, call_id: str, agent_id: str, form: Any, values: Any, version: int, now: datetime
    ) -> Note:
        before = await self.read(call_id, agent_id)
        if before.version != version:
            raise ChangedElsewhere(before)
        note = replace(before, values=values, version=version + 1, form=form.version, saved_at=now)
        self.kept[call_id, agent_id] = note
        return note

    async def may_still_write(self, *_: object) -> bool:
        return True


class OneWeek:
    """Somebody's days and talks: a week of them, or none."""

    def __init__(self) -> None:
        self.empty = False

    async def hours(self, *_: object) -> list[Day]:
        today = clock.now().astimezone(PARIS).date()
        served = [(6, 180, 96, 5), (3, 240, 131, 7), (0, 95, 40, 2)]
        return [] if self.empty else [Day(today - timedelta(ago), *rest) for ago, *rest in served]

    async def talks(self, *_: object) -> list[Talk]:
        now = clock.now()
        had = [(1, "listener", 1260, "ecoute", True), (26, "regulator", 250, None, False)]
        return (
            []
            if self.empty
            else [
                Talk(f"c{ago}", now - timedelta(hours=ago), role, seconds, what, note)
                for ago, role, seconds, what, note in had
            ]
        )


def lay_papers(house: House, folder: Path) -> Writing:
    """Everything that a line keeps beside calls, as shipped."""
    copy_templates(folder)
    hours = Hours(house.team.agents.values(), lambda *_: None)
    papers: Any = Papers(folder, Told())
    notes: Any = MemoryNotes()
    week: Any = OneWeek()
    return Writing(papers, notes, week, hours)
