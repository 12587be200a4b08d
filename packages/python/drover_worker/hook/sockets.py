"""Servers that accept by themselves, with threads or with select: they take the master's sockets, and their connections are watched."""

import os
import select
import socket
import weakref
from functools import partial
from typing import Any, Optional, Tuple

from .drain import Connection, Drain
from .ports import Ports

_LOOK_AGAIN_MS = 250


class _Accepted(socket.socket):
    """A connection of such a server."""

    __slots__ = ("_drover",)
    _drover: Connection

    def recv(self, *args: Any) -> bytes:
        data = super().recv(*args)
        if not args[1:] or not args[1] & socket.MSG_PEEK:
            self._drover.came(data)
        return data

    def recv_into(self, buffer: Any, *args: Any) -> int:
        count = super().recv_into(buffer, *args)
        if not args[1:] or not args[1] & socket.MSG_PEEK:
            self._drover.came(memoryview(buffer).cast("B")[:count])
        return count

    def send(self, data: Any, *args: Any) -> int:
        data = memoryview(data).cast("B")
        if self._drover.begins_last:
            return self._send_head(data)
        count = super().send(data, *args)
        self._drover.goes(data[:count])
        return count

    def sendall(self, data: Any, *args: Any) -> None:
        data = memoryview(data).cast("B")
        if self._drover.begins_last:
            data = data[self._send_head(data) :]
        super().sendall(data, *args)
        self._drover.goes(data)

    def _send_head(self, data: memoryview) -> int:
        """Sends a head whole, with what it has to say besides; how much of `data` that was."""
        end = bytes(data).find(b"\r\n\r\n")
        head = data[: end + 4] if end >= 0 else data
        left = memoryview(self._drover.goes(head))
        while left:
            try:
                left = left[super().send(left) :]
            except BlockingIOError:
                select.select([], [self], [])
        return len(head)

    def sendfile(self, file: Any, offset: int = 0, count: Optional[int] = None) -> int:
        before = self._drover.sent
        passed = super().sendfile(file, offset, count)
        self._drover.passed(passed - (self._drover.sent - before))
        return passed

    def sendmsg(self, parts: Any, *args: Any) -> int:
        return super().sendmsg(parts, *args) if args else self.send(b"".join(parts))

    def _real_close(self, *args: Any) -> None:
        self._drover.ended()
        super()._real_close(*args)  # type: ignore[misc]

    def detach(self) -> int:
        self._drover.ended()
        return super().detach()


def _shut(accepted: "weakref.ref[socket.socket]") -> None:
    """Its server finds the end of the stream, and closes it."""
    sock = accepted()
    try:
        if sock is not None:
            sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it is closed


def adopt(ports: Ports, drain: Drain) -> None:
    """From now on sockets are the master's, if they are bound to the ports of those."""
    plain = socket.socket
    bind, listen, accept = plain.bind, plain.listen, plain.accept
    setblocking, settimeout = plain.setblocking, plain.settimeout

    def adopting_bind(sock: socket.socket, address: Any) -> None:
        is_tcp = sock.type == socket.SOCK_STREAM and isinstance(address, tuple)
        listener = ports.of(address[1]) if is_tcp else None
        if listener is None:
            bind(sock, address)
            return
        timeout, fd = sock.gettimeout(), sock.fileno()
        os.dup2(listener.fd, fd, inheritable=False)
        # It is of another family, perhaps.
        with ports.descriptor(listener) as own:
            plain.__init__(sock, own.family, own.type, own.proto, fd)
        sock.settimeout(timeout)
        ports.is_bound = True

    def adopting_listen(sock: socket.socket, *backlog: int) -> None:
        if ports.of_socket(sock):
            # It does, and a smaller queue would hold for every worker.
            if sock.fileno() not in ports.by_loop:
                ports.is_served()
            return
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            ports.listens_alone(str(sock.getsockname()[1]))
        elif ports.is_empty:
            ports.listens_alone(str(sock.getsockname()))
        listen(sock, *backlog)

    def watched_accept(sock: socket.socket) -> Tuple[socket.socket, Any]:
        if not ports.of_socket(sock) or sock.fileno() in ports.by_loop:
            return accept(sock)
        while True:
            with drain.accepting():
                try:
                    fd, address = sock._accept()  # type: ignore[attr-defined]
                    accepted = _Accepted(sock.family, sock.type, sock.proto, fileno=fd)
                    accepted._drover = drain.opened(partial(_shut, weakref.ref(accepted)))
                    return accepted, address
                except BlockingIOError:
                    if sock.gettimeout() is not None:
                        raise
            # It is to block, and the descriptor never does: other workers accept from the same socket.
            poll = select.poll()
            poll.register(sock.fileno(), select.POLLIN)
            poll.poll(_LOOK_AGAIN_MS)

    def never_blocks(sock: socket.socket) -> None:
        if ports.of_socket(sock):
            os.set_blocking(sock.fileno(), False)

    def adopting_setblocking(sock: socket.socket, flag: bool) -> None:
        setblocking(sock, flag)
        never_blocks(sock)

    def adopting_settimeout(sock: socket.socket, value: Optional[float]) -> None:
        settimeout(sock, value)
        never_blocks(sock)

    patches = {
        "bind": adopting_bind,
        "listen": adopting_listen,
        "accept": watched_accept,
        "setblocking": adopting_setblocking,
        "settimeout": adopting_settimeout,
    }
    for name, patch in patches.items():
        setattr(plain, name, patch)
