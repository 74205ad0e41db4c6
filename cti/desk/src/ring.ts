// How a call is heard before it is answered: a soft bell, on the output and as loud as was chosen.

import { sendTo } from "./devices.js";

const VOLUME = "fil.ring.volume";
const BELL_HZ = [587.33, 880]; // D5 and A5: heard by who hears high notes badly
const EVERY_SECONDS = 3;
const RINGS_SECONDS = 1.6;

export class Ring {
  volume = Number(localStorage.getItem(VOLUME) ?? 70); // 0 to 100
  #context: AudioContext | null = null;
  #out: MediaStreamAudioDestinationNode | null = null;
  #loop = 0;
  #bell = new Audio();

  // From a click: browsers let a page be heard later only if it was heard then.
  async allow(): Promise<void> {
    await this.#listenable();
  }

  start(): void {
    this.stop();
    void this.once();
    this.#loop = window.setInterval(() => this.#strike(), EVERY_SECONDS * 1000);
  }

  stop(): void {
    window.clearInterval(this.#loop);
    this.#loop = 0;
  }

  // As it will be heard when somebody calls.
  async once(): Promise<void> {
    await this.#listenable();
    this.#strike();
  }

  // Heard at once, so that the right loudness is found.
  setVolume(volume: number): void {
    this.volume = volume;
    localStorage.setItem(VOLUME, String(volume));
    void this.once();
  }

  // The output was chosen, plugged in or unplugged.
  async find(): Promise<void> {
    await sendTo(this.#bell, "ring");
  }

  async #listenable(): Promise<void> {
    if (!this.#context) {
      this.#context = new AudioContext();
      this.#out = this.#context.createMediaStreamDestination();
      this.#bell.srcObject = this.#out.stream;
      await this.find();
    }
    await this.#context.resume().catch(() => undefined);
    await this.#bell.play().catch(() => undefined); // not yet allowed: the page tells all the same
  }

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
