"""Judges whose turn it was: who should have been asked for whom, by what the line promises.

Written from the promises, not from the program: what people saw, said and heard, and the
journal. Where the wire was unsteady, or a controller that died had known more, nobody is judged.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from cti.simulation.actors import AgentPlan, Frame
from cti.simulation.presences import AROUND_SECONDS, Decision, Presences, State
from cti.simulation.verdicts import Violation
from cti.simulation.waits import ASKED_AGAIN_SECONDS, BOUND_SECONDS, ROLE_OF, Wait, fits, waits_of

if TYPE_CHECKING:
    from cti.simulation.checker import Checker

BEFORE_SECONDS, AFTER_SECONDS = 8.0, 1.0  # how long the wire must have been steady
FRESH_SECONDS = 1.5  # from entering a line to being looked at, beside the flow's own delay
RESUMED_SECONDS = 0.6  # from an offer that came to nothing to being looked at again
RESERVED_SECONDS = 0.7  # from being chosen to the ring
IDLE_SECONDS_MAX = 2.0  # somebody free, and a caller whom they could take
NOBODY_SECONDS_MAX = 20.0  # nobody on duty, and nobody says so (a greeting is heard whole)
RETURN_SECONDS = 175.0
RINGS_WHOLE_SECONDS = 19.0  # a ring that was missed rang so long
ROUNDED = 1e-5  # seconds: the journal tells whole microseconds
OFFERED_SECONDS_MAX = 3.0  # from a pick to the offer: another ring may have to end first
IN_DANGER = 3  # the level of who is in danger now
LOSERS_RING_SECONDS_MAX = 1.3  # once somebody else has answered
PHONE_LOOKED_FOR_SECONDS = 8.0  # a phone that is back is known to be by then
PRIVATE = ("support", "debriefing")


class Turns:
    """Looks at who was asked for whom in one world that is over."""

    def __init__(self, checker: Checker) -> None:
        self.checker = checker
        self.steady = checker.steady
        self.plans = {plan.id: plan for plan in checker.world.plan.agents}
        self.people = Presences(checker)
        self.waits: dict[str, list[Wait]] = {
            call.id: waits_of(checker, call) for call in checker.calls.values()
        }
        self.all_waits = [wait for waits in self.waits.values() for wait in waits]
        self.chosen: dict[tuple[str, float], list[Decision]] = defaultdict(list)
        for decision in self.people.decisions:
            self.chosen[decision.call, decision.at].append(decision)

    def check(self) -> Iterator[Violation]:
        """Every turn that was not kept."""
        for decision in self.people.decisions:
            at = decision.at
            if not self.steady(at - BEFORE_SECONDS, at + AFTER_SECONDS) or self._back(decision):
                continue
            yield from self._shift(decision)
            wait = self._wait_of(decision)
            if wait is None or wait.unsure:
                continue
            if decision.by_hand:
                yield from self._picked(decision, wait)
                continue
            yield from self._widened(decision, wait)
            yield from self._rest(decision, wait)
            yield from self._asked_again(decision, wait)
            yield from self._order(decision, wait)
            yield from self._strategy(decision, wait)
        for wait in self.all_waits:
            if not wait.unsure:
                yield from self._left_waiting(wait)
                yield from self._told_nothing(wait)
        yield from self._taken()
        yield from self._sent()
        yield from self._missed()
        yield from self._losers()
        yield from self._two_callers()
        yield from self._returns()
        yield from self._private()

    def met(self) -> Counter[str]:
        """How much there was to judge, by its kind: a judge who never had to is none."""
        found: Counter[str] = Counter()
        for decision in self.people.decisions:
            wait = self._wait_of(decision)
            if wait is None or wait.unsure:
                found["unsure"] += 1
                continue
            agent = self.plans[decision.agent]
            found["picked"] += decision.by_hand
            found["picked, in danger"] += decision.by_hand and wait.danger == IN_DANGER
            found[wait.step.strategy] += 1
            found["gender"] += wait.gender is not None
            found["skills"] += bool(wait.step.skills)
            found["young"] += wait.young
            found["danger"] += wait.danger > 0
            found["behind"] += wait.behind
            found["lost"] += wait.first[0]
            found["returned"] += wait.back_to == decision.agent
            found["rests"] += decision.before.presence == "WRAP_UP"
            found["stands in"] += wait.could_have(agent, decision.at) == "stands_in"
            found["one more"] += decision.before.shift_over(decision.at)
            found["overtakes"] += any(
                self._waits_around(other, decision.at) and other.since < wait.since
                for other in self.all_waits
                if other.line == wait.line
            )
        for _, _, op, _ in self.checker.legs:
            found["missed"] += op == "leg.missed"
        for frame in self.checker.world.frames:
            found["picked in vain"] += frame.type == "call.not_taken"
        for call in self.checker.calls.values():
            for _, _, data in call.entries:
                found["sent"] += data.get("how") == "waiting"
                found["warned"] += data.get("type") == "call.danger"
        return +found

    def _back(self, decision: Decision) -> bool:
        """Whether nobody answered whom this agent had chosen: the caller is theirs again."""
        return any(
            data.get("type") == "call.came_back"
            and data["agent_id"] == decision.agent
            and abs(at - decision.at) < RESERVED_SECONDS
            for at, op, data in self.checker.calls[decision.call].entries
            if op == "event"
        )

    def _wait_of(self, decision: Decision) -> Wait | None:
        """What the caller waited for as this agent was chosen; None: it changed at that instant."""
        near = AROUND_SECONDS
        for wait in reversed(self.waits.get(decision.call, ())):
            if wait.from_ - ROUNDED <= decision.at <= wait.until + ROUNDED:
                changed = decision.at - wait.from_ < near and not wait.passed
                return None if changed and not wait.fresh else wait
        return None

    def _starved(self, wait: Wait, at: float) -> bool | None:
        """Whether stand-ins are asked for them; None: it changes about now."""
        staffed = {
            any(
                ROLE_OF[wait.line] in plan.roles and self.people.at(id_, moment).works_on(moment)
                for id_, plan in self.plans.items()
            )
            for moment in (at - AROUND_SECONDS, at + AROUND_SECONDS)
        }
        if staffed == {True}:
            late = wait.starved(at - AROUND_SECONDS), wait.starved(at + AROUND_SECONDS)
            return late[0] if late[0] == late[1] else None
        return True if staffed == {False} else None

    # -- the one who was chosen ---------------------------------------------------

    def _shift(self, decision: Decision) -> Iterator[Violation]:
        """No talk begins so near the end of a shift, but on a yes."""
        at = decision.at - 0.7
        near = [*self.people.around(decision.agent, at, decision.at), decision.before]
        if all(state.shift_over(at) and not state.one_more for state in near):
            text = f"{decision.agent} is asked at the end of their shift"
            yield Violation("shift", decision.at, text)

    def _widened(self, decision: Decision, wait: Wait) -> Iterator[Violation]:
        """A language, a gender, a skill: somebody who has them, or nobody."""
        at, agent = decision.at, self.plans[decision.agent]
        if wait.wanted not in (None, agent.id):  # that person could not
            wait = replace(wait, wanted=None)
        fit = wait.could_have(agent, at + AROUND_SECONDS)
        if fit is None:
            text = f"{agent.id} is offered {wait.call}, who asks for {_asks(wait, at)}"
            yield Violation("widened", at, text)
        elif fit == "stands_in" and self._starved(wait, at) is False:
            text = f"{agent.id} stands in for {wait.call}, who has waited {at - wait.since:.1f} s"
            yield Violation("stand-in", at, text)

    def _picked(self, decision: Decision, wait: Wait) -> Iterator[Violation]:
        """By hand too, a language and a gender are somebody's, but for who is in danger."""
        at, agent = decision.at, self.plans[decision.agent]
        suits = wait.language in agent.languages and wait.gender in (None, agent.gender)
        if "regulator" not in agent.roles or not (suits or wait.danger == IN_DANGER):
            text = f"{agent.id} has picked {wait.call}, who asks for {_asks(wait, at)}"
            yield Violation("widened", at, text)

    def _taken(self) -> Iterator[Violation]:
        """Who has picked a caller is offered them, or told why not; nobody else is said to have."""
        for call in self.checker.calls:
            for at, agent in self.checker.taken(call):
                if not self.steady(at - BEFORE_SECONDS, at + OFFERED_SECONDS_MAX):
                    continue
                frames = self.checker.frames_of[agent]
                mine = [frame for frame in frames if _about(frame) == call]
                since, then = at - RESERVED_SECONDS, at + ROUNDED
                if not any(f.type == "said.picks" and since <= f.at <= then for f in mine):
                    yield Violation("taken", at, f"{agent} never picked {call}")
                told = ("call.offered", "call.not_taken")
                until = at + OFFERED_SECONDS_MAX
                if not any(f.type in told and since <= f.at <= until for f in mine):
                    yield Violation("taken", at, f"{agent} has picked {call}, who is not offered")

    def _sent(self) -> Iterator[Violation]:
        """Who is sent to another line from among those who wait keeps their place by time."""
        for call in self.checker.calls.values():
            since: str | None = None
            sent = False
            for at, _, data in call.entries:
                now = data.get("set", {}).get("waiting_since_at")
                if now is not None and sent and now != since and self.checker.life_at(at) == 1:
                    yield Violation("place", at, f"{call.id} waited since {since}, is sent: {now}")
                since = now or since
                sent = (sent and now is None) or data.get("how") == "waiting"

    def _rest(self, decision: Decision, wait: Wait) -> Iterator[Violation]:
        """A rest gives way to the caller of that very talk, and to nobody else."""
        if decision.before.presence != "WRAP_UP":
            return
        rest_of = decision.before.last_call
        number = self.checker.number_of(wait.call)
        if wait.back_to != decision.agent or number is None or rest_of is None:
            yield Violation("rest", decision.at, f"{decision.agent} rests, and is offered a call")
        elif self.checker.number_of(rest_of) != number:
            text = f"{decision.agent} rests from {rest_of}, and is offered {wait.call}"
            yield Violation("rest", decision.at, text)

    def _asked_again(self, decision: Decision, wait: Wait) -> Iterator[Violation]:
        """Who passed is asked again once the others were, and not at once."""
        passed_at = wait.passed.get(decision.agent)
        if passed_at is None or passed_at < wait.again_from:
            return
        if decision.at - wait.last_pass >= ASKED_AGAIN_SECONDS - 0.1:
            return
        again = any(
            frame.type == "said.READY" and passed_at - 0.1 <= frame.at <= decision.at
            for frame in self.checker.frames_of[decision.agent]
        )
        answered = any(
            found["call"] == wait.call and ring.answered_at is not None
            for _, ring, found in self.checker.rings
        )
        if not again and not answered:
            text = f"{decision.agent} passed at {passed_at:.2f}, and is asked again"
            yield Violation("asked again", decision.at, text)

    # -- the order of callers -----------------------------------------------------

    def _order(self, decision: Decision, wait: Wait) -> Iterator[Violation]:
        """Who counts from earlier, and could have taken this agent, is asked for first."""
        at, agent = decision.at, self.plans[decision.agent]
        if decision.before.presence != "READY":
            return
        earliest = wait.counts_from()[0]
        for other in self.all_waits:
            if other.call == wait.call or not self._waits_around(other, at):
                continue
            if not self._could_take(agent, other, at):
                continue
            if wait.since - other.since > BOUND_SECONDS:
                text = f"{wait.call} overtakes {other.call}, of {other.since:.1f}"
                yield Violation("bound", at, text)
            if other.counts_from()[1] < earliest - 0.001:
                text = f"{wait.call} offered {agent.id} before {other.call}"
                text += f", who counts from {other.counts_from()[1]:.2f} and not {earliest:.2f}"
                yield Violation("order", at, text)

    def _waits_around(self, wait: Wait, at: float) -> bool:
        """Whether they were waiting, as looked at, and went on waiting."""
        after = wait.step.ring_after_seconds + FRESH_SECONDS if wait.fresh else RESUMED_SECONDS
        return not wait.unsure and wait.from_ + after < at < wait.until - RESERVED_SECONDS

    def _could_take(self, agent: AgentPlan, wait: Wait, at: float) -> bool:
        """Whether this caller would surely have been offered this agent, were they free."""
        if agent.id in wait.passed or wait.wanted is not None:
            return False
        fit = wait.could_have(agent, at - AROUND_SECONDS)
        return fit == "own" or (fit == "stands_in" and self._starved(wait, at) is True)

    # -- the right person of those who are free ---------------------------------------

    def _strategy(self, decision: Decision, wait: Wait) -> Iterator[Violation]:
        """Of those who were free and could take them, the one whom the line asks first."""
        at, chosen = decision.at, self.plans[decision.agent]
        if wait.wanted is not None or self.checker.life_at(at) > 1:
            return
        if wait.back_to == chosen.id:
            return
        all_ = wait.step.strategy == "ring_all"
        for other in self.plans.values():
            asked = {one.agent for one in self.chosen[decision.call, at]}
            if other.id in asked or not self.people.free_around(other.id, at):
                continue
            if not self._could_take(other, wait, at):
                continue
            state = self.people.at(other.id, at)
            first = self._first(other, state, chosen, decision.before, wait)
            if first or all_:
                text = f"{wait.call} offered {chosen.id}, and not {other.id}: {first or 'all ring'}"
                yield Violation("strategy", at, text)

    def _first(
        self, one: AgentPlan, its: State, other: AgentPlan, theirs: State, wait: Wait
    ) -> str | None:
        """Why ``one`` is asked before ``other``; None: they are not, or nobody can tell."""
        if one.id == wait.back_to:  # once somebody passed, nobody promises
            return None if wait.passed else "they were with them"
        if other.id == wait.back_to:
            return None
        own = [ROLE_OF[wait.line] in agent.roles for agent in (one, other)]
        if own[0] != own[1]:
            return "no stand-in" if own[0] else None
        missed = its.missed > 0, theirs.missed > 0
        if missed[0] != missed[1]:
            return "missed no ring" if missed[1] else None
        strategy = wait.step.strategy
        if strategy == "linear":
            return "in order" if one.id < other.id else None
        if strategy == "fewest_calls" and its.talks != theirs.talks:
            few = f"{its.talks} talks and not {theirs.talks}"
            return few if its.talks < theirs.talks else None
        close = 0 < abs(its.minutes - theirs.minutes) < 0.001
        if strategy == "least_load" and close:  # a screen cannot tell
            return None
        if strategy == "least_load" and its.minutes != theirs.minutes:
            load = f"{its.minutes:.2f} minutes and not {theirs.minutes:.2f}"
            return load if its.minutes < theirs.minutes else None
        if its.free_since is None or theirs.free_since is None:
            return None
        if its.free_since < theirs.free_since - 0.001:
            return f"free since {its.free_since:.2f} and not {theirs.free_since:.2f}"
        return None

    # -- nobody is forgotten ------------------------------------------------------

    def _left_waiting(self, wait: Wait) -> Iterator[Violation]:
        """Somebody who is free takes a caller whom they can take."""
        since = wait.from_ + RESUMED_SECONDS
        if wait.fresh:
            since = wait.from_ + wait.step.ring_after_seconds + FRESH_SECONDS
        for agent in self.plans.values():
            fit = wait.could_have(agent, since)
            from_ = since
            if fit == "stands_in":
                from_ = max(since, wait.since + wait.step.stand_in_after_seconds)
            if fit is None or wait.wanted is not None:
                continue
            if agent.id in wait.passed:
                from_ = max(from_, wait.last_pass + ASKED_AGAIN_SECONDS + 1.0)
            idle_since: float | None = None
            for state in [*self.people.around(agent.id, from_, wait.until), State(wait.until)]:
                at = max(from_, state.at)
                if state.free:
                    idle_since = at if idle_since is None else idle_since
                    continue
                long = idle_since is not None and at - idle_since > IDLE_SECONDS_MAX
                if idle_since is not None and long and self.steady(idle_since - BEFORE_SECONDS, at):
                    text = f"{agent.id} is free, and {wait.call} waits"
                    yield Violation("idle", idle_since, text)
                idle_since = None

    def _told_nothing(self, wait: Wait) -> Iterator[Violation]:
        """A caller for whom nobody works is told so."""
        levels = dict.fromkeys(wait.step.skills, 1)
        anybody = replace(wait, wanted=None)  # who was wanted may be away: others will do
        able = [id_ for id_, plan in self.plans.items() if fits(plan, anybody, levels)]
        moments = sorted(
            {wait.from_, wait.until}
            | {s.at for id_ in able for s in self.people.around(id_, wait.from_, wait.until)}
        )
        alone_since: float | None = None
        for at in [moment for moment in moments if wait.from_ <= moment <= wait.until]:
            works = any(self.people.at(id_, at).works_on(at) for id_ in able)
            if not works and at < wait.until:
                alone_since = at if alone_since is None else alone_since
                continue
            long = alone_since is not None and at - alone_since > NOBODY_SECONDS_MAX
            if alone_since is not None and long and self.steady(alone_since - BEFORE_SECONDS, at):
                text = f"{wait.call} waits for nobody, and is not told"
                yield Violation("told nothing", alone_since, text)
            alone_since = None

    # -- rings --------------------------------------------------------------------

    def _missed(self) -> Iterator[Violation]:
        """The first ring in vain is asked about, the second a pause; only whole rings count."""
        rings = {ring.channel_id: (at, ring) for at, ring in self.checker.world.rings}
        tried = {data["leg_id"]: at for _, at, op, data in self.checker.legs if op == "leg.rung"}
        for _, at, op, data in self.checker.legs:
            if op != "leg.missed" or not self.steady(at - 25, at + AFTER_SECONDS):
                continue
            # A phone that is lost rings nowhere, and nobody is told so.
            began, ring = rings.get(data["leg_id"], (tried[data["leg_id"]], None))
            whole = at - began > RINGS_WHOLE_SECONDS
            if not whole and (ring is None or ring.answered_at is None):
                text = f"{data['agent_id']} missed a ring of {at - began:.1f} s"
                yield Violation("missed", at, text)
        for agent in self.plans:
            yield from self._after_missed(agent)

    def _after_missed(self, agent: str) -> Iterator[Violation]:
        misses = [
            at
            for _, at, op, data in self.checker.legs
            if op == "leg.missed" and data["agent_id"] == agent
        ]
        asked, paused = set[float](), set[float]()
        for frame in self.checker.frames_of[agent]:
            if frame.type == "presence.asked":
                asked.add(frame.at)
            if frame.type == "presence.changed" and frame.data["reason"] == "missed":
                paused.add(frame.at)
        for at in asked | paused:
            fair = any(abs(at - missed) < 0.01 for missed in misses)
            if not fair and self.steady(at - BEFORE_SECONDS, at + AFTER_SECONDS):
                yield Violation("missed", at, f"{agent} missed no ring, and is told so")
        for at in misses:
            before = self.people.at(agent, at - 0.001)
            if not self.steady(at - 25, at + AFTER_SECONDS) or before.presence != "RESERVED":
                continue
            if before.came_from != "READY" or not before.screen:
                continue
            chose = any(
                frame.type.startswith("said.") and before.reserved_at - 0.1 <= frame.at <= at + 0.1
                for frame in self.checker.frames_of[agent]
            )
            was_paused = any(abs(at - one) < 0.01 for one in paused)
            if not chose and was_paused != (before.missed > 0):
                text = f"{agent} missed {before.missed + 1} rings, paused: {was_paused}"
                yield Violation("missed", at, text)
            elif not (chose or was_paused or any(abs(at - one) < 0.01 for one in asked)):
                yield Violation("missed", at, f"{agent} is not asked whether they are there")

    def _losers(self) -> Iterator[Violation]:
        """Once somebody has answered, no other phone rings for that caller."""
        for _, at, op, data in self.checker.legs:
            if op != "leg.answered" or not self.steady(at - BEFORE_SECONDS, at + 3):
                continue
            for began, ring, found in self.checker.rings:
                if found["call"] != data["call_id"] or began > at:
                    continue
                until = self.checker.stops_ringing(ring)
                if ring.channel_id != data["leg_id"] and until > at + LOSERS_RING_SECONDS_MAX:
                    text = f"{ring.name} rings for a caller whom {data['agent_id']} has"
                    yield Violation("still rings", at, text)

    def _two_callers(self) -> Iterator[Violation]:
        """Nobody talks with two callers."""
        talks: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
        for _, ring, found in self.checker.rings:
            untils = [at for at, _ in ring.heard[1:]]
            untils.append(ring.ended_at or self.checker.world.loop.time())
            for (at, sound), until in zip(ring.heard, untils, strict=False):
                if sound.startswith("people:"):
                    for since, before, call in talks[ring.name]:
                        both = min(until, before) - max(at, since)
                        if call != found["call"] and both > 0 and self.steady(at - 8, at):
                            text = f"{ring.name} talks in two calls"
                            yield Violation("two callers", max(at, since), text)
                    talks[ring.name].append((at, until, found["call"]))

    # -- who rings again ------------------------------------------------------------

    def _returns(self) -> Iterator[Violation]:
        """A caller whose talk broke off finds the person they were with first, if they can."""
        for call in self.checker.calls.values():
            left = self.checker.left_talk_before(call)
            if left is None:
                continue
            left_at, agent = left
            ask = next((d for d in self.people.decisions if d.call == call.id), None)
            if ask is None or not self.steady(left_at - BEFORE_SECONDS, ask.at + AFTER_SECONDS):
                continue
            wait = self._wait_of(ask)
            if ask.agent == agent or wait is None or agent in wait.passed:
                continue
            if ask.by_hand or wait.wanted is not None:  # a regulator has chosen for them
                continue
            around = self.people.around(agent, ask.at - AROUND_SECONDS, ask.at + AROUND_SECONDS)
            before = self.checker.calls_of_number(call.id)[-2:-1]
            rests = all(
                state.presence == "WRAP_UP" and state.screen and state.last_call in before
                for state in around
            ) and all(s.works_on(ask.at) for s in around)
            # A phone lost in a rest is told of when the rest is over; found again, never.
            phone = self.checker.world.desks[agent].phone
            rests = rests and not phone.was_away(ask.at - PHONE_LOOKED_FOR_SECONDS, ask.at)
            plan = self.plans[agent]
            gender = wait.gender in (None, plan.gender) and wait.language in plan.languages
            if gender and (rests or self.people.free_around(agent, ask.at)):
                text = f"{call.id} was with {agent} until {left_at:.2f}, and is offered {ask.agent}"
                yield Violation("return", ask.at, text)

    # -- nobody's business ------------------------------------------------------------

    def _private(self) -> Iterator[Violation]:
        """A pause for support is nobody else's business."""
        for frame in self.checker.world.frames:
            own = frame.type in ("presence.changed", "screen.open")
            if own or frame.type.startswith("said."):
                continue
            if any(word in str(frame.data) for word in PRIVATE):
                yield Violation("private", frame.at, f"{frame.agent} is told of a pause")


def _about(frame: Frame) -> str | None:
    """The call of an offer or of a pick."""
    if frame.type == "said.picks":
        return str(frame.data["value"])
    call = frame.data.get("call")
    return call["id"] if isinstance(call, dict) else None


def _asks(wait: Wait, at: float) -> str:
    needs = [wait.line, wait.language, wait.gender or "", str(wait.levels(at)), wait.wanted or ""]
    return " ".join(need for need in needs if need)
