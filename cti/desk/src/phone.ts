// The browser as a phone: one account, one call at a time, its sound and how good it is.
//
// It registers, rings, answers and hangs up; all else (hold, mute, transfer) is asked of the line,
// the same as with a telephone on the table. Nothing here touches the page: see handset.ts.

import { choose, chosen, devices } from "./devices.js";
import type { RTCSession } from "jssip/lib/RTCSession";
import type { IncomingRTCSessionEvent, UA, UnRegisteredEvent } from "jssip/lib/UA";

export type PhoneState =
  | "off" // this browser is no phone
  | "opening"
  | "ready"
  | "cut" // comes back by itself
  | "elsewhere" // another tab, or another computer, is the phone: see `where`
  | "refused" // the person or the browser refuses the microphone
  | "no_microphone"
  | "engine_away";

export interface Quality {
  lostPercent: number; // of the last seconds, of what comes to us
  jitterMs: number;
  roundTripMs: number;
  mos: number; // estimated: 1 bad to 4.4 like a good telephone
}

// What became of the microphone by itself: unplugged (another serves), gone (there is none), back.
export type MicrophoneNews = "unplugged" | "gone" | "back";

export interface PhoneListener {
  changed(): void; // the state, the devices, or what rings
  rings(offer: string): void;
  stopped(): void; // no longer rings
  quality(quality: Quality): void;
  microphone(news: MicrophoneNews): void;
  awaited(offer: string): boolean; // whether to answer at once: by a key pressed as the sheet came,
  // or because it is the call that this page had before it was loaded
}

const ICE_MS_MAX = 300; // a server of addresses that does not answer must not delay an answer
const MEASURED_EVERY_MS = 5000;
const RECONNECTS_SECONDS = { min: 1, max: 8 };
const OFFER = "X-Fil-Offer";
const CHECK = "X-Fil-Check";
const LOCK = "fil-phone"; // which tab is the phone
const TAKEN_ELSEWHERE = 4409;
const LOADED_AGAIN_MS_MAX = 1500; // for the page before this one to let go
const LEFT_EVERY_MS = 3000; // how often a tab looks whether the one that is the phone was closed
const WAKE_MS_MAX = 8000;

export class BrowserPhone {
  state: PhoneState = "off";
  microphone: MediaStream | null = null;
  ringing: string | null = null; // the offer
  talking = false;
  checking: RTCPeerConnection | null = null; // the echo before a shift
  where: "tab" | "computer" = "tab"; // the phone is, while it is elsewhere
  iceServers: RTCIceServer[] = [];

  #ua: UA | null = null;
  #session: RTCSession | null = null;
  #measuring = 0;
  #before = { received: 0, lost: 0 };
  #release: (() => void) | null = null; // of the lock that one tab has
  #group = ""; // the headset that the microphone in use belongs to
  #lostGroup = ""; // the one that was unplugged
  #leaving = 0;
  #missing = false; // the tab that was the phone, when last looked
  #waking: Promise<boolean> | null = null;

  constructor(
    readonly listener: PhoneListener,
    readonly sound: HTMLAudioElement, // where the other side is heard
    readonly csrf: string,
  ) {}

  // Become the phone of whoever is signed in; `taking` it from another tab, which has been asked.
  // Asks for the microphone: call it from a click, or where it was given before.
  async open(taking = false): Promise<void> {
    if (this.state === "opening" || this.state === "ready") return;
    if (this.#ua) return void (await this.#listenAgain()); // a phone that lacked its microphone
    this.#become("opening");
    if (!(await this.#alone(taking))) return this.#isElsewhere("tab");
    const trouble = await this.#listen();
    if (trouble) return this.#become(trouble);
    await this.#register();
  }

  // Leave being the phone to another tab; false: not in the middle of a call.
  give(): boolean {
    if (this.#session && !this.checking) return false;
    this.#stop();
    this.#isElsewhere("tab");
    return true;
  }

  // The machine slept or its network changed: whatever the socket believes, it is opened anew, and
  // the engine told where we are. Returns whether calls can come.
  wake(): Promise<boolean> {
    this.#waking ??= this.#anew().finally(() => (this.#waking = null));
    return this.#waking;
  }

  async #anew(): Promise<boolean> {
    if (!this.#ua || this.state === "opening") return false;
    this.#become("cut");
    const { transport } = this.#ua as unknown as { transport: { connect(): void; disconnect(): void } };
    transport.disconnect();
    transport.connect();
    const until = performance.now() + WAKE_MS_MAX;
    while ((this.state as PhoneState) === "cut" && performance.now() < until) await pause(100);
    return (this.state as PhoneState) === "ready";
  }

  // Be a phone no more.
  async close(): Promise<void> {
    this.#stop();
    this.#become("off");
    await fetch("/api/v1/phone", { method: "DELETE", headers: this.#headers() }).catch(() => null);
  }

  answer(): void {
    if (!this.#session || this.ringing === null) return;
    this.#session.answer({
      ...(this.microphone && { mediaStream: this.microphone }),
      pcConfig: { iceServers: this.iceServers, bundlePolicy: "max-bundle" },
    });
  }

  // Use another microphone, in a talk too.
  async use(deviceId: string): Promise<void> {
    choose("microphone", deviceId);
    this.#lostGroup = "";
    if (this.#ua) await this.#listenAgain();
  }

  // Something was plugged in or unplugged.
  async devicesChanged(): Promise<void> {
    if (!this.#ua) return;
    const there = await devices("microphone");
    const inUse = this.microphone?.getAudioTracks()[0]?.getSettings().deviceId;
    if (inUse && !there.some((one) => one.deviceId === inUse)) return this.#unplugged(this.microphone);
    const wanted = there.find((one) => one.deviceId === chosen("microphone"))
      ?? there.find((one) => this.#lostGroup && one.groupId === this.#lostGroup);
    const better = wanted && wanted.deviceId !== inUse && wanted.groupId !== this.#group;
    if (!better && (this.microphone || !there.length)) return;
    if (await this.#listenAgain(wanted?.deviceId)) this.listener.microphone("back");
  }

  endCheck(): void {
    if (this.checking) this.#session?.terminate();
  }

  // -- how it comes to be

  #become(state: PhoneState): void {
    this.state = state;
    this.listener.changed();
  }

  #isElsewhere(where: "tab" | "computer"): void {
    this.where = where;
    this.#become("elsewhere");
    window.clearInterval(this.#leaving);
    if (where === "tab") this.#leaving = window.setInterval(() => void this.#left(), LEFT_EVERY_MS);
  }

  // The tab that was the phone is no more, and not only for as long as loading it again takes.
  async #left(): Promise<void> {
    if (this.state !== "elsewhere") return window.clearInterval(this.#leaving);
    const { held = [] } = await navigator.locks.query();
    const missing = !held.some((one) => one.name === LOCK);
    if (missing && this.#missing) void this.open();
    this.#missing = missing;
  }

  // One tab is the phone; it keeps the lock for as long as it lives. A page that was just loaded
  // again waits for the one before it to let go; a tab that does not answer has it taken away.
  #alone(taking: boolean): Promise<boolean> {
    if (this.#release) return Promise.resolve(true);
    const how: LockOptions = taking ? { steal: true } : { signal: AbortSignal.timeout(LOADED_AGAIN_MS_MAX) };
    return new Promise((done) => {
      navigator.locks
        .request(LOCK, how, () => {
          done(true);
          return new Promise<void>((release) => (this.#release = release));
        })
        .catch(() => done(false));
    });
  }

  async #listen(wanted = chosen("microphone")): Promise<"refused" | "no_microphone" | null> {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: wanted ? { deviceId: { ideal: wanted } } : true });
      const track = stream.getAudioTracks()[0];
      this.microphone?.getTracks().forEach((old) => old.stop());
      this.microphone = stream;
      this.#group = track?.getSettings().groupId ?? "";
      track?.addEventListener("ended", () => void this.#unplugged(stream));
      return null;
    } catch (trouble) {
      return trouble instanceof DOMException && trouble.name === "NotAllowedError" ? "refused" : "no_microphone";
    }
  }

  // Another microphone in the place of the one before. A talk goes on, in silence where there is
  // none: the engine still hears from the connection, and does not end it.
  async #listenAgain(wanted?: string): Promise<boolean> {
    const trouble = await this.#listen(wanted);
    if (trouble) this.microphone = null;
    const sender = this.#session?.connection?.getSenders()[0];
    await sender?.replaceTrack(this.microphone?.getAudioTracks()[0] ?? null);
    if (this.#ua) this.#become(trouble ?? (this.#ua.isRegistered() ? "ready" : "cut"));
    return !trouble;
  }

  async #unplugged(stream: MediaStream | null): Promise<void> {
    if (stream !== this.microphone) return;
    this.#lostGroup = this.#group;
    this.listener.microphone((await this.#listenAgain()) ? "unplugged" : "gone");
  }

  async #register(): Promise<void> {
    const answer = await fetch("/api/v1/phone", { method: "POST", headers: this.#headers() }).catch(() => null);
    if (!answer?.ok) {
      this.#become("engine_away");
      window.setTimeout(() => this.state === "engine_away" && void this.#register(), 3000);
      return;
    }
    const { account, secret, ice_servers } = await answer.json();
    this.iceServers = ice_servers;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const JsSIP = await import("jssip"); // large: only who answers here loads it
    const socket = new JsSIP.WebSocketInterface(`${scheme}//${location.host}/phone`);
    this.#ua?.stop();
    const ua = new JsSIP.UA({
      sockets: [socket],
      uri: `sip:${account}@fil.invalid`,
      password: secret,
      register_expires: 300,
      session_timers: false,
      connection_recovery_min_interval: RECONNECTS_SECONDS.min,
      connection_recovery_max_interval: RECONNECTS_SECONDS.max,
    });
    this.#ua = ua;
    ua.on("registered", () => this.#registered());
    ua.on("registrationFailed", (event: UnRegisteredEvent) => {
      if (ua !== this.#ua || this.state === "elsewhere") return;
      // The engine has forgotten the account, or another page has taken it: ask again.
      if (event.response) void this.#register();
      else if (event.cause === JsSIP.C.causes.REQUEST_TIMEOUT) void this.wake(); // a socket that is dead
    });
    ua.on("disconnected", (event) => {
      if (ua !== this.#ua) return;
      if (event.code === TAKEN_ELSEWHERE) return this.#taken();
      this.#become("cut");
    });
    ua.on("newRTCSession", (event: IncomingRTCSessionEvent) => this.#comes(event));
    ua.start();
  }

  #registered(): void {
    this.#become(this.microphone ? "ready" : "no_microphone");
    // What the engine said while the socket was cut is lost, an end of the call too: asked again,
    // it tells, and the sound finds its way once more.
    if (this.#session?.isEstablished()) this.#session.renegotiate({ rtcOfferConstraints: { iceRestart: true } });
  }

  #taken(): void {
    this.#stop();
    this.#isElsewhere("computer");
  }

  #stop(): void {
    const ua = this.#ua;
    this.#ua = null;
    ua?.stop();
    this.microphone?.getTracks().forEach((track) => track.stop());
    this.microphone = null;
    this.#release?.();
    this.#release = null;
  }

  #headers(): HeadersInit {
    return { "X-CSRF-Token": this.csrf };
  }

  // -- a call

  #comes({ session, request, originator }: IncomingRTCSessionEvent): void {
    if (originator !== "remote") return;
    const check = request.getHeader(CHECK) !== undefined;
    if (this.#session && !this.#session.isEnded()) {
      const talks = this.#session.isEstablished() && !this.checking;
      if (check || talks) return void session.terminate({ status_code: 486 });
      // A person calls: the check can wait. The line rings one at a time, so what rang before is
      // over, and its end only late.
      this.#session.terminate();
    }
    this.#session = session;
    session.on("peerconnection", ({ peerconnection }: { peerconnection: RTCPeerConnection }) => {
      peerconnection.addEventListener("track", (event) => {
        this.sound.srcObject = event.streams[0] ?? new MediaStream([event.track]);
      });
      if (check) this.checking = peerconnection;
    });
    let late = 0;
    session.on("icecandidate", ({ ready }: { ready: () => void }) => {
      late ||= window.setTimeout(ready, ICE_MS_MAX);
    });
    session.on("accepted", () => this.#answered(session, check));
    session.on("ended", () => this.#over(session));
    session.on("failed", () => this.#over(session));
    this.ringing = check ? "check" : request.getHeader(OFFER) ?? "";
    if (check || this.listener.awaited(this.ringing)) return this.answer();
    this.listener.rings(this.ringing);
    this.listener.changed();
  }

  #answered(session: RTCSession, check: boolean): void {
    this.ringing = null;
    this.listener.stopped();
    if (check) return this.listener.changed();
    this.talking = true;
    this.#before = { received: 0, lost: 0 };
    clearInterval(this.#measuring);
    this.#measuring = window.setInterval(() => void this.#measure(session.connection), MEASURED_EVERY_MS);
    this.listener.changed();
  }

  #over(session: RTCSession): void {
    if (session !== this.#session) return;
    clearInterval(this.#measuring);
    this.#session = null;
    this.ringing = this.checking = null;
    this.talking = false;
    this.sound.srcObject = null;
    this.listener.stopped();
    this.listener.changed();
  }

  async #measure(connection: RTCPeerConnection): Promise<void> {
    const measured = await measure(connection, this.#before);
    if (!measured) return;
    this.#before = measured.totals;
    this.listener.quality(measured.quality);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => window.setTimeout(done, ms));
}

// Each says "allow the microphone" elsewhere.
export function browserKind(): "firefox" | "safari" | "chrome" {
  const agent = navigator.userAgent;
  if (agent.includes("Firefox/")) return "firefox";
  return agent.includes("Safari/") && !agent.includes("Chrom") ? "safari" : "chrome";
}

interface Totals {
  received: number;
  lost: number;
}

// What the connection was like since `before`; null before any sound has come.
export async function measure(
  connection: RTCPeerConnection,
  before: Totals,
): Promise<{ quality: Quality; totals: Totals } | null> {
  let totals: Totals | null = null;
  let jitterMs = 0;
  let roundTripMs = 0;
  (await connection.getStats()).forEach((report) => {
    if (report.type === "inbound-rtp" && report.kind === "audio") {
      totals = { received: report.packetsReceived ?? 0, lost: Math.max(0, report.packetsLost ?? 0) };
      jitterMs = (report.jitter ?? 0) * 1000;
    }
    if (report.type === "candidate-pair" && report.nominated) {
      roundTripMs = (report.currentRoundTripTime ?? 0) * 1000;
    }
  });
  if (!totals) return null;
  const { received, lost }: Totals = totals;
  const [came, missed] = [received - before.received, Math.max(0, lost - before.lost)];
  const lostPercent = came + missed > 0 ? (100 * missed) / (came + missed) : 100;
  return { quality: { lostPercent, jitterMs, roundTripMs, mos: mos(lostPercent, jitterMs, roundTripMs) }, totals };
}

// The E-model of ITU-T G.107 in its usual short form: delay takes little until 160 ms, loss much.
export function mos(lostPercent: number, jitterMs: number, roundTripMs: number): number {
  const delayMs = roundTripMs / 2 + 2 * jitterMs + 20;
  const fromDelay = 0.024 * delayMs + (delayMs > 177.3 ? 0.11 * (delayMs - 177.3) : 0);
  const r = Math.min(93.2, Math.max(0, 93.2 - fromDelay - 2.5 * lostPercent));
  return Math.round((1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6) * 100) / 100;
}
