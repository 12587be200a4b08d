"""A worker on asyncio."""

import asyncio
import signal
import socket
import sys
import threading
from typing import Any, Awaitable, Callable, Coroutine, Mapping, Optional, Set, Tuple

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
from .master import Connection, connect

OnMessage = Callable[[Message], Awaitable[Optional[bytes]]]
Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def serve(once: Callable[["MessageBus"], Awaitable[object]], on_message: Optional[OnMessage] = None) -> None:
    """Lives a whole life: `await once(bus)` serves. It says `bus.started()`, waits for `bus.stop_requested()`, drains, and returns;
    after a Resume it is called again. Then the process may end. `await on_message(message)` takes messages; what it returns for a
    request is the reply, what it raises the Error.
    """
    bus = MessageBus(on_message)
    await bus._connect()
    while True:
        await once(bus)
        bus._say("stopped")
        await bus._awake.wait()
        if bus._life.is_leaving:
            break
    bus._say("shut_down")
    await bus.close()


class MessageBus(Conversation):
    """The connection to the master; without DROVER_SOCKET the worker runs alone, and SIGINT or SIGTERM stop it."""

    def __init__(self, on_message: Optional[OnMessage] = None, env: Optional[Mapping[str, str]] = None):
        super().__init__(on_message is not None, env)
        self._on_message = on_message
        self._writer: Optional[asyncio.StreamWriter] = None
        self._stop, self._awake = asyncio.Event(), asyncio.Event()
        self._tasks: Set["asyncio.Task[None]"] = set()

    async def started(self) -> None:
        """Says that this worker serves."""
        self._say("started")

    async def stop_requested(self) -> None:
        """Waits until no new work is to be taken. Deadline: `limits.drain_timeout_ms`, or the end of the process."""
        await self._stop.wait()

    def listener(self, name: Optional[str] = None, otherwise: Tuple[str, int] = ("127.0.0.1", 0)) -> socket.socket:
        """The master's socket of this name, or the first; without a master one that listens on `otherwise`."""
        sock = listeners.listener(self._env, name, otherwise)
        sock.setblocking(False)
        return sock

    async def accept(self, listener: socket.socket, connected: Connected) -> Set["asyncio.Task[None]"]:
        """Runs `connected(reader, writer)` as a task for each connection until a stop is requested; the tasks that are left.

        Not `asyncio.start_server`: its `close` drops a connection that was accepted in the same turn of the loop.
        """
        tasks: Set["asyncio.Task[None]"] = set()

        async def connection(sock: socket.socket) -> None:
            try:
                await connected(*await asyncio.open_connection(sock=sock))
            except OSError:
                pass  # the client has gone

        def ready() -> None:
            try:
                sock, _ = listener.accept()
            except OSError:
                return  # another worker was faster, or the client has gone
            sock.setblocking(False)
            task = asyncio.ensure_future(connection(sock))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        loop = asyncio.get_running_loop()
        loop.add_reader(listener, ready)
        await self.stop_requested()
        loop.remove_reader(listener)
        listener.close()
        return tasks

    async def send(self, topic: str, payload: bytes = b"", scope: int = APP, worker: int = 0, slot: int = 0) -> None:
        """Sends a message and does not ask what becomes of it."""
        self._needs_bus()
        self._write(message=WireMessage(topic=topic, payload=payload, scope=scope, worker=worker, slot=slot))
        if self._writer:
            try:
                await self._writer.drain()
            except OSError:
                pass  # the reader hears of it

    async def request(
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
        answer: bytes = (await self._answer(timeout_ms, message=message)).reply.payload
        return answer

    async def publish(self, topic: str, payload: bytes = b"") -> Published:
        """Sends to all workers that have subscribed to the topic."""
        message = WireMessage(topic=topic, payload=payload, scope=SUBSCRIBERS, confirm=True)
        accepted = (await self._answer(message=message)).accepted
        return Published(accepted.delivered, accepted.refused)

    async def subscribe(self, topic: str) -> None:
        """From now on what is published under the topic is for this worker, too."""
        await self._answer(subscribe={"topic": topic})
        self._topics.add(topic)

    async def unsubscribe(self, topic: str) -> None:
        """From now on it is not."""
        await self._answer(unsubscribe={"topic": topic})
        self._topics.discard(topic)

    async def close(self) -> None:
        """Waits until what was said is on its way."""
        self._is_closed = True
        if self._writer:
            self._writer.close()
            try:
                await self._writer.wait_closed()
            except OSError:
                pass  # the master was faster

    async def _connect(self) -> None:
        if self.is_standalone:
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, self._leave)
            return
        self._offers = ["resume", "bus"] if self._takes_messages else ["resume"]
        # Before the loop has anything to do, so it may block.
        await self._join(connect(self._env, self._offers))

    async def _join(self, connection: Connection) -> None:
        connection.socket.setblocking(False)
        reader, self._writer = await asyncio.open_unix_connection(sock=connection.socket)
        self._welcomed(connection)
        self._task(self._read(reader, connection.limits.max_frame_bytes))

    async def _read(self, reader: asyncio.StreamReader, limit: int) -> None:
        try:
            while True:
                data = await reader.readexactly(body_length(await reader.readexactly(4), limit))
                self._take(decode(MasterFrame, data), len(data))
        except (asyncio.IncompleteReadError, OSError):
            self._ended(is_understood=True)
        except NotUnderstood as error:
            print(complaint(error), file=sys.stderr)
            self._ended(is_understood=False)
        except NotAFrame as error:
            print(complaint(error), file=sys.stderr)
            self._write(error=Error(code=ERROR_CODES["BAD_FRAME"], message=str(error)))
            self._ended(is_understood=False)

    @property
    def _is_connected(self) -> bool:
        return self._writer is not None and not self._writer.is_closing()

    def _send(self, frame: bytes) -> bool:
        if self._writer and not self._writer.is_closing():
            self._writer.write(frame)
        return self._is_connected  # it is closing at once if this could not be written

    def _asked(self, what: str, deadline_ms: int) -> None:
        if what == "quit":
            self._leave()
        elif what == "stop":
            self._stop.set()
            self._awake.clear()
        else:
            self._stop.clear()
            self._awake.set()

    def _deliver(self, asked: Asked, message: Message, length: int) -> None:
        self._task(self._handle(asked, message, length))

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)  # the loop itself keeps only a weak reference
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, asked: Asked, message: Message, length: int) -> None:
        answer, failure = None, None
        try:
            if not self._on_message:
                raise BusError("UNIMPLEMENTED", "this worker takes no messages")
            answer = await self._on_message(message)
        except Exception as error:  # whatever the application raises is the answer
            failure = error
        self._handled(asked, message, length, answer, failure)

    def _leave(self) -> None:
        """Without a Stop before it, a Quit is one."""
        self._life.leave()
        self._stop.set()
        self._awake.set()

    def _ended(self, is_understood: bool) -> None:
        """The connection has. Whatever becomes of it, the work goes on."""
        self._give_up_requests()
        if self._writer:
            self._writer.close()
            self._writer = None
        if self._is_closed:
            return
        if is_understood:
            seek = threading.Thread(target=self._seek, args=(asyncio.get_running_loop(),), name="drover-successor", daemon=True)
            seek.start()
        else:
            self._fuse.burn(self._grace)
            self._leave()

    def _seek(self, loop: asyncio.AbstractEventLoop) -> None:
        connection = self._successor()
        try:
            loop.call_soon_threadsafe(self._found, connection)
        except RuntimeError:
            pass  # it is closed: the process is about to end

    def _found(self, connection: Optional[Connection]) -> None:
        if connection is None:
            self._leave()  # nobody will say Stop or Quit any more
        elif self._is_closed:
            connection.socket.close()
        else:
            self._task(self._join(connection))

    async def _answer(self, timeout_ms: int = REQUEST_TIMEOUT_MS, **body: Any) -> Any:
        self._needs_bus()
        waiting: "asyncio.Future[Any]" = asyncio.get_running_loop().create_future()
        seq = self._ask(waiting, **body)
        try:
            # The master answers in time; this is for one that hangs.
            return await asyncio.wait_for(waiting, timeout_ms / 1000 + 1)
        except asyncio.TimeoutError:
            raise BusError("DEADLINE", "no answer from the master") from None
        finally:
            self._pending.pop(seq, None)
