"""Moments of a day at the desk, for pictures and for whoever looks at the page: fictional, all.

PYTHONPATH=. .venv/bin/python -m tests.desk_scenes docs          # the pictures of the README
PYTHONPATH=. .venv/bin/python -m tests.desk_scenes FOLDER --all  # fr and en, light and dark
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import product
from pathlib import Path

from playwright.async_api import expect

from cti import clock
from cti.calls.hearing import _words
from cti.people.agents import Agent, Presence, Role
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
    )
}
README = ("offered", "orienting", "silent", "resting")


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
