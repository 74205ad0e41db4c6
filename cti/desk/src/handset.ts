// My telephone: what this browser is to the line, how it rings, and what becomes of it by itself
// (devices unplugged, a machine that slept, another tab).

import { html, nothing, type TemplateResult } from "lit";
import { Check } from "./check.js";
import { $, desk, notice, show, redraw } from "./page.js";
import { BrowserPhone, browserKind, type Quality } from "./phone.js";
import { ELSEWHERE, MICROPHONE, WAKE } from "./phonewords.js";
import { Ring } from "./ring.js";
import { SoundSettings } from "./sound.js";
import { onWake } from "./wake.js";
import { PHONE, QUALITY } from "./words.js";
import { command, hurry } from "./wire.js";

const CHOSEN = "fil.phone"; // in this browser: be a phone as soon as the page is there
const IN_TALK = "fil.talk"; // in this tab: the call that a page loaded again goes back to
const BACK_SECONDS_MAX = 30;
const BACK_TOLD_MS = 15_000;
const GIVEN_MS_MAX = 1500; // for the other tab to say that the phone is mine
const SETTLED_MS = 600; // of what one plug changes, the browser tells in several events
const QUALITY_GOOD = 4;
const QUALITY_FAIR = 3.1;

// The talk that this page was loaded again in. Not read later: until the same caller is given back,
// the line says for a moment that there is no call.
const talkBefore = sessionStorage.getItem(IN_TALK);
const loadedAgain = () => talkBefore !== null && performance.now() < BACK_SECONDS_MAX * 1000;
const others = new BroadcastChannel("fil.phone"); // other tabs of the same desk
const ring = new Ring();
let quality: Quality | null = null;
let answeredAhead: string | null = null; // the sheet comes before the ring: its offer, answered then
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
    microphone: (news) => {
      show($("device"), MICROPHONE[news]);
      if (news === "back") window.setTimeout(() => $("device").textContent === MICROPHONE.back && show($("device"), ""), BACK_TOLD_MS);
      void lookAround();
    },
    awaited: (offer) => offer === answeredAhead || loadedAgain() && desk.call?.id === talkBefore,
  },
  $<HTMLAudioElement>("voice"),
  document.querySelector<HTMLMetaElement>("meta[name=csrf]")?.content ?? "",
);
const check = new Check(phone);
const sound = new SoundSettings(phone, ring);

// What of the phone the rest of the page shows too. `render` is called whenever it changes.
export function startHandset(render_: () => void): void {
  rendered = render_;
  if (localStorage.getItem(CHOSEN) === "browser") void phone.open().then(lookAround);
  let settling = 0;
  navigator.mediaDevices?.addEventListener("devicechange", () => {
    window.clearTimeout(settling);
    settling = window.setTimeout(() => void phone.devicesChanged().then(lookAround), SETTLED_MS);
  });
  onWake(() => void woke());
  draw();
}

async function lookAround(): Promise<void> {
  await sound.look();
  draw();
}

// What was open may be dead, though the browser does not know it for minutes.
async function woke(): Promise<void> {
  hurry();
  if (!["ready", "cut"].includes(phone.state)) return;
  notice(WAKE.trying);
  const reached = await phone.wake();
  notice(!reached ? WAKE.not_yet : phone.talking ? WAKE.talking
    : ["READY", "RESERVED", "TALKING", "WRAP_UP"].includes(desk.presence?.presence) ? WAKE.ready : WAKE.not_available);
}

// Whether "answer" does anything: this browser rings or is about to, or the tab that is the phone.
export function canAnswer(): boolean {
  return phone.ringing !== null || elsewhereRings || phone.state === "ready";
}

export function answer(): void {
  if (phone.ringing !== null) phone.answer();
  else if (elsewhereRings) others.postMessage("answer");
  else answeredAhead = desk.offer;
}

// What a page loaded again must know of the talk, and nobody after it.
export function rememberTalk(): void {
  if (desk.stage === "connected" && desk.call && phone.state !== "off") sessionStorage.setItem(IN_TALK, desk.call.id);
  else if (desk.stage === "none" && desk.lostCall === null && !loadedAgain()) sessionStorage.removeItem(IN_TALK);
  else if (desk.stage === "wrapup") sessionStorage.removeItem(IN_TALK);
}

others.addEventListener("message", ({ data }: MessageEvent<string>) => {
  if (data === "answer") return phone.answer();
  if (data === "give") return others.postMessage(phone.give() ? "given" : "busy");
  if (data === "given" || data === "busy") return asked?.(data);
  elsewhereRings = data === "rings";
  draw();
});

async function choose(): Promise<void> {
  localStorage.setItem(CHOSEN, "browser");
  await ring.allow();
  const fromTab = phone.state === "elsewhere" && phone.where === "tab";
  if (fromTab && (await askTab()) === "busy") return notice(ELSEWHERE.busy);
  await phone.open(fromTab);
  await lookAround();
}

let asked: ((answer: "given" | "busy") => void) | null = null;

// Ask the tab that is the phone to leave it to this one; null: it does not answer any more.
function askTab(): Promise<"given" | "busy" | null> {
  return new Promise((done) => {
    asked = done;
    window.setTimeout(() => done(null), GIVEN_MS_MAX);
    others.postMessage("give");
  });
}

async function leave(): Promise<void> {
  if (desk.stage === "connected" && phone.talking) return notice(PHONE.in_call);
  localStorage.removeItem(CHOSEN);
  await phone.close();
}

function draw(): void {
  redraw($("handset"), card());
  $("handset").dataset.state = phone.state;
  sound.draw(phone.state === "ready" || phone.state === "cut");
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
  const elsewhere = phone.state === "elsewhere";
  return html`
    <h2 id="handset-title">${PHONE.title}</h2>
    <p class="line" role="status"><span class="dot" data-state=${phone.state} aria-hidden="true"></span> <b>${state}</b></p>
    <p class="soft">${elsewhere ? ELSEWHERE[phone.where] : more}</p>
    ${phone.state === "refused" ? html`<p class="advice">${PHONE.allow[browserKind()]}</p>` : nothing}
    <div class="actions">
      ${off || elsewhere || phone.state === "refused" || phone.state === "no_microphone"
        ? html`<button type="button" class=${off ? "main" : ""} id="phone-open" @click=${choose}>${off ? PHONE.open : elsewhere ? ELSEWHERE.here : PHONE.retry}</button>`
        : html`<button type="button" id="phone-check" ?hidden=${phone.state !== "ready"} @click=${() => check.open()}>${PHONE.check}</button>
               <button type="button" class="quiet" id="phone-close" @click=${leave}>${PHONE.close}</button>`}
    </div>
    <div id="sound-settings"></div>`;
}
