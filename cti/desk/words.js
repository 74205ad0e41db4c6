// Every sentence the desk says of a code that the line sends. A test reads this file: each code
// that the line can send has its sentence here, one a line, and no sentence is left over.

// What can be taken now: the large word, what it means, and the short word in lists.
export const STATES = {
  READY: ["Disponible", "Le prochain appel peut être pour vous.", "disponible"],
  NOT_READY: ["En pause", "Aucun appel ne vous sera proposé.", "en pause"],
  LOGGED_OUT: ["Fin de service", "Vous ne recevez pas d'appel.", "absent"],
  RESERVED: ["Ça sonne", "Un appel pour vous.", "appel en cours"],
  TALKING: ["En ligne", "Vous êtes avec quelqu'un.", "en ligne"],
  WRAP_UP: ["Après l'appel", "Prenez un moment pour souffler.", "après un appel"],
};

// Why no call is offered: the large word, and a kind sentence.
export const PAUSES = {
  pause: ["En pause", "Aucun appel ne vous sera proposé. Prenez le temps qu'il vous faut."],
  debriefing: ["En débriefing", "Le temps d'en parler. Aucun appel ne vous sera proposé."],
  support: ["Temps de soutien", "Un temps pour vous, qui n'est compté nulle part. Aucun appel ne vous sera proposé."],
  technical: ["Souci technique", "Le temps de remettre les choses en ordre. Aucun appel ne vous sera proposé."],
  missed: ["En pause", "Votre téléphone a sonné deux fois sans réponse : la ligne vous a mis en pause. Revenez quand vous voulez."],
  phone_busy: ["En pause", "Votre téléphone était occupé : la ligne vous a mis en pause. Revenez quand vous voulez."],
  trunk_dead: ["En pause", "L'opérateur de la ligne ne répond pas : votre téléphone n'a pas pu sonner. Vous n'y êtes pour rien. Il est essayé de nouveau dans une minute, sans rien faire."],
  phone_unreachable: ["En pause", "Votre téléphone n'est pas joignable. Vérifiez qu'il est allumé et connecté, puis revenez."],
  phone_away: ["En pause", "Votre téléphone n'est plus connecté à la ligne. Dès qu'il revient, vous êtes de nouveau disponible."],
  screen_lost: ["En pause", "Votre page ne répondait plus : la ligne vous a mis en pause. Revenez quand vous voulez."],
  shift_over: ["Bientôt la fin", "Votre service se termine dans moins de vingt minutes : plus d'appel ne vous est proposé, sauf si vous en voulez encore un."],
  taken_elsewhere: ["En pause", "La ligne a eu un doute sur votre disponibilité. Choisissez-la de nouveau."],
};

// Why an offer is over.
export const WITHDRAWN = {
  answered_elsewhere: "Un collègue a répondu avant vous. Vous n'avez rien à faire.",
  caller_left: "La personne a raccroché avant votre réponse. Vous n'y êtes pour rien.",
  missed: "L'appel est parti vers quelqu'un d'autre : votre téléphone n'a pas été décroché.",
  declined: "C'est noté. L'appel est parti vers quelqu'un d'autre.",
  screen_lost: "L'appel est parti vers quelqu'un d'autre : cette page n'a pas répondu à temps.",
  engine_restart: "Le système téléphonique a redémarré et l'appel a été coupé. Vous n'y êtes pour rien.",
  hung_up: "Vous avez raccroché avant d'être en ligne avec la personne. L'appel peut vous revenir.",
  language: "La personne a choisi une autre langue : l'appel va à quelqu'un qui la parle.",
  wish: "La personne vient de dire avec qui elle préfère parler : l'appel va à quelqu'un d'autre. Vous n'y êtes pour rien.",
  withdrawn: "L'appel n'attend plus : la personne est déjà prise en charge, ou a choisi autre chose. Vous n'y êtes pour rien.",
  phone_unreachable: "Votre téléphone n'a pas pu sonner. Vérifiez qu'il est allumé et connecté.",
  phone_busy: "L'appel est parti vers quelqu'un d'autre : votre téléphone était occupé.",
  trunk_dead: "La ligne n'a pas pu appeler votre téléphone : son opérateur ne répond pas. Vous n'y êtes pour rien.",
};

// Why the agent's part in a call is over: the title of what follows.
export const ENDED = {
  ended: "L'appel est terminé",
  caller_left: "La personne a raccroché",
  engine_restart: "Le système téléphonique a redémarré : l'appel a été coupé",
  lost: "La liaison s'est coupée",
};

// Of a caller whose talk broke off a moment ago.
export const RETURNED = "La conversation de cette personne s'est coupée il y a un instant : elle rappelle. Accueillez-la sans lui faire tout redire.";

// Why somebody who had been oriented is offered again.
export const CAME_BACK = {
  not_answered: "La personne à qui vous l'aviez confiée n'a pas répondu. Vous pourrez choisir quelqu'un d'autre.",
  nobody_there: "Personne n'a pu répondre à temps dans cette équipe. Vous pourrez choisir autrement.",
};

// Why nobody came to a talk.
export const NOT_JOINED = {
  nobody_there: "Personne n'a pu vous rejoindre. Vous êtes toujours en ligne : choisissez quelqu'un d'autre, ou continuez l'appel.",
  taken_back: "C'est noté : plus personne n'est appelé. Vous êtes toujours avec la personne.",
};

// Why a caller whom the agent had picked among those who wait is not offered to them.
export const NOT_TAKEN = {
  caller_left: "La personne a raccroché au même instant. Vous n'y êtes pour rien.",
  answered_elsewhere: "Un collègue lui a répondu au même instant. Vous n'avez rien à faire.",
  left_line: "La personne n'attend plus : elle a choisi autre chose, ou va à une autre équipe. Vous n'avez rien à faire.",
};

// Why a caller is back, or hears the agent again, without having been taken back.
export const BACK = {
  too_long: "Cinq minutes ont passé : la personne est revenue, elle vous entend.",
  colleague_left: "Votre collègue a raccroché : la personne est revenue, elle vous entend.",
};
export const HEARD_AGAIN = {
  too_long: "Une minute a passé : votre micro est rouvert, la personne vous entend.",
};

// What is wrong with the sound. What to do about it comes with it, from the line.
export const SOUND = {
  no_voice: "On ne vous entend pas",
  caller_silent: "On n'entend pas la personne",
};

// What supervisors are told of a colleague.
export const ALERTS = {
  missed: (name) => `Le téléphone de ${name} a sonné deux fois sans réponse : la ligne a mis ${name} en pause. Prenez de ses nouvelles quand vous pourrez.`,
  trunk_dead: (name) => `Le téléphone personnel de ${name} n'a pas pu sonner : l'opérateur de la ligne ne répond pas. Les autres téléphones personnels non plus, sans doute.`,
};

// What is missing behind the line, and what it means for the agent: the gravest first.
export const MISSING = {
  journal_disk: ["Les appels continuent. Le disque de la ligne est plein : prévenez la coordination.", "Calls go on. The line's disk is full: tell the coordination."],
  database_version: ["Les appels continuent. L'historique est indisponible pour le moment, rien n'est perdu.", "Calls go on. The history is unavailable for now, nothing is lost."],
  database_away: ["Les appels continuent. L'historique est indisponible pour le moment, rien n'est perdu.", "Calls go on. The history is unavailable for now, nothing is lost."],
  flow_refused: ["Les appels continuent, avec ce qui était publié avant : le nouveau ne se lit pas.", "Calls go on, with what was published before: the new one cannot be read."],
};

// With whom else the agent has the caller.
export const WITH = {
  consulting: (name) => `Vous consultez ${name}. La personne entend la musique, et un mot de temps en temps.`,
  consulted_by: (name) => `${name} vous consulte. La personne entend la musique : elle n'entend pas ce que vous vous dites.`,
  came: (name) => `Vous êtes trois : ${name} a pris le relais. Raccrochez quand vous voulez, la personne reste avec ${name}.`,
  stays: (name) => `Vous êtes trois : ${name} reste un moment. La personne est avec vous maintenant.`,
};
export const GONE = {
  consulting: (name) => `${name} n'est plus là. La personne est avec vous, elle vous entend.`,
  consulted_by: (name) => `${name} vous a confié la personne. Elle vous entend.`,
  came: (name) => `${name} a raccroché : la personne est de nouveau avec vous.`,
  stays: (name) => `${name} a raccroché : vous êtes deux, la personne et vous.`,
};

// What leaving means, with whom else has the caller; without anybody, the call ends.
export const LEAVING = {
  consulted_by: (name) => `Vous retirer ? ${name} retrouvera la personne.`,
  came: (name) => `Vous retirer ? La personne reste avec ${name}.`,
  stays: (name) => `Vous retirer ? La personne reste avec ${name}.`,
};

// How much danger an agent sees.
export const DANGER = ["", "Danger faible signalé : gardez-le en tête.", "Danger élevé signalé : cette personne a besoin d'aide sans attendre.", "Danger signalé : cette personne est peut-être en danger immédiat."];

// What to say to somebody who is silent, when the line has not noticed by itself.
export const SILENT_GUIDE = {
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

export const ROLES = {
  regulator: "Régulation",
  listener: "Écoute",
  supervisor: "Supervision",
  admin: "Administration",
  regulators: "Régulation",
  listeners: "Écoute",
};
export const LANGUAGES = { fr: "Français", en: "Anglais", es: "Espagnol", ar: "Arabe", de: "Allemand",
  it: "Italien", pt: "Portugais" };
