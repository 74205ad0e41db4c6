// What nobody else may read: the desk locked with one key on a shared machine, and after sign-out.
//
// A lock of the page, for who passes by. Locked, it shows that a call is there and takes it, no more.

import { $, busyWhile, desk, put, show } from "./page.js";
import { LOCKED } from "./phonewords.js";

const KEPT = "fil.locked"; // in this browser: every tab of the desk is locked, a new one too
const UNLOCK_SECONDS_MAX = 10;

const unlocked = new BroadcastChannel("fil.unlocked");

export function isLocked(): boolean {
  return localStorage.getItem(KEPT) !== null;
}

export function forgetLock(): void {
  localStorage.removeItem(KEPT);
}

export function lock(): void {
  localStorage.setItem(KEPT, "yes");
  apply();
  $("locked-password").focus();
}

// What the locked page says of the line; `answerable`: this browser rings.
export function renderLock(answerable: boolean): void {
  const offered = desk.stage === "offered";
  put($("locked-words"), offered ? (answerable ? LOCKED.offered : LOCKED.offered_elsewhere)
    : desk.stage === "connected" ? LOCKED.talking : LOCKED.calm);
  $("locked-answer").hidden = !offered || !answerable;
  $("locked-leave").hidden = desk.stage !== "none"; // nobody passing by ends a call
}

export function startLock(answer: () => void): void {
  $("lock").addEventListener("click", lock);
  $("locked-answer").addEventListener("click", answer);
  $("unlock").addEventListener("submit", (event) => {
    event.preventDefault();
    void busyWhile($("unlock").querySelector("button"), unlock);
  });
  window.addEventListener("storage", (event) => event.key === KEPT && event.newValue !== null && apply());
  // Not by the storage: signing out empties it, and what is still open must stay unread.
  unlocked.addEventListener("message", apply);
  for (const form of document.querySelectorAll("form[action='/logout']")) form.addEventListener("submit", forgetLock);
  // A page that the browser kept would come back with all that was on it.
  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    document.body.hidden = true;
    location.reload();
  });
  apply();
}

function apply(): void {
  const locked = isLocked();
  document.body.toggleAttribute("data-locked", locked);
  $("locked").hidden = !locked;
  // A dialog left open would keep the rest of the page out of reach, unseen.
  if (locked) for (const dialog of document.querySelectorAll("dialog")) dialog.close();
}

async function unlock(): Promise<void> {
  const field = $<HTMLInputElement>("locked-password");
  const csrf = document.querySelector<HTMLMetaElement>("meta[name=csrf]")?.content ?? "";
  show($("locked-problem"), "");
  const answer = await fetch("/api/v1/unlock", {
    method: "POST",
    headers: { "X-CSRF-Token": csrf, "content-type": "application/json" },
    body: JSON.stringify({ password: field.value }),
    signal: AbortSignal.timeout(UNLOCK_SECONDS_MAX * 1000),
  }).catch(() => null);
  field.value = "";
  if (answer?.ok) {
    forgetLock();
    unlocked.postMessage("");
    apply();
    return $("call-title").focus();
  }
  if (answer?.status === 401) return location.assign("/login"); // signed out meanwhile
  const told = (await answer?.json().catch(() => null)) as { error?: { message?: string } } | null;
  show($("locked-problem"), told?.error?.message ?? LOCKED.cut);
  field.focus();
}
