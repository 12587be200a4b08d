"""What a drain has to know of HTTP/1: where requests begin and where their answers end."""

import unittest

from drover_worker.hook.exchange import Exchange, marked

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"

# What comes, the pieces that go out, and after which of them the request is over.
ANSWERS = [
    ("of a length", GET, [OK + b"Content-Length: 3\r\n\r\nabc"], [True]),
    ("of a length in pieces", GET, [OK + b"content-length: 3\r\n", b"\r\na", b"b", b"c"], [False, False, False, True]),
    ("empty", GET, [OK + b"Content-Length: 0\r\n\r\n"], [True]),
    ("without a body", GET, [b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"], [True]),
    ("to HEAD", b"HEAD / HTTP/1.1\r\n\r\n", [OK + b"Content-Length: 9\r\n\r\n"], [True]),
    ("interim first", GET, [b"HTTP/1.1 100 Continue\r\n\r\n", OK + b"Content-Length: 1\r\n\r\na"], [False, True]),
    (
        "in chunks",
        GET,
        [OK + b"Transfer-Encoding: chunked\r\n\r\n", b"3\r\nabc\r\n", b"10;x=y\r\n0123456789", b"abcdef\r\n0\r", b"\n\r\n"],
        [False, False, False, False, True],
    ),
    ("with a trailer", GET, [OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: y\r\n", b"\r\n"], [False, True]),
    ("until the end", GET, [OK + b"\r\nabc", b"def"], [False, False]),
    ("no HTTP", b"\x16\x03\x01", [b"\x16"], [False]),
]


class Exchanges(unittest.TestCase):
    def test_a_request_is_under_way_until_its_answer_has_gone_out(self) -> None:
        for name, request, pieces, ends in ANSWERS:
            for size in (None, 1):
                with self.subTest(name, size=size):
                    exchange = Exchange()
                    for part in [request] if size is None else [request[at : at + 1] for at in range(len(request))]:
                        exchange.came(part)
                    self.assertEqual(exchange.requests, 1)
                    for piece, end in zip(pieces, ends):
                        for part in [piece] if size is None else [piece[at : at + 1] for at in range(len(piece))]:
                            self.assertEqual(bytes(exchange.goes(part, False)), part)
                        self.assertEqual(not exchange.is_under_way and not exchange.is_opaque, end, piece)

    def test_a_connection_brings_one_request_after_the_other(self) -> None:
        exchange = Exchange()
        for count in range(1, 4):
            exchange.came(GET)
            self.assertTrue(exchange.is_under_way)
            exchange.goes(OK + b"Content-Length: 2\r\n\r\nab", False)
            self.assertEqual((exchange.is_under_way, exchange.requests), (False, count))

    def test_what_goes_past_is_counted(self) -> None:
        exchange = Exchange()
        exchange.came(GET)
        exchange.goes(OK + b"Content-Length: 1000\r\n\r\n", False)
        exchange.passed(999)
        self.assertTrue(exchange.is_under_way)
        exchange.passed(1)
        self.assertFalse(exchange.is_under_way)

    def test_a_websocket_is_upgraded_and_its_answer_is_left_alone(self) -> None:
        exchange = Exchange()
        exchange.came(GET)
        answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        self.assertEqual(exchange.goes(answer, True), answer)
        self.assertTrue(exchange.is_upgraded)

    def test_an_event_source_is_known(self) -> None:
        for head, is_one in [
            (b"GET / HTTP/1.1\r\nAccept: text/event-stream\r\n\r\n", True),
            (b"POST / HTTP/1.1\r\nAccept: text/event-stream\r\n\r\n", False),
            (GET, False),
        ]:
            exchange = Exchange()
            exchange.came(head)
            self.assertEqual(exchange.is_event_stream, is_one)

    def test_the_last_answer_says_that_it_is(self) -> None:
        for before, after in [
            (OK + b"A: b\r\n\r\nabc", OK + b"Connection: close\r\nA: b\r\n\r\nabc"),
            (OK + b"A: b\r\nConnection: keep-alive\r\n\r\n", OK + b"Connection: close\r\nA: b\r\n\r\n"),
            (OK + b"Connection: keep-alive\r\n\r\nabc", OK + b"Connection: close\r\n\r\nabc"),
            (OK, OK + b"Connection: close\r\n"),
            (OK + b"\r\n", OK + b"Connection: close\r\n\r\n"),
            (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ]:
            self.assertEqual(marked(before), after)
        exchange = Exchange()
        exchange.came(GET)
        self.assertEqual(exchange.goes(OK, True), OK + b"Connection: close\r\n")
        # Only where one begins.
        self.assertEqual(exchange.goes(b"Content-Length: 40\r\n\r\n" + OK, True), b"Content-Length: 40\r\n\r\n" + OK)


if __name__ == "__main__":
    unittest.main()
