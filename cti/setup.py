"""Making a data directory ready: templates copied, sounds built, people of the demo added.

Everything here may be run twice: what people have edited is never overwritten.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import ivr
from cti import clock
from cti.asterisk.engine import render
from cti.asterisk.turn import render_turn
from cti.config import Settings, SettingsError
from cti.records.database import create_database
from cti.records.migrating import migrate
from cti.records.papers import CARDS, CARDS_TEMPLATE, FORM, FORM_TEMPLATE
from cti.records.people import PeopleStore
from cti.records.privacy import Keys
from ivr.reading import FlowError
from ivr.relays import load_relays
from ivr.versions import Versions
from sounds.build import PROMPTS, build
from sounds.catalogue import Catalogue

FLOWS = Path(ivr.__file__).parent / "flows"
RELAYS = Path(ivr.__file__).parent / "relays.yaml"
DEMO_PEOPLE = {
    "rosa": ("Rosa", ["regulator"], ["fr", "en"]),
    "remy": ("Rémy", ["regulator"], ["fr"]),
    "lea": ("Léa", ["listener"], ["fr", "en"]),
    "louis": ("Louis", ["listener"], ["fr"]),
    "sam": ("Sam", ["supervisor"], ["fr"]),
    "ada": ("Ada", ["admin"], ["fr"]),
}
Say = Callable[[str], None]


def init(settings: Settings, say: Say) -> None:
    """Make the data directory: files to edit, secrets, sounds, the engine's configuration."""
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    copy_templates(settings.data)
    (settings.data / "recordings").mkdir(exist_ok=True)
    say("the prompts (half a minute the first time)")
    publish_templates(settings, build_sounds(settings), say)
    render(settings)
    render_turn(settings)


def copy_templates(data: Path) -> None:
    """Put each file that people edit where it is looked for, unless there is one already."""
    flows = {f"flows/{path.relative_to(FLOWS)}": path for path in FLOWS.rglob("*.yaml")}
    others = {
        "relays.yaml": RELAYS,
        "prompts.yaml": PROMPTS,
        FORM: FORM_TEMPLATE,
        CARDS: CARDS_TEMPLATE,
    }
    for name, template in (flows | others).items():
        wanted = data / name
        wanted.parent.mkdir(parents=True, exist_ok=True)
        if not wanted.exists():
            shutil.copyfile(template, wanted)


def build_sounds(settings: Settings) -> Catalogue:
    """Bring the sounds up to date with the texts and recordings, readable by the engine."""
    data = settings.data
    built = build(data / "sounds", data / "recordings", source=data / "prompts.yaml")
    _let_the_engine_read(data / "sounds")
    return built


def publish_templates(settings: Settings, prompts: Catalogue, say: Say) -> None:
    """Publish our own flows that never were: the line needs one to start.

    Raises FlowError when it is the line's own that is wrong; without another, it starts.
    """
    versions = Versions(settings.data / "flows")
    relays = load_relays(settings.data / "relays.yaml")
    for name in Versions(FLOWS).names():
        if versions.published(name):
            continue
        why = "modèle livré avec Bout du fil"
        try:
            versions.publish(
                name, prompts.lengths(), relays, by="fil init", why=why, at=clock.now()
            )
        except FlowError as error:
            if name == settings.flow.removesuffix(".yaml"):
                raise
            say(f"the flow {name} is not published: {error}")


def _let_the_engine_read(folder: Path) -> None:
    """Prompts are no secret: the engine's account reads them through its mount."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


async def prepare_database(settings: Settings) -> None:
    """Bring the database to this version's tables."""
    await migrate(settings.database)


async def add_demo_people(settings: Settings) -> None:
    """Add the demo's six people; their password and their phone's is ``demo-<name>``."""
    database = create_database(settings.database)
    try:
        store = PeopleStore(database, Keys.load_or_create(settings.data / "secrets"))
        known = {row.id for row in await store.load()}
        for id_, (name, roles, languages) in DEMO_PEOPLE.items():
            if id_ not in known:
                await store.add(
                    id_,
                    name=name,
                    roles=roles,
                    phone=id_,
                    password=f"demo-{id_}",
                    languages=languages,
                    sip_secret=f"demo-{id_}",
                )
    finally:
        await database.close()


def refuse_taken_ports(settings: Settings) -> None:
    """Raise SettingsError when the engine's ports belong to another program."""
    wanted = [
        (socket.SOCK_DGRAM, settings.bind_address, settings.sip_port, "FIL_SIP_PORT"),
        (socket.SOCK_STREAM, "127.0.0.1", settings.ari_port, "FIL_ARI_PORT"),
        (socket.SOCK_STREAM, "127.0.0.1", settings.ami_port, "FIL_AMI_PORT"),
        (socket.SOCK_STREAM, settings.web_address, settings.web_port, "FIL_WEB_PORT"),
    ]
    for kind, address, port, name in wanted:
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                raise SettingsError(
                    f"The port {port} of {address} is taken by another program. "
                    f"Stop it, or set {name} to a free port."
                ) from None
