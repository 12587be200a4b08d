"""What goes over a connection of HTTP/1, as far as a drain has to know it: where requests begin and where their answers end."""

from typing import Optional, Union

Data = Union[bytes, bytearray, memoryview]

_MOST_HEAD = 65_536  # of a head; what is longer is not looked at
_EVENT_STREAM = b"accept: text/event-stream"
_CLOSE = b"Connection: close\r\n"


class Exchange:
    """One connection. It is told what comes in and what goes out; what it does not understand is under way until it ends."""

    def __init__(self) -> None:
        self.requests = 0
        self.sent = 0
        """How many bytes went out."""
        self.is_under_way = False
        self.is_opaque = False
        """Not HTTP/1."""
        self.is_upgraded = False
        """A WebSocket or the like: it has no end of its own."""
        self._asked = b""  # the head of the request
        self._answered = b""  # the head of the answer, as far as it has gone out
        self._body: Optional[_Body] = None  # None: a head goes out

    @property
    def begins(self) -> bool:
        """Whether what goes out next is the beginning of an answer."""
        return self._body is None and not self._answered and not self.is_opaque and not self.is_upgraded

    @property
    def is_event_stream(self) -> bool:
        """Whether an EventSource asked: it comes back by itself."""
        head = self._asked.split(b"\r\n\r\n")[0].lower()
        return head.startswith(b"get ") and _EVENT_STREAM in head

    def came(self, data: Data) -> None:
        """The client has sent something."""
        if not len(data) or self.is_opaque or self.is_upgraded:
            return
        if not self.is_under_way:
            self.is_under_way = True
            self.requests += 1
            self._asked = b""
        if b"\r\n\r\n" not in self._asked and len(self._asked) < _MOST_HEAD:
            self._asked += bytes(data[:_MOST_HEAD])
            if not self._asked[:1].isalpha() or self._asked.startswith(b"PRI * HTTP/2"):
                self.is_opaque = True

    def goes(self, data: Data, is_last: bool) -> Data:
        """The server sends something: what is to be sent in its place. If it `is_last`, an answer that begins says so."""
        if self.is_opaque or self.is_upgraded:
            return data
        begins = self.begins
        self._follow(data)
        if begins and is_last and not self.is_opaque:
            data = marked(bytes(data))
        return data

    def passed(self, count: int) -> None:
        """So many bytes of a body went out past `goes`."""
        self.sent += count
        if self._body and self._body.skip(count):
            self._end()

    def _follow(self, data: Data) -> None:
        self.sent += len(data)
        if self._body and self._body.left is not None and len(data) < self._body.left:
            self._body.left -= len(data)  # most of what goes out is this
            return
        rest = bytes(data)
        while rest and not self.is_opaque and not self.is_upgraded:
            rest = self._head(rest) if self._body is None else self._rest(self._body, rest)

    def _head(self, data: bytes) -> bytes:
        before = len(self._answered)
        self._answered += data
        if not b"HTTP/1."[: len(self._answered)] == self._answered[:7] or len(self._answered) > _MOST_HEAD + len(data):
            self.is_opaque = True
            return b""
        head, end, _ = self._answered.partition(b"\r\n\r\n")
        if not end:
            return b""
        status = head[9:12]
        rest = data[len(head) + 4 - before :]
        if status == b"101":
            self.is_upgraded = True
        elif status[:1] == b"1":
            self._answered = b""  # the answer itself follows
        else:
            self._body = _Body(status, head.lower(), self._asked[:5].upper() == b"HEAD ")
            if self._body.left == 0:
                self._end()
        return rest

    def _rest(self, body: "_Body", data: bytes) -> bytes:
        rest = body.take(data)
        if rest is None:
            return b""
        self._end()
        return rest

    def _end(self) -> None:
        self._body, self._answered, self._asked, self.is_under_way = None, b"", b"", False


class _Body:
    """What follows the head of an answer. `left`: so many bytes; None: it is chunked, or ends with the connection."""

    def __init__(self, status: bytes, head: bytes, is_head: bool):
        fields = dict(line.partition(b":")[::2] for line in head.split(b"\r\n")[1:])
        self.is_chunked = b"chunked" in fields.get(b"transfer-encoding", b"")
        self.left: Optional[int] = None
        if is_head or status in (b"204", b"304"):
            self.left = 0
        elif not self.is_chunked and fields.get(b"content-length", b"").strip().isdigit():
            self.left = int(fields[b"content-length"])
        self._chunk = 0  # how much of a chunk and its line end is to come
        self._line = b""  # what there is of a line between chunks
        self._is_trailer = False

    def skip(self, count: int) -> bool:
        """So many bytes need not be looked at; whether it has ended."""
        if self.left is None:
            return False
        self.left = max(0, self.left - count)
        return self.left == 0

    def take(self, data: bytes) -> Optional[bytes]:
        """What comes after the body; None if it has not ended."""
        if self.left is not None:
            count = min(self.left, len(data))
            return data[count:] if self.skip(count) else None
        return self._chunks(data) if self.is_chunked else None

    def _chunks(self, data: bytes) -> Optional[bytes]:
        at = 0
        while at < len(data):
            if self._chunk:
                count = min(self._chunk, len(data) - at)
                self._chunk -= count
                at += count
                continue
            end = data.find(b"\n", at)
            if end < 0:
                self._line += data[at:]
                return None
            line, self._line, at = (self._line + data[at:end]).strip(), b"", end + 1
            if self._is_trailer and not line:
                return data[at:]
            if not self._is_trailer:
                try:
                    size = int(line.split(b";")[0], 16)
                except ValueError:
                    self.is_chunked = False  # then it ends with the connection
                    return None
                self._is_trailer, self._chunk = size == 0, size + 2 if size else 0
        return None


def marked(data: bytes) -> bytes:
    """The beginning of an answer, with the field that makes it the connection's last."""
    line, end, rest = data.partition(b"\r\n")
    if not end or line[9:10] == b"1":
        return data  # of an interim one
    head, end_of_head, body = rest.partition(b"\r\n\r\n")
    fields = [field for field in head.split(b"\r\n") if not field.lower().startswith(b"connection:")]
    if any(field.lower().startswith(b"upgrade:") for field in head.split(b"\r\n")):
        return data
    kept = b"\r\n".join(fields)
    return line + end + _CLOSE + (kept + end_of_head + body if kept or not end_of_head else b"\r\n" + body)
