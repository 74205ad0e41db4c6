// What every part of the desk uses: what is known, how it is shown, and times in plain words.
//
// Everything shown is written with textContent.

export const $ = (id) => document.getElementById(id);

export const desk = {
  snapshot: null, // the last one received
  presence: null,
  presenceAt: 0, // when it was told, by this page's own clock
  duty: null,
  asked: false, // "still there?" waits for an answer
  alerts: [], // for supervisors, until they have seen them
  call: null, // the sheet
  stage: "none", // none | offered | connected | wrapup
  offer: null,
  suggestions: [],
  wrapupCall: null,
  clockAheadMs: 0, // this machine's clock minus the line's
  canAccept: false,
  lostCall: null, // the call whose phone dropped, until it is back
  cameBack: null, // the call that comes back from an orientation, and why
  ended: null, // why the last talk ended
  until: {}, // when a hold or a mute ends by itself, by this page's own clock
};

export function show(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = !text;
}

export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function notice(text) {
  show($("notice"), text);
}

// Once is enough while it lasts. Not by `disabled`, which takes the keyboard's place away.
export async function busyWhile(button, act) {
  if (button?.hasAttribute("aria-disabled")) return;
  button?.setAttribute("aria-disabled", "true");
  try {
    await act();
  } finally {
    button?.removeAttribute("aria-disabled");
  }
}

export function make(tag, text, className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  return element;
}

export function lower(text) {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

export function plural(count, word) {
  return `${count} ${word}${count > 1 ? "s" : ""}`;
}

export function lasting(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 5) return "quelques secondes";
  if (whole < 60) return plural(whole, "seconde");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return plural(minutes, "minute");
  return `${plural(Math.floor(minutes / 60), "heure")} ${String(minutes % 60).padStart(2, "0")}`;
}

// For what counts down: 4:05.
export function counting(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

export function hour(iso) {
  const at = new Date(iso);
  return `${at.getHours()} h ${String(at.getMinutes()).padStart(2, "0")}`;
}

// Since this page loaded, whatever becomes of the machine's clock.
export function nowSeconds() {
  return performance.now() / 1000;
}

export function sincePresence() {
  return (Date.now() - desk.clockAheadMs - Date.parse(desk.presence.since)) / 1000;
}
