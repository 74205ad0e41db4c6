// My telephone: what this browser is to the line, how it rings, and the check before a shift.

import { html, nothing, render, type TemplateResult } from "lit";
import { Check } from "./check.js";
import { $, desk, notice } from "./page.js";
import { BrowserPhone, browserKind, type Quality } from "./phone.js";
import { Ring } from "./ring.js";
import { PHONE, QUALITY } from "./words.js";
import { command } from "./wire.js";

const CHOSEN = "fil.phone"; // in this browser: be a phone as soon as the page is there
const IN_TALK = "fil.talk"; // in this tab: the call that a page loaded again goes back to
const BACK_SECONDS_MAX = 30;
const QUALITY_GOOD = 4;
const QUALITY_FAIR = 3.1;

// The talk that this page was loaded again in. Not read later: until the same caller is given back,
// the line says for a moment that there is no call.
const talkBefore = sessionStorage.getItem(IN_TALK);
const loadedAgain = () => talkBefore !== null && performance.now() < BACK_SECONDS_MAX * 1000;
const others = new BroadcastChannel("fil.phone"); // other tabs of the same desk
const ring = new Ring();
let quality: Quality | null = null;
let elsewhereRings = false; // the tab that is the phone does
let rendered: () => void = () => {};

export const phone = new BrowserPhone(
  {
    changed: draw,
    rings: (offer) => {
      performance.mark("fil-rings", { detail: offer });
      others.postMessage("rings");
      ring.start();
    },
    stopped: () => {
      others.postMessage("stopped");
      ring.stop();
    },
    quality: (measured) => {
      quality = measured;
      draw();
      const { call } = desk;
      if (!call || desk.stage !== "connected") return;
      void command("call.quality", { call: call.id, lost_percent: measured.lostPercent,
        jitter_ms: measured.jitterMs, round_trip_ms: measured.roundTripMs, mos: measured.mos });
    },
    returned: () => loadedAgain() && desk.call?.id === talkBefore,
  },
  $<HTMLAudioElement>("voice"),
  document.querySelector<HTMLMetaElement>("meta[name=csrf]")?.content ?? "",
);
const check = new Check(phone);

// What of the phone the rest of the page shows too. `render` is called whenever it changes.
export function startHandset(render_: () => void): void {
  rendered = render_;
  if (localStorage.getItem(CHOSEN) === "browser") void phone.open();
  draw();
}

// Whether "answer" does anything: this browser rings, or the tab that is the phone.
export function canAnswer(): boolean {
  return phone.ringing !== null || elsewhereRings;
}

export function answer(): void {
  if (phone.ringing !== null) phone.answer();
  else others.postMessage("answer");
}

// What a page loaded again must know of the talk, and nobody after it.
export function rememberTalk(): void {
  if (desk.stage === "connected" && desk.call && phone.state !== "off") sessionStorage.setItem(IN_TALK, desk.call.id);
  else if (desk.stage === "none" && desk.lostCall === null && !loadedAgain()) sessionStorage.removeItem(IN_TALK);
  else if (desk.stage === "wrapup") sessionStorage.removeItem(IN_TALK);
}

others.addEventListener("message", ({ data }: MessageEvent<string>) => {
  if (data === "answer") return phone.answer();
  elsewhereRings = data === "rings";
  draw();
});

async function choose(): Promise<void> {
  localStorage.setItem(CHOSEN, "browser");
  await ring.allow();
  await phone.open();
}

async function leave(): Promise<void> {
  if (desk.stage === "connected" && phone.talking) return notice(PHONE.in_call);
  localStorage.removeItem(CHOSEN);
  await phone.close();
}

function draw(): void {
  render(card(), $("handset"));
  $("handset").dataset.state = phone.state;
  $("quality").hidden = !(phone.talking && quality && desk.stage === "connected");
  if (quality) $("quality").textContent = qualityWords(quality);
  rendered();
}

function qualityWords({ mos }: Quality): string {
  return mos >= QUALITY_GOOD ? QUALITY.good : mos >= QUALITY_FAIR ? QUALITY.fair : QUALITY.poor;
}

function card(): TemplateResult {
  const [state, more] = PHONE.states[phone.state];
  const off = phone.state === "off";
  return html`
    <h2 id="handset-title">${PHONE.title}</h2>
    <p class="line" role="status"><span class="dot" data-state=${phone.state} aria-hidden="true"></span> <b>${state}</b></p>
    <p class="soft">${more}</p>
    ${phone.state === "refused" ? html`<p class="advice">${PHONE.allow[browserKind()]}</p>` : nothing}
    <div class="actions">
      ${off || phone.state === "elsewhere" || phone.state === "refused" || phone.state === "no_microphone"
        ? html`<button type="button" class=${off ? "main" : ""} id="phone-open" @click=${choose}>${off ? PHONE.open : PHONE.retry}</button>`
        : html`<button type="button" id="phone-check" ?hidden=${phone.state !== "ready"} @click=${() => check.open()}>${PHONE.check}</button>
               <button type="button" class="quiet" id="phone-close" @click=${leave}>${PHONE.close}</button>`}
    </div>
    ${phone.state === "ready" ? settings() : nothing}`;
}

function settings(): TemplateResult {
  return html`
    <label class="volume">${PHONE.volume}
      <input type="range" id="ring-volume" min="0" max="100" .value=${String(ring.volume)}
        @change=${(event: Event) => ring.setVolume(Number((event.target as HTMLInputElement).value))}>
    </label>`;
}
