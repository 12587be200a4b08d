"""Stops a server without losing a request: the connections that it has, and what becomes of them."""

import threading
import time
import weakref
from contextlib import contextmanager
from typing import Callable, Iterator, List

from .exchange import Data, Exchange

LAST_REQUESTS = 1.0
"""For so many seconds after a stop an open connection may still bring a request, whose answer says that it is the last: a client that
is about to send would lose its request if an idle connection were closed at once."""

SWEEP = 0.1


class Connection:
    """A connection of the server's. It is forgotten with its last owner, so that the stop does not wait for one that nobody has."""

    def __init__(self, drain: "Drain", close: Callable[[], None]):
        self.close = close
        """Closes it; from any thread."""
        self._exchange = Exchange()
        self._drain = drain

    def came(self, data: Data) -> None:
        """The client has sent this."""
        before = self._exchange.requests
        self._exchange.came(data)
        if self._exchange.requests != before:
            self._drain.requests += 1

    def goes(self, data: Data) -> Data:
        """The server sends this: what is to be sent in its place."""
        return self._exchange.goes(data, self._drain.is_stopping)

    @property
    def begins_last(self) -> bool:
        """Whether what goes out next is the beginning of an answer that is the last."""
        return self._drain.is_stopping and self._exchange.begins

    @property
    def sent(self) -> int:
        """How many bytes went out."""
        return self._exchange.sent

    def passed(self, count: int) -> None:
        """So many bytes of a body went out in another way."""
        self._exchange.passed(count)

    def ended(self) -> None:
        """It is closed, or out of sight."""
        self._drain._forget(self)

    @property
    def is_under_way(self) -> bool:
        """Whether a request is: nothing is known of what is not HTTP/1."""
        return self._exchange.is_under_way or self._exchange.is_opaque

    @property
    def is_upgraded(self) -> bool:
        """Whether it stays for as long as the process, and holds up nothing."""
        return self._exchange.is_upgraded

    @property
    def may_be_closed(self) -> bool:
        """Whether no answer is lost with it."""
        return not self.is_under_way or self._exchange.is_event_stream


class Drain:
    """All connections of the process, and what accepts them."""

    def __init__(self) -> None:
        self.is_stopping = False
        self.requests = 0
        """How many there were."""
        self.acceptors: List[Callable[[], None]] = []
        """Each stops accepting, and returns when nothing is accepted any more."""
        self._changed = threading.Condition(threading.RLock())
        self._connections: "weakref.WeakSet[Connection]" = weakref.WeakSet()
        self._accepting = 0

    def opened(self, close: Callable[[], None] = lambda: None) -> Connection:
        """There is a connection."""
        connection = Connection(self, close)
        with self._changed:
            self._connections.add(connection)
        return connection

    @contextmanager
    def accepting(self) -> Iterator[None]:
        """What is accepted in here is not missed."""
        with self._changed:
            self._accepting += 1
        try:
            yield
        finally:
            with self._changed:
                self._accepting -= 1

    @property
    def in_flight(self) -> int:
        """How many requests are under way."""
        return sum(connection.is_under_way and not connection.is_upgraded for connection in self._open())

    def run(self, gives_up: Callable[[], bool]) -> None:
        """Accepts nothing any more, and returns when the last connection has ended, or when `gives_up` says so."""
        self.is_stopping = True
        for stop in self.acceptors:
            stop()
        begin = time.monotonic()
        while not gives_up():
            left = [connection for connection in self._open() if not connection.is_upgraded]
            if not left and not self._accepting:
                return
            if time.monotonic() - begin >= LAST_REQUESTS:
                for connection in left:
                    if connection.may_be_closed:
                        connection.close()
            with self._changed:
                self._changed.wait(SWEEP)

    def _open(self) -> List[Connection]:
        with self._changed:
            return list(self._connections)

    def _forget(self, connection: Connection) -> None:
        with self._changed:
            self._connections.discard(connection)
            self._changed.notify_all()
