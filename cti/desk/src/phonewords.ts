// What is said of the phone in the page: its devices, where it is, waking up; and of the lock.

import { say } from "./language.js";
import type { MicrophoneNews } from "./phone.js";

// Where the phone is, when it is not here.
export const ELSEWHERE = {
  tab: say(
    "Votre téléphone est dans un autre onglet de ce navigateur : les appels sonnent là-bas.",
    "Your phone is in another tab of this browser: calls ring there."),
  computer: say(
    "Votre téléphone est sur un autre ordinateur, ou dans un autre navigateur. Les appels sonnent là-bas.",
    "Your phone is on another computer, or in another browser. Calls ring there."),
  here: say("Répondre plutôt ici", "Answer here instead"),
  busy: say(
    "Un appel est en cours dans l'autre onglet : terminez-le d'abord, votre téléphone viendra ici ensuite.",
    "A call is in progress in the other tab: end it first, then your phone can come here."),
};

export const SOUND = {
  title: say("Son et sonnerie", "Sound and ring"),
  microphone: say("Micro", "Microphone"),
  voice: say("J'entends la personne dans", "I hear the caller in"),
  ring: say("La sonnerie sort de", "The ring comes out of"),
  usual: say("Celui de l'ordinateur", "The computer's own"),
  tryRing: say("Essayer la sonnerie", "Try the ring"),
};

// What became of the microphone by itself.
export const MICROPHONE: Record<MicrophoneNews, string> = {
  unplugged: say(
    "Votre micro a été débranché. Un autre micro de cet ordinateur a pris sa place : un appel en cours continue.",
    "Your microphone was unplugged. Another microphone of this computer has taken its place: a call in progress goes on."),
  gone: say(
    "Votre micro a été débranché, et il n'y en a pas d'autre : on ne vous entend plus. Rebranchez votre casque, tout revient tout seul.",
    "Your microphone was unplugged, and there is no other: you are not heard any more. Plug your headset in again, all comes back by itself."),
  back: say("Votre micro est de nouveau là, on vous entend avec lui.", "Your microphone is back, and you are heard with it."),
};

// After the machine slept.
export const WAKE = {
  trying: say(
    "Votre ordinateur était en veille, ou sans réseau. Votre téléphone se relie à la ligne…",
    "Your computer was asleep, or without a network. Your phone is connecting to the line…"),
  ready: say(
    "Votre téléphone est de nouveau relié : les appels peuvent arriver.",
    "Your phone is connected again: calls can come."),
  talking: say(
    "Votre téléphone est de nouveau relié : votre appel continue.",
    "Your phone is connected again: your call goes on."),
  not_available: say(
    "Votre téléphone est de nouveau relié. Les appels arriveront quand vous choisirez « Disponible ».",
    "Your phone is connected again. Calls will come once you choose “Available”."),
  not_yet: say(
    "Votre téléphone n'est pas relié : aucun appel ne peut arriver ici. Cette page continue d'essayer ; vérifiez le réseau de cet ordinateur.",
    "Your phone is not connected: no call can come here. This page keeps trying; look at the network of this computer."),
};

// Over a locked page.
export const LOCKED = {
  calm: say("Rien n'est lisible. Les appels peuvent arriver.", "Nothing can be read. Calls can come."),
  talking: say("Votre appel continue.", "Your call goes on."),
  offered: say("Un appel pour vous. Vous pouvez répondre sans déverrouiller.", "A call for you. You can answer without unlocking."),
  offered_elsewhere: say(
    "Un appel pour vous. Décrochez votre téléphone pour répondre.", "A call for you. Pick up your phone to answer."),
  cut: say(
    "La ligne n'a pas pu vérifier le mot de passe. Vérifiez la connexion, puis réessayez.",
    "The line could not check the password. Check the connection, then try again."),
};

// Whether the relay of sound can be reached, and what to do.
export const RELAY = {
  refused: say(
    "Le relais de secours répond, mais refuse ce navigateur. Rechargez la page, puis recommencez ; si cela dure, dites-le à la coordination.",
    "The spare relay answers, but refuses this browser. Load the page again, then start again; if it lasts, tell the coordination."),
  unreachable: say(
    "Le relais de secours ne répond pas. Ici, le son passe sans lui : vous pouvez prendre des appels. Dites-le à la coordination.",
    "The spare relay does not answer. Here, sound gets through without it: you can take calls. Tell the coordination."),
  nothing_passes: say(
    "Le relais de secours ne répond pas non plus. Ce réseau bloque sans doute les appels : essayez un partage de connexion, ou répondez avec votre téléphone.",
    "The spare relay does not answer either. This network probably blocks calls: try a shared mobile connection, or answer with your telephone."),
};

// Notifications, asked for in the check before a shift.
export const NOTIFICATIONS = {
  step: say("Avertir quand la page est cachée", "Tell me while the page is hidden"),
  ask: say("Autoriser", "Allow"),
  granted: say("oui", "yes"),
  denied: say("non, refusé dans ce navigateur", "no, refused in this browser"),
};
