"""Servers on an event loop, asyncio's or uvloop's: they take the master's sockets, and their connections are watched."""

import asyncio
import contextlib
import socket
import threading
from asyncio import base_events
from importlib import util
from typing import Any, Callable, Iterable, Optional

from ..listeners import BACKLOG, Listener
from .drain import Connection, Drain
from .ports import Ports

_TURNS = 3  # of the loop, from an accepted connection to a protocol


class _Watched(asyncio.Protocol):
    """A server's protocol, told what it has to be told; what passes is noted."""

    def __init__(self, inner: Any, loop: asyncio.AbstractEventLoop, drain: Drain):
        self._inner, self._loop = inner, loop
        self._connection = drain.opened()

    def connection_made(self, transport: Any) -> None:
        connection = self._connection

        def close_now() -> None:
            if connection.may_be_closed:
                transport.close()

        def close() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and all with it
                self._loop.call_soon_threadsafe(close_now)

        connection.close = close
        self._inner.connection_made(_watched_transport(transport, connection))

    def data_received(self, data: bytes) -> None:
        self._connection.came(data)
        self._inner.data_received(data)

    def eof_received(self) -> Optional[bool]:
        stays: Optional[bool] = self._inner.eof_received()
        return stays

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, error: Optional[Exception]) -> None:
        self._connection.ended()
        self._inner.connection_lost(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Transport:
    """For a transport that takes no attributes."""

    def __init__(self, transport: Any, connection: Connection):
        self._transport, self._drover = transport, connection

    def write(self, data: Any) -> None:
        self._transport.write(self._drover.goes(data))

    def writelines(self, parts: Iterable[Any]) -> None:
        self.write(b"".join(parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def _watched_transport(transport: Any, connection: Connection) -> Any:
    watched = _Transport(transport, connection)
    # As it is where that is possible: the loop itself wants to have its own.
    original = transport.write
    try:
        transport.write = lambda data: original(connection.goes(data))
    except AttributeError:
        return watched
    transport.writelines = lambda parts: transport.write(b"".join(parts))
    transport._drover = connection
    return transport


class Loops:
    """Makes every event loop that there will be listen on the master's sockets."""

    def __init__(self, ports: Ports, drain: Drain):
        self._ports, self._drain = ports, drain
        self.serving: Optional[asyncio.AbstractEventLoop] = None
        """The loop that serves."""
        self._patch(base_events.BaseEventLoop)
        if util.find_spec("uvloop"):
            import uvloop

            self._patch(uvloop.Loop)

    def _patch(self, loops: Any) -> None:
        create, sendfile = loops.create_server, loops.sendfile

        async def create_server(loop: Any, factory: Callable[[], Any], host: Any = None, port: Any = None, **options: Any) -> Any:
            sock = options.get("sock")
            listener = self._ports.of_socket(sock) if sock else self._ports.of(port)
            if listener is None:
                server = await create(loop, factory, host, port, **options)
                if isinstance(port, int) and port and not sock:
                    self._ports.listens_alone(str(port))
                return server
            return await self._serve(listener, create, loop, factory, options)

        async def send_file(loop: Any, transport: Any, *args: Any, **options: Any) -> Any:
            connection = getattr(transport, "_drover", None)
            before = connection.sent if connection else 0
            count = await sendfile(loop, transport, *args, **options)
            if connection:
                connection.passed(count - (connection.sent - before))
            return count

        loops.create_server, loops.sendfile = create_server, send_file

    async def _serve(self, listener: Listener, create: Any, loop: Any, factory: Callable[[], Any], options: Any) -> Any:
        def watched() -> Any:
            inner = factory()
            if isinstance(inner, asyncio.BufferedProtocol):
                return inner
            return _Watched(inner, loop, self._drain)

        for option in ("family", "flags", "reuse_address", "reuse_port"):
            options.pop(option, None)
        if options.get("sock") is None:
            options["sock"] = self._ports.descriptor(listener)
        self._ports.by_loop.add(options["sock"].fileno())
        options["backlog"] = BACKLOG
        server = await create(loop, watched, **options)
        self.serving = loop
        self._drain.acceptors.insert(0, lambda: _stop(loop, server))
        self._ports.is_served()
        return server


def _stop(loop: asyncio.AbstractEventLoop, server: Any) -> None:
    """Accepts nothing more. What has been accepted has a protocol by then."""
    stopped = threading.Event()

    def turn(left: int) -> None:
        if left:
            loop.call_soon(turn, left - 1)
        else:
            stopped.set()

    def stop() -> None:
        if hasattr(loop, "_selector"):
            # Not `server.close()`: it drops a connection that was accepted in the same turn of the loop.
            for sock in server.sockets:
                loop.remove_reader(sock.fileno())
        else:
            server.close()
        turn(_TURNS)

    try:
        loop.call_soon_threadsafe(stop)
    except RuntimeError:
        return  # it is closed
    stopped.wait(5)  # a loop that is busy for longer accepts nothing, either
