"""Asks a master what there is and what happens, and has it replace workers, as `drover status`, `drover events` and `drover reload` do."""

import os
import socket
from typing import Any, Iterator, List, NamedTuple, Optional, Sequence

from .frames import MAX_FRAME_BYTES, BusError, body_length, decode, encode, enum_values, error_of, message_type
from .master import exactly
from .version import __version__

_Hello, _HelloReply = message_type("ControlHello"), message_type("ControlHelloReply")
_Request, _Response = message_type("ControlRequest"), message_type("ControlResponse")
_PHASES = {number: name.lower() for name, number in enum_values("Phase", "PHASE_").items()}
_STEPS = enum_values("ReloadStep", "RELOAD_STEP_")

CONNECT_SECONDS = 5.0


class ControlError(BusError):
    """What the master would not or could not do. `code` is a name of ErrorCode in types.proto, without its prefix: "ROLLED_BACK"."""


class EventsMissed(Exception):
    """Events are gone, because the reader was slower than they came: `events(since=error.since)` goes on with those that are there."""

    def __init__(self, count: int, since: int):
        super().__init__(f"{count} events are gone")
        self.count, self.since = count, since


class Worker(NamedTuple):
    """A slot and what is in it."""

    slot: int
    id: int
    generation: int
    pid: int
    phase: str
    uptime_ms: int
    restarts: int
    in_flight: Optional[int]
    status_text: str


class App(NamedTuple):
    """An app as it is."""

    name: str
    phase: str
    desired: int
    ready: int
    generation: int
    operation: str
    listeners: Sequence[str]
    workers: List[Worker]


class Status(NamedTuple):
    """All that there is. Events after `last_seq` are news."""

    version: str
    pid: int
    uptime_ms: int
    last_seq: int
    apps: List[App]


class Event(NamedTuple):
    """Something that happened."""

    seq: int
    time_ms: int
    app: str
    slot: Optional[int]
    generation: int
    pid: int
    name: str
    phase: str
    detail: str


class Replaced(NamedTuple):
    """An app whose workers are new ones."""

    name: str
    desired: int
    generation: int


class Control:
    """A master, by its control socket; without a path the one that DROVER_CONTROL names. Each call has a connection of its own."""

    def __init__(self, path: Optional[str] = None):
        path = path or os.environ.get("DROVER_CONTROL")
        if not path:
            raise ValueError("a control socket is needed: its path, or DROVER_CONTROL")
        self._path = path

    def status(self, *apps: str) -> Status:
        """What there is, of all apps or of those that fit these names and patterns."""
        found: List[App] = []
        for response in self._ask(status={"apps": apps}):
            reply = response.status
            for app in reply.apps:
                # One may go on in the next answer.
                if not found or found[-1].name != app.name:
                    found.append(_app(app))
                found[-1].workers.extend(map(_worker, app.workers))
        return Status(reply.master.version, reply.master.pid, reply.master.uptime_ms, reply.last_seq, found)

    def events(self, since: int = 0, follow: bool = False) -> Iterator[Event]:
        """The events after the number `since` that are kept; with `follow` later ones, too, for as long as one asks for the next."""
        for response in self._ask(events={"since_seq": since, "follow": follow}):
            if response.WhichOneof("body") == "missed":
                raise EventsMissed(response.missed.count, response.missed.next_seq - 1)
            if response.WhichOneof("body") == "event":
                yield _event(response.event)

    def reload(self, *apps: str, wait: bool = True) -> List[Replaced]:
        """Replaces the workers of these apps, and returns when that is done, or with `wait=False` when it has begun."""
        replaced = []
        failure: Optional[ControlError] = None
        for response in self._ask(reload={"apps": apps, "step": _STEPS["BEGIN"], "no_wait": not wait}):
            if response.WhichOneof("body") != "operation":
                continue
            result = response.operation
            if result.HasField("error"):
                failure = failure or _failure(result.error, [f"{result.name}:", *result.last_words])
            else:
                replaced.append(Replaced(result.name, result.desired, result.generation))
        if failure:
            raise failure
        return replaced

    def _ask(self, **body: Any) -> Iterator[Any]:
        """The answers to a request."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(CONNECT_SECONDS)
            sock.connect(self._path)
            sock.sendall(encode(_Hello(min_version=1, max_version=1, client_version=__version__)))
            hello = self._next(sock, _HelloReply, MAX_FRAME_BYTES)
            if hello.welcome.version != 1:
                raise ControlError("UNSPECIFIED", f"{self._path} refuses this client: {hello.reject.message or 'no reason given'}")
            sock.settimeout(None)
            sock.sendall(encode(_Request(seq=1, **body)))
            more = True
            while more:
                response = self._next(sock, _Response, hello.welcome.max_frame_bytes)
                if response.WhichOneof("body") == "error":
                    raise _failure(response.error, [])
                yield response
                more = response.more

    def _next(self, sock: socket.socket, type_: Any, limit: int) -> Any:
        header = exactly(sock, 4)
        data = header and exactly(sock, body_length(header, limit))
        if data is None:
            raise ConnectionError(f"the master at {self._path} has ended the connection")
        return decode(type_, data)


def _failure(error: Any, words: List[str]) -> ControlError:
    told = error_of(error)
    return ControlError(told.code, "\n".join([" ".join([*words[:1], str(told)]), *words[1:]]))


def _app(app: Any) -> App:
    phase = _PHASES.get(app.phase, "unknown")
    return App(app.name, phase, app.desired, app.ready, app.generation, app.operation, list(app.listeners), [])


def _worker(worker: Any) -> Worker:
    return Worker(
        worker.slot,
        worker.id,
        worker.generation,
        worker.pid,
        _PHASES.get(worker.phase, "unknown"),
        worker.uptime_ms,
        worker.restarts,
        worker.in_flight if worker.HasField("in_flight") else None,
        worker.status_text,
    )


def _event(event: Any) -> Event:
    return Event(
        event.seq,
        event.time_ms,
        event.app,
        event.slot if event.HasField("slot") else None,
        event.generation,
        event.pid,
        event.name,
        _PHASES.get(event.phase, "unknown"),
        event.detail,
    )
