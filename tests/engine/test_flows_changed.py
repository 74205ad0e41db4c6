"""What admins change is heard by new callers at once, and by nobody who is already calling."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cti.rehearsal.phone import Phone, PhoneCall
from tests.line import NUMBER, Desk, Line, a_line
from tests.scenes import HEARD_FROM, likeness, nothing_left, told

CALLERS = 20
RELAY = "0199005501"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def line_of_flows(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Line]:
    """A line of its own: its flows change."""
    async with a_line(tmp_path_factory.mktemp("flows")) as line:
        yield line


def draft(line: Line) -> Path:
    return line.settings.data / "flows/demo.yaml"


async def publish(line: Line, old: str, new: str) -> tuple[int, str]:
    text = draft(line).read_text()
    assert old in text
    draft(line).write_text(text.replace(old, new))
    return await line.fil("flow", "publish", "demo", "--why", "essai", "--by", "ada")


@pytest.mark.alone
async def test_twenty_callers_finish_on_their_version_and_new_ones_hear_the_next(
    line_of_flows: Line,
) -> None:
    line = line_of_flows
    # Twenty are no crowd here, and the music between two words is cut short.
    draft(line).write_text(draft(line).read_text().replace("crowded_above: 2", "crowded_above: 50"))
    code, said = await publish(line, "wait: 20 s", "wait: 6 s")
    assert (code, "version 2 publiée" in said) == (0, True), said
    await asyncio.sleep(2)
    async with contextlib.AsyncExitStack() as people:
        # The one who is on duty talks with somebody else: the callers wait.
        await people.enter_async_context(line.agent("remy", hz=800, answering="auto"))
        other = await people.enter_async_context(line.caller("0199000398"))
        await (await other.call(NUMBER)).hears(800, 20)
        calls: list[PhoneCall] = []
        for number in range(CALLERS):
            phone = await people.enter_async_context(line.caller(f"01990003{number:02d}"))
            calls.append(await phone.call(NUMBER))
            await calls[-1].answered(3)
            await asyncio.sleep(0.1)
        # A broken file is refused, and changes nothing.
        code, said = await publish(line, "menu: choix-attente", "menu: choix-attentes")
        assert code != 0
        assert f"{draft(line)}:" in said
        assert "message inconnu `choix-attentes` ; écrivez `choix-attente`" in said
        # A new version: other words at the same place.
        code, said = await publish(line, "menu: choix-attentes", "menu: affluence-encore")
        assert (code, "version 3 publiée" in said) == (0, True), said
        await asyncio.sleep(2)
        newcomer = await people.enter_async_context(line.caller("0199000399"))
        new = await newcomer.call(NUMBER)
        await new.answered(3)
        await told(line, new, "affluence-encore", 40)
        for call in (*calls, new):
            await call.hang_up()
    for call in calls:  # they have waited longer than the new one
        assert likeness(line, call, "choix-attente") > HEARD_FROM
        assert likeness(line, call, "affluence-encore") < HEARD_FROM
    assert likeness(line, new, "choix-attente") < HEARD_FROM
    await nothing_left(line, 10)


async def test_a_version_altered_by_hand_changes_nothing_for_callers(line_of_flows: Line) -> None:
    line = line_of_flows
    home = line.settings.data / "flows/published/demo"
    before = (home / "current").read_text()
    shutil.copytree(home / before.strip(), home / "99")
    (home / "99/flow.yaml").write_text("name: [")
    async with (
        line.caller() as phone,
        Desk.sign_in(line, "ada", phone) as admin,
        Desk.sign_in(line, "rosa", phone) as regulator,
    ):
        (home / "current").write_text("99\n")
        told_ada = (await admin.sees("system.changed", 5))["data"]
        assert told_ada["reasons"] == ["flow_refused"]
        assert "La version 99 de « demo » a été modifiée à la main" in told_ada["advice"]
        call = await phone.call(NUMBER)
        await call.answered(3)
        await told(line, call, "accueil", 10)
        await call.hang_up()
        (home / "current").write_text(before)
        assert (await admin.sees("system.changed", 5))["data"]["degraded"] is False
        told_rosa = [f["data"] for _, f in regulator.frames if f["type"] == "system.changed"]
        assert all(not each["degraded"] for each in told_rosa)
    await nothing_left(line)


async def test_a_crisis_mode_is_heard_by_the_next_caller_and_ends(line_of_flows: Line) -> None:
    line = line_of_flows
    until = ("--until", "2036-01-01 08:00", "--why", "alerte")
    code, said = await line.fil("crisis", "on", "canicule", *until)
    assert code == 0, said
    await asyncio.sleep(2)
    async with line.agent("remy", answering="ring"), line.caller() as phone:
        call = await phone.call(NUMBER)
        await call.answered(3)
        await told(line, call, "crise-canicule", 25)
        await call.hang_up()
    code, said = await line.fil("crisis", "off")
    assert code == 0, said
    await nothing_left(line, 10)


@pytest.mark.parametrize("restarts", [False, True], ids=["alive", "killed"])
async def test_a_relay_takes_the_caller_whose_talk_outlives_us(
    tmp_path: Path, restarts: bool
) -> None:
    async with Phone(RELAY, tone_hz=1900, answering="auto") as relay:

        async def verified(line: Line) -> None:
            directory = line.settings.data / "relays.yaml"
            text = directory.read_text().replace(
                "    cost: gratuit",
                "    cost: gratuit\n    verified_at: 2026-11-01\n    live: true",
            )
            directory.write_text(text)
            flow = line.settings.data / "flows/demo-ferme.yaml"
            text = flow.read_text().replace(
                "  ferme:\n    say: ferme\n    then: fin\n",
                "  ferme:\n    relay: exemple\n    say: relais-appel\n    then: au-revoir\n"
                "    otherwise: ferme-dit\n  ferme-dit:\n    say: ferme\n    then: fin\n"
                "  au-revoir:\n    say: au-revoir\n    then: fin\n",
            )
            flow.write_text(text)
            code, said = await line.fil("flow", "publish", "demo-ferme", "--why", "relais")
            assert code == 0, said

        async with a_line(
            tmp_path / "data",
            flow="demo-ferme",
            prepare=verified,
            FIL_TRUNK_CONTACT=f"sip:127.0.0.1:{relay.port}",
        ) as line:
            async with line.caller(hz=440) as phone:
                call = await phone.call(NUMBER)
                await call.answered(3)
                await told(line, call, "relais-appel", 15)
                at_relay = await asyncio.wait_for(relay.incoming.get(), 10)
                await call.hears(1900, 8)
                await at_relay.hears(440, 8)
                if restarts:
                    line.kill()
                    await asyncio.sleep(2)
                    await call.hears(1900, 2)
                    await line.start()
                await asyncio.sleep(1)
                await at_relay.hang_up()
                await told(line, call, "au-revoir", 12)
                await call.ended(10)
                assert call.silences(call.answered_at or 0, longer_than_s=2.0) == []
            await nothing_left(line, 10)
