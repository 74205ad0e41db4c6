"""What the web says to people when something cannot be done, as a kind colleague would."""

from __future__ import annotations

_COMMANDS = {
    "answer_your_phone": "Votre téléphone sonne : décrochez-le, l'appel sera à vous.",
    "no_such_call": "Cet appel n'est plus chez vous. Vous n'avez rien à faire.",
    "already_connected": "Vous êtes déjà en ligne avec cette personne.",
    "not_connected": "Vous n'êtes pas encore en ligne avec cette personne. "
    "Décrochez d'abord votre téléphone.",
    "no_such_line": "Cette équipe n'existe pas. Choisissez-en une autre dans la liste.",
    "no_such_agent": "Cette personne n'est pas de l'équipe. Choisissez-en une autre dans la liste.",
    "no_such_relay": "Ce relais ne peut pas encore être appelé d'ici. "
    "Donnez ses coordonnées à la personne.",
    "nobody_there": "Personne de cette équipe n'est là pour le moment. "
    "Vous êtes toujours en ligne : choisissez quelqu'un d'autre, ou continuez l'appel.",
    "not_ready": "Cette personne n'est pas libre pour le moment. "
    "Vous êtes toujours en ligne : choisissez quelqu'un d'autre, ou continuez l'appel.",
    "does_not_fit": "Cette personne ne parle pas la langue de l'appel, ou la personne qui appelle "
    "a demandé à parler à une femme ou à un homme. Vous êtes toujours en ligne : choisissez "
    "quelqu'un d'autre.",
    "already_oriented": "Quelqu'un d'autre est déjà appelé ou déjà là pour cette personne.",
    "in_danger": "Le danger a été dit dans cet appel : il ne peut pas être clos ainsi. Qui est en "
    "danger peut ne pas pouvoir parler. Restez en ligne, orientez la personne, "
    "ou terminez l'appel comme un autre.",
    "three_talk": "Vous êtes déjà trois à parler. Attendez que l'un de vous raccroche.",
    "consulting": "Vous parlez en aparté avec votre collègue. Passez d'abord à trois, "
    "reprenez la personne, ou raccrochez pour la lui confier.",
    "not_consulting": "Il n'y a personne à faire partir : vous êtes seul avec la personne, "
    "ou elle est déjà confiée.",
    "not_yours_yet": "Cet appel est encore à votre collègue. Vous pouvez parler, ou raccrocher.",
    "caller_held": "La personne attend en musique : elle ne vous entend pas. Reprenez-la d'abord.",
    "no_such_disposition": "Ce motif n'existe pas. Choisissez-en un dans la liste.",
    "no_such_wrapup": "Cet appel est déjà rangé. Vous n'avez rien à faire.",
    "already_extended": "Vous avez déjà pris ce temps en plus. Finissez, "
    "ou choisissez En pause : l'état suivra après l'appel.",
    "no_such_reason": "Cette raison n'existe pas. Choisissez pause, débriefing, soutien "
    "ou technique.",
    "no_such_time": "La fin de service se dit avec son fuseau, dans les 24 heures qui viennent.",
    "not_yours_to_set": "La ligne change cet état d'elle-même. "
    "Choisissez Disponible, En pause ou Fin de service.",
    "bad_json": "Le message n'est pas du JSON lisible. Envoyez un objet JSON en texte UTF-8.",
    "bad_frame": "Il manque quelque chose au message, ou un champ y est de trop.",
    "not_sent": "Ce numéro n'a pas été envoyé à cet écran : il ne peut pas avoir été affiché.",
    "not_your_role": "Votre rôle dans l'équipe ne permet pas cette commande.",
    "unknown_op": "Cette commande n'existe pas. Les commandes sont dans /cti/v1/asyncapi.json.",
    "internal": "Quelque chose n'a pas fonctionné de notre côté. L'appel, lui, continue. "
    "Réessayez dans un instant.",
}

_PAGES = {
    400: ("Demande incomprise", "Revenez à la page précédente et réessayez."),
    401: ("Vous n'êtes pas connecté", "Connectez-vous, puis réessayez."),
    403: (
        "Cette page ne vous est pas ouverte",
        "Si vous pensez que c'est une erreur, parlez-en à la coordination de la ligne.",
    ),
    404: ("Cette page n'existe pas", "L'adresse a peut-être changé. Revenez à l'accueil."),
    405: ("Demande incomprise", "Revenez à la page précédente et réessayez."),
    413: ("C'est trop long", "Raccourcissez le texte, puis envoyez-le de nouveau."),
    429: ("Trop d'essais", "Attendez un peu, puis réessayez."),
    503: (
        "La ligne ne peut pas vérifier votre accès pour le moment",
        "Les appels en cours continuent. Réessayez dans une minute, "
        + "puis prévenez la coordination si cela dure.",
    ),
}
_BROKEN = (
    "Quelque chose n'a pas fonctionné de notre côté",
    "Les appels en cours continuent. Réessayez dans un instant, "
    + "puis prévenez la coordination si cela dure.",
)

BAD_CREDENTIALS = (
    "L'identifiant ou le mot de passe n'est pas le bon. "
    "Vérifiez les majuscules, puis essayez de nouveau."
)
SIGN_IN_AWAY = (
    "La ligne ne peut pas vérifier vos accès pour le moment ; cela ne compte pas comme un essai. "
    "Les personnes déjà connectées continuent de répondre. Réessayez dans une minute."
)
SIGN_IN_AWAY_ENGLISH = (
    "The line cannot check your sign-in for now; this does not count as a try. "
    "People already signed in go on answering. Try again in a minute."
)
JSON_EXPECTED = "Envoyez du JSON (Content-Type: application/json)."
BAD_BODY = "Envoyez {} et rien d'autre, en JSON."
UNKNOWN_PROTOCOL = (
    "Cette version du protocole n'est pas parlée ici. This version of the protocol is not spoken "
    "here. Sec-WebSocket-Protocol: {}"
)
BAD_RESUME = (
    "Pour reprendre, donnez le dernier hello et le dernier numéro reçus. To resume, give what the "
    "last hello and frame said, and nothing else: ?epoch=…&since=…"
)
FORM_TOO_OLD = "Cette page était ouverte depuis trop longtemps. Entrez vos accès une nouvelle fois."


def command_error(code: str) -> str:
    """Say an error code of a command in a sentence; codes nobody wrote for get a plain one."""
    return _COMMANDS.get(code, "Ce n'est pas possible pour le moment. Réessayez dans un instant.")


def page_error(status: int) -> tuple[str, str]:
    """Say what happened and what to do, for an HTTP status."""
    return _PAGES.get(status, _BROKEN)


def too_many_tries(seconds: float) -> str:
    """Said instead of testing a password after too many failures."""
    minutes = max(1, round(seconds / 60 + 0.49))
    wait = "une minute" if minutes == 1 else f"{minutes} minutes"
    return (
        f"Il y a eu trop d'essais. Par prudence, attendez {wait}, puis réessayez. "
        "Mot de passe oublié ? La coordination de la ligne peut vous en donner un nouveau."
    )
