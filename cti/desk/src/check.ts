// The check before a shift: microphone, voice, the way to the line and back; then one clear verdict.

import { html, nothing, render, type TemplateResult } from "lit";
import { chosen, devices } from "./devices.js";
import { askNotifications, notifications } from "./notify.js";
import { $ } from "./page.js";
import { browserKind, measure, type BrowserPhone, type Quality } from "./phone.js";
import { NOTIFICATIONS, RELAY } from "./phonewords.js";
import { CHECK, PHONE } from "./words.js";

const VOICE_SECONDS_MAX = 12;
const VOICE_LEVEL = 0.02; // of 1: a voice at a headset is above, a quiet room below
const ECHO_SECONDS = 6;
const ECHO_COMES_SECONDS_MAX = 6;
const RELAY_SECONDS_MAX = 5;
const LOST_PERCENT_MAX = 3;
const ROUND_TRIP_MS_MAX = 300;
const LOOK_MS = 100;

type Step = "microphone" | "voice" | "line" | "relay";
type State = "waiting" | "running" | "good" | "weak" | "bad";

export class Check {
  #states: Record<Step, State> = { microphone: "waiting", voice: "waiting", line: "waiting", relay: "waiting" };
  #advice: string[] = [];
  #level = 0; // 0 to 1
  #measured: Quality | null = null;
  #devices: MediaDeviceInfo[] = [];
  #over = true;
  #dialog = $<HTMLDialogElement>("check");

  constructor(readonly phone: BrowserPhone) {
    this.#dialog.addEventListener("close", () => this.#stop());
  }

  open(): void {
    this.#dialog.showModal();
    void this.#run();
  }

  #stop(): void {
    this.#over = true;
    this.phone.endCheck();
  }

  async #run(): Promise<void> {
    this.#over = false;
    this.#advice = [];
    this.#measured = null;
    this.#states = { microphone: "running", voice: "waiting", line: "waiting", relay: "waiting" };
    this.#draw();
    this.#devices = await devices("microphone");
    const stream = this.phone.microphone;
    const working = stream?.getAudioTracks().some((track) => track.readyState === "live" && !track.muted) ?? false;
    if (!stream || !working) return this.#ends("microphone", "bad", PHONE.allow[browserKind()]);
    this.#is("microphone", "good");
    this.#is("voice", "running");
    const heard = await this.#listen(stream);
    if (this.#over) return;
    this.#is("voice", heard ? "good" : "bad");
    if (!heard) this.#advice.push(CHECK.advice.voice);
    this.#is("line", "running");
    const line = await this.#echo();
    if (this.#over) return;
    this.#is("line", line);
    if (this.phone.iceServers.length) {
      this.#is("relay", "running");
      const relay = await relayReached(this.phone.iceServers);
      if (this.#over) return;
      // Without it, only who is heard without it may work.
      this.#is("relay", relay === "reached" ? "good" : line === "bad" ? "bad" : "weak");
      if (relay === "refused") this.#advice.push(RELAY.refused);
      if (relay === "unreachable") this.#advice.push(line === "bad" ? RELAY.nothing_passes : RELAY.unreachable);
    }
    this.#over = true;
    this.#draw();
  }

  #ends(step: Step, state: State, advice: string): void {
    this.#advice.push(advice);
    this.#over = true;
    this.#is(step, state);
  }

  #is(step: Step, state: State): void {
    this.#states[step] = state;
    this.#draw();
  }

  // Whether a voice is heard, within a limit.
  async #listen(stream: MediaStream): Promise<boolean> {
    const context = new AudioContext();
    await context.resume();
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const until = performance.now() + VOICE_SECONDS_MAX * 1000;
    let loud = 0;
    while (!this.#over && performance.now() < until && loud < 5) {
      await pause(LOOK_MS);
      analyser.getFloatTimeDomainData(samples);
      const rms = Math.sqrt(samples.reduce((sum, one) => sum + one * one, 0) / samples.length);
      this.#level = Math.min(1, rms / (VOICE_LEVEL * 5));
      if (rms > VOICE_LEVEL) loud += 1;
      this.#draw();
    }
    await context.close();
    return loud >= 5;
  }

  // Hear oneself come back from the engine: what the calls of this shift will be like.
  async #echo(): Promise<State> {
    const asked = await fetch("/api/v1/phone/check", { method: "POST", headers: { "X-CSRF-Token": this.phone.csrf } }).catch(() => null);
    if (!asked?.ok) {
      this.#advice.push(CHECK.advice.line);
      return "bad";
    }
    const until = performance.now() + ECHO_COMES_SECONDS_MAX * 1000;
    while (!this.phone.checking && performance.now() < until && !this.#over) await pause(LOOK_MS);
    const connection = this.phone.checking;
    if (!connection) {
      this.#advice.push(CHECK.advice.line);
      return "bad";
    }
    await pause(1000); // the first second finds its pace
    const before = await measure(connection, { received: 0, lost: 0 });
    await pause(ECHO_SECONDS * 1000);
    const after = await measure(connection, before?.totals ?? { received: 0, lost: 0 });
    this.phone.endCheck();
    this.#measured = after?.quality ?? null;
    if (!after || after.totals.received <= (before?.totals.received ?? 0)) {
      this.#advice.push(CHECK.advice.silent);
      return "bad";
    }
    const { lostPercent, roundTripMs } = after.quality;
    if (lostPercent <= LOST_PERCENT_MAX && roundTripMs <= ROUND_TRIP_MS_MAX) return "good";
    this.#advice.push(CHECK.advice.weak);
    return "weak";
  }

  #draw(): void {
    render(this.#view(), this.#dialog);
  }

  #view(): TemplateResult {
    const steps = (["microphone", "voice", "line", "relay"] as const)
      .filter((step) => step !== "relay" || this.phone.iceServers.length > 0);
    return html`
      <h2 id="check-title">${CHECK.title}</h2>
      <ol class="steps">
        ${steps.map((step) => html`<li data-state=${this.#states[step]}>
          <b>${CHECK.steps[step]}</b> <span>${CHECK.states[this.#states[step]]}</span></li>`)}
        ${this.#notifications()}
      </ol>
      ${this.#states.voice === "running" ? html`
        <p>${CHECK.say}</p>
        <meter min="0" max="1" low="0.2" .value=${this.#level} aria-label=${CHECK.level}></meter>` : nothing}
      ${this.#states.line === "running" ? html`<p>${CHECK.listen}</p>` : nothing}
      ${this.#devices.length > 1 ? html`
        <label>${CHECK.which}
          <select @change=${(event: Event) => void this.#use((event.target as HTMLSelectElement).value)}>
            ${this.#devices.map((one) => html`<option value=${one.deviceId} ?selected=${one.deviceId === chosen("microphone")}>${one.label}</option>`)}
          </select></label>` : nothing}
      ${this.#over ? this.#verdict() : nothing}
      <div class="actions">
        <button type="button" ?hidden=${!this.#over} @click=${() => void this.#run()}>${CHECK.again}</button>
        <button type="button" class="main" @click=${() => this.#dialog.close()}>${this.#over ? CHECK.done : CHECK.stop}</button>
      </div>`;
  }

  // Not of the verdict: who keeps the page in sight needs none.
  #notifications(): TemplateResult {
    const now = notifications();
    const ask = () => void askNotifications().then(() => this.#draw());
    return html`<li data-state=${now === "granted" ? "good" : "waiting"}><b>${NOTIFICATIONS.step}</b>
      ${now === "default" ? html`<button type="button" id="notifications" @click=${ask}>${NOTIFICATIONS.ask}</button>`
        : html`<span>${NOTIFICATIONS[now]}</span>`}</li>`;
  }

  #verdict(): TemplateResult {
    const states = Object.values(this.#states);
    const verdict = states.includes("bad") ? "bad" : states.includes("weak") ? "weak" : "good";
    const told = this.#measured;
    return html`<div class="verdict" data-verdict=${verdict} role="status">
      <p><b>${CHECK.verdicts[verdict]}</b></p>
      ${this.#advice.map((one) => html`<p>${one}</p>`)}
      ${told ? html`<p class="soft">${CHECK.measured(told)}</p>` : nothing}
    </div>`;
  }

  async #use(id: string): Promise<void> {
    await this.phone.use(id);
    this.#stop();
    await this.#run();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => window.setTimeout(done, ms));
}

// Whether a relay of sound lends this browser a way, for networks that let nothing else through.
async function relayReached(iceServers: RTCIceServer[]): Promise<"reached" | "refused" | "unreachable"> {
  const connection = new RTCPeerConnection({ iceServers, iceTransportPolicy: "relay" });
  let refused = false;
  const found = new Promise<boolean>((done) => {
    connection.onicecandidate = ({ candidate }) => candidate?.type === "relay" && done(true);
    connection.onicecandidateerror = ({ errorCode }) => (refused ||= errorCode >= 400 && errorCode < 500);
    connection.onicegatheringstatechange = () => connection.iceGatheringState === "complete" && done(false);
    window.setTimeout(() => done(false), RELAY_SECONDS_MAX * 1000);
  });
  connection.createDataChannel("fil");
  await connection.setLocalDescription();
  const reached = await found;
  connection.close();
  return reached ? "reached" : refused ? "refused" : "unreachable";
}
