"""Every row of the table of orientations as real calls: what each telephone hears, to the end.

Several lines of their own live side by side, so that rows share no agent: each takes one row
after the other. An item is a kind of orientation and how somebody leaves it; it names each row
that went wrong.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from cti.rehearsal.phone import CallEnded
from tests.handed import RING_SECONDS_MAX, SOUND_LOST_SECONDS, people
from tests.line import Line, a_line, free_ports
from tests.orientations import KINDS, ROWS, Row
from tests.scenes import add_quick_flow

LINES = 5
ROUNDS = 12
JITTER_SECONDS_MAX = 0.005
pytestmark = pytest.mark.timeout(240)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lines(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Line]]:
    """Lines of their own, whose engines notice soon that a telephone sends nothing."""
    ports = free_ports(4 * LINES)
    async with AsyncExitStack() as stack:

        async def one(number: int) -> Line:
            sip, ari, ami, web = (str(port) for port in ports[4 * number : 4 * number + 4])
            data: Path = tmp_path_factory.mktemp(f"line{number}")
            return await stack.enter_async_context(
                a_line(
                    data,
                    flow="quick",
                    prepare=made_quick,
                    FIL_SIP_PORT=sip,
                    FIL_ARI_PORT=ari,
                    FIL_AMI_PORT=ami,
                    FIL_WEB_PORT=web,
                    FIL_RING_SECONDS_MAX=str(RING_SECONDS_MAX),
                )
            )

        yield [await one(number) for number in range(LINES)]


async def made_quick(line: Line) -> None:
    line.program = ("-m", "tests.hurried")
    add_quick_flow(line)
    phones = line.settings.data / "engine/etc/pjsip.conf"
    text = phones.read_text()
    found = re.findall(r"^rtp_timeout(?:_hold)?=\d+$", text, re.MULTILINE)
    assert len(found) == 4, found
    for setting in found:
        text = text.replace(setting, f"{setting.partition('=')[0]}={SOUND_LOST_SECONDS}")
    phones.write_text(text)


async def side_by_side(lines: list[Line], rows: list[Row]) -> list[str]:
    """Live through rows, one on each line at a time; returns what went wrong."""
    waiting, wrong = list(reversed(rows)), []

    async def take(line: Line) -> None:
        while waiting:
            row = waiting.pop()
            began = time.monotonic()
            try:
                async with people(line, row) as handed:
                    await handed.live()
            except (AssertionError, TimeoutError, CallEnded) as failure:
                wrong.append(f"{row} ({time.monotonic() - began:.0f} s): {failure}")

    await asyncio.gather(*(take(line) for line in lines))
    return wrong


@pytest.mark.parametrize("how", ["hangs up", "is lost or silent"])
@pytest.mark.parametrize("kind", KINDS)
async def test_whoever_leaves_the_caller_goes_on_and_hears_whom_they_should(
    lines: list[Line], kind: str, how: str
) -> None:
    rows = [
        row for row in ROWS if row.kind == kind and (row.what == "hangs up") == (how == "hangs up")
    ]
    wrong = await side_by_side(lines, rows)
    assert not wrong, f"{len(wrong)} of {len(rows)} rows:\n" + "\n\n".join(wrong)
