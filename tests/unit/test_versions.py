"""What is published of a flow never changes, appears whole, and can always be gone back to."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

import ivr
import sounds
from ivr.flow import FlowError
from ivr.reading import read
from ivr.versions import About, Versions, VersionsError

FLOWS = Path(ivr.__file__).parent / "flows"
PROMPTS = {
    (language, prompt): 4.0
    for language in ("fr", "en")
    for prompt in read(Path(sounds.__file__).parent / "prompts.yaml").data["prompts"]
}
NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    shutil.copytree(FLOWS, tmp_path / "flows")
    return Versions(tmp_path / "flows")


def publish(versions: Versions, name: str = "accueil", why: str = "essai") -> About:
    return versions.publish(name, None, None, by="ada", why=why, at=NOON)


def edit(versions: Versions, old: str, new: str, name: str = "accueil") -> None:
    path = versions.folder / f"{name}.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def test_the_flows_are_known_by_their_names_and_their_scenarios_are_none(
    versions: Versions,
) -> None:
    assert versions.names() == ["accueil", "aidants", "demo", "demo-ferme"]


def test_a_draft_that_is_published_is_what_callers_hear_from_then_on(versions: Versions) -> None:
    assert versions.current("accueil") is None

    first = publish(versions)
    edit(versions, '"5": respirer', '"4": respirer')
    before = versions.load("accueil")
    second = publish(versions)

    assert (first.number, second.number, versions.current("accueil")) == (1, 2, 2)
    assert before.ref == "accueil@1"  # the draft was edited, and nobody heard it
    assert versions.load("accueil").flow.steps["choix-attente"].keys.keys() == {"4", "7", "9"}
    assert versions.of_ref("accueil@1") == before


def test_who_when_why_and_what_it_changes_are_written(versions: Versions) -> None:
    publish(versions)
    edit(versions, '"5": respirer', '"4": respirer')
    edit(versions, 'tous les jours: "09:00-19:00"', 'tous les jours: "08:00-19:00"')
    publish(versions, why="plus tôt le matin")

    act = versions.history("accueil")[1]

    assert (act.at, act.act) == ("2026-03-10T12:00:00+00:00", "publish")
    assert (act.by, act.why, act.number) == ("ada", "plus tôt le matin", 2)
    assert versions.changes("accueil", 2) == (
        "le calendrier « horaires » change",
        "« choix-attente » : la touche 4 (nouvelle) mène maintenant à « respirer »",
        "« choix-attente » : la touche 5 ne mène plus nulle part",
    )


def test_a_version_without_a_reason_is_refused(versions: Versions) -> None:
    with pytest.raises(VersionsError, match="Dites pourquoi"):
        publish(versions, why="  ")


def test_a_bad_draft_changes_nothing_and_names_the_file_that_people_edit(
    versions: Versions,
) -> None:
    publish(versions)
    edit(versions, "then: musique-encore", "then: musique-encor")

    with pytest.raises(FlowError, match="`musique-encore`") as refused:
        publish(versions)

    draft = versions.folder / "accueil.yaml"
    assert {problem.file for problem in refused.value.problems} == {draft}
    assert versions.current("accueil") == 1
    home = versions.folder / "published/accueil"
    assert {path.name for path in home.iterdir()} == {"1", "current", "history.jsonl"}


def test_a_mistake_in_a_part_is_shown_in_that_part(versions: Versions) -> None:
    part = versions.folder / "parts/crise.yaml"
    part.write_text(part.read_text().replace("then: du-jour", "then: du-jours", 1))

    with pytest.raises(FlowError) as refused:
        publish(versions, "aidants")

    assert str(refused.value).startswith(f"{part}:19:11: étape inconnue `du-jours`")


def test_what_is_published_already_is_not_published_again(versions: Versions) -> None:
    publish(versions)

    with pytest.raises(VersionsError, match="déjà ce que les appelants entendent"):
        publish(versions)


def test_an_edited_part_makes_a_new_version(versions: Versions) -> None:
    publish(versions, "aidants")
    part = versions.folder / "parts/crise.yaml"
    part.write_text(part.read_text().replace("say: crise-canicule", "say: patience"))

    about = publish(versions, "aidants")

    assert about.changes == ("« crise/canicule » : dit maintenant « patience »",)


def test_a_number_leads_to_one_flow_only(versions: Versions) -> None:
    publish(versions, "aidants")
    edit(versions, "start: ouverture", 'numbers: ["0199005510"]\nstart: ouverture')

    with pytest.raises(VersionsError, match="mène déjà au flux « aidants »"):
        publish(versions)


def go_back(versions: Versions, to: int | None = None, why: str = "trop tard") -> int:
    return versions.roll_back("accueil", to, PROMPTS, by="ada", why=why, at=NOON)


def published_three(versions: Versions) -> None:
    publish(versions)
    for number, before in ((2, 6), (3, 2)):
        edit(versions, f"every: {before} s", f"every: {number} s")
        assert publish(versions).number == number


def test_one_goes_back_to_the_version_before_or_to_any(versions: Versions) -> None:
    published_three(versions)

    assert go_back(versions) == 2
    assert versions.current("accueil") == 2
    assert go_back(versions, 3, "finalement") == 3
    acts = [(act.act, act.number, act.why) for act in versions.history("accueil")]
    assert acts[3:] == [("roll-back", 2, "trop tard"), ("roll-back", 3, "finalement")]


def test_what_was_taken_back_is_not_what_was_heard_before(versions: Versions) -> None:
    published_three(versions)
    go_back(versions)
    edit(versions, "every: 3 s", "every: 4 s")
    assert publish(versions).number == 4

    assert [go_back(versions), go_back(versions)] == [2, 1]


def test_there_is_nothing_before_the_first_version(versions: Versions) -> None:
    publish(versions)

    with pytest.raises(VersionsError, match="pas de version avant"):
        go_back(versions)
    for number in (0, 9):
        with pytest.raises(VersionsError, match=f"numéro {number}"):
            go_back(versions, number)
    assert versions.current("accueil") == 1


def test_one_does_not_go_back_to_words_that_have_gone(versions: Versions) -> None:
    publish(versions)
    edit(versions, "every: 6 s", "every: 5 s")
    publish(versions)
    left = {one: seconds for one, seconds in PROMPTS.items() if one != ("fr", "ferme")}

    with pytest.raises(VersionsError, match=r"n'existent plus : ferme \(fr\)"):
        versions.roll_back("accueil", 1, left, by="ada", why="?", at=NOON)
    assert versions.current("accueil") == 2


def test_one_does_not_go_back_to_a_number_that_leads_elsewhere_now(versions: Versions) -> None:
    edit(versions, "start: ouverture", 'numbers: ["0199005577"]\nstart: ouverture')
    publish(versions)
    edit(versions, 'numbers: ["0199005577"]\n', "")
    publish(versions)
    aidants = versions.folder / "aidants.yaml"
    aidants.write_text(aidants.read_text().replace("0199005510", "0199005577"))
    publish(versions, "aidants")

    with pytest.raises(VersionsError, match="mène déjà au flux « aidants »"):
        go_back(versions, 1)


def test_an_editor_s_own_files_are_no_flows(versions: Versions) -> None:
    (versions.folder / "parts/.#crise.yaml").symlink_to("moi@poste.1234:99")
    (versions.folder / "published").mkdir()
    (versions.folder / "published/.DS_Store").touch()
    (versions.folder / "published/vide").mkdir()
    before = versions.names()

    assert publish(versions).number == 1
    assert versions.names() == before


def test_a_refused_draft_leaves_nothing_behind(versions: Versions) -> None:
    (versions.folder / "casse.yaml").write_text("name: [")
    with pytest.raises(FlowError):
        publish(versions, "casse")
    (versions.folder / "casse.yaml").unlink()

    assert "casse" not in versions.names()


def test_a_version_altered_by_hand_is_refused_and_the_one_before_serves(
    versions: Versions,
) -> None:
    publish(versions)
    edit(versions, "above: ", "above: 1")
    publish(versions)
    altered = versions.folder / "published/accueil/2/flow.yaml"
    altered.chmod(0o644)
    altered.write_text(altered.read_text().replace("above: ", "above: 1"))

    with pytest.raises(VersionsError, match="modifiée à la main"):
        versions.load("accueil")

    version, wrong = versions.load_best("accueil")
    assert version.ref == "accueil@1"
    assert "modifiée à la main" in (wrong or "")


def test_a_line_without_any_version_is_told_what_to_do(versions: Versions) -> None:
    with pytest.raises(VersionsError, match="fil flow publish accueil"):
        versions.load_best("accueil")


def test_of_two_who_publish_the_same_at_once_one_is_told(
    versions: Versions,
) -> None:
    publish(versions)
    edit(versions, "above: ", "above: 1")

    def one(number: int) -> str:
        try:
            return str(publish(versions, why=f"essai {number}").number)
        except VersionsError as error:
            return str(error)

    with ThreadPoolExecutor(8) as many:
        told = list(many.map(one, range(8)))

    # The first has published; the others find nothing left to publish.
    assert [answer for answer in told if answer.isdigit()] == ["2"]
    assert sum("déjà ce que les appelants entendent" in answer for answer in told) == 7
    assert versions.load("accueil").flow.steps
    home = versions.folder / "published/accueil"
    assert not [path for path in home.iterdir() if path.name.startswith(".")]
