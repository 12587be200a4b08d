"""A worker whose master goes: it serves on, and connects again to whoever comes after it."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from typing import Any, Dict, List, Optional, Tuple

from drover_worker.frames import encode, message_type
from drover_worker.master import exactly
from drover_worker.successor import Search

PATIENCE = 120

WINDOW = {"consumed": {"window": 1 << 20}}
SUBSCRIBED = {"subscribe": {"topic": "news"}}

# It reads a line before it says that it is started. What is asked of it tells what has become of its own request, "ask".
ASYNCIO = """
import asyncio, sys
import drover_worker

class Worker:
    async def once(self, bus):
        self.bus, self.released = bus, asyncio.Event()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        await bus.started()
        bus.status("warm", 3)
        bus.progress()
        print("said", flush=True)
        await bus.stop_requested()
        print("drained", flush=True)

    async def message(self, message):
        if message.topic == "subscribe":
            await self.bus.subscribe("news")
        elif message.topic == "ask":
            try:
                self.answer = await self.bus.request("question")
            except drover_worker.BusError as error:
                self.answer = f"{error.code}: {error}".encode()
            self.released.set()
        elif message.topic == "answer":
            await self.released.wait()
            return self.answer

worker = Worker()
asyncio.run(drover_worker.serve(worker.once, worker.message))
"""

THREADS = """
import sys, threading
import drover_worker
from drover_worker import threads

class Worker:
    def once(self, bus):
        self.bus, self.released = bus, threading.Event()
        sys.stdin.readline()
        bus.started()
        bus.status("warm", 3)
        bus.progress()
        print("said", flush=True)
        bus.stop_requested()
        print("drained", flush=True)

    def message(self, message):
        if message.topic == "subscribe":
            self.bus.subscribe("news")
        elif message.topic == "ask":
            try:
                self.answer = self.bus.request("question")
            except drover_worker.BusError as error:
                self.answer = f"{error.code}: {error}".encode()
            self.released.set()
        elif message.topic == "answer":
            self.released.wait()
            return self.answer

worker = Worker()
threads.serve(worker.once, worker.message)
"""

# It knows nothing of Drover.
PROGRAM = """
import os, socket
assert "DROVER_TOKEN" not in os.environ
listener = socket.create_server(("127.0.0.1", 0))
while True:
    listener.accept()
"""


class Master:
    """One that says what a test wants; with the worker that it has started."""

    def __init__(self, test: unittest.TestCase, program: str, *before: str):
        folder = tempfile.TemporaryDirectory()
        test.addCleanup(folder.cleanup)
        self._test, self._path = test, os.path.join(folder.name, "socket")
        with open(os.path.join(folder.name, "app.py"), "w", encoding="utf-8") as file:
            file.write(program)
        self._listen()
        test.addCleanup(self._listener.close)
        env = {**os.environ, "DROVER_SOCKET": self._path, "DROVER_TOKEN": "secret"}
        words = [sys.executable, *before, "app.py"]
        self.worker = subprocess.Popen(
            words, cwd=folder.name, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        test.addCleanup(self._end)
        self._peer: Optional[socket.socket] = None

    def _listen(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.settimeout(PATIENCE)
        self._listener.bind(self._path)
        self._listener.listen()

    def _end(self) -> None:
        self.hangs_up()
        self.worker.kill()
        self.worker.communicate()

    def accepts(self) -> Any:
        """Takes a connection; what the worker says of itself."""
        self._peer, _ = self._listener.accept()
        self._peer.settimeout(PATIENCE)
        return self._next("Hello")

    def welcomes(self) -> Any:
        hello = self.accepts()
        limits = {"max_frame_bytes": 1_114_112, "drain_timeout_ms": 300_000, "quit_timeout_ms": 300_000}
        self._write(message_type("HelloReply")(welcome={"version": 1, "limits": limits, "capabilities": ["bus", "app"]}))
        return hello

    def rejects(self, code: int) -> None:
        self.accepts()
        self._write(message_type("HelloReply")(reject={"code": code, "message": "no"}))

    def says(self, **frame: Any) -> None:
        self._write(message_type("MasterFrame")(**frame))

    def hears(self, *frames: Dict[str, Any]) -> None:
        """Exactly these are what comes next."""
        for frame in frames:
            self._test.assertEqual(self._next("WorkerFrame"), message_type("WorkerFrame")(**frame))

    def pings(self, seq: int) -> None:
        """And nothing was said before."""
        self.says(seq=seq, expects_reply=True, ping={})
        self.hears({"reply_to": seq, "pong": {}})

    def asks(self, seq: int, topic: str) -> None:
        self.says(seq=seq, expects_reply=True, message={"topic": topic})

    def hangs_up(self) -> None:
        if self._peer:
            self._peer.close()

    def is_gone(self) -> None:
        """Nobody holds the socket any more."""
        self._listener.close()
        os.unlink(self._path)
        self.hangs_up()

    def _next(self, name: str) -> Any:
        assert self._peer
        data = exactly(self._peer, int.from_bytes(exactly(self._peer, 4) or b"", "big"))
        return message_type(name).FromString(data)

    def _write(self, message: Any) -> None:
        assert self._peer
        self._peer.sendall(encode(message))

    def lets_it_start(self) -> None:
        """It has said all that it says of itself."""
        assert self.worker.stdin and self.worker.stdout
        self.worker.stdin.write("\n")
        self.worker.stdin.flush()
        self._test.assertEqual(self.worker.stdout.readline(), "said\n")

    def sees_it_leave(self) -> None:
        said, _ = self.worker.communicate(timeout=PATIENCE)
        self._test.assertEqual((self.worker.returncode, said), (0, "drained\n"))


# Whoever heard it first may have died before that was written down.
SAID_AGAIN: Dict[str, Any] = {"started": {}}
STARTED = ({"started": {}}, {"status": {"text": "warm", "in_flight": 3}}, {"progress": {}})


class Successors(unittest.TestCase):
    def test_a_worker_goes_on_with_a_successor_of_its_master(self) -> None:
        for program in (ASYNCIO, THREADS):
            with self.subTest(program[:20]):
                master = Master(self, program)
                first = master.welcomes()
                self.assertEqual((first.token, first.pid), ("secret", master.worker.pid))
                master.lets_it_start()
                master.hears(WINDOW, *STARTED)
                master.asks(1, "subscribe")
                master.hears({"seq": 1, "expects_reply": True, **SUBSCRIBED})
                master.says(reply_to=1, accepted={})
                master.hears({"reply_to": 1, "reply": {}})
                # It asks, and does not answer before it is answered.
                master.asks(2, "ask")
                question = {"topic": "question", "scope": 1, "timeout_ms": 30_000}
                master.hears({"seq": 2, "expects_reply": True, "message": question})
                master.hangs_up()
                # The keeper holds the socket, and nobody accepts for a while.
                time.sleep(0.3)
                self.assertEqual(master.welcomes(), first)
                master.hears(WINDOW, SUBSCRIBED, SAID_AGAIN)
                master.asks(1, "answer")
                error = b"FAILED: the connection to the master has ended"
                master.hears({"reply_to": 1, "reply": {"payload": error}})
                master.pings(2)
                # What is open comes again with another number.
                master.says(seq=3, stop={"deadline_ms": 1000})
                master.hears({"reply_to": 3, "stopped": {}})
                master.hangs_up()
                master.welcomes()
                master.hears(WINDOW, SUBSCRIBED)
                master.says(seq=9, stop={"deadline_ms": 1000})
                master.hears({"reply_to": 9, "stopped": {}})
                master.says(seq=10, quit={"deadline_ms": 1000})
                master.hears({"reply_to": 10, "shut_down": {}})
                master.sees_it_leave()

    def test_a_first_connection_that_ends_without_an_answer_is_made_again(self) -> None:
        for program in (ASYNCIO, THREADS):
            with self.subTest(program[:20]):
                master = Master(self, program)
                first = master.accepts()
                master.hangs_up()
                self.assertEqual(master.welcomes(), first)
                master.hears(WINDOW)
                master.lets_it_start()
                master.hears(*STARTED)

    def test_first_connections_that_all_end_without_an_answer_are_a_refusal(self) -> None:
        for program in (ASYNCIO, THREADS):
            with self.subTest(program[:20]):
                master = Master(self, program)
                for _ in range(4):
                    master.accepts()
                    master.hangs_up()
                self.assertEqual(master.worker.wait(PATIENCE), 1)

    def test_what_was_said_to_nobody_is_said_to_the_successor(self) -> None:
        for program in (ASYNCIO, THREADS):
            with self.subTest(program[:20]):
                master = Master(self, program)
                master.welcomes()
                master.hears(WINDOW)
                master.hangs_up()
                master.lets_it_start()
                master.welcomes()
                master.hears(WINDOW, *STARTED)
                master.pings(1)

    def test_a_worker_tries_until_it_is_welcome_or_not_wanted(self) -> None:
        for program in (ASYNCIO, THREADS):
            with self.subTest(program[:20]):
                master = Master(self, program)
                master.welcomes()
                master.lets_it_start()
                master.hears(WINDOW, *STARTED)
                master.hangs_up()
                master.rejects(3)  # the token is in use, for as long as the end of the old connection was not noticed
                master.hangs_up()
                master.accepts()
                master.hangs_up()
                master.welcomes()
                master.hears(WINDOW, SAID_AGAIN)
                master.pings(1)
                master.hangs_up()
                master.rejects(2)
                master.sees_it_leave()

    def test_a_worker_of_a_dead_master_drains_and_leaves(self) -> None:
        for program in (ASYNCIO, THREADS):
            with self.subTest(program[:20]):
                master = Master(self, program)
                master.welcomes()
                master.lets_it_start()
                master.hears(WINDOW, *STARTED)
                master.is_gone()
                master.sees_it_leave()

    def test_a_program_that_knows_nothing_goes_on_too(self) -> None:
        master = Master(self, PROGRAM, "-m", "drover_worker", "--")
        first = master.welcomes()
        master.hears({"started": {}})
        master.hangs_up()
        self.assertEqual(master.welcomes(), first)
        self.assertEqual(first.token, "secret")
        master.hears(SAID_AGAIN)
        master.pings(1)
        master.is_gone()
        self.assertEqual(master.worker.wait(PATIENCE), 0)

    def test_the_search_has_an_end(self) -> None:
        held: List[Tuple[str, Optional[float]]] = [("held", None)]
        refused: List[Tuple[str, Optional[float]]] = [
            ("refused", pause) for pause in (0.01, 0.05, 0.1, 0.2, 0.2, 0.2, 0.2, None)
        ]
        for name, grace, steps, leaves_by in [
            ("nobody holds the socket", 25.0, refused, 25.0),
            ("nor for half the grace", 1.0, [*refused[:4], ("refused", None)], 1.0),
            ("somebody does, and dies", 25.0, [*held, ("failed", 0.01), *refused[1:]], 25.96),
            ("nobody comes", 1.0, [*held, *[("failed", pause) for pause in (0.01, 0.05, 0.1, 0.2, 0.2, 0.2, 0.2, None)]], 1.96),
        ]:
            with self.subTest(name):
                now, search = 0.0, Search(0.0, grace)
                for what, expected in steps:
                    if what == "held":
                        search.is_held()
                        continue
                    pause = search.refused(now) if what == "refused" else search.failed(now)
                    self.assertEqual(pause, expected)
                    now += pause or 0
                self.assertAlmostEqual(search.leaves_by(now), leaves_by)


if __name__ == "__main__":
    unittest.main()
