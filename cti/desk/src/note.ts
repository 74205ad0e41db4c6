// What an agent writes of a call: the line's own form, saved by itself while it is typed.
//
// What is typed stays in this page's memory until the line has it, and nowhere else.

import { html, nothing, render, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import { language, say } from "./language.js";
import { $, desk, hour } from "./page.js";

interface Tongues { fr: string; en: string }
interface Field {
  id: string;
  kind: "choice" | "choices" | "yes_no" | "number" | "text";
  label: Tongues;
  help: Tongues;
  options: { id: string; label: Tongues }[];
  pii: boolean;
  purpose: Tongues;
  retention_days: number;
  chars_max: number | null;
  number_max: number | null;
}
type Value = string | string[] | number | boolean;
type State = "loading" | "fresh" | "writing" | "saved" | "waiting" | "closed" | "none" | "refused";

const SAVED_AFTER_MS = 1200; // of not typing
const AGAIN_MS = 3000; // while the line cannot keep it
const WORDS = {
  title: say("Ma note sur cet appel", "My note on this call"),
  about: say("Elle se garde toute seule. Personne d'autre que vous ne la lit pendant l'appel.",
    "It saves itself. Nobody but you reads it during the call."),
  states: {
    loading: say("Un instant…", "One moment…"),
    fresh: say("Rien d'écrit pour le moment.", "Nothing written yet."),
    writing: say("Pas encore gardée…", "Not saved yet…"),
    saved: say("Gardée à", "Saved at"),
    waiting: say("Pas encore gardée : la ligne réessaie. Laissez cette page ouverte.",
      "Not saved yet: the line is trying again. Keep this page open."),
    closed: say("Cet appel est rangé : sa note ne peut plus changer.", "This call is put away: its note can no longer change."),
    none: say("Cette ligne n'a pas de formulaire.", "This line has no form."),
    refused: say("Une réponse est trop longue ou illisible : raccourcissez-la.", "An answer is too long or cannot be read: shorten it."),
  } satisfies Record<State, string>,
  yes: say("Oui", "Yes"),
  no: say("Non", "No"),
  unsaid: say("Non précisé", "Not said"),
  kept: (days: number) => say(`gardé ${days} jours`, `kept ${days} days`),
  personal: say("peut dire de qui l'on parle", "may tell who it is about"),
};

let form: { version: string; fields: Field[] } | null = null;
let call: string | null = null;
let values: Record<string, Value> = {};
let version = 0;
let savedAt: string | null = null;
let state: State = "loading";
let typed = 0; // how often something was typed; what is being saved may be older
let timer = 0;

// Shows the note of the call that this page has, if it has one. Called whenever anything changes.
export function renderNote(): void {
  const mine = desk.stage === "connected" ? desk.call?.id ?? null : desk.stage === "wrapup" ? desk.wrapupCall : null;
  $("note").hidden = mine === null;
  if (mine === call) return;
  if (call !== null && state === "writing") void save(call);
  call = mine;
  values = {};
  [version, savedAt, state] = [0, null, "loading"];
  if (mine !== null) void load(mine);
}

async function load(id: string): Promise<void> {
  draw();
  const [asked, read] = await Promise.all([
    fetch("/api/v1/form").catch(() => null),
    fetch(`/api/v1/calls/${id}/note`).catch(() => null),
  ]);
  if (id !== call) return;
  if (asked?.status === 404) return become("none");
  if (!asked?.ok || !read?.ok) {
    if (read?.status === 403) return become("closed");
    window.setTimeout(() => id === call && void load(id), AGAIN_MS);
    return become("waiting");
  }
  form = (await asked.json()) as NonNullable<typeof form>;
  const note = (await read.json()) as { values: typeof values; version: number; saved_at: string | null };
  [values, version, savedAt] = [note.values, note.version, note.saved_at];
  become(savedAt ? "saved" : "fresh");
}

function become(next: State): void {
  state = next;
  draw();
}

function write(field: string, value: Value | null): void {
  if (value === null || value === "" || (Array.isArray(value) && !value.length)) delete values[field];
  else values[field] = value;
  typed += 1;
  become("writing");
  window.clearTimeout(timer);
  const id = call;
  timer = window.setTimeout(() => id !== null && void save(id), SAVED_AFTER_MS);
}

async function save(id: string): Promise<void> {
  window.clearTimeout(timer);
  const [sent, body] = [typed, JSON.stringify({ values, version, form: form?.version ?? null })];
  const csrf = document.querySelector<HTMLMetaElement>("meta[name=csrf]")?.content ?? "";
  const answer = await fetch(`/api/v1/calls/${id}/note`, {
    method: "PUT", headers: { "content-type": "application/json", "X-CSRF-Token": csrf }, body, keepalive: true,
  }).catch(() => null);
  if (id !== call) return;
  if (answer?.ok) {
    const saved = (await answer.json()) as { version: number; saved_at: string };
    [version, savedAt] = [saved.version, saved.saved_at];
    if (typed === sent) become("saved");
    return;
  }
  if (answer?.status === 409) {
    const { values: theirs, version: newer } = (await answer.json()) as { values?: typeof values; version?: number };
    if (newer === undefined) return void load(id); // the form itself has changed
    [values, version] = [{ ...theirs, ...values }, newer]; // from another page of mine: both are kept
  } else if (answer?.status === 403) {
    return become("closed");
  } else if (answer?.status === 400 || answer?.status === 413) {
    return become("refused");
  }
  become("waiting");
  timer = window.setTimeout(() => id === call && void save(id), AGAIN_MS);
}

// What is seen -----------------------------------------------------------------------

function draw(): void {
  render(view(), $("note"));
}

function view(): TemplateResult {
  const said = state === "saved" && savedAt ? `${WORDS.states.saved} ${hour(savedAt)}.` : WORDS.states[state];
  return html`
    <div class="head">
      <h2 id="note-title">${WORDS.title}</h2>
      <p class="soft" role="status" id="note-state" data-state=${state}>${said}</p>
    </div>
    ${form && state !== "loading" && state !== "none" ? html`
      <p class="soft">${WORDS.about}</p>
      <div class="fields">${form.fields.map(field)}</div>` : nothing}`;
}

function field(one: Field): TemplateResult {
  const label = one.label[language];
  const help = html`<p class="soft" id="help-${one.id}">${one.help[language]}
    <span class="kept">${WORDS.kept(one.retention_days)}${one.pii ? ` · ${WORDS.personal}` : ""}</span></p>`;
  const value = values[one.id];
  switch (one.kind) {
    case "choice":
      return html`<div><label for="field-${one.id}">${label}</label>
        <select id="field-${one.id}" aria-describedby="help-${one.id}"
          @change=${(event: Event) => write(one.id, (event.target as HTMLSelectElement).value)}>
          <option value="">${WORDS.unsaid}</option>
          ${one.options.map((option) => html`<option value=${option.id} ?selected=${option.id === value}>${option.label[language]}</option>`)}
        </select>${help}</div>`;
    case "choices": {
      const chosen = Array.isArray(value) ? value : [];
      return html`<fieldset class="wide" aria-describedby="help-${one.id}"><legend>${label}</legend>
        <div class="pills">${one.options.map((option) => html`<label>
          <input type="checkbox" .checked=${live(chosen.includes(option.id))}
            @change=${(event: Event) => write(one.id, (event.target as HTMLInputElement).checked
              ? [...chosen, option.id] : chosen.filter((id) => id !== option.id))}> ${option.label[language]}</label>`)}</div>
        ${help}</fieldset>`;
    }
    case "yes_no":
      return html`<fieldset aria-describedby="help-${one.id}"><legend>${label}</legend>
        <div class="pills">${([[true, WORDS.yes], [false, WORDS.no], [null, WORDS.unsaid]] as const).map(([answer, words]) => html`<label>
          <input type="radio" name="field-${one.id}" .checked=${live((value ?? null) === answer)}
            @change=${() => write(one.id, answer)}> ${words}</label>`)}</div>${help}</fieldset>`;
    case "number":
      return html`<div><label for="field-${one.id}">${label}</label>
        <input id="field-${one.id}" type="number" inputmode="numeric" min="0" max=${one.number_max ?? 999} aria-describedby="help-${one.id}"
          .value=${live(value === undefined ? "" : String(value))}
          @input=${(event: Event) => { const text = (event.target as HTMLInputElement).value; write(one.id, text === "" ? null : Number(text)); }}>${help}</div>`;
    case "text":
      return html`<div class="wide"><label for="field-${one.id}">${label}</label>
        <textarea id="field-${one.id}" rows="4" maxlength=${one.chars_max ?? 2000} aria-describedby="help-${one.id}"
          .value=${live(typeof value === "string" ? value : "")}
          @input=${(event: Event) => write(one.id, (event.target as HTMLTextAreaElement).value)}></textarea>${help}</div>`;
  }
}
