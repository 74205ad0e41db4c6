"""The same flow over FastAGI, on a real engine that keeps its own dialplan."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from cti.rehearsal.phone import CallEnded, PhoneCall
from cti.rehearsal.sound import RATE, Samples, correlation, read_wav, rms_dbfs
from tests.line import Line, a_line, free_ports
from tests.scenes import nothing_left, told

SITE = "0199005597"
# What another site's dialplan does with our answer; each end is heard.
DIALPLAN = """
[from-trunk]
exten => {site},1,Answer(,i)
 same => n,AGI(agi://127.0.0.1:{port}/welcome)
 same => n,GotoIf($["${{FIL_RESULT}}${{FIL_LINE}}${{FIL_DANGER}}" = "lineregulators1"]?queue)
 same => n,Hangup()
 same => n(queue),Playback(/sounds/fr/orientation)
 same => n,Hangup()
"""


def as_another_site(line: Line, dialplan: str) -> None:
    """Have the engine serve a dialplan that is not ours as well."""
    extensions = line.settings.data / "engine/etc/extensions.conf"
    extensions.write_text(extensions.read_text() + dialplan)
    for module in ("res_speech", "res_agi", "app_playback"):  # our own engine needs none
        line.cli(f"module load {module}.so")
    line.cli("dialplan reload")


async def test_another_dialplan_walks_our_flow_and_learns_where_it_led(tmp_path: Path) -> None:
    (port,) = free_ports(1, 27000)
    async with a_line(tmp_path / "data", flow="demo-ferme", FIL_AGI_PORT=str(port)) as line:
        as_another_site(line, DIALPLAN.format(site=SITE, port=port))
        # Somebody knocks and says nothing, before and meanwhile.
        for _ in range(3):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
        async with line.caller() as closed, line.caller("0199000043") as afraid:
            first, second = await closed.call(SITE), await afraid.call(SITE)
            await first.answered(3)
            await second.answered(3)
            await asyncio.sleep(3)
            await second.press("0")
            await told(line, second, "danger", 15)
            await told(line, second, "orientation", 20)  # the site's own: it knows the line
            await told(line, first, "ferme", 25)
            await first.ended(10)
            for call in (first, second):
                with contextlib.suppress(CallEnded):
                    await call.hang_up()
        assert "agi.failed" not in line.log_path.read_text()
        await nothing_left(line, 5)


# -- the same caller, through our own telephone and through the other ---------------

OURS, THEIRS = "0199005595", "0199005596"
FLOW = f"""
name: Deux téléphones
numbers: ["{OURS}", "{THEIRS}"]
languages: [fr, en]
start: menu
rings_within: 40 s
danger: {{key: "0", say: danger, then: regulation}}
attributes: {{departement: chiffres}}
steps:
  menu:
    menu: choix-attente
    keys: {{"1": departement, "2": langue}}
    seconds: 3 s
    tries: 2
    otherwise: patience
  departement: {{gather: departement, into: departement, digits: 3, seconds: 3 s, then: note,
    otherwise: patience}}
  note: {{say: bien-note, then: au-revoir}}
  langue: {{language: choix-langue, keys: {{"2": en}}, seconds: 3 s, then: patience}}
  patience: {{say: patience, then: regulation}}
  au-revoir: {{say: au-revoir, then: fin}}
  regulation: {{line: regulators, while_waiting: musique, on_no_staff: personne,
    on_wait_longer_than: {{after: 5 min, then: personne}}}}
  ecoute: {{line: listeners, while_waiting: musique, on_no_staff: personne,
    on_wait_longer_than: {{after: 5 min, then: personne}}}}
  musique: {{wait: 30 s, then: encore}}
  encore: {{say: patience-encore, then: musique}}
  personne: {{say: personne-disponible, then: fin}}
  fin: {{hang_up: true}}
"""
TWO_PHONES = """
[from-trunk]
exten => {site},1,Answer(,i)
 same => n,AGI(agi://127.0.0.1:{port}/welcome)
 same => n,GotoIf($["${{FIL_RESULT}}" = "end"]?done)
 same => n,AGI(agi://127.0.0.1:{port}/no-staff/${{FIL_LINE}})
 same => n(done),Hangup()
"""
# What is pressed, each after so many seconds, and what is heard of it, in order.
CALLERS: dict[str, tuple[list[tuple[float, str]], list[str]]] = {
    "nothing": (
        [],
        ["fr/choix-attente", "fr/choix-attente", "fr/patience", "fr/personne-disponible"],
    ),
    "digits": ([(2, "1"), (2, "75#")], ["fr/departement", "fr/bien-note", "fr/au-revoir"]),
    "danger among digits": ([(2, "1"), (2, "100")], ["fr/departement", "fr/bien-note"]),
    "english": ([(2, "2"), (2, "2")], ["fr/choix-langue", "en/patience", "en/personne-disponible"]),
    "danger": ([(2, "0")], ["fr/danger", "fr/personne-disponible"]),
    "danger in place of digits": (
        [(2, "1"), (2, "0")],
        ["fr/departement", "fr/danger", "fr/personne-disponible"],
    ),
    "a wrong key": ([(2, "8"), (3, "2")], ["fr/choix-attente", "fr/choix-langue", "fr/patience"]),
}
SAME_WITHIN_SECONDS = 1.5
HEARD_FROM = 0.85


async def lived(line: Line, own: str, dialled: str, presses: list[tuple[float, str]]) -> PhoneCall:
    """One caller's whole call."""
    async with line.caller(own) as phone:
        call = await phone.call(dialled)
        await call.answered(3)
        for wait, keys in presses:
            await asyncio.sleep(wait)
            await call.press(keys)
        await call.ended(75)
        return call


def first_heard(heard: Samples, prompt: Samples) -> float | None:
    """When a prompt begins for the first time, in seconds: by any half second of its first two.

    One of them may be spoilt: a packet that comes late shifts what follows.
    """
    for second in range(2, len(heard) // RATE + 1):
        here = heard[max(0, second - 4) * RATE : second * RATE]
        for at in range(0, 2 * RATE, RATE // 2):
            like, lag = correlation(here, prompt[at : at + RATE // 2])
            if like > HEARD_FROM and rms_dbfs(prompt[at : at + RATE // 2]) > -40:
                return max(0, second - 4) + lag - at / RATE
    return None


def moments(line: Line, call: PhoneCall, expected: list[str]) -> list[float]:
    """When each prompt began to be heard, in seconds since the answer, one after the other."""
    assert call.answered_at is not None
    heard, found, at = call.heard(call.answered_at), list[float](), 0.0
    for prompt in expected:
        sound = read_wav(line.sounds / f"{prompt}.wav")
        began = first_heard(heard[round(at * RATE) :], sound)
        assert began is not None, (prompt, found)
        found.append(at + began)
        at += began + 2.0  # what it is recognised by is over
    return found


@pytest.mark.timeout(180)
async def test_the_same_caller_hears_the_same_over_both_telephones(tmp_path: Path) -> None:
    (port,) = free_ports(1, 27000)

    async def published(line: Line) -> None:
        (line.settings.data / "flows/deux.yaml").write_text(FLOW)
        code, said = await line.fil("flow", "publish", "deux", "--why", "essai")
        assert code == 0, said

    async with a_line(tmp_path / "data", prepare=published, FIL_AGI_PORT=str(port)) as line:
        as_another_site(line, TWO_PHONES.format(site=THEIRS, port=port))
        calls = await asyncio.gather(
            *(
                lived(line, f"01990003{number:02d}", dialled, presses)
                for number, (presses, _) in enumerate(CALLERS.values())
                for dialled in (OURS, THEIRS)
            )
        )
        pairs = zip(calls[::2], calls[1::2], strict=True)
        for (who, (_, expected)), (ours, theirs) in zip(CALLERS.items(), pairs, strict=True):
            here, there = moments(line, ours, expected), moments(line, theirs, expected)
            # What comes after a line also depends on how each site tells that nobody is there.
            apart = [
                abs(one - other)
                for one, other, prompt in zip(here, there, expected, strict=True)
                if not prompt.endswith("/personne-disponible")
            ]
            assert max(apart) < SAME_WITHIN_SECONDS, (who, here, there)
        await nothing_left(line, 5)
