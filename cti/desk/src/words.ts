// Every sentence the desk says of a code that the line sends, in both languages. A test reads this
// file: each code that the line can send has its sentence here, and no sentence is left over.

import { language, say } from "./language.js";

type Words = Record<string, string>;
type Named = Record<string, (name: string) => string>;

// What can be taken now: the large word, what it means, and the short word in lists.
export const STATES: Record<string, [string, string, string]> = {
  READY: say(
    ["Disponible", "Le prochain appel peut être pour vous.", "disponible"],
    ["Available", "The next call may be for you.", "available"]),
  NOT_READY: say(
    ["En pause", "Aucun appel ne vous sera proposé.", "en pause"],
    ["On a break", "No call will be offered to you.", "on a break"]),
  LOGGED_OUT: say(
    ["Fin de service", "Vous ne recevez pas d'appel.", "absent"],
    ["Off duty", "You receive no calls.", "away"]),
  RESERVED: say(
    ["Ça sonne", "Un appel pour vous.", "appel en cours"],
    ["Ringing", "A call for you.", "on a call"]),
  TALKING: say(
    ["En ligne", "Vous êtes avec quelqu'un.", "en ligne"],
    ["On the line", "You are with somebody.", "on the line"]),
  WRAP_UP: say(
    ["Après l'appel", "Prenez un moment pour souffler.", "après un appel"],
    ["After the call", "Take a moment to breathe.", "after a call"]),
};

// Why no call is offered: the large word, and a kind sentence.
export const PAUSES: Record<string, [string, string]> = {
  pause: say(
    ["En pause", "Aucun appel ne vous sera proposé. Prenez le temps qu'il vous faut."],
    ["On a break", "No call will be offered to you. Take the time you need."]),
  debriefing: say(
    ["En débriefing", "Le temps d'en parler. Aucun appel ne vous sera proposé."],
    ["Debriefing", "Time to talk about it. No call will be offered to you."]),
  support: say(
    ["Temps de soutien", "Un temps pour vous, qui n'est compté nulle part. Aucun appel ne vous sera proposé."],
    ["Time for support", "Time for yourself, counted nowhere. No call will be offered to you."]),
  technical: say(
    ["Souci technique", "Le temps de remettre les choses en ordre. Aucun appel ne vous sera proposé."],
    ["Technical trouble", "Time to put things right. No call will be offered to you."]),
  missed: say(
    ["En pause", "Votre téléphone a sonné deux fois sans réponse : la ligne vous a mis en pause. Revenez quand vous voulez."],
    ["On a break", "Your phone rang twice without an answer: the line has put you on a break. Come back whenever you like."]),
  phone_busy: say(
    ["En pause", "Votre téléphone était occupé : la ligne vous a mis en pause. Revenez quand vous voulez."],
    ["On a break", "Your phone was busy: the line has put you on a break. Come back whenever you like."]),
  trunk_dead: say(
    ["En pause", "L'opérateur de la ligne ne répond pas : votre téléphone n'a pas pu sonner. Vous n'y êtes pour rien. Il est essayé de nouveau dans une minute, sans rien faire."],
    ["On a break", "The line's operator does not answer: your phone could not ring. It is no fault of yours. It is tried again in a minute, with nothing for you to do."]),
  phone_unreachable: say(
    ["En pause", "Votre téléphone n'est pas joignable. Vérifiez qu'il est allumé et connecté, puis revenez."],
    ["On a break", "Your phone cannot be reached. Check that it is on and connected, then come back."]),
  phone_away: say(
    ["En pause", "Votre téléphone n'est plus connecté à la ligne. Dès qu'il revient, vous êtes de nouveau disponible."],
    ["On a break", "Your phone is no longer connected to the line. As soon as it is back, you are available again."]),
  screen_lost: say(
    ["En pause", "Votre page ne répondait plus : la ligne vous a mis en pause. Revenez quand vous voulez."],
    ["On a break", "Your page no longer answered: the line has put you on a break. Come back whenever you like."]),
  shift_over: say(
    ["Bientôt la fin", "Votre service se termine dans moins de vingt minutes : plus d'appel ne vous est proposé, sauf si vous en voulez encore un."],
    ["Nearly over", "Your shift ends in less than twenty minutes: no more calls are offered to you, unless you want one more."]),
  taken_elsewhere: say(
    ["En pause", "La ligne a eu un doute sur votre disponibilité. Choisissez-la de nouveau."],
    ["On a break", "The line was in doubt about your availability. Choose it again."]),
};

// Why an offer is over.
export const WITHDRAWN: Words = {
  answered_elsewhere: say(
    "Un collègue a répondu avant vous. Vous n'avez rien à faire.",
    "A colleague answered before you. You have nothing to do."),
  caller_left: say(
    "La personne a raccroché avant votre réponse. Vous n'y êtes pour rien.",
    "The caller hung up before you answered. It is no fault of yours."),
  missed: say(
    "L'appel est parti vers quelqu'un d'autre : votre téléphone n'a pas été décroché.",
    "The call has gone to somebody else: your phone was not picked up."),
  declined: say(
    "C'est noté. L'appel est parti vers quelqu'un d'autre.",
    "Noted. The call has gone to somebody else."),
  screen_lost: say(
    "L'appel est parti vers quelqu'un d'autre : cette page n'a pas répondu à temps.",
    "The call has gone to somebody else: this page did not answer in time."),
  engine_restart: say(
    "Le système téléphonique a redémarré et l'appel a été coupé. Vous n'y êtes pour rien.",
    "The telephone system restarted and the call was cut. It is no fault of yours."),
  hung_up: say(
    "Vous avez raccroché avant d'être en ligne avec la personne. L'appel peut vous revenir.",
    "You hung up before you were with the caller. The call may come back to you."),
  language: say(
    "La personne a choisi une autre langue : l'appel va à quelqu'un qui la parle.",
    "The caller has chosen another language: the call goes to somebody who speaks it."),
  wish: say(
    "La personne vient de dire avec qui elle préfère parler : l'appel va à quelqu'un d'autre. Vous n'y êtes pour rien.",
    "The caller has just said with whom they would rather speak: the call goes to somebody else. It is no fault of yours."),
  withdrawn: say(
    "L'appel n'attend plus : la personne est déjà prise en charge, ou a choisi autre chose. Vous n'y êtes pour rien.",
    "The call no longer waits: the caller is looked after already, or has chosen something else. It is no fault of yours."),
  phone_unreachable: say(
    "Votre téléphone n'a pas pu sonner. Vérifiez qu'il est allumé et connecté.",
    "Your phone could not ring. Check that it is on and connected."),
  phone_busy: say(
    "L'appel est parti vers quelqu'un d'autre : votre téléphone était occupé.",
    "The call has gone to somebody else: your phone was busy."),
  trunk_dead: say(
    "La ligne n'a pas pu appeler votre téléphone : son opérateur ne répond pas. Vous n'y êtes pour rien.",
    "The line could not ring your phone: its operator does not answer. It is no fault of yours."),
};
export const NO_LONGER_OFFERED = say(
  "L'appel n'est plus proposé. Vous n'avez rien à faire.",
  "The call is no longer offered. You have nothing to do.");

// Why the agent's part in a call is over: the title of what follows.
export const ENDED: Words = {
  ended: say("L'appel est terminé", "The call is over"),
  caller_left: say("La personne a raccroché", "The caller has hung up"),
  engine_restart: say(
    "Le système téléphonique a redémarré : l'appel a été coupé",
    "The telephone system restarted: the call was cut"),
  lost: say("La liaison s'est coupée", "The connection broke off"),
};

// Of a caller whose talk broke off a moment ago.
export const RETURNED = say(
  "La conversation de cette personne s'est coupée il y a un instant : elle rappelle. Accueillez-la sans lui faire tout redire.",
  "This caller's talk broke off a moment ago: they are calling again. Welcome them without making them tell everything anew.");

// Why somebody who had been oriented is offered again.
export const CAME_BACK: Words = {
  not_answered: say(
    "La personne à qui vous l'aviez confiée n'a pas répondu. Vous pourrez choisir quelqu'un d'autre.",
    "The person to whom you had entrusted them did not answer. You can choose somebody else."),
  nobody_there: say(
    "Personne n'a pu répondre à temps dans cette équipe. Vous pourrez choisir autrement.",
    "Nobody in this team could answer in time. You can choose otherwise."),
};

// Why nobody came to a talk.
export const NOT_JOINED: Words = {
  nobody_there: say(
    "Personne n'a pu vous rejoindre. Vous êtes toujours en ligne : choisissez quelqu'un d'autre, ou continuez l'appel.",
    "Nobody could join you. You are still with the caller: choose somebody else, or go on with the call."),
  taken_back: say(
    "C'est noté : plus personne n'est appelé. Vous êtes toujours avec la personne.",
    "Noted: nobody is being called any more. You are still with the caller."),
};

// Why a caller whom the agent had picked among those who wait is not offered to them.
export const NOT_TAKEN: Words = {
  caller_left: say("La personne a raccroché au même instant. Vous n'y êtes pour rien.",
    "The caller hung up at that very moment. It is no fault of yours."),
  answered_elsewhere: say("Un collègue lui a répondu au même instant. Vous n'avez rien à faire.",
    "A colleague answered them at that very moment. You have nothing to do."),
  left_line: say("La personne n'attend plus : elle a choisi autre chose, ou va à une autre équipe. Vous n'avez rien à faire.",
    "The caller no longer waits: they chose something else, or go to another team. You have nothing to do."),
};

// Why a caller is back, or hears the agent again, without having been taken back.
export const BACK: Words = {
  too_long: say(
    "Cinq minutes ont passé : la personne est revenue, elle vous entend.",
    "Five minutes have passed: the caller is back and hears you."),
  colleague_left: say(
    "Votre collègue a raccroché : la personne est revenue, elle vous entend.",
    "Your colleague has hung up: the caller is back and hears you."),
};
export const HEARD_AGAIN: Words = {
  too_long: say(
    "Une minute a passé : votre micro est rouvert, la personne vous entend.",
    "A minute has passed: you are no longer muted, the caller hears you."),
};

// What is wrong with the sound. What to do about it comes with it, from the line.
export const SOUND: Words = {
  no_voice: say("On ne vous entend pas", "You are not heard"),
  caller_silent: say("On n'entend pas la personne", "The caller is not heard"),
};

// What supervisors are told of a colleague.
export const ALERTS: Named = {
  missed: say(
    (name) => `Le téléphone de ${name} a sonné deux fois sans réponse : la ligne a mis ${name} en pause. Prenez de ses nouvelles quand vous pourrez.`,
    (name) => `${name}'s phone rang twice without an answer: the line has put ${name} on a break. Ask after them when you can.`),
  trunk_dead: say(
    (name) => `Le téléphone personnel de ${name} n'a pas pu sonner : l'opérateur de la ligne ne répond pas. Les autres téléphones personnels non plus, sans doute.`,
    (name) => `${name}'s own phone could not ring: the line's operator does not answer. The other people's own phones cannot either, probably.`),
};

// Why a request for help is over. Who asked, and who answered, are named beside it.
export const HELP_OVER: Words = {
  answered: say("Un collègue y répond.", "A colleague is answering."),
  over: say("La personne n'en a plus besoin.", "The person no longer needs it."),
  too_long: say(
    "Cette demande date d'une heure : elle n'est plus affichée. Elle peut être faite de nouveau.",
    "This request is an hour old: it is no longer shown. It can be made again."),
};

// What is missing behind the line, and what it means for the agent: the gravest first.
export const MISSING: Words = {
  journal_disk: say(
    "Les appels continuent. Le disque de la ligne est plein : prévenez la coordination.",
    "Calls go on. The line's disk is full: tell the coordination."),
  database_version: say(
    "Les appels continuent. L'historique est indisponible pour le moment, rien n'est perdu.",
    "Calls go on. The history is unavailable for now, nothing is lost."),
  database_away: say(
    "Les appels continuent. L'historique est indisponible pour le moment, rien n'est perdu.",
    "Calls go on. The history is unavailable for now, nothing is lost."),
  flow_refused: say(
    "Les appels continuent, avec ce qui était publié avant : le nouveau ne se lit pas.",
    "Calls go on, with what was published before: the new one cannot be read."),
};

// With whom else the agent has the caller.
export const WITH: Named = {
  consulting: say(
    (name) => `Vous consultez ${name}. La personne entend la musique, et un mot de temps en temps.`,
    (name) => `You are consulting ${name}. The caller hears the music, and a word now and then.`),
  consulted_by: say(
    (name) => `${name} vous consulte. La personne entend la musique : elle n'entend pas ce que vous vous dites.`,
    (name) => `${name} is consulting you. The caller hears the music, and not what you say to each other.`),
  came: say(
    (name) => `Vous êtes trois : ${name} a pris le relais. Raccrochez quand vous voulez, la personne reste avec ${name}.`,
    (name) => `You are three: ${name} has taken over. Hang up whenever you like, the caller stays with ${name}.`),
  stays: say(
    (name) => `Vous êtes trois : ${name} reste un moment. La personne est avec vous maintenant.`,
    (name) => `You are three: ${name} stays for a while. The caller is with you now.`),
};
export const GONE: Named = {
  consulting: say(
    (name) => `${name} n'est plus là. La personne est avec vous, elle vous entend.`,
    (name) => `${name} is no longer there. The caller is with you and hears you.`),
  consulted_by: say(
    (name) => `${name} vous a confié la personne. Elle vous entend.`,
    (name) => `${name} has left the caller with you. They hear you.`),
  came: say(
    (name) => `${name} a raccroché : la personne est de nouveau avec vous.`,
    (name) => `${name} has hung up: the caller is with you again.`),
  stays: say(
    (name) => `${name} a raccroché : vous êtes deux, la personne et vous.`,
    (name) => `${name} has hung up: you are two, the caller and you.`),
};

// What leaving means, with whom else has the caller; without anybody, the call ends.
export const LEAVING: Named = {
  consulted_by: say(
    (name) => `Vous retirer ? ${name} retrouvera la personne.`,
    (name) => `Leave? ${name} goes back to the caller.`),
  came: say(
    (name) => `Vous retirer ? La personne reste avec ${name}.`,
    (name) => `Leave? The caller stays with ${name}.`),
  stays: say(
    (name) => `Vous retirer ? La personne reste avec ${name}.`,
    (name) => `Leave? The caller stays with ${name}.`),
};

// How much danger an agent sees.
export const DANGER: [string, string, string, string] = [
  "",
  say("Danger faible signalé : gardez-le en tête.", "A low danger was told: keep it in mind."),
  say(
    "Danger élevé signalé : cette personne a besoin d'aide sans attendre.",
    "A high danger was told: this caller needs help without delay."),
  say(
    "Danger signalé : cette personne est peut-être en danger immédiat.",
    "Danger was told: this caller may be in danger right now."),
];

// What to say to somebody who is silent, when the line has not noticed by itself: in their language.
export const SILENT_GUIDE: Record<string, string[]> & { fr: string[] } = {
  fr: [
    "Bonjour, je suis là. Je ne vous entends peut-être pas, mais vous m'entendez sans doute.",
    "Si vous m'entendez sans pouvoir parler, tapez une fois sur une touche pour oui, deux fois pour non.",
    "Êtes-vous en sécurité en ce moment ? Une fois pour oui, deux fois pour non.",
    "Y a-t-il quelqu'un près de vous qui vous empêche de parler ?",
    "Voulez-vous que j'attende avec vous ? Prenez votre temps, je reste là.",
    "Si vous êtes en danger, vous pouvez écrire au 114 par SMS : les secours répondent, sans que vous ayez à parler.",
    "Je vais devoir laisser la ligne. Vous pouvez rappeler quand vous voulez, même sans rien dire.",
  ],
  en: [
    "Hello, I am here. I may not hear you, but you can probably hear me.",
    "If you hear me and cannot speak, press a key once for yes, twice for no.",
    "Are you safe right now? Once for yes, twice for no.",
    "Is there somebody near you who keeps you from speaking?",
    "Would you like me to wait with you? Take your time, I am staying here.",
    "If you are in danger, you can text 114. The emergency services answer, and you need not speak.",
    "I will have to leave the line. You can call again whenever you like, even without a word.",
  ],
};

// My telephone: what this browser is to the line.
export const PHONE = {
  title: say("Mon téléphone", "My phone"),
  states: {
    off: say(
      ["Votre téléphone habituel", "Vous pouvez aussi répondre ici, dans ce navigateur, avec un casque."],
      ["Your usual phone", "You can also answer here, in this browser, with a headset."]),
    opening: say(
      ["Un instant…", "Ce navigateur se relie à la ligne."],
      ["One moment…", "This browser is connecting to the line."]),
    ready: say(
      ["Prêt dans ce navigateur", "Les appels sonnent ici. Gardez cette page ouverte."],
      ["Ready in this browser", "Calls ring here. Keep this page open."]),
    cut: say(
      ["Liaison coupée", "Elle revient toute seule. Un appel en cours continue si le son passe encore."],
      ["Connection cut", "It comes back by itself. A call in progress goes on if its sound still gets through."]),
    elsewhere: say(
      ["Ouvert ailleurs", ""], ["Open elsewhere", ""]), // where: ELSEWHERE
    refused: say(
      ["Micro refusé", "Le navigateur ne laisse pas cette page utiliser votre micro : sans lui, personne ne vous entendrait."],
      ["Microphone refused", "The browser does not let this page use your microphone: without it, nobody would hear you."]),
    no_microphone: say(
      ["Pas de micro", "Aucun micro n'a été trouvé. Branchez votre casque, puis réessayez."],
      ["No microphone", "No microphone was found. Plug in your headset, then try again."]),
    engine_away: say(
      ["La ligne ne répond pas", "Le central téléphonique redémarre peut-être. Cette page réessaie toute seule."],
      ["The line does not answer", "The telephone exchange may be restarting. This page keeps trying by itself."]),
  } satisfies Record<string, [string, string]>,
  open: say("Répondre dans ce navigateur", "Answer in this browser"),
  retry: say("Réessayer ici", "Try again here"),
  check: say("Vérifier mon casque", "Check my headset"),
  close: say("Ne plus répondre ici", "Stop answering here"),
  volume: say("Volume de la sonnerie", "Volume of the ring"),
  notification: say("Un appel pour vous", "A call for you"),
  in_call: say(
    "Un appel est en cours sur ce navigateur : terminez-le d'abord.",
    "A call is in progress in this browser: end it first."),
  allow: {
    chrome: say(
      "Cliquez sur l'icône à gauche de l'adresse, en haut, puis autorisez le micro pour ce site et réessayez.",
      "Click the icon to the left of the address, at the top, then allow the microphone for this site and try again."),
    firefox: say(
      "Cliquez sur l'icône de micro barré à gauche de l'adresse, retirez le blocage, puis réessayez.",
      "Click the crossed-out microphone to the left of the address, take the block away, then try again."),
    safari: say(
      "Menu Safari, puis Réglages pour ce site web : choisissez Autoriser pour le micro, puis réessayez.",
      "Safari menu, then Settings for This Website: choose Allow for the microphone, then try again."),
  },
};

// How good the sound of a talk is.
export const QUALITY = {
  good: say("Son : bon", "Sound: good"),
  fair: say(
    "Son : moyen. Rapprochez-vous de votre box, ou branchez un câble.",
    "Sound: fair. Move closer to your router, or plug in a cable."),
  poor: say(
    "Son : mauvais. La personne vous entend peut-être mal : parlez lentement, ou passez par votre téléphone.",
    "Sound: poor. The caller may hear you badly: speak slowly, or use your telephone."),
};

function tenths(value: number): string {
  return value.toLocaleString(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
}

// The check before a shift.
export const CHECK = {
  title: say("Vérifier mon casque", "Check my headset"),
  steps: {
    microphone: say("Micro", "Microphone"),
    voice: say("Votre voix", "Your voice"),
    line: say("Aller et retour avec la ligne", "To the line and back"),
    relay: say("Passage par le relais", "Through the relay"),
  },
  states: {
    waiting: "",
    running: say("en cours…", "running…"),
    good: say("bien", "good"),
    weak: say("faible", "weak"),
    bad: say("à revoir", "to mend"),
  },
  say: say("Parlez normalement, par exemple : « Bonjour, je vous écoute. »", "Speak as usual, for example: “Hello, I am listening.”"),
  level: say("Niveau de votre voix", "Level of your voice"),
  listen: say(
    "Continuez de parler : vous devez vous entendre revenir, un peu après.",
    "Go on speaking: you should hear yourself come back, a little later."),
  which: say("Micro utilisé", "Microphone in use"),
  again: say("Recommencer", "Start again"),
  done: say("Fermer", "Close"),
  stop: say("Arrêter", "Stop"),
  verdicts: {
    good: say("Tout est prêt : vous pouvez prendre des appels.", "All is ready: you can take calls."),
    weak: say(
      "Vous pouvez prendre des appels, mais le son pourrait être moyen.",
      "You can take calls, but the sound might be no more than fair."),
    bad: say(
      "Il faut d'abord régler un point : sans cela, la personne et vous ne vous entendriez pas.",
      "One thing must be mended first: without it, you and the caller would not hear each other."),
  },
  advice: {
    voice: say(
      "On ne vous entend pas. Vérifiez que le casque est branché, que son micro n'est pas coupé, et que c'est bien lui qui est choisi ci-dessous.",
      "You are not heard. Check that the headset is plugged in, that its microphone is not muted, and that it is the one chosen below."),
    line: say(
      "La ligne n'a pas pu vous rappeler. Attendez une minute, puis recommencez ; si cela dure, prévenez la coordination.",
      "The line could not call you back. Wait a minute, then start again; if it lasts, tell the coordination."),
    silent: say(
      "La ligne a répondu, mais le son ne passe pas. Un pare-feu le bloque peut-être : essayez un autre réseau, ou répondez avec votre téléphone.",
      "The line answered, but the sound does not get through. A firewall may block it: try another network, or answer with your telephone."),
    weak: say(
      "Le réseau est lent ou perd du son. Rapprochez-vous de votre box, branchez un câble, ou fermez ce qui télécharge.",
      "The network is slow or loses sound. Move closer to your router, plug in a cable, or close what is downloading."),
  },
  measured: ({ mos, lostPercent, roundTripMs }: { mos: number; lostPercent: number; roundTripMs: number }) => say(
    `Qualité estimée ${tenths(mos)} sur 4,4 · pertes ${tenths(lostPercent)} % · aller-retour ${Math.round(roundTripMs)} ms`,
    `Estimated quality ${tenths(mos)} of 4.4 · lost ${tenths(lostPercent)}% · there and back ${Math.round(roundTripMs)} ms`),
};

// What people do, and the lines where they do it.
export const ROLES: Words = {
  regulator: say("Régulation", "Regulation"),
  listener: say("Écoute", "Listening"),
  supervisor: say("Supervision", "Supervision"),
  facilitator: say("Facilitation", "Facilitation"),
  admin: say("Administration", "Administration"),
  regulators: say("Régulation", "Regulation"),
  listeners: say("Écoute", "Listening"),
};

// The teams to whom a caller may be handed on.
export const LINES: Words = {
  regulators: say("Régulateurs", "Regulators"),
  listeners: say("Écoutants", "Listeners"),
};

// What a call came to.
export const DISPOSITIONS: Words = {
  ecoute: say("Écoute", "Listening"),
  orientation: say("Orientation", "Orientation"),
  "hors-sujet": say("Hors sujet", "Off topic"),
  silencieux: say("Appel silencieux", "Silent call"),
  autre: say("Autre", "Other"),
};

// What a caller may speak.
export const LANGUAGES: Words = {
  fr: say("Français", "French"),
  en: say("Anglais", "English"),
  es: say("Espagnol", "Spanish"),
  ar: say("Arabe", "Arabic"),
  de: say("Allemand", "German"),
  it: say("Italien", "Italian"),
  pt: say("Portugais", "Portuguese"),
};
