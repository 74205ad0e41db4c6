// The sound devices of this browser: which are there, and which were chosen for what.
//
// What is kept is what the browser calls a device on this site alone: it tells nothing of anybody.

export type Use = "microphone" | "voice" | "ring";

const KEPT: Record<Use, string> = {
  microphone: "fil.microphone",
  voice: "fil.voice.output",
  ring: "fil.ring.output",
};
const KINDS: Record<Use, MediaDeviceKind> = { microphone: "audioinput", voice: "audiooutput", ring: "audiooutput" };

// The device chosen; "": whatever the browser has.
export function chosen(use: Use): string {
  return localStorage.getItem(KEPT[use]) ?? "";
}

export function choose(use: Use, id: string): void {
  if (id) localStorage.setItem(KEPT[use], id);
  else localStorage.removeItem(KEPT[use]);
}

// The devices for a use; their names are known once a microphone was allowed, and some browsers
// list no outputs.
export async function devices(use: Use): Promise<MediaDeviceInfo[]> {
  const all = await navigator.mediaDevices.enumerateDevices();
  return all.filter((one) => one.kind === KINDS[use] && one.deviceId);
}

// Let an element be heard on the output chosen, or on the usual one while that is unplugged.
export async function sendTo(element: HTMLMediaElement, use: "voice" | "ring"): Promise<void> {
  const id = chosen(use);
  const there = (await devices(use)).some((one) => one.deviceId === id);
  await element.setSinkId?.(there ? id : "").catch(() => undefined);
}
