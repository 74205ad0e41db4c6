// The script cards: a few calm words to have before one's eyes, those that fit the call first.

import { html, nothing, render, type TemplateResult } from "lit";
import { language, say } from "./language.js";
import { $, desk } from "./page.js";

interface Part { text?: string; points?: string[] }
interface Card {
  id: string;
  title: { fr: string; en: string };
  body: { fr: Part[]; en: Part[] };
  sources: { name: string; url: string | null }[];
  danger: number | null;
  reviewed_at: string | null;
  draft: boolean;
  overdue: boolean;
}

const WORDS = {
  title: say("Fiches d'aide", "Cards"),
  suggested: say("pour cet appel", "for this call"),
  draft: say("brouillon, pas encore relu par l'association", "a draft, not yet reviewed by the association"),
  overdue: say("à relire : vérifiez ce qu'elle dit", "due for review: check what it says"),
  reviewed: say("Relue le", "Reviewed on"),
  sources: say("Sources :", "Sources:"),
  none: say("Cette ligne n'a pas encore de fiche.", "This line has no cards yet."),
  away: say("Les fiches ne peuvent pas être lues pour le moment.", "The cards cannot be read for now."),
};
const SILENCE = "silence"; // the card for a caller of whom nothing is heard

let cards: Card[] | null = null;
let failed = false;

export async function startCards(): Promise<void> {
  const answer = await fetch("/api/v1/cards").catch(() => null);
  failed = !answer?.ok;
  if (answer?.ok) cards = ((await answer.json()) as { cards: Card[] }).cards;
  renderCards();
}

export function renderCards(): void {
  render(view(), $("cards"));
}

function fits(card: Card): boolean {
  const { call } = desk;
  if (!call || desk.stage === "wrapup") return false;
  if (card.id === SILENCE && call.sound?.problem === "caller_silent") return true;
  return card.danger !== null && call.danger_level >= card.danger;
}

function view(): TemplateResult {
  const known = cards ?? [];
  const ordered = [...known.filter(fits), ...known.filter((card) => !fits(card))];
  return html`
    <h2 id="cards-title">${WORDS.title}</h2>
    ${failed ? html`<p class="soft">${WORDS.away}</p>` : cards && !known.length ? html`<p class="soft">${WORDS.none}</p>` : nothing}
    ${ordered.map((card) => html`
      <details class="script" data-card=${card.id}>
        <summary>${card.title[language]} ${fits(card) ? html`<b class="fits">${WORDS.suggested}</b>` : nothing}</summary>
        ${card.draft ? html`<p class="soft">${WORDS.draft}</p>` : nothing}
        ${card.overdue ? html`<p class="advice">${WORDS.overdue}</p>` : nothing}
        ${card.body[language].map((part) => part.points?.length
          ? html`<ul>${part.points.map((point) => html`<li>${point}</li>`)}</ul>` : html`<p>${part.text}</p>`)}
        <p class="soft sources">${WORDS.sources} ${card.sources.map((one) => one.name).join(" ; ")}.
          ${card.reviewed_at ? `${WORDS.reviewed} ${new Date(card.reviewed_at).toLocaleDateString(language)}.` : ""}</p>
      </details>`)}`;
}
