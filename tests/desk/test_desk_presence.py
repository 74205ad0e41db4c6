"""Presence on the desk: reasons, what follows a call, still there, the end of a shift, the rest."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import pytest
from playwright.async_api import expect

from cti import clock
from cti.people.agents import Presence
from tests.desk_page import Desk
from tests.desk_scenes import arrive, resting, talk

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("button", "reason", "said"),
    [
        ("Pause", "pause", "En pause"),
        ("Débriefing", "debriefing", "En débriefing"),
        ("Soutien", "support", "Temps de soutien"),
        ("Technique", "technical", "Souci technique"),
    ],
)
async def test_a_pause_has_its_reason_and_kind_words(
    desk: Desk, button: str, reason: str, said: str
) -> None:
    await arrive(desk)
    chosen = desk.page.get_by_role("button", name=button)
    await chosen.click()
    await expect(desk.page.locator("#presence-state")).to_have_text(said)
    await expect(desk.page.locator("#presence-more")).to_contain_text("Aucun appel")
    await expect(chosen).to_have_attribute("aria-pressed", "true")
    rosa = desk.house.agent("rosa")
    assert (rosa.presence, rosa.reason) == (Presence.NOT_READY, reason)


async def test_what_is_chosen_during_a_call_is_shown_and_survives_a_reload(desk: Desk) -> None:
    await talk(desk)
    await desk.page.get_by_role("button", name="Débriefing").click()
    following = desk.page.locator("#presence-next")
    await expect(following).to_have_text("Après cet appel : en débriefing")
    await desk.page.reload()
    await expect(following).to_have_text("Après cet appel : en débriefing")
    await desk.page.get_by_role("button", name="Disponible").click()
    await expect(following).to_be_hidden()


async def test_a_ring_in_vain_is_asked_about_and_one_button_answers(desk: Desk) -> None:
    await arrive(desk)
    rosa = desk.house.agent("rosa")
    desk.house.team.missed(rosa)
    await expect(desk.page.get_by_role("alert").get_by_text("Toujours là ?")).to_be_visible()
    await desk.page.reload()  # the question waits
    await desk.page.get_by_role("button", name="Oui, je suis là").click()
    await expect(desk.page.locator("#asked")).to_be_hidden()
    assert (rosa.missed, rosa.presence) == (0, Presence.READY)


async def test_the_key_answers_too_and_a_pause_ends_the_question(desk: Desk) -> None:
    await arrive(desk)
    rosa, asked = desk.house.agent("rosa"), desk.page.locator("#asked")
    desk.house.team.missed(rosa)
    await expect(asked).to_be_visible()
    ready_before = rosa.times_ready
    await desk.page.keyboard.press("F2")
    await expect(asked).to_be_hidden()
    assert (rosa.missed, rosa.times_ready) == (0, ready_before)
    desk.house.team.missed(rosa)
    await expect(asked).to_be_visible()
    await desk.page.keyboard.press("F4")
    await expect(asked).to_be_hidden()


@pytest.mark.parametrize("typed", ["21:30", "21h30"])
async def test_the_end_of_the_shift_is_noted_and_said(desk: Desk, typed: str) -> None:
    await arrive(desk)
    await desk.page.get_by_label("Je finis à").fill(typed)
    await desk.page.keyboard.press("Enter")
    await expect(desk.page.locator("#duty-words")).to_have_text("Vous finissez à 21 h 30.")
    ends_at = desk.house.agent("rosa").shift_ends_at
    assert ends_at
    here = await desk.page.evaluate("at => new Date(at).toTimeString().slice(0, 5)", str(ends_at))
    assert here == "21:30"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_hint_of_an_hour_can_be_read(
    desk: Desk, scheme: Literal["light", "dark"]
) -> None:
    await desk.page.emulate_media(color_scheme=scheme)
    await arrive(desk)
    contrast = await desk.page.evaluate(
        """() => {
          const lit = (color) => {
            const [r, g, b] = color.match(/[0-9.]+/g).map((one) => one / 255)
              .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const field = document.getElementById("duty-ends");
          const hint = lit(getComputedStyle(field, "::placeholder").color);
          const behind = lit(getComputedStyle(field).backgroundColor);
          return (Math.max(hint, behind) + 0.05) / (Math.min(hint, behind) + 0.05);
        }"""
    )
    assert contrast >= 4.5  # WCAG 2.2, AA


async def test_near_the_end_no_call_comes_without_a_yes(desk: Desk) -> None:
    await arrive(desk)
    rosa, team = desk.house.agent("rosa"), desk.house.team
    one_more = desk.page.get_by_role("button", name="Encore un appel")
    await expect(one_more).to_be_hidden()
    team.set_duty(rosa, clock.now() + timedelta(minutes=15), None)
    team.move(rosa, Presence.READY)  # as the team does by itself
    await expect(desk.page.locator("#presence-state")).to_have_text("Bientôt la fin")
    await one_more.click()
    await expect(desk.page.locator("#presence-state")).to_have_text("Disponible")
    await expect(one_more).to_be_hidden()
    await expect(desk.page.locator("#duty-words")).to_contain_text("Encore un appel, c'est noté")


async def test_the_rest_counts_down_and_is_extended_once(desk: Desk) -> None:
    await resting(desk)
    left, extend = desk.page.locator("#wrapup-left"), desk.page.get_by_role("button", name="+ 1 m")
    await expect(left).to_contain_text("Encore 0:5")
    await extend.click()
    await expect(left).to_contain_text("Encore 1:5")
    await expect(extend).to_be_hidden()
    await expect(desk.page.get_by_label("Écoute", exact=True)).to_be_checked()


async def test_after_a_call_closed_kindly_there_is_nothing_to_fill_in(desk: Desk) -> None:
    await talk(desk)
    desk.house.end("rosa", form=False)
    await expect(desk.page.get_by_text("Vous n'avez rien à remplir")).to_be_visible()
    await expect(desk.page.get_by_role("button", name="J'ai terminé")).to_be_hidden()
    await expect(desk.page.locator("#wrapup-left")).to_contain_text("pour vous")


async def test_a_supervisor_is_told_calmly_and_says_it_is_seen(desk: Desk) -> None:
    await arrive(desk, "sam")
    lea, team = desk.house.agent("lea"), desk.house.team
    for _ in range(2):
        team.alert("missed", lea)
    team.alert("trunk_dead", lea)
    alerts = desk.page.locator("#alerts")
    await expect(alerts).to_contain_text("a sonné deux fois")
    await desk.page.reload()
    await expect(alerts.get_by_role("listitem")).to_have_count(2)
    seen = desk.page.get_by_role("button", name="C'est vu, pour Léa")
    await seen.first.click()
    await expect(alerts.get_by_role("listitem")).to_have_count(1)
    await expect(seen).to_be_focused()
    await seen.click()
    await expect(alerts).to_be_hidden()
    await desk.page.reload()  # what was seen stays so
    await expect(desk.page.locator("#presence-state")).not_to_be_empty()
    await expect(alerts).to_be_hidden()


async def test_an_alert_during_a_cut_is_told_afterwards(desk: Desk) -> None:
    await arrive(desk, "sam")
    sam = desk.house.agent("sam")
    last = sam.outbox.push("presence.changed", sam.presence_view())
    assert await desk.acked(last, "sam")
    desk.cut()
    await expect(desk.page.locator("#cut")).to_be_visible()
    desk.house.team.alert("missed", desk.house.agent("lea"))
    desk.mend()
    await expect(desk.page.locator("#alerts")).to_contain_text("Léa")
