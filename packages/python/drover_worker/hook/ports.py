"""Which of the master's sockets a program means, and what it has of them."""

import os
import stat
from socket import socket
from typing import Callable, List, Optional, Set

from ..listeners import Listener


class Ports:
    """The sockets of the master. `served` is called when one is listened on, `other` with what a program listens on by itself."""

    def __init__(self, listeners: List[Listener], served: Callable[[], None], other: Callable[[str], None]):
        self._all = listeners
        self._inodes = {listener.inode: listener for listener in listeners}
        self._served, self._other = served, other
        self.is_bound = self.has_served = False
        self.by_loop: Set[int] = set()
        """Descriptors of which an event loop accepts."""
        self._told: Set[str] = set()

    def __str__(self) -> str:
        return ", ".join(map(str, self._all)) or "none"

    def is_served(self) -> None:
        """One is listened on."""
        self.has_served = True
        self._served()

    @property
    def is_empty(self) -> bool:
        """Whether the master has handed over none."""
        return not self._all

    def of(self, port: object) -> Optional[Listener]:
        """The one for a program that wants this port, whatever the host."""
        if not isinstance(port, int) or not port:
            return None
        named = [listener for listener in self._all if listener.alias == port]
        return next(iter(named + [listener for listener in self._all if listener.port == port]), None)

    def of_socket(self, sock: socket) -> Optional[Listener]:
        """The one that this is a descriptor of."""
        fd = sock.fileno()
        return self._inodes.get(os.fstat(fd).st_ino) if fd >= 0 else None

    def descriptor(self, listener: Listener) -> socket:
        """A descriptor of its own."""
        return socket(fileno=os.dup(listener.fd))

    def listens_alone(self, where: str) -> None:
        """The program listens on something else."""
        if where not in self._told:
            self._told.add(where)
            self._other(where)

    def replace_all(self, nothing: socket) -> None:
        """From now on every descriptor of the master's sockets is one of `nothing`, to which nobody connects.

        The sockets themselves are other workers', too: they must not be shut down, and closed descriptors would be given to others.
        """
        for name in os.listdir("/proc/self/fd"):
            fd = int(name)
            try:
                found = os.fstat(fd)
            except OSError:
                continue  # the folder's own
            if stat.S_ISSOCK(found.st_mode) and found.st_ino in self._inodes:
                os.dup2(nothing.fileno(), fd, inheritable=False)
