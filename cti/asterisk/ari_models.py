"""The telephone engine's own words: its models, its events and its commands.

Written by generate_ari.py from the engine's REST description, version 10.0.0. Do not edit.
"""

# ruff: noqa
# fmt: off
# Names and lengths are the engine's own, so that its manual is ours.

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cti.asterisk.ari_base import EPOCH, SECONDS_MAX, Json, Model, Repository, Request
from cti.asterisk.ari_base import each, ids, maybe, moment, number, path, record, text, whole


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Application(Model):
    """Details of a Stasis application"""

    name: str = ""
    channel_ids: tuple[str, ...] = ()
    bridge_ids: tuple[str, ...] = ()
    endpoint_ids: tuple[str, ...] = ()
    device_names: tuple[str, ...] = ()
    events_allowed: tuple[Json, ...] = ()
    events_disallowed: tuple[Json, ...] = ()

    @classmethod
    def read(cls, data: object) -> Application:
        d = record(data)
        return cls(
            name=text(d.get("name")),
            channel_ids=each(text)(d.get("channel_ids")),
            bridge_ids=each(text)(d.get("bridge_ids")),
            endpoint_ids=each(text)(d.get("endpoint_ids")),
            device_names=each(text)(d.get("device_names")),
            events_allowed=each(record)(d.get("events_allowed")),
            events_disallowed=each(record)(d.get("events_disallowed")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BuildInfo(Model):
    """Info about how Asterisk was built"""

    os: str = ""
    kernel: str = ""
    options: str = ""
    machine: str = ""
    date: str = ""
    user: str = ""

    @classmethod
    def read(cls, data: object) -> BuildInfo:
        d = record(data)
        return cls(
            os=text(d.get("os")),
            kernel=text(d.get("kernel")),
            options=text(d.get("options")),
            machine=text(d.get("machine")),
            date=text(d.get("date")),
            user=text(d.get("user")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SystemInfo(Model):
    """Info about Asterisk"""

    version: str = ""
    entity_id: str = ""

    @classmethod
    def read(cls, data: object) -> SystemInfo:
        d = record(data)
        return cls(
            version=text(d.get("version")),
            entity_id=text(d.get("entity_id")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SetId(Model):
    """Effective user/group id"""

    user: str = ""
    group: str = ""

    @classmethod
    def read(cls, data: object) -> SetId:
        d = record(data)
        return cls(
            user=text(d.get("user")),
            group=text(d.get("group")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ConfigInfo(Model):
    """Info about Asterisk configuration"""

    name: str = ""
    default_language: str = ""
    max_channels: int | None = None
    max_open_files: int | None = None
    max_load: float | None = None
    setid: SetId = field(default_factory=lambda: SetId())

    @classmethod
    def read(cls, data: object) -> ConfigInfo:
        d = record(data)
        return cls(
            name=text(d.get("name")),
            default_language=text(d.get("default_language")),
            max_channels=maybe(d.get("max_channels"), whole),
            max_open_files=maybe(d.get("max_open_files"), whole),
            max_load=maybe(d.get("max_load"), number),
            setid=SetId.read(d.get("setid")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StatusInfo(Model):
    """Info about Asterisk status"""

    startup_time: datetime = EPOCH
    last_reload_time: datetime = EPOCH

    @classmethod
    def read(cls, data: object) -> StatusInfo:
        d = record(data)
        return cls(
            startup_time=moment(d.get("startup_time")),
            last_reload_time=moment(d.get("last_reload_time")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AsteriskInfo(Model):
    """Asterisk system information"""

    build: BuildInfo | None = None
    system: SystemInfo | None = None
    config: ConfigInfo | None = None
    status: StatusInfo | None = None

    @classmethod
    def read(cls, data: object) -> AsteriskInfo:
        d = record(data)
        return cls(
            build=maybe(d.get("build"), BuildInfo.read),
            system=maybe(d.get("system"), SystemInfo.read),
            config=maybe(d.get("config"), ConfigInfo.read),
            status=maybe(d.get("status"), StatusInfo.read),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AsteriskPing(Model):
    """Asterisk ping information"""

    asterisk_id: str = ""
    ping: str = ""
    timestamp: str = ""

    @classmethod
    def read(cls, data: object) -> AsteriskPing:
        d = record(data)
        return cls(
            asterisk_id=text(d.get("asterisk_id")),
            ping=text(d.get("ping")),
            timestamp=text(d.get("timestamp")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Module(Model):
    """Details of an Asterisk module"""

    name: str = ""
    description: str = ""
    use_count: int = 0
    status: str = ""
    support_level: str = ""

    @classmethod
    def read(cls, data: object) -> Module:
        d = record(data)
        return cls(
            name=text(d.get("name")),
            description=text(d.get("description")),
            use_count=whole(d.get("use_count")),
            status=text(d.get("status")),
            support_level=text(d.get("support_level")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LogChannel(Model):
    """Details of an Asterisk log channel"""

    channel: str = ""
    type: str = ""
    status: str = ""
    configuration: str = ""

    @classmethod
    def read(cls, data: object) -> LogChannel:
        d = record(data)
        return cls(
            channel=text(d.get("channel")),
            type=text(d.get("type")),
            status=text(d.get("status")),
            configuration=text(d.get("configuration")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Variable(Model):
    """The value of a channel variable"""

    value: str = ""

    @classmethod
    def read(cls, data: object) -> Variable:
        d = record(data)
        return cls(
            value=text(d.get("value")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Variables(Model):
    """A dictionary of channel variables"""

    variables: Json = field(default_factory=dict)

    @classmethod
    def read(cls, data: object) -> Variables:
        d = record(data)
        return cls(
            variables=record(d.get("variables")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ConfigTuple(Model):
    """A key/value pair that makes up part of a configuration object."""

    attribute: str = ""
    value: str = ""

    @classmethod
    def read(cls, data: object) -> ConfigTuple:
        d = record(data)
        return cls(
            attribute=text(d.get("attribute")),
            value=text(d.get("value")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Bridge(Model):
    """The merging of media from one or more channels. Everyone on the bridge receives the same
    audio."""

    id: str = ""
    technology: str = ""
    bridge_type: str = ""
    bridge_class: str = ""
    creator: str = ""
    name: str = ""
    channels: tuple[str, ...] = ()
    video_mode: str | None = None
    video_source_id: str | None = None
    creationtime: datetime = EPOCH
    bridgevars: Json | None = None

    @classmethod
    def read(cls, data: object) -> Bridge:
        d = record(data)
        return cls(
            id=text(d.get("id")),
            technology=text(d.get("technology")),
            bridge_type=text(d.get("bridge_type")),
            bridge_class=text(d.get("bridge_class")),
            creator=text(d.get("creator")),
            name=text(d.get("name")),
            channels=each(text)(d.get("channels")),
            video_mode=maybe(d.get("video_mode"), text),
            video_source_id=maybe(d.get("video_source_id"), text),
            creationtime=moment(d.get("creationtime")),
            bridgevars=maybe(d.get("bridgevars"), record),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Dialed(Model):
    """Dialed channel information."""


    @classmethod
    def read(cls, data: object) -> Dialed:
        return cls(
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DialplanCEP(Model):
    """Dialplan location (context/extension/priority)"""

    context: str = ""
    exten: str = ""
    priority: int = 0
    app_name: str = ""
    app_data: str = ""

    @classmethod
    def read(cls, data: object) -> DialplanCEP:
        d = record(data)
        return cls(
            context=text(d.get("context")),
            exten=text(d.get("exten")),
            priority=whole(d.get("priority")),
            app_name=text(d.get("app_name")),
            app_data=text(d.get("app_data")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CallerID(Model):
    """Caller identification"""

    name: str = ""
    number: str = ""

    @classmethod
    def read(cls, data: object) -> CallerID:
        d = record(data)
        return cls(
            name=text(d.get("name")),
            number=text(d.get("number")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RTPstat(Model):
    """A statistics of a RTP."""

    txcount: int = 0
    rxcount: int = 0
    txjitter: float | None = None
    rxjitter: float | None = None
    remote_maxjitter: float | None = None
    remote_minjitter: float | None = None
    remote_normdevjitter: float | None = None
    remote_stdevjitter: float | None = None
    local_maxjitter: float | None = None
    local_minjitter: float | None = None
    local_normdevjitter: float | None = None
    local_stdevjitter: float | None = None
    txploss: int = 0
    rxploss: int = 0
    remote_maxrxploss: float | None = None
    remote_minrxploss: float | None = None
    remote_normdevrxploss: float | None = None
    remote_stdevrxploss: float | None = None
    local_maxrxploss: float | None = None
    local_minrxploss: float | None = None
    local_normdevrxploss: float | None = None
    local_stdevrxploss: float | None = None
    rtt: float | None = None
    maxrtt: float | None = None
    minrtt: float | None = None
    normdevrtt: float | None = None
    stdevrtt: float | None = None
    local_ssrc: int = 0
    remote_ssrc: int = 0
    txoctetcount: int = 0
    rxoctetcount: int = 0
    channel_uniqueid: str = ""

    @classmethod
    def read(cls, data: object) -> RTPstat:
        d = record(data)
        return cls(
            txcount=whole(d.get("txcount")),
            rxcount=whole(d.get("rxcount")),
            txjitter=maybe(d.get("txjitter"), number),
            rxjitter=maybe(d.get("rxjitter"), number),
            remote_maxjitter=maybe(d.get("remote_maxjitter"), number),
            remote_minjitter=maybe(d.get("remote_minjitter"), number),
            remote_normdevjitter=maybe(d.get("remote_normdevjitter"), number),
            remote_stdevjitter=maybe(d.get("remote_stdevjitter"), number),
            local_maxjitter=maybe(d.get("local_maxjitter"), number),
            local_minjitter=maybe(d.get("local_minjitter"), number),
            local_normdevjitter=maybe(d.get("local_normdevjitter"), number),
            local_stdevjitter=maybe(d.get("local_stdevjitter"), number),
            txploss=whole(d.get("txploss")),
            rxploss=whole(d.get("rxploss")),
            remote_maxrxploss=maybe(d.get("remote_maxrxploss"), number),
            remote_minrxploss=maybe(d.get("remote_minrxploss"), number),
            remote_normdevrxploss=maybe(d.get("remote_normdevrxploss"), number),
            remote_stdevrxploss=maybe(d.get("remote_stdevrxploss"), number),
            local_maxrxploss=maybe(d.get("local_maxrxploss"), number),
            local_minrxploss=maybe(d.get("local_minrxploss"), number),
            local_normdevrxploss=maybe(d.get("local_normdevrxploss"), number),
            local_stdevrxploss=maybe(d.get("local_stdevrxploss"), number),
            rtt=maybe(d.get("rtt"), number),
            maxrtt=maybe(d.get("maxrtt"), number),
            minrtt=maybe(d.get("minrtt"), number),
            normdevrtt=maybe(d.get("normdevrtt"), number),
            stdevrtt=maybe(d.get("stdevrtt"), number),
            local_ssrc=whole(d.get("local_ssrc")),
            remote_ssrc=whole(d.get("remote_ssrc")),
            txoctetcount=whole(d.get("txoctetcount")),
            rxoctetcount=whole(d.get("rxoctetcount")),
            channel_uniqueid=text(d.get("channel_uniqueid")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Channel(Model):
    """A specific communication connection between Asterisk and an Endpoint."""

    id: str = ""
    protocol_id: str = ""
    name: str = ""
    state: str = ""
    caller: CallerID = field(default_factory=lambda: CallerID())
    connected: CallerID = field(default_factory=lambda: CallerID())
    accountcode: str = ""
    dialplan: DialplanCEP = field(default_factory=lambda: DialplanCEP())
    creationtime: datetime = EPOCH
    language: str = ""
    channelvars: Json | None = None
    caller_rdnis: str | None = None
    tenantid: str | None = None

    @classmethod
    def read(cls, data: object) -> Channel:
        d = record(data)
        return cls(
            id=text(d.get("id")),
            protocol_id=text(d.get("protocol_id")),
            name=text(d.get("name")),
            state=text(d.get("state")),
            caller=CallerID.read(d.get("caller")),
            connected=CallerID.read(d.get("connected")),
            accountcode=text(d.get("accountcode")),
            dialplan=DialplanCEP.read(d.get("dialplan")),
            creationtime=moment(d.get("creationtime")),
            language=text(d.get("language")),
            channelvars=maybe(d.get("channelvars"), record),
            caller_rdnis=maybe(d.get("caller_rdnis"), text),
            tenantid=maybe(d.get("tenantid"), text),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DeviceState(Model):
    """Represents the state of a device."""

    name: str = ""
    state: str = ""

    @classmethod
    def read(cls, data: object) -> DeviceState:
        d = record(data)
        return cls(
            name=text(d.get("name")),
            state=text(d.get("state")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Endpoint(Model):
    """An external device that may offer/accept calls to/from Asterisk. Unlike most resources,
    which have a single unique identifier, an endpoint is uniquely identified by the
    technology/resource pair."""

    technology: str = ""
    resource: str = ""
    state: str | None = None
    channel_ids: tuple[str, ...] = ()

    @classmethod
    def read(cls, data: object) -> Endpoint:
        d = record(data)
        return cls(
            technology=text(d.get("technology")),
            resource=text(d.get("resource")),
            state=maybe(d.get("state"), text),
            channel_ids=each(text)(d.get("channel_ids")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TextMessage(Model):
    """A text message."""

    from_: str = ""
    to: str = ""
    body: str = ""
    variables: Json | None = None

    @classmethod
    def read(cls, data: object) -> TextMessage:
        d = record(data)
        return cls(
            from_=text(d.get("from")),
            to=text(d.get("to")),
            body=text(d.get("body")),
            variables=maybe(d.get("variables"), record),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Message(Model):
    """Base type for errors and events"""

    type: str = ""
    asterisk_id: str | None = None

    @classmethod
    def read(cls, data: object) -> Message:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MissingParams(Message):
    """Error event sent when required params are missing."""

    params: tuple[str, ...] = ()

    @classmethod
    def read(cls, data: object) -> MissingParams:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            params=each(text)(d.get("params")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Event(Message):
    """Base type for asynchronous events from Asterisk."""

    application: str = ""
    timestamp: datetime = EPOCH

    @classmethod
    def read(cls, data: object) -> Event:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ContactInfo(Model):
    """Detailed information about a contact on an endpoint."""

    uri: str = ""
    contact_status: str = ""
    aor: str = ""
    roundtrip_usec: str | None = None

    @classmethod
    def read(cls, data: object) -> ContactInfo:
        d = record(data)
        return cls(
            uri=text(d.get("uri")),
            contact_status=text(d.get("contact_status")),
            aor=text(d.get("aor")),
            roundtrip_usec=maybe(d.get("roundtrip_usec"), text),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Peer(Model):
    """Detailed information about a remote peer that communicates with Asterisk."""

    peer_status: str = ""
    cause: str | None = None
    address: str | None = None
    port: str | None = None
    time: str | None = None

    @classmethod
    def read(cls, data: object) -> Peer:
        d = record(data)
        return cls(
            peer_status=text(d.get("peer_status")),
            cause=maybe(d.get("cause"), text),
            address=maybe(d.get("address"), text),
            port=maybe(d.get("port"), text),
            time=maybe(d.get("time"), text),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DeviceStateChanged(Event):
    """Notification that a device state has changed."""

    device_state: DeviceState = field(default_factory=lambda: DeviceState())

    @classmethod
    def read(cls, data: object) -> DeviceStateChanged:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            device_state=DeviceState.read(d.get("device_state")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PlaybackStarted(Event):
    """Event showing the start of a media playback operation."""

    playback: Playback = field(default_factory=lambda: Playback())

    @classmethod
    def read(cls, data: object) -> PlaybackStarted:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            playback=Playback.read(d.get("playback")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PlaybackContinuing(Event):
    """Event showing the continuation of a media playback operation from one media URI to the
    next in the list."""

    playback: Playback = field(default_factory=lambda: Playback())

    @classmethod
    def read(cls, data: object) -> PlaybackContinuing:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            playback=Playback.read(d.get("playback")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PlaybackFinished(Event):
    """Event showing the completion of a media playback operation."""

    playback: Playback = field(default_factory=lambda: Playback())

    @classmethod
    def read(cls, data: object) -> PlaybackFinished:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            playback=Playback.read(d.get("playback")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RecordingStarted(Event):
    """Event showing the start of a recording operation."""

    recording: LiveRecording = field(default_factory=lambda: LiveRecording())

    @classmethod
    def read(cls, data: object) -> RecordingStarted:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            recording=LiveRecording.read(d.get("recording")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RecordingFinished(Event):
    """Event showing the completion of a recording operation."""

    recording: LiveRecording = field(default_factory=lambda: LiveRecording())

    @classmethod
    def read(cls, data: object) -> RecordingFinished:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            recording=LiveRecording.read(d.get("recording")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RecordingFailed(Event):
    """Event showing failure of a recording operation."""

    recording: LiveRecording = field(default_factory=lambda: LiveRecording())

    @classmethod
    def read(cls, data: object) -> RecordingFailed:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            recording=LiveRecording.read(d.get("recording")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ApplicationMoveFailed(Event):
    """Notification that trying to move a channel to another Stasis application failed."""

    channel: Channel = field(default_factory=lambda: Channel())
    destination: str = ""
    args: tuple[str, ...] = ()

    @classmethod
    def read(cls, data: object) -> ApplicationMoveFailed:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            channel=Channel.read(d.get("channel")),
            destination=text(d.get("destination")),
            args=each(text)(d.get("args")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ApplicationRegistered(Event):
    """Notification that a Stasis app has been registered."""


    @classmethod
    def read(cls, data: object) -> ApplicationRegistered:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ApplicationUnregistered(Event):
    """Notification that a Stasis app has been unregistered."""


    @classmethod
    def read(cls, data: object) -> ApplicationUnregistered:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ApplicationReplaced(Event):
    """Notification that another WebSocket has taken over for an application. An application may
    only be subscribed to by a single WebSocket at a time. If multiple WebSockets attempt to
    subscribe to the same application, the newer WebSocket wins, and the older one receives this
    event."""


    @classmethod
    def read(cls, data: object) -> ApplicationReplaced:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BridgeCreated(Event):
    """Notification that a bridge has been created."""

    bridge: Bridge = field(default_factory=lambda: Bridge())

    @classmethod
    def read(cls, data: object) -> BridgeCreated:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            bridge=Bridge.read(d.get("bridge")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BridgeDestroyed(Event):
    """Notification that a bridge has been destroyed."""

    bridge: Bridge = field(default_factory=lambda: Bridge())

    @classmethod
    def read(cls, data: object) -> BridgeDestroyed:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            bridge=Bridge.read(d.get("bridge")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BridgeMerged(Event):
    """Notification that one bridge has merged into another."""

    bridge: Bridge = field(default_factory=lambda: Bridge())
    bridge_from: Bridge = field(default_factory=lambda: Bridge())

    @classmethod
    def read(cls, data: object) -> BridgeMerged:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            bridge=Bridge.read(d.get("bridge")),
            bridge_from=Bridge.read(d.get("bridge_from")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BridgeVideoSourceChanged(Event):
    """Notification that the source of video in a bridge has changed."""

    bridge: Bridge = field(default_factory=lambda: Bridge())
    old_video_source_id: str | None = None

    @classmethod
    def read(cls, data: object) -> BridgeVideoSourceChanged:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            bridge=Bridge.read(d.get("bridge")),
            old_video_source_id=maybe(d.get("old_video_source_id"), text),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BridgeBlindTransfer(Event):
    """Notification that a blind transfer has occurred."""

    channel: Channel = field(default_factory=lambda: Channel())
    replace_channel: Channel | None = None
    transferee: Channel | None = None
    exten: str = ""
    context: str = ""
    result: str = ""
    is_external: bool = False
    bridge: Bridge | None = None

    @classmethod
    def read(cls, data: object) -> BridgeBlindTransfer:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            channel=Channel.read(d.get("channel")),
            replace_channel=maybe(d.get("replace_channel"), Channel.read),
            transferee=maybe(d.get("transferee"), Channel.read),
            exten=text(d.get("exten")),
            context=text(d.get("context")),
            result=text(d.get("result")),
            is_external=bool(d.get("is_external")),
            bridge=maybe(d.get("bridge"), Bridge.read),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BridgeAttendedTransfer(Event):
    """Notification that an attended transfer has occurred."""

    transferer_first_leg: Channel = field(default_factory=lambda: Channel())
    transferer_second_leg: Channel = field(default_factory=lambda: Channel())
    replace_channel: Channel | None = None
    transferee: Channel | None = None
    transfer_target: Channel | None = None
    result: str = ""
    is_external: bool = False
    transferer_first_leg_bridge: Bridge | None = None
    transferer_second_leg_bridge: Bridge | None = None
    destination_type: str = ""
    destination_bridge: str | None = None
    destination_application: str | None = None
    destination_link_first_leg: Channel | None = None
    destination_link_second_leg: Channel | None = None
    destination_threeway_channel: Channel | None = None
    destination_threeway_bridge: Bridge | None = None

    @classmethod
    def read(cls, data: object) -> BridgeAttendedTransfer:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            transferer_first_leg=Channel.read(d.get("transferer_first_leg")),
            transferer_second_leg=Channel.read(d.get("transferer_second_leg")),
            replace_channel=maybe(d.get("replace_channel"), Channel.read),
            transferee=maybe(d.get("transferee"), Channel.read),
            transfer_target=maybe(d.get("transfer_target"), Channel.read),
            result=text(d.get("result")),
            is_external=bool(d.get("is_external")),
            transferer_first_leg_bridge=maybe(d.get("transferer_first_leg_bridge"), Bridge.read),
            transferer_second_leg_bridge=maybe(d.get("transferer_second_leg_bridge"), Bridge.read),
            destination_type=text(d.get("destination_type")),
            destination_bridge=maybe(d.get("destination_bridge"), text),
            destination_application=maybe(d.get("destination_application"), text),
            destination_link_first_leg=maybe(d.get("destination_link_first_leg"), Channel.read),
            destination_link_second_leg=maybe(d.get("destination_link_second_leg"), Channel.read),
            destination_threeway_channel=maybe(d.get("destination_threeway_channel"), Channel.read),
            destination_threeway_bridge=maybe(d.get("destination_threeway_bridge"), Bridge.read),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChannelCreated(Event):
    """Notification that a channel has been created."""

    channel: Channel = field(default_factory=lambda: Channel())

    @classmethod
    def read(cls, data: object) -> ChannelCreated:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            channel=Channel.read(d.get("channel")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChannelDestroyed(Event):
    """Notification that a channel has been destroyed."""

    cause: int = 0
    cause_txt: str = ""
    tech_cause: int | None = None
    channel: Channel = field(default_factory=lambda: Channel())

    @classmethod
    def read(cls, data: object) -> ChannelDestroyed:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            cause=whole(d.get("cause")),
            cause_txt=text(d.get("cause_txt")),
            tech_cause=maybe(d.get("tech_cause"), whole),
            channel=Channel.read(d.get("channel")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChannelEnteredBridge(Event):
    """Notification that a channel has entered a bridge."""

    bridge: Bridge = field(default_factory=lambda: Bridge())
    channel: Channel | None = None

    @classmethod
    def read(cls, data: object) -> ChannelEnteredBridge:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            bridge=Bridge.read(d.get("bridge")),
            channel=maybe(d.get("channel"), Channel.read),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChannelLeftBridge(Event):
    """Notification that a channel has left a bridge."""

    bridge: Bridge = field(default_factory=lambda: Bridge())
    channel: Channel = field(default_factory=lambda: Channel())

    @classmethod
    def read(cls, data: object) -> ChannelLeftBridge:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            bridge=Bridge.read(d.get("bridge")),
            channel=Channel.read(d.get("channel")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChannelStateChange(Event):
    """Notification of a channel's state change."""

    channel: Channel = field(default_factory=lambda: Channel())

    @classmethod
    def read(cls, data: object) -> ChannelStateChange:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            channel=Channel.read(d.get("channel")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChannelDtmfReceived(Event):
    """DTMF received on a channel. This event is sent when the DTMF ends. There is no
    notification about the start of DTMF"""

    digit: str = ""
    duration_ms: int = 0
    channel: Channel = field(default_factory=lambda: Channel())

    @classmethod
    def read(cls, data: object) -> ChannelDtmfReceived:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            digit=text(d.get("digit")),
            duration_ms=whole(d.get("duration_ms")),
            channel=Channel.read(d.get("channel")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChannelDialplan(Event):
    """Channel changed location in the dialplan."""

    channel: Channel = field(default_factory=lambda: Channel())
    dialplan_app: str = ""
    dialplan_app_data: str = ""

    @classmethod
    def read(cls, data: object) -> ChannelDialplan:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            channel=Channel.read(d.get("channel")),
            dialplan_app=text(d.get("dialplan_app")),
            dialplan_app_data=text(d.get("dialplan_app_data")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChannelCallerId(Event):
    """Channel changed Caller ID."""

    caller_presentation: int = 0
    caller_presentation_txt: str = ""
    channel: Channel = field(default_factory=lambda: Channel())

    @classmethod
    def read(cls, data: object) -> ChannelCallerId:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            caller_presentation=whole(d.get("caller_presentation")),
            caller_presentation_txt=text(d.get("caller_presentation_txt")),
            channel=Channel.read(d.get("channel")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChannelUserevent(Event):
    """User-generated event with additional user-defined fields in the object."""

    eventname: str = ""
    channel: Channel | None = None
    bridge: Bridge | None = None
    endpoint: Endpoint | None = None
    userevent: Json = field(default_factory=dict)

    @classmethod
    def read(cls, data: object) -> ChannelUserevent:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            eventname=text(d.get("eventname")),
            channel=maybe(d.get("channel"), Channel.read),
            bridge=maybe(d.get("bridge"), Bridge.read),
            endpoint=maybe(d.get("endpoint"), Endpoint.read),
            userevent=record(d.get("userevent")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChannelHangupRequest(Event):
    """A hangup was requested on the channel."""

    cause: int | None = None
    tech_cause: int | None = None
    soft: bool | None = None
    channel: Channel = field(default_factory=lambda: Channel())

    @classmethod
    def read(cls, data: object) -> ChannelHangupRequest:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            cause=maybe(d.get("cause"), whole),
            tech_cause=maybe(d.get("tech_cause"), whole),
            soft=maybe(d.get("soft"), bool),
            channel=Channel.read(d.get("channel")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChannelVarset(Event):
    """Channel variable changed."""

    variable: str = ""
    value: str = ""
    channel: Channel | None = None

    @classmethod
    def read(cls, data: object) -> ChannelVarset:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            variable=text(d.get("variable")),
            value=text(d.get("value")),
            channel=maybe(d.get("channel"), Channel.read),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChannelHold(Event):
    """A channel initiated a media hold."""

    channel: Channel = field(default_factory=lambda: Channel())
    musicclass: str | None = None

    @classmethod
    def read(cls, data: object) -> ChannelHold:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            channel=Channel.read(d.get("channel")),
            musicclass=maybe(d.get("musicclass"), text),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChannelUnhold(Event):
    """A channel initiated a media unhold."""

    channel: Channel = field(default_factory=lambda: Channel())

    @classmethod
    def read(cls, data: object) -> ChannelUnhold:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            channel=Channel.read(d.get("channel")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChannelToneDetected(Event):
    """Tone was detected on the channel."""

    channel: Channel = field(default_factory=lambda: Channel())

    @classmethod
    def read(cls, data: object) -> ChannelToneDetected:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            channel=Channel.read(d.get("channel")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChannelTalkingStarted(Event):
    """Talking was detected on the channel."""

    channel: Channel = field(default_factory=lambda: Channel())

    @classmethod
    def read(cls, data: object) -> ChannelTalkingStarted:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            channel=Channel.read(d.get("channel")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChannelTalkingFinished(Event):
    """Talking is no longer detected on the channel."""

    channel: Channel = field(default_factory=lambda: Channel())
    duration: int = 0

    @classmethod
    def read(cls, data: object) -> ChannelTalkingFinished:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            channel=Channel.read(d.get("channel")),
            duration=whole(d.get("duration")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ContactStatusChange(Event):
    """The state of a contact on an endpoint has changed."""

    endpoint: Endpoint = field(default_factory=lambda: Endpoint())
    contact_info: ContactInfo = field(default_factory=lambda: ContactInfo())

    @classmethod
    def read(cls, data: object) -> ContactStatusChange:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            endpoint=Endpoint.read(d.get("endpoint")),
            contact_info=ContactInfo.read(d.get("contact_info")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PeerStatusChange(Event):
    """The state of a peer associated with an endpoint has changed."""

    endpoint: Endpoint = field(default_factory=lambda: Endpoint())
    peer: Peer = field(default_factory=lambda: Peer())

    @classmethod
    def read(cls, data: object) -> PeerStatusChange:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            endpoint=Endpoint.read(d.get("endpoint")),
            peer=Peer.read(d.get("peer")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EndpointStateChange(Event):
    """Endpoint state changed."""

    endpoint: Endpoint = field(default_factory=lambda: Endpoint())

    @classmethod
    def read(cls, data: object) -> EndpointStateChange:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            endpoint=Endpoint.read(d.get("endpoint")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Dial(Event):
    """Dialing state has changed."""

    caller: Channel | None = None
    peer: Channel = field(default_factory=lambda: Channel())
    forward: str | None = None
    forwarded: Channel | None = None
    dialstring: str | None = None
    dialstatus: str = ""

    @classmethod
    def read(cls, data: object) -> Dial:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            caller=maybe(d.get("caller"), Channel.read),
            peer=Channel.read(d.get("peer")),
            forward=maybe(d.get("forward"), text),
            forwarded=maybe(d.get("forwarded"), Channel.read),
            dialstring=maybe(d.get("dialstring"), text),
            dialstatus=text(d.get("dialstatus")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StasisEnd(Event):
    """Notification that a channel has left a Stasis application."""

    channel: Channel = field(default_factory=lambda: Channel())

    @classmethod
    def read(cls, data: object) -> StasisEnd:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            channel=Channel.read(d.get("channel")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StasisStart(Event):
    """Notification that a channel has entered a Stasis application."""

    args: tuple[str, ...] = ()
    channel: Channel = field(default_factory=lambda: Channel())
    replace_channel: Channel | None = None

    @classmethod
    def read(cls, data: object) -> StasisStart:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            args=each(text)(d.get("args")),
            channel=Channel.read(d.get("channel")),
            replace_channel=maybe(d.get("replace_channel"), Channel.read),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TextMessageReceived(Event):
    """A text message was received from an endpoint."""

    message: TextMessage = field(default_factory=lambda: TextMessage())
    endpoint: Endpoint | None = None

    @classmethod
    def read(cls, data: object) -> TextMessageReceived:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            message=TextMessage.read(d.get("message")),
            endpoint=maybe(d.get("endpoint"), Endpoint.read),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChannelConnectedLine(Event):
    """Channel changed Connected Line."""

    channel: Channel = field(default_factory=lambda: Channel())

    @classmethod
    def read(cls, data: object) -> ChannelConnectedLine:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            channel=Channel.read(d.get("channel")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChannelTransfer(Event):
    """transfer on a channel."""

    state: str | None = None
    refer_to: ReferTo = field(default_factory=lambda: ReferTo())
    referred_by: ReferredBy = field(default_factory=lambda: ReferredBy())

    @classmethod
    def read(cls, data: object) -> ChannelTransfer:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            state=maybe(d.get("state"), text),
            refer_to=ReferTo.read(d.get("refer_to")),
            referred_by=ReferredBy.read(d.get("referred_by")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ReferTo(Model):
    """transfer destination requested by transferee"""

    requested_destination: RequiredDestination = field(default_factory=lambda: RequiredDestination())
    destination_channel: Channel | None = None
    connected_channel: Channel | None = None
    bridge: Bridge | None = None

    @classmethod
    def read(cls, data: object) -> ReferTo:
        d = record(data)
        return cls(
            requested_destination=RequiredDestination.read(d.get("requested_destination")),
            destination_channel=maybe(d.get("destination_channel"), Channel.read),
            connected_channel=maybe(d.get("connected_channel"), Channel.read),
            bridge=maybe(d.get("bridge"), Bridge.read),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ReferredBy(Model):
    """transfer destination requested by transferee"""

    source_channel: Channel = field(default_factory=lambda: Channel())
    connected_channel: Channel | None = None
    bridge: Bridge | None = None

    @classmethod
    def read(cls, data: object) -> ReferredBy:
        d = record(data)
        return cls(
            source_channel=Channel.read(d.get("source_channel")),
            connected_channel=maybe(d.get("connected_channel"), Channel.read),
            bridge=maybe(d.get("bridge"), Bridge.read),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RequiredDestination(Model):
    """Information about the requested destination"""

    protocol_id: str | None = None
    destination: str | None = None
    additional_protocol_params: tuple[AdditionalParam, ...] | None = None

    @classmethod
    def read(cls, data: object) -> RequiredDestination:
        d = record(data)
        return cls(
            protocol_id=maybe(d.get("protocol_id"), text),
            destination=maybe(d.get("destination"), text),
            additional_protocol_params=maybe(d.get("additional_protocol_params"), each(AdditionalParam.read)),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AdditionalParam(Model):
    """Protocol specific additional parameter"""

    parameter_name: str = ""
    parameter_value: str = ""

    @classmethod
    def read(cls, data: object) -> AdditionalParam:
        d = record(data)
        return cls(
            parameter_name=text(d.get("parameter_name")),
            parameter_value=text(d.get("parameter_value")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RESTHeader(Model):
    """REST over Websocket header"""

    name: str = ""
    value: str = ""

    @classmethod
    def read(cls, data: object) -> RESTHeader:
        d = record(data)
        return cls(
            name=text(d.get("name")),
            value=text(d.get("value")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RESTQueryStringParameter(Model):
    """REST over Websocket Query String Parameter"""

    name: str = ""
    value: str = ""

    @classmethod
    def read(cls, data: object) -> RESTQueryStringParameter:
        d = record(data)
        return cls(
            name=text(d.get("name")),
            value=text(d.get("value")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RESTRequest(Model):
    """REST over Websocket Request."""

    type: str = ""
    transaction_id: str = ""
    request_id: str = ""
    method: str = ""
    uri: str = ""
    content_type: str | None = None
    query_strings: tuple[RESTQueryStringParameter, ...] | None = None
    message_body: str | None = None

    @classmethod
    def read(cls, data: object) -> RESTRequest:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            transaction_id=text(d.get("transaction_id")),
            request_id=text(d.get("request_id")),
            method=text(d.get("method")),
            uri=text(d.get("uri")),
            content_type=maybe(d.get("content_type"), text),
            query_strings=maybe(d.get("query_strings"), each(RESTQueryStringParameter.read)),
            message_body=maybe(d.get("message_body"), text),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RESTResponse(Event):
    """REST over Websocket Response."""

    transaction_id: str = ""
    request_id: str = ""
    status_code: int = 0
    reason_phrase: str = ""
    uri: str = ""
    content_type: str | None = None
    message_body: str | None = None

    @classmethod
    def read(cls, data: object) -> RESTResponse:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            transaction_id=text(d.get("transaction_id")),
            request_id=text(d.get("request_id")),
            status_code=whole(d.get("status_code")),
            reason_phrase=text(d.get("reason_phrase")),
            uri=text(d.get("uri")),
            content_type=maybe(d.get("content_type"), text),
            message_body=maybe(d.get("message_body"), text),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CallBroadcast(Event):
    """Notification that a channel is being broadcast to ARI applications for claiming."""

    channel: Channel = field(default_factory=lambda: Channel())
    caller: str | None = None
    called: str | None = None

    @classmethod
    def read(cls, data: object) -> CallBroadcast:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            channel=Channel.read(d.get("channel")),
            caller=maybe(d.get("caller"), text),
            called=maybe(d.get("called"), text),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CallClaimed(Event):
    """Notification that a broadcast channel has been successfully claimed by an ARI
    application."""

    channel: Channel = field(default_factory=lambda: Channel())
    winner_app: str = ""

    @classmethod
    def read(cls, data: object) -> CallClaimed:
        d = record(data)
        return cls(
            type=text(d.get("type")),
            asterisk_id=maybe(d.get("asterisk_id"), text),
            application=text(d.get("application")),
            timestamp=moment(d.get("timestamp")),
            channel=Channel.read(d.get("channel")),
            winner_app=text(d.get("winner_app")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Mailbox(Model):
    """Represents the state of a mailbox."""

    name: str = ""
    old_messages: int = 0
    new_messages: int = 0

    @classmethod
    def read(cls, data: object) -> Mailbox:
        d = record(data)
        return cls(
            name=text(d.get("name")),
            old_messages=whole(d.get("old_messages")),
            new_messages=whole(d.get("new_messages")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Playback(Model):
    """Object representing the playback of media to a channel"""

    id: str = ""
    media_uri: str = ""
    next_media_uri: str | None = None
    target_uri: str = ""
    language: str | None = None
    state: str = ""

    @classmethod
    def read(cls, data: object) -> Playback:
        d = record(data)
        return cls(
            id=text(d.get("id")),
            media_uri=text(d.get("media_uri")),
            next_media_uri=maybe(d.get("next_media_uri"), text),
            target_uri=text(d.get("target_uri")),
            language=maybe(d.get("language"), text),
            state=text(d.get("state")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class StoredRecording(Model):
    """A past recording that may be played back."""

    name: str = ""
    format: str = ""

    @classmethod
    def read(cls, data: object) -> StoredRecording:
        d = record(data)
        return cls(
            name=text(d.get("name")),
            format=text(d.get("format")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LiveRecording(Model):
    """A recording that is in progress"""

    name: str = ""
    format: str = ""
    target_uri: str = ""
    state: str = ""
    duration: int | None = None
    talking_duration: int | None = None
    silence_duration: int | None = None
    cause: str | None = None

    @classmethod
    def read(cls, data: object) -> LiveRecording:
        d = record(data)
        return cls(
            name=text(d.get("name")),
            format=text(d.get("format")),
            target_uri=text(d.get("target_uri")),
            state=text(d.get("state")),
            duration=maybe(d.get("duration"), whole),
            talking_duration=maybe(d.get("talking_duration"), whole),
            silence_duration=maybe(d.get("silence_duration"), whole),
            cause=maybe(d.get("cause"), text),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class FormatLangPair(Model):
    """Identifies the format and language of a sound file"""

    language: str = ""
    format: str = ""

    @classmethod
    def read(cls, data: object) -> FormatLangPair:
        d = record(data)
        return cls(
            language=text(d.get("language")),
            format=text(d.get("format")),
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Sound(Model):
    """A media file that may be played back."""

    id: str = ""
    text: str | None = None
    formats: tuple[FormatLangPair, ...] = ()

    @classmethod
    def read(cls, data: object) -> Sound:
        d = record(data)
        return cls(
            id=text(d.get("id")),
            text=maybe(d.get("text"), text),
            formats=each(FormatLangPair.read)(d.get("formats")),
        )


EVENTS: dict[str, type[Event]] = {
    "DeviceStateChanged": DeviceStateChanged,
    "PlaybackStarted": PlaybackStarted,
    "PlaybackContinuing": PlaybackContinuing,
    "PlaybackFinished": PlaybackFinished,
    "RecordingStarted": RecordingStarted,
    "RecordingFinished": RecordingFinished,
    "RecordingFailed": RecordingFailed,
    "ApplicationMoveFailed": ApplicationMoveFailed,
    "ApplicationRegistered": ApplicationRegistered,
    "ApplicationUnregistered": ApplicationUnregistered,
    "ApplicationReplaced": ApplicationReplaced,
    "BridgeCreated": BridgeCreated,
    "BridgeDestroyed": BridgeDestroyed,
    "BridgeMerged": BridgeMerged,
    "BridgeVideoSourceChanged": BridgeVideoSourceChanged,
    "BridgeBlindTransfer": BridgeBlindTransfer,
    "BridgeAttendedTransfer": BridgeAttendedTransfer,
    "ChannelCreated": ChannelCreated,
    "ChannelDestroyed": ChannelDestroyed,
    "ChannelEnteredBridge": ChannelEnteredBridge,
    "ChannelLeftBridge": ChannelLeftBridge,
    "ChannelStateChange": ChannelStateChange,
    "ChannelDtmfReceived": ChannelDtmfReceived,
    "ChannelDialplan": ChannelDialplan,
    "ChannelCallerId": ChannelCallerId,
    "ChannelUserevent": ChannelUserevent,
    "ChannelHangupRequest": ChannelHangupRequest,
    "ChannelVarset": ChannelVarset,
    "ChannelHold": ChannelHold,
    "ChannelUnhold": ChannelUnhold,
    "ChannelToneDetected": ChannelToneDetected,
    "ChannelTalkingStarted": ChannelTalkingStarted,
    "ChannelTalkingFinished": ChannelTalkingFinished,
    "ContactStatusChange": ContactStatusChange,
    "PeerStatusChange": PeerStatusChange,
    "EndpointStateChange": EndpointStateChange,
    "Dial": Dial,
    "StasisEnd": StasisEnd,
    "StasisStart": StasisStart,
    "TextMessageReceived": TextMessageReceived,
    "ChannelConnectedLine": ChannelConnectedLine,
    "ChannelTransfer": ChannelTransfer,
    "RESTResponse": RESTResponse,
    "CallBroadcast": CallBroadcast,
    "CallClaimed": CallClaimed,
}


class Applications(Repository):
    """The engine's commands under /applications."""

    async def list(
        self,
        *,
        seconds_max: float = SECONDS_MAX,
    ) -> tuple[Application, ...]:
        """List all applications."""
        request = Request(
            "applications.list",
            "GET",
            path("/applications"),
            {},
            ids(),
        )
        return each(Application.read)(await self._command(request, seconds_max))

    async def get(
        self,
        *,
        applicationName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> Application:
        """Get details of an application."""
        request = Request(
            "applications.get",
            "GET",
            path("/applications/{applicationName}", applicationName=applicationName),
            {},
            ids(),
        )
        return Application.read(await self._command(request, seconds_max))

    async def subscribe(
        self,
        *,
        applicationName: str,
        eventSource: str | Sequence[str],
        seconds_max: float = SECONDS_MAX,
    ) -> Application:
        """Subscribe an application to a event source."""
        request = Request(
            "applications.subscribe",
            "POST",
            path("/applications/{applicationName}/subscription", applicationName=applicationName),
            {"eventSource": eventSource},
            ids(),
        )
        return Application.read(await self._command(request, seconds_max))

    async def unsubscribe(
        self,
        *,
        applicationName: str,
        eventSource: str | Sequence[str],
        seconds_max: float = SECONDS_MAX,
    ) -> Application:
        """Unsubscribe an application from an event source."""
        request = Request(
            "applications.unsubscribe",
            "DELETE",
            path("/applications/{applicationName}/subscription", applicationName=applicationName),
            {"eventSource": eventSource},
            ids(),
        )
        return Application.read(await self._command(request, seconds_max))

    async def filter(
        self,
        *,
        applicationName: str,
        filter: Mapping[str, Any] | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> Application:
        """Filter application events types."""
        request = Request(
            "applications.filter",
            "PUT",
            path("/applications/{applicationName}/eventFilter", applicationName=applicationName),
            filter or {},
            ids(),
        )
        return Application.read(await self._command(request, seconds_max))


class Asterisk(Repository):
    """The engine's commands under /asterisk."""

    async def getObject(
        self,
        *,
        configClass: str,
        objectType: str,
        id: str,
        seconds_max: float = SECONDS_MAX,
    ) -> tuple[ConfigTuple, ...]:
        """Retrieve a dynamic configuration object."""
        request = Request(
            "asterisk.getObject",
            "GET",
            path("/asterisk/config/dynamic/{configClass}/{objectType}/{id}", configClass=configClass, objectType=objectType, id=id),
            {},
            ids(),
        )
        return each(ConfigTuple.read)(await self._command(request, seconds_max))

    async def updateObject(
        self,
        *,
        configClass: str,
        objectType: str,
        id: str,
        fields: Sequence[Mapping[str, str]] | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> tuple[ConfigTuple, ...]:
        """Create or update a dynamic configuration object."""
        request = Request(
            "asterisk.updateObject",
            "PUT",
            path("/asterisk/config/dynamic/{configClass}/{objectType}/{id}", configClass=configClass, objectType=objectType, id=id),
            {"fields": fields},
            ids(),
        )
        return each(ConfigTuple.read)(await self._command(request, seconds_max))

    async def deleteObject(
        self,
        *,
        configClass: str,
        objectType: str,
        id: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Delete a dynamic configuration object."""
        request = Request(
            "asterisk.deleteObject",
            "DELETE",
            path("/asterisk/config/dynamic/{configClass}/{objectType}/{id}", configClass=configClass, objectType=objectType, id=id),
            {},
            ids(),
        )
        await self._command(request, seconds_max)

    async def getInfo(
        self,
        *,
        only: str | Sequence[str] | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> AsteriskInfo:
        """Gets Asterisk system information."""
        request = Request(
            "asterisk.getInfo",
            "GET",
            path("/asterisk/info"),
            {"only": only},
            ids(),
        )
        return AsteriskInfo.read(await self._command(request, seconds_max))

    async def ping(
        self,
        *,
        seconds_max: float = SECONDS_MAX,
    ) -> AsteriskPing:
        """Response pong message."""
        request = Request(
            "asterisk.ping",
            "GET",
            path("/asterisk/ping"),
            {},
            ids(),
        )
        return AsteriskPing.read(await self._command(request, seconds_max))

    async def listModules(
        self,
        *,
        seconds_max: float = SECONDS_MAX,
    ) -> tuple[Module, ...]:
        """List Asterisk modules."""
        request = Request(
            "asterisk.listModules",
            "GET",
            path("/asterisk/modules"),
            {},
            ids(),
        )
        return each(Module.read)(await self._command(request, seconds_max))

    async def getModule(
        self,
        *,
        moduleName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> Module:
        """Get Asterisk module information."""
        request = Request(
            "asterisk.getModule",
            "GET",
            path("/asterisk/modules/{moduleName}", moduleName=moduleName),
            {},
            ids(),
        )
        return Module.read(await self._command(request, seconds_max))

    async def loadModule(
        self,
        *,
        moduleName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Load an Asterisk module."""
        request = Request(
            "asterisk.loadModule",
            "POST",
            path("/asterisk/modules/{moduleName}", moduleName=moduleName),
            {},
            ids(),
        )
        await self._command(request, seconds_max)

    async def unloadModule(
        self,
        *,
        moduleName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Unload an Asterisk module."""
        request = Request(
            "asterisk.unloadModule",
            "DELETE",
            path("/asterisk/modules/{moduleName}", moduleName=moduleName),
            {},
            ids(),
        )
        await self._command(request, seconds_max)

    async def reloadModule(
        self,
        *,
        moduleName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Reload an Asterisk module."""
        request = Request(
            "asterisk.reloadModule",
            "PUT",
            path("/asterisk/modules/{moduleName}", moduleName=moduleName),
            {},
            ids(),
        )
        await self._command(request, seconds_max)

    async def listLogChannels(
        self,
        *,
        seconds_max: float = SECONDS_MAX,
    ) -> tuple[LogChannel, ...]:
        """Gets Asterisk log channel information."""
        request = Request(
            "asterisk.listLogChannels",
            "GET",
            path("/asterisk/logging"),
            {},
            ids(),
        )
        return each(LogChannel.read)(await self._command(request, seconds_max))

    async def addLog(
        self,
        *,
        logChannelName: str,
        configuration: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Adds a log channel."""
        request = Request(
            "asterisk.addLog",
            "POST",
            path("/asterisk/logging/{logChannelName}", logChannelName=logChannelName),
            {"configuration": configuration},
            ids(),
        )
        await self._command(request, seconds_max)

    async def deleteLog(
        self,
        *,
        logChannelName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Deletes a log channel."""
        request = Request(
            "asterisk.deleteLog",
            "DELETE",
            path("/asterisk/logging/{logChannelName}", logChannelName=logChannelName),
            {},
            ids(),
        )
        await self._command(request, seconds_max)

    async def rotateLog(
        self,
        *,
        logChannelName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Rotates a log channel."""
        request = Request(
            "asterisk.rotateLog",
            "PUT",
            path("/asterisk/logging/{logChannelName}/rotate", logChannelName=logChannelName),
            {},
            ids(),
        )
        await self._command(request, seconds_max)

    async def getGlobalVar(
        self,
        *,
        variable: str,
        seconds_max: float = SECONDS_MAX,
    ) -> Variable:
        """Get the value of a global variable."""
        request = Request(
            "asterisk.getGlobalVar",
            "GET",
            path("/asterisk/variable"),
            {"variable": variable},
            ids(),
        )
        return Variable.read(await self._command(request, seconds_max))

    async def setGlobalVar(
        self,
        *,
        variable: str,
        value: str | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Set the value of a global variable."""
        request = Request(
            "asterisk.setGlobalVar",
            "POST",
            path("/asterisk/variable"),
            {"variable": variable, "value": value},
            ids(),
        )
        await self._command(request, seconds_max)


class Bridges(Repository):
    """The engine's commands under /bridges."""

    async def list(
        self,
        *,
        seconds_max: float = SECONDS_MAX,
    ) -> tuple[Bridge, ...]:
        """List all active bridges in Asterisk."""
        request = Request(
            "bridges.list",
            "GET",
            path("/bridges"),
            {},
            ids(),
        )
        return each(Bridge.read)(await self._command(request, seconds_max))

    async def create(
        self,
        *,
        type: str | None = None,
        bridgeId: str | None = None,
        name: str | None = None,
        variables: Mapping[str, Any] | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> Bridge:
        """Create a new bridge."""
        request = Request(
            "bridges.create",
            "POST",
            path("/bridges"),
            {"type": type, "bridgeId": bridgeId, "name": name, "variables": variables},
            ids(),
        )
        return Bridge.read(await self._command(request, seconds_max))

    async def createWithId(
        self,
        *,
        type: str | None = None,
        bridgeId: str,
        name: str | None = None,
        variables: Mapping[str, Any] | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> Bridge:
        """Create a new bridge."""
        request = Request(
            "bridges.createWithId",
            "POST",
            path("/bridges/{bridgeId}", bridgeId=bridgeId),
            {"type": type, "name": name, "variables": variables},
            ids(),
        )
        return Bridge.read(await self._command(request, seconds_max))

    async def get(
        self,
        *,
        bridgeId: str,
        seconds_max: float = SECONDS_MAX,
    ) -> Bridge:
        """Get bridge details."""
        request = Request(
            "bridges.get",
            "GET",
            path("/bridges/{bridgeId}", bridgeId=bridgeId),
            {},
            ids(),
        )
        return Bridge.read(await self._command(request, seconds_max))

    async def destroy(
        self,
        *,
        bridgeId: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Shut down a bridge."""
        request = Request(
            "bridges.destroy",
            "DELETE",
            path("/bridges/{bridgeId}", bridgeId=bridgeId),
            {},
            ids(),
        )
        await self._command(request, seconds_max)

    async def getBridgeVar(
        self,
        *,
        bridgeId: str,
        variable: str,
        seconds_max: float = SECONDS_MAX,
    ) -> Variable:
        """Get the value of a bridge variable or function."""
        request = Request(
            "bridges.getBridgeVar",
            "GET",
            path("/bridges/{bridgeId}/variable", bridgeId=bridgeId),
            {"variable": variable},
            ids(),
        )
        return Variable.read(await self._command(request, seconds_max))

    async def setBridgeVar(
        self,
        *,
        bridgeId: str,
        variable: str,
        value: str | None = None,
        report_events: bool | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Set the value of a bridge variable or function."""
        request = Request(
            "bridges.setBridgeVar",
            "POST",
            path("/bridges/{bridgeId}/variable", bridgeId=bridgeId),
            {"variable": variable, "value": value, "report_events": report_events},
            ids(),
        )
        await self._command(request, seconds_max)

    async def getBridgeVars(
        self,
        *,
        bridgeId: str,
        variables: str | Sequence[str],
        seconds_max: float = SECONDS_MAX,
    ) -> Variables:
        """Get the value of multiple bridge variables or functions."""
        request = Request(
            "bridges.getBridgeVars",
            "GET",
            path("/bridges/{bridgeId}/variables", bridgeId=bridgeId),
            {"variables": variables},
            ids(),
        )
        return Variables.read(await self._command(request, seconds_max))

    async def setBridgeVars(
        self,
        *,
        bridgeId: str,
        variables: Mapping[str, Any],
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Set the values of multiple bridge variables or functions."""
        request = Request(
            "bridges.setBridgeVars",
            "POST",
            path("/bridges/{bridgeId}/variables", bridgeId=bridgeId),
            {"variables": variables},
            ids(),
        )
        await self._command(request, seconds_max)

    async def addChannel(
        self,
        *,
        bridgeId: str,
        channel: str | Sequence[str],
        role: str | None = None,
        absorbDTMF: bool | None = None,
        mute: bool | None = None,
        inhibitConnectedLineUpdates: bool | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Add a channel to a bridge."""
        request = Request(
            "bridges.addChannel",
            "POST",
            path("/bridges/{bridgeId}/addChannel", bridgeId=bridgeId),
            {"channel": channel, "role": role, "absorbDTMF": absorbDTMF, "mute": mute, "inhibitConnectedLineUpdates": inhibitConnectedLineUpdates},
            ids(channel),
        )
        await self._command(request, seconds_max)

    async def removeChannel(
        self,
        *,
        bridgeId: str,
        channel: str | Sequence[str],
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Remove a channel from a bridge."""
        request = Request(
            "bridges.removeChannel",
            "POST",
            path("/bridges/{bridgeId}/removeChannel", bridgeId=bridgeId),
            {"channel": channel},
            ids(channel),
        )
        await self._command(request, seconds_max)

    async def setVideoSource(
        self,
        *,
        bridgeId: str,
        channelId: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Set a channel as the video source in a multi-party mixing bridge. This operation has
        no effect on bridges with two or fewer participants."""
        request = Request(
            "bridges.setVideoSource",
            "POST",
            path("/bridges/{bridgeId}/videoSource/{channelId}", bridgeId=bridgeId, channelId=channelId),
            {},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def clearVideoSource(
        self,
        *,
        bridgeId: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Removes any explicit video source in a multi-party mixing bridge. This operation has
        no effect on bridges with two or fewer participants. When no explicit video source is
        set, talk detection will be used to determine the active video stream."""
        request = Request(
            "bridges.clearVideoSource",
            "DELETE",
            path("/bridges/{bridgeId}/videoSource", bridgeId=bridgeId),
            {},
            ids(),
        )
        await self._command(request, seconds_max)

    async def startMoh(
        self,
        *,
        bridgeId: str,
        mohClass: str | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Play music on hold to a bridge or change the MOH class that is playing."""
        request = Request(
            "bridges.startMoh",
            "POST",
            path("/bridges/{bridgeId}/moh", bridgeId=bridgeId),
            {"mohClass": mohClass},
            ids(),
        )
        await self._command(request, seconds_max)

    async def stopMoh(
        self,
        *,
        bridgeId: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Stop playing music on hold to a bridge."""
        request = Request(
            "bridges.stopMoh",
            "DELETE",
            path("/bridges/{bridgeId}/moh", bridgeId=bridgeId),
            {},
            ids(),
        )
        await self._command(request, seconds_max)

    async def play(
        self,
        *,
        bridgeId: str,
        media: str | Sequence[str],
        announcer_format: str | None = None,
        lang: str | None = None,
        offsetms: int | None = None,
        skipms: int | None = None,
        playbackId: str | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> Playback:
        """Start playback of media on a bridge."""
        request = Request(
            "bridges.play",
            "POST",
            path("/bridges/{bridgeId}/play", bridgeId=bridgeId),
            {"media": media, "announcer_format": announcer_format, "lang": lang, "offsetms": offsetms, "skipms": skipms, "playbackId": playbackId},
            ids(),
        )
        return Playback.read(await self._command(request, seconds_max))

    async def playWithId(
        self,
        *,
        bridgeId: str,
        playbackId: str,
        media: str | Sequence[str],
        announcer_format: str | None = None,
        lang: str | None = None,
        offsetms: int | None = None,
        skipms: int | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> Playback:
        """Start playback of media on a bridge."""
        request = Request(
            "bridges.playWithId",
            "POST",
            path("/bridges/{bridgeId}/play/{playbackId}", bridgeId=bridgeId, playbackId=playbackId),
            {"media": media, "announcer_format": announcer_format, "lang": lang, "offsetms": offsetms, "skipms": skipms},
            ids(),
        )
        return Playback.read(await self._command(request, seconds_max))

    async def record(
        self,
        *,
        bridgeId: str,
        name: str,
        format: str,
        recorder_format: str | None = None,
        maxDurationSeconds: int | None = None,
        maxSilenceSeconds: int | None = None,
        ifExists: str | None = None,
        beep: bool | None = None,
        terminateOn: str | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> LiveRecording:
        """Start a recording."""
        request = Request(
            "bridges.record",
            "POST",
            path("/bridges/{bridgeId}/record", bridgeId=bridgeId),
            {"name": name, "format": format, "recorder_format": recorder_format, "maxDurationSeconds": maxDurationSeconds, "maxSilenceSeconds": maxSilenceSeconds, "ifExists": ifExists, "beep": beep, "terminateOn": terminateOn},
            ids(),
        )
        return LiveRecording.read(await self._command(request, seconds_max))


class Channels(Repository):
    """The engine's commands under /channels."""

    async def list(
        self,
        *,
        seconds_max: float = SECONDS_MAX,
    ) -> tuple[Channel, ...]:
        """List all active channels in Asterisk."""
        request = Request(
            "channels.list",
            "GET",
            path("/channels"),
            {},
            ids(),
        )
        return each(Channel.read)(await self._command(request, seconds_max))

    async def originate(
        self,
        *,
        endpoint: str,
        extension: str | None = None,
        context: str | None = None,
        priority: int | None = None,
        label: str | None = None,
        app: str | None = None,
        appArgs: str | None = None,
        callerId: str | None = None,
        timeout: int | None = None,
        variables: Mapping[str, Any] | None = None,
        channelId: str | None = None,
        otherChannelId: str | None = None,
        originator: str | None = None,
        formats: str | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> Channel:
        """Create a new channel (originate)."""
        request = Request(
            "channels.originate",
            "POST",
            path("/channels"),
            {"endpoint": endpoint, "extension": extension, "context": context, "priority": priority, "label": label, "app": app, "appArgs": appArgs, "callerId": callerId, "timeout": timeout, "variables": variables, "channelId": channelId, "otherChannelId": otherChannelId, "originator": originator, "formats": formats},
            ids(channelId),
        )
        return Channel.read(await self._command(request, seconds_max))

    async def create(
        self,
        *,
        endpoint: str,
        app: str,
        appArgs: str | None = None,
        channelId: str | None = None,
        otherChannelId: str | None = None,
        originator: str | None = None,
        formats: str | None = None,
        variables: Mapping[str, Any] | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> Channel:
        """Create channel."""
        request = Request(
            "channels.create",
            "POST",
            path("/channels/create"),
            {"endpoint": endpoint, "app": app, "appArgs": appArgs, "channelId": channelId, "otherChannelId": otherChannelId, "originator": originator, "formats": formats, "variables": variables},
            ids(channelId),
        )
        return Channel.read(await self._command(request, seconds_max))

    async def get(
        self,
        *,
        channelId: str,
        seconds_max: float = SECONDS_MAX,
    ) -> Channel:
        """Channel details."""
        request = Request(
            "channels.get",
            "GET",
            path("/channels/{channelId}", channelId=channelId),
            {},
            ids(channelId),
        )
        return Channel.read(await self._command(request, seconds_max))

    async def originateWithId(
        self,
        *,
        channelId: str,
        endpoint: str,
        extension: str | None = None,
        context: str | None = None,
        priority: int | None = None,
        label: str | None = None,
        app: str | None = None,
        appArgs: str | None = None,
        callerId: str | None = None,
        timeout: int | None = None,
        variables: Mapping[str, Any] | None = None,
        otherChannelId: str | None = None,
        originator: str | None = None,
        formats: str | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> Channel:
        """Create a new channel (originate with id)."""
        request = Request(
            "channels.originateWithId",
            "POST",
            path("/channels/{channelId}", channelId=channelId),
            {"endpoint": endpoint, "extension": extension, "context": context, "priority": priority, "label": label, "app": app, "appArgs": appArgs, "callerId": callerId, "timeout": timeout, "variables": variables, "otherChannelId": otherChannelId, "originator": originator, "formats": formats},
            ids(channelId),
        )
        return Channel.read(await self._command(request, seconds_max))

    async def hangup(
        self,
        *,
        channelId: str,
        reason_code: str | None = None,
        reason: str | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Delete (i.e. hangup) a channel."""
        request = Request(
            "channels.hangup",
            "DELETE",
            path("/channels/{channelId}", channelId=channelId),
            {"reason_code": reason_code, "reason": reason},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def continueInDialplan(
        self,
        *,
        channelId: str,
        context: str | None = None,
        extension: str | None = None,
        priority: int | None = None,
        label: str | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Exit application; continue execution in the dialplan."""
        request = Request(
            "channels.continueInDialplan",
            "POST",
            path("/channels/{channelId}/continue", channelId=channelId),
            {"context": context, "extension": extension, "priority": priority, "label": label},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def move(
        self,
        *,
        channelId: str,
        app: str,
        appArgs: str | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Move the channel from one Stasis application to another."""
        request = Request(
            "channels.move",
            "POST",
            path("/channels/{channelId}/move", channelId=channelId),
            {"app": app, "appArgs": appArgs},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def redirect(
        self,
        *,
        channelId: str,
        endpoint: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Redirect the channel to a different location."""
        request = Request(
            "channels.redirect",
            "POST",
            path("/channels/{channelId}/redirect", channelId=channelId),
            {"endpoint": endpoint},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def answer(
        self,
        *,
        channelId: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Answer a channel."""
        request = Request(
            "channels.answer",
            "POST",
            path("/channels/{channelId}/answer", channelId=channelId),
            {},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def ring(
        self,
        *,
        channelId: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Indicate ringing to a channel."""
        request = Request(
            "channels.ring",
            "POST",
            path("/channels/{channelId}/ring", channelId=channelId),
            {},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def ringStop(
        self,
        *,
        channelId: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Stop ringing indication on a channel if locally generated."""
        request = Request(
            "channels.ringStop",
            "DELETE",
            path("/channels/{channelId}/ring", channelId=channelId),
            {},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def progress(
        self,
        *,
        channelId: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Indicate progress on a channel."""
        request = Request(
            "channels.progress",
            "POST",
            path("/channels/{channelId}/progress", channelId=channelId),
            {},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def sendDTMF(
        self,
        *,
        channelId: str,
        dtmf: str | None = None,
        before: int | None = None,
        between: int | None = None,
        duration: int | None = None,
        after: int | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Send provided DTMF to a given channel."""
        request = Request(
            "channels.sendDTMF",
            "POST",
            path("/channels/{channelId}/dtmf", channelId=channelId),
            {"dtmf": dtmf, "before": before, "between": between, "duration": duration, "after": after},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def mute(
        self,
        *,
        channelId: str,
        direction: str | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Mute a channel."""
        request = Request(
            "channels.mute",
            "POST",
            path("/channels/{channelId}/mute", channelId=channelId),
            {"direction": direction},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def unmute(
        self,
        *,
        channelId: str,
        direction: str | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Unmute a channel."""
        request = Request(
            "channels.unmute",
            "DELETE",
            path("/channels/{channelId}/mute", channelId=channelId),
            {"direction": direction},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def hold(
        self,
        *,
        channelId: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Hold a channel."""
        request = Request(
            "channels.hold",
            "POST",
            path("/channels/{channelId}/hold", channelId=channelId),
            {},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def unhold(
        self,
        *,
        channelId: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Remove a channel from hold."""
        request = Request(
            "channels.unhold",
            "DELETE",
            path("/channels/{channelId}/hold", channelId=channelId),
            {},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def startMoh(
        self,
        *,
        channelId: str,
        mohClass: str | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Play music on hold to a channel."""
        request = Request(
            "channels.startMoh",
            "POST",
            path("/channels/{channelId}/moh", channelId=channelId),
            {"mohClass": mohClass},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def stopMoh(
        self,
        *,
        channelId: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Stop playing music on hold to a channel."""
        request = Request(
            "channels.stopMoh",
            "DELETE",
            path("/channels/{channelId}/moh", channelId=channelId),
            {},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def startSilence(
        self,
        *,
        channelId: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Play silence to a channel."""
        request = Request(
            "channels.startSilence",
            "POST",
            path("/channels/{channelId}/silence", channelId=channelId),
            {},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def stopSilence(
        self,
        *,
        channelId: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Stop playing silence to a channel."""
        request = Request(
            "channels.stopSilence",
            "DELETE",
            path("/channels/{channelId}/silence", channelId=channelId),
            {},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def play(
        self,
        *,
        channelId: str,
        media: str | Sequence[str],
        lang: str | None = None,
        offsetms: int | None = None,
        skipms: int | None = None,
        playbackId: str | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> Playback:
        """Start playback of media."""
        request = Request(
            "channels.play",
            "POST",
            path("/channels/{channelId}/play", channelId=channelId),
            {"media": media, "lang": lang, "offsetms": offsetms, "skipms": skipms, "playbackId": playbackId},
            ids(channelId),
        )
        return Playback.read(await self._command(request, seconds_max))

    async def playWithId(
        self,
        *,
        channelId: str,
        playbackId: str,
        media: str | Sequence[str],
        lang: str | None = None,
        offsetms: int | None = None,
        skipms: int | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> Playback:
        """Start playback of media and specify the playbackId."""
        request = Request(
            "channels.playWithId",
            "POST",
            path("/channels/{channelId}/play/{playbackId}", channelId=channelId, playbackId=playbackId),
            {"media": media, "lang": lang, "offsetms": offsetms, "skipms": skipms},
            ids(channelId),
        )
        return Playback.read(await self._command(request, seconds_max))

    async def record(
        self,
        *,
        channelId: str,
        name: str,
        format: str,
        maxDurationSeconds: int | None = None,
        maxSilenceSeconds: int | None = None,
        ifExists: str | None = None,
        beep: bool | None = None,
        terminateOn: str | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> LiveRecording:
        """Start a recording."""
        request = Request(
            "channels.record",
            "POST",
            path("/channels/{channelId}/record", channelId=channelId),
            {"name": name, "format": format, "maxDurationSeconds": maxDurationSeconds, "maxSilenceSeconds": maxSilenceSeconds, "ifExists": ifExists, "beep": beep, "terminateOn": terminateOn},
            ids(channelId),
        )
        return LiveRecording.read(await self._command(request, seconds_max))

    async def getChannelVar(
        self,
        *,
        channelId: str,
        variable: str,
        seconds_max: float = SECONDS_MAX,
    ) -> Variable:
        """Get the value of a channel variable or function."""
        request = Request(
            "channels.getChannelVar",
            "GET",
            path("/channels/{channelId}/variable", channelId=channelId),
            {"variable": variable},
            ids(channelId),
        )
        return Variable.read(await self._command(request, seconds_max))

    async def setChannelVar(
        self,
        *,
        channelId: str,
        variable: str,
        value: str | None = None,
        report_events: bool | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Set the value of a channel variable or function."""
        request = Request(
            "channels.setChannelVar",
            "POST",
            path("/channels/{channelId}/variable", channelId=channelId),
            {"variable": variable, "value": value, "report_events": report_events},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def getChannelVars(
        self,
        *,
        channelId: str,
        variables: str | Sequence[str],
        seconds_max: float = SECONDS_MAX,
    ) -> Variables:
        """Get the value of multiple channel variables or functions."""
        request = Request(
            "channels.getChannelVars",
            "GET",
            path("/channels/{channelId}/variables", channelId=channelId),
            {"variables": variables},
            ids(channelId),
        )
        return Variables.read(await self._command(request, seconds_max))

    async def setChannelVars(
        self,
        *,
        channelId: str,
        variables: Mapping[str, Any],
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Set the values of multiple channel variables or functions."""
        request = Request(
            "channels.setChannelVars",
            "POST",
            path("/channels/{channelId}/variables", channelId=channelId),
            {"variables": variables},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def snoopChannel(
        self,
        *,
        channelId: str,
        spy: str | None = None,
        whisper: str | None = None,
        app: str,
        appArgs: str | None = None,
        snoopId: str | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> Channel:
        """Start snooping."""
        request = Request(
            "channels.snoopChannel",
            "POST",
            path("/channels/{channelId}/snoop", channelId=channelId),
            {"spy": spy, "whisper": whisper, "app": app, "appArgs": appArgs, "snoopId": snoopId},
            ids(channelId),
        )
        return Channel.read(await self._command(request, seconds_max))

    async def snoopChannelWithId(
        self,
        *,
        channelId: str,
        snoopId: str,
        spy: str | None = None,
        whisper: str | None = None,
        app: str,
        appArgs: str | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> Channel:
        """Start snooping."""
        request = Request(
            "channels.snoopChannelWithId",
            "POST",
            path("/channels/{channelId}/snoop/{snoopId}", channelId=channelId, snoopId=snoopId),
            {"spy": spy, "whisper": whisper, "app": app, "appArgs": appArgs},
            ids(channelId),
        )
        return Channel.read(await self._command(request, seconds_max))

    async def dial(
        self,
        *,
        channelId: str,
        caller: str | None = None,
        timeout: int | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Dial a created channel."""
        request = Request(
            "channels.dial",
            "POST",
            path("/channels/{channelId}/dial", channelId=channelId),
            {"caller": caller, "timeout": timeout},
            ids(channelId),
        )
        await self._command(request, seconds_max)

    async def rtpstatistics(
        self,
        *,
        channelId: str,
        seconds_max: float = SECONDS_MAX,
    ) -> RTPstat:
        """RTP stats on a channel."""
        request = Request(
            "channels.rtpstatistics",
            "GET",
            path("/channels/{channelId}/rtp_statistics", channelId=channelId),
            {},
            ids(channelId),
        )
        return RTPstat.read(await self._command(request, seconds_max))

    async def externalMedia(
        self,
        *,
        channelId: str | None = None,
        app: str,
        variables: Mapping[str, Any] | None = None,
        external_host: str | None = None,
        encapsulation: str | None = None,
        transport: str | None = None,
        connection_type: str | None = None,
        format: str,
        direction: str | None = None,
        data: str | None = None,
        transport_data: str | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> Channel:
        """Start an External Media session."""
        request = Request(
            "channels.externalMedia",
            "POST",
            path("/channels/externalMedia"),
            {"channelId": channelId, "app": app, "variables": variables, "external_host": external_host, "encapsulation": encapsulation, "transport": transport, "connection_type": connection_type, "format": format, "direction": direction, "data": data, "transport_data": transport_data},
            ids(channelId),
        )
        return Channel.read(await self._command(request, seconds_max))

    async def transfer_progress(
        self,
        *,
        channelId: str,
        states: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Inform the channel about the progress of the attended/blind transfer."""
        request = Request(
            "channels.transfer_progress",
            "POST",
            path("/channels/{channelId}/transfer_progress", channelId=channelId),
            {"states": states},
            ids(channelId),
        )
        await self._command(request, seconds_max)


class DeviceStates(Repository):
    """The engine's commands under /deviceStates."""

    async def list(
        self,
        *,
        seconds_max: float = SECONDS_MAX,
    ) -> tuple[DeviceState, ...]:
        """List all ARI controlled device states."""
        request = Request(
            "deviceStates.list",
            "GET",
            path("/deviceStates"),
            {},
            ids(),
        )
        return each(DeviceState.read)(await self._command(request, seconds_max))

    async def get(
        self,
        *,
        deviceName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> DeviceState:
        """Retrieve the current state of a device."""
        request = Request(
            "deviceStates.get",
            "GET",
            path("/deviceStates/{deviceName}", deviceName=deviceName),
            {},
            ids(),
        )
        return DeviceState.read(await self._command(request, seconds_max))

    async def update(
        self,
        *,
        deviceName: str,
        deviceState: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Change the state of a device controlled by ARI. (Note - implicitly creates the device
        state)."""
        request = Request(
            "deviceStates.update",
            "PUT",
            path("/deviceStates/{deviceName}", deviceName=deviceName),
            {"deviceState": deviceState},
            ids(),
        )
        await self._command(request, seconds_max)

    async def delete(
        self,
        *,
        deviceName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Destroy a device-state controlled by ARI."""
        request = Request(
            "deviceStates.delete",
            "DELETE",
            path("/deviceStates/{deviceName}", deviceName=deviceName),
            {},
            ids(),
        )
        await self._command(request, seconds_max)


class Endpoints(Repository):
    """The engine's commands under /endpoints."""

    async def list(
        self,
        *,
        seconds_max: float = SECONDS_MAX,
    ) -> tuple[Endpoint, ...]:
        """List all endpoints."""
        request = Request(
            "endpoints.list",
            "GET",
            path("/endpoints"),
            {},
            ids(),
        )
        return each(Endpoint.read)(await self._command(request, seconds_max))

    async def sendMessage(
        self,
        *,
        to: str,
        from_: str,
        body: str | None = None,
        variables: Mapping[str, Any] | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Send a message to some technology URI or endpoint."""
        request = Request(
            "endpoints.sendMessage",
            "PUT",
            path("/endpoints/sendMessage"),
            {"to": to, "from": from_, "body": body, "variables": variables},
            ids(),
        )
        await self._command(request, seconds_max)

    async def refer(
        self,
        *,
        to: str,
        from_: str,
        refer_to: str,
        to_self: bool | None = None,
        variables: Mapping[str, Any] | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Refer an endpoint or technology URI to some technology URI or endpoint."""
        request = Request(
            "endpoints.refer",
            "POST",
            path("/endpoints/refer"),
            {"to": to, "from": from_, "refer_to": refer_to, "to_self": to_self, "variables": variables},
            ids(),
        )
        await self._command(request, seconds_max)

    async def listByTech(
        self,
        *,
        tech: str,
        seconds_max: float = SECONDS_MAX,
    ) -> tuple[Endpoint, ...]:
        """List available endoints for a given endpoint technology."""
        request = Request(
            "endpoints.listByTech",
            "GET",
            path("/endpoints/{tech}", tech=tech),
            {},
            ids(),
        )
        return each(Endpoint.read)(await self._command(request, seconds_max))

    async def get(
        self,
        *,
        tech: str,
        resource: str,
        seconds_max: float = SECONDS_MAX,
    ) -> Endpoint:
        """Details for an endpoint."""
        request = Request(
            "endpoints.get",
            "GET",
            path("/endpoints/{tech}/{resource}", tech=tech, resource=resource),
            {},
            ids(),
        )
        return Endpoint.read(await self._command(request, seconds_max))

    async def sendMessageToEndpoint(
        self,
        *,
        tech: str,
        resource: str,
        from_: str,
        body: str | None = None,
        variables: Mapping[str, Any] | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Send a message to some endpoint in a technology."""
        request = Request(
            "endpoints.sendMessageToEndpoint",
            "PUT",
            path("/endpoints/{tech}/{resource}/sendMessage", tech=tech, resource=resource),
            {"from": from_, "body": body, "variables": variables},
            ids(),
        )
        await self._command(request, seconds_max)

    async def referToEndpoint(
        self,
        *,
        tech: str,
        resource: str,
        from_: str,
        refer_to: str,
        to_self: bool | None = None,
        variables: Mapping[str, Any] | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Refer an endpoint or technology URI to some technology URI or endpoint."""
        request = Request(
            "endpoints.referToEndpoint",
            "POST",
            path("/endpoints/{tech}/{resource}/refer", tech=tech, resource=resource),
            {"from": from_, "refer_to": refer_to, "to_self": to_self, "variables": variables},
            ids(),
        )
        await self._command(request, seconds_max)


class Events(Repository):
    """The engine's commands under /events."""

    async def userEvent(
        self,
        *,
        eventName: str,
        application: str,
        source: str | Sequence[str] | None = None,
        variables: Mapping[str, Any] | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Generate a user event."""
        request = Request(
            "events.userEvent",
            "POST",
            path("/events/user/{eventName}", eventName=eventName),
            {"application": application, "source": source, "variables": variables},
            ids(),
        )
        await self._command(request, seconds_max)

    async def claimChannel(
        self,
        *,
        channelId: str,
        application: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Claim a broadcast channel for this application."""
        request = Request(
            "events.claimChannel",
            "POST",
            path("/events/claim"),
            {"channelId": channelId, "application": application},
            ids(channelId),
        )
        await self._command(request, seconds_max)


class Mailboxes(Repository):
    """The engine's commands under /mailboxes."""

    async def list(
        self,
        *,
        seconds_max: float = SECONDS_MAX,
    ) -> tuple[Mailbox, ...]:
        """List all mailboxes."""
        request = Request(
            "mailboxes.list",
            "GET",
            path("/mailboxes"),
            {},
            ids(),
        )
        return each(Mailbox.read)(await self._command(request, seconds_max))

    async def get(
        self,
        *,
        mailboxName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> Mailbox:
        """Retrieve the current state of a mailbox."""
        request = Request(
            "mailboxes.get",
            "GET",
            path("/mailboxes/{mailboxName}", mailboxName=mailboxName),
            {},
            ids(),
        )
        return Mailbox.read(await self._command(request, seconds_max))

    async def update(
        self,
        *,
        mailboxName: str,
        oldMessages: int,
        newMessages: int,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Change the state of a mailbox. (Note - implicitly creates the mailbox)."""
        request = Request(
            "mailboxes.update",
            "PUT",
            path("/mailboxes/{mailboxName}", mailboxName=mailboxName),
            {"oldMessages": oldMessages, "newMessages": newMessages},
            ids(),
        )
        await self._command(request, seconds_max)

    async def delete(
        self,
        *,
        mailboxName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Destroy a mailbox."""
        request = Request(
            "mailboxes.delete",
            "DELETE",
            path("/mailboxes/{mailboxName}", mailboxName=mailboxName),
            {},
            ids(),
        )
        await self._command(request, seconds_max)


class Playbacks(Repository):
    """The engine's commands under /playbacks."""

    async def get(
        self,
        *,
        playbackId: str,
        seconds_max: float = SECONDS_MAX,
    ) -> Playback:
        """Get a playback's details."""
        request = Request(
            "playbacks.get",
            "GET",
            path("/playbacks/{playbackId}", playbackId=playbackId),
            {},
            ids(),
        )
        return Playback.read(await self._command(request, seconds_max))

    async def stop(
        self,
        *,
        playbackId: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Stop a playback."""
        request = Request(
            "playbacks.stop",
            "DELETE",
            path("/playbacks/{playbackId}", playbackId=playbackId),
            {},
            ids(),
        )
        await self._command(request, seconds_max)

    async def control(
        self,
        *,
        playbackId: str,
        operation: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Control a playback."""
        request = Request(
            "playbacks.control",
            "POST",
            path("/playbacks/{playbackId}/control", playbackId=playbackId),
            {"operation": operation},
            ids(),
        )
        await self._command(request, seconds_max)


class Recordings(Repository):
    """The engine's commands under /recordings."""

    async def listStored(
        self,
        *,
        seconds_max: float = SECONDS_MAX,
    ) -> tuple[StoredRecording, ...]:
        """List recordings that are complete."""
        request = Request(
            "recordings.listStored",
            "GET",
            path("/recordings/stored"),
            {},
            ids(),
        )
        return each(StoredRecording.read)(await self._command(request, seconds_max))

    async def getStored(
        self,
        *,
        recordingName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> StoredRecording:
        """Get a stored recording's details."""
        request = Request(
            "recordings.getStored",
            "GET",
            path("/recordings/stored/{recordingName}", recordingName=recordingName),
            {},
            ids(),
        )
        return StoredRecording.read(await self._command(request, seconds_max))

    async def deleteStored(
        self,
        *,
        recordingName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Delete a stored recording."""
        request = Request(
            "recordings.deleteStored",
            "DELETE",
            path("/recordings/stored/{recordingName}", recordingName=recordingName),
            {},
            ids(),
        )
        await self._command(request, seconds_max)

    async def getStoredFile(
        self,
        *,
        recordingName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> bytes:
        """Get the file associated with the stored recording."""
        request = Request(
            "recordings.getStoredFile",
            "GET",
            path("/recordings/stored/{recordingName}/file", recordingName=recordingName),
            {},
            ids(),
        )
        answer: bytes = await self._command(request, seconds_max)
        return answer

    async def copyStored(
        self,
        *,
        recordingName: str,
        destinationRecordingName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> StoredRecording:
        """Copy a stored recording."""
        request = Request(
            "recordings.copyStored",
            "POST",
            path("/recordings/stored/{recordingName}/copy", recordingName=recordingName),
            {"destinationRecordingName": destinationRecordingName},
            ids(),
        )
        return StoredRecording.read(await self._command(request, seconds_max))

    async def getLive(
        self,
        *,
        recordingName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> LiveRecording:
        """List live recordings."""
        request = Request(
            "recordings.getLive",
            "GET",
            path("/recordings/live/{recordingName}", recordingName=recordingName),
            {},
            ids(),
        )
        return LiveRecording.read(await self._command(request, seconds_max))

    async def cancel(
        self,
        *,
        recordingName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Stop a live recording and discard it."""
        request = Request(
            "recordings.cancel",
            "DELETE",
            path("/recordings/live/{recordingName}", recordingName=recordingName),
            {},
            ids(),
        )
        await self._command(request, seconds_max)

    async def stop(
        self,
        *,
        recordingName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Stop a live recording and store it."""
        request = Request(
            "recordings.stop",
            "POST",
            path("/recordings/live/{recordingName}/stop", recordingName=recordingName),
            {},
            ids(),
        )
        await self._command(request, seconds_max)

    async def pause(
        self,
        *,
        recordingName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Pause a live recording."""
        request = Request(
            "recordings.pause",
            "POST",
            path("/recordings/live/{recordingName}/pause", recordingName=recordingName),
            {},
            ids(),
        )
        await self._command(request, seconds_max)

    async def unpause(
        self,
        *,
        recordingName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Unpause a live recording."""
        request = Request(
            "recordings.unpause",
            "DELETE",
            path("/recordings/live/{recordingName}/pause", recordingName=recordingName),
            {},
            ids(),
        )
        await self._command(request, seconds_max)

    async def mute(
        self,
        *,
        recordingName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Mute a live recording."""
        request = Request(
            "recordings.mute",
            "POST",
            path("/recordings/live/{recordingName}/mute", recordingName=recordingName),
            {},
            ids(),
        )
        await self._command(request, seconds_max)

    async def unmute(
        self,
        *,
        recordingName: str,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """Unmute a live recording."""
        request = Request(
            "recordings.unmute",
            "DELETE",
            path("/recordings/live/{recordingName}/mute", recordingName=recordingName),
            {},
            ids(),
        )
        await self._command(request, seconds_max)


class Sounds(Repository):
    """The engine's commands under /sounds."""

    async def list(
        self,
        *,
        lang: str | None = None,
        format: str | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> tuple[Sound, ...]:
        """List all sounds."""
        request = Request(
            "sounds.list",
            "GET",
            path("/sounds"),
            {"lang": lang, "format": format},
            ids(),
        )
        return each(Sound.read)(await self._command(request, seconds_max))

    async def get(
        self,
        *,
        soundId: str,
        seconds_max: float = SECONDS_MAX,
    ) -> Sound:
        """Get a sound's details."""
        request = Request(
            "sounds.get",
            "GET",
            path("/sounds/{soundId}", soundId=soundId),
            {},
            ids(),
        )
        return Sound.read(await self._command(request, seconds_max))
