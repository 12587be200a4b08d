"""What a worker and its master say to each other, whoever reads and writes it: `bus` on an event loop, `threads` in a thread."""

import os
import sys
from abc import ABC, abstractmethod
from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence

from .frames import ERROR_CODES, BusError, encode, error_of, message_type
from .life import Life
from .master import Connection, Identity, Limits, has_master

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
        self._life = Life()
        self._pending: Dict[int, Any] = {}  # futures of requests of this worker, by their seq
        self._last_seq = 0
        self._consumed = 0

    @abstractmethod
    def _send(self, frame: bytes) -> None:
        """Writes a frame, if there is a connection."""

    @abstractmethod
    def _deliver(self, seq: int, message: Message, length: int) -> None:
        """Gives a message to the application, and then calls `_handled`."""

    @abstractmethod
    def _asked(self, what: str, deadline_ms: int) -> None:
        """The master has said Stop, Resume or Quit, and the state is the new one."""

    @property
    def _has_bus(self) -> bool:
        return "bus" in self._capabilities

    def _is_connected(self, connection: Connection) -> None:
        self.identity, self.limits, self._capabilities = connection.identity, connection.limits, connection.capabilities
        if self._takes_messages and self._has_bus:
            self._write(consumed={"window": WINDOW})

    def status(
        self, text: str, in_flight: int = 0, requests: int = 0, gauges: Optional[Mapping[str, float]] = None
    ) -> None:
        """How this worker is: a line for people, requests under way, requests done since the process began, readings by name."""
        readings = [{"name": name, "value": value} for name, value in (gauges or {}).items()]
        self._write(status=Status(text=text, in_flight=in_flight, requests=requests, gauges=readings))

    def progress(self) -> None:
        """For the watchdog (DROVER_WATCHDOG_MS): the work goes on."""
        self._write(progress={})

    def extend(self, timeout_ms: int) -> None:
        """So much time from now on is needed for the step that is under way."""
        self._write(extend={"timeout_ms": timeout_ms})

    def _say(self, what: str) -> None:
        """Says that a step is done. Who says it too late says nothing."""
        reply_to = self._life.say(what)
        if reply_to is not None:
            self._write(reply_to=reply_to, **{what: {}})

    def _take(self, frame: Any, length: int) -> None:
        body, seq = frame.WhichOneof("body"), frame.seq
        if body == "ping":
            self._pinged(seq)
        elif body == "message":
            told = frame.message
            message = Message(told.topic, told.payload, told.scope, told.worker, frame.expects_reply)
            self._deliver(seq, message, length)
        elif body in ("reply", "accepted", "error"):
            self._answered(frame, body)
        elif body is None and frame.must_understand:
            raise NotUnderstood("the master sent what this worker does not know")
        elif body is None:
            if frame.expects_reply:
                self._refuse(seq, "UNIMPLEMENTED", "this worker does not know the body")
        elif not self._life.ask(body, seq):
            self._refuse(seq, "BAD_STATE", f"this worker is {self._life.state}")
        else:
            self._asked(body, getattr(frame, body).deadline_ms)

    def _pinged(self, seq: int) -> None:
        self._write(reply_to=seq, pong={})

    def _handled(
        self, seq: int, message: Message, length: int, answer: Optional[bytes], error: Optional[BaseException]
    ) -> None:
        """The application has done with a message what it wanted: it is answered, and makes room for others."""
        try:
            if error is None and message.is_request:
                self._write(reply_to=seq, reply={"payload": answer or b""})
        except Exception as unwritten:  # whatever the application returns may be no payload, or too long
            error = unwritten
        if error is not None and message.is_request:
            self._refuse(seq, getattr(error, "code", "FAILED"), str(error))
        elif error is not None:
            print(f"message {message.topic!r}: {error!r}", file=sys.stderr)
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

    def _refuse(self, seq: int, code: str, message: str) -> None:
        self._write(reply_to=seq, error=Error(code=ERROR_CODES.get(code, ERROR_CODES["FAILED"]), message=message))

    def _needs_bus(self) -> None:
        if not self._has_bus:
            raise BusError("UNIMPLEMENTED", "there is no master that carries messages")

    def _ask(self, waiting: Any, **body: Any) -> int:
        """Writes a request, whose answer `waiting` gets; its seq."""
        self._last_seq += 1
        self._pending[self._last_seq] = waiting
        self._write(seq=self._last_seq, expects_reply=True, **body)
        return self._last_seq

    def _write(self, **fields: Any) -> None:
        frame = encode(WorkerFrame(**fields))
        if self.limits and len(frame) - 4 > self.limits.max_frame_bytes:
            raise BusError("INVALID_ARGUMENT", f"a frame of {len(frame) - 4} bytes is over the limit")
        self._send(frame)


def complaint(error: Exception) -> str:
    """Why a connection is closed."""
    if isinstance(error, NotUnderstood):
        return f"the connection to the master is closed: {error}"
    return f"the connection to the master is of no use any more: {error}"
