// With a caller: hold, mute, who else is there, what is heard, where they go next, closing.

import { $, busyWhile, counting, desk, make, notice, nowSeconds, put, show } from "./page.js";
import { command } from "./wire.js";
import { BACK, GONE, HEARD_AGAIN, LEAVING, SILENT_GUIDE, SOUND, STATES, WITH } from "./words.js";

const WAYS = {
  cold: ["Transmettre", "La personne attend en musique qu'on lui réponde. Vous êtes libre tout de suite ; sans réponse, elle vous revient."],
  together: ["Appeler", "Vous restez en ligne avec la personne jusqu'à l'arrivée de quelqu'un."],
  consult: ["Appeler", "Vous parlez d'abord seul à seul, pendant que la personne entend la musique."],
};
const CLOSINGS = {
  end: ["Terminer maintenant ? La personne entendra un mot d'au revoir, puis la ligne se fermera.",
    "Oui, terminer", () => command("call.end", { call: desk.call.id })],
  abusive: ["Fermer avec douceur cet appel abusif ? Vous serez libre tout de suite, sans rien à remplir. La personne entendra une phrase qui ne reproche rien.",
    "Fermer avec douceur", () => command("call.close", { call: desk.call.id, why: "abusive" })],
  silent: ["Fermer cet appel silencieux ? La personne entendra qu'elle peut rappeler ; n'importe quelle touche lui ramènera quelqu'un.",
    "Fermer avec douceur", () => command("call.close", { call: desk.call.id, why: "silent" })],
};
const LEAVING_FIRST = "Vous retirer ? La personne attendra en musique que l'on réponde, puis vous reviendra si personne ne vient.";
const local = { closing: null, guide: false, guideAsked: false };

// A new call, or none: nothing that was begun for the one before stays.
export function forgetTalk() {
  Object.assign(local, { closing: null, guide: false, guideAsked: false });
  desk.until = {};
  desk.suggestions = [];
  $("orient").reset();
  sayWay();
}

// What the line tells -------------------------------------------------------------------

export const TALK_EVENTS = {
  "call.held"(data) {
    desk.call.held = data.on;
    desk.until.held = data.on && data.seconds_max ? nowSeconds() + data.seconds_max : null;
    if (!data.on && BACK[data.reason]) notice(BACK[data.reason]);
  },
  "call.muted"(data) {
    desk.call.muted = data.on;
    desk.until.muted = data.on && data.seconds_max ? nowSeconds() + data.seconds_max : null;
    if (!data.on && HEARD_AGAIN[data.reason]) notice(HEARD_AGAIN[data.reason]);
  },
  "call.sound"(data) {
    heard(data.problem ? data : null);
  },
  "call.suggestions"(data) {
    desk.suggestions = data.suggestions;
  },
};

// Replaces what is known of the call by what a frame says of it, and tells what that means.
export function learn(view) {
  const before = desk.call?.id === view.id ? desk.call : {};
  desk.call = { ...before, ...view };
  if ("colleague" in view) {
    desk.call.colleague = before.colleague;
    company(view.colleague);
  }
  if (view.sound !== undefined) heard(view.sound);
  for (const what of ["held", "muted"]) {
    const until = view[`${what}_until`];
    if (until !== undefined) desk.until[what] = until && nowSeconds() + secondsUntil(until);
  }
}

// By the line's clock, which this machine's may be far from.
function secondsUntil(iso) {
  return (Date.parse(iso) + desk.clockAheadMs - Date.now()) / 1000;
}

function company(colleague) {
  const before = desk.call.colleague;
  desk.call.colleague = colleague;
  if (before && !colleague) notice(GONE[before.how]?.(before.name) ?? "");
}

function heard(sound) {
  desk.call.sound = sound;
  if (sound?.problem === "caller_silent") {
    if (!local.guideAsked) local.guide = true;
    local.guideAsked = true;
  } else if (!sound && local.guideAsked && !desk.call.keys?.length) {
    local.guide = false;
  }
}

// What is seen --------------------------------------------------------------------------

export function renderTalk() {
  const { call } = desk;
  const talking = desk.stage === "connected" && call !== null;
  $("bands").hidden = !talking;
  $("talk").hidden = !talking;
  if (!talking) $("guide").hidden = true;
  if (!talking) return;
  const other = call.colleague ?? null;
  const aside = ["consulting", "consulted_by"].includes(other?.how);
  $("talk").hidden = other?.how === "consulting"; // what can be done is said with the colleague
  renderCompany(other);
  oneOf($("hold"), $("held"), call.held && !aside, other !== null);
  oneOf($("mute"), $("muted"), call.muted, aside || call.held);
  renderSound(call);
  renderKeys(call.keys ?? []);
  const mine = !other || other.how === "stays"; // the caller is for me to hand on
  $("guide-open").hidden = $("abusive").hidden = !mine;
  put($("end"), other || call.inviting ? "Me retirer" : "Terminer");
  $("guide-open").setAttribute("aria-expanded", String(local.guide));
  $("guide").hidden = !local.guide || !mine || local.closing !== null;
  $("confirm").hidden = local.closing === null;
  $("orient").hidden = !mine || call.inviting || local.closing !== null;
  for (const way of ["together", "consult"]) {
    document.querySelector(`[name=way][value=${way}]`).disabled = other !== null;
  }
  renderSuggestions();
  tickTalkLimits();
}

// The button that does it, or the band that says it is done and undoes it; the keyboard follows.
function oneOf(button, band, done, impossible) {
  const undo = band.querySelector("button");
  const wasHere = document.activeElement === button || document.activeElement === undo;
  band.hidden = !done;
  button.hidden = done === true || impossible;
  if (wasHere) (done ? undo : button.hidden ? $("call-title") : button).focus();
}

function renderCompany(other) {
  const { call } = desk;
  $("with").hidden = !other && !call.inviting;
  put($("with-words"), other ? WITH[other.how]?.(other.name) ?? `${other.name} est là aussi.`
    : "On appelle quelqu'un. Restez en ligne : la personne est toujours avec vous.");
  $("with-all").hidden = $("with-leave").hidden = other?.how !== "consulting";
  put($("with-leave"), other ? `Confier la personne à ${other.name}` : "");
  $("with-back").hidden = other ? !["consulting", "came"].includes(other.how) : false;
  put($("with-back"), other ? "Reprendre la personne" : "Ne plus appeler");
}

function renderSound({ sound }) {
  $("sound").hidden = !sound;
  $("sound").classList.toggle("calm", sound?.problem === "caller_silent");
  const title = SOUND[sound?.problem] ?? "Le son ne passe pas";
  put($("sound-title"), `${title}.`);
  put($("sound-advice"), without(title, sound?.advice ?? ""));
  $("sound-guide").hidden = sound?.problem !== "caller_silent" || local.guide;
  const { language } = desk.call;
  const say = sound?.say?.length ? sound.say : SILENT_GUIDE[language] ?? SILENT_GUIDE.fr;
  const key = say.join("\n");
  if ($("guide-words").dataset.key === key) return;
  $("guide-words").replaceChildren(...say.map((sentence) => make("li", sentence)));
  $("guide-words").dataset.key = key;
}

// The advice alone: it may begin with what the title says already.
function without(title, advice) {
  if (!advice.startsWith(`${title} : `)) return advice;
  const rest = advice.slice(title.length + 3);
  return rest.charAt(0).toUpperCase() + rest.slice(1);
}

function renderKeys(keys) {
  $("tapped").hidden = !keys.length;
  if ($("tapped-keys").dataset.key === keys.join(" ")) return;
  $("tapped-keys").replaceChildren(...keys.map((key) => make("kbd", key)));
  $("tapped-keys").dataset.key = keys.join(" ");
}

function renderSuggestions() {
  $("suggested").hidden = !desk.suggestions.length;
  const key = JSON.stringify(desk.suggestions);
  if ($("suggestions").dataset.key !== key) {
    const focused = document.activeElement?.dataset?.to;
    $("suggestions").replaceChildren(...desk.suggestions.map(suggestion));
    $("suggestions").dataset.key = key;
    if (focused) $("suggestions").querySelector(`[data-to="${CSS.escape(focused)}"]`)?.focus();
  }
  for (const button of $("suggestions").children) {
    button.setAttribute("aria-pressed", String(button.dataset.to === $("to").value));
  }
}

function suggestion({ to, label, reasons }) {
  const button = make("button", "");
  button.type = "button";
  const [[kind, id]] = Object.entries(to).filter(([, one]) => one);
  button.dataset.to = `${kind}:${id}`;
  button.append(make("b", label), make("span", reasons.map((why) => why.fr).join(" · "), "soft"));
  button.addEventListener("click", () => {
    $("to").value = button.dataset.to;
    renderSuggestions();
    $("words").focus();
  });
  return button;
}

export function renderPlaces() {
  const people = [...desk.snapshot.colleagues].sort(
    (a, b) => (b.presence === "READY") - (a.presence === "READY") || a.name.localeCompare(b.name, "fr"));
  choices($("to"), [
    ["Une équipe", desk.snapshot.lines.map((line) => [`line:${line.id}`, line.label])],
    ["Une personne", people.map((who) =>
      [`agent:${who.id}`, `${who.name} (${STATES[who.presence]?.[2] ?? who.presence})`])],
  ]);
}

// Fills a list in groups; what was chosen stays chosen, and an open list is left in peace.
function choices(select, groups) {
  const key = JSON.stringify(groups);
  if (select.dataset.key === key) return;
  const chosen = select.value;
  const boxes = groups.filter(([, items]) => items.length).map(([label, items]) => {
    const box = document.createElement("optgroup");
    box.label = label;
    box.append(...items.map(([value, words]) => new Option(words, value)));
    return box;
  });
  select.replaceChildren(new Option("Choisir…", ""), ...boxes);
  select.value = chosen;
  if (select.selectedIndex < 0) select.value = "";
  select.dataset.key = key;
}

export function tickTalkLimits() {
  const { held, muted } = desk.until;
  put($("held-left"), held ? `Un mot toutes les 45 secondes. Retour de lui-même dans ${counting(held - nowSeconds())}.` : "");
  put($("muted-left"), muted ? `Il se rouvre de lui-même dans ${counting(muted - nowSeconds())}.` : "");
}

function way() {
  return document.querySelector("[name=way]:checked").value;
}

function sayWay() {
  const [send, words] = WAYS[way()];
  put($("send"), send);
  put($("way-words"), words);
}

// What the agent decides ------------------------------------------------------------------

export function hold() {
  if (desk.stage !== "connected") return;
  if (desk.call.held) return takeBack();
  return command("call.hold", { call: desk.call.id, on: true });
}

export function mute() {
  if (desk.stage !== "connected") return;
  return command("call.mute", { call: desk.call.id, on: !desk.call.muted });
}

// Said of a hold, `on: false`: during a ring, taking back would call that off instead.
function takeBack() {
  const call = desk.call.id;
  if (desk.call.colleague) return command("call.take_back", { call });
  return command("call.hold", { call, on: false });
}

async function callOffOrTakeBack() {
  await command("call.take_back", { call: desk.call.id });
}

async function orient(event) {
  event.preventDefault();
  const [kind, ...id] = $("to").value.split(":");
  if (!kind) {
    show($("problem"), "Choisissez d'abord vers qui transmettre l'appel.");
    $("to").focus();
    return;
  }
  const chosen = way();
  const danger = $("danger").value === "" ? null : Number($("danger").value);
  notice("");
  await busyWhile(event.submitter, async () => {
    const well = await command("call.orient", { call: desk.call.id, to: { [kind]: id.join(":") },
      handover: $("words").value.trim() || null, together: chosen === "together",
      consult: chosen === "consult", danger });
    if (well && chosen === "cold") notice("La personne est mise en relation. Vous pouvez raccrocher.");
  });
}

function toColleague(data) {
  const call = desk.call.id;
  return command("call.orient", { call, to: { agent: desk.call.colleague.id }, handover: null, ...data });
}

function askClosing(why) {
  local.closing = why;
  if (why !== null) {
    const { colleague, inviting } = desk.call;
    const leaving = colleague ? LEAVING[colleague.how]?.(colleague.name) : inviting && LEAVING_FIRST;
    put($("confirm-words"), why === "end" && leaving || CLOSINGS[why][0]);
    put($("confirm-yes"), why === "end" && leaving ? "Oui, me retirer" : CLOSINGS[why][1]);
    $("confirm-yes").classList.toggle("grave", why === "end");
  }
  renderTalk();
  if (why === "end") $("confirm-no").focus();
  else if (why !== null) $("confirm-words").focus();
}

function leaveClosing() {
  const why = local.closing;
  askClosing(null);
  ({ end: $("end"), abusive: $("abusive"), silent: $("silent") })[why]?.focus();
}

function openGuide(open) {
  local.guide = open;
  renderTalk();
  if (open) $("guide-title").focus();
}

const click = (id, act) => $(id).addEventListener("click", (event) => busyWhile(event.currentTarget, async () => act()));

click("hold", hold);
click("mute", mute);
click("held-back", takeBack);
click("muted-back", mute);
click("with-all", () => toColleague({ together: true }));
click("with-leave", () => toColleague({ together: false }));
click("with-back", callOffOrTakeBack);
click("confirm-yes", () => CLOSINGS[local.closing][2]());
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
