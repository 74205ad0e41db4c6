// With a caller: hold, mute, who else is there, what is heard, where they go next, closing.

import type { CallRef, CallView, OtherAgent, Sound, Suggestion } from "./frames.js";
import { say } from "./language.js";
import { $, busyWhile, byName, counting, desk, make, notice, nowSeconds, put, show, type Sheet } from "./page.js";
import { command, type Frame } from "./wire.js";
import { BACK, GONE, HEARD_AGAIN, LEAVING, LINES, SILENT_GUIDE, SOUND, STATES, WITH } from "./words.js";

type Way = "cold" | "together" | "consult";
type Closing = "end" | "abusive" | "silent";

const WAYS: Record<Way, [string, string]> = {
  cold: say(
    ["Transmettre", "La personne attend en musique qu'on lui réponde. Vous êtes libre tout de suite ; sans réponse, elle vous revient."],
    ["Hand on", "The caller waits under music for an answer. You are free at once; without an answer they come back to you."]),
  together: say(
    ["Appeler", "Vous restez en ligne avec la personne jusqu'à l'arrivée de quelqu'un."],
    ["Call", "You stay on the line with the caller until somebody is there."]),
  consult: say(
    ["Appeler", "Vous parlez d'abord seul à seul, pendant que la personne entend la musique."],
    ["Call", "You speak alone with them first, while the caller hears the music."]),
};
const GENTLY = say("Fermer avec douceur", "Close gently");
const CLOSINGS: Record<Closing, [string, string, (call: string) => Promise<boolean>]> = {
  end: [say(
    "Terminer maintenant ? La personne entendra un mot d'au revoir, puis la ligne se fermera.",
    "End now? The caller hears a word of goodbye, then the line closes."),
    say("Oui, terminer", "Yes, end"), (call) => command("call.end", { call })],
  abusive: [say(
    "Fermer avec douceur cet appel abusif ? Vous serez libre tout de suite, sans rien à remplir. La personne entendra une phrase qui ne reproche rien.",
    "Close this abusive call gently? You are free at once, with nothing to fill in. The caller hears a sentence that reproaches nothing."),
    GENTLY, (call) => command("call.close", { call, why: "abusive" })],
  silent: [say(
    "Fermer cet appel silencieux ? La personne entendra qu'elle peut rappeler ; n'importe quelle touche lui ramènera quelqu'un.",
    "Close this silent call? The caller hears that they can call again; any key brings somebody back to them."),
    GENTLY, (call) => command("call.close", { call, why: "silent" })],
};
const LEAVING_FIRST = say(
  "Vous retirer ? La personne attendra en musique que l'on réponde, puis vous reviendra si personne ne vient.",
  "Leave? The caller waits under music for an answer, and comes back to you if nobody does.");
// Of a sheet, what the line may leave out: what is not so.
const NOT_SO = { path: [], danger_level: 0, returned: false, held: false, muted: false, inviting: false,
  colleague: null, told: {}, keys: [], sound: null };
const local = { closing: null as Closing | null, guide: false, guideAsked: false };

// A new call, or none: nothing that was begun for the one before stays.
export function forgetTalk(): void {
  Object.assign(local, { closing: null, guide: false, guideAsked: false });
  desk.until = {};
  desk.suggestions = [];
  $<HTMLFormElement>("orient").reset();
  sayWay();
}

// What the line tells -------------------------------------------------------------------

// True when the frame is about my talk and something of it is to be shown.
export function receiveOfTalk({ type, data }: Frame): boolean {
  const { call } = desk;
  if (!call || !("call" in data) || data.call?.id !== call.id) return false;
  switch (type) {
    case "call.held":
      call.held = data.on;
      desk.until.held = data.on && data.seconds_max ? nowSeconds() + data.seconds_max : null;
      if (!data.on) noticeOf(BACK, data.reason);
      return true;
    case "call.muted":
      call.muted = data.on;
      desk.until.muted = data.on && data.seconds_max ? nowSeconds() + data.seconds_max : null;
      if (!data.on) noticeOf(HEARD_AGAIN, data.reason);
      return true;
    case "call.sound":
      heard(call, data.problem ? data : null);
      return true;
    case "call.suggestions":
      desk.suggestions = data.suggestions;
      return true;
    default:
      return false;
  }
}

function noticeOf(words: Record<string, string>, reason: string | null | undefined): void {
  const said = words[reason ?? ""];
  if (said) notice(said);
}

// Replaces what is known of the call by what a frame says of it, and tells what that means.
export function learn(view: CallRef & Partial<CallView>): void {
  const before = desk.call?.id === view.id ? desk.call : null;
  // The line gives the whole sheet first, then what has changed of it.
  const call = { ...NOT_SO, ...before, ...view } as Sheet;
  desk.call = call;
  const colleagueBefore = before?.colleague;
  if (colleagueBefore && view.colleague === null) notice(GONE[colleagueBefore.how]?.(colleagueBefore.name) ?? "");
  if (view.sound !== undefined) heard(call, view.sound);
  for (const what of ["held", "muted"] as const) {
    const until = view[`${what}_until`];
    if (until !== undefined) desk.until[what] = until === null ? null : nowSeconds() + secondsUntil(until);
  }
}

// By the line's clock, which this machine's may be far from.
function secondsUntil(iso: string): number {
  return (Date.parse(iso) + desk.clockAheadMs - Date.now()) / 1000;
}

function heard(call: Sheet, sound: Sound | null): void {
  call.sound = sound;
  if (sound?.problem === "caller_silent") {
    if (!local.guideAsked) local.guide = true;
    local.guideAsked = true;
  } else if (!sound && local.guideAsked && !call.keys.length) {
    local.guide = false;
  }
}

// What is seen --------------------------------------------------------------------------

export function renderTalk(): void {
  const { call } = desk;
  const talking = desk.stage === "connected" && call !== null;
  $("bands").hidden = !talking;
  $("talk").hidden = !talking;
  if (!talking) $("guide").hidden = true;
  if (!talking) return;
  const other = call.colleague;
  const aside = other !== null && ["consulting", "consulted_by"].includes(other.how);
  $("talk").hidden = other?.how === "consulting"; // what can be done is said with the colleague
  renderCompany(call, other);
  oneOf($("hold"), $("held"), call.held && !aside, other !== null);
  oneOf($("mute"), $("muted"), call.muted, aside || call.held);
  renderSound(call);
  renderKeys(call.keys);
  const mine = !other || other.how === "stays"; // the caller is for me to hand on
  $("guide-open").hidden = $("abusive").hidden = !mine;
  put($("end"), other || call.inviting ? say("Me retirer", "Leave") : say("Terminer", "End"));
  $("guide-open").setAttribute("aria-expanded", String(local.guide));
  $("guide").hidden = !local.guide || !mine || local.closing !== null;
  $("confirm").hidden = local.closing === null;
  $("orient").hidden = !mine || call.inviting || local.closing !== null;
  for (const way of ["together", "consult"]) {
    const choice = document.querySelector<HTMLInputElement>(`[name=way][value=${way}]`);
    if (choice) choice.disabled = other !== null;
  }
  renderSuggestions();
  tickTalkLimits();
}

// The button that does it, or the band that says it is done and undoes it; the keyboard follows.
function oneOf(button: HTMLElement, band: HTMLElement, done: boolean, impossible: boolean): void {
  const undo = band.querySelector("button");
  const wasHere = document.activeElement === button || document.activeElement === undo;
  band.hidden = !done;
  button.hidden = done || impossible;
  if (wasHere) (done ? undo : button.hidden ? $("call-title") : button)?.focus();
}

function renderCompany(call: Sheet, other: OtherAgent | null): void {
  $("with").hidden = !other && !call.inviting;
  put($("with-words"), other ? WITH[other.how]?.(other.name) ?? say(`${other.name} est là aussi.`, `${other.name} is there too.`)
    : say("On appelle quelqu'un. Restez en ligne : la personne est toujours avec vous.",
      "Somebody is being called. Stay on the line: the caller is still with you."));
  $("with-all").hidden = $("with-leave").hidden = other?.how !== "consulting";
  put($("with-leave"), other ? say(`Confier la personne à ${other.name}`, `Leave the caller with ${other.name}`) : "");
  $("with-back").hidden = other ? !["consulting", "came"].includes(other.how) : false;
  put($("with-back"), other ? say("Reprendre la personne", "Take the caller back") : say("Ne plus appeler", "Stop calling"));
}

function renderSound({ sound, language }: Sheet): void {
  $("sound").hidden = !sound;
  $("sound").classList.toggle("calm", sound?.problem === "caller_silent");
  const title = SOUND[sound?.problem ?? ""] ?? say("Le son ne passe pas", "The sound does not get through");
  put($("sound-title"), `${title}.`);
  put($("sound-advice"), without(title, say(sound?.advice, sound?.advice_en ?? sound?.advice) ?? ""));
  $("sound-guide").hidden = sound?.problem !== "caller_silent" || local.guide;
  const guide = sound?.say?.length ? sound.say : SILENT_GUIDE[language ?? ""] ?? SILENT_GUIDE.fr;
  const key = guide.join("\n");
  if ($("guide-words").dataset.key === key) return;
  $("guide-words").replaceChildren(...guide.map((sentence) => make("li", sentence)));
  $("guide-words").dataset.key = key;
  $("guide-words").lang = language && language in SILENT_GUIDE ? language : "fr";
}

// The advice alone: it may begin with what the title says already.
function without(title: string, advice: string): string {
  const said = `${title}${say(" : ", ": ")}`;
  if (!advice.startsWith(said)) return advice;
  const rest = advice.slice(said.length);
  return rest.charAt(0).toUpperCase() + rest.slice(1);
}

function renderKeys(keys: string[]): void {
  $("tapped").hidden = !keys.length;
  if ($("tapped-keys").dataset.key === keys.join(" ")) return;
  $("tapped-keys").replaceChildren(...keys.map((key) => make("kbd", key)));
  $("tapped-keys").dataset.key = keys.join(" ");
}

function renderSuggestions(): void {
  $("suggested").hidden = !desk.suggestions.length;
  const key = JSON.stringify(desk.suggestions);
  if ($("suggestions").dataset.key !== key) {
    const here = document.activeElement;
    const focused = here instanceof HTMLElement ? here.dataset.to : undefined;
    $("suggestions").replaceChildren(...desk.suggestions.map(suggestion));
    $("suggestions").dataset.key = key;
    if (focused) $("suggestions").querySelector<HTMLElement>(`[data-to="${CSS.escape(focused)}"]`)?.focus();
  }
  for (const button of $("suggestions").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.to === $<HTMLSelectElement>("to").value));
  }
}

function suggestion({ to, label, reasons }: Suggestion): HTMLElement {
  const button = make("button", "");
  button.type = "button";
  const value = to.agent ? `agent:${to.agent}` : `line:${to.line}`;
  button.dataset.to = value;
  button.append(make("b", LINES[to.line ?? ""] ?? label),
    make("span", reasons.map((why) => say(why.fr, why.en)).join(" · "), "soft"));
  button.addEventListener("click", () => {
    $<HTMLSelectElement>("to").value = value;
    renderSuggestions();
    $("words").focus();
  });
  return button;
}

export function renderPlaces(): void {
  const people = [...desk.snapshot.colleagues].sort(
    (a, b) => Number(b.presence === "READY") - Number(a.presence === "READY") || byName(a, b));
  choices($<HTMLSelectElement>("to"), [
    [say("Une équipe", "A team"), desk.snapshot.lines.map(({ id, label }) => [`line:${id}`, LINES[id] ?? label])],
    [say("Une personne", "A person"), people.map((who) =>
      [`agent:${who.id}`, `${who.name} (${STATES[who.presence]?.[2] ?? who.presence})`])],
  ]);
}

// Fills a list in groups; what was chosen stays chosen, and an open list is left in peace.
function choices(select: HTMLSelectElement, groups: [string, [string, string][]][]): void {
  const key = JSON.stringify(groups);
  if (select.dataset.key === key) return;
  const chosen = select.value;
  const boxes = groups.filter(([, items]) => items.length).map(([label, items]) => {
    const box = document.createElement("optgroup");
    box.label = label;
    box.append(...items.map(([value, words]) => new Option(words, value)));
    return box;
  });
  select.replaceChildren(new Option(say("Choisir…", "Choose…"), ""), ...boxes);
  select.value = chosen;
  if (select.selectedIndex < 0) select.value = "";
  select.dataset.key = key;
}

export function tickTalkLimits(): void {
  const { held, muted } = desk.until;
  put($("held-left"), held ? say(
    `Un mot toutes les 45 secondes. Retour de lui-même dans ${counting(held - nowSeconds())}.`,
    `A word every 45 seconds. Back by themselves in ${counting(held - nowSeconds())}.`) : "");
  put($("muted-left"), muted ? say(
    `Il se rouvre de lui-même dans ${counting(muted - nowSeconds())}.`,
    `It opens again by itself in ${counting(muted - nowSeconds())}.`) : "");
}

function way(): Way {
  return (document.querySelector<HTMLInputElement>("[name=way]:checked")?.value ?? "cold") as Way;
}

function sayWay(): void {
  const [send, words] = WAYS[way()];
  put($("send"), send);
  put($("way-words"), words);
}

// What the agent decides ------------------------------------------------------------------

export async function hold(): Promise<void> {
  const { call } = desk;
  if (desk.stage !== "connected" || !call) return;
  if (call.held) await takeBack();
  else await command("call.hold", { call: call.id, on: true });
}

export async function mute(): Promise<void> {
  const { call } = desk;
  if (desk.stage === "connected" && call) await command("call.mute", { call: call.id, on: !call.muted });
}

// Said of a hold, `on: false`: during a ring, taking back would call that off instead.
async function takeBack(): Promise<void> {
  if (!desk.call) return;
  const { id: call, colleague } = desk.call;
  if (colleague) await command("call.take_back", { call });
  else await command("call.hold", { call, on: false });
}

async function callOffOrTakeBack(): Promise<void> {
  if (desk.call) await command("call.take_back", { call: desk.call.id });
}

async function orient(event: SubmitEvent): Promise<void> {
  event.preventDefault();
  const { call } = desk;
  const [kind, ...id] = $<HTMLSelectElement>("to").value.split(":");
  if (!kind || !call) {
    show($("problem"), say("Choisissez d'abord vers qui transmettre l'appel.", "First choose to whom the call is handed on."));
    $("to").focus();
    return;
  }
  const chosen = way();
  const level = $<HTMLSelectElement>("danger").value;
  const danger = level === "" ? null : Number(level);
  notice("");
  await busyWhile(event.submitter, async () => {
    const well = await command("call.orient", { call: call.id, to: { [kind]: id.join(":") },
      handover: $<HTMLTextAreaElement>("words").value.trim() || null, together: chosen === "together",
      consult: chosen === "consult", danger });
    if (well && chosen === "cold") notice(say(
      "La personne est mise en relation. Vous pouvez raccrocher.",
      "The caller is being put through. You can hang up."));
  });
}

async function toColleague(together: boolean): Promise<void> {
  const { call } = desk;
  if (!call?.colleague) return;
  await command("call.orient", { call: call.id, to: { agent: call.colleague.id }, handover: null, together });
}

function askClosing(why: Closing | null): void {
  local.closing = why;
  if (why !== null && desk.call) {
    const { colleague, inviting } = desk.call;
    const leaving = colleague ? LEAVING[colleague.how]?.(colleague.name) : inviting && LEAVING_FIRST;
    put($("confirm-words"), (why === "end" && leaving) || CLOSINGS[why][0]);
    put($("confirm-yes"), why === "end" && leaving ? say("Oui, me retirer", "Yes, leave") : CLOSINGS[why][1]);
    $("confirm-yes").classList.toggle("grave", why === "end");
  }
  renderTalk();
  if (why === "end") $("confirm-no").focus();
  else if (why !== null) $("confirm-words").focus();
}

function leaveClosing(): void {
  const why = local.closing;
  askClosing(null);
  if (why) $(why).focus();
}

function openGuide(open: boolean): void {
  local.guide = open;
  renderTalk();
  if (open) $("guide-title").focus();
}

function click(id: string, act: () => Promise<unknown>): void {
  $(id).addEventListener("click", (event) => busyWhile(event.currentTarget as HTMLElement, act));
}

click("hold", hold);
click("mute", mute);
click("held-back", takeBack);
click("muted-back", mute);
click("with-all", () => toColleague(true));
click("with-leave", () => toColleague(false));
click("with-back", callOffOrTakeBack);
click("confirm-yes", async () => {
  if (local.closing && desk.call) await CLOSINGS[local.closing][2](desk.call.id);
});
$("confirm-no").addEventListener("click", leaveClosing);
$("end").addEventListener("click", () => askClosing("end"));
$("abusive").addEventListener("click", () => askClosing("abusive"));
$("silent").addEventListener("click", () => askClosing("silent"));
$("guide-open").addEventListener("click", () => openGuide(!local.guide));
$("sound-guide").addEventListener("click", () => openGuide(true));
$("orient").addEventListener("submit", orient);
$("to").addEventListener("change", renderSuggestions);
for (const one of document.querySelectorAll("[name=way]")) one.addEventListener("change", sayWay);
$("confirm").addEventListener("keydown", (event) => { if (event.key === "Escape") leaveClosing(); });
