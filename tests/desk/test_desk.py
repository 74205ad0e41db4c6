"""The desk in a real Chromium: what a volunteer sees, with a mouse or with the keyboard alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from playwright.async_api import WebSocketRoute, expect

from cti.people.agents import Decline, End, Orient, Presence
from cti.web.screen import SCREENS
from tests.desk_page import Desk

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_volunteer_signs_in_and_says_what_they_can_take(desk: Desk) -> None:
    await desk.sign_in()
    page = desk.page

    def presence() -> Presence:
        return desk.house.agent("rosa").presence

    state = page.locator("#presence-state")
    await expect(state).to_have_text("Fin de service")
    await page.get_by_role("button", name="Disponible").click()
    await expect(state).to_have_text("Disponible")
    assert presence() is Presence.READY
    await page.get_by_role("button", name="Pause").click()
    await expect(state).to_have_text("En pause")
    assert presence() is Presence.NOT_READY
    await page.get_by_role("button", name="Fin de service").click()
    await expect(state).to_have_text("Fin de service")
    assert presence() is Presence.LOGGED_OUT


async def test_a_wrong_password_is_explained_and_says_nothing_about_the_account(desk: Desk) -> None:
    await desk.page.goto(desk.address)
    said = []
    for who in ("rosa", "personne"):
        await desk.page.get_by_label("Identifiant").fill(who)
        await desk.page.get_by_label("Mot de passe").fill("pas le bon")
        await desk.page.get_by_role("button", name="Se connecter").click()
        said.append(await desk.page.get_by_role("alert").text_content())
    assert said[0] == said[1]
    assert said[0]
    assert "n'est pas le bon" in said[0]


async def test_the_pop_is_acked_once_it_can_be_read_and_not_before(desk: Desk) -> None:
    await desk.sign_in()
    # Hold the paint back, as a busy machine would, until the test lets it go.
    await desk.page.evaluate(
        """() => {
          window.held = [];
          window.requestAnimationFrame = (act) => window.held.push(act);
          const later = window.setTimeout.bind(window);
          window.setTimeout = (act, ms) => ms < 1000 ? window.held.push(act) : later(act, ms);
        }"""
    )
    pop = desk.house.offer("rosa", handover="Parle doucement, vient de perdre son frère.")
    assert not await desk.acked(pop)
    acked = asyncio.create_task(desk.acked(pop))
    await desk.page.evaluate("while (held.length) held.shift()()")
    assert await acked
    await expect(desk.page.locator("#handover")).to_contain_text("vient de perdre son frère")
    await expect(desk.page.locator("#call-lead")).to_contain_text("décrochez pour répondre")
    await expect(desk.page.get_by_role("button", name="Répondre", exact=True)).to_be_hidden()


async def test_the_pop_takes_the_keyboard_the_title_and_the_ear(desk: Desk) -> None:
    await desk.sign_in()
    assert await desk.acked(desk.house.offer("rosa", danger=True))
    focused = await desk.page.evaluate("document.activeElement.id")
    assert focused == "call-title"
    await expect(desk.page.locator("#announce")).to_contain_text("Danger signalé")
    await desk.page.wait_for_function("document.title.includes('appel')")


async def test_the_pop_is_acked_in_time_in_a_hidden_tab(desk: Desk) -> None:
    await desk.sign_in()
    await desk.page.evaluate(
        """() => {
          Object.defineProperty(document, "hidden", { get: () => true });
          window.requestAnimationFrame = () => 0;
          const slow = window.setTimeout.bind(window);
          window.setTimeout = (act, ms) => slow(act, Math.max(ms, 1000));
        }"""
    )
    assert await desk.acked(desk.house.offer("rosa"))


async def test_a_call_is_declined_from_the_screen(desk: Desk) -> None:
    await desk.sign_in()
    desk.house.offer("rosa")
    await desk.page.get_by_role("button", name="Je ne peux pas le prendre").click()
    assert await desk.decision() == Decline()
    desk.house.withdraw("rosa", "declined")
    await expect(desk.page.locator("#notice")).to_contain_text("C'est noté")
    await expect(desk.page.locator("#sheet")).to_be_hidden()


async def test_the_caller_is_oriented_with_words_for_the_next_person(desk: Desk) -> None:
    desk.house.team.move(desk.house.agent("lea"), Presence.READY)
    await desk.sign_in()
    desk.house.offer("rosa")
    desk.house.connect("rosa")
    await desk.page.get_by_label("Transmettre l'appel à").select_option("Écoutants")
    await desk.page.get_by_label("Ce que la prochaine personne").fill("A besoin de parler.")
    await desk.page.get_by_role("button", name="Transmettre").click()
    assert await desk.decision() == Orient(line="listeners", handover="A besoin de parler.")
    await desk.page.get_by_label("Transmettre l'appel à").select_option("agent:lea")
    await desk.page.get_by_role("button", name="Transmettre").click()
    assert await desk.decision() == Orient(agent="lea", handover="A besoin de parler.")


async def test_words_being_typed_survive_a_refresh_of_the_team(desk: Desk) -> None:
    await desk.sign_in()
    desk.house.offer("rosa")
    desk.house.connect("rosa")
    await desk.page.get_by_label("Transmettre l'appel à").select_option("Écoutants")
    await desk.page.get_by_label("Ce que la prochaine personne").press_sequentially("Je commence")
    rosa = desk.house.agent("rosa")
    desk.house.team.move(desk.house.agent("lea"), Presence.READY)
    rosa.outbox.push("snapshot", desk.house.team.snapshot(rosa))
    await expect(desk.page.locator("#to")).to_contain_text("Léa (disponible)")
    await desk.page.keyboard.type(" une phrase")
    words = desk.page.get_by_label("Ce que la prochaine personne")
    await expect(words).to_have_value("Je commence une phrase")
    await expect(desk.page.get_by_label("Transmettre l'appel à")).to_have_value("line:listeners")


async def test_ending_asks_once_more_then_wrap_up_is_stored(desk: Desk) -> None:
    await desk.sign_in()
    desk.house.offer("rosa")
    desk.house.connect("rosa")
    await desk.page.get_by_role("button", name="Terminer", exact=True).click()
    await desk.page.get_by_role("button", name="Oui, terminer").click()
    assert await desk.decision() == End()
    desk.house.end("rosa")
    await expect(desk.page.locator("#wrapup-left")).to_contain_text("avant un autre appel")
    await desk.page.get_by_label("Écoute", exact=True).check()
    await desk.page.get_by_role("button", name="J'ai terminé").click()
    await expect(desk.page.locator("#presence-state")).to_have_text("Disponible")
    assert desk.house.wrapups == [("c1", "rosa", "ecoute")]


async def test_a_whole_call_goes_with_the_keyboard_alone(desk: Desk) -> None:
    page, keyboard = desk.page, desk.page.keyboard
    await page.goto(desk.address)
    await expect(page.get_by_label("Identifiant")).to_be_focused()
    await keyboard.type("rosa")
    await keyboard.press("Tab")
    await keyboard.type("demo-rosa")
    await keyboard.press("Enter")
    await expect(page.get_by_text("Relié à la ligne")).to_be_visible()
    await keyboard.press("F2")
    await expect(page.locator("#presence-state")).to_have_text("Disponible")
    desk.house.offer("rosa")
    await expect(page.locator("#call-title")).to_be_focused()
    desk.house.connect("rosa")
    await expect(page.locator("#call-title")).to_have_text("Vous êtes ensemble")
    await keyboard.press("F8")
    for name in ("Mettre en attente", "Couper mon micro", "Appel silencieux", "Appel abusif"):
        await keyboard.press("Tab")
        await expect(page.get_by_role("button", name=name)).to_be_focused()
    await keyboard.press("Tab")
    await keyboard.press("Tab")
    await expect(page.get_by_label("Transmettre l'appel à")).to_be_focused()
    await keyboard.press("ArrowDown")
    await keyboard.press("ArrowDown")
    await keyboard.press("Tab")
    await keyboard.type("Besoin d'écoute")
    for label in ("Transférer", "Danger"):
        await keyboard.press("Tab")
        await expect(page.get_by_label(label)).to_be_focused()
    await keyboard.press("Tab")
    await keyboard.press("Enter")
    assert await desk.decision() == Orient(line="listeners", handover="Besoin d'écoute")
    desk.house.end("rosa")
    await expect(page.locator("#call-title")).to_have_text("L'appel est terminé")
    await keyboard.press("Tab")
    await keyboard.press("Space")
    await keyboard.press("Enter")
    await expect(page.locator("#presence-state")).to_have_text("Disponible")
    assert desk.house.wrapups == [("c1", "rosa", "ecoute")]


async def test_when_the_phone_drops_the_screen_says_the_caller_is_waiting(desk: Desk) -> None:
    await desk.sign_in()
    desk.house.offer("rosa")
    desk.house.connect("rosa")
    await expect(desk.page.locator("#call-title")).to_have_text("Vous êtes ensemble")
    desk.house.lose("rosa")
    await expect(desk.page.locator("#call-title")).to_have_text("La personne vous attend")
    desk.house.connect("rosa")
    await expect(desk.page.locator("#call-title")).to_have_text("Vous êtes ensemble")


async def test_a_cut_wire_says_so_comes_back_and_shows_the_call_in_progress(desk: Desk) -> None:
    await desk.sign_in()
    house = desk.house
    house.offer("rosa", handover="Déjà dit")
    house.connect("rosa")
    await expect(desk.page.locator("#call-title")).to_have_text("Vous êtes ensemble")
    desk.cut()
    banner = desk.page.locator("#cut")
    await expect(banner).to_contain_text("Votre conversation au téléphone continue")
    desk.mend()
    await expect(banner).to_be_hidden()
    await expect(desk.page.locator("#handover")).to_have_text("Déjà dit")
    pop = house.agent("rosa").outbox.push("presence.changed", house.agent("rosa").presence_view())
    assert await desk.acked(pop)


async def test_the_desk_says_it_is_linked_only_once_its_keys_do_something(desk: Desk) -> None:
    held: asyncio.Queue[str | bytes] = asyncio.Queue()
    screens: list[WebSocketRoute] = []

    def hold_the_snapshot(screen: WebSocketRoute) -> None:
        line = screen.connect_to_server()

        def pass_on(frame: str | bytes) -> None:
            (held.put_nowait if '"snapshot"' in str(frame) else screen.send)(frame)

        line.on_message(pass_on)
        screen.on_message(line.send)
        screens.append(screen)

    await desk.page.route_web_socket("**/cti/v1", hold_the_snapshot)
    linked = desk.page.get_by_text("Relié à la ligne")
    await desk.log_in("rosa")
    snapshot = await asyncio.wait_for(held.get(), 4)
    await asyncio.sleep(0.3)
    assert not await linked.is_visible()
    screens[0].send(snapshot)
    await expect(linked).to_be_visible()
    await desk.page.keyboard.press("F2")
    await expect(desk.page.locator("#presence-state")).to_have_text("Disponible")


async def test_what_happened_during_a_cut_is_told_afterwards(desk: Desk) -> None:
    await desk.sign_in()
    house = desk.house
    assert await desk.acked(house.offer("rosa"))
    desk.cut()
    await expect(desk.page.locator("#cut")).to_be_visible()
    house.withdraw("rosa", "caller_left")
    desk.mend()
    await expect(desk.page.locator("#notice")).to_contain_text("la personne a raccroché")
    await expect(desk.page.locator("#sheet")).to_be_hidden()


async def test_what_is_missing_behind_the_line_is_said_calmly_and_the_words_go_with_it(
    desk: Desk,
) -> None:
    await desk.sign_in()
    said = desk.page.get_by_text("Les appels continuent. L'historique est indisponible")
    await expect(said).to_be_hidden()
    desk.house.team.system_is(["database_version"], "Run: fil migrate")
    await expect(said).to_be_visible()
    await expect(desk.page.get_by_text("Calls go on.")).to_have_count(0)
    await expect(desk.page.get_by_text("Run: fil migrate")).to_be_hidden()
    await desk.page.reload()  # the snapshot says it too
    await expect(said).to_be_visible()
    desk.house.team.system_is([], None)
    await expect(said).to_be_hidden()


async def test_who_may_act_is_told_what_to_do(desk: Desk) -> None:
    await desk.sign_in("ada")
    desk.house.team.system_is(["database_version"], "Run: fil migrate")
    await expect(desk.page.get_by_text("Run: fil migrate")).to_be_visible()


async def test_signing_out_elsewhere_brings_back_to_the_door(desk: Desk) -> None:
    await desk.sign_in()
    desk.house.door.sessions.clear()
    desk.house.app[SCREENS].close_agent("rosa")
    await expect(desk.page.get_by_role("heading", name="Bonjour", exact=True)).to_be_visible()
    assert desk.page.url.endswith("/login")


async def test_no_hostile_text_ever_runs(desk: Desk) -> None:
    await desk.sign_in()
    page, house = desk.page, desk.house
    reports: list[str] = []
    page.on("console", lambda line: reports.append(line.text))
    await page.evaluate("window.ran = 0")
    house.agent("lea").name = '<img src=x onerror="window.ran++">'
    house.team.move(house.agent("lea"), Presence.READY)
    house.offer("rosa")
    for text in HOSTILE:
        view = {"id": "c1", "handover": text, "language": text, "path": [text], "tier": text}
        shown = house.agent("rosa").outbox.push("call.updated", {"call": view})
        await asyncio.sleep(0.01)
    assert await house.agent("rosa").outbox.displayed(shown, 4)
    await expect(page.locator("#handover")).to_have_text(HOSTILE[-1].strip())
    house.withdraw("rosa", HOSTILE[0])
    await expect(page.locator("#sheet")).to_be_hidden()
    assert len(HOSTILE) >= 50
    assert await page.evaluate("window.ran") == 0
    assert await page.locator("main img, main script, main iframe, main svg").count() == 0
    assert [line for line in reports if "Content Security Policy" in line] == []


async def test_a_call_can_be_simulated_in_the_demo(desk: Desk, simulated: list[str]) -> None:
    await desk.sign_in()
    await desk.page.get_by_role("button", name="Simuler un appel").click()
    await expect(desk.page.locator("#notice")).to_contain_text("L'appel est parti")
    assert simulated == ["called"]


@pytest.mark.parametrize("size", [(1280, 720), (640, 360)], ids=["100%", "200%"])
async def test_nothing_is_cut_off_at_this_zoom(desk: Desk, size: tuple[int, int]) -> None:
    await desk.page.set_viewport_size({"width": size[0], "height": size[1]})
    await desk.sign_in()
    stages: list[Callable[[], object]] = [
        lambda: desk.house.offer("rosa", handover="mot " * 200, path=["regulators", "listeners"]),
        lambda: desk.house.connect("rosa"),
        lambda: desk.house.end("rosa"),
    ]
    for stage in stages:
        stage()
        await _settled(desk)
        wide = await desk.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0


async def _settled(desk: Desk) -> None:
    rosa = desk.house.agent("rosa")
    last = rosa.outbox.push("presence.changed", rosa.presence_view())
    assert await rosa.outbox.displayed(last, 4)


def _hostile() -> list[str]:
    acts = ["window.ran++", "top.ran++"]
    shapes = [
        "<script>{}</script>",
        "</p><script>{}</script>",
        "<img src=x onerror={}>",
        '<img src=x onerror="{}">',
        "<svg onload={}>",
        "<svg/onload={}>",
        "<svg><script>{}</script></svg>",
        "<iframe srcdoc='<script>parent.{}</script>'></iframe>",
        "<iframe src='javascript:{}'></iframe>",
        "<a href='javascript:{}' autofocus onfocus={}>x</a>",
        "<body onload={}>",
        "<details open ontoggle={}>",
        "<video><source onerror={}></video>",
        "<input autofocus onfocus={}>",
        "<math><mtext><img src=x onerror={}></mtext></math>",
        "<object data='javascript:{}'></object>",
        "<embed src='javascript:{}'>",
        "<style>@import 'javascript:{}';</style>",
        "<meta http-equiv=refresh content='0;url=javascript:{}'>",
        "<base href='javascript:{}//'>",
        "<template><script>{}</script></template>",
        "<!--<img src=x onerror={}>-->",
        "<noscript><p title='</noscript><img src=x onerror={}>'>",
        "${{{}}} {{{{{}}}}} #{{{}}}",
        "javascript:{}",
        "\u202e<script>{}</script>\u202c",
    ]
    texts = [shape.replace("{}", act) for shape in shapes for act in acts]
    return [
        *texts,
        "\x00\x01\x1b[31m",
        "'; DROP TABLE calls; --",
        "é" * 2000,
        "\r\nSet-Cookie: a=b",
    ]


HOSTILE = _hostile()
