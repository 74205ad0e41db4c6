"""What the web says to people when something cannot be done, as a kind colleague would."""

from __future__ import annotations

from typing import NamedTuple

from cti.people.suggesting import Tongue


class Words(NamedTuple):
    """The same in each language."""

    fr: str
    en: str

    def said(self, tongue: Tongue) -> str:
        """The one for who is spoken to."""
        return self.en if tongue == "en" else self.fr


_COMMANDS = {
    "engine_away": Words(
        "Le central téléphonique ne répond pas pour le moment. Cette page réessaie toute seule.",
        "The telephone exchange does not answer for now. This page keeps trying by itself.",
    ),
    "in_call": Words(
        "Un appel est chez vous : la vérification attendra qu'il soit fini.",
        "You have a call: the check will wait until it is over.",
    ),
    "phone_not_there": Words(
        "Le central téléphonique ne trouve pas ce navigateur. Attendez quelques secondes, puis "
        "réessayez.",
        "The telephone exchange does not find this browser. Wait a few seconds, then try again.",
    ),
    "no_such_call": Words(
        "Cet appel n'est plus chez vous. Vous n'avez rien à faire.",
        "This call is no longer yours. You have nothing to do.",
    ),
    "already_connected": Words(
        "Vous êtes déjà en ligne avec cette personne.",
        "You are with this caller already.",
    ),
    "not_connected": Words(
        "Vous n'êtes pas encore en ligne avec cette personne. Décrochez d'abord votre téléphone.",
        "You are not with this caller yet. Pick up your phone first.",
    ),
    "no_such_line": Words(
        "Cette équipe n'existe pas. Choisissez-en une autre dans la liste.",
        "There is no such team. Choose another from the list.",
    ),
    "no_such_agent": Words(
        "Cette personne n'est pas de l'équipe. Choisissez-en une autre dans la liste.",
        "This person is not of the team. Choose another from the list.",
    ),
    "no_such_relay": Words(
        "Ce relais ne peut pas encore être appelé d'ici. Donnez ses coordonnées à la personne.",
        "This relay cannot be called from here yet. Give the caller its details.",
    ),
    "nobody_there": Words(
        "Personne de cette équipe n'est là pour le moment. Rien n'a changé pour qui appelle : "
        "choisissez quelqu'un d'autre, ou continuez.",
        "Nobody of this team is here for now. Nothing has changed for the caller: choose somebody "
        "else, or go on.",
    ),
    "not_ready": Words(
        "Cette personne n'est pas libre pour le moment. Rien n'a changé pour qui appelle : "
        "choisissez quelqu'un d'autre, ou continuez.",
        "This person is not free for now. Nothing has changed for the caller: choose somebody "
        "else, or go on.",
    ),
    "does_not_fit": Words(
        "Cette personne ne parle pas la langue de l'appel, ou la personne qui appelle a demandé à "
        "parler à une femme ou à un homme. Rien n'a changé pour qui appelle : choisissez "
        "quelqu'un d'autre.",
        "This person does not speak the language of the call, or the caller has asked to speak "
        "with a woman or a man. Nothing has changed for the caller: choose somebody else.",
    ),
    "already_oriented": Words(
        "Quelqu'un d'autre est déjà appelé ou déjà là pour cette personne.",
        "Somebody else is being called already, or is there, for this caller.",
    ),
    "in_danger": Words(
        "Le danger a été dit dans cet appel : il ne peut pas être clos ainsi. Qui est en danger "
        "peut ne pas pouvoir parler. Restez en ligne, orientez la personne, ou terminez l'appel "
        "comme un autre.",
        "Danger was told in this call: it cannot be closed like this. Who is in danger may be "
        "unable to speak. Stay on the line, hand the caller on, or end the call like any other.",
    ),
    "three_talk": Words(
        "Vous êtes déjà trois à parler. Attendez que l'un de vous raccroche.",
        "You are three already. Wait until one of you hangs up.",
    ),
    "consulting": Words(
        "Vous parlez en aparté avec votre collègue. Passez d'abord à trois, reprenez la "
        "personne, ou raccrochez pour la lui confier.",
        "You are speaking alone with your colleague. First talk all three, take the caller back, "
        "or hang up to leave the caller with them.",
    ),
    "not_consulting": Words(
        "Il n'y a personne à faire partir : vous êtes seul avec la personne, ou elle est déjà "
        "confiée.",
        "There is nobody to send away: you are alone with the caller, or they are in other hands "
        "already.",
    ),
    "not_yours_yet": Words(
        "Cet appel est encore à votre collègue. Vous pouvez parler, ou raccrocher.",
        "This call is still your colleague's. You may speak, or hang up.",
    ),
    "caller_held": Words(
        "La personne attend en musique : elle ne vous entend pas. Reprenez-la d'abord.",
        "The caller waits under music and does not hear you. Take them back first.",
    ),
    "no_longer_waiting": Words(
        "Cette personne n'attend plus : quelqu'un lui répond, ou elle a raccroché. Vous n'avez "
        "rien à faire.",
        "This caller waits no more: somebody is answering them, or they have hung up. There is "
        "nothing to do.",
    ),
    "not_reachable": Words(
        "Le central s'occupe de cette personne en ce moment. Réessayez dans un instant.",
        "The telephone system is caring for this caller at the moment. Try again in a moment.",
    ),
    "taken_already": Words(
        "Un collègue vient de prendre cette personne. Vous n'avez rien à faire.",
        "A colleague has just taken this caller. There is nothing to do.",
    ),
    "rings_already": Words(
        "Un téléphone sonne déjà pour cette personne. Si personne ne décroche, elle revient à sa "
        "place et vous pourrez la prendre.",
        "A phone is already ringing for this caller. If nobody picks up, they come back to their "
        "place and you may take them.",
    ),
    "does_not_suit_you": Words(
        "Cette personne parle une langue que vous n'avez pas indiquée, ou a demandé à parler à "
        "une femme ou à un homme. Elle garde sa place.",
        "This caller speaks a language that you have not named, or has asked to speak with a "
        "woman or a man. They keep their place.",
    ),
    "you_have_a_call": Words(
        "Vous avez déjà un appel, ou il sonne chez vous. La personne garde sa place.",
        "You have a call already, or it is ringing at yours. The caller keeps their place.",
    ),
    "you_are_not_ready": Words(
        "Vous n'êtes pas en service, ou l'appel d'avant n'est pas encore rangé. Choisissez Pause "
        "ou Disponible, puis recommencez : la personne garde sa place.",
        "You are not on duty, or the call before is not filed yet. Choose a break or Available, "
        "then try again: the caller keeps their place.",
    ),
    "take_first": Words(
        "Pour cela, prenez d'abord la personne en ligne. Elle garde sa place.",
        "For that, take the caller on the line first. They keep their place.",
    ),
    "waits_there": Words(
        "Cette personne attend déjà cette équipe.", "This caller already waits for that team."
    ),
    "no_such_disposition": Words(
        "Ce motif n'existe pas. Choisissez-en un dans la liste.",
        "There is no such choice. Choose one from the list.",
    ),
    "no_such_wrapup": Words(
        "Cet appel est déjà rangé. Vous n'avez rien à faire.",
        "This call is filed already. You have nothing to do.",
    ),
    "already_extended": Words(
        "Vous avez déjà pris ce temps en plus. Finissez, ou choisissez En pause : l'état suivra "
        "après l'appel.",
        "You have taken this extra time already. Finish, or choose a break: it follows the call.",
    ),
    "no_such_reason": Words(
        "Cette raison n'existe pas. Choisissez pause, débriefing, soutien ou technique.",
        "There is no such reason. Choose break, debriefing, support or technical.",
    ),
    "no_such_time": Words(
        "La fin de service se dit avec son fuseau, dans les 24 heures qui viennent.",
        "The end of a shift is told with its time zone, within the next 24 hours.",
    ),
    "not_yours_to_set": Words(
        "La ligne change cet état d'elle-même. Choisissez Disponible, En pause ou Fin de service.",
        "The line changes this by itself. Choose Available, a break or Off duty.",
    ),
    "help_too_often": Words(
        "Vous venez de demander de l'aide plusieurs fois. Attendez une minute : ce que vous avez "
        "demandé a été montré.",
        "You have just asked for help several times. Wait a minute: what you asked was shown.",
    ),
    "no_such_help": Words(
        "Cette demande d'aide n'attend plus : un collègue y a répondu, ou la personne n'en a "
        "plus besoin.",
        "This request for help no longer waits: a colleague has answered it, or the person no "
        "longer needs it.",
    ),
    "bad_json": Words(
        "Le message n'est pas du JSON lisible. Envoyez un objet JSON en texte UTF-8.",
        "The message is not readable JSON. Send a JSON object as UTF-8 text.",
    ),
    "bad_frame": Words(
        "Il manque quelque chose au message, ou un champ y est de trop.",
        "Something is missing in the message, or a field of it is one too many.",
    ),
    "not_sent": Words(
        "Ce numéro n'a pas été envoyé à cet écran : il ne peut pas avoir été affiché.",
        "This number was not sent to this screen: it cannot have been displayed.",
    ),
    "not_your_role": Words(
        "Votre rôle dans l'équipe ne permet pas cette commande.",
        "Your role in the team does not allow this command.",
    ),
    "unknown_op": Words(
        "Cette commande n'existe pas. Les commandes sont dans /cti/v1/asyncapi.json.",
        "There is no such command. The commands are in /cti/v1/asyncapi.json.",
    ),
    "internal": Words(
        "Quelque chose n'a pas fonctionné de notre côté. L'appel, lui, continue. Réessayez dans "
        "un instant.",
        "Something went wrong on our side. The call itself goes on. Try again in a moment.",
    ),
}
_NOT_NOW = Words(
    "Ce n'est pas possible pour le moment. Réessayez dans un instant.",
    "This is not possible for now. Try again in a moment.",
)

# What cannot be done with a note, a form, or one's own hours and calls.
_WRITING = {
    "no_form": Words(
        "Cette ligne n'a pas de formulaire à remplir.",
        "This line has no form to fill in.",
    ),
    "note_closed": Words(
        "Cette note n'est pas ouverte pour vous : elle l'est à qui a parlé dans cet appel, et "
        "deux heures de plus.",
        "This note is not open to you: it is to who talked in this call, and for two hours more.",
    ),
    "bad_note": Words(
        "La note n'a pas pu être lue. Votre texte reste sur cette page : rechargez-la après "
        "l'avoir copié.",
        "The note could not be read. Your text stays on this page: copy it, then reload the page.",
    ),
    "form_changed": Words(
        "Le formulaire a changé. Votre texte reste sur cette page : rechargez-la après l'avoir "
        "copié.",
        "The form has changed. Your text stays on this page: copy it, then reload the page.",
    ),
    "unknown_field": Words(
        "La note contient un champ que la ligne ne connaît pas : rien n'a été enregistré, votre "
        "texte reste sur cette page.",
        "The note holds a field that the line does not know: nothing was saved, your text stays "
        "on this page.",
    ),
    "bad_value": Words(
        "Une réponse ne convient pas à sa question : rien n'a été enregistré, votre texte reste "
        "sur cette page. Corrigez-la.",
        "One answer does not fit its question: nothing was saved, your text stays on this page. "
        "Mend it.",
    ),
    "text_too_long": Words(
        "Ce texte est trop long : 4 000 caractères au plus. Rien n'a été enregistré, il reste "
        "sur cette page. Raccourcissez-le.",
        "This text is too long: 4,000 characters at most. Nothing was saved, it stays on this "
        "page. Shorten it.",
    ),
    "changed_elsewhere": Words(
        "Cette note a été modifiée sur une autre page. Voici ce qu'elle contient maintenant ; "
        "votre texte reste sur celle-ci.",
        "This note was changed on another page. Here is what it holds now; your text stays on "
        "this one.",
    ),
    "database_away": Words(
        "La ligne ne peut pas enregistrer ni relire pour le moment. Votre texte reste sur cette "
        "page, qui réessaie toute seule ; les appels continuent.",
        "The line can neither save nor read back for now. Your text stays on this page, which "
        "tries again by itself; calls go on.",
    ),
    "note_unreadable": Words(
        "Cette note ne peut pas être relue. Prévenez la coordination ; l'appel continue.",
        "This note cannot be read back. Tell the coordination; the call goes on.",
    ),
    "bad_days": Words(
        "Demandez un nombre de jours entre 1 et 366.",
        "Ask for a number of days between 1 and 366.",
    ),
}

# What happened, and what to do.
_PAGES = {
    400: (
        Words(
            "Demande incomprise",
            "We did not understand",
        ),
        Words(
            "Revenez à la page précédente et réessayez.",
            "Go back to the page before and try again.",
        ),
    ),
    401: (
        Words(
            "Vous n'êtes pas connecté",
            "You are not signed in",
        ),
        Words(
            "Connectez-vous, puis réessayez.",
            "Sign in, then try again.",
        ),
    ),
    403: (
        Words(
            "Cette page ne vous est pas ouverte",
            "This page is not open to you",
        ),
        Words(
            "Si vous pensez que c'est une erreur, parlez-en à la coordination de la ligne.",
            "If you think that this is a mistake, speak to the coordination of the line.",
        ),
    ),
    404: (
        Words(
            "Cette page n'existe pas",
            "There is no such page",
        ),
        Words(
            "L'adresse a peut-être changé. Revenez à l'accueil.",
            "Its address may have changed. Go back to the start.",
        ),
    ),
    405: (
        Words(
            "Demande incomprise",
            "We did not understand",
        ),
        Words(
            "Revenez à la page précédente et réessayez.",
            "Go back to the page before and try again.",
        ),
    ),
    413: (
        Words(
            "C'est trop long",
            "This is too long",
        ),
        Words(
            "Raccourcissez le texte, puis envoyez-le de nouveau.",
            "Shorten the text, then send it again.",
        ),
    ),
    429: (
        Words(
            "Trop d'essais",
            "Too many tries",
        ),
        Words(
            "Attendez un peu, puis réessayez.",
            "Wait a little, then try again.",
        ),
    ),
    503: (
        Words(
            "La ligne ne peut pas vérifier votre accès pour le moment",
            "The line cannot check your access for now",
        ),
        Words(
            "Les appels en cours continuent. Réessayez dans une minute, puis prévenez la "
            "coordination si cela dure.",
            "Calls in progress go on. Try again in a minute, then tell the coordination if it "
            "lasts.",
        ),
    ),
}
_BROKEN = (
    Words(
        "Quelque chose n'a pas fonctionné de notre côté",
        "Something went wrong on our side",
    ),
    Words(
        "Les appels en cours continuent. Réessayez dans un instant, puis prévenez la "
        "coordination si cela dure.",
        "Calls in progress go on. Try again in a moment, then tell the coordination if it lasts.",
    ),
)

BAD_CREDENTIALS = Words(
    "L'identifiant ou le mot de passe n'est pas le bon. Vérifiez les majuscules, puis essayez de "
    "nouveau.",
    "The username or the password is not right. Look at the capital letters, then try again.",
)
WRONG_PASSWORD = Words(
    "Ce n'est pas le mot de passe de la personne connectée. Vérifiez les majuscules, puis essayez "
    "de nouveau.",
    "This is not the password of who is signed in. Look at the capital letters, then try again.",
)
UNLOCK_AWAY = Words(
    "La ligne ne peut pas vérifier votre mot de passe pour le moment ; cela ne compte pas comme un "
    "essai. Un appel en cours continue. Réessayez dans une minute.",
    "The line cannot check your password for now; this does not count as a try. A call in progress "
    "goes on. Try again in a minute.",
)
SIGN_IN_AWAY = Words(
    "La ligne ne peut pas vérifier vos accès pour le moment ; cela ne compte pas comme un essai. "
    "Les personnes déjà connectées continuent de répondre. Réessayez dans une minute.",
    "The line cannot check your sign-in for now; this does not count as a try. People already "
    "signed in go on answering. Try again in a minute.",
)
FORM_TOO_OLD = Words(
    "Cette page était ouverte depuis trop longtemps. Entrez vos accès une nouvelle fois.",
    "This page was open for too long. Enter your username and password once more.",
)
JSON_EXPECTED = Words(
    "Envoyez du JSON (Content-Type: application/json).",
    "Send JSON (Content-Type: application/json).",
)
BAD_BODY = Words("Envoyez {} et rien d'autre, en JSON.", "Send {} and nothing else, as JSON.")
UNKNOWN_PROTOCOL = Words(
    "Cette version du protocole n'est pas parlée ici. Sec-WebSocket-Protocol: {}",
    "This version of the protocol is not spoken here. Sec-WebSocket-Protocol: {}",
)
BAD_RESUME = Words(
    "Pour reprendre, donnez ce qu'ont dit le dernier hello et le dernier numéro reçus, et rien "
    "d'autre : ?epoch=…&since=…",
    "To resume, give what the last hello and the last frame said, and nothing else: "
    "?epoch=…&since=…",
)


def command_error(code: str, tongue: Tongue = "fr") -> str:
    """Say an error code of a command in a sentence; codes nobody wrote for get a plain one."""
    return _COMMANDS.get(code, _NOT_NOW).said(tongue)


def writing_error(code: str) -> Words:
    """Say why something could not be written or read back."""
    return _WRITING[code]


def page_error(status: int, tongue: Tongue) -> tuple[str, str]:
    """Say what happened and what to do, for an HTTP status."""
    title, advice = _PAGES.get(status, _BROKEN)
    return title.said(tongue), advice.said(tongue)


def too_many_tries(seconds: float) -> Words:
    """Said instead of testing a password after too many failures."""
    minutes = max(1, round(seconds / 60 + 0.49))
    attendez = "une minute" if minutes == 1 else f"{minutes} minutes"
    wait = "a minute" if minutes == 1 else f"{minutes} minutes"
    return Words(
        f"Il y a eu trop d'essais. Par prudence, attendez {attendez}, puis réessayez. "
        "Mot de passe oublié ? La coordination de la ligne peut vous en donner un nouveau.",
        f"There were too many tries. To be safe, wait {wait}, then try again. "
        "Password forgotten? The coordination of the line can give you a new one.",
    )
