"""What a worker and its master say to each other, whoever reads and writes it: `bus` on an event loop, `threads` in a thread."""

import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence, Set

from .frames import ERROR_CODES, BusError, encode, error_of, message_type
from .life import Life
from .master import Connection, Identity, Limits, has_master
from .successor import Fuse, grace_of, successor

WorkerFrame, MasterFrame = message_type("WorkerFrame"), message_type("MasterFrame")
Error, WireMessage, Status = message_type("Error"), message_type("Message"), message_type("Status")

WINDOW = 1 << 20
"""Bytes of messages that are under way in the application; more wait at the master."""

REQUEST_TIMEOUT_MS = 30_000


class Message(NamedTuple):
    """A message to this worker. `worker` is the id of the one that sent it; 0: the program that embeds the master, or a person."""

    topic: str
    payload: bytes
    scope: int
    worker: int
    is_request: bool


class Published(NamedTuple):
    """To how many workers that have subscribed something goes, and for how many of them it was too much."""

    delivered: int
    refused: int


class Asked(NamedTuple):
    """A frame that may be answered, on the connection that it came by and no other."""

    connection: int
    seq: int


class NotUnderstood(Exception):
    """The master demands that it is understood, and it is not."""


class Conversation(ABC):
    """Takes what the master says, and tells what to answer. A subclass writes, waits, and runs what the application does with it."""

    def __init__(self, takes_messages: bool, env: Optional[Mapping[str, str]] = None):
        self._env = dict(os.environ if env is None else env)
        self.is_standalone = not has_master(self._env)
        self.identity: Optional[Identity] = None
        self.limits: Optional[Limits] = None
        self._takes_messages = takes_messages
        self._capabilities: Sequence[str] = ()
        self._offers: Sequence[str] = ()  # what this worker can do beyond the base
        self._lock = threading.RLock()  # of the state, and of what is written
        self._life = Life()
        self._fuse = Fuse()
        self._is_closed = False
        self._connections = 0  # how many there were
        self._pending: Dict[int, Any] = {}  # futures of requests of this worker, by their seq
        self._last_seq = 0
        self._consumed = 0
        self._topics: Set[str] = set()  # of subscriptions
        self._unsaid: Dict[str, Any] = {}  # what is to be said on the next connection
        self._more_until = 0.0  # and until when more time is needed

    @property
    @abstractmethod
    def _is_connected(self) -> bool:
        """Whether there is a connection."""

    @abstractmethod
    def _send(self, frame: bytes) -> bool:
        """Writes a frame, if there is a connection."""

    @abstractmethod
    def _deliver(self, asked: Asked, message: Message, length: int) -> None:
        """Gives a message to the application, and then calls `_handled`."""

    @abstractmethod
    def _asked(self, what: str, deadline_ms: int) -> None:
        """The master has said Stop, Resume or Quit, and the state is the new one."""

    @property
    def _has_bus(self) -> bool:
        return "bus" in self._capabilities

    def _welcomed(self, connection: Connection) -> None:
        """There is a connection, the first or another one: all that belongs to it is said, and what could not be said before."""
        self.identity, self.limits, self._capabilities = connection.identity, connection.limits, connection.capabilities
        if self._connections:
            self._life.reconnected()
        self._connections += 1
        self._consumed = 0
        if self._takes_messages and self._has_bus:
            self._write(consumed={"window": WINDOW})
        for topic in sorted(self._topics):
            self._write(subscribe={"topic": topic})
        more, self._more_until = int((self._more_until - time.monotonic()) * 1000), 0.0
        if more > 0:
            self._write(extend={"timeout_ms": more})
        # A master that has heard it may have died before it wrote it down.
        if self._life.has_started_unasked:
            self._write(started={})
        unsaid, self._unsaid = self._unsaid, {}
        for body in unsaid.items():
            self._tell(*body)

    def status(
        self, text: str, in_flight: int = 0, requests: int = 0, gauges: Optional[Mapping[str, float]] = None
    ) -> None:
        """How this worker is: a line for people, requests under way, requests done since the process began, readings by name."""
        readings = [{"name": name, "value": value} for name, value in (gauges or {}).items()]
        self._tell("status", Status(text=text, in_flight=in_flight, requests=requests, gauges=readings))

    def progress(self) -> None:
        """For the watchdog (DROVER_WATCHDOG_MS): the work goes on."""
        self._tell("progress", {})

    def extend(self, timeout_ms: int) -> None:
        """So much time from now on is needed for the step that is under way."""
        with self._lock:
            if not self._write(extend={"timeout_ms": timeout_ms}):
                self._more_until = max(self._more_until, time.monotonic() + timeout_ms / 1000)

    def _tell(self, what: str, body: Any) -> None:
        """Says it, on the next connection if there is none; of each kind the newest counts."""
        with self._lock:
            if not self._write(**{what: body}):
                self._unsaid[what] = body

    def _say(self, what: str) -> None:
        """Says that a step is done. Who says it too late says nothing; and an answer that can't be said waits for the question to come
        again."""
        with self._lock:
            reply_to = self._life.say(what)
            if reply_to is not None:
                self._write(reply_to=reply_to, **{what: {}})

    def _take(self, frame: Any, length: int) -> None:
        body, asked = frame.WhichOneof("body"), Asked(self._connections, frame.seq)
        if body == "ping":
            self._pinged(asked)
        elif body == "message":
            told = frame.message
            message = Message(told.topic, told.payload, told.scope, told.worker, frame.expects_reply)
            self._deliver(asked, message, length)
        elif body in ("reply", "accepted", "error"):
            self._answered(frame, body)
        elif body is None and frame.must_understand:
            raise NotUnderstood("the master sent what this worker does not know")
        elif body is None:
            if frame.expects_reply:
                self._refuse(asked, "UNIMPLEMENTED", "this worker does not know the body")
        elif self._life.repeats(body, frame.seq):
            if self._life.answer:
                self._reply(asked, **{self._life.answer: {}})
        elif not self._life.ask(body, frame.seq):
            self._refuse(asked, "BAD_STATE", f"this worker is {self._life.state}")
        else:
            self._asked(body, getattr(frame, body).deadline_ms)

    def _pinged(self, asked: Asked) -> None:
        self._reply(asked, pong={})

    def _handled(
        self, asked: Asked, message: Message, length: int, answer: Optional[bytes], error: Optional[BaseException]
    ) -> None:
        """The application has done with a message what it wanted: it is answered, and makes room for others."""
        try:
            if error is None and message.is_request:
                self._reply(asked, reply={"payload": answer or b""})
        except Exception as unwritten:  # whatever the application returns may be no payload, or too long
            error = unwritten
        if error is not None and message.is_request:
            self._refuse(asked, getattr(error, "code", "FAILED"), str(error))
        elif error is not None:
            print(f"message {message.topic!r}: {error!r}", file=sys.stderr)
        with self._lock:
            if asked.connection != self._connections:
                return  # a new connection has all its room
            self._consumed += length
            if self._consumed >= WINDOW // 2:
                self._write(consumed={"bytes": self._consumed})
                self._consumed = 0

    def _answered(self, frame: Any, body: str) -> None:
        waiting = self._pending.pop(frame.reply_to, None)
        if body == "error":
            error = error_of(frame.error)
            if waiting and not waiting.done():
                waiting.set_exception(error)
            else:
                print(f"the master answers: {error.code} {error}", file=sys.stderr)
        elif waiting and not waiting.done():
            waiting.set_result(frame)

    def _give_up_requests(self) -> None:
        """The connection has ended."""
        for waiting in list(self._pending.values()):
            if not waiting.done():
                waiting.set_exception(BusError("FAILED", "the connection to the master has ended"))

    def _successor(self) -> Optional[Connection]:
        """The next connection, once there is one. None: the master is dead, or not needed any more."""
        return successor(self._env, self._offers, self._grace, self._fuse, lambda: not self._is_closed)

    @property
    def _grace(self) -> float:
        return grace_of(self.limits) if self.limits else 0.0

    def _refuse(self, asked: Asked, code: str, message: str) -> None:
        self._reply(asked, error=Error(code=ERROR_CODES.get(code, ERROR_CODES["FAILED"]), message=message))

    def _reply(self, asked: Asked, **body: Any) -> None:
        """Answers; nothing is owed on a later connection."""
        with self._lock:
            if asked.connection == self._connections:
                self._write(reply_to=asked.seq, **body)

    def _needs_bus(self) -> None:
        if not self._has_bus:
            raise BusError("UNIMPLEMENTED", "there is no master that carries messages")

    def _ask(self, waiting: Any, **body: Any) -> int:
        """Writes a request, whose answer `waiting` gets; its seq."""
        with self._lock:
            if not self._is_connected:
                raise BusError("FAILED", "there is no connection to the master")
            self._last_seq += 1
            self._pending[self._last_seq] = waiting
            self._write(seq=self._last_seq, expects_reply=True, **body)
            return self._last_seq

    def _write(self, **fields: Any) -> bool:
        """Whether there is a connection to write to."""
        frame = encode(WorkerFrame(**fields))
        if self.limits and len(frame) - 4 > self.limits.max_frame_bytes:
            raise BusError("INVALID_ARGUMENT", f"a frame of {len(frame) - 4} bytes is over the limit")
        return self._send(frame)


def complaint(error: Exception) -> str:
    """Why a connection is closed."""
    if isinstance(error, NotUnderstood):
        return f"the connection to the master is closed: {error}"
    return f"the connection to the master is of no use any more: {error}"
