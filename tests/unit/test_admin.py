"""The commands of who edits flows: each says what it did, or what to do; nothing is half done."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

import ivr
from cti import admin
from cti.__main__ import main
from cti.config import Settings, load
from cti.setup import publish_templates
from ivr.situation import Situation
from ivr.versions import Versions
from sounds.build import PROMPTS
from sounds.catalogue import MANIFEST, MANIFEST_FORMAT, RATES_HZ, Catalogue
from sounds.source import read_prompts

FLOWS = Path(ivr.__file__).parent / "flows"
Fil = Callable[..., tuple[int, str]]


def mute_sounds(folder: Path) -> None:
    """Built sounds as the catalogue believes them, without a sound."""
    wanted = read_prompts(PROMPTS)
    files = {}
    for one in wanted:
        for ending in RATES_HZ:
            path = folder / one.language / f"{one.id}{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"mute")
            files[str(path.relative_to(folder))] = hashlib.sha256(b"mute").hexdigest()
    prompts = [
        {"id": w.id, "language": w.language, "seconds": 4.0, "voice": "synthetic", "sha256": ""}
        for w in wanted
    ]
    manifest = {"format": MANIFEST_FORMAT, "files": files, "keys": {}, "prompts": prompts}
    (folder / MANIFEST).write_text(json.dumps(manifest))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    shutil.copytree(FLOWS, data / "flows")
    shutil.copyfile(FLOWS.parent / "relays.yaml", data / "relays.yaml")
    shutil.copyfile(PROMPTS, data / "prompts.yaml")
    (data / "recordings").mkdir()
    mute_sounds(data / "sounds")
    publish_templates(load({"FIL_DATA": str(data)}), Catalogue.load(data / "sounds"), print)
    return data


@pytest.fixture
def fil(
    installed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Fil:
    """Run a command in a data directory of its own; gives the exit code and what was said."""
    data = shutil.copytree(installed, tmp_path / "data")
    monkeypatch.setenv("FIL_DATA", str(data))

    def run(*arguments: str) -> tuple[int, str]:
        code = main(list(arguments))
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def data() -> Path:
    return Path(os.environ["FIL_DATA"])


def edit(old: str, new: str, name: str = "accueil") -> None:
    path = data() / f"flows/{name}.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


@pytest.mark.parametrize("name", ["accueil", "aidants", "demo", "demo-ferme"])
def test_what_is_shipped_has_nothing_to_mend(fil: Fil, name: str) -> None:
    code, said = fil("flow", "check", name)

    assert (code, said.startswith(f"{name} : rien à corriger")) == (0, True)


def test_a_mistake_is_shown_with_the_call_that_meets_it(fil: Fil) -> None:
    edit("    otherwise: musique-encore", "    otherwise: choix-attente")

    code, said = fil("flow", "check")

    assert code != 0
    assert "accueil.yaml:" in said
    assert "l'appelant tourne en rond sans musique ; ajoutez un `wait`" in said
    assert "    l'appel est décroché" in said
    assert "    « choix-attente »" in said


def test_a_flow_nobody_wrote_is_said_with_those_that_exist(fil: Fil) -> None:
    code, said = fil("flow", "check", "acceuil")

    assert code != 0
    assert "accueil, aidants, demo, demo-ferme" in said


def test_publishing_says_what_changes_and_going_back_undoes_it(fil: Fil) -> None:
    edit('"5": respirer', '"4": respirer')

    _, published = fil("flow", "publish", "--why", "la touche 4", "--by", "ada")
    code, back = fil("flow", "rollback")
    _, history = fil("flow", "history")

    assert "accueil : version 2 publiée" in published
    assert "la touche 4 (nouvelle) mène maintenant à « respirer »" in published
    assert (code, "retour à la version 1" in back) == (0, True)
    assert "→ retour à 1" in history
    assert "ada : la touche 4" in history


def test_every_flow_is_listed_with_what_is_heard_and_what_is_wrong(fil: Fil) -> None:
    edit('"5": respirer', '"4": respirer')
    (data() / "flows/published/demo/1/flow.yaml").chmod(0o644)
    (data() / "flows/published/demo/1/flow.yaml").write_text("name: x")

    code, said = fil("flow", "list")

    assert code == 1
    assert "✓ accueil@1 (la ligne), brouillon modifié" in said
    assert "✓ aidants@1, numéros 0199005510" in said
    assert "✗ demo\n    La version 1 de « demo » a été modifiée à la main" in said


def test_publishing_asks_why(fil: Fil) -> None:
    edit('"5": respirer', '"4": respirer')

    code, said = fil("flow", "publish")

    assert code != 0
    assert "--why" in said


def test_scenarios_are_played_and_one_that_fails_is_told_with_its_place(fil: Fil) -> None:
    code, said = fil("flow", "test", "aidants")
    assert (code, "10 scénarios sur 10 tiennent" in said) == (0, True), said

    edit('"2": soignant', '"3": soignant', "aidants")
    code, said = fil("flow", "test", "aidants")

    assert code == 1
    assert "✗ Un soignant dit son département" in said
    assert "aidants.scenarios.yaml:21:9: on attendait : entendre departement" in said
    assert "fr/besoin-aidants" in said


def test_a_flow_is_tried_with_the_keyboard(fil: Fil, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter(["2", "", "0", "x"])
    monkeypatch.setattr("builtins.input", lambda _: next(typed))

    code, said = fil("flow", "try", "--at", "2026-03-10 14:00")

    assert code == 0
    assert "« SOS Crise bonjour, appel gratuit et confidentiel, non enregistré. »" in said
    assert "[en/patience]" in said
    assert "danger : cet appel passe en tête" in said
    assert "L'appelant a raccroché." in said


def test_at_night_and_with_nobody_there_the_call_that_is_tried_ends(
    fil: Fil, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = iter(["", "p"])
    monkeypatch.setattr("builtins.input", lambda _: next(typed))

    _, night = fil("flow", "try", "--at", "2026-03-10 23:30")
    _, nobody = fil("flow", "try", "--at", "2026-03-10 14:00")

    assert "[fr/ferme]" in night
    assert "La ligne raccroche." in night
    assert "[fr/personne-disponible]" in nobody


def test_a_flow_is_drawn(fil: Fil, tmp_path: Path) -> None:
    _, drawn = fil("flow", "draw")
    fil("flow", "draw", "--svg", str(tmp_path / "flow.svg"))
    picture = (tmp_path / "flow.svg").read_text()

    assert drawn.startswith("flowchart TD")
    for step in ("regulation", "choix-attente", "ecoute"):
        assert step in drawn
        assert step in picture
    assert picture.startswith("<svg")


def test_the_schema_accepts_what_is_shipped_and_refuses_a_slip(fil: Fil) -> None:
    _, said = fil("flow", "schema")
    validator = jsonschema.Draft202012Validator(json.loads(said))

    for name in Versions(FLOWS).names():
        assert list(validator.iter_errors(as_an_editor_reads(name))) == []
    slip = as_an_editor_reads("accueil")
    slip["steps"]["patience"]["than"] = "musique"
    assert list(validator.iter_errors(slip))


def as_an_editor_reads(name: str) -> Any:
    """As YAML 1.2: there, `yes` is a word."""
    written = YAML(typ="safe").load(FLOWS / f"{name}.yaml")
    return json.loads(json.dumps(written, default=str))


def test_nothing_is_switched_on_without_an_end_and_a_reason(fil: Fil) -> None:
    for arguments, said in (
        (("crisis", "on", "canicule"), "--until"),
        (("crisis", "on", "canicule", "--until", "2099-01-01 08:00"), "--why"),
        (("crisis", "on", "tempete", "--until", "2099-01-01 08:00", "--why", "x"), "canicule"),
        (("crisis", "on", "canicule", "--until", "2020-01-01 08:00", "--why", "x"), "déjà passé"),
        (("crisis", "on", "canicule", "--until", "demain", "--why", "x"), "n'est pas un moment"),
        (("message", "on", "rien", "--until", "2099-01-01 08:00", "--why", "x"), "rien"),
    ):
        code, told = fil(*arguments)
        assert code != 0
        assert said in told, arguments
    assert not (data() / "situation.yaml").exists()


def test_a_crisis_and_a_message_are_switched_on_and_off(fil: Fil) -> None:
    until = ("--until", "2099-01-01 08:00", "--why", "alerte rouge")

    _, on = fil("crisis", "on", "canicule", *until)
    _, both = fil("message", "on", "patience", *until)
    _, off = fil("crisis", "off")

    assert "mode de crise : canicule, jusqu'au 01/01/2099 08:00" in on
    assert "mode de crise : canicule" in both
    assert "message du jour : patience" in both
    assert "mode de crise : aucun" in off
    assert "message du jour : patience" in off


def alter(name: str, part: str = "flow.yaml") -> None:
    """Change a published version by hand, which makes it one that nobody proved."""
    path = data() / f"flows/published/{name}/1/{part}"
    path.chmod(0o644)
    path.write_text("name: x")


@pytest.mark.parametrize("altered", ["demo", "accueil"])
def test_a_version_altered_by_hand_forbids_no_crisis_mode_of_another(
    fil: Fil, altered: str
) -> None:
    alter(altered)
    until = ("--until", "2099-01-01 08:00", "--why", "alerte rouge")

    code, on = fil("crisis", "on", "attentat", *until)

    assert (code, "mode de crise : attentat" in on) == (0, True), on


def test_a_crisis_mode_of_the_version_that_callers_still_hear_is_switched_on(fil: Fil) -> None:
    edit('"5": respirer', '"4": respirer')
    fil("flow", "publish", "--why", "la touche 4")
    path = data() / "flows/published/accueil/2/flow.yaml"
    path.chmod(0o644)
    path.write_text("name: x")
    for name in ("aidants", "demo", "demo-ferme"):
        alter(name)

    code, said = fil("crisis", "on", "canicule", "--until", "2099-01-01 08:00", "--why", "x")

    assert (code, "mode de crise : canicule" in said) == (0, True), said


@pytest.mark.parametrize("broken", ["crisis: [", "", "crisis: {profile: x}", "\udcff"])
@pytest.mark.parametrize(
    ("switch", "other"), [("crisis", "le message du jour"), ("message", "le mode de crise")]
)
def test_what_cannot_be_read_is_switched_off_and_the_other_switch_with_it(
    fil: Fil, broken: str, switch: str, other: str
) -> None:
    path = data() / "situation.yaml"
    path.write_text(broken, errors="surrogateescape")

    assert fil(switch, "show")[0] != 0
    code, said = fil(switch, "off")
    shown = fil(switch, "show")

    assert (code, f"{other} est donc coupé aussi" in said) == (0, True), said
    assert shown == (0, "mode de crise : aucun\nmessage du jour : aucun\n")


def test_nothing_is_switched_on_over_what_cannot_be_read(fil: Fil) -> None:
    path = data() / "situation.yaml"
    path.write_text("message: [")

    code, _ = fil("crisis", "on", "canicule", "--until", "2099-01-01 08:00", "--why", "x")

    assert code != 0
    assert path.read_text() == "message: ["


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("flow", "check", "x" * 300), "ce nom est trop long ; prenez un nom plus court"),
        (("flow", "draw", "--svg", "/nulle-part/x.svg"), "pas de dossier /nulle-part"),
        (("flow", "draw", "--svg", "/proc/self"), "fil: /proc : "),
        (("flow", "draw", "--svg", "x" * 300), "fil: ce nom est trop long ; prenez"),
        (("flow", "try", "--crisis", "vague de chaleur"), "Prévus : "),
        (("flow", "try", "--crisis", "caniculle"), "canicule"),
        (("flow", "try", "--at", "0001-01-01 00:00"), "une année entre 2000 et 2100"),
        (("flow", "try", "--at", "9999-12-31 23:59"), "une année entre 2000 et 2100"),
        (("flow", "publish", "--why", "x", "--by", "b" * 81), "--by dépasse 80 caractères"),
        (("crisis", "on", "canicule", "--why", "w" * 201), "--why dépasse 200 caractères"),
        (("crisis", "on", "canicule", "--why", "x", "--by", "b" * 81), "--by dépasse 80"),
        (("message", "on", "patience", "--why", "w" * 201), "--why dépasse 200 caractères"),
    ],
    ids=lambda value: "-".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_what_is_refused_is_told_in_a_sentence(
    fil: Fil, arguments: tuple[str, ...], said: str
) -> None:
    until = ("--until", "2099-01-01 08:00") if "on" in arguments else ()

    code, told = fil(*arguments, *until)

    assert code != 0
    assert said in told
    assert "Traceback" not in told
    assert not (data() / "situation.yaml").exists()


def test_a_reason_and_a_name_of_the_longest_length_are_kept(fil: Fil) -> None:
    long = ("--why", "w" * 200, "--by", "b" * 80)

    code, said = fil("crisis", "on", "canicule", "--until", "2099-01-01 08:00", *long)

    assert code == 0, said
    assert fil("crisis", "show")[0] == 0


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/data/.x-1a2b3c4d"),
            "/data : ce compte",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "/a/.fil"), "/a/.fil : ce compte"),
        (OSError(errno.EROFS, "Read-only file system", "/data/x"), "/data/x : rien ne peut être"),
        (OSError(errno.ENOSPC, "No space left on device"), "fil: le disque est plein ; faites"),
        (OSError(errno.EIO, "Input/output error", "/data/x"), "/data/x : Input/output error."),
    ],
    ids=["no right", "no right to a folder", "read-only", "full", "other"],
)
def test_what_the_system_refuses_is_told_in_a_sentence(
    fil: Fil, monkeypatch: pytest.MonkeyPatch, error: OSError, said: str
) -> None:
    def refuse(path: Path, situation: Situation) -> None:
        raise error

    monkeypatch.setattr(admin, "save_situation", refuse)

    code, told = fil("crisis", "off")

    assert code != 0
    assert said in told


def test_a_value_that_no_file_has_room_for_is_told_in_a_sentence(
    fil: Fil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "WHY_LETTERS_MAX", 999)

    code, told = fil("crisis", "on", "canicule", "--until", "2099-01-01 08:00", "--why", "w" * 201)

    assert code != 0
    assert told == "fil: why : le nom dépasse 200 caractères ; raccourcissez-le.\n"


def test_a_line_that_falls_says_where_it_was(fil: Fil, monkeypatch: pytest.MonkeyPatch) -> None:
    def fall(settings: Settings) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("cti.__main__.log_events", fall)

    with pytest.raises(OSError, match="Input/output error"):
        fil("serve")


def test_an_account_without_a_name_is_asked_for_one(
    fil: Fil, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", nobody)

    code, told = fil("crisis", "on", "canicule", "--until", "2099-01-01 08:00", "--why", "x")

    assert (code != 0, '--by "Anne"' in told) == (True, True)


def test_a_drawing_that_fails_leaves_the_one_before(
    fil: Fil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = tmp_path / "flow.svg"
    fil("flow", "draw", "--svg", str(picture))
    before = picture.read_bytes()
    monkeypatch.setattr("ivr.drawing.svg", lambda flow: "<svg>\ud800")

    with pytest.raises(UnicodeEncodeError):
        fil("flow", "draw", "--svg", str(picture))

    assert picture.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("hears: besoin-aidants", "hears: besoin-aidant", "écrivez `besoin-aidants`"),
        ("crisis: attentat", "crisis: atentat", "mode de crise inconnu `atentat`"),
        ("relays: {exemple: answers}", "relays: {nope: answers}", "relais inconnu `nope`"),
        ("never_hears: [relais-appel]", "never_hears: [relais-apel]", "écrivez `relais-appel`"),
    ],
)
def test_a_scenario_that_names_what_does_not_exist_is_not_played(
    fil: Fil, old: str, new: str, said: str
) -> None:
    edit(old, new, "aidants.scenarios")

    code, told = fil("flow", "test", "aidants")

    assert code != 0
    assert "aidants.scenarios.yaml:" in told
    assert said in told
    assert "✓" not in told


def test_sounds_are_reviewed_although_a_flow_cannot_be_read(fil: Fil) -> None:
    alter("demo")

    code, said = fil("sounds", "check")

    assert code == 0
    assert "✗ demo : ses messages ne sont pas comptés. La version 1 de « demo »" in said
    assert "0 à refaire" in said


def test_sounds_of_a_version_that_is_still_heard_are_counted(fil: Fil) -> None:
    edit('"5": respirer', '"4": respirer')
    fil("flow", "publish", "--why", "la touche 4")
    path = data() / "flows/published/accueil/2/flow.yaml"
    path.chmod(0o644)
    path.write_text("name: x")

    code, said = fil("sounds", "check")

    assert code == 0
    assert "✗ accueil : les messages comptés sont ceux de accueil@1. La version 2" in said


def test_sounds_are_reviewed(fil: Fil) -> None:
    code, said = fil("sounds", "check")

    assert code == 0
    assert "voix de synthèse" in said
    assert "0 à refaire" in said


def test_adding_a_sound_asks_what_it_needs(fil: Fil, tmp_path: Path) -> None:
    code, said = fil("sounds", "add", "nouveau")
    assert (code != 0, "--fr" in said) == (True, True)

    code, said = fil("sounds", "add", "patience", "--file", str(tmp_path / "x.wav"))
    assert (code != 0, "--by" in said) == (True, True)

    before = (data() / "prompts.yaml").read_bytes()
    texts = ("--fr", "Une phrase.", "--en", "A sentence.")
    code, said = fil("sounds", "add", "nouveau", *texts, "--file", str(tmp_path / "x.wav"))
    assert (code != 0, "--by" in said) == (True, True)
    assert (data() / "prompts.yaml").read_bytes() == before  # not by half


@pytest.mark.parametrize("text", ["", "prompts:\n", "prompts: ["])
def test_adding_a_sound_to_a_file_that_is_wrong_says_what_is_wrong(fil: Fil, text: str) -> None:
    (data() / "prompts.yaml").write_text(text)

    code, said = fil("sounds", "add", "nouveau", "--fr", "Une phrase.", "--en", "A sentence.")

    assert code != 0
    assert said.startswith(f"fil: {data() / 'prompts.yaml'}")
