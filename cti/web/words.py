"""What the web says to people when something cannot be done, as a kind colleague would."""

from __future__ import annotations

from typing import Literal

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
    "Rien n'a changé pour qui appelle : choisissez quelqu'un d'autre, ou continuez.",
    "not_ready": "Cette personne n'est pas libre pour le moment. "
    "Rien n'a changé pour qui appelle : choisissez quelqu'un d'autre, ou continuez.",
    "does_not_fit": "Cette personne ne parle pas la langue de l'appel, ou la personne qui appelle "
    "a demandé à parler à une femme ou à un homme. Rien n'a changé pour qui appelle : choisissez "
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
    "for_regulators": "Prendre quelqu'un dans l'attente est réservé à la régulation.",
    "no_longer_waiting": "Cette personne n'attend plus : quelqu'un lui répond, "
    "ou elle a raccroché. Vous n'avez rien à faire.",
    "not_reachable": "Le central s'occupe de cette personne en ce moment. "
    "Réessayez dans un instant.",
    "taken_already": "Un collègue vient de prendre cette personne. Vous n'avez rien à faire.",
    "rings_already": "Un téléphone sonne déjà pour cette personne. "
    "Si personne ne décroche, elle revient à sa place et vous pourrez la prendre.",
    "does_not_suit_you": "Cette personne parle une langue que vous n'avez pas indiquée, "
    "ou a demandé à parler à une femme ou à un homme. Elle garde sa place.",
    "you_have_a_call": "Vous avez déjà un appel, ou il sonne chez vous. "
    "La personne garde sa place.",
    "you_are_not_ready": "Vous n'êtes pas disponible. Choisissez Disponible, puis recommencez : "
    "la personne garde sa place.",
    "take_first": "Pour cela, prenez d'abord la personne en ligne. Elle garde sa place.",
    "waits_there": "Cette personne attend déjà cette équipe.",
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
    "unknown_op": "Cette commande n'existe pas. Les commandes sont dans /cti/v1/asyncapi.json.",
    "internal": "Quelque chose n'a pas fonctionné de notre côté. L'appel, lui, continue. "
    "Réessayez dans un instant.",
}

_COMMANDS_ENGLISH = {
    "answer_your_phone": "Your phone is ringing: pick it up, and the call is yours.",
    "no_such_call": "This call is no longer with you. There is nothing to do.",
    "already_connected": "You are already on the line with this person.",
    "not_connected": "You are not on the line with this person yet. Pick up your phone first.",
    "no_such_line": "There is no such team. Choose another one in the list.",
    "no_such_agent": "This person is not of the team. Choose somebody else in the list.",
    "no_such_relay": "This relay cannot be called from here yet. Give the caller its details.",
    "nobody_there": "Nobody of this team is here for now. "
    "Nothing has changed for the caller: choose somebody else, or go on.",
    "not_ready": "This person is not free for now. "
    "Nothing has changed for the caller: choose somebody else, or go on.",
    "does_not_fit": "This person does not speak the language of the call, or the caller has asked "
    "to speak with a woman or a man. Nothing has changed for the caller: choose somebody else.",
    "already_oriented": "Somebody else is already being called, or already there, for this caller.",
    "in_danger": "Danger was told in this call: it cannot be closed this way. Who is in danger may "
    "be unable to speak. Stay on the line, orient the caller, or end the call as any other.",
    "three_talk": "There are already three of you. Wait until one of you hangs up.",
    "consulting": "You are speaking alone with your colleague. First bring all three together, "
    "take the caller back, or hang up to leave them to your colleague.",
    "not_consulting": "There is nobody to send away: you are alone with the caller, "
    "or they have been handed on.",
    "not_yours_yet": "This call is still your colleague's. You may speak, or hang up.",
    "caller_held": "The caller waits under music and does not hear you. Take them back first.",
    "for_regulators": "Taking somebody from the waiting callers is for regulators.",
    "no_longer_waiting": "This caller waits no more: somebody is answering them, "
    "or they have hung up. There is nothing to do.",
    "not_reachable": "The telephone system is caring for this caller at the moment. "
    "Try again in a moment.",
    "taken_already": "A colleague has just taken this caller. There is nothing to do.",
    "rings_already": "A phone is already ringing for this caller. "
    "If nobody picks up, they come back to their place and you may take them.",
    "does_not_suit_you": "This caller speaks a language that you have not named, "
    "or has asked to speak with a woman or a man. They keep their place.",
    "you_have_a_call": "You have a call already, or it is ringing at yours. "
    "The caller keeps their place.",
    "you_are_not_ready": "You are not available. Choose Available, then try again: "
    "the caller keeps their place.",
    "take_first": "For that, take the caller on the line first. They keep their place.",
    "waits_there": "This caller already waits for that team.",
    "no_such_disposition": "There is no such reason. Choose one in the list.",
    "no_such_wrapup": "This call is filed already. There is nothing to do.",
    "already_extended": "You have taken that extra time already. Finish, "
    "or choose a pause: it will follow the call.",
    "no_such_reason": "There is no such reason. Choose pause, debriefing, support or technical.",
    "no_such_time": "The end of a shift is given with its time zone, within the next 24 hours.",
    "not_yours_to_set": "The line changes this state by itself. "
    "Choose Available, Pause or End of shift.",
    "bad_json": "The message is not readable JSON. Send a JSON object in UTF-8 text.",
    "bad_frame": "Something is missing in the message, or a field is too much.",
    "unknown_op": "There is no such command. The commands are in /cti/v1/asyncapi.json.",
    "internal": "Something went wrong on our side. The call itself goes on. Try again in a moment.",
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
FORM_TOO_OLD = "Cette page était ouverte depuis trop longtemps. Entrez vos accès une nouvelle fois."


def command_error(code: str, tongue: Literal["fr", "en"] = "fr") -> str:
    """Say an error code of a command in a sentence; codes nobody wrote for get a plain one."""
    if tongue == "en":
        return _COMMANDS_ENGLISH.get(code, "This is not possible for now. Try again in a moment.")
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
