"""After the end of a connection: a keeper may hold the master's socket until a successor of the master accepts, or the master is dead."""

import errno
import os
import sys
import threading
import time
from typing import Callable, Mapping, Optional, Sequence, Union

from .frames import NotAFrame
from .master import PAUSES, Connection, Limits, Refused, dial, introduce

LONG_PAUSE = 0.2
"""Between tries after the first PAUSES."""

MENDING_SECONDS = 1.0
"""For so long somebody may be mending a socket that refuses."""

LEAST_GRACE = 1.0
MOST_GRACE = 2_000_000.0
"""What a timeout of Python's can hold: 23 days."""

ORPHANED = 70
"""The exit code of a process that has not finished in time."""

_IN_NEED = (errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""The queue of the socket is full, or this process lacks something: it says nothing of the master."""


def grace_of(limits: Limits) -> float:
    """How many seconds a worker without a master has."""
    return min(max((limits.drain_timeout_ms + limits.quit_timeout_ms) / 1000, LEAST_GRACE), MOST_GRACE)


class Fuse:
    """Ends the process at a moment, whatever hangs."""

    def __init__(self) -> None:
        self._timer: Optional[threading.Timer] = None
        self._end = 0.0

    @property
    def left(self) -> float:
        """For how many seconds it burns."""
        return max(0.0, self._end - time.monotonic())

    def burn(self, seconds: float) -> None:
        """So much is left from now on."""
        self.put_out()
        self._end = time.monotonic() + seconds
        self._timer = threading.Timer(max(0.0, seconds), os._exit, (ORPHANED,))
        self._timer.daemon = True
        self._timer.start()

    def put_out(self) -> None:
        """There is a master."""
        if self._timer:
            self._timer.cancel()


class Search:
    """What to do after each try. All times are of one clock; the connection has ended at `ended`."""

    def __init__(self, ended: float, grace: float):
        self.until = ended + grace
        """Nobody comes who has not come by then."""
        self._grace = grace
        self._was_held = False
        self._refused_since: Optional[float] = None
        self._tries = 0

    def is_held(self) -> None:
        """Somebody holds the socket."""
        self._was_held = True
        self._refused_since = None

    def refused(self, now: float) -> Optional[float]:
        """Nobody holds it: how long to wait before the next try; None: the master is dead."""
        if self._refused_since is None:
            self._refused_since = now
        return self._pause(now, min(self.until, self._refused_since + min(MENDING_SECONDS, self._grace / 2)))

    def failed(self, now: float) -> Optional[float]:
        """Nothing is known by this try: as above."""
        return self._pause(now, self.until)

    def leaves_by(self, now: float) -> float:
        """Until when a worker may finish its work that gives up now."""
        return now + self._grace if self._was_held else self.until

    def _pause(self, now: float, until: float) -> Optional[float]:
        pause = PAUSES[self._tries] if self._tries < len(PAUSES) else LONG_PAUSE
        self._tries += 1
        return pause if now + pause < until else None


def successor(
    env: Mapping[str, str], capabilities: Sequence[str], grace: float, fuse: Fuse, is_wanted: Callable[[], bool]
) -> Optional[Connection]:
    """The connection to a successor of the master. It blocks. None: nobody comes, and the fuse tells how much time is left; or nobody is
    wanted any more.
    """
    search = Search(time.monotonic(), grace)
    fuse.burn(grace)
    while is_wanted():
        try:
            pause = _tries(env, capabilities, search, fuse)
        except (Refused, NotAFrame) as error:
            print(f"the master does not take this worker back: {error}", file=sys.stderr)
            pause = None
        if isinstance(pause, Connection):
            fuse.put_out()
            return pause
        if pause is None:
            now = time.monotonic()
            fuse.burn(search.leaves_by(now) - now)
            return None
        time.sleep(pause)
    return None


def _tries(env: Mapping[str, str], capabilities: Sequence[str], search: Search, fuse: Fuse) -> Union[Connection, float, None]:
    """Once: the connection, how long to wait before the next time, or None."""
    try:
        sock = dial(env, _left(search))
    except OSError as error:
        now = time.monotonic()
        return search.failed(now) if error.errno in _IN_NEED else search.refused(now)
    search.is_held()
    # Whoever waits until the grace is over has another one to finish.
    fuse.burn(search.leaves_by(search.until) - time.monotonic())
    try:
        return introduce(sock, env, capabilities, _left(search))
    except (OSError, EOFError, NotAFrame, Refused) as error:
        sock.close()
        if isinstance(error, NotAFrame) or isinstance(error, Refused) and error.is_final:
            raise
    return search.failed(time.monotonic())


def _left(search: Search) -> float:
    return max(0.001, search.until - time.monotonic())
