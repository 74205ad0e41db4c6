// The desk: shows an agent what the line tells them, and asks the line what they decide.
//
// Everything shown comes from frames of fil.cti.v1. The parts: words.js what is said of each code,
// wire.js the connection, presence.js what I can take, talk.js with a caller.

import type { Events } from "./frames.js";
import { renderCards, startCards } from "./cards.js";
import { receiveOfWaiting, renderWaiting, waitingIs } from "./waiting.js";
import { helpIs, receiveOfHelp, renderHelp } from "./help.js";
import { startMine } from "./mine.js";
import { renderNote } from "./note.js";
import { answer, canAnswer, rememberTalk, startHandset } from "./handset.js";
import { say } from "./language.js";
import { isLocked, lock, renderLock, startLock } from "./lock.js";
import { notifyOf } from "./notify.js";
import { $, busyWhile, desk, lasting, lower, notice, nowSeconds, put, show, sincePresence } from "./page.js";
import { addAlert, choose, renderPresence, renderRest, tickRest } from "./presence.js";
import { forgetTalk, hold, learn, mute, receiveOfTalk, renderPlaces, renderTalk, tickTalkLimits } from "./talk.js";
import { command, refresh, showCut, showWire, start, type Frame } from "./wire.js";
import {
  CAME_BACK, DANGER, DISPOSITIONS, ENDED, LANGUAGES, MISSING, NOT_JOINED, NOT_TAKEN, NO_LONGER_OFFERED, RETURNED, ROLES, STATES, WITHDRAWN,
} from "./words.js";

const LISTENING_SECONDS_GUIDE = 25 * 60; // a guide, never a limit

// What the line tells ----------------------------------------------------------------

function receive(frame: Frame, again: boolean): void {
  // A frame from before the snapshot tells what happened; the snapshot already says what is.
  if (again) return tellPast(frame);
  if (receiveOfTalk(frame)) return render();
  if (receiveOfHelp(frame.type, frame.data) || receiveOfWaiting(frame.type, frame.data)) return;
  (EVENTS[frame.type] as ((data: Frame["data"]) => void) | undefined)?.(frame.data);
}

const EVENTS: { [T in keyof Events]?: (data: Events[T]) => void } = {
  snapshot(data) {
    const before = desk.stage;
    const callBefore = desk.call?.id;
    desk.snapshot = data;
    desk.begun = true;
    helpIs(data);
    waitingIs(data);
    // Only now do the keys and the buttons do anything.
    showWire(true);
    showCut("");
    presenceIs(data.presence);
    desk.duty = data.duty;
    desk.asked = data.asked;
    for (const alert of data.alerts ?? []) addAlert(alert);
    if (data.call?.id !== callBefore) forgetTalk();
    if (data.call) learn(data.call);
    else desk.call = null;
    desk.suggestions = data.suggestions ?? [];
    desk.wrapupCall = data.wrapup_call ?? null;
    desk.stage = data.call_state ?? (desk.wrapupCall ? "wrapup" : "none");
    render();
    if (desk.stage !== before || desk.call?.id !== callBefore) arrive();
  },
  "presence.changed"(data) {
    presenceIs(data);
    if (data.presence !== "READY") desk.asked = false;
    if (data.presence !== "WRAP_UP" && desk.stage === "wrapup") leaveCall();
    if (data.presence === "WRAP_UP" && desk.stage === "none") {
      if (desk.wrapupCall) desk.stage = "wrapup";
      else refresh(); // of a talk lost before: the snapshot knows which
    }
    render();
  },
  "presence.asked"() {
    desk.asked = true;
    notice("");
    render();
  },
  "duty.changed"(data) {
    desk.duty = data;
    render();
  },
  "team.alert": addAlert,
  "system.changed"(data) {
    desk.snapshot.system = data;
    renderSystem();
  },
  "call.came_back"(data) {
    desk.cameBack = data;
  },
  "call.offered"(data) {
    if (desk.offer === data.offer && desk.stage === "offered") return;
    forgetTalk();
    desk.call = null; // of the same call, an older sheet
    learn(data.call);
    Object.assign(desk, { offer: data.offer, stage: "offered" });
    if (desk.cameBack?.call.id !== data.call.id) desk.cameBack = null;
    notice("");
    show($("problem"), "");
    render();
    arrive();
  },
  "call.updated"(data) {
    if (desk.call?.id !== data.call.id) return;
    learn(data.call);
    render();
  },
  "call.withdrawn"(data) {
    if (desk.call?.id !== data.call.id || desk.stage !== "offered") return;
    leaveCall();
    notice(withdrawnWords(data.reason));
    render();
    focusPresence();
  },
  "call.connected"(data) {
    if (desk.call && desk.call.id !== data.call.id) return;
    learn(data.call);
    Object.assign(desk, { stage: "connected", lostCall: null, cameBack: null });
    render();
    arrive();
    refresh();
  },
  "call.not_taken"(data) {
    notice(NOT_TAKEN[data.reason ?? ""] ?? NOT_TAKEN.left_line ?? "");
  },
  "call.not_joined"(data) {
    if (desk.call?.id !== data.call.id) return;
    notice(NOT_JOINED[data.reason ?? ""] ?? NOT_JOINED.nobody_there ?? "");
  },
  "call.ended"(data) {
    if (desk.call?.id !== data.call.id) return;
    notice("");
    if (data.reason === "lost") {
      leaveCall();
      desk.lostCall = data.call.id;
      return render();
    }
    leaveCall();
    desk.wrapupCall = data.call.id;
    desk.ended = data.reason ?? null;
    desk.stage = ["TALKING", "WRAP_UP"].includes(desk.presence?.presence) ? "wrapup" : "none";
    render();
    arrive();
  },
};

function presenceIs(presence: Events["presence.changed"]): void {
  Object.assign(desk, { presence, presenceAt: nowSeconds() });
}

function tellPast(frame: Frame): void {
  if (frame.type === "team.alert") addAlert(frame.data);
  if (frame.type === "call.came_back" && desk.call?.id === frame.data.call.id && desk.stage === "offered") {
    desk.cameBack = frame.data;
    render();
  }
  if (frame.type === "call.withdrawn" && desk.stage === "none") {
    notice(`${say("Pendant la coupure :", "While you were cut off:")} ${lower(withdrawnWords(frame.data.reason))}`);
  }
}

function withdrawnWords(reason: string | null): string {
  return WITHDRAWN[reason ?? ""] ?? NO_LONGER_OFFERED;
}

function leaveCall(): void {
  Object.assign(desk, { call: null, offer: null, wrapupCall: null, stage: "none" });
  $<HTMLFormElement>("wrapup").reset();
  forgetTalk();
}

// What the agent decides -------------------------------------------------------------

async function wrapUp(event: SubmitEvent): Promise<void> {
  event.preventDefault();
  const chosen = $("wrapup").querySelector<HTMLInputElement>("input:checked");
  if (!chosen || !desk.wrapupCall) {
    show($("problem"), say("Choisissez ce qu'était cet appel, ou « Autre ».", "Choose what this call was, or “Other”."));
    $("wrapup").querySelector("input")?.focus();
    return;
  }
  if (await command("wrapup.done", { call: desk.wrapupCall, disposition: chosen.value })) {
    leaveCall();
    render();
    notice(say("Merci. L'appel est rangé.", "Thank you. The call is filed."));
    focusPresence();
  }
}

// Another language is another page: not in the middle of a call.
function staySoInACall(event: SubmitEvent): void {
  if (desk.stage !== "offered" && desk.stage !== "connected") return;
  event.preventDefault();
  notice(say(
    "Un appel est en cours : la langue de la page se change quand il est fini.",
    "A call is going on: the language of the page is changed once it is over."));
}

async function simulate(event: MouseEvent): Promise<void> {
  show($("problem"), "");
  await busyWhile(event.currentTarget as HTMLElement, async () => {
    const csrf = document.querySelector<HTMLMetaElement>("meta[name=csrf]")?.content ?? "";
    try {
      const answer = await fetch("/api/v1/demo/call", { method: "POST", headers: { "X-CSRF-Token": csrf } });
      notice(answer.ok ? say(
        "L'appel est parti. Il arrivera à la première personne disponible.",
        "The call is on its way. It comes to the first person who is available.") : "");
      if (!answer.ok) show($("problem"), (await answer.json()).error.message);
    } catch {
      show($("problem"), say(
        "L'appel n'a pas pu partir. Vérifiez la connexion, puis réessayez.",
        "The call could not be made. Check the connection, then try again."));
    }
  });
}

// What is seen -----------------------------------------------------------------------

function render(): void {
  if (!desk.begun) return;
  renderSystem();
  renderPresence();
  renderTeam();
  renderPlaces();
  renderCall();
  renderTalk();
  renderRest();
  renderDispositions();
  renderNote();
  renderCards();
  renderHelp();
  renderWaiting();
  rememberTalk();
  renderLock(canAnswer());
  notifyOf(desk.stage === "offered" ? desk.offer : null);
  tick();
  flashTitle();
}

// A reason this page does not know is said like the mildest of them.
function renderSystem(): void {
  const { degraded, reasons, advice } = desk.snapshot.system;
  $("system").hidden = !degraded;
  if (!degraded) return;
  const known = Object.keys(MISSING).find((reason) => reasons.includes(reason));
  put($("system-words"), MISSING[known ?? "database_away"] ?? "");
  show($("system-advice"), advice ?? "");
  // What the machine says to whoever looks after it: of flows in French, of the rest in English.
  $("system-advice").lang = known === "flow_refused" ? "fr" : "en";
}

function renderTeam(): void {
  const people = desk.snapshot.colleagues;
  const items = people.map((person) => {
    const item = document.createElement("li");
    item.dataset.presence = person.presence;
    const dot = document.createElement("i");
    dot.setAttribute("aria-hidden", "true");
    const name = document.createElement("span");
    name.textContent = person.name;
    const state = document.createElement("span");
    state.className = "soft";
    state.textContent = STATES[person.presence]?.[2] ?? person.presence;
    item.append(dot, name, state);
    return item;
  });
  $("team").replaceChildren(...items);
  $("alone").hidden = people.length > 0;
}

function renderCall(): void {
  const { stage, call } = desk;
  $("call").dataset.state = stage;
  const [eyebrow, title, lead] = headline();
  show($("call-eyebrow"), eyebrow);
  put($("call-title"), title);
  show($("call-lead"), lead);
  $("sheet").hidden = !call;
  $("offer-actions").hidden = stage !== "offered";
  $("time").hidden = stage !== "connected";
  $("rest").hidden = stage !== "wrapup";
  show($("call-returned"), stage === "offered" ? againWords() : "");
  show($("call-danger"), dangerWords());
  $("call-danger").dataset.level = String(call?.danger_level ?? 0);
  if (!call) return;
  $("accept").hidden = !canAnswer();
  put($("fact-tier"), ROLES[call.tier] ?? String(call.tier ?? ROLES.listener));
  put($("fact-language"), LANGUAGES[call.language ?? ""] ?? call.language ?? say("Non précisée", "Not told"));
  put($("fact-waited-label"), stage === "offered" ? say("Attend depuis", "Waiting for") : say("A attendu", "Waited"));
  put($("fact-path"), pathWords(call.path));
  const told = Object.entries(call.told ?? {}).map(([name, value]) => `${name}${say(" : ", ": ")}${value}`);
  $("fact-told-box").hidden = !told.length;
  put($("fact-told"), told.join(" · "));
  $("handover-box").hidden = !call.handover;
  put($("handover-title"), desk.cameBack ? say("Ce qui avait été écrit", "What had been written")
    : say("Ce que la personne précédente vous transmet", "What the person before you hands on"));
  put($("handover"), call.handover ?? "");
}

function dangerWords(): string {
  const { call } = desk;
  if (!call) return "";
  return DANGER[call.danger ? 3 : call.danger_level ?? 0] ?? DANGER[3];
}

function headline(): [string, string, string] {
  const { presence, reason } = desk.presence;
  switch (desk.stage) {
    case "offered":
      return offeredHeadline();
    case "connected":
      return [say("En ligne", "On the line"), talkTitle(), ""];
    case "wrapup":
      return [say("Après l'appel", "After the call"), ENDED[desk.ended ?? ""] ?? ENDED.ended ?? "",
        desk.presence.wrap_up?.form === false ? say("Prenez un moment pour souffler.", "Take a moment to breathe.")
          : say("Prenez un moment pour souffler. Un mot sur cet appel, et ce sera rangé.",
            "Take a moment to breathe. One word about this call, and it is filed.")];
    default:
      if (presence === "READY") return ["", say("Tout est calme", "All is quiet"), say(
        "Vous êtes disponible. Quand quelqu'un appellera, sa fiche s'affichera ici, puis votre téléphone sonnera.",
        "You are available. When somebody calls, their sheet appears here, then your phone rings.")];
      if (presence === "NOT_READY" && ["pause", "debriefing", "support", "technical"].includes(reason ?? "")) {
        return ["", say("Prenez votre temps", "Take your time"), say(
          "Rien ne presse. Quand vous voudrez répondre de nouveau, choisissez «\u00a0Disponible\u00a0».",
          "There is no hurry. When you would like to answer again, choose “Available”.")];
      }
      return ["", `${say("Bonjour", "Hello")} ${desk.snapshot.agent.name}`, say(
        "Quand vous serez prêt ou prête à répondre, choisissez «\u00a0Disponible\u00a0». Gardez votre casque ou votre téléphone à portée de main.",
        "When you are ready to answer, choose “Available”. Keep your headset or your phone at hand.")];
  }
}

function offeredHeadline(): [string, string, string] {
  const { call, cameBack, lostCall } = desk;
  if (call && lostCall === call.id) return say(
    ["La liaison s'est coupée", "La personne vous attend", "Votre téléphone sonne de nouveau : décrochez pour la retrouver."],
    ["The connection broke off", "The caller waits for you", "Your phone is ringing again: pick it up to be with them."]);
  if (cameBack) return say(
    ["De retour", "La personne vous revient", "Votre téléphone sonne : décrochez pour la retrouver."],
    ["Back again", "The caller comes back to you", "Your phone is ringing: pick it up to be with them."]);
  return [say("Un appel pour vous", "A call for you"),
    listening() ? say("Quelqu'un souhaite être écouté", "Somebody would like to be listened to")
      : say("Quelqu'un appelle la ligne", "Somebody is calling the line"),
    canAnswer() ? say("Votre navigateur sonne : choisissez Répondre, ou la touche F3.", "Your browser is ringing: choose Answer, or press F3.")
      : say("Votre téléphone sonne : décrochez pour répondre.", "Your phone is ringing: pick it up to answer.")];
}

// Why this person is not new to the line.
function againWords(): string {
  const { call, cameBack } = desk;
  if (cameBack) return CAME_BACK[cameBack.reason ?? ""] ?? CAME_BACK.nobody_there ?? "";
  return call?.returned ? RETURNED : "";
}

function talkTitle(): string {
  const colleague = desk.call?.colleague;
  if (colleague && ["came", "stays"].includes(colleague.how)) return say("Vous êtes trois", "You are three");
  if (colleague) return `${say("Vous parlez avec", "You are talking with")} ${colleague.name}`;
  return desk.call?.held ? say("La personne patiente", "The caller is waiting") : say("Vous êtes ensemble", "You are together");
}

function listening(): boolean {
  return ["listener", "listeners"].includes(desk.call?.tier ?? "");
}

function pathWords(path: string[]): string {
  const words = path.map((step) => ROLES[step] ?? String(step));
  return words.length ? words.join(say(", puis ", ", then ")) : say("Vient d'arriver", "Has just come");
}

function renderDispositions(): void {
  const known = [...$("dispositions").querySelectorAll("input")].map((input) => input.value);
  const wanted = desk.snapshot.dispositions;
  if (known.join("\n") === wanted.map((one) => one.id).join("\n")) return;
  $("dispositions").replaceChildren(...wanted.map((one) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "disposition", value: one.id });
    label.append(input, DISPOSITIONS[one.id] ?? one.label);
    return label;
  }));
}

// A call has come, or changed its nature: bring eyes, ears and keyboard to it.
function arrive(): void {
  if (desk.stage === "none") return focusPresence();
  const title = $("call-title");
  title.focus();
  const { call } = desk;
  const spoken = [title.textContent, $("call-lead").textContent];
  if (desk.stage === "offered") {
    spoken.push(`${say("Langue :", "Language:")} ${$("fact-language").textContent}.`, dangerWords());
    spoken.push(againWords());
    if (!$("fact-told-box").hidden) spoken.push(`${say("A dit :", "Told:")} ${$("fact-told").textContent}.`);
    if (call?.handover) spoken.push(`${say("Transmis :", "Handed on:")} ${call.handover}`);
  }
  put($("announce"), spoken.filter(Boolean).join(" "));
}

function focusPresence(): void {
  if ($("call").contains(document.activeElement) || document.activeElement === document.body) {
    $("presence-state").focus();
  }
}

const flashing = { timer: 0, on: false };

function flashTitle(): void {
  window.clearInterval(flashing.timer);
  const calm = `${STATES[desk.presence.presence]?.[0] ?? ""} · Bout du fil`;
  document.title = calm;
  if (desk.stage !== "offered") return;
  const flash = (): void => {
    flashing.on = !flashing.on;
    document.title = flashing.on ? say("☎ Un appel pour vous", "☎ A call for you") : calm;
  };
  flashing.on = false;
  flash();
  flashing.timer = window.setInterval(flash, 1000);
}

function tick(): void {
  if (!desk.begun) return;
  renderWaiting();
  if (desk.call) {
    const more = desk.presence.presence === "RESERVED" ? sincePresence() : 0;
    put($("fact-waited"), lasting(desk.call.waited_seconds + more));
  }
  if (desk.stage === "connected") tickTalk(sincePresence());
  if (desk.stage === "connected") tickTalkLimits();
  if (desk.stage === "wrapup") tickRest();
}

function tickTalk(seconds: number): void {
  put($("talk-time"), `${say("Ensemble depuis", "Together for")} ${lasting(seconds)}`);
  $("talk-bar").hidden = !listening();
  $<HTMLProgressElement>("talk-bar").value = Math.min(seconds, LISTENING_SECONDS_GUIDE);
  const guide = seconds < LISTENING_SECONDS_GUIDE
    ? say("Repère : 15 à 25 minutes, jamais une limite.", "A guide: 15 to 25 minutes, never a limit.")
    : say("Le repère est passé. Prenez le temps qu'il faut.", "The guide is passed. Take the time it needs.");
  put($("talk-guide"), listening() ? guide : "");
}

// The keyboard and the buttons -------------------------------------------------------

const KEYS: Record<string, () => unknown> = {
  F3: () => desk.stage === "offered" && canAnswer() && answer(),
  F2: () => choose("READY"),
  F4: () => choose("NOT_READY", "pause"),
  F6: hold,
  F7: mute,
  F8: () => $("call-title").focus(),
  F9: () => $("presence-state").focus(),
};

document.addEventListener("keydown", (event) => {
  if (event.key === "F8" && event.shiftKey && !event.repeat) {
    event.preventDefault();
    return lock();
  }
  if (isLocked() && event.key !== "F3") return;
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.repeat) return;
  const act = KEYS[event.key];
  if (!act || !desk.begun) return;
  event.preventDefault();
  act();
});
$("accept").addEventListener("click", answer);
$("decline").addEventListener("click", (event) => busyWhile(event.currentTarget as HTMLElement,
  async () => desk.call && command("call.decline", { call: desk.call.id })));
$("wrapup").addEventListener("submit", wrapUp);
$("language").addEventListener("submit", staySoInACall);
document.getElementById("simulate")?.addEventListener("click", simulate);
window.setInterval(tick, 1000);
forgetTalk();
startLock(answer);
start(receive);
startHandset(render);
startMine();
void startCards();
