// What every part of the desk uses: what is known, how it is shown, and times in plain words.
//
// Everything shown is written with textContent.

import type { CallCameBack, CallView, DutyView, PresenceView, Snapshot, Suggestion, TeamAlert } from "./frames.js";
import { render, type TemplateResult } from "lit";
import { language, say } from "./language.js";

// An element of the page, by its id. Throws when the page has none: page and script belong together.
export function $<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

export type Stage = "none" | "offered" | "connected" | "wrapup";

// What is known of the call; the line may leave out what is not so, the sheet has it all.
export type Sheet = Required<CallView>;

interface Desk {
  snapshot: Snapshot; // the last one received; nothing is drawn before the first
  begun: boolean;
  presence: PresenceView;
  presenceAt: number; // when it was told, by this page's own clock
  duty: DutyView;
  asked: boolean; // "still there?" waits for an answer
  alerts: TeamAlert[]; // for supervisors, until they have seen them
  call: Sheet | null
  stage: Stage;
  offer: string | null;
  suggestions: Suggestion[];
  wrapupCall: string | null;
  clockAheadMs: number; // this machine's clock minus the line's
  lostCall: string | null; // the call whose phone dropped, until it is back
  cameBack: CallCameBack | null; // from an orientation, and why
  ended: string | null; // why the last talk ended
  until: { held?: number | null; muted?: number | null }; // by this page's own clock
}

export const desk = {
  begun: false,
  presenceAt: 0,
  asked: false,
  alerts: [],
  call: null,
  stage: "none",
  offer: null,
  suggestions: [],
  wrapupCall: null,
  clockAheadMs: 0,
  lostCall: null,
  cameBack: null,
  ended: null,
  until: {},
} as unknown as Desk; // what is missing here comes with the first snapshot

export function show(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

export function put(element: HTMLElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function notice(text: string): void {
  show($("notice"), text);
}

// Once is enough while it lasts. Not by `disabled`, which takes the keyboard's place away.
export async function busyWhile(button: HTMLElement | null, act: () => Promise<unknown>): Promise<void> {
  if (button?.hasAttribute("aria-disabled")) return;
  button?.setAttribute("aria-disabled", "true");
  try {
    await act();
  } finally {
    button?.removeAttribute("aria-disabled");
  }
}

export function make<K extends keyof HTMLElementTagNameMap>(tag: K, text: string, className = ""): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  return element;
}

export function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

// Zero is one in French, and many in English.
export function plural(count: number, word: string): string {
  return `${count} ${word}${say(count > 1, count !== 1) ? "s" : ""}`;
}

export function lasting(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 5) return say("quelques secondes", "a few seconds");
  if (whole < 60) return plural(whole, say("seconde", "second"));
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return plural(minutes, "minute");
  return `${plural(Math.floor(minutes / 60), say("heure", "hour"))} ${String(minutes % 60).padStart(2, "0")}`;
}

// For what counts down: 4:05.
export function counting(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

export function hour(iso: string): string {
  const at = new Date(iso);
  return `${at.getHours()}${say(" h ", ":")}${String(at.getMinutes()).padStart(2, "0")}`;
}

// Since this page loaded, whatever becomes of the machine's clock.
export function nowSeconds(): number {
  return performance.now() / 1000;
}

// By name, as the reader's language sorts.
export function byName(a: { name: string }, b: { name: string }): number {
  return a.name.localeCompare(b.name, language);
}

export function sincePresence(): number {
  return (Date.now() - desk.clockAheadMs - Date.parse(desk.presence.since)) / 1000;
}

// Draws a part anew. When what had the keyboard in it is gone, the first thing to press there has
// it: else who works without a mouse would be sent back to the top of the page.
export function redraw(part: HTMLElement, template: TemplateResult): void {
  const had = part.contains(document.activeElement);
  render(template, part);
  if (had && !part.contains(document.activeElement)) part.querySelector("button")?.focus();
}
