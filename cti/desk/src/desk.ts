// The desk: shows an agent what the line tells them, and asks the line what they decide.
//
// Everything shown comes from frames of fil.cti.v1. The parts: words.js what is said of each code,
// wire.js the connection, presence.js what I can take, talk.js with a caller.

import type { Events } from "./frames.js";
import { answer, canAnswer, rememberTalk, startHandset } from "./handset.js";
import { $, busyWhile, desk, lasting, lower, notice, nowSeconds, put, show, sincePresence } from "./page.js";
import { addAlert, choose, renderPresence, renderRest, tickRest } from "./presence.js";
import { forgetTalk, hold, learn, mute, receiveOfTalk, renderPlaces, renderTalk, tickTalkLimits } from "./talk.js";
import { command, refresh, showCut, showWire, start, type Frame } from "./wire.js";
import { CAME_BACK, DANGER, ENDED, LANGUAGES, MISSING, NOT_JOINED, RETURNED, ROLES, STATES, WITHDRAWN } from "./words.js";

const LISTENING_SECONDS_GUIDE = 25 * 60; // a guide, never a limit

// What the line tells ----------------------------------------------------------------

function receive(frame: Frame, again: boolean): void {
  // A frame from before the snapshot tells what happened; the snapshot already says what is.
  if (again) return tellPast(frame);
  if (receiveOfTalk(frame)) return render();
  (EVENTS[frame.type] as ((data: Frame["data"]) => void) | undefined)?.(frame.data);
}

const EVENTS: { [T in keyof Events]?: (data: Events[T]) => void } = {
  snapshot(data) {
    const before = desk.stage;
    const callBefore = desk.call?.id;
    desk.snapshot = data;
    desk.begun = true;
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
    desk.ended = data.reason;
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
    notice(`Pendant la coupure : ${lower(withdrawnWords(frame.data.reason))}`);
  }
}

function withdrawnWords(reason: string | null): string {
  return WITHDRAWN[reason ?? ""] ?? "L'appel n'est plus proposé. Vous n'avez rien à faire.";
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
    show($("problem"), "Choisissez ce qu'était cet appel, ou « Autre ».");
    $("wrapup").querySelector("input")?.focus();
    return;
  }
  if (await command("wrapup.done", { call: desk.wrapupCall, disposition: chosen.value })) {
    leaveCall();
    render();
    notice("Merci. L'appel est rangé.");
    focusPresence();
  }
}

async function simulate(event: MouseEvent): Promise<void> {
  show($("problem"), "");
  await busyWhile(event.currentTarget as HTMLElement, async () => {
    const csrf = document.querySelector<HTMLMetaElement>("meta[name=csrf]")?.content ?? "";
    try {
      const answer = await fetch("/api/v1/demo/call", { method: "POST", headers: { "X-CSRF-Token": csrf } });
      notice(answer.ok ? "L'appel est parti. Il arrivera à la première personne disponible." : "");
      if (!answer.ok) show($("problem"), (await answer.json()).error.message);
    } catch {
      show($("problem"), "L'appel n'a pas pu partir. Vérifiez la connexion, puis réessayez.");
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
  rememberTalk();
  tick();
  flashTitle();
}

// A reason this page does not know is said like the mildest of them.
function renderSystem(): void {
  const { degraded, reasons, advice } = desk.snapshot.system;
  $("system").hidden = !degraded;
  if (!degraded) return;
  const known = Object.keys(MISSING).find((reason) => reasons.includes(reason));
  const [french, english] = MISSING[known ?? "database_away"] ?? ["", ""];
  put($("system-words"), french);
  put($("system-english"), english);
  show($("system-advice"), advice ?? "");
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
  put($("fact-tier"), ROLES[call.tier] ?? String(call.tier ?? "Écoute"));
  put($("fact-language"), LANGUAGES[call.language ?? ""] ?? call.language ?? "Non précisée");
  put($("fact-waited-label"), stage === "offered" ? "Attend depuis" : "A attendu");
  put($("fact-path"), pathWords(call.path));
  const told = Object.entries(call.told ?? {}).map(([name, value]) => `${name} : ${value}`);
  $("fact-told-box").hidden = !told.length;
  put($("fact-told"), told.join(" · "));
  $("handover-box").hidden = !call.handover;
  put($("handover-title"), desk.cameBack ? "Ce qui avait été écrit" : "Ce que la personne précédente vous transmet");
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
      return ["En ligne", talkTitle(), ""];
    case "wrapup":
      return ["Après l'appel", ENDED[desk.ended ?? ""] ?? "L'appel est terminé",
        desk.presence.wrap_up?.form === false ? "Prenez un moment pour souffler."
          : "Prenez un moment pour souffler. Un mot sur cet appel, et ce sera rangé."];
    default:
      if (presence === "READY") return ["", "Tout est calme",
        "Vous êtes disponible. Quand quelqu'un appellera, sa fiche s'affichera ici, puis votre téléphone sonnera."];
      if (presence === "NOT_READY" && ["pause", "debriefing", "support", "technical"].includes(reason ?? "")) {
        return ["", "Prenez votre temps", "Rien ne presse. Quand vous voudrez répondre de nouveau, choisissez «\u00a0Disponible\u00a0»."];
      }
      return ["", `Bonjour ${desk.snapshot.agent.name}`, "Quand vous serez prêt ou prête à répondre, choisissez «\u00a0Disponible\u00a0». Gardez votre téléphone près de vous."];
  }
}

function offeredHeadline(): [string, string, string] {
  const { call, cameBack, lostCall } = desk;
  if (call && lostCall === call.id) return ["La liaison s'est coupée", "La personne vous attend",
    "Votre téléphone sonne de nouveau : décrochez pour la retrouver."];
  if (cameBack) return ["De retour", "La personne vous revient", "Votre téléphone sonne : décrochez pour la retrouver."];
  return ["Un appel pour vous", listening() ? "Quelqu'un souhaite être écouté" : "Quelqu'un appelle la ligne",
    canAnswer() ? "Votre navigateur sonne : choisissez Répondre."
      : "Votre téléphone sonne : décrochez pour répondre."];
}

// Why this person is not new to the line.
function againWords(): string {
  const { call, cameBack } = desk;
  if (cameBack) return CAME_BACK[cameBack.reason ?? ""] ?? CAME_BACK.nobody_there ?? "";
  return call?.returned ? RETURNED : "";
}

function talkTitle(): string {
  const colleague = desk.call?.colleague;
  if (colleague && ["came", "stays"].includes(colleague.how)) return "Vous êtes trois";
  if (colleague) return `Vous parlez avec ${colleague.name}`;
  return desk.call?.held ? "La personne patiente" : "Vous êtes ensemble";
}

function listening(): boolean {
  return ["listener", "listeners"].includes(desk.call?.tier ?? "");
}

function pathWords(path: string[]): string {
  const words = path.map((step) => ROLES[step] ?? String(step));
  return words.length ? words.join(", puis ") : "Vient d'arriver";
}

function renderDispositions(): void {
  const known = [...$("dispositions").querySelectorAll("input")].map((input) => input.value);
  const wanted = desk.snapshot.dispositions;
  if (known.join("\n") === wanted.map((one) => one.id).join("\n")) return;
  $("dispositions").replaceChildren(...wanted.map((one) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "disposition", value: one.id });
    label.append(input, one.label);
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
    spoken.push(`Langue : ${$("fact-language").textContent}.`, dangerWords());
    spoken.push(againWords());
    if (!$("fact-told-box").hidden) spoken.push(`A dit : ${$("fact-told").textContent}.`);
    if (call?.handover) spoken.push(`Transmis : ${call.handover}`);
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
    document.title = flashing.on ? "☎ Un appel pour vous" : calm;
  };
  flashing.on = false;
  flash();
  flashing.timer = window.setInterval(flash, 1000);
}

function tick(): void {
  if (!desk.begun) return;
  if (desk.call) {
    const more = desk.presence.presence === "RESERVED" ? sincePresence() : 0;
    put($("fact-waited"), lasting(desk.call.waited_seconds + more));
  }
  if (desk.stage === "connected") tickTalk(sincePresence());
  if (desk.stage === "connected") tickTalkLimits();
  if (desk.stage === "wrapup") tickRest();
}

function tickTalk(seconds: number): void {
  put($("talk-time"), `Ensemble depuis ${lasting(seconds)}`);
  $("talk-bar").hidden = !listening();
  $<HTMLProgressElement>("talk-bar").value = Math.min(seconds, LISTENING_SECONDS_GUIDE);
  const guide = seconds < LISTENING_SECONDS_GUIDE
    ? "Repère : 15 à 25 minutes, jamais une limite."
    : "Le repère est passé. Prenez le temps qu'il faut.";
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
document.getElementById("simulate")?.addEventListener("click", simulate);
window.setInterval(tick, 1000);
forgetTalk();
start(receive);
startHandset(render);
