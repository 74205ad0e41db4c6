// Noticing that this machine slept, or that its network is back: what was open is not to be trusted.

const LOOK_MS = 5_000;
const SLEPT_MS = 30_000;
const SLEPT_HIDDEN_MS = 90_000; // browsers let the timers of hidden pages come once a minute

export function onWake(woke: () => void): void {
  let seen = Date.now();
  const look = () => {
    const away = Date.now() - seen;
    seen = Date.now();
    if (away > (document.hidden ? SLEPT_HIDDEN_MS : SLEPT_MS)) woke();
  };
  window.setInterval(look, LOOK_MS);
  // Seen again: a hidden page may be late without having slept.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || Date.now() - seen > SLEPT_HIDDEN_MS) look();
    else seen = Date.now();
  });
  window.addEventListener("online", woke);
}
