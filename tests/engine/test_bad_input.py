"""Whatever a caller's telephone sends, on purpose or not: they are served, no more and no less."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

import pytest
from sqlalchemy import text

from cti.records.database import create_database
from cti.records.journal import Journal
from cti.records.privacy import Keys
from cti.records.privacy import Phone as Number
from cti.records.record import Records
from cti.rehearsal.phone import CallEnded, PhoneCall
from tests.line import NUMBER, Line

CALLER_HZ, ROSA_HZ = 440, 800
MARK = "Zwyx"  # in every bad name and number; digits and this word are nowhere else
WITHHELD = "0639980145"
BAD_EVENTS = ("call.failed", "task.failed", "mailbox.overflowed", "orphan.failed", "Traceback")

# (the name shown, the number shown, what of that number may be kept)
NAMES = [
    MARK + "x" * 75,
    MARK + "\u00e9" * 75,
    MARK + " \\r\\nEvent: Forged\\r\\nNumber: 7",
    MARK + " %0D%0AEvent: Forged%0D%0A",
    MARK + "\t\x0b\x1b[2J\x7f",
    MARK + " %00 \\0 \\x00",
    MARK + "\"', ;|&`$(id)",
    MARK + "${SHELL(touch /tmp/forged)}",
    MARK + '"},"event":"forged","x":{"y":"',
    MARK + "'; DROP TABLE calls; --",
    MARK + "<script>alert(1)</script><img src=x onerror=alert(1)>",
    MARK + "{{ 7*7 }} {% raw %}",
    MARK + "\u202e\u2066\u200f\u200d",  # marks that turn the text around
    MARK + "\udcff\udcfe\udcc3(",  # bytes that are no UTF-8
    MARK + "\U0001f4a3" * 20,
    MARK + ",,,)(][",
    "",
]
NUMBERS = [
    (f"{MARK}0199000051", "0199000051"),
    (f"0199000052{MARK}", "0199000052"),
    ("7" * 79, "7" * 15),
    (MARK * 20, ""),
    (f"0199000053%0D%0AEvent:%20{MARK}", "0199000053"),
    (f"0199000054%00{MARK}", "0199000054"),
    (f"%00{MARK}", ""),
    (f"0199000055%22%2C{MARK}", "0199000055"),
    (f"$%7BSHELL(touch%20/tmp/{MARK})%7D", ""),
    (f"%24%7BCALLERID(all)%7D{MARK}", ""),
    (f"0199000056%3Cscript%3E{MARK}", "0199000056"),
    (f"%E2%80%AE0199000057{MARK}", ""),
    (f"%FF%FE0199000058{MARK}", ""),
    (f"+33199000059;{MARK}=1", "+33199000059"),
    (f"{MARK},,)(0199000061", "0199000061"),
    (f"anonymous{MARK}", ""),
    (f"%D9%A0%D9%A1%D9%A2{MARK}", ""),  # digits, but not of ours
]
IDENTITIES = [(name, "0199000050", "0199000050") for name in NAMES] + [
    (f"{MARK} {place}", number, kept) for place, (number, kept) in enumerate(NUMBERS)
]


def files(line: Line) -> dict[str, bytes]:
    """All that the line has written, by name."""
    folders = (line.settings.data / "journal", line.settings.data / "engine/state")
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    paths += [*line.settings.data.glob("fil.sqlite*"), line.log_path]
    return {path.name: path.read_bytes() for path in paths}


def channels_of(line: Line) -> dict[str, dict[str, Any]]:
    """The engine's channels now, by their Call-ID."""
    question = quote("CHANNEL(pjsip,call-id)")
    found = {}
    for channel in line.ari("channels"):
        with contextlib.suppress(HTTPError):  # gone meanwhile
            call_id = line.ari(f"channels/{channel['id']}/variable?variable={question}")["value"]
            found[call_id] = channel
    return found


async def channel_of(line: Line, call: PhoneCall) -> dict[str, Any]:
    """The engine's channel of a caller."""
    return (await asyncio.to_thread(channels_of, line))[call.call_id]


@asynccontextmanager
async def ami(line: Line) -> AsyncIterator[bytearray]:
    """All that the engine's old door says to who may read it, as it comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", line.settings.ami_port)
    secret = line.settings.secret("ami")
    writer.write(f"Action: Login\r\nUsername: fil\r\nSecret: {secret}\r\n\r\n".encode())
    said = bytearray()

    async def listen() -> None:
        while part := await reader.read(65536):
            said.extend(part)

    listening = asyncio.create_task(listen())
    try:
        yield said
    finally:
        listening.cancel()
        writer.close()


async def kept_number(line: Line, channel_id: str, folder: Path) -> tuple[str | None, str | None]:
    """What the records keep of the caller on a channel: (the pseudonym, the sealed number)."""
    database = create_database(line.settings.database)
    keys = Keys.load_or_create(line.settings.data / "secrets")
    journal = Journal(folder / channel_id)  # the line's own is in use
    try:
        for _ in range(50):
            async with database.sessions() as session:
                found = await session.execute(
                    text("select id, caller_ref, ended_at from calls where channel_id = :id"),
                    {"id": channel_id},
                )
                row = found.one_or_none()
            if row is not None and row.ended_at:
                number = await Records(database, journal, keys).unseal(row.id, "caller_number")
                return row.caller_ref, number
            await asyncio.sleep(0.1)
    finally:
        journal.close()
        await database.close()
    raise AssertionError(f"no closed record of the channel {channel_id}\n{line.tail()}")


def reference(line: Line, number: str) -> tuple[str | None, str | None]:
    """What the records may keep of a number."""
    parsed = Number.parse(number)
    keys = Keys.load_or_create(line.settings.data / "secrets")
    return (keys.caller_ref(parsed), parsed.e164) if parsed else (None, None)


async def test_no_name_or_number_that_a_telephone_can_send_is_refused_kept_or_obeyed(
    line: Line, tmp_path: Path
) -> None:
    assert len(IDENTITIES) >= 20
    log_before = line.log_path.stat().st_size
    async with ami(line) as said, AsyncExitStack() as stack:
        calls = []
        for name, number, kept in IDENTITIES:
            telephone = await stack.enter_async_context(
                line.caller(from_user=number, display_name=name)
            )
            calls.append((await telephone.call(NUMBER), name, number, kept))
        for call, name, number, _ in calls:
            try:
                await call.answered(3)
            except (CallEnded, TimeoutError) as error:
                raise AssertionError(f"{name!r} {number!r}: {error}") from None
        found = await asyncio.to_thread(channels_of, line)
        channels = []
        for call, name, number, kept in calls:
            channel = found[call.call_id]
            assert channel["caller"] == {"name": "", "number": kept}, (name, number)
            assert MARK not in json.dumps(channel), (name, number)
            channels.append((channel["id"], kept))
            await call.hears_sound(2, call.answered_at)
        for call, *_ in calls:
            await call.hang_up()
        assert b"Authentication accepted" in said
        heard = bytes(said)

    for channel_id, kept in channels:
        assert await kept_number(line, channel_id, tmp_path) == reference(line, kept)
    traces = {name: data for name, data in files(line).items() if MARK.encode() in data}
    assert traces == {}
    messages = await asyncio.to_thread(line.engine, "logs")
    assert MARK not in messages
    assert MARK.encode() not in heard
    # Nor did anybody write a line of their own.
    assert re.findall(rb"(?im)^(?:event|action|number): ?forged", heard) == []
    assert [row for row in messages.splitlines() if row.strip() and not row.startswith("[")] == []
    for row in line.log_path.read_bytes()[log_before:].decode().splitlines():
        assert row == "fil: ready" or "event" in json.loads(row), row
        assert not any(bad in row for bad in BAD_EVENTS), row


@pytest.mark.parametrize("how", ["as an operator", "its number in From"])
async def test_a_withheld_number_is_withheld_from_us_too(
    line: Line, tmp_path: Path, how: str
) -> None:
    withheld = {"privacy": True} if how == "as an operator" else {}
    headers = (
        {} if withheld else {"Privacy": "id;critical", "P-Asserted-Identity": f"<tel:{WITHHELD}>"}
    )
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        line.caller(WITHHELD, hz=CALLER_HZ, **withheld) as telephone,
    ):
        call = await telephone.call(NUMBER, headers=headers)
        await call.answered(2)
        channel = await channel_of(line, call)
        assert channel["caller"] == {"name": "", "number": ""}
        pop = (await rosa.sees("call.offered"))["data"]
        at_rosa = await rosa.ring()
        assert set(pop["call"]) == {
            "id", "tier", "language", "waited_seconds", "path", "handover", "danger", "told",
            "danger_level", "returned", "held", "held_until", "muted", "muted_until", "keys",
            "sound", "inviting", "colleague",
        }  # fmt: skip
        await at_rosa.answer()
        await call.hears(ROSA_HZ, 10)
        await call.hang_up()
        await rosa.sees("call.ended")
        assert WITHHELD[1:] not in json.dumps([frame for _, frame in rosa.frames])
        assert WITHHELD[1:] not in str(list(at_rosa.headers))

    assert await kept_number(line, channel["id"], tmp_path) == (None, None)
    assert [name for name, data in files(line).items() if WITHHELD[1:].encode() in data] == []


@pytest.mark.parametrize("privacy", ["none", "NONE"])
async def test_a_caller_who_hides_nothing_keeps_their_number(line: Line, privacy: str) -> None:
    async with line.caller("0199000060") as telephone:
        call = await telephone.call(NUMBER, headers={"Privacy": privacy})
        await call.answered(2)
        channel = await channel_of(line, call)
        assert channel["caller"]["number"] == "0199000060"


async def test_any_number_dialled_is_answered_as_the_line_and_letters_are_refused(
    line: Line, tmp_path: Path
) -> None:
    answered = {
        "1": "1",
        "0199009999": "0199009999",
        "+33800190000": "+33800190000",
        "0" * 79: "0" * 20,
        f"0800%0D%0AEvent:%20{MARK}": "0800",
        f"0800%24%7BSHELL(id)%7D{MARK}": "0800",
        f"0800%22%2C1)%00{MARK}": "08001",
    }
    async with line.caller() as telephone:
        calls = [(await telephone.call(dialled), kept) for dialled, kept in answered.items()]
        for call, kept in calls:
            await call.answered(2)
            await call.hears_sound(2, call.answered_at)
            channel = await channel_of(line, call)
            assert channel["channelvars"]["FIL_DIALLED"] == kept
            assert MARK not in json.dumps(channel)
            await call.hang_up()
        await line.until(line.is_quiet, 3, "those calls are over")
        for dialled in ("bonjour", "*31", "%23", f"%20{MARK}", "s", "h", "line", "T", "%CE%B1"):
            refused = await telephone.call(dialled)
            await refused.ended(3)
            assert refused.answered_at is None
            assert refused.end_status == 404, dialled
            assert line.is_quiet()
    assert [name for name, data in files(line).items() if MARK.encode() in data] == []


async def test_a_storm_of_keys_changes_nothing_and_breaks_nothing(line: Line) -> None:
    # All but the key of the menu, and that of danger.
    storm = "1345678911*#ABCD1345678911345678911345678911"
    log_before = line.log_path.stat().st_size
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        line.agent("remy") as remy,
        line.caller(hz=CALLER_HZ) as telephone,
    ):
        call = await telephone.call(NUMBER)
        await call.answered(2)
        await call.press(storm, ms=20)  # through the greeting
        pop = (await rosa.sees("call.offered"))["data"]
        at_rosa = await rosa.ring()
        assert not any(frame["type"] == "call.updated" for _, frame in rosa.frames)
        # The menu after it still hears its own key.
        async with asyncio.timeout(8):
            while not any(frame["type"] == "call.updated" for _, frame in rosa.frames):
                await call.press("2")
                await asyncio.sleep(0.3)
        assert (await rosa.sees("call.updated"))["data"]["call"]["language"] == "en"
        await at_rosa.answer()
        await rosa.sees("call.connected", 10)
        await call.hears(ROSA_HZ, 3)
        await asyncio.gather(
            call.press(storm[:20] + "22", ms=20), at_rosa.press("*#0123ABCD", ms=20)
        )
        assert line.talk_bridges() == [f"talk-{pop['call']['id']}"]
        await call.hears(ROSA_HZ, 2)
        await at_rosa.hears(CALLER_HZ, 2)
        assert remy.phone.calls == []
        assert call.silences(call.answered_at + 0.1, time.monotonic(), longer_than_s=1.5) == []
        await call.hang_up()
        record = await line.closed_record(pop["call"]["id"])

    assert record["language"] == "en"
    assert (record["outcome"], record["ended_by"]) == ("talked", "caller")
    assert [leg["outcome"] for leg in record["legs"]] == ["talked"]
    log = line.log_path.read_bytes()[log_before:].decode()
    assert [bad for bad in BAD_EVENTS if bad in log] == []


@contextmanager
def without(line: Line, prompt: str) -> Iterator[None]:
    """A built prompt is gone from the disk while the line runs."""
    taken = {path: path.read_bytes() for path in line.sounds.glob(f"{prompt}.wav*")}
    assert taken
    for path in taken:
        path.unlink()
    try:
        yield
    finally:
        for path, data in taken.items():
            path.write_bytes(data)
            path.chmod(0o644)


@pytest.mark.parametrize("prompt", ["fr/accueil", "fr/choix-langue"])
async def test_a_prompt_that_has_vanished_costs_the_caller_its_words_and_nothing_more(
    line: Line, prompt: str
) -> None:
    async with line.agent("rosa", hz=ROSA_HZ) as rosa, line.caller(hz=CALLER_HZ) as telephone:
        before = await asyncio.to_thread(line.engine, "logs")
        with without(line, prompt):
            call = await telephone.call(NUMBER)
            await call.answered(2)
            at_rosa = await rosa.ring()
            await asyncio.sleep(1 if prompt == "fr/accueil" else 5)
            await at_rosa.answer()
            await rosa.sees("call.connected", 3)  # no waiting for what is not heard
            await call.hears(ROSA_HZ, 3)
            await at_rosa.hears(CALLER_HZ, 2)
            silences = call.silences(call.invited_at, time.monotonic(), longer_than_s=2.0)
            assert silences == []
            await call.hang_up()
            await rosa.sees("call.ended")
        said = (await asyncio.to_thread(line.engine, "logs"))[len(before) :]
        assert f"/sounds/{prompt}" in said  # the engine was asked for it, in vain
