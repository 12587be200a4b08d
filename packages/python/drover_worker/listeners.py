"""The sockets that the master has handed over, and which of them a program means by what it listens on."""

import os
import re
import socket
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple, Union

BACKLOG = 65_535
"""The kernel takes its own maximum, so it never falls for the other workers."""


class Listener(NamedTuple):
    """A descriptor of the master's."""

    name: str
    fd: int
    address: Union[str, Tuple[str, int]]
    """Host and port; of a Unix socket its path, of others nothing."""
    alias: Optional[int]
    """The port that `DROVER_PORTS` says a program has for it."""
    inode: int
    """The same for every descriptor of one socket."""

    @property
    def port(self) -> Optional[int]:
        """Of TCP only."""
        return self.address[1] if isinstance(self.address, tuple) else None

    def __str__(self) -> str:
        where = self.address or "not TCP"
        if isinstance(where, tuple):
            where = f"[{where[0]}]:{where[1]}" if ":" in where[0] else f"{where[0]}:{where[1]}"
        return f"{self.name}={where}" + (f" (by DROVER_PORTS {self.alias})" if self.alias else "")


def listeners(env: Mapping[str, str]) -> List[Listener]:
    """All that are for this process."""
    if env.get("LISTEN_PID") != str(os.getpid()):
        return []
    names = env.get("LISTEN_FDNAMES", "").split(":")
    aliases = _ports_by_name(env.get("DROVER_PORTS", ""))
    count = int(env.get("LISTEN_FDS") or 0)
    names += [""] * (count - len(names))
    found = [
        Listener(name, fd, _address(fd), aliases.pop(name, None), os.fstat(fd).st_ino)
        for fd, name in enumerate(names[:count], 3)
    ]
    if aliases:
        has = ", ".join(map(str, found)) or "none"
        raise ValueError(f'DROVER_PORTS names "{next(iter(aliases))}"; the master\'s sockets are: {has}')
    return found


def _address(fd: int) -> Union[str, Tuple[str, int]]:
    sock = socket.socket(fileno=fd)
    try:
        if sock.type != socket.SOCK_STREAM:
            return ""
        name = sock.getsockname()
        return name if isinstance(name, str) else (name[0], name[1])
    finally:
        sock.detach()


def _ports_by_name(text: str) -> Dict[str, int]:
    """What `DROVER_PORTS` says, such as "http=3000 admin=3001"."""
    ports = {}
    for entry in re.split(r"[\s,]+", text):
        match = re.fullmatch(r"([^=]+)=(\d+)", entry)
        if match:
            ports[match[1]] = int(match[2])
        elif entry:
            raise ValueError(f'DROVER_PORTS has "{entry}", which is not NAME=PORT')
    return ports


def listener(env: Mapping[str, str], name: Optional[str], otherwise: Tuple[str, int]) -> socket.socket:
    """The master's socket of this name, or the first; without a master one that listens on `otherwise`.

    It is a duplicate: it may be closed at a stop, and the descriptor itself is there for the next one.
    """
    given = listeners(env)
    if not given:
        return socket.create_server(otherwise, backlog=1024)
    found = next((one for one in given if name in (None, one.name)), None)
    if found is None:
        raise LookupError(f'the master has handed over no socket "{name}": it has {", ".join(map(str, given))}')
    os.set_inheritable(found.fd, False)
    return socket.socket(fileno=os.dup(found.fd))
