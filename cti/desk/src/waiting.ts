// The regulator's desk: who waits, as cards; to take somebody, send them elsewhere, or say that
// they are in danger, each in one click.

import { html, nothing, type TemplateResult } from "lit";
import { repeat } from "lit/directives/repeat.js";
import type { Events, WaitingCard } from "./frames.js";
import { say } from "./language.js";
import { $, desk, lasting, redraw } from "./page.js";
import { LANGUAGES, ROLES } from "./words.js";
import { command } from "./wire.js";

const WORDS = {
  title: say("Qui attend", "Who is waiting"),
  none: say("Personne n'attend.", "Nobody is waiting."),
  more: (count: number) => say(`et ${count} de plus, qui attendent depuis moins longtemps`, `and ${count} more, who have waited less`),
  since: (words: string) => say(`attend depuis ${words}`, `has waited for ${words}`),
  states: {
    waiting: "",
    ringing: say("Ça sonne chez quelqu'un.", "A phone is ringing for them."),
    elsewhere: say("Le central s'en occupe un instant.", "The exchange cares for them for a moment."),
  } satisfies Record<WaitingCard["state"], string>,
  danger: ["", say("Danger faible", "Low danger"), say("Danger élevé", "High danger"), say("Danger immédiat", "Danger now")],
  gender: { femme: say("souhaite parler à une femme", "would rather speak with a woman"),
    homme: say("souhaite parler à un homme", "would rather speak with a man") },
  returned: say("avait déjà quelqu'un", "had somebody before"),
  handover: say("un mot a été écrit", "something is written for you"),
  oriented: { regulator: say("vient de la régulation", "sent by a regulator"), listener: say("vient de l'écoute", "sent by a listener") },
  take: say("Prendre", "Take"),
  to: (line: string) => say(`Vers ${line}`, `To ${line}`),
  alarm: say("Signaler un danger", "Say that they are in danger"),
  who: (card: WaitingCard) => say(`Personne en attente, ${LANGUAGES[card.language] ?? card.language}`, `Somebody waiting, ${LANGUAGES[card.language] ?? card.language}`),
};
const DANGER_NOW = 3;

let waiting: WaitingCard[] = [];
let count = 0;
let regulates = false;

export function waitingIs(data: Events["snapshot"]): void {
  regulates = data.agent.roles.some((role) => role === "regulator" || role === "supervisor");
  [waiting, count] = [data.waiting ?? [], data.waiting_count ?? 0];
}

// True when the frame is about who waits.
export function receiveOfWaiting(type: keyof Events, data: unknown): boolean {
  if (type !== "waiting.changed") return false;
  const told = data as Events["waiting.changed"];
  [waiting, count] = [told.waiting, told.waiting_count];
  renderWaiting();
  return true;
}

export function renderWaiting(): void {
  $("waiting").hidden = !regulates;
  if (regulates) redraw($("waiting"), view());
}

function view(): TemplateResult {
  return html`
    <h2 id="waiting-title">${WORDS.title}${count ? html` <span class="count">${count}</span>` : nothing}</h2>
    ${waiting.length ? html`<ul class="queue">${repeat(waiting, (card) => card.id, item)}</ul>` : html`<p class="soft">${WORDS.none}</p>`}
    ${count > waiting.length ? html`<p class="soft">${WORDS.more(count - waiting.length)}</p>` : nothing}`;
}

function item(card: WaitingCard): TemplateResult {
  const seconds = (Date.now() - desk.clockAheadMs - Date.parse(card.waiting_since)) / 1000;
  const facts = [
    LANGUAGES[card.language] ?? card.language,
    card.gender ? WORDS.gender[card.gender] : "",
    ...Object.entries(card.told).map(([name, value]) => say(`${name} : ${value}`, `${name}: ${value}`)),
    card.oriented ? WORDS.oriented[card.oriented] : card.returned ? WORDS.returned : "",
    card.handover ? WORDS.handover : "",
    WORDS.states[card.state],
  ].filter(Boolean);
  const others = desk.snapshot.lines.filter((line) => line.id !== card.line);
  return html`<li data-danger=${card.danger_level} aria-label=${WORDS.who(card)}>
    <div>
      <p><b>${ROLES[card.line] ?? card.line}</b> <span class="soft">${WORDS.since(lasting(seconds))}</span>
        ${card.danger_level ? html`<b class="alarm">${WORDS.danger[card.danger_level]}</b>` : nothing}</p>
      <p class="soft">${facts.join(" · ")}</p>
    </div>
    <div class="actions">
      ${card.may_take ? html`<button type="button" class="main small" @click=${() => command("call.take", { call: card.id })}>${WORDS.take}</button>` : nothing}
      ${others.map((line) => html`<button type="button" class="small"
        @click=${() => command("call.orient", { call: card.id, to: { line: line.id as "regulators" | "listeners" } })}>${WORDS.to(line.label)}</button>`)}
      ${card.danger_level < DANGER_NOW ? html`<button type="button" class="small quiet"
        @click=${() => command("call.danger", { call: card.id, level: DANGER_NOW })}>${WORDS.alarm}</button>` : nothing}
    </div></li>`;
}
