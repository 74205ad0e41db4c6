// What I can take: the choice and its reasons, "still there?", the end of my shift, the minutes
// after a call; and, for supervisors, what they should know of the team.

import type { NextPresence, PresenceSet, TeamAlert } from "./frames.js";
import { say } from "./language.js";
import { $, counting, desk, hour, lower, make, notice, nowSeconds, plural, put, show } from "./page.js";
import { command } from "./wire.js";
import { ALERTS, PAUSES, ROLES, STATES } from "./words.js";

const LAST_TALK_BEFORE_MS = 20 * 60 * 1000; // so near the end, a talk begins only on a yes

type Choice = PresenceSet["presence"];
type Why = NonNullable<PresenceSet["reason"]>;

export async function choose(presence: Choice, reason: Why | null = null): Promise<void> {
  if (presence === "READY" && desk.asked) return sayHere();
  notice("");
  await command("presence.set", { presence, reason });
}

async function sayHere(): Promise<void> {
  if (!await command("presence.here", {})) return;
  desk.asked = false;
  renderPresence();
  notice(say("Merci. Les appels continuent de vous arriver.", "Thank you. Calls keep coming to you."));
  $("presence-state").focus();
}

function stateWords({ presence, reason }: { presence: string; reason: string | null }): [string, string] {
  const pause = PAUSES[reason ?? ""];
  if (presence === "NOT_READY" && pause) return pause;
  const [state, more] = STATES[presence] ?? [presence, ""];
  return [state, more];
}

export function renderPresence(): void {
  const { presence, reason, next } = desk.presence;
  const [state, more] = stateWords(desk.presence);
  $("presence").dataset.presence = presence;
  put($("presence-state"), state);
  put($("presence-more"), more);
  show($("presence-next"), next && next.presence !== "READY"
    ? `${say("Après cet appel :", "After this call:")} ${lower(stateWords(next)[0])}` : "");
  const wanted: NextPresence | { presence: string; reason: string | null } = next ?? { presence, reason };
  for (const button of document.querySelectorAll<HTMLElement>(".choices button")) {
    const chosen = button.dataset.presence === wanted.presence
      && (!button.dataset.reason || button.dataset.reason === wanted.reason);
    button.setAttribute("aria-pressed", String(chosen));
  }
  put($("roles"), desk.snapshot.agent.roles.map((role) => ROLES[role] ?? role).join(", "));
  $("asked").hidden = !desk.asked || presence !== "READY";
  renderDuty();
}

function renderDuty(): void {
  const { ends_at: endsAt, one_more: oneMore } = desk.duty;
  const left = endsAt ? Date.parse(endsAt) + desk.clockAheadMs - Date.now() : Infinity;
  const soon = left < LAST_TALK_BEFORE_MS;
  $("one-more").hidden = !soon || oneMore || desk.presence.presence === "LOGGED_OUT";
  const until = endsAt ? `${say("Vous finissez à", "You finish at")} ${hour(endsAt)}.` : "";
  show($("duty-words"), oneMore ? `${until} ${say("Encore un appel, c'est noté.", "One more call, noted.")}` : until);
}

async function noteDuty(event: SubmitEvent): Promise<void> {
  event.preventDefault();
  const [hours = 0, minutes = 0] = $<HTMLInputElement>("duty-ends").value.split(/[:h]/i).map(Number);
  const ends = new Date(Date.now() - desk.clockAheadMs);
  ends.setHours(hours, minutes, 0, 0);
  if (ends.getTime() <= Date.now() - desk.clockAheadMs) ends.setDate(ends.getDate() + 1);
  if (await command("duty.set", { ends_at: ends.toISOString() })) $<HTMLFormElement>("duty").reset();
}

async function takeOneMore(): Promise<void> {
  if (!await command("duty.set", { one_more: true })) return;
  notice(say("Merci. Encore un appel, puis ce sera fini pour vous.", "Thank you. One more call, then it is over for you."));
}

// The minutes after a call ------------------------------------------------------------

export function renderRest(): void {
  const rest = desk.presence.wrap_up;
  const form = rest?.form ?? true;
  $("wrapup").hidden = !form;
  $("no-form").hidden = form;
  $("extend").hidden = !rest?.may_extend;
  const more = Number(document.body.dataset.wrapUpSeconds);
  put($("extend"), more % 60 ? `+ ${plural(more, say("seconde", "second"))}` : `+ ${plural(more / 60, "minute")}`);
}

export function tickRest(): void {
  const rest = desk.presence.wrap_up;
  if (!rest) return put($("wrapup-left"), say("Prenez le temps qu'il faut.", "Take the time you need."));
  const left = rest.seconds_left - (nowSeconds() - desk.presenceAt);
  put($("wrapup-left"), left > 0
    ? say(`Encore ${counting(left)} pour vous, avant un autre appel.`, `${counting(left)} more for yourself, before another call.`)
    : say("Ce temps est passé.", "This time is over."));
}

async function extend(): Promise<void> {
  if (desk.wrapupCall && await command("wrapup.extend", { call: desk.wrapupCall })) $("call-title").focus();
}

// What supervisors should know ---------------------------------------------------------

const SEEN = "alertsSeen"; // in this window, for as long as it is open

function nameOf({ kind, agent, at }: TeamAlert): string {
  return `${kind} ${agent.id} ${at}`;
}

function alertsSeen(): string[] {
  return JSON.parse(sessionStorage.getItem(SEEN) ?? "[]") as string[];
}

export function addAlert(alert: TeamAlert): void {
  const { kind, agent } = alert;
  const known = [...alertsSeen(), ...desk.alerts.map(nameOf)];
  if (known.includes(nameOf(alert))) return;
  desk.alerts = desk.alerts.filter((one) => one.kind !== kind || one.agent.id !== agent.id);
  desk.alerts.push(alert);
  renderAlerts();
}

function renderAlerts(): void {
  $("alerts-list").replaceChildren(...desk.alerts.map((alert) => {
    const { kind, agent, at } = alert;
    const item = make("li", "");
    const words = ALERTS[kind]?.(agent.name)
      ?? say(`À propos de ${agent.name} : prenez de ses nouvelles.`, `About ${agent.name}: ask after them.`);
    const seen = make("button", say("C'est vu", "Seen"), "small");
    seen.type = "button";
    seen.setAttribute("aria-label", say(`C'est vu, pour ${agent.name}`, `Seen, about ${agent.name}`));
    seen.addEventListener("click", () => {
      desk.alerts = desk.alerts.filter((one) => one !== alert);
      sessionStorage.setItem(SEEN, JSON.stringify([...alertsSeen(), nameOf(alert)].slice(-100)));
      renderAlerts();
      ($("alerts-list").querySelector("button") ?? $("presence-state")).focus();
    });
    const told = make("p", `${words} `);
    told.append(make("span", hour(at), "soft"));
    item.append(told, seen);
    return item;
  }));
  $("alerts").hidden = !desk.alerts.length;
}

for (const button of document.querySelectorAll<HTMLElement>(".choices button")) {
  const { presence, reason } = button.dataset;
  button.addEventListener("click", () => choose(presence as Choice, (reason as Why | undefined) ?? null));
}
$("here").addEventListener("click", sayHere);
$("duty").addEventListener("submit", noteDuty);
$("one-more").addEventListener("click", takeOneMore);
$("extend").addEventListener("click", extend);
