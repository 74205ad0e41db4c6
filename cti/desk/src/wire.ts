// The wire to the line: frames come and are acked once they are on the screen, commands go.
//
// The phone rings only after the ack of its offer.

import type { Events, Ops } from "./frames.js";
import { say } from "./language.js";
import { forgetLock } from "./lock.js";
import { $, desk, put, show } from "./page.js";

const COMMAND_SECONDS_MAX = 6;
const PAINT_MS_MAX = 150;

const painting = { busy: false, last: 0 };
const wire = {
  socket: null as WebSocket | null,
  epoch: null as string | null,
  seen: 0,
  tries: 0,
  timer: 0,
  beat: 0,
  waiting: new Map<string, (result: Result) => void>(),
};

export type Frame = {
  [T in keyof Events]: { type: T; seq: number; time: string; data: Events[T] };
}[keyof Events];

interface Result {
  ok: boolean;
  error?: { code: string; message: string } | null;
}

type Receiver = (frame: Frame, again: boolean) => void;
let tell: Receiver = () => {}; // what to do with a frame

export function start(receiver: Receiver): void {
  tell = receiver;
  $("retry").addEventListener("click", () => { wire.tries = 0; connect(); });
  connect();
}

function connect(): void {
  window.clearTimeout(wire.timer);
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/cti/v1`, "fil.cti.v1");
  wire.socket = socket;
  socket.onmessage = (event) => receive(JSON.parse(event.data as string));
  socket.onclose = (event) => {
    if (socket === wire.socket) lost(event.code);
  };
}

function lost(code: number): void {
  wire.socket = null;
  window.clearInterval(wire.beat);
  const message = say(
    "La connexion s'est coupée avant la réponse de la ligne. Vérifiez l'état affiché, puis réessayez.",
    "The connection broke off before the line answered. Look at what is shown, then try again.");
  for (const done of wire.waiting.values()) done({ ok: false, error: { code: "cut", message } });
  wire.waiting.clear();
  showWire(false);
  if (code === 4401) return signInAgain();
  if (code === 4009) return showCut(say(
    "Le poste est ouvert dans plusieurs fenêtres. Celle-ci s'est mise en veille.",
    "The desk is open in several windows. This one has gone to sleep."));
  const talking = desk.stage === "connected"
    ? say("Votre conversation au téléphone continue. ", "Your talk on the phone goes on. ") : "";
  showCut(say(
    `La connexion avec la ligne est coupée. ${talking}Nous réessayons…`,
    `The connection with the line is cut. ${talking}Trying again…`));
  void stillSignedIn();
  wire.tries += 1;
  const seconds = Math.min(10, 0.4 * 2 ** (wire.tries - 1));
  wire.timer = window.setTimeout(connect, seconds * (500 + Math.random() * 500));
}

async function stillSignedIn(): Promise<void> {
  try {
    const answer = await fetch("/api/v1/me", { cache: "no-store" });
    if (answer.status === 401) signInAgain();
  } catch {
    // no network: the next try will tell
  }
}

function signInAgain(): void {
  clearTimeout(wire.timer);
  forgetLock();
  location.assign("/login");
}

function ask<T extends keyof Ops>(op: T, data: Ops[T]): Promise<Result> {
  return new Promise<Result>((done) => {
    if (!wire.socket || wire.socket.readyState !== WebSocket.OPEN) {
      done({ ok: false, error: { code: "cut", message: say(
        "La connexion avec la ligne est coupée. Attendez qu'elle revienne, puis réessayez.",
        "The connection with the line is cut. Wait until it is back, then try again.") } });
      return;
    }
    const id = crypto.randomUUID ? crypto.randomUUID() : String(Math.random());
    const timer = setTimeout(dead, COMMAND_SECONDS_MAX * 1000);
    wire.waiting.set(id, (result) => { clearTimeout(timer); done(result); });
    wire.socket.send(JSON.stringify({ op, id, data }));
  });
}

// No answer in time: the wire is dead, though the browser may not know it for minutes.
function dead(): void {
  const socket = wire.socket;
  if (!socket) return;
  lost(1006);
  socket.close();
}

// Asks, and says in words what went wrong; true when it went well.
export async function command<T extends keyof Ops>(op: T, data: Ops[T]): Promise<boolean> {
  show($("problem"), "");
  const result = await ask(op, data);
  if (!result.ok) show($("problem"), result.error?.message ?? "");
  return result.ok;
}

function receive(frame: Frame | (Result & { op: "result"; id: string })): void {
  if ("op" in frame) {
    wire.waiting.get(frame.id)?.(frame);
    wire.waiting.delete(frame.id);
    return;
  }
  if (frame.type === "hello") return greeted(frame.data);
  desk.clockAheadMs = Date.now() - Date.parse(frame.time);
  const again = frame.type !== "snapshot" && frame.seq <= wire.seen;
  wire.seen = Math.max(wire.seen, frame.seq);
  tell(frame, again);
  ackOncePainted(frame.seq);
}

// One ack tells that all before it was displayed too, so a burst of frames needs few.
function ackOncePainted(seq: number): void {
  painting.last = seq;
  if (painting.busy) return;
  painting.busy = true;
  afterPaint(() => {
    painting.busy = false;
    if (desk.stage === "offered") performance.mark("fil-pop-painted"); // before it is heard
    void ask("ack", { seq });
    if (painting.last !== seq) ackOncePainted(painting.last);
  });
}

function greeted(hello: Events["hello"]): void {
  const missed = hello.epoch === wire.epoch && wire.seen < hello.last_seq ? wire.seen : null;
  wire.epoch = hello.epoch;
  wire.seen = 0;
  wire.tries = 0;
  if (missed !== null) void ask("resume", { epoch: hello.epoch, since: missed });
  window.clearInterval(wire.beat);
  // Proves that the wire still carries, and keeps the list of colleagues fresh.
  wire.beat = window.setInterval(refresh, hello.heartbeat_seconds * 1000);
}

// The machine slept: find out at once whether the wire still carries.
export function hurry(): void {
  if (wire.socket) return refresh();
  wire.tries = 0;
  connect();
}

export function refresh(): void {
  void ask("resume", { epoch: "refresh", since: 0 }); // an epoch the line does not know: a snapshot
}

// Browsers slow the timers of hidden tabs down to seconds; a message channel is not slowed.
function afterPaint(act: () => void): void {
  let done = false;
  const once = () => { if (!done) { done = true; act(); } };
  if (document.hidden) {
    const channel = new MessageChannel();
    channel.port1.onmessage = once;
    channel.port2.postMessage(null);
    return;
  }
  requestAnimationFrame(() => requestAnimationFrame(once));
  setTimeout(once, PAINT_MS_MAX);
}

export function showWire(on: boolean): void {
  $("wire").dataset.on = on ? "yes" : "no";
  put($("wire-words"), on ? say("Relié à la ligne", "Connected to the line") : say("Connexion coupée", "Connection cut"));
}

export function showCut(text: string): void {
  put($("cut-words"), text);
  $("cut").hidden = !text;
}
