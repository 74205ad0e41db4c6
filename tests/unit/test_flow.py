"""A flow that could fail a caller is refused at loading, with the place and the fix."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ivr
import sounds
from ivr.flow import FlowError, load_flow
from ivr.reading import FILE_BYTES_MAX, read
from ivr.relays import Relay, load_relays
from ivr.steps import ESTIMATE_PROMPTS, POSITION_PROMPTS
from ivr.versions import Versions

FLOWS = Path(ivr.__file__).parent / "flows"
TEMPLATES = [FLOWS / f"{name}.yaml" for name in Versions(FLOWS).names()]

PROMPT_IDS = (
    "accueil",
    "choix-langue",
    "patience",
    "patience-encore",
    "ferme",
    "personne-disponible",
    "orientation",
    "au-revoir",
    "forte-affluence",
    "affluence-encore",
    "danger",
    *ESTIMATE_PROMPTS,
    *POSITION_PROMPTS,
)
PROMPTS = {(language, prompt): 3.0 for language in ("fr", "en") for prompt in PROMPT_IDS}

GOOD = """\
name: Essai
languages: [fr, en]
start: ouverture
danger:
  say: danger
  then: regulation
attributes:
  besoin: [violences, deuil]
  departement: chiffres
  rappel: accord
profiles:
  canicule: Vague de chaleur
calendars:
  horaires:
    timezone: Europe/Paris
    open:
      tous les jours: "09:00-19:00"
    holidays: open
    closed_dates: ["2026-12-25"]
steps:
  ouverture:
    hours: horaires
    open: regulation
    closed: ferme
  regulation:
    line: regulators
    ring_after: 2 s
    while_waiting: accueil
    on_no_staff: personne
    on_wait_longer_than: {after: 10 min, then: personne}
    on_full: {above: 40, then: personne}
  accueil:
    say: accueil
    whole: true
    then: langue
  langue:
    menu: choix-langue
    keys:
      "2": anglais
    seconds: 5 s
    tries: 1
    otherwise: musique
  anglais:
    set: {language: en}
    then: musique
  musique:
    wait: 20 s
    then: patience
  patience:
    say: patience
    then: musique
  ecoute:
    line: listeners
    while_waiting: patience
    on_no_staff: personne
    on_wait_longer_than: {after: 10 min, then: personne}
  personne:
    say: personne-disponible
    then: fin
  ferme:
    say: ferme
    then: fin
  fin:
    hang_up: true
"""

# The same, with what is heard by those who join when many wait.
LINE = "    on_full: {above: 40, then: personne}\n  accueil:\n"
CROWDED = """\
    on_full: {above: 40, then: personne}
    while_crowded: foule
    crowded_above: 3
  foule:
    say: accueil
    whole: true
    then: affluence
  affluence:
    say: forte-affluence
    then: musique
  accueil:
"""

# What is shipped, whatever it lasts: a long first message would show in none of them.
SHIPPED = {
    (language, prompt): 4.0
    for language in ("fr", "en")
    for prompt in read(Path(sounds.__file__).parent / "prompts.yaml").data["prompts"]
}

NO_STAFF = """\
    on_no_staff: personne
    on_wait_longer_than: {after: 10 min, then: personne}
    on_f"""
RELAY = """\
    relay: §sos-relais
    otherwise: ferme2
    then: ferme2
  ferme2:
    say: ferme
    then: fin"""

HERE = "§"  # in a bad flow, stands just before the place that must be shown

# what the mistake is, the good text, the bad text, what must be said, the fix
BAD = [
    # --- the file as YAML
    ("tab", "  fin:\n    hang_up", "  fin:\n§\thang_up", "tabulation", "espaces"),
    ("open quote", "name: Essai", 'name: §"Essai', "guillemet", "refermez-le"),
    ("stray colon", "name: Essai", "name: Essai§: bis", "deux-points", "guillemets"),
    ("stray quote", "name: Essai", "name: 'l'§écoute'", "guillemet", "guillemets doubles"),
    ("misaligned", "    tries: 1", "   §tries: 1", "alignée", "espaces"),
    ("last quote open", '["2026-12-25"]', '[§"2026-12-25]', "guillemet", "refermez-le"),
    ("open bracket", "[fr, en]\n", "§[fr, en\n", "crochet", "refermez-le"),
    ("bare star", '      "2": anglais', "      §*: anglais", "étoile", '`"*"`'),
    ("bad first sign", "name: Essai", "name: §@Essai", "le signe `@`", "guillemets"),
    ("anchor", "  fin:\n", "  fin: §&fin\n", "repères", "recopiez"),
    ("alias", "    closed: ferme", "    closed: §*ferme", "rappels", "recopiez"),
    ("tag", "name: Essai", "name: §!!python/object Essai", "marques", "retirez-la"),
    ("two documents", "steps:\n", "§---\nsteps:\n", "`---`", "retirez-la"),
    (
        "same key",
        "start: ouverture",
        "start: ouverture\n§name: Bis",
        "déjà écrit ligne 1",
        "un seul",
    ),
    ("same step", "  ferme:\n", "  §personne:\n", "déjà écrit ligne", "un seul"),
    (
        "same digit",
        '      "2": anglais',
        '      "2": anglais\n      §"2": musique',
        "`2`",
        "un seul",
    ),
    (
        "key not a word",
        "    open:\n",
        "    §[open]: toujours\n    open:\n",
        "simple mot",
        "clé: valeur",
    ),
    ("control sign", "name: Essai", "name: Es§\x07sai", "invisible", "effacez-le"),
    (
        "too deep",
        "name: Essai",
        "name: [[[[[[[[[[[§[x]]]]]]]]]]]]",
        "emboîtés",
        "séparées",
    ),
    # --- words
    ("unknown top key", "start: ouverture", "start: ouverture\n§stpes: x", "`stpes`", "`steps`"),
    ("unknown step key", "    whole: true", "    §wohle: true", "`wohle`", "`whole`"),
    ("unknown verb", "    §say: accueil".replace("§", ""), "    §sai: accueil", "`sai`", "`say`"),
    (
        "no verb",
        "  §fin:\n    hang_up: true\n".replace("§", ""),
        "  §fin: {}\n",
        "ne fait rien",
        "`say`",
    ),
    (
        "two verbs",
        "    say: ferme",
        "    say: ferme\n    §wait: 5 s",
        "deux actions",
        "deux étapes",
    ),
    (
        "step not a block",
        "  fin:\n    hang_up: true\n",
        "  §fin: hang_up\n",
        "pas un bloc",
        "retrait",
    ),
    ("nothing written", "    closed: ferme", "    closed:§", "manque la valeur", "même ligne"),
    (
        "block for a word",
        "    closed: ferme",
        "    closed: §[ferme]",
        "un mot est attendu",
        "valeur",
    ),
    ("steps not a block", GOOD[GOOD.index("steps:") :], "steps: §rien\n", "bloc", "retrait"),
    ("no languages", "languages: [fr, en]", "languages: §[]", "langues", "[fr, en]"),
    ("language unknown", "[fr, en]", "§[fr, de]", "`de`", "choix possibles"),
    ("language twice", "[fr, en]", "§[fr, fr, en]", "deux fois", "une seule"),
    ("missing otherwise", "    otherwise: musique\n", "", "il manque `otherwise`", "`otherwise: "),
    ("missing start", "start: ouverture\n", "", "il manque `start`", "`start: "),
    ("name with a space", "  fin:\n", "  §le mot fin:\n", "servir de nom", "sans espace"),
    # --- values
    ("no unit", "    seconds: 5 s", "    seconds: §5", "durée illisible `5`", "`12 s`"),
    ("wait too long", "    wait: 20 s", "    wait: §6 min", "`6 min`", "`5 min`"),
    ("wait too short", "    wait: 20 s", "    wait: §0 s", "`0 s`", "`1 s`"),
    ("bad tries", "    tries: 1", "    tries: §9", "`9`", "de 1 à 3"),
    ("not a key", '      "2": anglais', "      §12: anglais", "touche", "chiffre"),
    ("no keys", '    keys:\n      "2": anglais', "    keys: §{}", "vide", "clé: valeur"),
    ("not true", "    whole: true", "    whole: §yes", "`yes`", "`true`"),
    ("hang up not", "    hang_up: true", "    hang_up: §false", "raccrocher", "`hang_up: true`"),
    ("prompt as a path", "    say: ferme", "    say: §../ferme", "nommer un message", "tirets"),
    ("set something else", "{language: en}", "{§langage: en}", "`langage`", "`language`"),
    ("set to no language", "{language: en}", "{language: §eng}", "`eng`", "`en`"),
    ("unspoken language", "[fr, en]\n", "[fr]\n", "n'est pas parlée", "`languages`"),
    # --- hours
    ("bad hours", '"09:00-19:00"', "§de 9 à 19", "horaire illisible", "`fermé`"),
    ("no such hour", '"09:00-19:00"', '§"09:00-25:00"', "n'existe pas", "09:00-19:00"),
    ("empty opening", '"09:00-19:00"', '§"09:00-09:00"', "même heure", "00:00-24:00"),
    ("bad day", "      tous les jours:", "      §lunid:", "`lunid`", "`lundi`"),
    (
        "open as a word",
        '    open:\n      tous les jours: "09:00-19:00"',
        "    open: §oui",
        "heures",
        "toujours",
    ),
    ("bad zone", "Europe/Paris", "§Europe/Pari", "`Europe/Pari`", "`Europe/Paris`"),
    ("bad holidays", "    holidays: open", "    holidays: §oui", "`oui`", "`closed`"),
    ("French date", '"2026-12-25"', "§25/12/2026", "jour", "`2026-12-25`"),
    ("no such date", '"2026-12-25"', "§2026-02-30", "date illisible", "`2026-12-25`"),
    ("date alone", '["2026-12-25"]', "§2026-12-25", "liste", "crochets"),
    # --- names
    ("unknown start", "start: ouverture", "start: §overture", "`overture`", "`ouverture`"),
    ("unknown step", "    then: langue", "    then: §langues", "`langues`", "`langue`"),
    ("unknown key step", '"2": anglais', '"2": §englais', "`englais`", "`anglais`"),
    ("unknown calendar", "    hours: horaires", "    hours: §horaire", "`horaire`", "`horaires`"),
    ("unknown line", "    line: listeners", "    line: §listener", "`listener`", "`listeners`"),
    (
        "unknown prompt",
        "    say: ferme",
        "    say: §fermé".replace("é", "ee"),
        "`fermee`",
        "`ferme`",
    ),
    # --- proofs
    ("line twice", "    line: listeners", "    line: §regulators", "déjà l'étape", "`regulation`"),
    (
        "unreachable",
        "  fin:\n",
        "  §oubli:\n    say: au-revoir\n    then: fin\n  fin:\n",
        "aucun chemin",
        "retirez-la",
    ),
    ("welcome loop", "    closed: ferme", "    closed: §ouverture", "en rond", "vers l'avant"),
    (
        "wait in welcome",
        "    closed: ferme",
        "    closed: §musique",
        "avant l'attente",
        "while_waiting",
    ),
    (
        "loop without music",
        "    otherwise: musique",
        "    otherwise: §langue",
        "sans musique",
        "`wait`",
    ),
    (
        "hang up on who waits",
        "    otherwise: musique",
        "    otherwise: §fin",
        "pendant l'attente",
        "`wait`",
    ),
    ("line while waiting", "    otherwise: musique", "    otherwise: §ecoute", "place", "`wait`"),
    (
        "line for nobody",
        "    say: personne-disponible\n    then: fin",
        "    say: personne-disponible\n    then: §regulation",
        "attendrait sans fin",
        "au revoir",
    ),
    (
        "voice then nothing",
        "  ferme:\n    say: ferme\n    then: fin",
        "  §ferme:\n    say: ferme",
        "plus rien",
        "then",
    ),
    ("hang up in silence", "    closed: ferme", "    closed: §fin", "sans un au revoir", "`say`"),
    (
        "silent no staff",
        NO_STAFF,
        NO_STAFF.replace("personne", "§fin", 1),
        "sans un au revoir",
        "`say`",
    ),
    (
        "key needed",
        "    open: regulation\n    closed: ferme\n",
        "    open: tri\n    closed: ferme\n  tri:\n    menu: choix-langue\n"
        "    keys: {'1': regulation}\n    otherwise: §ferme\n",
        "sans appuyer sur une touche",
        "`otherwise` vers une ligne",
    ),
    # --- danger, attributes, crisis modes
    (
        "danger without words",
        "danger:\n  say: danger\n",
        "§danger:\n",
        "il manque `say`",
        "say: danger",
    ),
    (
        "danger to no line",
        "  then: regulation\n",
        "  then: §ferme\n",
        "n'est pas une ligne",
        "`regulation`",
    ),
    (
        "danger to nowhere",
        "  then: regulation\n",
        "  then: §regulatio\n",
        "`regulatio`",
        "`regulation`",
    ),
    ("danger key", "danger:\n", "danger:\n  key: §10\n", "touche du téléphone", "guillemets"),
    (
        "danger key taken",
        '      "2": anglais',
        '      §"0": anglais',
        "celle du danger",
        "autre touche",
    ),
    (
        "attribute of no kind",
        "departement: chiffres",
        "departement: §nombre",
        "peut être noté",
        "`accord`",
    ),
    ("set unknown value", "{language: en}", "{besoin: §deuill}", "`deuill`", "`deuil`"),
    ("set a number", "{language: en}", "{§departement: 75}", "`departement`", "`besoin`"),
    (
        "profile without title",
        "canicule: Vague de chaleur",
        "canicule:§",
        "manque la valeur",
        "ligne",
    ),
    (
        "branch on nothing",
        "    set: {language: en}\n    then: musique",
        "    branch: §besoins\n    cases: {deuil: musique}\n    otherwise: musique",
        "`besoins`",
        "`besoin`",
    ),
    (
        "branch to unknown case",
        "    set: {language: en}\n    then: musique",
        "    branch: profile\n    cases: {§canicul: musique}\n    otherwise: musique",
        "`canicul`",
        "`canicule`",
    ),
    # --- questions
    (
        "gather into nothing",
        "    set: {language: en}\n    then: musique",
        "    gather: patience\n    into: §departemen\n    digits: 2\n    then: musique\n"
        "    otherwise: musique",
        "`departemen`",
        "`departement`",
    ),
    (
        "gather a telephone number",
        "    set: {language: en}\n    then: musique",
        "    gather: patience\n    into: departement\n    digits: §10\n    then: musique\n"
        "    otherwise: musique",
        "`10` n'est pas un nombre de chiffres",
        "de 1 à 5",
    ),
    (
        "consent to nothing",
        "    set: {language: en}\n    then: musique",
        "    consent: patience\n    to: §besoin\n    then: musique",
        "`besoin`",
        "`rappel`",
    ),
    (
        "probe without a no",
        "  anglais:\n    set: {language: en}\n    then: musique",
        "  §anglais:\n    probe: patience\n    yes: musique\n    otherwise: musique",
        "il manque `no`",
        "`no: ",
    ),
    (
        "language of no key",
        "    set: {language: en}\n    then: musique",
        '    language: patience\n    keys: {"2": §es}\n    then: musique',
        "langue inconnue `es`",
        "choix possibles",
    ),
    (
        "grounding without end",
        "  anglais:\n    set: {language: en}\n    then: musique",
        "  §anglais:\n    ground: [patience]\n    then: musique",
        "il manque `for`",
        "`for: 3 min`",
    ),
    (
        "grounding who does not wait",
        "    closed: ferme\n",
        "    closed: §calme\n  calme:\n    ground: [patience]\n    for: 1 min\n    then: ferme\n",
        "n'a pas sa place avant l'attente",
        "while_waiting",
    ),
    (
        "day message off",
        "    set: {language: en}\n",
        "    day_message: §false\n",
        "message du jour",
        "true",
    ),
    # --- lines and relays
    (
        "wait without end",
        "  regulation:\n    line: regulators\n    ring_after: 2 s\n    while_waiting: accueil\n"
        "    on_no_staff: personne\n    on_wait_longer_than: {after: 10 min, then: personne}\n",
        "  §regulation:\n    line: regulators\n    while_waiting: accueil\n"
        "    on_no_staff: personne\n",
        "il manque `on_wait_longer_than`",
        "`on_wait_longer_than: {after",
    ),
    (
        "wait again for ever",
        "{after: 10 min, then: personne}\n    on_full",
        "{after: 10 min, then: §regulation}\n    on_full",
        "attendrait sans fin",
        "au revoir",
    ),
    ("wait too short", "{after: 10 min,", "{after: §10 s,", "`10 s`", "entre `30 s` et `60 min`"),
    ("wait with no unit", "{after: 10 min,", "{after: §10,", "durée illisible `10`", "`12 s`"),
    ("wait misspelt", "{after: 10 min,", "{§afer: 10 min,", "`afer`", "`after`"),
    ("full of nobody", "{above: 40,", "{above: §0,", "`0`", "de 1 à 500"),
    ("no skill", "    line: listeners\n", "    line: listeners\n    skills: §[]\n", "vide", "clé"),
    (
        "unknown relay",
        "    say: ferme\n    then: fin",
        RELAY.replace("§", "§").replace("sos", "so"),
        "`so-relais`",
        "`sos-relais`",
    ),
    (
        "hung up after a relay",
        "    say: ferme\n    then: fin",
        RELAY.replace("§", "").replace("then: ferme2", "then: §fin"),
        "sans un au revoir",
        "`say`",
    ),
    (
        "a relay by a key, then the waiting again",
        '      "2": anglais\n    seconds: 5 s\n    tries: 1\n    otherwise: musique\n',
        '      "2": relais\n    seconds: 5 s\n    tries: 1\n    otherwise: musique\n'
        "  relais:\n    relay: sos-relais\n    then: personne\n    otherwise: §musique\n",
        "n'a pas sa place après un relais",
        "while_waiting",
    ),
    (
        "hung up by a key while waiting",
        '      "2": anglais\n',
        '      "2": anglais\n      "3": §fin\n',
        "sans un au revoir",
        "`say`",
    ),
    (
        "hung up after a question",
        "    say: ferme\n    then: fin",
        "    menu: ferme\n    keys: {'5': regulation}\n    otherwise: §fin",
        "sans un au revoir",
        "`say`",
    ),
    (
        "a relay that rings late when it is closed",
        "    open: regulation\n    closed: ferme\n",
        "    open: relais\n    closed: ferme\n  relais:\n    relay: sos-relais\n"
        "    then: ferme\n    otherwise: lent\n  lent: {say: accueil, then: lent2}\n"
        "  lent2: {say: patience, then: lent3}\n  lent3: {say: patience-encore, then: lent4}\n"
        "  lent4: {say: danger, then: §regulation}\n",
        "qu'après 14 s",
        "pendant qu'on sonne",
    ),
    (
        "a skill that nobody may have, then long words",
        "    open: regulation\n    closed: ferme\n",
        "    open: deuil\n    closed: ferme\n  deuil:\n    line: regulators\n"
        "    skills: [deuil]\n    ring_after: 5 s\n    while_waiting: accueil\n"
        "    on_wait_longer_than: {after: 10 min, then: regulation}\n"
        "    on_no_staff: lent\n  lent: {say: patience, then: §regulation}\n",
        "qu'après 14 s",
        "pendant qu'on sonne",
    ),
    (
        "to the listeners, whom the regulators replace",
        "    on_wait_longer_than: {after: 10 min, then: personne}\n    on_full",
        "    on_wait_longer_than: {after: 10 min, then: §ecoute}\n    on_full",
        "attendrait sans fin",
        "au revoir",
    ),
    (
        "danger for a language",
        '    menu: choix-langue\n    keys:\n      "2": anglais\n    seconds: 5 s\n    tries: 1\n'
        "    otherwise: musique\n",
        '    language: choix-langue\n    keys: {§"0": en}\n    then: anglais\n',
        "celle du danger",
        "autre touche",
    ),
    (
        "danger for an agreement",
        "    set: {language: en}\n",
        '    consent: choix-langue\n    to: rappel\n    key: §"0"\n',
        "celle du danger",
        "autre touche",
    ),
    ("danger by a hash", "  say: danger\n", '  say: danger\n  key: §"#"\n', "termine", '`"0"`'),
    (
        "a language of one's own",
        "  besoin: [violences, deuil]\n",
        "  besoin: [violences, deuil]\n  §language: [allemand]\n",
        "déjà connu",
        "autre nom",
    ),
    (
        "back to nowhere",
        "  fin:\n    hang_up: true",
        "  fin:\n    §back: true",
        "`parts/`",
        "hang_up",
    ),
    (
        "no such part",
        "    set: {language: en}\n",
        "    flow: §droits\n",
        "`parts/droits.yaml`",
        "écrivez ce fichier",
    ),
    # --- promises
    ("number of letters", "name: Essai", 'name: Essai\nnumbers: [§"SOS"]', "numéro", "guillemets"),
    ("no promise", "name: Essai", "name: Essai\nrings_within: §5 min", "hors limites", "1 min"),
    (
        "too slow to ring",
        "    open: regulation\n    closed: ferme\n",
        "    open: lent\n    closed: ferme\n  lent:\n    say: accueil\n    then: lent2\n"
        "  lent2:\n    say: patience\n"
        "    then: lent3\n  lent3:\n    menu: choix-langue\n    keys: {'5': regulation}\n"
        "    otherwise: §regulation\n",
        "qu'après 16 s",
        "pendant qu'on sonne",
    ),
    (
        "recorded unawares",
        "name: Essai",
        "name: Essai\nsupervision: [recording]",
        "sans avoir été averti",
        "`notice`",
    ),
    (
        "unknown supervision",
        "name: Essai",
        "name: Essai\nsupervision: [§record]",
        "`record`",
        "`recording`",
    ),
    # --- when many callers wait
    (
        "crowd above nothing",
        LINE,
        CROWDED.replace(": 3", ": §0"),
        "`0` n'est pas un nombre d'appelants",
        "de 1 à 50",
    ),
    (
        "crowd above half",
        LINE,
        CROWDED.replace(": 3", ": §2,5"),
        "`2,5` n'est pas un nombre",
        "de 1 à 50",
    ),
    (
        "crowd of no use",
        LINE,
        LINE.replace("  acc", "    crowded_above: §3\n  acc"),
        "ne sert à rien",
        "while_crowded",
    ),
    (
        "unknown step in a crowd",
        LINE,
        CROWDED.replace(": foule", ": §foul"),
        "étape inconnue `foul`",
        "`foule`",
    ),
    (
        "crowd hung up on",
        LINE,
        CROWDED.replace("affluence\n    then: musique", "affluence\n    then: §fin"),
        "`fin` n'a pas sa place pendant l'attente",
        "`wait`",
    ),
    (
        "crowd without the notice",
        LINE,
        CROWDED.replace(": foule", ": §affluence").replace(
            "  foule:\n    say: accueil\n    whole: true\n    then: affluence\n", ""
        ),
        "n'entendrait pas `accueil` en entier",
        "`whole: true`",
    ),
    (
        "crowd that cuts the notice",
        LINE,
        CROWDED.replace(": foule", ": §foule").replace("    whole: true\n", ""),
        "n'entendrait pas `accueil` en entier",
        "`whole: true`",
    ),
    (
        "crowd for ever",
        LINE,
        CROWDED.replace(
            "affluence\n    then: musique",
            "affluence\n    then: repos\n  repos:\n    wait: 50 s\n    then: §affluence",
        ),
        "sans fin que la ligne est encombrée",
        "qui suit `accueil`",
    ),
    (
        "crowd in a spin",
        LINE,
        CROWDED.replace("affluence\n    then: musique", "affluence\n    then: §affluence"),
        "sans musique",
        "`wait`",
    ),
    # --- a voice at least once a minute, for who waits
    (
        "a minute of music",
        "    wait: 20 s",
        "    wait: §61 s",
        "66 s sans entendre",
        "1 min de musique",
    ),
    (
        "two pieces of music",
        "    wait: 20 s\n    then: patience",
        "    wait: 40 s\n    then: encore\n  encore:\n    wait: §40 s\n    then: patience",
        "85 s sans entendre",
        "1 min de musique",
    ),
    (
        "music and an estimate that may be silent",
        "    wait: 20 s\n    then: patience",
        "    wait: 40 s\n    then: estimee\n  estimee:\n    wait_estimate: true\n"
        "    position: true\n    then: encore\n"
        "  encore:\n    wait: §40 s\n    then: patience",
        "85 s sans entendre",
        "1 min de musique",
    ),
    (
        "music and a message of the day that may not be",
        "    wait: 20 s\n    then: patience",
        "    wait: 40 s\n    then: jour\n  jour:\n    day_message: true\n    then: encore\n"
        "  encore:\n    wait: §40 s\n    then: patience",
        "85 s sans entendre",
        "1 min de musique",
    ),
    (
        "an unanswered question, then music",
        "    wait: 20 s",
        "    wait: §58 s",
        "63 s sans entendre",
        "1 min de musique",
    ),
    ("music for ever", "    then: patience\n", "    then: musique\n", "sans entendre", "message"),
    (
        "grounding that falls silent",
        "    set: {language: en}\n",
        "    ground: [patience]\n    every: §90 s\n    for: 5 min\n",
        "90 s sans entendre",
        "1 min de musique",
    ),
    (
        "grounding, then music",
        "    set: {language: en}\n    then: musique\n",
        "    ground: [patience]\n    every: 41 s\n    for: 5 min\n    then: musique\n",
        "61 s sans entendre",
        "1 min de musique",
    ),
    (
        "music in a crowd",
        LINE,
        CROWDED.replace(
            "affluence\n    then: mus",
            "affluence\n    then: repos\n  repos:\n    wait: 50 s\n    then: mus",
        ),
        "70 s sans entendre",
        "1 min de musique",
    ),
    (
        "music in one line, then in another",
        "    on_wait_longer_than: {after: 10 min, then: personne}\n    on_full",
        "    on_wait_longer_than: {after: 10 min, then: encore}\n    on_full: {above: 9, "
        "then: personne}\n  encore:\n    line: regulators\n    skills: [deuil]\n"
        "    while_waiting: musique\n    on_no_staff: personne\n"
        "    on_wait_longer_than: {after: 10 min, then: personne}\n    on_full",
        "80 s sans entendre",
        "1 min de musique",
    ),
    (
        "estimate for who does not wait",
        "    closed: ferme\n",
        "    closed: §dire\n  dire:\n    wait_estimate: true\n    then: ferme\n",
        "n'a pas sa place avant l'attente",
        "while_waiting",
    ),
    (
        "no estimate",
        "    set: {language: en}\n",
        "    wait_estimate: §false\n",
        "dire l'attente estimée",
        "`wait_estimate: true`",
    ),
    (
        "estimates turn without music",
        "    wait: 20 s\n    then: patience",
        "    wait_estimate: true\n    then: §musique",
        "sans musique",
        "`wait`",
    ),
]


RELAYS = {
    "sos-relais": Relay.model_validate(
        {"name": "SOS", "number": "0199005501", "hours": "toujours", "cost": "gratuit"}
    )
}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "flow.yaml"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_every_template_loads_with_the_prompts_that_are_shipped(path: Path) -> None:
    flow = load_flow(path, SHIPPED, load_relays(FLOWS.parent / "relays.yaml"))

    assert flow.line("listeners").while_waiting == "orientation"


def test_the_demo_flows_say_the_same_as_the_default_flow() -> None:
    default, demo, closed = (
        load_flow(FLOWS / f"{name}.yaml", SHIPPED) for name in ("accueil", "demo", "demo-ferme")
    )

    assert demo.steps == closed.steps == default.steps


def test_the_good_flow_of_the_corpus_loads(tmp_path: Path) -> None:
    flow = load_flow(written(tmp_path, GOOD), PROMPTS)

    assert flow.line("listeners").ring_after_seconds == 2.0
    assert flow.languages == ("fr", "en")


def test_a_line_may_say_something_else_when_many_callers_wait(tmp_path: Path) -> None:
    plain = load_flow(written(tmp_path, GOOD), PROMPTS).line("regulators")
    crowded = load_flow(written(tmp_path, GOOD.replace(LINE, CROWDED)), PROMPTS).line("regulators")

    assert plain.while_crowded is None
    assert (crowded.while_crowded, crowded.crowd_per_agent_max) == ("foule", 3)


def test_every_template_says_so_when_many_callers_wait() -> None:
    for name in ("accueil", "demo", "demo-ferme"):
        flow = load_flow(FLOWS / f"{name}.yaml", SHIPPED)
        assert flow.line("regulators").while_crowded == "accueil-affluence"
        assert flow.line("regulators").crowd_per_agent_max == 2


@pytest.mark.parametrize(("name", "good", "bad", "what", "fix"), BAD, ids=[row[0] for row in BAD])
def test_a_bad_flow_is_refused_with_its_place_and_its_fix(
    tmp_path: Path, name: str, good: str, bad: str, what: str, fix: str
) -> None:
    assert GOOD.count(good) >= 1
    marked = GOOD.replace(good, bad, 1)
    before, marker, _ = marked.partition(HERE)
    path = written(tmp_path, marked.replace(HERE, ""))

    with pytest.raises(FlowError) as refused:
        load_flow(path, PROMPTS, RELAYS)

    lines = [line for line in str(refused.value).splitlines() if " ; " in line]
    said = [line for line in lines if what in line.split(" ; ")[0] and fix in line.split(" ; ")[1]]
    assert said, lines
    if marker:
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        assert said[0].startswith(f"{path}:{line}:{column}: "), said


def test_a_long_chain_of_forks_is_proved_at_once(tmp_path: Path) -> None:
    forks = "".join(
        f"  f{i}:\n    branch: besoin\n    cases: {{deuil: f{i + 1}, violences: f{i + 1}}}\n"
        f"    otherwise: f{i + 1}\n"
        for i in range(100)
    )
    text = GOOD.replace("    open: regulation\n", "    open: f0\n")
    path = written(tmp_path, text + forks + "  f100: {say: patience, then: regulation}\n")

    assert len(load_flow(path, PROMPTS).steps) > 100


def test_a_line_that_is_full_does_not_lead_round_the_notice(tmp_path: Path) -> None:
    text = GOOD.replace("name: Essai", "name: Essai\nsupervision: [recording]").replace(
        "    say: accueil\n    whole: true\n", "    notice: accueil\n"
    )
    other = """\
  deuil:
    line: regulators
    skills: [deuil]
    while_waiting: musique
    on_no_staff: personne
    on_wait_longer_than: {after: 10 min, then: personne}
"""
    told = text.replace("  ecoute:\n", other + "  ecoute:\n")
    round_it = told.replace(
        "on_full: {above: 40, then: personne}", "on_full: {above: 40, then: deuil}"
    )

    load_flow(written(tmp_path, text), PROMPTS)
    with pytest.raises(FlowError, match="sans avoir été averti"):
        load_flow(written(tmp_path, round_it), PROMPTS)


def test_two_lines_that_lead_to_each_other_without_a_key_are_an_endless_wait(
    tmp_path: Path,
) -> None:
    first, second = "then: personne}\n    on_full", "then: personne}\n  personne:"
    text = GOOD.replace(first, "then: ecoute}\n    on_full")
    text = text.replace(second, "then: regulation}\n  personne:")

    with pytest.raises(FlowError, match="attendrait sans fin") as refused:
        load_flow(written(tmp_path, text), PROMPTS)

    assert [problem.place.line for problem in refused.value.problems] == [30]


def test_all_the_problems_of_a_flow_are_told_at_once_in_their_order(tmp_path: Path) -> None:
    text = GOOD.replace("whole: true", "wohle: true").replace("closed: ferme", "closed: ferm")
    text = text.replace("say: patience", "say: patienec").replace("holidays: open", "holidays: oui")

    with pytest.raises(FlowError) as refused:
        load_flow(written(tmp_path, text), PROMPTS)

    assert [problem.place.line for problem in refused.value.problems] == [18, 24, 34, 50]


def test_every_silent_hang_up_is_told(tmp_path: Path) -> None:
    text = GOOD.replace("open: regulation", "open: fin").replace("closed: ferme", "closed: fin")
    text = text.replace("on_no_staff: personne", "on_no_staff: fin")

    with pytest.raises(FlowError) as refused:
        load_flow(written(tmp_path, text), PROMPTS)

    silent = [problem for problem in refused.value.problems if "sans un au revoir" in problem.what]
    assert [problem.place.line for problem in silent] == [23, 24, 29, 55]


def test_one_mistake_in_a_step_is_told_once(tmp_path: Path) -> None:
    text = GOOD.replace("    line: listeners", "    line: listenerz")

    with pytest.raises(FlowError) as refused:
        load_flow(written(tmp_path, text), PROMPTS)

    assert len(refused.value.problems) == 1


def test_a_missing_line_is_refused_because_a_regulator_may_orient_to_it(tmp_path: Path) -> None:
    start = GOOD.index("  ecoute:")
    text = GOOD[:start] + GOOD[GOOD.index("  personne:\n") :]

    with pytest.raises(FlowError, match="`listeners` ; ajoutez une étape `line: listeners`"):
        load_flow(written(tmp_path, text), PROMPTS)


def test_a_minute_without_a_voice_is_told_as_the_call_of_who_would_live_it(tmp_path: Path) -> None:
    pauses = (
        "    wait: 40 s\n    then: estimee\n  estimee:\n    wait_estimate: true\n"
        "    then: encore\n  encore:\n    wait: 40 s\n    then: patience"
    )
    path = written(tmp_path, GOOD.replace("    wait: 20 s\n    then: patience", pauses))

    with pytest.raises(FlowError) as refused:
        load_flow(path, PROMPTS)

    first, *call = str(refused.value).splitlines()
    assert "85 s sans entendre une voix" in first  # the question before it is not answered
    assert [line.strip(" │|") for line in call][-6:] == [
        "« choix-langue »",
        "→ ne touche à rien",
        "musique, 40 s",
        "l'attente estimée, si elle est connue",
        "musique, 40 s",
        "… 85 s de musique, sans un mot",
    ]


def test_a_minute_of_music_is_not_too_long(tmp_path: Path) -> None:
    text = GOOD.replace("    wait: 20 s", "    wait: 1 min").replace("    seconds: 5 s\n", "")

    with pytest.raises(FlowError, match="65 s"):  # after a question of which nothing is said
        load_flow(written(tmp_path, text), PROMPTS)
    load_flow(written(tmp_path, GOOD.replace("    wait: 20 s", "    wait: 55 s")), PROMPTS)


@pytest.mark.parametrize("missing", [*ESTIMATE_PROMPTS, *POSITION_PROMPTS])
def test_every_estimate_that_may_be_said_exists_in_every_language(
    tmp_path: Path, missing: str
) -> None:
    text = GOOD.replace(
        "    set: {language: en}\n", "    wait_estimate: true\n    position: true\n"
    )
    prompts = {known: seconds for known, seconds in PROMPTS.items() if known != ("en", missing)}
    load_flow(written(tmp_path, text), PROMPTS)

    with pytest.raises(FlowError, match=f"`{missing}` n'existe pas en `en`"):
        load_flow(written(tmp_path, text), prompts)


def test_a_prompt_must_exist_in_every_language_of_the_flow(tmp_path: Path) -> None:
    prompts = {one: seconds for one, seconds in PROMPTS.items() if one != ("en", "ferme")}
    path = written(tmp_path, GOOD)

    with pytest.raises(FlowError, match="`ferme` n'existe pas en `en`"):
        load_flow(path, prompts)
    assert load_flow(path, None).steps


def test_values_stay_as_they_were_written(tmp_path: Path) -> None:
    text = GOOD.replace("name: Essai", "name: 0170").replace("fin:", "no:").replace(": fin", ": no")

    flow = load_flow(written(tmp_path, text.replace('"2": anglais', "2: anglais")), PROMPTS)

    assert flow.name == "0170"
    assert "no" in flow.steps
    assert flow.model_dump()["steps"]["langue"]["keys"] == {"2": "anglais"}


def test_a_file_from_a_windows_editor_is_read(tmp_path: Path) -> None:
    path = tmp_path / "flow.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())

    assert load_flow(path, PROMPTS).start == "ouverture"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", ":1:1: le fichier est vide"),
        (b"# rien\n", ":1:1: le fichier est vide"),
        (b"- un\n- deux\n", ":1:1: un bloc est attendu"),
        ("name: Été\n".encode("latin-1"), ":1:7: le fichier n'est pas en UTF-8"),
        (b"\xef\xbb\xbfname: @x\n", ":1:7: le signe `@`"),
        (b"#" * (FILE_BYTES_MAX + 1), ":1:1: le fichier dépasse 256 ko"),
    ],
    ids=["empty", "comments", "list", "latin-1", "windows", "large"],
)
def test_a_file_that_is_no_flow_is_refused(tmp_path: Path, raw: bytes, said: str) -> None:
    path = tmp_path / "flow.yaml"
    path.write_bytes(raw)

    with pytest.raises(FlowError) as refused:
        load_flow(path, None)

    assert said in str(refused.value)


def test_an_absent_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FlowError, match=r"absent\.yaml:1:1: le fichier ne peut pas être lu"):
        load_flow(tmp_path / "absent.yaml", None)


def test_too_many_steps_are_refused(tmp_path: Path) -> None:
    many = "".join(f"  e{i}:\n    say: ferme\n    then: e{i + 1}\n" for i in range(300))
    text = GOOD.replace("closed: ferme", "closed: e0") + many + "  e300:\n    hang_up: true\n"

    with pytest.raises(FlowError, match="plus de 200 étapes"):
        load_flow(written(tmp_path, text), PROMPTS)


WORDS = st.sampled_from(
    [*"\t\n{}[]:,'\"#*&!|>-%@`~?\x00 ", "é", "\ufeff", "  ", "then:", "line:", "wait: 1 s", "null"]
)
SUPPRESSED = [HealthCheck.function_scoped_fixture]


@settings(max_examples=100, deadline=None, suppress_health_check=SUPPRESSED)
@given(
    edits=st.lists(
        st.tuples(st.integers(0, len(GOOD)), st.integers(0, 30), WORDS), min_size=1, max_size=4
    )
)
def test_any_slip_of_the_hand_loads_or_is_refused_but_never_breaks(
    tmp_path: Path, edits: list[tuple[int, int, str]]
) -> None:
    text = GOOD
    for at, cut, word in edits:
        text = text[:at] + word + text[at + cut :]

    try:
        flow = load_flow(written(tmp_path, text), PROMPTS)
    except FlowError as refused:
        assert refused.problems
        assert all(problem.what and problem.fix for problem in refused.problems)
    else:
        assert flow.line("regulators")


@settings(max_examples=100, deadline=None, suppress_health_check=SUPPRESSED)
@given(raw=st.binary(max_size=200))
def test_any_bytes_are_refused_but_never_break(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "flow.yaml"
    path.write_bytes(raw)

    with pytest.raises(FlowError):
        load_flow(path, None)
