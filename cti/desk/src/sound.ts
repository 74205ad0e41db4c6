// Which microphone and which outputs are used, and how loud the ring is: kept in this browser.

import { html, nothing, render, type TemplateResult } from "lit";
import { choose, chosen, devices, sendTo, type Use } from "./devices.js";
import { $, show } from "./page.js";
import type { BrowserPhone } from "./phone.js";
import { SOUND } from "./phonewords.js";
import type { Ring } from "./ring.js";
import { PHONE } from "./words.js";

export class SoundSettings {
  #there: Record<Use, MediaDeviceInfo[]> = { microphone: [], voice: [], ring: [] };

  constructor(readonly phone: BrowserPhone, readonly ring: Ring) {}

  // What is plugged in now; outputs that were chosen are found again.
  async look(): Promise<void> {
    for (const use of ["microphone", "voice", "ring"] as const) this.#there[use] = await devices(use);
    await sendTo(this.phone.sound, "voice");
    await this.ring.find();
  }

  draw(shown: boolean): void {
    render(shown ? this.#view() : nothing, $("sound-settings"));
  }

  #view(): TemplateResult {
    return html`
      <details>
        <summary>${SOUND.title}</summary>
        ${this.#select("microphone")} ${this.#select("voice")} ${this.#select("ring")}
        <label for="ring-volume">${PHONE.volume}</label>
        <input type="range" id="ring-volume" min="0" max="100" .value=${String(this.ring.volume)}
          @change=${(event: Event) => this.ring.setVolume(Number((event.target as HTMLInputElement).value))}>
        <button type="button" id="ring-try" @click=${() => void this.ring.once()}>${SOUND.tryRing}</button>
      </details>`;
  }

  // Nothing to choose where the browser tells of no such device, or of one alone.
  #select(use: Use): TemplateResult | typeof nothing {
    const there = this.#there[use].filter((one) => one.deviceId !== "default" && one.deviceId !== "communications");
    if (!there.length) return nothing;
    const mine = there.some((one) => one.deviceId === chosen(use)) ? chosen(use) : "";
    return html`
      <label for=${`device-${use}`}>${SOUND[use]}</label>
      <select id=${`device-${use}`} @change=${(event: Event) => void this.#use(use, (event.target as HTMLSelectElement).value)}>
        <option value="" ?selected=${mine === ""}>${SOUND.usual}</option>
        ${there.map((one) => html`<option value=${one.deviceId} ?selected=${one.deviceId === mine}>${one.label}</option>`)}
      </select>`;
  }

  async #use(use: Use, id: string): Promise<void> {
    show($("device"), ""); // what was unplugged is no news any more
    if (use === "microphone") return this.phone.use(id);
    choose(use, id);
    if (use === "voice") return sendTo(this.phone.sound, "voice");
    await this.ring.find();
    await this.ring.once();
  }
}
