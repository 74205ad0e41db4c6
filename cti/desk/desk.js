// The desk: shows an agent what the line tells them, and asks the line what they decide.
//
// Everything shown comes from frames of fil.cti.v1 and is written with
// textContent. A frame is acked once it is on the screen, not before: the
// phone rings only after that.

const $ = (id) => document.getElementById(id);

const STATES = {
  READY: ["Disponible", "Le prochain appel peut être pour vous."],
  NOT_READY: ["En pause", "Aucun appel ne vous sera proposé."],
  LOGGED_OUT: ["Fin de service", "Vous ne recevez pas d'appel."],
  RESERVED: ["Ça sonne", "Un appel pour vous."],
  TALKING: ["En ligne", "Vous êtes avec quelqu'un."],
  WRAP_UP: ["Après l'appel", "Prenez un moment pour souffler."],
};
const REASONS = {
  screen_lost: "Votre page ne répondait plus : la ligne vous a mis en pause. Revenez quand vous voulez.",
  engine_restart: "Le système téléphonique a redémarré et l'appel a été coupé. Vous n'y êtes pour rien.",
  withdrawn: "La personne est déjà avec quelqu'un d'autre.",
  phone_unreachable: "Votre téléphone n'est pas joignable. Vérifiez qu'il est allumé et connecté, puis revenez.",
  phone_busy: "Votre téléphone était occupé : la ligne vous a mis en pause. Revenez quand vous voulez.",
  missed: "Votre téléphone a sonné deux fois sans réponse : la ligne vous a mis en pause. Revenez quand vous voulez.",
  phone_away: "Votre téléphone n'est plus connecté à la ligne. Dès qu'il revient, vous êtes de nouveau disponible.",
  shift_over: "Votre service se termine dans moins de vingt minutes : plus d'appel ne vous est proposé. Choisissez Disponible pour en prendre encore un.",
  taken_elsewhere: "La ligne a eu un doute sur votre disponibilité. Choisissez-la de nouveau.",
};
const SHORT = { READY: "disponible", NOT_READY: "en pause", LOGGED_OUT: "absent",
  RESERVED: "appel en cours", TALKING: "en ligne", WRAP_UP: "après un appel" };
const ROLES = { regulator: "Régulation", listener: "Écoute", supervisor: "Supervision",
  admin: "Administration", regulators: "Régulation", listeners: "Écoute" };
const LANGUAGES = { fr: "Français", en: "Anglais", es: "Espagnol", ar: "Arabe", de: "Allemand",
  it: "Italien", pt: "Portugais" };
const WITHDRAWN = {
  answered_elsewhere: "Un collègue a répondu avant vous. Vous n'avez rien à faire.",
  caller_left: "La personne a raccroché avant votre réponse. Vous n'y êtes pour rien.",
  missed: "L'appel est parti vers quelqu'un d'autre : votre téléphone n'a pas été décroché.",
  declined: "C'est noté. L'appel est parti vers quelqu'un d'autre.",
  screen_lost: "L'appel est parti vers quelqu'un d'autre : cette page n'a pas répondu à temps.",
  engine_restart: "Le système téléphonique a redémarré et l'appel a été coupé. Vous n'y êtes pour rien.",
  hung_up: "Vous avez raccroché avant d'être en ligne avec la personne. L'appel peut vous revenir.",
  language: "La personne a choisi une autre langue : l'appel va à quelqu'un qui la parle.",
  withdrawn: "La personne est déjà avec quelqu'un d'autre.",
  phone_unreachable: "Votre téléphone n'a pas pu sonner. Vérifiez qu'il est allumé et connecté.",
  phone_busy: "L'appel est parti vers quelqu'un d'autre : votre téléphone était occupé.",
  trunk_dead: "La ligne n'a pas pu appeler votre téléphone : son opérateur ne répond pas. Vous n'y êtes pour rien.",
};
const ENDED = {
  answered_elsewhere: "Un collègue a répondu avant vous. Vous n'avez rien à faire.",
  caller_left: "La personne a raccroché",
  engine_restart: "Le système téléphonique a redémarré : l'appel a été coupé",
};
// What is missing behind the line, and what it means for the agent: the gravest first.
const MISSING = {
  journal_disk: ["Les appels continuent. Le disque de la ligne est plein : prévenez la coordination.",
    "Calls go on. The line's disk is full: tell the coordination."],
  database_version: ["Les appels continuent. L'historique est indisponible pour le moment, rien n'est perdu.",
    "Calls go on. The history is unavailable for now, nothing is lost."],
  database_away: ["Les appels continuent. L'historique est indisponible pour le moment, rien n'est perdu.",
    "Calls go on. The history is unavailable for now, nothing is lost."],
  flow_refused: ["Les appels continuent, avec ce qui était publié avant : le nouveau ne se lit pas.",
    "Calls go on, with what was published before: the new one cannot be read."],
};
const LISTENING_SECONDS_GUIDE = 25 * 60; // a guide, never a limit
const COMMAND_SECONDS_MAX = 6;
const PAINT_MS_MAX = 150;

const desk = {
  snapshot: null, // the last one received
  presence: null,
  call: null, // the sheet
  stage: "none", // none | offered | connected | wrapup
  offer: null,
  wrapupCall: null,
  clockAheadMs: 0, // this machine's clock minus the line's
  canAccept: false,
  lostCall: null, // the call whose phone dropped, until it is back
  ended: null, // why the last talk ended
};
const painting = { busy: false, last: 0 };
const wire = { socket: null, epoch: null, seen: 0, tries: 0, timer: 0, beat: 0, waiting: new Map() };

// The wire ---------------------------------------------------------------------------

function connect() {
  clearTimeout(wire.timer);
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/cti/v1`, "fil.cti.v1");
  wire.socket = socket;
  socket.onmessage = (event) => receive(JSON.parse(event.data));
  socket.onclose = (event) => socket === wire.socket && lost(event.code);
}

function lost(code) {
  wire.socket = null;
  clearInterval(wire.beat);
  for (const { done } of wire.waiting.values()) done({ ok: false, error: { code: "cut", message:
    "La connexion s'est coupée avant la réponse de la ligne. Vérifiez l'état affiché, puis réessayez." } });
  wire.waiting.clear();
  showWire(false);
  if (code === 4401) return signInAgain();
  if (code === 4009) return showCut("Le poste est ouvert dans plusieurs fenêtres. Celle-ci s'est mise en veille.");
  const talking = desk.stage === "connected" ? "Votre conversation au téléphone continue. " : "";
  showCut(`La connexion avec la ligne est coupée. ${talking}Nous réessayons…`);
  stillSignedIn();
  wire.tries += 1;
  const seconds = Math.min(10, 0.4 * 2 ** (wire.tries - 1));
  wire.timer = setTimeout(connect, seconds * (500 + Math.random() * 500));
}

async function stillSignedIn() {
  try {
    const answer = await fetch("/api/v1/me", { cache: "no-store" });
    if (answer.status === 401) signInAgain();
  } catch {
    // no network: the next try will tell
  }
}

function signInAgain() {
  clearTimeout(wire.timer);
  location.assign("/login");
}

function ask(op, data) {
  return new Promise((done) => {
    if (!wire.socket || wire.socket.readyState !== WebSocket.OPEN) {
      done({ ok: false, error: { code: "cut", message:
        "La connexion avec la ligne est coupée. Attendez qu'elle revienne, puis réessayez." } });
      return;
    }
    const id = crypto.randomUUID ? crypto.randomUUID() : String(Math.random());
    const timer = setTimeout(dead, COMMAND_SECONDS_MAX * 1000);
    wire.waiting.set(id, { done: (result) => { clearTimeout(timer); done(result); } });
    wire.socket.send(JSON.stringify({ op, id, data }));
  });
}

// No answer in time: the wire is dead, though the browser may not know it for minutes.
function dead() {
  const socket = wire.socket;
  if (!socket) return;
  lost(1006);
  socket.close();
}

// Asks, and says in words what went wrong; true when it went well.
async function command(op, data) {
  show($("problem"), "");
  const result = await ask(op, data);
  if (!result.ok) show($("problem"), result.error.message);
  return result.ok;
}

function receive(frame) {
  if (frame.op === "result") {
    wire.waiting.get(frame.id)?.done(frame);
    wire.waiting.delete(frame.id);
    return;
  }
  if (frame.type === "hello") return greeted(frame.data);
  desk.clockAheadMs = Date.now() - Date.parse(frame.time);
  const again = frame.type !== "snapshot" && frame.seq <= wire.seen;
  wire.seen = Math.max(wire.seen, frame.seq);
  // A frame from before the snapshot tells what happened; the snapshot already says what is.
  if (again) tellPast(frame);
  else EVENTS[frame.type]?.(frame.data);
  ackOncePainted(frame.seq);
}

// One ack tells that all before it was displayed too, so a burst of frames needs few.
function ackOncePainted(seq) {
  painting.last = seq;
  if (painting.busy) return;
  painting.busy = true;
  afterPaint(() => {
    painting.busy = false;
    ask("ack", { seq });
    if (painting.last !== seq) ackOncePainted(painting.last);
  });
}

function greeted(hello) {
  const missed = hello.epoch === wire.epoch && wire.seen < hello.last_seq ? wire.seen : null;
  wire.epoch = hello.epoch;
  wire.seen = 0;
  wire.tries = 0;
  if (missed !== null) ask("resume", { epoch: hello.epoch, since: missed });
  clearInterval(wire.beat);
  // Proves that the wire still carries, and keeps the list of colleagues fresh.
  wire.beat = setInterval(refresh, hello.heartbeat_seconds * 1000);
}

function refresh() {
  ask("resume", { epoch: "refresh", since: 0 }); // an epoch the line does not know: a snapshot
}

// Browsers slow the timers of hidden tabs down to seconds; a message channel is not slowed.
function afterPaint(act) {
  let done = false;
  const once = () => { if (!done) { done = true; act(); } };
  if (document.hidden) {
    const channel = new MessageChannel();
    channel.port1.onmessage = once;
    channel.port2.postMessage(null);
    return;
  }
  requestAnimationFrame(() => requestAnimationFrame(once));
  setTimeout(once, PAINT_MS_MAX);
}

// What the line tells ----------------------------------------------------------------

const EVENTS = {
  snapshot(data) {
    const before = desk.stage;
    const callBefore = desk.call?.id;
    desk.snapshot = data;
    // Only now do the keys and the buttons do anything.
    showWire(true);
    show($("cut"), "");
    desk.presence = data.presence;
    desk.call = data.call;
    desk.wrapupCall = data.wrapup_call ?? null;
    desk.stage = data.call_state ?? (desk.wrapupCall ? "wrapup" : "none");
    render();
    if (desk.stage !== before || desk.call?.id !== callBefore) arrive();
  },
  "presence.changed"(data) {
    desk.presence = data;
    if (data.presence !== "WRAP_UP" && desk.stage === "wrapup") leaveCall();
    if (data.presence === "WRAP_UP" && desk.stage === "none") {
      if (desk.wrapupCall) desk.stage = "wrapup";
      else refresh(); // of a talk lost before: the snapshot knows which
    }
    render();
  },
  "system.changed"(data) {
    desk.snapshot.system = data;
    renderSystem();
  },
  "call.offered"(data) {
    if (desk.offer === data.offer && desk.stage === "offered") return;
    Object.assign(desk, { offer: data.offer, call: data.call, stage: "offered",
      canAccept: data.can_accept === true });
    show($("notice"), "");
    show($("problem"), "");
    render();
    arrive();
  },
  "call.updated"(data) {
    if (desk.call?.id !== data.call.id) return;
    desk.call = { ...desk.call, ...data.call };
    render();
  },
  "call.withdrawn"(data) {
    if (desk.call?.id !== data.call.id || desk.stage !== "offered") return;
    leaveCall();
    show($("notice"), withdrawnWords(data.reason));
    render();
    focusPresence();
  },
  "call.connected"(data) {
    if (desk.call && desk.call.id !== data.call.id) return;
    Object.assign(desk, { call: { ...desk.call, ...data.call }, stage: "connected", lostCall: null });
    render();
    arrive();
    refresh();
  },
  "call.sound"(data) {
    if (desk.call?.id !== data.call.id) return;
    show($("notice"), [data.advice, ...(data.say ?? [])].filter(Boolean).join(" "));
  },
  "call.joined"(data) {
    if (desk.call?.id !== data.call.id) return;
    show($("notice"), `${data.agent.name} est en ligne avec vous et la personne. Vous êtes trois ; celui ou celle qui raccroche laisse les deux autres ensemble.`);
  },
  "call.not_joined"(data) {
    if (desk.call?.id !== data.call.id || data.reason === "taken_back") return;
    show($("problem"), "Personne n'a pu vous rejoindre. Vous êtes toujours en ligne : choisissez quelqu'un d'autre, ou continuez l'appel.");
  },
  "call.ended"(data) {
    if (desk.call?.id !== data.call.id) return;
    if (data.reason === "lost") {
      leaveCall();
      desk.lostCall = data.call.id;
      return render();
    }
    desk.wrapupCall = data.call.id;
    desk.ended = data.reason;
    desk.call = null;
    desk.stage = ["TALKING", "WRAP_UP"].includes(desk.presence?.presence) ? "wrapup" : "none";
    $("orient").reset();
    $("wrapup").reset();
    confirmEnd(false);
    render();
    arrive();
  },
};

function tellPast(frame) {
  if (frame.type === "call.withdrawn" && desk.stage === "none") {
    show($("notice"), `Pendant la coupure : ${lower(withdrawnWords(frame.data.reason))}`);
  }
}

function withdrawnWords(reason) {
  return WITHDRAWN[reason] ?? "L'appel n'est plus proposé. Vous n'avez rien à faire.";
}

function leaveCall() {
  Object.assign(desk, { call: null, offer: null, wrapupCall: null, stage: "none" });
  $("orient").reset();
  $("wrapup").reset();
  confirmEnd(false);
}

// What the agent decides -------------------------------------------------------------

async function setPresence(presence) {
  const busy = desk.stage === "offered" || desk.stage === "connected";
  const reason = presence === "NOT_READY" ? "pause" : null;
  show($("notice"), "");
  if (await command("presence.set", { presence, reason }) && busy) {
    show($("notice"), `C'est noté : « ${STATES[presence][0]} » dès la fin de cet appel.`);
  }
}

async function orient(event) {
  event.preventDefault();
  const [kind, ...id] = $("to").value.split(":");
  if (!kind) {
    show($("problem"), "Choisissez d'abord vers qui transmettre l'appel.");
    $("to").focus();
    return;
  }
  const handover = $("words").value.trim() || null;
  await busyWhile(event.submitter, async () => {
    const well = await command("call.orient",
      { call: desk.call.id, to: { [kind]: id.join(":") }, handover, together: $("together").checked });
    if (!well) return;
    show($("notice"), $("together").checked
      ? "On appelle quelqu'un. Restez en ligne avec la personne : vous serez trois dès qu'on répond."
      : "La personne est mise en relation. Vous pouvez raccrocher.");
  });
}

async function wrapUp(event) {
  event.preventDefault();
  const chosen = $("wrapup").querySelector("input:checked");
  if (!chosen) {
    show($("problem"), "Choisissez ce qu'était cet appel, ou « Autre ».");
    $("wrapup").querySelector("input")?.focus();
    return;
  }
  if (await command("wrapup.done", { call: desk.wrapupCall, disposition: chosen.value })) {
    leaveCall();
    render();
    show($("notice"), "Merci. L'appel est rangé.");
    focusPresence();
  }
}

function confirmEnd(asked) {
  $("confirm").hidden = !asked;
  $("orient").hidden = asked;
  if (asked) $("end-no").focus();
}

async function simulate(event) {
  show($("problem"), "");
  await busyWhile(event.currentTarget, async () => {
    const csrf = document.querySelector("meta[name=csrf]").content;
    try {
      const answer = await fetch("/api/v1/demo/call", { method: "POST", headers: { "X-CSRF-Token": csrf } });
      show($("notice"), answer.ok ? "L'appel est parti. Il arrivera à la première personne disponible." : "");
      if (!answer.ok) show($("problem"), (await answer.json()).error.message);
    } catch {
      show($("problem"), "L'appel n'a pas pu partir. Vérifiez la connexion, puis réessayez.");
    }
  });
}

async function busyWhile(button, act) {
  if (button) button.disabled = true;
  try {
    await act();
  } finally {
    if (button) button.disabled = false;
  }
}

// What is seen -----------------------------------------------------------------------

function show(element, text) {
  const words = element.id === "cut" ? $("cut-words") : element;
  if (words.textContent !== text) words.textContent = text;
  element.hidden = !text;
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function showWire(on) {
  $("wire").dataset.on = on ? "yes" : "no";
  put($("wire-words"), on ? "Relié à la ligne" : "Connexion coupée");
}

function showCut(text) {
  show($("cut"), text);
}

function render() {
  if (!desk.snapshot) return;
  renderSystem();
  renderPresence();
  renderTeam();
  renderCall();
  renderChoices();
  tick();
  flashTitle();
}

// A reason this page does not know is said like the mildest of them.
function renderSystem() {
  const { degraded, reasons, advice } = desk.snapshot.system;
  $("system").hidden = !degraded;
  if (!degraded) return;
  const known = Object.keys(MISSING).find((reason) => reasons.includes(reason));
  const [french, english] = MISSING[known ?? "database_away"];
  put($("system-words"), french);
  put($("system-english"), english);
  show($("system-advice"), advice ?? "");
}

function renderPresence() {
  const { presence, reason } = desk.presence;
  const [state, more] = STATES[presence] ?? [presence, ""];
  $("presence").dataset.presence = presence;
  put($("presence-state"), state);
  put($("presence-more"), (presence === "NOT_READY" && REASONS[reason]) || more);
  for (const button of document.querySelectorAll(".choices button")) {
    button.setAttribute("aria-pressed", String(button.dataset.presence === presence));
  }
  put($("roles"), desk.snapshot.agent.roles.map((role) => ROLES[role] ?? role).join(", "));
}

function renderTeam() {
  const people = desk.snapshot.colleagues;
  const items = people.map((person) => {
    const item = document.createElement("li");
    item.dataset.presence = person.presence;
    const dot = document.createElement("i");
    dot.setAttribute("aria-hidden", "true");
    const name = document.createElement("span");
    name.textContent = person.name;
    const state = document.createElement("span");
    state.className = "soft";
    state.textContent = SHORT[person.presence] ?? person.presence;
    item.append(dot, name, state);
    return item;
  });
  $("team").replaceChildren(...items);
  $("alone").hidden = people.length > 0;
}

function renderCall() {
  const { stage, call } = desk;
  $("call").dataset.state = stage;
  const [eyebrow, title, lead] = headline();
  show($("call-eyebrow"), eyebrow);
  put($("call-title"), title);
  show($("call-lead"), lead);
  $("sheet").hidden = !call;
  $("offer-actions").hidden = stage !== "offered";
  $("talk").hidden = stage !== "connected";
  $("wrapup").hidden = stage !== "wrapup";
  $("call-danger").hidden = !call?.danger;
  if (!call) return;
  $("accept").hidden = !desk.canAccept;
  put($("fact-tier"), ROLES[call.tier] ?? String(call.tier ?? "Écoute"));
  put($("fact-language"), LANGUAGES[call.language] ?? call.language ?? "Non précisée");
  put($("fact-waited-label"), stage === "offered" ? "Attend depuis" : "A attendu");
  put($("fact-path"), pathWords(call.path));
  const told = Object.entries(call.told ?? {}).map(([name, value]) => `${name} : ${value}`);
  $("fact-told-box").hidden = !told.length;
  put($("fact-told"), told.join(" · "));
  $("handover-box").hidden = !call.handover;
  put($("handover"), call.handover ?? "");
}

function headline() {
  const ready = desk.presence.presence === "READY";
  switch (desk.stage) {
    case "offered":
      if (desk.lostCall === desk.call.id) return ["La liaison s'est coupée", "La personne vous attend",
        "Votre téléphone sonne de nouveau : décrochez pour la retrouver."];
      return ["Un appel pour vous", listening() ? "Quelqu'un souhaite être écouté" : "Quelqu'un appelle la ligne",
        desk.canAccept ? "Votre téléphone sonne : décrochez, ou choisissez Répondre."
          : "Votre téléphone sonne : décrochez pour répondre."];
    case "connected":
      return ["En ligne", "Vous êtes ensemble", ""];
    case "wrapup":
      return ["Après l'appel", ENDED[desk.ended] ?? "L'appel est terminé",
        "Prenez un moment pour souffler. Un mot sur cet appel, et ce sera rangé."];
    default:
      return ready
        ? ["", "Tout est calme", "Vous êtes disponible. Quand quelqu'un appellera, sa fiche s'affichera ici, puis votre téléphone sonnera."]
        : ["", `Bonjour ${desk.snapshot.agent.name}`, "Quand vous serez prêt ou prête à répondre, choisissez « Disponible ». Gardez votre téléphone près de vous."];
  }
}

function listening() {
  return ["listener", "listeners"].includes(desk.call?.tier);
}

function pathWords(path) {
  const words = (path ?? []).map((step) => ROLES[step] ?? String(step));
  return words.length ? words.join(", puis ") : "Vient d'arriver";
}

function renderChoices() {
  const people = [...desk.snapshot.colleagues].sort(
    (a, b) => (b.presence === "READY") - (a.presence === "READY") || a.name.localeCompare(b.name, "fr"));
  choices($("to"), [
    ["Une équipe", desk.snapshot.lines.map((line) => [`line:${line.id}`, line.label])],
    ["Une personne", people.map((who) =>
      [`agent:${who.id}`, `${who.name} (${SHORT[who.presence] ?? who.presence})`])],
  ]);
  const known = [...$("dispositions").querySelectorAll("input")].map((input) => input.value);
  const wanted = desk.snapshot.dispositions;
  if (known.join("\n") === wanted.map((one) => one.id).join("\n")) return;
  $("dispositions").replaceChildren(...wanted.map((one) => {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "disposition", value: one.id });
    label.append(input, one.label);
    return label;
  }));
}

// Fills a list in groups; what was chosen stays chosen, and an open list is left in peace.
function choices(select, groups) {
  const key = JSON.stringify(groups);
  if (select.dataset.key === key) return;
  const chosen = select.value;
  const option = ([value, label]) => new Option(label, value);
  const boxes = groups.filter(([, items]) => items.length).map(([label, items]) => {
    const box = document.createElement("optgroup");
    box.label = label;
    box.append(...items.map(option));
    return box;
  });
  select.replaceChildren(new Option("Choisir…", ""), ...boxes);
  select.value = chosen;
  if (select.selectedIndex < 0) select.value = "";
  select.dataset.key = key;
}

// A call has come, or changed its nature: bring eyes, ears and keyboard to it.
function arrive() {
  if (desk.stage === "none") return focusPresence();
  const title = $("call-title");
  title.focus();
  const { call } = desk;
  const spoken = [title.textContent, $("call-lead").textContent];
  if (desk.stage === "offered") {
    spoken.push(`Langue : ${$("fact-language").textContent}.`);
    if (call.danger) spoken.push("Danger signalé.");
    if (!$("fact-told-box").hidden) spoken.push(`A dit : ${$("fact-told").textContent}.`);
    if (call.handover) spoken.push(`Transmis : ${call.handover}`);
  }
  put($("announce"), spoken.filter(Boolean).join(" "));
}

function focusPresence() {
  if ($("call").contains(document.activeElement) || document.activeElement === document.body) {
    $("presence-state").focus();
  }
}

const flashing = { timer: 0, on: false };

function flashTitle() {
  clearInterval(flashing.timer);
  const calm = `${STATES[desk.presence.presence]?.[0] ?? ""} · Bout du fil`;
  document.title = calm;
  if (desk.stage !== "offered") return;
  const flash = () => {
    flashing.on = !flashing.on;
    document.title = flashing.on ? "☎ Un appel pour vous" : calm;
  };
  flashing.on = false;
  flash();
  flashing.timer = setInterval(flash, 1000);
}

// Times in plain words ---------------------------------------------------------------

function lower(text) {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function plural(count, word) {
  return `${count} ${word}${count > 1 ? "s" : ""}`;
}

function lasting(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 5) return "quelques secondes";
  if (whole < 60) return plural(whole, "seconde");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return plural(minutes, "minute");
  return `${plural(Math.floor(minutes / 60), "heure")} ${String(minutes % 60).padStart(2, "0")}`;
}

function sincePresence() {
  return (Date.now() - desk.clockAheadMs - Date.parse(desk.presence.since)) / 1000;
}

function tick() {
  if (!desk.presence) return;
  if (desk.call) {
    const more = desk.presence.presence === "RESERVED" ? sincePresence() : 0;
    put($("fact-waited"), lasting((desk.call.waited_seconds ?? 0) + more));
  }
  if (desk.stage === "connected") tickTalk(sincePresence());
  if (desk.stage === "wrapup") {
    const left = Number(document.body.dataset.wrapUpSeconds) - sincePresence();
    put($("wrapup-left"), left > 0
      ? `La ligne vous laisse encore ${lasting(left)} avant un nouvel appel.`
      : "Votre temps de pause est passé.");
  }
}

function tickTalk(seconds) {
  put($("talk-time"), `Ensemble depuis ${lasting(seconds)}`);
  $("talk-bar").hidden = !listening();
  $("talk-bar").value = Math.min(seconds, LISTENING_SECONDS_GUIDE);
  const guide = seconds < LISTENING_SECONDS_GUIDE
    ? "Repère : 15 à 25 minutes, jamais une limite."
    : "Le repère est passé. Prenez le temps qu'il faut.";
  put($("talk-guide"), listening() ? guide : "");
}

// The keyboard and the buttons -------------------------------------------------------

const KEYS = {
  F2: () => setPresence("READY"),
  F4: () => setPresence("NOT_READY"),
  F8: () => $("call-title").focus(),
  F9: () => $("presence-state").focus(),
};

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.repeat) return;
  const act = KEYS[event.key];
  if (!act || !desk.snapshot) return;
  event.preventDefault();
  act();
});
for (const button of document.querySelectorAll(".choices button")) {
  button.addEventListener("click", () => setPresence(button.dataset.presence));
}
$("retry").addEventListener("click", () => { wire.tries = 0; connect(); });
$("accept").addEventListener("click", () => command("call.accept", { call: desk.call.id }));
$("decline").addEventListener("click", (event) => busyWhile(event.currentTarget,
  () => command("call.decline", { call: desk.call.id })));
$("orient").addEventListener("submit", orient);
$("end").addEventListener("click", () => confirmEnd(true));
$("end-no").addEventListener("click", () => { confirmEnd(false); $("end").focus(); });
$("end-yes").addEventListener("click", (event) => busyWhile(event.currentTarget,
  () => command("call.end", { call: desk.call.id })));
$("wrapup").addEventListener("submit", wrapUp);
$("simulate")?.addEventListener("click", simulate);
window.addEventListener("online", () => { if (!wire.socket) connect(); });
setInterval(tick, 1000);
connect();
