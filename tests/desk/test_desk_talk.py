"""With a caller on the desk: hold, mute, where next, who else is there, what is heard, closing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.async_api import WebSocketRoute, expect

from cti import clock
from cti.people.agents import Close, Decision, End, Hold, Mute, Orient, TakeBack
from tests.desk_page import Desk
from tests.desk_scenes import HANDOVER, LEA, ROSA, SCENES, SUGGESTIONS, arrive, back, silent, talk

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_caller_is_put_on_hold_and_taken_back_with_one_key(desk: Desk) -> None:
    await talk(desk)
    await desk.page.get_by_role("button", name="Mettre en attente").focus()
    await desk.page.keyboard.press("Enter")
    assert await desk.decision() == Hold(True)
    desk.house.told("rosa", held=True)
    desk.house.tell("rosa", "call.held", on=True, reason=None, seconds_max=300.0)
    band = desk.page.locator("#held")
    await expect(band).to_contain_text("En attente avec musique")
    await expect(desk.page.locator("#held-left")).to_contain_text("dans 4:5")
    await expect(band.get_by_role("button", name="Reprendre la personne")).to_be_focused()
    await desk.page.keyboard.press("F6")
    assert await desk.decision() == Hold(False)
    desk.house.tell("rosa", "call.held", on=False, reason="too_long", seconds_max=None)
    await expect(band).to_be_hidden()
    await expect(desk.page.locator("#notice")).to_contain_text("Cinq minutes ont passé")


async def test_a_button_keeps_the_keyboard_while_the_line_has_not_answered(desk: Desk) -> None:
    sent: list[str] = []
    held: list[str] = []
    screens: list[WebSocketRoute] = []

    def hold_the_answers(screen: WebSocketRoute) -> None:
        line = screen.connect_to_server()

        def pass_on(frame: str | bytes) -> None:
            sent.append(str(frame))
            line.send(frame)

        def hold(frame: str | bytes) -> None:
            (held.append if '"op": "result"' in str(frame) else screen.send)(str(frame))

        screen.on_message(pass_on)
        line.on_message(hold)
        screens.append(screen)

    await desk.page.route_web_socket("**/cti/v1", hold_the_answers)
    await talk(desk)
    button = desk.page.get_by_role("button", name="Mettre en attente")
    await button.focus()
    await desk.page.keyboard.press("Enter")
    await desk.page.keyboard.press("Enter")
    await expect(button).to_have_attribute("aria-disabled", "true")
    await expect(button).to_be_focused()
    rosa = desk.house.agent("rosa")
    assert await desk.acked(rosa.outbox.push("presence.changed", rosa.presence_view()))
    assert sum('"call.hold"' in frame for frame in sent) == 1
    for answer in held:
        screens[0].send(answer)
    await expect(button).not_to_have_attribute("aria-disabled", "true")
    await expect(button).to_be_focused()


async def test_how_long_a_hold_and_a_mute_last_is_shown_after_a_reload(desk: Desk) -> None:
    await talk(desk)
    for what, seconds, left in (("held", 290, "dans 4:"), ("muted", 50, "dans 0:4")):
        until = (clock.now() + timedelta(seconds=seconds)).isoformat()
        desk.house.told("rosa", **{what: True, f"{what}_until": until})
        await desk.page.reload()
        await expect(desk.page.locator(f"#{what}-left")).to_contain_text(left)
        desk.house.told("rosa", **{what: False, f"{what}_until": None})


async def test_an_agent_mutes_themselves_and_sees_it(desk: Desk) -> None:
    await talk(desk)
    await desk.page.get_by_role("button", name="Couper mon micro").click()
    assert await desk.decision() == Mute(True)
    desk.house.told("rosa", muted=True)
    desk.house.tell("rosa", "call.muted", on=True, reason=None, seconds_max=60.0)
    await expect(desk.page.locator("#muted")).to_contain_text("Micro coupé")
    await expect(desk.page.locator("#muted-left")).to_contain_text("dans 0:5")
    await desk.page.keyboard.press("F7")
    assert await desk.decision() == Mute(False)
    desk.house.tell("rosa", "call.muted", on=False, reason="too_long", seconds_max=None)
    await expect(desk.page.locator("#notice")).to_contain_text("votre micro est rouvert")


async def test_a_suggestion_is_chosen_with_one_click_and_says_why(desk: Desk) -> None:
    await talk(desk)
    lea = desk.page.locator("#suggestions").get_by_role("button", name="Léa")
    await expect(lea).to_contain_text("compétence : deuil (niveau 3)")
    await lea.click()
    await expect(lea).to_have_attribute("aria-pressed", "true")
    await expect(desk.page.locator("#to")).to_have_value("agent:lea")
    await expect(desk.page.locator("#words")).to_be_focused()
    desk.house.tell("rosa", "call.suggestions", suggestions=SUGGESTIONS[1:])
    await expect(desk.page.locator("#suggestions button")).to_have_count(2)
    await expect(desk.page.locator("#to")).to_have_value("agent:lea")


@pytest.mark.parametrize(
    ("way", "send", "decided"),
    [
        ("Transférer", "Transmettre", Orient(agent="lea", handover="Bas.", danger=2)),
        ("À trois", "Appeler", Orient(agent="lea", handover="Bas.", together=True, danger=2)),
        (
            "Consulter d'abord",
            "Appeler",
            Orient(agent="lea", handover="Bas.", consult=True, danger=2),
        ),
    ],
)
async def test_the_caller_is_oriented_in_three_ways_with_words_and_danger(
    desk: Desk, way: str, send: str, decided: Decision
) -> None:
    await talk(desk)
    await desk.page.get_by_label("Transmettre l'appel à").select_option("agent:lea")
    await desk.page.get_by_label("Ce que la prochaine personne").fill("Bas.")
    await desk.page.locator("#orient").get_by_text(way).click()
    await desk.page.get_by_label("Danger").select_option("Élevé")
    await desk.page.get_by_role("button", name=send).click()
    assert await desk.decision() == decided


async def test_nothing_new_of_the_danger_says_nothing_of_it(desk: Desk) -> None:
    await talk(desk)
    await desk.page.get_by_label("Transmettre l'appel à").select_option("agent:lea")
    await desk.page.get_by_role("button", name="Transmettre").click()
    assert await desk.decision() == Orient(agent="lea")


async def test_while_somebody_is_called_the_call_can_be_called_off(desk: Desk) -> None:
    await talk(desk)
    desk.house.told("rosa", inviting=True)
    band = desk.page.locator("#with")
    await expect(band).to_contain_text("On appelle quelqu'un")
    await expect(desk.page.locator("#orient")).to_be_hidden()
    await desk.page.get_by_role("button", name="Me retirer").click()
    await expect(desk.page.locator("#confirm")).to_contain_text("attendra en musique")
    await desk.page.get_by_role("button", name="Non, rester en ligne").click()
    await desk.page.get_by_role("button", name="Ne plus appeler").click()
    assert await desk.decision() == TakeBack()
    desk.house.told("rosa", inviting=False)
    desk.house.tell("rosa", "call.not_joined", reason="taken_back")
    await expect(desk.page.locator("#orient")).to_be_visible()
    await expect(desk.page.locator("#notice")).to_contain_text("plus personne n'est appelé")


@pytest.mark.parametrize(
    ("button", "decided"),
    [
        ("Se parler à trois", Orient(agent="lea", together=True)),
        ("Confier la personne à Léa", Orient(agent="lea")),
        ("Reprendre la personne", TakeBack()),
    ],
)
async def test_a_consultation_is_shown_and_has_its_three_ends(
    desk: Desk, button: str, decided: Decision
) -> None:
    await talk(desk)
    desk.house.told("rosa", held=True, colleague=LEA | {"how": "consulting"})
    await desk.page.reload()  # it is on the sheet, not only in a message
    await expect(desk.page.locator("#with")).to_contain_text("Vous consultez Léa")
    await expect(desk.page.locator("#with")).to_contain_text("entend la musique")
    await expect(desk.page.locator("#held")).to_be_hidden()
    await expect(desk.page.locator("#orient")).to_be_hidden()
    await expect(desk.page.locator("#end")).to_be_hidden()
    await desk.page.get_by_role("button", name=button).click()
    assert await desk.decision() == decided


@pytest.mark.parametrize(
    ("how", "said", "leaving", "gone"),
    [
        ("consulted_by", "Rosa vous consulte", "Rosa retrouvera", "vous a confié la personne"),
        ("came", "Rosa a pris le relais", "reste avec Rosa", "de nouveau avec vous"),
        ("stays", "Rosa reste un moment", "reste avec Rosa", "vous êtes deux"),
    ],
)
async def test_who_else_has_the_caller_is_said_and_leaving_is_not_ending(
    desk: Desk, how: str, said: str, leaving: str, gone: str
) -> None:
    await talk(desk, "lea")
    desk.house.told("lea", colleague=ROSA | {"how": how})
    await expect(desk.page.locator("#with")).to_contain_text(said)
    assert await desk.page.locator("#orient").is_visible() == (how == "stays")
    assert await desk.page.locator("#abusive").is_visible() == (how == "stays")
    await desk.page.get_by_role("button", name="Me retirer").click()
    await expect(desk.page.locator("#confirm")).to_contain_text(leaving)
    await desk.page.get_by_role("button", name="Oui, me retirer").click()
    assert await desk.decision("lea") == End()
    desk.house.told("lea", colleague=None)
    await expect(desk.page.locator("#with")).to_be_hidden()
    await expect(desk.page.locator("#notice")).to_contain_text(gone)


async def test_an_abusive_call_is_closed_kindly_after_one_question(desk: Desk) -> None:
    await talk(desk)
    await desk.page.get_by_role("button", name="Appel abusif").click()
    await expect(desk.page.locator("#confirm-words")).to_be_focused()
    await desk.page.keyboard.press("Enter")  # twice the same key closes nothing
    engagement = desk.house.agent("rosa").engagement
    assert engagement
    assert engagement.decisions.empty()
    await desk.page.keyboard.press("Tab")
    await desk.page.keyboard.press("Enter")
    assert await desk.decision() == Close("abusive")


async def test_a_refusal_to_close_is_said(desk: Desk) -> None:
    await talk(desk, danger=True, danger_level=3)
    engagement = desk.house.agent("rosa").engagement
    assert engagement
    engagement.check = lambda _: "in_danger"
    await desk.page.get_by_role("button", name="Appel abusif").click()
    await desk.page.get_by_role("button", name="Fermer avec douceur").click()
    await expect(desk.page.locator("#problem")).to_contain_text("Le danger a été dit")


async def test_a_silent_call_has_its_guide_and_its_kind_end(desk: Desk) -> None:
    await talk(desk, language="en")
    await desk.page.get_by_role("button", name="Appel silencieux").click()
    await expect(desk.page.locator("#guide-words li")).to_have_count(7)
    await expect(desk.page.locator("#guide-words")).to_contain_text("Are you safe right now?")
    await desk.page.get_by_role("button", name="Fermer avec douceur").click()
    await desk.page.locator("#confirm-yes").click()
    assert await desk.decision() == Close("silent")


async def test_nothing_heard_of_the_caller_opens_the_guide_and_keys_are_shown(desk: Desk) -> None:
    await silent(desk)
    await expect(desk.page.locator("#sound")).to_contain_text("On n'entend pas la personne")
    await expect(desk.page.locator("#guide")).to_contain_text("Êtes-vous en sécurité")
    await expect(desk.page.locator("#guide")).not_to_contain_text("[object")
    await expect(desk.page.locator("#tapped-keys kbd")).to_have_text(["1", "1", "2"])
    desk.house.told("lea", keys=["1", "1", "2", "#"])
    await expect(desk.page.locator("#tapped-keys kbd")).to_have_count(4)
    desk.house.tell("lea", "call.sound", problem=None, advice=None, say=[])
    await expect(desk.page.locator("#sound")).to_be_hidden()


async def test_an_agent_who_is_not_heard_is_told_and_how_to_mend_it(desk: Desk) -> None:
    await talk(desk)
    desk.house.tell(
        "rosa", "call.sound", problem="no_voice", advice="On ne vous entend pas : le micro.", say=[]
    )
    alert = desk.page.locator("#sound").get_by_role("alert")
    await expect(alert).to_have_text("On ne vous entend pas. Le micro.")
    await expect(desk.page.locator("#guide")).to_be_hidden()
    desk.house.tell("rosa", "call.sound", problem=None, advice=None, say=[])
    await expect(alert).to_be_hidden()


async def test_a_caller_whose_talk_broke_off_and_the_danger_are_on_the_pop(desk: Desk) -> None:
    await arrive(desk)
    desk.house.offer("rosa", returned=True, danger_level=2)
    await expect(desk.page.locator("#call-returned")).to_contain_text("s'est coupée il y a un inst")
    await expect(desk.page.locator("#call-danger")).to_contain_text("Danger élevé")
    await expect(desk.page.locator("#announce")).to_contain_text("Danger élevé")
    desk.house.connect("rosa")
    await expect(desk.page.locator("#call-returned")).to_be_hidden()
    await expect(desk.page.locator("#call-danger")).to_be_visible()


async def test_a_caller_who_comes_back_is_explained_with_what_was_written(desk: Desk) -> None:
    await back(desk)
    await expect(desk.page.locator("#call-title")).to_have_text("La personne vous revient")
    await expect(desk.page.locator("#call-returned")).to_contain_text("n'a pas répondu")
    await expect(desk.page.locator("#handover")).to_contain_text(HANDOVER.split("\n")[0])
    desk.house.withdraw("rosa", "declined")
    desk.house.offer("rosa", "c2")
    await expect(desk.page.locator("#call-title")).to_have_text("Quelqu'un appelle la ligne")


async def test_nothing_of_one_call_stays_for_the_next(desk: Desk) -> None:
    await silent(desk)
    await desk.page.locator("#words").fill("Pour l'autre.")
    desk.house.end("lea", form=False)
    await desk.page.keyboard.press("F2")
    await expect(desk.page.locator("#presence-state")).to_have_text("Disponible")
    desk.house.offer("lea", "c2")
    desk.house.connect("lea")
    await expect(desk.page.locator("#call-title")).to_have_text("Vous êtes ensemble")
    await expect(desk.page.locator("#words")).to_have_value("")
    for hidden in ("#guide", "#tapped", "#sound", "#suggested"):
        await expect(desk.page.locator(hidden)).to_be_hidden()


@pytest.mark.parametrize("name", SCENES)
async def test_every_moment_fits_the_screen_and_names_its_controls(desk: Desk, name: str) -> None:
    await SCENES[name](desk)
    page = desk.page
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await page.evaluate(wide) <= 0
    mute = """[...document.querySelectorAll("button, input, select, textarea")]
        .filter((one) => one.offsetParent && !(one.labels?.length || one.textContent.trim()))
        .map((one) => one.outerHTML)"""
    assert await page.evaluate(mute) == []
    cut_off = """[...document.querySelectorAll("button, legend, label, h1, h2")]
        .filter((one) => one.offsetParent && one.scrollWidth > one.clientWidth + 1
          && getComputedStyle(one).display !== "inline")
        .map((one) => one.textContent)"""
    assert await page.evaluate(cut_off) == []


async def test_all_that_orients_a_caller_is_in_sight_at_once(desk: Desk) -> None:
    await SCENES["orienting"](desk)
    for id_ in ("hold", "mute", "end", "suggestions", "to", "words", "danger", "send"):
        await expect(desk.page.locator(f"#{id_}")).to_be_in_viewport(ratio=1)
