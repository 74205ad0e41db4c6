"""The tables: who works here, what each call was, and the few sealed things we keep a while.

Nothing personal about a caller stands here in clear: ``calls.caller_ref`` is a keyed
pseudonym, ``events`` holds codes only, and whatever must be readable again is in ``sealed``.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

DANGER_HARD = 2  # from this level on, a talk weighs more on who had it


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, always aware and always UTC; a naive datetime is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """What is stored. Raises ValueError for a naive datetime."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be recorded: use aware UTC")
        moment = value.astimezone(UTC)
        # SQLite has no zone to store: the column is UTC by this class alone.
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002 - SQLAlchemy passes it
    ) -> datetime | None:
        """What is read: always aware, always UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Names every constraint the same way on every database, so that migrations can find it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {
        datetime: UtcDateTime(),
        list[str]: JSON(),
        dict[str, Any]: JSON(),
        dict[str, int]: JSON(),
        bytes: LargeBinary(),
    }


class Agent(Base):
    """Someone who works at the line. The id is the name they sign in with."""

    __tablename__ = "agents"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    roles: Mapped[list[str]]
    languages: Mapped[list[str]]
    skills: Mapped[dict[str, int]]  # with the level: 1, 2 or 3
    gender: Mapped[str | None]
    stands_in: Mapped[bool]  # a listener who agreed to be a regulator when there is none
    phone: Mapped[str]
    password_hash: Mapped[str]
    sip_secret_sealed: Mapped[bytes | None]
    own_number_sealed: Mapped[bytes | None]
    presence: Mapped[str]
    reason: Mapped[str | None]
    since_at: Mapped[datetime]
    call_id: Mapped[str | None]


class Session(Base):
    """One open door to the desk, for a browser (cookie) or a program (token)."""

    __tablename__ = "sessions"

    id_hash: Mapped[str] = mapped_column(primary_key=True)
    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), index=True)
    csrf: Mapped[str]
    kind: Mapped[str]  # cookie | token
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class LoginFailure(Base):
    """How often an account or an address failed to sign in lately. The key is a keyed hash."""

    __tablename__ = "login_failures"

    key: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(index=True)


class Call(Base):
    """One caller's passage, ring to hang-up."""

    __tablename__ = "calls"

    id: Mapped[str] = mapped_column(primary_key=True)
    engine_id: Mapped[str]
    channel_id: Mapped[str]
    number_dialled: Mapped[str]
    language: Mapped[str | None]
    stage: Mapped[str]
    line: Mapped[str | None]
    waiting_since_at: Mapped[datetime | None]
    started_at: Mapped[datetime] = mapped_column(index=True)
    answered_at: Mapped[datetime | None]  # the first time a human answered
    ended_at: Mapped[datetime | None] = mapped_column(index=True)
    outcome: Mapped[str | None]
    ended_by: Mapped[str | None]
    caller_ref: Mapped[str | None] = mapped_column(index=True)
    # No foreign key: a record outlives the volunteer who took the call.
    agent_id: Mapped[str | None]
    leg_id: Mapped[str | None]
    danger: Mapped[bool]
    flow: Mapped[str | None]  # the version they heard: accueil@7
    step: Mapped[str | None]  # of that flow: the line or the relay they were led to
    oriented_by: Mapped[str | None]  # the agent to whom they come back when nobody answers
    oriented_to: Mapped[str | None]  # the person whom that agent chose, until somebody answers
    danger_level: Mapped[int]  # as the agents judged it, 0 to 3
    disposition: Mapped[str | None]


class Leg(Base):
    """One phone line inside a call, with a role."""

    __tablename__ = "legs"
    __table_args__ = (Index(None, "agent_id", "answered_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    call_id: Mapped[str] = mapped_column(ForeignKey("calls.id", ondelete="CASCADE"), index=True)
    engine_id: Mapped[str]
    agent_id: Mapped[str | None]
    role: Mapped[str]
    rung_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    # How the agent's browser heard the caller: estimated quality (1 to 5), mean and worst.
    mos: Mapped[float | None]
    worst_mos: Mapped[float | None]
    lost_percent: Mapped[float | None]
    jitter_ms: Mapped[float | None]
    round_trip_ms: Mapped[float | None]


class Event(Base):
    """Something that happened, in codes alone: every figure can be recomputed from these rows."""

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("journal_id", "journal_number"),
        Index(None, "call_id", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    journal_id: Mapped[str]
    journal_number: Mapped[int]
    at: Mapped[datetime] = mapped_column(index=True)
    type: Mapped[str]
    # No foreign key: figures stay true after a call has been erased.
    call_id: Mapped[str | None]
    agent_id: Mapped[str | None]
    data: Mapped[dict[str, Any]]


class Sealed(Base):
    """Something personal, readable with a key kept elsewhere, until the day it is purged."""

    __tablename__ = "sealed"

    call_id: Mapped[str] = mapped_column(
        ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True
    )
    field: Mapped[str] = mapped_column(primary_key=True)
    ciphertext: Mapped[bytes]
    key_id: Mapped[str]
    purpose: Mapped[str]
    purge_at: Mapped[datetime] = mapped_column(index=True)


class Note(Base):
    """What one agent wrote about a call: its answers are in ``sealed``, each with its own end."""

    __tablename__ = "notes"

    call_id: Mapped[str] = mapped_column(
        ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True
    )
    agent_id: Mapped[str] = mapped_column(primary_key=True)
    form: Mapped[str]  # the version it was written with
    version: Mapped[int]  # one more at each change
    saved_at: Mapped[datetime]
    purge_at: Mapped[datetime] = mapped_column(index=True)  # when the last of its answers is gone


class Duty(Base):
    """Somebody was on duty from then to then. A stretch still going on grows as it lasts."""

    __tablename__ = "duty"

    agent_id: Mapped[str] = mapped_column(primary_key=True)
    from_at: Mapped[datetime] = mapped_column(primary_key=True)
    to_at: Mapped[datetime] = mapped_column(index=True)


class JournalPosition(Base):
    """How far each journal has been copied into these tables."""

    __tablename__ = "journal_position"

    journal_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int]
