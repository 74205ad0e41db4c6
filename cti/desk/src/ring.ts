// How a call is heard before it is answered: a soft bell, on the output and as loud as was chosen,
// and a notification for who looks elsewhere.

import { PHONE } from "./words.js";

const VOLUME = "fil.ring.volume";
const OUTPUT = "fil.ring.output";
const BELL_HZ = [587.33, 880]; // D5 and A5: heard by who hears high notes badly
const EVERY_SECONDS = 3;
const RINGS_SECONDS = 1.6;

export class Ring {
  volume = Number(localStorage.getItem(VOLUME) ?? 70); // 0 to 100
  output = localStorage.getItem(OUTPUT) ?? "";
  #context: AudioContext | null = null;
  #loop = 0;
  #notification: Notification | null = null;
  #bell = new Audio();

  // Ask for what only a click may ask: sound without a click later, and notifications.
  async allow(): Promise<void> {
    await this.#listenable();
    if ("Notification" in window && Notification.permission === "default") await Notification.requestPermission();
  }

  start(): void {
    this.stop();
    void this.#listenable().then(() => this.#strike());
    this.#loop = window.setInterval(() => this.#strike(), EVERY_SECONDS * 1000);
    if ("Notification" in window && Notification.permission === "granted") {
      this.#notification = new Notification(PHONE.notification, { tag: "fil", requireInteraction: true });
      this.#notification.onclick = () => window.focus();
    }
  }

  stop(): void {
    window.clearInterval(this.#loop);
    this.#loop = 0;
    this.#notification?.close();
    this.#notification = null;
  }

  // Heard at once, so that the right loudness is found.
  setVolume(volume: number): void {
    this.volume = volume;
    localStorage.setItem(VOLUME, String(volume));
    void this.#listenable().then(() => this.#strike());
  }

  async setOutput(id: string): Promise<void> {
    this.output = id;
    localStorage.setItem(OUTPUT, id);
    await this.#bell.setSinkId?.(id).catch(() => undefined); // unplugged: the usual one
  }

  async #listenable(): Promise<void> {
    if (!this.#context) {
      this.#context = new AudioContext();
      const out = this.#context.createMediaStreamDestination();
      this.#bell.srcObject = out.stream;
      this.#out = out;
      await this.setOutput(this.output);
    }
    await this.#context.resume().catch(() => undefined);
    await this.#bell.play().catch(() => undefined); // not yet allowed: the notification tells
  }

  #out: MediaStreamAudioDestinationNode | null = null;

  #strike(): void {
    if (!this.#context || !this.#out) return;
    const now = this.#context.currentTime;
    const loudness = this.#context.createGain();
    loudness.connect(this.#out);
    loudness.gain.setValueAtTime(0.0001, now);
    loudness.gain.exponentialRampToValueAtTime(Math.max(0.0001, (this.volume / 100) * 0.6), now + 0.05);
    loudness.gain.exponentialRampToValueAtTime(0.0001, now + RINGS_SECONDS);
    BELL_HZ.forEach((hz, index) => {
      const note = this.#context?.createOscillator();
      if (!note) return;
      note.frequency.value = hz;
      note.connect(loudness);
      note.start(now + index * 0.25);
      note.stop(now + RINGS_SECONDS);
    });
    performance.mark("fil-ring-heard");
  }
}
