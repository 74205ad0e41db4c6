"""A client of a relay of sound (TURN, RFC 8656) that asks one thing at a time."""

from __future__ import annotations

import hashlib
import hmac
import os
import socket
import struct

COOKIE = 0x2112A442
ALLOCATE, CREATE_PERMISSION = 0x0003, 0x0008
ERROR = 0x0110
USERNAME, INTEGRITY, ERROR_CODE, PEER, REALM, NONCE, TRANSPORT = (
    0x0006, 0x0008, 0x0009, 0x0012, 0x0014, 0x0015, 0x0019,
)  # fmt: skip
UDP = struct.pack("!I", 17 << 24)
ANSWER_SECONDS_MAX = 3.0


class TurnClient:
    """Asks a relay at ``(address, port)``, by a name and a password; 200: it was done."""

    def __init__(self, server: tuple[str, int], name: str, password: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.settimeout(ANSWER_SECONDS_MAX)
        self._socket.connect(server)
        self._name, self._password = name, password
        self._realm = self._nonce = b""

    def __enter__(self) -> TurnClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def allocate(self) -> int:
        """Ask for a relay; 401: who asks is not believed."""
        assert self._ask(ALLOCATE, [(TRANSPORT, UDP)], signed=False) == 401, "an open relay"
        return self._ask(ALLOCATE, [(TRANSPORT, UDP)])

    def permit(self, peer: str) -> int:
        """Ask to reach somebody; 403: never."""
        bits = struct.unpack("!I", socket.inet_aton(peer))[0] ^ COOKIE
        return self._ask(
            CREATE_PERMISSION, [(PEER, struct.pack("!BBHI", 0, 1, 9 ^ COOKIE >> 16, bits))]
        )

    def _ask(self, method: int, asked: list[tuple[int, bytes]], signed: bool = True) -> int:
        number = os.urandom(12)
        if signed:
            name = self._name.encode()
            asked = [*asked, (USERNAME, name), (REALM, self._realm), (NONCE, self._nonce)]
        body = b"".join(attribute(kind, value) for kind, value in asked)
        if signed:
            key = hashlib.md5(
                f"{self._name}:{self._realm.decode()}:{self._password}".encode()
            ).digest()
            head = struct.pack("!HHI", method, len(body) + 24, COOKIE) + number
            body += attribute(INTEGRITY, hmac.digest(key, head + body, "sha1"))
        self._socket.send(struct.pack("!HHI", method, len(body), COOKIE) + number + body)
        return self._read(number)

    def _read(self, number: bytes) -> int:
        answer = self._socket.recv(2048)
        kind, _, cookie = struct.unpack("!HHI", answer[:8])
        assert (cookie, answer[8:20]) == (COOKIE, number)
        at, told = 20, {}
        while at + 4 <= len(answer):
            name, size = struct.unpack("!HH", answer[at : at + 4])
            told[name] = answer[at + 4 : at + 4 + size]
            at += 4 + (size + 3) // 4 * 4
        self._realm, self._nonce = told.get(REALM, self._realm), told.get(NONCE, self._nonce)
        code = told.get(ERROR_CODE)
        return code[2] * 100 + code[3] if kind & ERROR == ERROR and code else 200


def attribute(kind: int, value: bytes) -> bytes:
    """One part of a message, padded to four bytes."""
    return struct.pack("!HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)
