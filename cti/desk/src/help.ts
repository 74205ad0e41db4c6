// "I need help now": one button for who is alone with something heavy, and who sees to them.

import { html, nothing, type TemplateResult } from "lit";
import type { Events, HelpAsked, HelpWaiting } from "./frames.js";
import { language, say } from "./language.js";
import { $, desk, hour, notice, redraw } from "./page.js";
import { command } from "./wire.js";

const WORDS = {
  title: say("De l'aide", "Help"),
  ask: say("J'ai besoin d'aide", "I need help"),
  about: say("Prévient tout de suite l'encadrement, sans rien dire de la personne au téléphone.",
    "Tells the supervisors at once, and nothing of the person on the phone."),
  seen: say("C'est parti : quelqu'un le voit.", "It is sent: somebody sees it."),
  unseen: say("C'est noté.", "It is noted."),
  by: (name: string) => say(`${name} arrive.`, `${name} is coming.`),
  end: say("Ça va mieux, merci", "I am all right, thank you"),
  needs: (name: string) => say(`${name} a besoin d'aide`, `${name} needs help`),
  go: say("J'y vais", "I see to it"),
  over: { answered: "", over: say("La demande d'aide est terminée.", "The request for help is over."),
    too_long: say("Votre demande date d'une heure : elle est close. Demandez de nouveau si besoin.",
      "You asked an hour ago: it is closed. Ask again if you need to.") } satisfies Record<Events["help.over"]["reason"], string>,
  lost: say("La ligne a redémarré et votre demande d'aide s'est perdue : demandez de nouveau.",
    "The line has restarted and your request for help was lost: please ask again."),
};

let mine: HelpWaiting | null = null;
let others: HelpAsked[] = [];

// What a snapshot says: the request may have been lost, and then it must be said.
export function helpIs(snapshot: Events["snapshot"]): void {
  if (mine !== null && mine.by === null && !snapshot.help) notice(WORDS.lost);
  [mine, others] = [snapshot.help ?? null, snapshot.helps ?? []];
}

// True when the frame is about help.
export function receiveOfHelp(type: keyof Events, data: unknown): boolean {
  switch (type) {
    case "help.waiting":
      mine = data as HelpWaiting;
      break;
    case "help.answered": {
      const { by, name } = data as Events["help.answered"];
      if (mine) mine = { ...mine, by: { id: by, name }, advice: null };
      notice(WORDS.by(name));
      break;
    }
    case "help.asked":
      others = [...others.filter((one) => one.agent !== (data as HelpAsked).agent), data as HelpAsked];
      break;
    case "help.over": {
      const { agent, reason } = data as Events["help.over"];
      if (agent === desk.snapshot.agent.id) mine = null;
      if (agent === desk.snapshot.agent.id && WORDS.over[reason]) notice(WORDS.over[reason]);
      others = others.filter((one) => one.agent !== agent);
      break;
    }
    default:
      return false;
  }
  renderHelp();
  return true;
}

export function renderHelp(): void {
  $("help").dataset.asked = String(mine !== null || others.length > 0);
  redraw($("help"), view());
}

function view(): TemplateResult {
  return html`
    <h2 id="help-title">${WORDS.title}</h2>
    ${others.map((one) => html`<div class="needs" role="alert"><p><b>${WORDS.needs(one.name)}</b> <span class="soft">${hour(one.since)}</span></p>
      <button type="button" class="main" @click=${() => command("help.answer", { agent: one.agent })}>${WORDS.go}</button></div>`)}
    ${mine === null ? html`
      <button type="button" id="help-ask" aria-describedby="help-about"
        @click=${() => command("help.ask", { call: desk.stage === "connected" ? desk.call?.id ?? null : null })}>${WORDS.ask}</button>
      <p class="soft" id="help-about">${WORDS.about}</p>` : html`
      <div role="status"><p><b>${mine.by ? WORDS.by(mine.by.name) : mine.seen ? WORDS.seen : WORDS.unseen}</b></p>
        ${mine.advice ? html`<p class="advice">${mine.advice[language]}</p>` : nothing}</div>
      <button type="button" id="help-end" @click=${() => command("help.end", {})}>${WORDS.end}</button>`}`;
}
