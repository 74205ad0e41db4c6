"""What an agent writes of a call: sealed answer by answer, theirs alone, never lost in silence."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import select

from cti.people.agents import Presence
from cti.people.hours import Hours
from cti.records import notes as notes_module
from cti.records.database import Database, create_database
from cti.records.migrating import migrate
from cti.records.mine import Mine
from cti.records.models import Call, Leg, Note, Sealed
from cti.records.notes import Notes
from cti.records.papers import FORM, FORM_TEMPLATE, Papers
from cti.records.privacy import Keys, purge
from cti.setup import copy_templates
from cti.web import words
from cti.web.notes import WRITING, Writing
from tests.web_house import ORIGIN, House

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ADDRESS = "/api/v1/calls/c1/note"
CANARY = "Elle s'appelle Zéphyrine"
VALUES = {"demande": "parler", "themes": ["deuil"], "danger": True, "note": CANARY}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "fil.db"
    asyncio.run(migrate(f"sqlite:///{path}"))
    return path


class Told:
    wrong: dict[str, str] = {}  # noqa: RUF012 -- nobody reads it here

    def note(self, name: str, why: str) -> None:
        raise AssertionError((name, why))


@dataclass
class Desk:
    """A house with a database, in which Rosa talks in call c1."""

    house: House
    client: TestClient[web.Request, web.Application]
    database: Database
    papers: Papers
    file: Path

    async def ask(
        self, method: str, path: str = ADDRESS, who: str = "rosa", **more: Any
    ) -> tuple[int, dict[str, Any]]:
        bearer = {"Authorization": f"Bearer {await self.house.token(who)}"}
        answer = await self.client.request(method, path, headers=bearer, **more)
        return answer.status, await answer.json()

    async def put(self, values: dict[str, Any], version: int, **more: Any) -> tuple[int, Any]:
        return await self.ask("PUT", json={"values": values, "version": version, **more})

    async def rows(self, model: Any) -> list[Any]:
        async with self.database.sessions() as session:
            return list((await session.scalars(select(model))).all())


async def record(database: Database, call: str, *legs: Leg) -> None:
    """What the records would have written of a call."""
    row = Call(
        id=call, engine_id="e", channel_id=call, number_dialled="0800190000", stage="listening",
        started_at=NOON, danger=False, danger_level=0,
    )  # fmt: skip
    async with database.writers.begin() as session:
        session.add(row)
        await session.flush()
        session.add_all(legs)


def leg(id_: str, agent: str, answered: bool = True, ended_at: datetime | None = None) -> Leg:
    return Leg(
        id=id_, call_id="c1", engine_id="e", agent_id=agent, role="regulator", rung_at=NOON,
        answered_at=NOON if answered else None, ended_at=ended_at, outcome=None,
    )  # fmt: skip


@pytest.fixture
async def desk(tmp_path: Path, template: Path) -> AsyncIterator[Desk]:
    file = tmp_path / "fil.db"
    shutil.copy(template, file)
    copy_templates(tmp_path)
    database = create_database(f"sqlite:///{file}")
    house = House()
    papers = Papers(tmp_path, Told())
    keys = Keys.load_or_create(tmp_path / "keys")
    hours = Hours(house.team.agents.values(), lambda *_: None)
    house.app[WRITING] = Writing(papers, Notes(database, keys), Mine(database), hours)
    await record(database, "c1")
    house.offer("rosa", "c1")
    house.connect("rosa")
    house.agent("rosa").call_id = "c1"
    async with TestClient(TestServer(house.app)) as client:
        yield Desk(house, client, database, papers, file)
    await database.close()


def code(answer: tuple[int, dict[str, Any]]) -> tuple[int, str]:
    return answer[0], answer[1]["error"]["code"]


# Writing and reading


async def test_a_note_is_empty_then_what_was_written(desk: Desk) -> None:
    assert desk.papers.form
    version = desk.papers.form.version
    empty = {"form": version, "values": {}, "version": 0, "saved_at": None}
    assert await desk.ask("GET") == (200, empty)
    with time_machine.travel(NOON, tick=False):
        assert await desk.put(VALUES, 0) == (200, {"version": 1, "saved_at": NOON.isoformat()})
    saved = {"form": version, "values": VALUES, "version": 1, "saved_at": NOON.isoformat()}
    assert await desk.ask("GET") == (200, saved)
    assert (await desk.put({"demande": "conseil"}, 1))[1]["version"] == 2
    assert (await desk.ask("GET"))[1]["values"] == {"demande": "conseil"}


async def test_each_answer_is_sealed_on_its_own_with_its_purpose_and_its_end(desk: Desk) -> None:
    with time_machine.travel(NOON, tick=False):
        await desk.put(VALUES, 0)
    days = {row.field: (row.purpose, (row.purge_at - NOON).days) for row in await desk.rows(Sealed)}
    assert days == {
        "note/rosa/demande": ("comprendre", 365),
        "note/rosa/themes": ("comprendre", 365),
        "note/rosa/danger": ("comprendre", 365),
        "note/rosa/note": ("suite", 2),
    }
    written = b"".join(path.read_bytes() for path in desk.file.parent.glob("fil.db*"))
    for word in ("Zéphyrine", "deuil"):
        assert word.encode() not in written


async def test_each_answer_dies_on_its_day_and_the_note_with_the_last(desk: Desk) -> None:
    with time_machine.travel(NOON, tick=False):
        await desk.put(VALUES, 0)
    assert await purge(desk.database, NOON + timedelta(days=1, hours=23)) == 0
    assert await purge(desk.database, NOON + timedelta(days=2)) == 1
    rest = {key: value for key, value in VALUES.items() if key != "note"}
    assert (await desk.ask("GET"))[1]["values"] == rest
    assert await purge(desk.database, NOON + timedelta(days=364)) == 0
    assert len(await desk.rows(Note)) == 1
    assert await purge(desk.database, NOON + timedelta(days=365)) == 3
    assert await desk.rows(Note) == []


async def test_a_note_changed_on_another_page_is_shown_and_not_overwritten(desk: Desk) -> None:
    await desk.put({"note": "la première page"}, 0)
    for old in (0, 7):
        status, answer = await desk.put({"note": "la seconde"}, old)
        assert (status, answer["error"]["code"]) == (409, "changed_elsewhere")
        assert (answer["values"], answer["version"]) == ({"note": "la première page"}, 1)
        assert answer["saved_at"]
    assert (await desk.ask("GET"))[1]["values"] == {"note": "la première page"}
    assert (await desk.put({"note": "la seconde"}, 1))[0] == 200


async def test_an_answer_lost_on_the_way_is_given_again(desk: Desk) -> None:
    first = await desk.put(VALUES, 0)
    assert await desk.put(VALUES, 0) == first  # the page never heard that it was saved
    assert (await desk.ask("GET"))[1]["version"] == 1


# Whose it is


async def test_nobody_reads_or_writes_the_note_of_another(desk: Desk) -> None:
    await desk.put(VALUES, 0)
    assert code(await desk.ask("GET", who="lea")) == (403, "note_closed")
    desk.house.offer("lea", "c1")  # her phone rings for the same caller
    desk.house.agent("lea").call_id = "c1"
    assert code(await desk.ask("GET", who="lea")) == (403, "note_closed")
    desk.house.connect("lea")
    desk.house.agent("lea").call_id = "c1"
    status, mine = await desk.ask("GET", who="lea")
    assert (status, mine["values"], mine["version"]) == (200, {}, 0)
    hers = {"values": {"note": "autre chose"}, "version": 0}
    assert (await desk.ask("PUT", who="lea", json=hers))[0] == 200
    assert (await desk.ask("GET"))[1]["values"] == VALUES
    assert code(await desk.ask("GET", "/api/v1/calls/c2/note")) == (403, "note_closed")


async def test_a_note_stays_open_through_the_wrap_up_and_two_hours_after_the_talk(
    desk: Desk,
) -> None:
    desk.house.end("rosa")
    assert desk.house.agent("rosa").presence is Presence.WRAP_UP
    assert (await desk.put(VALUES, 0))[0] == 200
    desk.house.team.move(desk.house.agent("rosa"), Presence.READY)
    assert code(await desk.ask("GET")) == (403, "note_closed")  # the records know of no talk
    async with desk.database.writers.begin() as session:
        session.add(leg("rang", "rosa", answered=False))
    assert code(await desk.ask("GET")) == (403, "note_closed")
    async with desk.database.writers.begin() as session:
        session.add(leg("talked", "rosa", ended_at=NOON))
    for after, expected in ((119, 200), (121, 403)):
        with time_machine.travel(NOON + timedelta(minutes=after), tick=False):
            assert (await desk.ask("GET"))[0] == expected
            assert (await desk.put(VALUES, 1))[0] == expected
    assert (await desk.ask("GET", who="lea"))[0] == 403


async def test_a_page_of_elsewhere_writes_no_note(desk: Desk) -> None:
    signed = {"username": "rosa", "password": "demo-rosa"}
    await desk.client.post("/api/v1/login", json=signed)
    body = {"values": {}, "version": 0}
    assert (await desk.client.put(ADDRESS, json=body)).status == 403
    (session,) = desk.house.door.sessions.values()
    ours = {"X-CSRF-Token": session.csrf, "Origin": ORIGIN}
    assert (await desk.client.put(ADDRESS, json=body, headers=ours)).status == 200
    theirs = ours | {"Origin": "http://ailleurs.test"}
    assert (await desk.client.put(ADDRESS, json=body, headers=theirs)).status == 403


# What cannot be


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (400, "bad_note")),
        (b"\xff", (400, "bad_note")),
        (b"[" * 20_000, (400, "bad_note")),
        (b'{"values": {}}', (400, "bad_note")),
        (b'{"values": [], "version": 0}', (400, "bad_note")),
        (b'{"values": {}, "version": "0"}', (400, "bad_note")),
        (b'{"values": {}, "version": -1}', (400, "bad_note")),
        (b'{"values": {}, "version": 99999999999}', (400, "bad_note")),
        (b'{"values": {}, "version": 0, "who": "lea"}', (400, "bad_note")),
        (b'{"values": {"nom": "x"}, "version": 0}', (400, "unknown_field")),
        (b'{"values": {"danger": "x"}, "version": 0}', (400, "bad_value")),
        (b'{"values": {}, "version": 0, "form": "000000000000"}', (409, "form_changed")),
        (b'{"values": {"note": "' + b"x" * 4001 + b'"}, "version": 0}', (413, "text_too_long")),
        (b'{"values": {"note": "' + b"x" * 70_000 + b'"}, "version": 0}', (413, "http_413")),
    ],
)
async def test_what_cannot_be_kept_is_said_and_changes_nothing(
    desk: Desk, body: bytes, expected: tuple[int, str]
) -> None:
    await desk.put(VALUES, 0)
    assert code(await desk.ask("PUT", data=body)) == expected
    assert (await desk.ask("GET"))[1]["values"] == VALUES


async def test_which_answer_is_wrong_is_said(desk: Desk) -> None:
    _, answer = await desk.put({"danger": "x"}, 0)
    assert answer["field"] == "danger"


async def test_a_database_that_is_away_is_said_and_the_note_is_saved_once_it_is_back(
    desk: Desk,
) -> None:
    desk.database.shut = "away"
    assert code(await desk.ask("GET")) == (503, "database_away")
    assert code(await desk.put(VALUES, 0)) == (503, "database_away")
    desk.database.shut = None
    assert (await desk.put(VALUES, 0))[0] == 200


async def test_a_locked_database_keeps_nobody_waiting(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes_module, "SECONDS_MAX", 0.2)
    other = sqlite3.connect(desk.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    assert code(await desk.put(VALUES, 0)) == (503, "database_away")
    assert time.monotonic() - began < 2  # SQLite itself would wait for five seconds
    other.execute("COMMIT")
    other.close()
    monkeypatch.undo()
    assert (await desk.put(VALUES, 0))[1]["version"] == 1  # saved or not meanwhile


async def test_notes_take_turns_so_that_calls_find_the_database_free(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, now, most = desk.database.write, 0, 0

    async def counted(work: Any) -> Any:
        nonlocal now, most
        now += 1
        most = max(most, now)
        try:
            return await write(work)
        finally:
            now -= 1

    monkeypatch.setattr(desk.database, "write", counted)
    answers = await asyncio.gather(*(desk.put({"note": str(page)}, 0) for page in range(6)))
    assert sorted(status for status, _ in answers) == [200, 409, 409, 409, 409, 409]
    assert most == 1


async def test_a_call_that_the_records_have_not_copied_yet_is_waited_for(desk: Desk) -> None:
    desk.house.agent("rosa").call_id = "c9"
    answer = await desk.ask("PUT", "/api/v1/calls/c9/note", json={"values": VALUES, "version": 0})
    assert code(answer) == (503, "database_away")


async def test_a_note_sealed_with_another_key_is_said(desk: Desk, tmp_path: Path) -> None:
    await desk.put(VALUES, 0)
    async with desk.database.writers.begin() as session:
        for row in await session.scalars(select(Sealed)):
            row.key_id = "another"
    assert code(await desk.ask("GET")) == (503, "note_unreadable")


async def test_nothing_of_a_note_is_logged(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for body in (VALUES, {CANARY: 1}, {"danger": CANARY}, {"note": CANARY * 300}):
            await desk.put(body, 0)
        for broken in (f'{{"values": "{CANARY}"}}', f'{{"values": {{"note": "{CANARY}'):
            assert code(await desk.ask("PUT", data=broken.encode())) == (400, "bad_note")
        desk.database.shut = "away"
        await desk.put(VALUES, 1)
    assert "Zéphyrine" not in caplog.text
    assert "Z\\xe9" not in caplog.text


# The form, and what else is asked for


async def test_a_note_begun_with_a_form_goes_on_with_it(desk: Desk) -> None:
    assert desk.papers.form
    first = desk.papers.form.version
    await desk.put(VALUES, 0, form=first)
    file = desk.file.parent / FORM
    file.write_text(FORM_TEMPLATE.read_text().replace("  themes:", "  sujets:"))
    desk.papers.refresh()
    assert (await desk.ask("GET", "/api/v1/form"))[1]["version"] != first
    status, before = await desk.ask("GET", f"/api/v1/form?version={first}")
    assert (status, before["version"]) == (200, first)
    assert "themes" in [field["id"] for field in before["fields"]]
    assert (await desk.ask("GET"))[1]["form"] == first
    assert (await desk.put(VALUES | {"danger": False}, 1, form=first))[0] == 200
    assert code(await desk.put(VALUES, 2)) == (400, "unknown_field")


async def test_a_line_without_a_form_says_so(desk: Desk) -> None:
    desk.papers.form = None
    assert code(await desk.ask("GET", "/api/v1/form")) == (404, "no_form")
    assert code(await desk.put({}, 0)) == (404, "no_form")
    assert (await desk.ask("GET"))[1]["form"] is None
    assert code(await desk.ask("GET", "/api/v1/form?version=../x")) == (404, "no_form")


async def test_the_cards_are_given_in_order_with_what_is_due(desk: Desk) -> None:
    status, answer = await desk.ask("GET", "/api/v1/cards")
    assert status == 200
    assert [card["id"] for card in answer["cards"]] == list(desk.papers.cards)
    assert all(card["draft"] and not card["overdue"] for card in answer["cards"])


async def test_without_papers_there_is_nothing_to_find() -> None:
    house = House()
    async with TestClient(TestServer(house.app)) as client:
        bearer = {"Authorization": f"Bearer {await house.token('rosa')}"}
        for path in ("form", "cards", "calls/c1/note", "my/hours", "my/calls"):
            assert (await client.get(f"/api/v1/{path}", headers=bearer)).status == 404


def test_each_code_has_its_sentences_and_each_sentence_its_code() -> None:
    sources = ["cti/web/notes.py", "cti/web/mine.py", "cti/records/form.py"]
    text = "".join((ROOT / path).read_text() for path in sources)
    sent = set(re.findall(r'refused\(request, \d+, "(\w+)"', text))
    sent |= set(re.findall(r'ValueRefused\("(\w+)"', text))
    sent |= set(re.findall(r'return (?:None if fits else )?"(\w+_\w+)"', text)) - {"yes_no"}
    assert {"unknown_field", "bad_value", "text_too_long", "bad_days", "note_closed"} <= sent
    assert sent == set(words._WRITING)
