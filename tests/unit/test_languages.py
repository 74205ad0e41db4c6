"""French and English: whose language is spoken, and no sentence without the other's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import jinja2
import pytest
import yaml
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request
from jinja2 import nodes

from cti.calls.hearing import WORDS as HEARING
from cti.people.choosing import LINES
from cti.people.suggesting import Tongue
from cti.people.team import DISPOSITIONS
from cti.web import words
from cti.web.app import DESK, make_app
from cti.web.language import COOKIE, language_of
from cti.web.words import Words
from tests.typescript import literals
from tests.web_house import ORIGIN, House, MemoryDoor, Settings

Client = TestClient[web.Request, web.Application]
ENGLISH = {"Accept-Language": "en-GB,en;q=0.9"}
TEMPLATES = sorted(DESK.glob("*.html"))
SCRIPTS = sorted(path for path in (DESK / "src").glob("*.ts") if path.name != "frames.ts")
TOLD_TO_PEOPLE = ("title", "aria-label", "placeholder", "alt")
# Text in no language, or for programmers.
NO_SENTENCE = {
    " · Bout du fil",
    ".choices button",
    "Chrom",
    "Escape",
    "Firefox/",
    "NotAllowedError",
    "Notification",
    "Safari/",
    "the page has no #",
}


# Whose language is spoken


@pytest.mark.parametrize(
    ("accepted", "spoken"),
    [
        (None, "fr"),
        ("", "fr"),
        ("*", "fr"),
        ("fr-FR,fr;q=0.9,en-US;q=0.8,en;q=0.7", "fr"),
        ("en-US,en;q=0.9,fr;q=0.8", "en"),
        ("EN", "en"),
        ("de-DE,de;q=0.9,en;q=0.5", "en"),
        ("de-DE,de;q=0.9", "fr"),
        ("en;q=0.5, fr;q=0.6", "fr"),
        ("en;q=0,fr;q=0", "fr"),
        ("en;q=0", "fr"),
        ("en;q=x", "fr"),
        ("english", "fr"),
        ("en;q=nan,en;q=0.1", "en"),
        (";;q==,=,\x00é" * 1000, "fr"),
    ],
)
def test_a_browser_is_spoken_to_as_it_asks_else_in_french(
    accepted: str | None, spoken: str
) -> None:
    headers = {} if accepted is None else {"Accept-Language": accepted}
    assert language_of(make_mocked_request("GET", "/", headers=headers)) == spoken


@pytest.mark.parametrize(("kept", "spoken"), [("fr", "fr"), ("en", "en"), ("de", "en"), ("", "en")])
def test_what_was_chosen_comes_before_what_the_browser_asks(kept: str, spoken: str) -> None:
    headers = {"Cookie": f"{COOKIE}={kept}", **ENGLISH}
    assert language_of(make_mocked_request("GET", "/", headers=headers)) == spoken


async def test_a_language_is_chosen_without_any_script_and_kept() -> None:
    async with TestClient(TestServer(House().app)) as client:
        answer = await client.post(
            "/language",
            data={"language": "en"},
            headers={"Origin": "null", "Sec-Fetch-Site": "same-origin"},
            allow_redirects=False,
        )
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        kept = answer.headers["Set-Cookie"]
        assert "Max-Age=31536000" in kept
        assert "SameSite=Lax" in kept
        assert '<html lang="en">' in await (await client.get("/login")).text()
        await client.post("/language", data={"language": "fr"}, headers={"Origin": ORIGIN})
        page = await client.get("/login", headers=ENGLISH)
        assert '<html lang="fr">' in await page.text()


async def test_only_our_pages_choose_and_only_a_language_that_we_speak() -> None:
    async with TestClient(TestServer(House().app)) as client:
        for given, origin, status in (
            ({"language": "en"}, "http://ailleurs.test", 403),
            ({"language": "xx"}, ORIGIN, 400),
            ({}, ORIGIN, 400),
        ):
            answer = await client.post("/language", data=given, headers={"Origin": origin})
            assert answer.status == status
            assert "Set-Cookie" not in answer.headers


async def test_over_https_the_choice_never_leaves_it() -> None:
    house = House()
    app = make_app(house.team, MemoryDoor(), Settings(secure_cookies=True))
    async with TestClient(TestServer(app)) as client:
        answer = await client.post("/language", data={"language": "en"}, allow_redirects=False)
        assert "Secure" in answer.headers["Set-Cookie"]


# What is said


@pytest.mark.parametrize(
    ("spoken", "accepted", "greeting"), [("fr", {}, "Bonjour"), ("en", ENGLISH, "Hello")]
)
async def test_every_page_is_in_one_language(
    spoken: Tongue, accepted: dict[str, str], greeting: str
) -> None:
    async with TestClient(TestServer(House().app), headers=accepted) as client:
        login = await (await client.get("/login")).text()
        assert f"<h1>{greeting}</h1>" in login
        missing = await (await client.get("/nowhere")).text()
        assert words._PAGES[404][0].said(spoken) in missing.replace("&#39;", "'")
        refused = await client.post("/login", data=await _form(login, "non"))
        assert refused.status == 401
        refused_page = await refused.text()
        assert words.BAD_CREDENTIALS.said(spoken) in refused_page.replace("&#39;", "'")
        await client.post("/login", data=await _form(refused_page, "demo-rosa"))
        desk = await (await client.get("/")).text()
        assert words.Words("Se déconnecter", "Sign out").said(spoken) in desk
        for page in (login, missing, refused_page, desk):
            assert re.findall("<html lang=[^>]*>", page) == [f'<html lang="{spoken}">']


async def _form(page: str, password: str) -> dict[str, str]:
    found = re.search(r'name="form" value="([^"]+)"', page)
    assert found
    return {"form": found[1], "username": "rosa", "password": password}


@pytest.mark.parametrize(("accepted", "spoken"), [({}, "fr"), (ENGLISH, "en")])
async def test_refusals_are_in_the_language_of_the_screen_and_of_programs(
    accepted: dict[str, str], spoken: Tongue
) -> None:
    house = House()
    bearer = {"Authorization": f"Bearer {await house.token('rosa')}", **accepted}
    async with TestClient(TestServer(house.app)) as client:
        async with client.ws_connect("/cti/v1", headers=bearer) as screen:
            await screen.send_json({"op": "nonsense", "id": 1, "data": {}})
            await screen.send_bytes(b"x")
            told = []
            while len(told) < 2:
                message = await screen.receive(timeout=3)
                assert message.type is WSMsgType.TEXT
                if message.json().get("op") == "result":
                    told.append(message.json()["error"])
            assert [one["code"] for one in told] == ["unknown_op", "bad_json"]
            for one in told:
                assert one["message"] == words.command_error(one["code"], spoken)
        shape = '{"username": "…", "password": "…"}'
        for path, given, expected in (
            ("/api/v1/login", {"username": "rosa", "password": "non"}, words.BAD_CREDENTIALS),
            ("/api/v1/login", {}, words.BAD_BODY),
        ):
            answer = await client.post(path, json=given, headers=accepted)
            assert (await answer.json())["error"]["message"] == expected.said(spoken).format(shape)


def test_each_sentence_of_the_web_has_its_english() -> None:
    said = [one for one in vars(words).values() if isinstance(one, Words)]
    said += [*words._COMMANDS.values(), *(one for page in words._PAGES.values() for one in page)]
    said += [*words._BROKEN, words.too_many_tries(30), words.too_many_tries(300)]
    assert len(said) > 50
    for fr, en in said:
        assert fr.strip()
        assert en.strip()
        assert fr != en


def test_each_advice_about_sound_has_its_english() -> None:
    hearing = yaml.safe_load(HEARING.read_text(encoding="utf-8"))
    for problem in ("no_voice", "caller_silent"):
        for cause, said in hearing[problem].items():
            assert set(said) == {"fr", "en"}, (problem, cause)
            assert said["fr"] != said["en"]


def test_what_the_line_calls_its_lines_and_dispositions_is_what_the_desk_says() -> None:
    script = (DESK / "src/words.ts").read_text(encoding="utf-8")
    for labels in (LINES, DISPOSITIONS):
        for code, label in labels.items():
            assert re.search(rf'^  "?{code}"?: say\("{label}", "[A-Z]', script, re.M), code


# Nothing is said in one language alone


class _Told(HTMLParser):
    """The words of a piece of a page, those of its attributes too."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.told += [value or "" for name, value in attrs if name in TOLD_TO_PEOPLE]

    def handle_data(self, data: str) -> None:
        self.told.append(data)


def _told(markup: str) -> str:
    parser = _Told()
    parser.feed(markup)
    return " ".join(parser.told)


def _parsed(name: str) -> nodes.Template:
    text = (DESK / name).read_text(encoding="utf-8")
    return jinja2.Environment(autoescape=True).parse(text)


@pytest.mark.parametrize("name", [path.name for path in TEMPLATES])
def test_a_page_says_each_sentence_in_both_languages(name: str) -> None:
    page = _parsed(name)
    said = [call for call in page.find_all(nodes.Call) if _is_say(call)]
    assert len(said) >= 1
    for call in said:
        assert [type(arg) for arg in call.args] == [nodes.Const, nodes.Const], call.lineno
        assert all(arg.as_const().strip() for arg in call.args), call.lineno
    written = "".join(data.data for data in page.find_all(nodes.TemplateData))
    loose = set(re.findall(r"[^\W\d_]{2,}", _told(written))) - {"Bout", "du", "fil"}
    assert loose == set(), "write it as {{ say(French, English) }}"


def _is_say(call: nodes.Call) -> bool:
    return isinstance(call.node, nodes.Name) and call.node.name == "say"


@pytest.mark.parametrize("name", [path.name for path in SCRIPTS])
def test_a_script_says_each_sentence_in_both_languages(name: str) -> None:
    code = (DESK / "src" / name).read_text(encoding="utf-8")
    # What to say to a caller is in the caller's language.
    code = re.sub(r"^export const SILENT_GUIDE.*?^};", "", code, flags=re.S | re.M)
    alone = [one.text for one in literals(code) if not one.said and one.text not in NO_SENTENCE]
    assert [text for text in alone if any(map(_is_sentence, _pieces(text)))] == []


def _pieces(text: str) -> Iterator[str]:
    """Of markup, the words; of anything else, itself."""
    yield _told(text) if "<" in text else text


def _is_sentence(text: str) -> bool:
    several = re.search(r"[^\W\d_]{2}\S*\s+\S*[^\W\d_]{2}", text)
    begins = re.match(r"\s*[^\W\d_a-z][^\W\d_A-Z]{2}", text)
    return bool(several or begins) or any(c.isalpha() for c in text if not c.isascii())
