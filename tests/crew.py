"""People made up for the tests of the team."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cti.people.agents import Agent, Presence, Role


def agent(
    id_: str,
    *roles: Role,
    free_since: float = 0.0,
    languages: str = "fr",
    presence: Presence = Presence.READY,
    screen: bool = True,
    skills: Mapping[str, int] | None = None,
    **more: Any,
) -> Agent:
    """A regulator who speaks French, is free and has a screen, unless told otherwise."""
    one = Agent(
        id_,
        id_.title(),
        frozenset(roles or (Role.REGULATOR,)),
        phone=id_,
        languages=frozenset(languages.split()),
        presence=presence,
        free_since=free_since,
        skills=skills or {},
        **more,
    )
    if screen:
        one.outbox.open_screen(lambda message: None)
    return one
