// My hours and my calls: how much I gave, and nothing of who called.

import { html, render, type TemplateResult } from "lit";
import { language, say } from "./language.js";
import { $, desk, lasting } from "./page.js";
import { ROLES } from "./words.js";

interface Day { day: string; on_duty_minutes: number; talking_minutes: number; talks: number }
interface MyCall { call: string; at: string; role: string; talk_seconds: number; disposition: string | null; note: boolean }

const DAYS = 30;
const WORDS = {
  title: say("Mes heures et mes appels", "My hours and my calls"),
  since: say(`Les ${DAYS} derniers jours. Vous seul voyez cette page.`, `The last ${DAYS} days. Only you see this page.`),
  wait: say("Un instant…", "One moment…"),
  away: say("Ces chiffres ne peuvent pas être lus pour le moment. Rien n'est perdu : revenez plus tard.",
    "These figures cannot be read for now. Nothing is lost: come back later."),
  none: say("Rien encore. Vos premières heures s'inscriront ici.", "Nothing yet. Your first hours will be written here."),
  total: (minutes: number, talks: number) => say(
    `En tout : ${duration(minutes)} de service et ${talks} appel${talks > 1 ? "s" : ""}. Merci.`,
    `In all: ${duration(minutes)} on duty and ${talks} call${talks === 1 ? "" : "s"}. Thank you.`),
  day: say("Jour", "Day"), duty: say("Service", "On duty"), talking: say("En ligne", "Talking"), talks: say("Appels", "Calls"),
  at: say("Quand", "When"), role: say("Rôle", "Role"), lasted: say("Durée", "Lasted"), was: say("C'était", "It was"),
  hours: say("Mes heures", "My hours"), calls: say("Mes appels", "My calls"), close: say("Fermer", "Close"),
};

function duration(minutes: number): string {
  return `${Math.floor(minutes / 60)} h ${String(Math.round(minutes % 60)).padStart(2, "0")}`;
}

export function startMine(): void {
  $("mine-open").addEventListener("click", () => void open());
}

async function open(): Promise<void> {
  const dialog = $<HTMLDialogElement>("mine");
  render(frame(html`<p role="status">${WORDS.wait}</p>`), dialog);
  dialog.showModal();
  const [hours, calls] = await Promise.all(
    ["hours", "calls"].map((what) => fetch(`/api/v1/my/${what}?days=${DAYS}`).catch(() => null)));
  if (!hours?.ok || !calls?.ok) return void render(frame(html`<p role="status">${WORDS.away}</p>`), dialog);
  const { days } = (await hours.json()) as { days: Day[] };
  const { calls: mine } = (await calls.json()) as { calls: MyCall[] };
  render(frame(figures(days.filter((one) => one.on_duty_minutes > 0 || one.talks > 0), mine)), dialog);
}

function frame(inside: TemplateResult): TemplateResult {
  return html`<h2 id="mine-title">${WORDS.title}</h2><p class="soft">${WORDS.since}</p>${inside}
    <div class="actions"><button type="button" class="main" @click=${() => $<HTMLDialogElement>("mine").close()}>${WORDS.close}</button></div>`;
}

function figures(days: Day[], calls: MyCall[]): TemplateResult {
  if (!days.length && !calls.length) return html`<p>${WORDS.none}</p>`;
  const minutes = days.reduce((sum, one) => sum + one.on_duty_minutes, 0);
  const dispositions = new Map(desk.snapshot.dispositions.map((one) => [one.id, one.label]));
  return html`
    <p><b>${WORDS.total(minutes, calls.length)}</b></p>
    <table><caption>${WORDS.hours}</caption>
      <thead><tr><th scope="col">${WORDS.day}</th><th scope="col">${WORDS.duty}</th><th scope="col">${WORDS.talking}</th><th scope="col">${WORDS.talks}</th></tr></thead>
      <tbody>${days.map((one) => html`<tr><th scope="row">${new Date(one.day).toLocaleDateString(language, { weekday: "long", day: "numeric", month: "long" })}</th>
        <td>${duration(one.on_duty_minutes)}</td><td>${duration(one.talking_minutes)}</td><td>${one.talks}</td></tr>`)}</tbody></table>
    <table><caption>${WORDS.calls}</caption>
      <thead><tr><th scope="col">${WORDS.at}</th><th scope="col">${WORDS.role}</th><th scope="col">${WORDS.lasted}</th><th scope="col">${WORDS.was}</th></tr></thead>
      <tbody>${calls.map((one) => html`<tr><th scope="row">${new Date(one.at).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" })}</th>
        <td>${ROLES[one.role] ?? one.role}</td><td>${lasting(one.talk_seconds)}</td><td>${dispositions.get(one.disposition ?? "") ?? "–"}</td></tr>`)}</tbody></table>`;
}
