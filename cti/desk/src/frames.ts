// What the line and the page say to each other. Made by cti/web/typescript.py.

// Every frame up to ``seq`` has been displayed to me.
export interface Ack {
  seq: number;
}

// Somebody whom the agent had oriented is offered to them again.
export interface CallCameBack {
  call: CallRef;
  reason?: string | null;
}

// Those fields of a call's sheet that are new; the others stay as they are.
export interface CallChanges {
  id: string;
}

// I close an abusive or silent call: the caller hears a kind sentence, I am asked nothing.
export interface CallClose {
  call: string;
  why: "abusive" | "silent";
}

// The caller and the agent hear each other.
export interface CallConnected {
  call: CallChanges;
}

// A colleague and the agent talk with each other; the caller waits under music.
export interface CallConsulting {
  call: CallRef;
  agent: Named;
}

// How much danger a caller who waits is in: 0 none, 1 low, 2 high, 3 now. For regulators.
export interface CallDanger {
  call: string;
  level: number;
}

// I cannot take the offered call.
export interface CallDecline {
  call: string;
}

// I end the call.
export interface CallEnd {
  call: string;
}

// The agent's part in the call is over.
export interface CallEnded {
  call: CallRef;
  reason?: string | null;
}

// The caller waits under music, or is back.
export interface CallHeld {
  call: CallRef;
  on: boolean;
  reason?: string | null;
  seconds_max?: number | null;
}

// The caller waits under music, or comes back from there; in a consultation, all three talk.
export interface CallHold {
  call: string;
  on: boolean;
}

// Three are talking: this colleague too hears the caller. Whoever leaves, two go on.
export interface CallJoined {
  call: CallRef;
  agent: Named;
}

// The caller does not hear me, or does again.
export interface CallMute {
  call: string;
  on: boolean;
}

// The caller does not hear this agent, or does again.
export interface CallMuted {
  call: CallRef;
  on: boolean;
  reason?: string | null;
  seconds_max?: number | null;
}

// Nobody came to the talk; it goes on as it was.
export interface CallNotJoined {
  call: CallRef;
  reason: string | null;
}

// A caller whom the agent had taken is gone before they were offered: nothing rings.
export interface CallNotTaken {
  call: CallRef;
  reason: string;
}

// The screen pop. It must be acked once displayed, before the phone is rung.
export interface CallOffered {
  offer: string;
  call: CallView;
  line: string | null;
  expires_at: string;
}

// Where the caller goes next, and what the next person should know.
export interface CallOrient {
  call: string;
  to: Destination;
  handover?: string | null;
  together?: boolean;
  consult?: boolean;
  danger?: number | null;
}

// How my browser has heard the caller in the last seconds.
export interface CallQuality {
  call: string;
  mos: number;
  lost_percent: number;
  jitter_ms: number;
  round_trip_ms: number;
}

// A call, named.
export interface CallRef {
  id: string;
}

// One side of the talk is not heard, or is heard again.
export interface CallSound {
  problem: "no_voice" | "caller_silent" | null;
  advice: string | null;
  advice_en?: string | null;
  say?: string[];
  call: CallRef;
}

// Where the caller might go next, best first, three at most: replaces those told before.
export interface CallSuggestions {
  call: CallRef;
  suggestions: Suggestion[];
}

// I take this caller, who waits: they are offered to me at once. For regulators.
export interface CallTake {
  call: string;
}

// The third person is not needed after all: the caller and I talk again.
export interface CallTakeBack {
  call: string;
}

// Something about the call changed; the fields given replace those known.
export interface CallUpdated {
  call: CallChanges;
}

// The call's sheet. It never holds the caller's number.
export interface CallView {
  id: string;
  tier: string;
  language: string | null;
  waited_seconds: number;
  path: string[];
  handover: string | null;
  danger: boolean | null;
  danger_level?: number;
  returned?: boolean;
  held?: boolean;
  held_until?: string | null;
  muted?: boolean;
  muted_until?: string | null;
  inviting?: boolean;
  colleague?: OtherAgent | null;
  told: Record<string, string>;
  keys?: string[];
  sound?: Sound | null;
}

// The offer is over, and counts against nobody unless it says ``missed``.
export interface CallWithdrawn {
  call: CallRef;
  offer?: string | null;
  reason: string | null;
}

// Another member of the team, to whom a caller may be oriented.
export interface Colleague {
  id: string;
  name: string;
  roles: string[];
  presence: string;
}

// Exactly one of a line, an agent or a relay, by id.
export interface Destination {
  line?: string | null;
  agent?: string | null;
  relay?: string | null;
}

// When my shift ends, and whether I take one more talk near its end; null: as it is.
export interface DutySet {
  ends_at?: string | null;
  one_more?: boolean | null;
}

// When the agent's shift ends, as they said, and what they agreed to.
export interface DutyView {
  ends_at: string | null;
  one_more: boolean;
  stands_in: boolean;
}

// First frame of every connection. A new epoch means that numbering started again.
export interface Hello {
  epoch: string;
  last_seq: number;
  heartbeat_seconds: number;
  resumed?: boolean;
}

// I see to this agent. For supervisors, facilitators and regulators.
export interface HelpAnswer {
  agent: string;
}

// A colleague sees to this agent.
export interface HelpAnswered {
  by: string;
  name: string;
}

// I need help now, in this call or in none. Asking again while it waits changes nothing.
export interface HelpAsk {
  call?: string | null;
}

// A colleague needs help now; told to supervisors, facilitators and regulators.
export interface HelpAsked {
  agent: string;
  name: string;
  call: CallRef | null;
  since: string;
}

// I need no help any more.
export interface HelpEnd {
}

// A request for help is over, for who asked and for who could answer.
export interface HelpOver {
  agent: string;
  reason: "answered" | "over" | "too_long";
  by: Named | null;
}

// The help that this agent asked for; told again when somebody sees it, or nobody any more.
export interface HelpWaiting {
  call: CallRef | null;
  since: string;
  seen: boolean;
  advice: Reason | null;
  by: Named | null;
}

// Something to choose in a list.
export interface Labelled {
  id: string;
  label: string;
}

// A person, named.
export interface Named {
  id: string;
  name: string;
}

// What follows once the agent is done with the call they have.
export interface NextPresence {
  presence: "LOGGED_OUT" | "NOT_READY" | "READY";
  reason: string | null;
}

// The colleague who has the caller too.
export interface OtherAgent {
  id: string;
  name: string;
  how: "consulting" | "consulted_by" | "came" | "stays";
}

// A member of the team.
export interface Person {
  id: string;
  name: string;
  roles: string[];
}

// Your phone rang in vain: are you still there? Answer presence.here, or pause.
export interface PresenceAsked {
}

// I am still there, though my phone rang in vain.
export interface PresenceHere {
}

// What I can take from now on.
export interface PresenceSet {
  presence: "READY" | "NOT_READY" | "LOGGED_OUT";
  reason?: string | null;
}

// What the agent can take now, since when.
export interface PresenceView {
  presence: "LOGGED_OUT" | "NOT_READY" | "READY" | "RESERVED" | "TALKING" | "WRAP_UP";
  reason: string | null;
  since: string;
  wrap_up?: WrapupView | null;
  next?: NextPresence | null;
}

// Why something is suggested: a code for programs, a few words for people.
export interface Reason {
  code: string;
  fr: string;
  en: string;
}

// I was here before: give me what came after ``since``.
export interface Resume {
  epoch: string;
  since: number;
}

// All that a screen must show now: replaces everything it knew.
export interface Snapshot {
  agent: Person;
  presence: PresenceView;
  duty: DutyView;
  asked: boolean;
  call: CallView | null;
  call_state: "offered" | "connected" | null;
  suggestions?: Suggestion[];
  wrapup_call?: string | null;
  lines: Labelled[];
  colleagues: Colleague[];
  dispositions: Labelled[];
  system: SystemView;
  alerts?: TeamAlert[];
  help?: HelpWaiting | null;
  helps?: HelpAsked[];
  waiting?: WaitingCard[];
  waiting_count?: number;
}

// Whether both sides of the talk are heard, and what to do when one is not.
export interface Sound {
  problem: "no_voice" | "caller_silent" | null;
  advice: string | null;
  advice_en?: string | null;
  say?: string[];
}

// Where the caller might go next, and why.
export interface Suggestion {
  to: Target;
  label: string;
  reasons: Reason[];
}

// How the line itself is. Calls are served in every case.
export interface SystemView {
  degraded: boolean;
  reasons: string[];
  advice?: string | null;
}

// A line or an agent, by id: what ``to`` of ``call.orient`` takes.
export interface Target {
  line?: string | null;
  agent?: string | null;
}

// Something about a colleague, for supervisors.
export interface TeamAlert {
  kind: string;
  agent: Named;
  at: string;
}

// A caller who waits, as regulators and supervisors see them. It never holds their number.
export interface WaitingCard {
  id: string;
  line: string;
  tier: string;
  waiting_since: string;
  language: string;
  gender: "femme" | "homme" | null;
  danger: boolean;
  danger_level: number;
  need: string[];
  path: string[];
  told: Record<string, string>;
  returned: boolean;
  oriented: "regulator" | "listener" | null;
  handover: boolean;
  state: "waiting" | "ringing" | "elsewhere";
  may_take: boolean;
}

// Who waits now, the oldest first: replaces the whole list.
export interface WaitingChanged {
  waiting: WaitingCard[];
  waiting_count: number;
}

// I have finished with the call, and what it came to.
export interface WrapupDone {
  call: string;
  disposition: string;
}

// I need as much time again after this call; once.
export interface WrapupExtend {
  call: string;
}

// How much is left of the minutes after a call.
export interface WrapupView {
  seconds_left: number;
  may_extend: boolean;
  form: boolean;
}

export interface Events {
  "hello": Hello;
  "snapshot": Snapshot;
  "presence.changed": PresenceView;
  "presence.asked": PresenceAsked;
  "duty.changed": DutyView;
  "team.alert": TeamAlert;
  "help.asked": HelpAsked;
  "help.waiting": HelpWaiting;
  "help.answered": HelpAnswered;
  "help.over": HelpOver;
  "system.changed": SystemView;
  "waiting.changed": WaitingChanged;
  "call.offered": CallOffered;
  "call.updated": CallUpdated;
  "call.sound": CallSound;
  "call.withdrawn": CallWithdrawn;
  "call.not_taken": CallNotTaken;
  "call.connected": CallConnected;
  "call.suggestions": CallSuggestions;
  "call.ended": CallEnded;
  "call.joined": CallJoined;
  "call.not_joined": CallNotJoined;
  "call.held": CallHeld;
  "call.muted": CallMuted;
  "call.consulting": CallConsulting;
  "call.came_back": CallCameBack;
}

export interface Ops {
  "presence.set": PresenceSet;
  "presence.here": PresenceHere;
  "duty.set": DutySet;
  "call.decline": CallDecline;
  "call.orient": CallOrient;
  "call.take": CallTake;
  "call.danger": CallDanger;
  "call.hold": CallHold;
  "call.mute": CallMute;
  "call.take_back": CallTakeBack;
  "call.end": CallEnd;
  "call.close": CallClose;
  "call.quality": CallQuality;
  "wrapup.done": WrapupDone;
  "wrapup.extend": WrapupExtend;
  "help.ask": HelpAsk;
  "help.answer": HelpAnswer;
  "help.end": HelpEnd;
  "ack": Ack;
  "resume": Resume;
}
