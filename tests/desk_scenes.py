"""Moments of a day at the desk, for pictures and for whoever looks at the page: fictional, all.

PYTHONPATH=. .venv/bin/python -m tests.desk_scenes docs          # the pictures of the README
PYTHONPATH=. .venv/bin/python -m tests.desk_scenes FOLDER --all  # fr and en, light and dark
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import product
from pathlib import Path

from playwright.async_api import expect

from cti import clock
from cti.calls.hearing import _words
from cti.people.agents import Agent, Presence, Role
from cti.web.notes import WRITING
from cti.web.screen import SCREENS
from tests.desk_page import Desk, chromium, desk_at

Scene = Callable[[Desk], Awaitable[None]]
HANDOVER = (
    "Vient de perdre son frère. Parle bas, sa famille dort à côté.\n"
    "Souhaite surtout être écouté, pas de conseil."
)
SUGGESTIONS = [
    {
        "to": {"agent": "lea"},
        "label": "Léa",
        "reasons": [
            {
                "code": "skill:deuil:3",
                "fr": "compétence : deuil (niveau 3)",
                "en": "skill: deuil (level 3)",
            },
            {"code": "free_minutes:12", "fr": "libre depuis 12 min", "en": "free for 12 min"},
        ],
    },
    {
        "to": {"line": "listeners"},
        "label": "Écoutants",
        "reasons": [
            {"code": "nobody_waits", "fr": "personne n'attend", "en": "nobody waits"},
            {"code": "free_people:2", "fr": "libres : 2", "en": "free: 2"},
        ],
    },
    {
        "to": {"agent": "louis"},
        "label": "Louis",
        "reasons": [{"code": "just_free", "fr": "vient de se libérer", "en": "has just come free"}],
    },
]
LEA = {"id": "lea", "name": "Léa"}
ROSA = {"id": "rosa", "name": "Rosa"}
NO_MICROPHONE = """(why) => {
  navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", why)); }"""
SILENT_MICROPHONE = """() => { navigator.mediaDevices.getUserMedia = () =>
  Promise.resolve(new AudioContext().createMediaStreamDestination().stream); }"""


def waiting_cards() -> list[dict[str, object]]:
    """Three who wait: one in danger, one sent by a colleague, one who has just come."""
    card = {
        "line": "regulators", "tier": "regulators", "language": "fr", "gender": None,
        "danger": False, "danger_level": 0, "need": [], "path": [], "told": {}, "returned": False,
        "oriented": None, "handover": False, "state": "waiting", "may_take": True,
    }  # fmt: skip
    since = [(clock.now() - timedelta(minutes=ago)).isoformat() for ago in (9, 4, 0.2)]
    return [
        card | {"id": "w1", "waiting_since": since[0], "danger": True, "danger_level": 3,
                "told": {"sujet": "violences"}, "gender": "femme"},
        card | {"id": "w2", "waiting_since": since[1], "line": "listeners", "tier": "listeners",
                "oriented": "regulator", "handover": True, "language": "en", "may_take": False,
                "state": "ringing"},
        card | {"id": "w3", "waiting_since": since[2]},
    ]  # fmt: skip


async def arrive(desk: Desk, who: str = "rosa") -> None:
    """Somebody signs in, with the usual team around."""
    team = desk.house.team
    for id_, name, role in (("remy", "Rémy", Role.REGULATOR), ("louis", "Louis", Role.LISTENER)):
        team.agents[id_] = Agent(id_, name, frozenset({role}), id_)
    for id_, presence in (
        ("rosa", Presence.READY),
        ("lea", Presence.READY),
        ("louis", Presence.READY),
        ("remy", Presence.TALKING),
        ("sam", Presence.NOT_READY),
    ):
        team.move(desk.house.agent(id_), presence, "pause" if id_ == "sam" else None)
    await desk.sign_in(who)


async def talk(desk: Desk, who: str = "rosa", minutes: float = 4, **view: object) -> None:
    """Somebody has a caller, for some minutes already."""
    await arrive(desk, who)
    house, agent = desk.house, desk.house.agent(who)
    house.offer(who, **view)
    house.connect(who)
    agent.since_at = clock.now() - timedelta(minutes=minutes)
    if who == "rosa":
        assert agent.engagement
        agent.engagement.suggestions = list(SUGGESTIONS)
        house.tell(who, "call.suggestions", suggestions=SUGGESTIONS)
    house.team._tell_presence(agent)
    await expect(desk.page.locator("#talk-time")).not_to_be_empty()


async def ready(desk: Desk) -> None:
    """Nobody calls."""
    await arrive(desk)
    desk.house.team.set_duty(desk.house.agent("rosa"), clock.now() + timedelta(hours=2), None)


async def offered(desk: Desk) -> None:
    """A listener's phone is about to ring."""
    await arrive(desk, "lea")
    desk.house.offer(
        "lea", tier="listeners", path=["regulators"], handover=HANDOVER, told={"âge": "adulte"}
    )


async def orienting(desk: Desk) -> None:
    """A regulator chooses who listens next."""
    await talk(desk, told={"sujet": "deuil"})
    await desk.page.get_by_role("button", name="Léa").click()
    await desk.page.locator("#words").fill(HANDOVER)
    await desk.page.locator("label:has([value=consult])").click()


async def consulting(desk: Desk) -> None:
    """A regulator speaks with a listener alone, the caller in music."""
    await talk(desk, told={"sujet": "deuil"})
    desk.house.told("rosa", held=True, colleague=LEA | {"how": "consulting"})


async def consulted(desk: Desk) -> None:
    """The listener whom the regulator consults."""
    await talk(desk, "lea", 0.3, tier="listeners", path=["regulators"], handover=HANDOVER)
    desk.house.told("lea", colleague=ROSA | {"how": "consulted_by"})


async def held(desk: Desk) -> None:
    """The caller waits under music."""
    await talk(desk)
    desk.house.told("rosa", held=True)
    desk.house.tell("rosa", "call.held", on=True, reason=None, seconds_max=300.0)


async def silent(desk: Desk) -> None:
    """Nothing is heard of the caller, who taps."""
    await talk(desk, "lea", 1, tier="listeners", path=["regulators"])
    words = _words()
    sound = {
        "problem": "caller_silent",
        "advice": words["caller_silent"]["silence"]["fr"],
        "advice_en": words["caller_silent"]["silence"]["en"],
        "say": words["say"]["fr"],
    }
    desk.house.tell("lea", "call.sound", **sound)
    desk.house.told("lea", sound=sound, keys=["1", "1", "2"])


async def unheard(desk: Desk) -> None:
    """Nobody hears the agent."""
    await talk(desk, danger_level=2)
    advice = _words()["no_voice"]["silence"]
    sound = {"problem": "no_voice", "advice": advice["fr"], "advice_en": advice["en"], "say": []}
    desk.house.told("rosa", sound=sound)


async def back(desk: Desk) -> None:
    """Nobody answered where the caller was oriented: they come back."""
    await arrive(desk)
    rosa = desk.house.agent("rosa")
    rosa.outbox.push("call.came_back", {"call": {"id": "c1"}, "reason": "not_answered"})
    desk.house.offer("rosa", handover=HANDOVER, path=["regulators"], danger_level=1)


async def resting(desk: Desk) -> None:
    """The minutes after a talk."""
    await talk(desk, "lea", 18, tier="listeners")
    desk.house.end("lea", "caller_left")
    await desk.page.locator("[name=disposition][value=ecoute]").check()


async def asked(desk: Desk) -> None:
    """A ring in vain is asked about."""
    await arrive(desk)
    rosa = desk.house.agent("rosa")
    rosa.shift_ends_at = clock.now() + timedelta(minutes=15)
    rosa.one_more = True
    desk.house.team.missed(rosa)


async def alerted(desk: Desk) -> None:
    """A supervisor is told of two colleagues."""
    await arrive(desk, "sam")
    desk.house.team.alert("missed", desk.house.agent("lea"))
    desk.house.team.alert("trunk_dead", desk.house.agent("louis"))


async def hello(desk: Desk) -> None:
    """The first page after signing in, nobody else there."""
    await desk.sign_in("lea")


async def waiting(desk: Desk) -> None:
    """A regulator in a break sees who waits."""
    await arrive(desk)
    desk.house.team.move(desk.house.agent("rosa"), Presence.NOT_READY, "pause")
    desk.house.agent("rosa").outbox.push(
        "waiting.changed", {"waiting": waiting_cards(), "waiting_count": 7}, says_all=True
    )
    await expect(desk.page.locator("#waiting li")).to_have_count(3)


async def writing(desk: Desk) -> None:
    """A note is written, a card is open."""
    await talk(desk, "lea", 21, tier="listeners", path=["regulators"], handover=HANDOVER)
    note = desk.page.locator("#note")
    await note.locator("textarea").first.fill("Parle de son frère. Souhaite rappeler demain.")
    await note.locator("label:has([type=checkbox])").nth(1).click()
    await expect(note.get_by_text(re.compile("Gardée à|Saved at"))).to_be_visible()
    await desk.page.locator("#cards summary").nth(1).click()


async def muted(desk: Desk) -> None:
    """The caller does not hear the agent."""
    await talk(desk)
    desk.house.told("rosa", muted=True)
    desk.house.tell("rosa", "call.muted", on=True, reason=None, seconds_max=60.0)


async def together(desk: Desk) -> None:
    """Three talk."""
    await talk(desk)
    desk.house.told("rosa", colleague=LEA | {"how": "stays"})


async def helped(desk: Desk) -> None:
    """An agent asks for help."""
    await talk(desk, "lea", 8, tier="listeners")
    await desk.page.locator("#help button").first.click()
    await expect(desk.page.locator("#help")).to_have_attribute("data-asked", "true")


async def helping(desk: Desk) -> None:
    """Somebody else needs help."""
    await arrive(desk, "sam")
    desk.house.team.helping.ask(desk.house.agent("lea"), None)
    await expect(desk.page.locator("#help")).to_contain_text("Léa")


async def gone(desk: Desk) -> None:
    """The wire is cut."""
    await talk(desk)
    desk.cut()
    await expect(desk.page.locator("#cut")).to_be_visible()


async def asleep(desk: Desk) -> None:
    """Too many windows are open: this one sleeps."""
    await arrive(desk)
    for screen in desk.house.app[SCREENS].all():
        screen.stop(4009)
    await expect(desk.page.locator("#cut")).to_be_visible()


async def hours(desk: Desk) -> None:
    """One's own hours and calls."""
    await arrive(desk)
    await desk.page.locator("#mine-open").click()
    await expect(desk.page.locator("#mine table")).to_have_count(2)


async def no_hours(desk: Desk) -> None:
    """The first day: no hours yet."""
    await arrive(desk)
    desk.house.app[WRITING].mine.empty = True
    await desk.page.locator("#mine-open").click()
    await expect(desk.page.locator("#mine p")).to_have_count(2)


async def refused(desk: Desk) -> None:
    """The browser refuses the microphone."""
    await arrive(desk)
    await desk.page.evaluate(NO_MICROPHONE, "NotAllowedError")
    await desk.page.locator("#phone-open").click()
    await expect(desk.page.locator("#handset")).to_have_attribute("data-state", "refused")


async def no_microphone(desk: Desk) -> None:
    """No microphone is plugged in."""
    await arrive(desk)
    await desk.page.evaluate(NO_MICROPHONE, "NotFoundError")
    await desk.page.locator("#phone-open").click()
    await expect(desk.page.locator("#handset")).to_have_attribute("data-state", "no_microphone")


async def engine_away(desk: Desk) -> None:
    """The telephone system does not answer the page."""
    await arrive(desk)
    await desk.page.evaluate(SILENT_MICROPHONE)
    await desk.page.locator("#phone-open").click()  # no telephone system here: 404
    await expect(desk.page.locator("#handset")).to_have_attribute("data-state", "engine_away")


async def phone_ready(desk: Desk) -> None:
    """This page is the phone; its sound is being chosen."""
    await arrive(desk)
    await desk.page.locator("#phone-open").click()
    await expect(desk.page.locator("#handset")).to_have_attribute("data-state", "ready")
    await desk.page.locator("#handset details summary").click()


async def phone_elsewhere(desk: Desk) -> None:
    """Another tab is the phone."""
    await phone_ready(desk)
    other = await desk.page.context.new_page()
    await other.goto(desk.address)
    await other.locator("#handset button").first.click()
    await expect(other.locator("#handset")).to_have_attribute("data-state", "ready")
    await desk.page.bring_to_front()
    await expect(desk.page.locator("#handset")).to_have_attribute("data-state", "elsewhere")


async def checked(desk: Desk) -> None:
    """A check that finds the line out of reach."""
    await phone_ready(desk)
    await desk.page.locator("#handset button").first.click()
    await expect(desk.page.locator("#check .verdict")).to_be_visible()


async def locked(desk: Desk) -> None:
    """The desk is locked during a talk."""
    await talk(desk, "lea", 6, tier="listeners", handover=HANDOVER)
    await desk.page.keyboard.press("Shift+F8")
    await expect(desk.page.locator("#locked")).to_be_visible()


async def locked_ringing(desk: Desk) -> None:
    """Somebody calls while the desk is locked."""
    await arrive(desk, "lea")
    await desk.page.keyboard.press("Shift+F8")
    await expect(desk.page.locator("#locked")).to_be_visible()
    desk.house.offer("lea", tier="listeners", handover=HANDOVER)


async def wrong_password(desk: Desk) -> None:
    """The door, after a mistake."""
    await desk.page.goto(f"{desk.address}/login")
    await desk.page.locator("#username").fill("rosa")
    await desk.page.locator("#password").fill("non")
    await desk.page.keyboard.press("Enter")
    await expect(desk.page.get_by_role("alert")).not_to_be_empty()


async def door(desk: Desk) -> None:
    """The door."""
    await desk.page.goto(f"{desk.address}/login")


async def not_found(desk: Desk) -> None:
    """A page that is not there."""
    await arrive(desk)
    await desk.page.goto(f"{desk.address}/nulle-part")


SCENES: dict[str, Scene] = {
    scene.__name__: scene
    for scene in (
        ready,
        offered,
        orienting,
        consulting,
        consulted,
        held,
        silent,
        unheard,
        back,
        resting,
        asked,
        alerted,
        hello,
        waiting,
        writing,
        muted,
        together,
        helped,
        helping,
        gone,
        asleep,
        hours,
        no_hours,
        refused,
        no_microphone,
        engine_away,
    )
}
DOORS: dict[str, Scene] = {one.__name__: one for one in (door, wrong_password, not_found)}
# Those that need a telephone system, or that hide what the others show.
ALONE: dict[str, Scene] = {
    one.__name__: one for one in (phone_ready, phone_elsewhere, checked, locked, locked_ringing)
}
README = ("offered", "orienting", "waiting", "silent", "resting")


async def draw(folder: Path, names: tuple[str, ...], looks: tuple[tuple[str, bool], ...]) -> None:
    """A picture of each scene in each look: its language, and whether it is dark."""

    async def nobody_calls() -> None:
        return

    async with chromium() as browser:
        for name in names:
            for locale, dark in looks:
                async with desk_at(browser, nobody_calls, dark, locale) as desk:
                    await SCENES[name](desk)
                    await asyncio.sleep(0.4)
                    look = ("" if locale == "fr-FR" else "-en") + ("-dark" if dark else "")
                    path = folder / f"desk-{name}{look}.png"
                    await desk.page.screenshot(path=path, animations="disabled")


if __name__ == "__main__":
    everything = "--all" in sys.argv
    asyncio.run(
        draw(
            Path(sys.argv[1]),
            tuple(SCENES) if everything else README,
            tuple(product(("fr-FR", "en-GB"), (False, True)))
            if everything
            else (("fr-FR", False),),
        )
    )
