"""Who else has a caller: what each agent's screen shows of it, after a reload too."""

from __future__ import annotations

from typing import Any

from cti.calls.state import Call, Talk


def tell_company(call: Call) -> None:
    """Tell whoever has the caller who else does, and is looked for, when that has changed."""
    looked_for = call.inviting is not None and not call.inviting.done()
    for talk in call.talks:
        engagement = talk.agent.engagement
        if engagement is None:
            continue
        now = {
            "inviting": looked_for and talk is call.talk,
            "colleague": _colleague(call, talk),
        }
        if engagement.view | now != engagement.view:
            engagement.view.update(now)
            talk.agent.outbox.push("call.updated", {"call": {"id": call.id, **now}})


def _colleague(call: Call, talk: Talk) -> dict[str, Any] | None:
    if talk is call.consulting:
        other, how = call.talk, "consulted_by"
    elif talk is call.staying:
        other, how = call.talk, "came"
    elif call.consulting is not None:
        other, how = call.consulting, "consulting"
    else:
        other, how = call.staying, "stays"
    if other is None:
        return None
    return {"id": other.agent.id, "name": other.agent.name, "how": how}
