"""A worker's side of drover.v1 for asyncio, Python 3.9 or later. Copy this file and `drover.desc` beside it; it needs `protobuf`
and nothing else. The protocol is told in docs/reference/protocol.md.

    starting ──started()──► started ──Stop──► stopping ──► stopped ──Quit──► leaving ──► exit
                               ▲──── started() ◄── Resume ────┘
"""
import asyncio, os, signal, socket, sys
from pathlib import Path
from types import SimpleNamespace
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

_pool = descriptor_pool.DescriptorPool()
for _file in descriptor_pb2.FileDescriptorSet.FromString(Path(__file__).with_name("drover.desc").read_bytes()).file:
    _pool.AddSerializedFile(_file.SerializeToString())

def message_type(name):
    """The class of a message of drover.v1."""
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"drover.v1.{name}"))

Hello, HelloReply, WorkerFrame, MasterFrame = map(message_type, ("Hello", "HelloReply", "WorkerFrame", "MasterFrame"))
Error, Message, Status = map(message_type, ("Error", "Message", "Status"))
ERROR_CODES = {value.name[len("ERROR_CODE_"):]: value.number for value in _pool.FindEnumTypeByName("drover.v1.ErrorCode").values}
APP, WORKER, SLOT, ALL, SUBSCRIBERS = range(1, 6)  # Scope

MAX_FRAME_BYTES = 1_114_112  # before Welcome tells it
WINDOW = 1 << 20  # bytes of messages that are under way in the application; more wait at the master
# In which states what may be said; said in any other, it is too late, or not owed, and nothing is sent.
SAID_WHILE = {"started": "starting", "stopped": "stopping", "shut_down": "leaving"}
# In which states the master may ask for what.
ASKED_WHILE = {"stop": ("starting", "started"), "resume": ("stopped",), "quit": ("starting", "started", "stopping", "stopped")}

class BusError(Exception):
    """What could not be done. `code` is a name of ErrorCode in types.proto, without its prefix: "DEADLINE"."""
    def __init__(self, code, message=""):
        super().__init__(message or code)
        self.code = code

class NotAFrame(Exception):
    """What came is of no use, and neither is what follows."""

class NotUnderstood(Exception):
    """The master demands that it is understood, and it is not."""

def encode(message):
    data = message.SerializeToString()
    return len(data).to_bytes(4, "big") + data

def body_length(header, limit):
    length = int.from_bytes(header, "big")
    if length > limit:
        raise NotAFrame(f"not a frame, or one of more than {limit} bytes: {length}")
    return length

def decode(type_, data):
    try:
        return type_.FromString(data)
    except DecodeError as error:
        raise NotAFrame(f"not a message: {error}") from error

async def serve(once, on_message=None):
    """Lives a whole life: `await once(bus)` serves. It says `bus.started()`, waits for `bus.stop_requested()`, drains, and returns;
    after a Resume it is called again. Then the process may end. `await on_message(message)` takes messages; what it returns for a
    request is the reply, what it raises the Error. `message` has `topic`, `payload`, `scope`, `worker` (the sender's id; 0: the program).
    """
    bus = MessageBus(on_message)
    await bus._connect()
    while True:
        await once(bus)
        bus._say("stopped")
        await bus._awake.wait()
        if bus._state == "leaving":
            break
    bus._say("shut_down")
    await bus.close()

class MessageBus:
    """The connection to the master; without DROVER_SOCKET the worker runs alone, and SIGINT or SIGTERM stop it."""

    def __init__(self, on_message=None):
        self.is_standalone = not os.environ.get("DROVER_SOCKET")
        self.identity = self.limits = None
        self._on_message, self._capabilities, self._writer = on_message, (), None
        self._state, self._asked = "starting", 0  # and the seq of what the master has asked for last
        self._stop, self._awake = asyncio.Event(), asyncio.Event()
        self._pending, self._last_seq, self._tasks, self._consumed = {}, 0, set(), 0

    async def started(self):
        """Says that this worker serves."""
        self._say("started")

    async def stop_requested(self):
        """Waits until no new work is to be taken. Deadline: `limits.drain_timeout_ms`, or the end of the process."""
        await self._stop.wait()

    def listener(self, name=None, otherwise=("127.0.0.1", 0)):
        """The master's socket of this name, or the first; without a master one that listens on `otherwise`."""
        if os.environ.get("LISTEN_PID") == str(os.getpid()):
            names = os.environ.get("LISTEN_FDNAMES", "").split(":")
            fd = 3 + (names.index(name) if name else 0)
            os.set_inheritable(fd, False)
            # A duplicate: it is closed at a stop, and the descriptor itself is there for the next one.
            listener = socket.socket(fileno=os.dup(fd))
        else:
            listener = socket.create_server(otherwise, backlog=1024)
        listener.setblocking(False)
        return listener

    async def accept(self, listener, connected):
        """Runs `connected(reader, writer)` as a task for each connection until a stop is requested; the tasks that are left.

        Not `asyncio.start_server`: its `close` drops a connection that was accepted in the same turn of the loop.
        """
        tasks = set()
        async def connection(sock):
            try:
                await connected(*await asyncio.open_connection(sock=sock))
            except OSError:
                pass  # the client has gone
        def ready():
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

    def status(self, text, in_flight=0, requests=0, gauges={}):
        """How this worker is: a line for people, requests under way, requests done since the process began, readings by name."""
        gauges = [{"name": name, "value": value} for name, value in gauges.items()]
        self._write(status=Status(text=text, in_flight=in_flight, requests=requests, gauges=gauges))

    def progress(self):
        """For the watchdog (DROVER_WATCHDOG_MS): the work goes on."""
        self._write(progress={})

    def extend(self, timeout_ms):
        """So much time from now on is needed for the step that is under way."""
        self._write(extend={"timeout_ms": timeout_ms})

    async def send(self, topic, payload=b"", scope=APP, worker=0, slot=0):
        """Sends a message and does not ask what becomes of it."""
        await self._bus(message=Message(topic=topic, payload=payload, scope=scope, worker=worker, slot=slot))

    async def request(self, topic, payload=b"", scope=APP, worker=0, slot=0, timeout_ms=30_000):
        """The payload of the reply, or a BusError."""
        message = Message(topic=topic, payload=payload, scope=scope, worker=worker, slot=slot, timeout_ms=timeout_ms)
        return (await self._bus(timeout_ms, message=message)).reply.payload

    async def publish(self, topic, payload=b""):
        """To how many workers that have subscribed it goes (`delivered`), and for how many of them it was too much (`refused`)."""
        message = Message(topic=topic, payload=payload, scope=SUBSCRIBERS, confirm=True)
        return (await self._bus(30_000, message=message)).accepted

    async def subscribe(self, topic):
        await self._bus(30_000, subscribe={"topic": topic})

    async def unsubscribe(self, topic):
        await self._bus(30_000, unsubscribe={"topic": topic})

    async def close(self):
        """Waits until what was said is on its way."""
        if self._writer:
            self._writer.close()
            try:
                await self._writer.wait_closed()
            except OSError:
                pass  # the master was faster

    async def _connect(self):
        if self.is_standalone:
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, self._leave)
            return
        sock = self._handshake()
        sock.setblocking(False)
        reader, self._writer = await asyncio.open_unix_connection(sock=sock)
        if self._on_message and "bus" in self._capabilities:
            self._write(consumed={"window": WINDOW})
        self._reading = asyncio.ensure_future(self._read(reader))

    def _handshake(self):  # before the loop has anything to do, so it may block
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(5)
        sock.connect(os.environ["DROVER_SOCKET"])
        hello = Hello(min_version=1, max_version=1, token=os.environ["DROVER_TOKEN"], pid=os.getpid())
        hello.sdk.name, hello.sdk.version, hello.sdk.language = "drover_worker.py", "1", "python"
        hello.capabilities.extend(["resume", "bus"] if self._on_message else ["resume"])
        try:
            sock.sendall(encode(hello))
        except OSError:
            pass  # it may have been refused before: the reason is there to be read
        def exactly(count):
            data = b""
            while len(data) < count:
                data += sock.recv(count - len(data)) or sys.exit("the master refused this worker: no reason given")
            return data
        reply = decode(HelloReply, exactly(body_length(exactly(4), MAX_FRAME_BYTES)))
        if reply.welcome.version != 1:
            sys.exit(f"the master refused this worker: {reply.reject.message or 'no reason given'}")
        self.identity, self.limits = reply.welcome.identity, reply.welcome.limits
        self._capabilities = tuple(reply.welcome.capabilities)
        return sock

    async def _read(self, reader):
        try:
            while True:
                header = await reader.readexactly(4)
                data = await reader.readexactly(body_length(header, self.limits.max_frame_bytes))
                self._take(decode(MasterFrame, data), len(data))
        except (asyncio.IncompleteReadError, OSError):
            pass  # the end of the connection
        except NotUnderstood as error:
            print(f"the connection to the master is closed: {error}", file=sys.stderr)
        except NotAFrame as error:
            print(f"the connection to the master is of no use any more: {error}", file=sys.stderr)
            self._write(error=Error(code=ERROR_CODES["BAD_FRAME"], message=str(error)))
        self._lost()

    def _take(self, frame, length):
        body, seq = frame.WhichOneof("body"), frame.seq
        if body == "ping":
            self._write(reply_to=seq, pong={})
        elif body == "message":
            task = asyncio.ensure_future(self._deliver(frame, length))
            self._tasks.add(task)  # the loop itself keeps only a weak reference
            task.add_done_callback(self._tasks.discard)
        elif body in ("reply", "accepted", "error"):
            self._answered(frame, body)
        elif body is None and frame.must_understand:
            raise NotUnderstood("the master sent what this worker does not know")
        elif body is None and frame.expects_reply:
            self._refuse(seq, "UNIMPLEMENTED", "this worker does not know the body")
        elif body is not None and self._state not in ASKED_WHILE[body]:
            self._refuse(seq, "BAD_STATE", f"this worker is {self._state}")
        elif body is not None:
            self._asked = seq
            if body == "quit":
                return self._leave()
            self._state = {"stop": "stopping", "resume": "starting"}[body]
            (self._stop.set if body == "stop" else self._stop.clear)()
            (self._awake.clear if body == "stop" else self._awake.set)()

    async def _deliver(self, frame, length):
        message, answer = frame.message, b""
        try:
            if not self._on_message:
                raise BusError("UNIMPLEMENTED", "this worker takes no messages")
            answer = await self._on_message(message)
            if frame.expects_reply:
                self._write(reply_to=frame.seq, reply={"payload": answer or b""})
        except Exception as error:  # whatever the application raises is the answer
            if frame.expects_reply:
                self._refuse(frame.seq, getattr(error, "code", "FAILED"), str(error))
            else:
                print(f"message {message.topic!r}: {error!r}", file=sys.stderr)
        self._consumed += length
        if self._consumed >= WINDOW // 2:
            self._write(consumed={"bytes": self._consumed})
            self._consumed = 0

    def _answered(self, frame, body):
        waiting = self._pending.pop(frame.reply_to, None)
        if body == "error":
            code = next((name for name, number in ERROR_CODES.items() if number == frame.error.code), "UNSPECIFIED")
            error = BusError(code, frame.error.message)
            if waiting and not waiting.done():
                waiting.set_exception(error)
            else:
                print(f"the master answers: {code} {error}", file=sys.stderr)
        elif waiting and not waiting.done():
            waiting.set_result(frame)

    def _leave(self):
        """Without a Stop before it, a Quit is one."""
        if self._state != "left":
            self._state = "leaving"
        self._stop.set()
        self._awake.set()

    def _lost(self):
        """The master is gone, and nobody will say Stop or Quit any more. Whatever hangs, the process ends in time."""
        for waiting in self._pending.values():
            if not waiting.done():
                waiting.set_exception(BusError("FAILED", "the connection to the master has ended"))
        self._writer.close()
        left = (self.limits.drain_timeout_ms + self.limits.quit_timeout_ms) / 1000
        asyncio.get_running_loop().call_later(left, os._exit, 70)
        self._leave()

    def _say(self, what):
        if self._state == SAID_WHILE[what]:
            self._state = {"started": "started", "stopped": "stopped", "shut_down": "left"}[what]
            self._write(reply_to=self._asked, **{what: {}})

    def _refuse(self, seq, code, message):
        self._write(reply_to=seq, error=Error(code=ERROR_CODES.get(code, ERROR_CODES["FAILED"]), message=message))

    async def _bus(self, timeout_ms=None, **body):
        if "bus" not in self._capabilities:
            raise BusError("UNIMPLEMENTED", "there is no master that carries messages")
        if timeout_ms is None:
            self._write(**body)
            return await self._writer.drain()
        self._last_seq += 1
        seq, waiting = self._last_seq, asyncio.get_running_loop().create_future()
        self._pending[seq] = waiting
        try:
            self._write(seq=seq, expects_reply=True, **body)
            # The master answers in time; this is for one that hangs.
            return await asyncio.wait_for(waiting, timeout_ms / 1000 + 1)
        except asyncio.TimeoutError:
            raise BusError("DEADLINE", "no answer from the master") from None
        finally:
            self._pending.pop(seq, None)

    def _write(self, **fields):
        if self._writer and not self._writer.is_closing():
            frame = encode(WorkerFrame(**fields))
            if len(frame) - 4 > self.limits.max_frame_bytes:
                raise BusError("INVALID_ARGUMENT", f"a frame of {len(frame) - 4} bytes is over the limit")
            self._writer.write(frame)
