"""A worker with threads: what `drover_worker` is on asyncio, for programs that have no event loop."""

import selectors
import signal
import socket
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, Callable, Mapping, Optional, Sequence, Set, Tuple

from . import listeners
from .conversation import (
    REQUEST_TIMEOUT_MS,
    Asked,
    Conversation,
    Error,
    MasterFrame,
    Message,
    NotUnderstood,
    Published,
    WireMessage,
    complaint,
)
from .frames import APP, ERROR_CODES, SUBSCRIBERS, BusError, NotAFrame, body_length, decode
from .master import Connection, connect, exactly

OnMessage = Callable[[Message], Optional[bytes]]

MESSAGE_THREADS = 8
"""Messages that are handled at once; the window bounds how many wait."""


def serve(once: Callable[["MessageBus"], object], on_message: Optional[OnMessage] = None) -> None:
    """Lives a whole life: `once(bus)` serves. It says `bus.started()`, waits for `bus.stop_requested()`, drains, and returns; after a
    Resume it is called again. Then the process may end. `on_message(message)` takes messages, in threads of its own; what it returns
    for a request is the reply, what it raises the Error. To be called in the main thread.
    """
    bus = MessageBus(on_message)
    if bus.is_standalone:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: bus._leave())
    else:
        bus.connect()
    while True:
        once(bus)
        bus.say("stopped")
        if bus.wakes():
            break
    bus.say("shut_down")
    bus.close()


class MessageBus(Conversation):
    """The connection to the master; without DROVER_SOCKET the worker runs alone. All may be called from any thread."""

    def __init__(self, on_message: Optional[OnMessage] = None, env: Optional[Mapping[str, str]] = None):
        super().__init__(on_message is not None, env)
        self._on_message = on_message
        self._socket: Optional[socket.socket] = None
        self._changed = threading.Condition(self._lock)
        self._stopping = False
        self._handlers = ThreadPoolExecutor(MESSAGE_THREADS, "drover-message") if on_message else None

    def connect(self, capabilities: Sequence[str] = ("resume",)) -> None:
        """Says who this worker is, and begins to listen to the master."""
        self._offers = [*capabilities, "bus"] if self._takes_messages else list(capabilities)
        connection = connect(self._env, self._offers)
        self._join(connection)
        threading.Thread(target=self._listen, args=(connection,), name="drover", daemon=True).start()

    def started(self) -> None:
        """Says that this worker serves."""
        self.say("started")

    def say(self, what: str) -> None:
        """Says "started", "stopped" or "shut_down", if that is what is due."""
        self._say(what)

    def stop_requested(self, timeout: Optional[float] = None) -> bool:
        """Waits until no new work is to be taken, or for so many seconds; whether it is so."""
        with self._changed:
            return self._changed.wait_for(lambda: self._stopping, timeout)

    def wakes(self) -> bool:
        """Waits for what comes after a stop; whether it is the end, and not a Resume."""
        with self._changed:
            self._changed.wait_for(lambda: self._life.is_leaving or not self._stopping)
            return self._life.is_leaving

    @property
    def is_leaving(self) -> bool:
        """Whether the process is to end."""
        return self._life.is_leaving

    def listener(self, name: Optional[str] = None, otherwise: Tuple[str, int] = ("127.0.0.1", 0)) -> socket.socket:
        """The master's socket of this name, or the first; without a master one that listens on `otherwise`. It never blocks."""
        sock = listeners.listener(self._env, name, otherwise)
        sock.setblocking(False)
        return sock

    def accept(self, listener: socket.socket, connected: Callable[[socket.socket], object]) -> Set[threading.Thread]:
        """Runs `connected(sock)` in a thread for each connection until a stop is requested; the threads that are left."""
        threads: Set[threading.Thread] = set()
        with selectors.DefaultSelector() as selector, listener:
            selector.register(listener, selectors.EVENT_READ)
            # A quarter of a second is how late a stop may be noticed; nothing is accepted after that.
            while not self.stop_requested(0):
                if not selector.select(0.25):
                    continue
                try:
                    sock, _ = listener.accept()
                except OSError:
                    continue  # another worker was faster, or the client has gone
                sock.setblocking(True)
                threads = {thread for thread in threads if thread.is_alive()}
                thread = threading.Thread(target=connected, args=(sock,), daemon=True)
                threads.add(thread)
                thread.start()
        return threads

    def send(self, topic: str, payload: bytes = b"", scope: int = APP, worker: int = 0, slot: int = 0) -> None:
        """Sends a message and does not ask what becomes of it."""
        self._needs_bus()
        self._write(message=WireMessage(topic=topic, payload=payload, scope=scope, worker=worker, slot=slot))

    def request(
        self,
        topic: str,
        payload: bytes = b"",
        scope: int = APP,
        worker: int = 0,
        slot: int = 0,
        timeout_ms: int = REQUEST_TIMEOUT_MS,
    ) -> bytes:
        """The payload of the reply, or a BusError."""
        message = WireMessage(topic=topic, payload=payload, scope=scope, worker=worker, slot=slot, timeout_ms=timeout_ms)
        answer: bytes = self._answer(timeout_ms, message=message).reply.payload
        return answer

    def publish(self, topic: str, payload: bytes = b"") -> Published:
        """Sends to all workers that have subscribed to the topic."""
        message = WireMessage(topic=topic, payload=payload, scope=SUBSCRIBERS, confirm=True)
        accepted = self._answer(message=message).accepted
        return Published(accepted.delivered, accepted.refused)

    def subscribe(self, topic: str) -> None:
        """From now on what is published under the topic is for this worker, too."""
        self._answer(subscribe={"topic": topic})
        with self._lock:
            self._topics.add(topic)

    def unsubscribe(self, topic: str) -> None:
        """From now on it is not."""
        self._answer(unsubscribe={"topic": topic})
        with self._lock:
            self._topics.discard(topic)

    def close(self) -> None:
        """Nothing is said any more."""
        with self._lock:
            sock, self._socket = self._socket, None
            self._is_closed = True
        if sock:
            # What was said is with the kernel; this wakes the thread that reads.
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the master was faster
        if self._handlers:
            self._handlers.shutdown(wait=False)

    def _join(self, connection: Connection) -> None:
        with self._lock:
            self._socket = connection.socket
            self._welcomed(connection)

    def _listen(self, connection: Connection) -> None:
        """To one master after the other."""
        following: Optional[Connection] = connection
        while following:
            sock = following.socket
            is_understood = self._read(sock, following.limits.max_frame_bytes)
            with self._lock:
                self._socket = None
                self._give_up_requests()
            sock.close()
            following = self._following(is_understood)

    def _following(self, is_understood: bool) -> Optional[Connection]:
        """The next connection, once it stands; None: there is none, and the worker leaves."""
        if self._is_closed:
            return None
        found = None
        if is_understood:
            found = self._successor()
        else:
            self._fuse.burn(self._grace)
        with self._lock:
            if self._is_closed:
                if found:
                    found.socket.close()
                return None
            if found:
                self._join(found)
            else:
                self._orphaned()
            return found

    def _read(self, sock: socket.socket, limit: int) -> bool:
        """Until the connection ends; whether its end is all that is wrong with it."""
        try:
            while True:
                header = exactly(sock, 4)
                data = header and exactly(sock, body_length(header, limit))
                if data is None:
                    return True
                frame = decode(MasterFrame, data)
                with self._lock:
                    self._take(frame, len(data))
        except OSError:
            return True
        except NotUnderstood as error:
            print(complaint(error), file=sys.stderr)
        except NotAFrame as error:
            print(complaint(error), file=sys.stderr)
            self._write(error=Error(code=ERROR_CODES["BAD_FRAME"], message=str(error)))
        return False

    @property
    def _is_connected(self) -> bool:
        return self._socket is not None

    def _send(self, frame: bytes) -> bool:
        with self._lock:
            if self._socket:
                try:
                    self._socket.sendall(frame)
                    return True
                except OSError:
                    pass  # the reader hears of it
            return False

    def _asked(self, what: str, deadline_ms: int) -> None:
        if what == "quit":
            self._leave()
            return
        with self._changed:
            self._stopping = what == "stop"
            self._changed.notify_all()

    def _deliver(self, asked: Asked, message: Message, length: int) -> None:
        if self._handlers:
            self._handlers.submit(self._handle, asked, message, length)
        else:
            self._handled(asked, message, length, None, BusError("UNIMPLEMENTED", "this worker takes no messages"))

    def _handle(self, asked: Asked, message: Message, length: int) -> None:
        answer, failure = None, None
        try:
            answer = self._on_message(message) if self._on_message else None
        except Exception as error:  # whatever the application raises is the answer
            failure = error
        self._handled(asked, message, length, answer, failure)

    def _leave(self) -> None:
        """Without a Stop before it, a Quit is one."""
        with self._changed:
            self._life.leave()
            self._stopping = True
            self._changed.notify_all()

    def _orphaned(self) -> None:
        """Nobody will say Stop or Quit any more."""
        self._leave()

    def _answer(self, timeout_ms: int = REQUEST_TIMEOUT_MS, **body: Any) -> Any:
        self._needs_bus()
        waiting: "Future[Any]" = Future()
        seq = self._ask(waiting, **body)
        try:
            # The master answers in time; this is for one that hangs.
            return waiting.result(timeout_ms / 1000 + 1)
        except FutureTimeoutError:
            raise BusError("DEADLINE", "no answer from the master") from None
        finally:
            self._pending.pop(seq, None)
