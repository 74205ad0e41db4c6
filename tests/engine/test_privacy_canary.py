"""A caller's number, followed through one whole call: it is nowhere that it must not be."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

from cti.records.database import create_database
from cti.records.journal import Journal
from cti.records.privacy import Keys
from cti.records.privacy import Phone as Number
from cti.records.record import Records
from tests.line import NUMBER, Desk, Line
from tests.traces import written

CALLER_HZ, ROSA_HZ, LEA_HZ = 440, 800, 1200
CANARY = "0639980123"
SPELLINGS = (CANARY, "+33639980123", "33639980123", "639980123", "0033639980123")
WRITTEN = (*SPELLINGS, "06 39 98 01 23", "+33 6 39 98 01 23", "06.39.98.01.23", "06-39-98-01-23")
HIDDEN = [" ".join(CANARY), "\u00a0".join(("06", "39", "98", "01", "23")), "06%2039%2098%2001%2023"]
# However it is written: its digits, with at most a separator between two of them.
SEPARATOR = rb"(?:%20|\\u00a0|\\u202f|[^0-9A-Za-z]){0,3}"
DIGITS = re.compile(SEPARATOR.join(rb"%c" % digit for digit in CANARY[1:].encode()))


def found_in(places: dict[str, bytes]) -> list[str]:
    """The places where the number stands."""
    return [place for place, data in places.items() if DIGITS.search(data)]


def processes() -> bytes:
    """What every account of this machine may read: how each process was started."""
    rows = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            rows.append(path.read_bytes())
        except OSError:
            continue
    return b"\n".join(rows)


def shown(desks: list[Desk]) -> dict[str, bytes]:
    """Every frame that these screens were sent."""
    return {
        f"{desk.name}: {frame['type']} {place}": json.dumps(frame, ensure_ascii=False).encode()
        for desk in desks
        for place, (_, frame) in enumerate(desk.frames)
    }


async def test_the_number_is_recognised_however_it_is_written() -> None:
    for spelled in (*WRITTEN, *HIDDEN):
        assert found_in({"a file": f'{{"number": "{spelled}"}}'.encode()}) == ["a file"], spelled
        assert found_in({"a frame": json.dumps(spelled).encode()}) == ["a frame"], spelled
    assert found_in({"another number": b"0639980124", "a part": b"063998012"}) == []


async def test_in_a_whole_call_the_callers_number_is_nowhere_but_sealed(
    line: Line, tmp_path: Path
) -> None:
    async with (
        line.agent("rosa", hz=ROSA_HZ) as rosa,
        line.agent("lea", hz=LEA_HZ) as lea,
        line.agent("sam") as sam,
        line.caller(CANARY, hz=CALLER_HZ, display_name=f"Camille {CANARY}") as telephone,
    ):
        call = await telephone.call(NUMBER)
        await call.answered(2)
        # It did arrive: the engine alone holds it while the call lives.
        channels = line.ari("channels")  # an agent's phone may be ringing already
        callers = [c["caller"] for c in channels if c["name"].startswith("PJSIP/trunk-")]
        assert callers == [{"name": "", "number": CANARY}]
        assert json.dumps(channels).count("Camille") == 0
        call_id = (await rosa.sees("call.offered"))["data"]["call"]["id"]
        at_rosa = await rosa.ring()
        started_as = await asyncio.to_thread(processes)
        await at_rosa.answer()
        await rosa.sees("call.connected", 10)
        to = {"line": "listeners"}
        assert (await rosa.does("call.orient", call=call_id, to=to, handover="Parle bas."))["ok"]
        await lea.sees("call.offered")
        at_lea = await lea.ring()
        await at_lea.answer()
        await lea.sees("call.connected", 8)
        await call.hears(LEA_HZ, 3)
        started_as += await asyncio.to_thread(processes)
        await call.hang_up()
        await lea.sees("call.ended")
        for desk in (rosa, lea):
            assert (await desk.does("wrapup.done", call=call_id, disposition="autre"))["ok"]
        record = await line.closed_record(call_id)
        frames = shown([rosa, lea, sam])
        rung = {
            "rosa's phone": str(list(at_rosa.headers)).encode(),
            "lea's phone": str(list(at_lea.headers)).encode(),
        }

    files = await asyncio.to_thread(written, line)
    for expected in ("controller.log", "fil.sqlite", "fil.sqlite-wal", ".jsonl", "astdb"):
        assert any(expected in place for place in files), expected
    assert any("call.offered" in place for place in frames)
    assert b"asterisk\0-f\0-C\0" in started_as
    assert b"-m\0cti\0serve\0" in started_as
    assert found_in(files | frames | rung | {"the processes": started_as}) == []

    # Those who may ask for it do get it: the grep above had something to find.
    database = create_database(line.settings.database)
    keys = Keys.load_or_create(line.settings.data / "secrets")
    journal = Journal(tmp_path / "journal")  # the line's own is in use
    try:
        number = await Records(database, journal, keys).unseal(call_id, "caller_number")
    finally:
        journal.close()
        await database.close()
    assert number == "+33639980123"
    (canary,) = {keys.caller_ref(parsed) for s in SPELLINGS if (parsed := Number.parse(s))} - {
        keys.caller_ref(Number("+639980123"))  # without its country: another country's
    }
    assert record["caller_ref"] == canary
