"""The life of a program that knows nothing of it: it listens, and is started; it is drained, and stopped; it gets a SIGTERM, and leaves."""

import atexit
import os
import signal
import socket
import sys
import threading
import time
from multiprocessing.process import BaseProcess
from typing import Any, Mapping

from ..conversation import Asked
from ..listeners import listeners
from ..threads import MessageBus
from .drain import Drain
from .loops import Loops
from .ports import Ports
from .sockets import adopt

OWN = ("DROVER_SOCKET", "DROVER_TOKEN", "DROVER_WATCHDOG_MS", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
"""What the master says to this process alone: a child that kept it would take itself for the worker."""

STATUS_SECONDS = 1.0
"""How often the master is told how many requests there are and were."""

DRAIN_SHARE, LEAVE_SHARE = 0.5, 0.75
"""Of the time that a Quit gives: when what is under way is given up, and when the program is."""


def say(sentence: str) -> None:
    """To people."""
    print(f"drover_worker: {sentence}", file=sys.stderr, flush=True)


class _Bus(MessageBus):
    """Tells, too, how long a Quit may take; and answers a Ping on the loop that serves, so that one that hangs is found."""

    quit_until = 0.0
    quit_seconds = 0.0
    loops: Any = None

    def _asked(self, what: str, deadline_ms: int) -> None:
        if what == "quit":
            self._has(deadline_ms / 1000)
        super()._asked(what, deadline_ms)

    def _orphaned(self) -> None:
        if not self.is_leaving:
            self._has(self._fuse.left)
        super()._orphaned()

    def _has(self, seconds: float) -> None:
        self.quit_seconds, self.quit_until = seconds, time.monotonic() + seconds

    def is_spent(self, share: float) -> bool:
        """Whether so much of the time of a Quit is over; without a deadline it never is."""
        return bool(self.quit_seconds) and time.monotonic() >= self.quit_until - self.quit_seconds * (1 - share)

    def _pinged(self, asked: Asked) -> None:
        self._in_loop(lambda: super(_Bus, self)._pinged(asked))

    def progresses(self) -> None:
        """For the watchdog."""
        self._in_loop(self.progress)

    def _in_loop(self, call: Any) -> None:
        loop = self.loops and self.loops.serving
        if loop and not self.is_leaving:
            try:
                loop.call_soon_threadsafe(call)
                return
            except RuntimeError:
                pass  # it is closed: the process is about to end
        call()


def begin(env: Mapping[str, str]) -> None:
    """Makes this process a worker. What it runs after that is the program."""
    drain = Drain()
    bus = _Bus(env=env)

    def other(where: str) -> None:
        remedy = ""
        if ports.is_empty:
            bus.started()
        elif where.isdigit():
            remedy = f'. Let a socket of drover.toml listen on {where}, or set DROVER_PORTS="NAME={where}" in the app\'s env'
        say(f"the program listens on {where} by itself: no socket that the master has for it fits ({ports}){remedy}")

    given = listeners(env)
    ports = Ports(given, bus.started, other)
    for listener in given:
        os.set_inheritable(listener.fd, False)
        os.set_blocking(listener.fd, False)
    bus.connect(capabilities=())
    nothing = _nothing()
    drain.acceptors.append(lambda: ports.replace_all(nothing))
    adopt(ports, drain)
    bus.loops = Loops(ports, drain)
    _watch_processes(ports)
    for name in OWN:
        os.environ.pop(name, None)
    atexit.register(_end, bus)
    _exit_at_sigterm(bus)
    for target in (_live, _report):
        threading.Thread(target=target, args=(bus, drain), name="drover-worker", daemon=True).start()
    if env.get("DROVER_WATCHDOG_MS"):
        threading.Thread(target=_watch, args=(bus, int(env["DROVER_WATCHDOG_MS"])), name="drover-watchdog", daemon=True).start()


def _watch_processes(ports: Ports) -> None:
    """A program that binds a port and then starts processes leaves it to those to listen, which nobody would hear of."""
    start = BaseProcess.start

    def told_start(process: Any) -> None:
        if ports.is_bound and not ports.has_served:
            ports.is_bound = False  # it is said once
            say(
                "the program leaves listening to processes of its own, which the master does not know, so it is never ready. Let it be one "
                "process (uvicorn: without --workers and --reload; Hypercorn: with --workers 0), and set `workers` in drover.toml"
            )
        start(process)

    setattr(BaseProcess, "start", told_start)


def _nothing() -> socket.socket:
    """A socket that listens, and nobody knows where."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(b"")
    sock.listen()
    sock.setblocking(False)
    return sock


def _live(bus: _Bus, drain: Drain) -> None:
    bus.stop_requested()
    drain.run(lambda: bus.is_leaving and bus.is_spent(DRAIN_SHARE))
    bus.say("stopped")
    bus.wakes()
    # The program cleans up as it does at any SIGTERM, and ends.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    if bus.quit_seconds:
        time.sleep(max(0.0, bus.quit_until - bus.quit_seconds * (1 - LEAVE_SHARE) - time.monotonic()))
        say(f"what the program does at SIGTERM has not ended the process in {bus.quit_seconds * LEAVE_SHARE:g} s")
        _end(bus)
        os._exit(0)


def _end(bus: _Bus) -> None:
    bus.say("shut_down")
    bus.close()


def _exit_at_sigterm(bus: _Bus) -> None:
    """A program without a handler of its own ends as it does when it is told to exit; one that has a handler may call this one last."""

    def exits(number: int, frame: Any) -> None:
        if bus.is_leaving:
            sys.exit(0)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    signal.signal(signal.SIGTERM, exits)


def _report(bus: _Bus, drain: Drain) -> None:
    """How many requests are under way, and how many there were."""
    told = (0, 0)
    while True:
        time.sleep(STATUS_SECONDS)
        counts = (drain.in_flight, drain.requests)
        if counts != told:
            told = counts
            bus.status("", *counts)


def _watch(bus: _Bus, every_ms: int) -> None:
    while True:
        time.sleep(every_ms / 3000)
        bus.progresses()
