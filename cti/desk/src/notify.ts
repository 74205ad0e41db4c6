// A notification of the desktop for who looks elsewhere: that a call is there, and nothing of it.

import { PHONE } from "./words.js";

let shown: Notification | null = null;
let offer: string | null = null;

// "default": the person was never asked.
export function notifications(): NotificationPermission {
  return "Notification" in window ? Notification.permission : "denied";
}

// Only from a click that says so: a question out of the blue is refused once and for all.
export async function askNotifications(): Promise<void> {
  if ("Notification" in window) await Notification.requestPermission();
}

// The offer that waits for an answer, if any. Told once, and only where the page cannot be seen.
export function notifyOf(waiting: string | null): void {
  if (waiting === offer) return;
  offer = waiting;
  shown?.close();
  shown = null;
  if (!waiting || !document.hidden || notifications() !== "granted") return;
  try {
    shown = new Notification(PHONE.notification, { tag: "fil", requireInteraction: true });
    shown.onclick = () => window.focus();
  } catch {
    // telephones notify in another way
  }
}
