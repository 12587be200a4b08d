"""The connection to the master: where it is, and the handshake."""

import os
import socket
import sys
import time
from typing import Any, Mapping, NamedTuple, Optional, Sequence


from .frames import MAX_FRAME_BYTES, body_length, decode, encode, enum_values, message_type
from .version import __version__

_Hello, _HelloReply = message_type("Hello"), message_type("HelloReply")

_TOKEN_IN_USE = enum_values("RejectCode", "REJECT_CODE_")["TOKEN_IN_USE"]

HANDSHAKE_SECONDS = 5

PAUSES = (0.01, 0.05, 0.1)
"""Before the first tries to connect again. A first connection that has ended without an answer has no others: the master may have a successor, which
holds the socket."""


class Identity(NamedTuple):
    """Who a worker is in the eyes of its master."""

    app: str
    slot: int
    generation: int
    worker_id: int


class Limits(NamedTuple):
    """The bounds a worker has to keep."""

    max_frame_bytes: int
    start_timeout_ms: int
    drain_timeout_ms: int
    quit_timeout_ms: int


class Connection(NamedTuple):
    """A connection that stands."""

    socket: socket.socket
    identity: Identity
    limits: Limits
    capabilities: Sequence[str]


def has_master(env: Mapping[str, str]) -> bool:
    """Whether a master has started this process."""
    return bool(env.get("DROVER_SOCKET"))


class Refused(Exception):
    """The master does not want this worker, or not yet: if it `is_final`, to ask again is of no use."""

    def __init__(self, reason: str, is_final: bool = True):
        super().__init__(reason or "no reason given")
        self.is_final = is_final


def connect(env: Mapping[str, str], capabilities: Sequence[str]) -> Connection:
    """Says for the first time who this worker is and what it can do beyond the base. It blocks, and ends a process that is refused."""
    try:
        for pause in PAUSES:
            try:
                return introduce(dial(env, HANDSHAKE_SECONDS), env, capabilities, HANDSHAKE_SECONDS)
            except (EOFError, ConnectionResetError):
                time.sleep(pause)
        return introduce(dial(env, HANDSHAKE_SECONDS), env, capabilities, HANDSHAKE_SECONDS)
    except (Refused, EOFError) as error:
        sys.exit(f"the master refused this worker: {error}")
    except OSError as error:
        sys.exit(f"no connection to the master at {env['DROVER_SOCKET']}: {error}")


def dial(env: Mapping[str, str], seconds: float) -> socket.socket:
    """A connection on which nothing has been said."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(seconds)
    try:
        sock.connect(env["DROVER_SOCKET"])
    except OSError:
        sock.close()
        raise
    return sock


def introduce(sock: socket.socket, env: Mapping[str, str], capabilities: Sequence[str], seconds: float) -> Connection:
    """The handshake. EOFError: the connection ends instead of an answer."""
    sock.settimeout(seconds)
    welcome = _welcome(sock, env.get("DROVER_TOKEN", ""), capabilities)
    sock.settimeout(None)
    who, limits = welcome.identity, welcome.limits
    return Connection(
        sock,
        Identity(who.app, who.slot, who.generation, who.worker_id),
        Limits(limits.max_frame_bytes, limits.start_timeout_ms, limits.drain_timeout_ms, limits.quit_timeout_ms),
        tuple(welcome.capabilities),
    )


def _welcome(sock: socket.socket, token: str, capabilities: Sequence[str]) -> Any:
    hello = _Hello(min_version=1, max_version=1, token=token, pid=os.getpid(), capabilities=capabilities)
    hello.sdk.name, hello.sdk.version, hello.sdk.language = "drover-worker", __version__, "python"
    try:
        sock.sendall(encode(hello))
    except OSError:
        pass  # it may have been refused before: the reason is there to be read
    header = exactly(sock, 4)
    body = header and exactly(sock, body_length(header, MAX_FRAME_BYTES))
    if body is None:
        raise EOFError("no reason given")
    reply = decode(_HelloReply, body)
    if reply.welcome.version != 1:
        raise Refused(reply.reject.message, reply.reject.code != _TOKEN_IN_USE)
    return reply.welcome


def exactly(sock: socket.socket, count: int) -> Optional[bytes]:
    """So many bytes; None at the end of the stream."""
    data = bytearray()
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            return None
        data += part
    return bytes(data)
